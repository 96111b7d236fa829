"""The complete check of a model: all errors, and advice that no run waits for."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ppl._errors import DuplicateSiteError, ModelError, PPLError, PPLWarning, ShapeError
from ppl._typing import Model
from ppl.checks._draws import draws_from_prior
from ppl.checks._flow import dependences
from ppl.checks._hierarchy import funnel_findings, unused_findings
from ppl.checks._jumps import jump_findings, too_large
from ppl.checks._model import check_resolution, errors_of, traced_model
from ppl.checks._priors import predictive_findings, scale_findings
from ppl.checks._report import Finding, Report, of_error, of_warning
from ppl.checks._slopes import slope_findings
from ppl.checks._watch import Lenient
from ppl.target import Traced

_NAMES = {
    "ConstantArgumentWarning": "constant argument",
    "EmptyDataWarning": "no data",
    "ImproperPosteriorWarning": "improper posterior",
    "ResolutionWarning": "resolution",
}
# Of these a site gets the first only: the others say the same in other words.
_ALIKE = {"improper posterior", "unused latent", "flat density", "zero gradient"}


def check(model: Model, *args: Any, **kwargs: Any) -> Report:
    """Look at a model and its data for all that is wrong or may go wrong.

    Runs no inference: the model is traced, evaluated at a few points, and drawn from.
    What a run refuses is an error here, and one error does not hide another. Advice is
    about latents without data, gradients that vanish or are NaN, jumps of the density,
    data that float32 cannot resolve, scales that differ by more than 10,000, centred
    hierarchies with few data, and data far from all that the prior gives.

    Args:
        model: A function with sample statements.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        The report: `errors`, `advice`, `ok`, `raise_if_wrong()`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        traced, errors = _errors(model, args, kwargs)
    lines = {n: s.line for n, s in traced.sites.items()} if traced else {}
    advice = [_told(w, lines) for w in caught if issubclass(w.category, PPLWarning)]
    for other in caught:
        if not issubclass(other.category, PPLWarning):
            warnings.warn_explicit(
                other.message, other.category, other.filename, other.lineno
            )
    found = [of_error(error, lines, _home(model)) for error in errors]
    skipped: list[str] = []
    if traced is not None and not found:
        more = _advice(traced, lines, skipped)
        found = [f for f in more if f.error is not None]
        advice += [f for f in more if f.error is None]
    return Report(tuple(found), tuple(_without_repeats(advice)), tuple(skipped))


def _errors(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Traced | None, list[PPLError]]:
    """The traced model, None if it cannot be, and what is wrong with it."""
    try:
        traced, constants = traced_model(model, args, kwargs)
    except PPLError as error:
        return _in_spite_of(error, model, args, kwargs)
    errors = list(_until_stopped(errors_of(traced)))
    check_resolution(traced, constants)
    return traced, _one_a_site(errors)


def _home(model: Model) -> str:
    """File and line where a model begins, for errors that no statement of it makes."""
    inner: Any = model
    while getattr(inner, "fn", None) is not None:  # a handler's
        inner = inner.fn
    code = getattr(inspect.unwrap(inner), "__code__", None)
    if code is None:
        return ""
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"


def _in_spite_of(
    error: PPLError, model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Traced | None, list[PPLError]]:
    """More errors of a model that does not fit its data, if the trace can go on."""
    if not isinstance(error, ShapeError | DuplicateSiteError):
        return None, [error]
    lenient = Lenient(model)
    try:
        traced, _ = traced_model(lenient, args, kwargs)
        more = list(_until_stopped(errors_of(traced, probe=False)))
    except PPLError as other:
        traced, more = None, [other]
    told = {str(e): e for e in [error, *lenient.errors, *more]}
    return traced, list(told.values())


def _until_stopped(errors: Iterator[PPLError]) -> Iterator[PPLError]:
    """All errors, the one that is raised on the way included."""
    try:
        yield from errors
    except ModelError as error:
        yield error


def _one_a_site(errors: list[PPLError]) -> list[PPLError]:
    """Without what follows from an error at the same site."""
    first = {(e.site or str(e)): e for e in reversed(errors)}
    return [e for e in errors if first[e.site or str(e)] is e]


def _advice(traced: Traced, lines: dict[str, str], skipped: list[str]) -> list[Finding]:
    found = dependences(traced.density)
    findings = list(unused_findings(traced, found, lines))
    drawn = draws_from_prior(traced)
    positions = np.zeros((0, traced.density.layout.size))
    if isinstance(drawn, str):
        skipped.append(drawn)
    else:
        positions = drawn.positions
    findings += slope_findings(traced, positions, lines)
    if too_large(traced):
        skipped.append("jumps of the density: the data are too many")
    else:
        findings += jump_findings(traced, positions, lines)
    if not isinstance(drawn, str):
        findings += funnel_findings(traced, found, drawn, lines)
        findings += scale_findings(traced, drawn, lines)
        findings += predictive_findings(drawn, lines)
    return findings


def _told(warning: warnings.WarningMessage, lines: dict[str, str]) -> Finding:
    name = warning.category.__name__
    return of_warning(_NAMES.get(name, name), str(warning.message), lines)


def _without_repeats(findings: Iterable[Finding]) -> Iterator[Finding]:
    told: set[Any] = set()
    for finding in findings:
        key: Any = str(finding)
        if finding.kind in _ALIKE:
            key = "alike", finding.site
        if key not in told:
            told.add(key)
            yield finding
