"""What the probe has found, in words: parameters, data, log densities, by site."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ppl._errors import ModelError, ParameterError, PPLError, SupportError
from ppl._sites import Sample
from ppl.checks._flow import varies
from ppl.checks._probe import (
    EXTREME,
    MISSING,
    POINTS,
    WRONG,
    Findings,
    counted_batch,
    judge,
    look,
    points,
    probe,
    unclear,
    unwrapped,
)
from ppl.distributions.constraints import Constraint, Interval, OpenInterval
from ppl.distributions.distribution import ParameterCheck
from ppl.target import LogDensity, Traced
from ppl.visiting import family_of

_ROUNDING = 1e-5  # how far beyond an interval, relative to it, float32 sums may come
_MISSING = (
    "For missing data, fill them with any number and switch them off by "
    "ppl.handlers.mask(mask=…) around the statement."
)


def check_values(traced: Traced) -> None:
    """Evaluate the model at a few points; report the first site with what is wrong.

    Raises:
        SupportError: Data are NaN, infinite or outside of the support.
        ParameterError: A parameter breaks its rule for good, or at some points by sign,
            order or size. One that is infinite at some points only has overflowed, and
            a sampler steps back from there.
        ModelError: A term of the log density is +inf somewhere or NaN everywhere.
    """
    for error in value_errors(traced):
        raise error


def value_errors(traced: Traced) -> Iterator[PPLError]:
    """What `check_values` raises the first of, in the order of the model."""
    positions = points(traced.density.layout.size)
    findings = probe(traced.density, positions)
    yield from _Judgement(traced, positions, findings).errors()


class _Judgement:
    """Reads the findings site by site, and looks closer where there are any."""

    def __init__(self, traced: Traced, positions: np.ndarray, findings: Findings):
        self.density, self.sites = traced.density, traced.sites
        self.positions, self.findings = positions, findings
        self.terms, self.codes = np.asarray(findings.terms), np.asarray(findings.codes)

    def errors(self) -> Iterator[PPLError]:
        """What is wrong, in the order of the model."""
        if np.isfinite(self.terms).all() and not self.codes.any():
            return
        checks = self.findings.checks
        for column, name in enumerate(self.findings.sites):
            yield from self._of_data(name)
            own = [i for i, (site, _) in enumerate(checks) if site == name]
            numbers = self.codes[:, own] & (MISSING | EXTREME) == 0
            clear = np.asarray(numbers.all(axis=1))
            for i in own:
                yield from self._of_parameter(
                    name, checks[i][1], self.codes[:, i], clear
                )
            yield from self._of_term(name, self.terms[:, column], clear)

    def _of_data(self, name: str) -> Iterator[PPLError]:
        given = self.findings.given
        if name not in given:
            return
        codes = self.codes[:, len(self.findings.checks) + given.index(name)]
        if not codes.all():
            return  # a support that moves with the position, and sometimes covers all
        if not (codes & MISSING).all() and varies(self.density, name):
            return
        error = data_error(self.density, self.positions[0], name, self.sites[name].line)
        if error is not None:
            yield error

    def _of_parameter(
        self, name: str, number: int, codes: np.ndarray, clear: np.ndarray
    ) -> Iterator[PPLError]:
        """`clear` are the points at which all parameters of the site are numbers."""
        broken = codes & WRONG > 0
        certain = broken & clear  # a comparison with NaN proves nothing
        if certain.any():
            often = f"; broken at {int(broken.sum())} of {POINTS} trial points"
            tries = np.flatnonzero(certain)
        elif (codes & MISSING).all() or (
            codes.all() and not varies(self.density, name, number)
        ):
            often, tries = "", np.array([0])
        else:
            return
        note = f"{'' if broken.all() else often} ({self.sites[name].line})"
        for at in tries:
            position = self.positions[at]
            error = parameter_error(self.density, position, name, number, note)
            if error is not None:
                yield error
                return

    def _of_term(
        self, name: str, terms: np.ndarray, clear: np.ndarray
    ) -> Iterator[PPLError]:
        site = self.sites[name]
        what = (
            "log factor" if site.family == "Unit" else f"log density of {site.family}"
        )
        infinite = np.isposinf(terms) & clear
        if infinite.any():
            count = int(infinite.sum())
            yield ModelError(
                f"{what} is +inf at {count} of {POINTS} trial points ({site.line}).",
                site=name,
                value=np.inf,
                hint="A sampler would never leave such a point: no density is infinite "
                "where it is properly defined.",
            )
        if np.isnan(terms).all() and clear.any():
            hint = arguments_with_nan(self.density)
            yield ModelError(
                f"{what} is NaN at all {POINTS} trial points ({site.line}).",
                site=name,
                value=np.nan,
                hint=hint
                or "Where the model is impossible, let it be -inf: "
                "jnp.where(possible, term, -jnp.inf).",
            )


# --- errors, from a closer look -------------------------------------------------------


def data_error(
    density: LogDensity, position: np.ndarray, name: str, line: str
) -> SupportError | None:
    """The error for given values outside of the support; None if none is."""
    site = look(density, position, name)
    judged = judge(np, site)
    if judged is None:
        return None
    outside, missing, support = judged
    wrong = missing if missing.any() else outside
    if not wrong.any():
        return None
    family = family_of(site.fn)
    value = np.broadcast_to(site.value, site.fn.shape())
    index, shown = first(wrong, value)
    count, total = int(wrong.sum()), wrong.size
    if missing.any():
        nan = np.isnan(np.asarray(shown, float)).any()
        what = "NaN" if nan else "infinite"
        return SupportError(
            f"{count} of {total} values {what}: first {name}{index} = {written(shown)} "
            f"({line}).",
            site=name,
            value=shown,
            hint=_MISSING if nan else "",
        )
    rule = _at(support, np.argwhere(wrong)[0], wrong.shape).rule
    return SupportError(
        f"{count} of {total} values outside the support of {family}: first "
        f"{name}{index} = {written(shown)}, {rule} ({line}).",
        site=name,
        value=shown,
        hint="Look at the data, or choose another distribution.",
    )


def parameter_error(
    density: LogDensity, position: np.ndarray, name: str, number: int, note: str
) -> ParameterError | None:
    """The error for a parameter that breaks its rule; None if that was rounding."""
    site = look(density, position, name)
    check: ParameterCheck = site.fn.parameter_checks()[number]
    wrong = _wrong(site, check)
    if not wrong.any():
        return None
    family = family_of(site.fn)
    value = np.asarray(check.value)
    event = value.shape[wrong.ndim :]
    index, shown = first(wrong, np.broadcast_to(value, (*wrong.shape, *event)))
    count = f" ({int(wrong.sum())} of {wrong.size} wrong)" if wrong.ndim else ""
    hint = check.remedy
    if np.isnan(np.asarray(shown, float)).any():
        hint = arguments_with_nan(density) or "Look at the computation before it."
        if check.name == "scale_tril":
            hint = (
                "The covariance is not positive definite, up to rounding: add a small "
                "number to its diagonal, or compute in float64."
            )
    return ParameterError(
        f"{family}.{check.name}{index} = {written(shown)}{count}: {check.rule}{note}.",
        site=name,
        value=shown,
        hint=hint,
    )


def _wrong(site: Sample, check: ParameterCheck) -> np.ndarray:
    """Where a rule is broken by more than rounding, and no mask switches it off."""
    wrong = ~np.asarray(check.ok)
    base: Any = unwrapped(site.fn)
    constraint = base.parameter_constraints().get(check.name)
    if isinstance(constraint, Interval | OpenInterval):
        slack = _ROUNDING * (constraint.upper_bound - constraint.lower_bound)
        value = np.asarray(check.value)
        near = constraint(value - slack) | constraint(value + slack)
        wrong = wrong & ~np.asarray(near)
    where = counted_batch(site)
    if where is not None and where.shape == wrong.shape:
        wrong = wrong & np.asarray(where)
    return wrong


def broken_parameter(
    density: LogDensity, position: np.ndarray, name: str, line: str
) -> ParameterError | None:
    """The error for the first parameter that breaks its rule at a position."""
    site = look(density, position, name)
    for number, check in enumerate(site.fn.parameter_checks()):
        nan, extreme = unclear(np, check)
        if (~np.asarray(check.ok) | nan | extreme).any():
            return parameter_error(density, position, name, number, f" ({line})")
    return None


# --- wording --------------------------------------------------------------------------


def first(wrong: np.ndarray, value: np.ndarray) -> tuple[str, Any]:
    """Index, as it is written, and value of the first wrong element."""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return index, value[at].tolist()


def written(value: Any) -> str:
    """A value in a sentence: shortened if it is an array of many."""
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array:g}" if array.dtype.kind == "f" else str(value)
    if array.size > 8:
        low, high = np.nanmin(array), np.nanmax(array)
        return f"array of shape {array.shape} from {low:g} to {high:g}"
    return np.array2string(array, precision=4, separator=", ").replace("\n", "")


def _at(support: Constraint, index: np.ndarray, shape: tuple[int, ...]) -> Constraint:
    """A constraint with the bounds of one element."""

    def bound(leaf: Any) -> Any:
        leaf = np.asarray(leaf)
        if leaf.ndim > len(shape):
            return leaf
        return np.broadcast_to(leaf, shape)[tuple(index)]

    return jax.tree.map(bound, support)


def arguments_with_nan(density: LogDensity) -> str:
    """A sentence about arguments of the model that hold NaN; empty if none does."""
    said = []
    names = argument_names(density)
    for name, value in zip(names, density.data, strict=True):
        array = np.asarray(value)
        if array.dtype.kind == "f" and (nan := np.isnan(array)).any():
            index, _ = first(nan, array)
            said.append(f"'{name}' has {int(nan.sum())} NaN, first at {index}")
    return f"The argument {', '.join(said)}." if said else ""


def argument_names(density: LogDensity) -> list[str]:
    """What the model calls its array arguments, as far as its signature tells."""
    model: Any = density.spec.model
    while getattr(model, "fn", None) is not None:
        model = model.fn
    try:
        parameters = list(inspect.signature(model).parameters)
    except (TypeError, ValueError):
        parameters = []
    names = []
    for name in density.spec.arguments.names:
        place = name.removeprefix("argument ")
        known = place.isdigit() and int(place) < len(parameters)
        names.append(parameters[int(place)] if known else name)
    return names
