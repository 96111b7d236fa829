"""The table of docs/errors.md: what is tried, and what is said, told by the tests.

python -m tests.error_page     # writes it
"""

import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ppl
import ppl.distributions as dist
from ppl._errors import PPLError
from tests import test_bad_inputs, test_bad_models, test_bad_runs
from tests.mistakes import Mistake

PAGE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
BEGIN, END = "<!-- begin table -->", "<!-- end table -->"
COUNT = 68
MODULES = (test_bad_models, test_bad_inputs, test_bad_runs)
ACCEPTED: list[tuple[int, Callable[[], Any]]] = []
ELSEWHERE = {
    65: "a guide that lacks a site or has one too many",
}


def accepts(number: int) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Lists what is no mistake, or one that only deserves a warning."""

    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        ACCEPTED.append((number, make))
        return make

    return add


def _located(y: Any, prior: Any = None) -> None:
    mu = ppl.sample("mu", dist.Normal(0.0, 1.0) if prior is None else prior)
    ppl.sample("y", dist.Normal(mu, 1.0), obs=y)


def _checked(model: Any, *args: Any) -> None:
    report = ppl.check(model, *args)
    report.raise_if_wrong()
    for finding in report.advice:
        warnings.warn(f"{finding.kind}: {finding}", stacklevel=2)


@accepts(35)
def improper_prior_without_data() -> None:
    def model(y: Any) -> None:
        ppl.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
        _located(y)

    _checked(model, np.zeros(2))


@accepts(37)
def plate_of_size_zero() -> None:
    def model(y: Any) -> None:
        with ppl.plate("M", 0):
            z = ppl.sample("z", dist.Normal(0.0, 1.0))
        _located(y + z.sum())

    _checked(model, np.zeros(2))


@accepts(42)
def empty_data() -> None:
    _checked(_located, np.zeros(0))


@accepts(44)
def a_list_as_data() -> None:
    _checked(_located, [0.5, 1.0])


@accepts(45)
def a_pandas_series_as_data() -> None:
    _checked(_located, pd.Series([0.5, 1.0]))


@accepts(49)
def data_far_from_zero_in_float32() -> None:
    y = 1e9 + np.array([0.0, 1.0, -1.0])
    _checked(lambda y: _located(y, dist.Normal(1e9, 10.0)), y)


def said(mistake: Mistake) -> PPLError:
    """The error that a mistake gets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            mistake.make()
        except PPLError as error:
            return error
    raise ValueError(f"{mistake} is silent")


def outcome(make: Callable[[], Any]) -> str:
    """ "accepted", or the warnings that are given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    return "; ".join(dict.fromkeys(str(w.message) for w in caught)) or "accepted"


@cache
def rows() -> list[tuple[int, str, str, str]]:
    """Number, what is tried, class, message; in the order of the numbers."""
    found = []
    for module in MODULES:
        for mistake in module.MISTAKES:
            error = said(mistake)
            name = mistake.make.__name__
            found.append((mistake.number, name, type(error).__name__, str(error)))
    for number, make in ACCEPTED:
        told = outcome(make)
        kind = "accepted" if told == "accepted" else "advice"
        found.append((number, make.__name__, kind, "" if kind == told else told))
    for number, what in ELSEWHERE.items():
        found.append((number, what, "not here yet", ""))
    return sorted(found, key=lambda row: row[0])


def _cell(text: str) -> str:
    """A message on one line, without what differs from machine to machine."""
    text = re.sub(r"[\w.<>-]+\.py:\d+", "model.py:…", text)
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    head, _, table = text.partition("\n")
    if table:  # the table of all sites, where no chain can start
        text = f"{head} …"
    return text.replace("|", "\\|").replace("<", "&lt;").strip()


def table() -> str:
    """The Markdown table, and the counts beneath it."""
    lines = ["| # | what is tried | class | what is said |", "|---|---|---|---|"]
    found = rows()
    for number, name, kind, message in found:
        words = name.replace("_", " ")
        lines.append(f"| {number} | {words} | {kind} | {_cell(message)} |")
    errors = sum(kind.endswith("Error") for _, _, kind, _ in found)
    numbers = {number for number, *_ in found} - set(ELSEWHERE)
    lines += ["", f"{len(found)} cases for {len(numbers)} of {COUNT} kinds of mistake:"]
    lines[-1] += f" {errors} typed errors, the others accepted or with advice."
    return "\n".join(lines)


def page() -> str:
    """The page with the table as the tests give it now."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
