"""Gradients at trial points: where they are NaN, and what the density is flat in."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np

from ppl._errors import ModelError
from ppl._typing import Array
from ppl.checks._probe import affordable, points, quickly, usable
from ppl.checks._report import Finding, of_error
from ppl.checks._starts import gradient_trouble
from ppl.target import LogDensity, Traced

_FROM_PRIOR = 24  # draws from the prior among the trial points
_SMALL_DIM = 48  # up to which directions are looked for
_ZERO = 3e-6  # of a direction's slope, relative to the gradients, in float32
_SAME = 1e-5  # of the density, relative to itself
_OVERFLOWS = 1e15  # beyond, a gradient that is not a number has overflowed
_FAR = (1e2, 1e4, 1e5)  # how far along a direction the density must stay the same
_FORWARD = "forward_mode_differentiation=True"


def slope_findings(
    traced: Traced, drawn: np.ndarray, lines: dict[str, str]
) -> Iterator[Finding]:
    """What gradients tell: NaN beside a finite density, flat coordinates, directions.

    Args:
        traced: The model.
        drawn: Unconstrained draws from the prior, (draws, dim), perhaps none.
        lines: Of the sites.
    """
    density = traced.density
    positions = _positions(traced, drawn)
    try:
        values, slopes = jax.tree.map(np.asarray, _program(density, positions))
    except ValueError as error:
        if "everse-mode" not in str(error):
            raise
        yield Finding(
            "no reverse gradient",
            "the model has a loop that JAX cannot differentiate backwards.",
            remedy=f"Run it with NUTS(model, {_FORWARD}), or write the loop with "
            "jax.lax.scan.",
        )
        return
    fine = np.isfinite(values)
    numbers = fine & np.isfinite(slopes).all(axis=1)
    bad = fine & ~numbers
    if numbers.any():  # an infinite gradient at times is a step too far, no trap
        bad &= np.isnan(slopes).any(axis=1) & (np.abs(values) < _OVERFLOWS)
    if bad.any():
        yield _trap(density, positions, slopes, bad, fine, lines)
    if numbers.sum() >= 4:
        order = np.argsort(-values[numbers])  # the largest density first
        ordered = positions[numbers][order], slopes[numbers][order]
        yield from _flat(traced, *ordered, lines)


def _positions(traced: Traced, drawn: np.ndarray) -> np.ndarray:
    dim = traced.density.layout.size
    trial = points(dim)
    if _may_be_flat(traced):
        rng = np.random.default_rng(1)
        more = rng.uniform(-2.0, 2.0, (2 * dim + 16, dim)).astype(trial.dtype)
        trial = np.concatenate([trial, more])
    drawn = usable(drawn)[:_FROM_PRIOR]
    count = affordable(traced.density, _FROM_PRIOR)
    if not len(drawn) or not count:
        return trial
    rows = np.arange(count) % len(drawn)  # always as many: one program
    return np.concatenate([trial, drawn[rows]])


def _may_be_flat(traced: Traced) -> bool:
    improper = any(s.family == "ImproperUniform" for s in traced.sites.values())
    return improper and traced.density.layout.size <= _SMALL_DIM


@quickly
def _program(density: LogDensity, positions: Array) -> tuple[Array, Array]:
    return jax.vmap(density.value_and_grad)(positions)


def _trap(
    density: LogDensity,
    positions: np.ndarray,
    slopes: np.ndarray,
    bad: np.ndarray,
    fine: np.ndarray,
    lines: dict[str, str],
) -> Finding:
    """The finding for gradients that are not finite where the density is."""
    at = int(np.flatnonzero(bad)[0])
    by_site = {
        e.name: slopes[at, e.offset : e.offset + e.size] for e in density.layout.entries
    }
    site, what, value = gradient_trouble(density, positions[at], by_site)
    remedy = (
        "A where, sqrt, norm or division has no derivative in a branch that was not "
        "taken: make its argument safe inside of the where as well."
    )
    count, total = int(bad.sum()), int(fine.sum())
    rule = f"{what.rstrip('.')} ({count} of {total} trial points)."
    if count == total:
        return of_error(ModelError(rule, site=site, value=value, hint=remedy), lines)
    return Finding("NaN gradient", rule, site, lines.get(site or "", ""), value, remedy)


def _flat(
    traced: Traced, positions: np.ndarray, slopes: np.ndarray, lines: dict[str, str]
) -> Iterator[Finding]:
    none = np.all(slopes == 0, axis=0)
    for entry in traced.density.layout.entries:
        count = int(none[entry.offset : entry.offset + entry.size].sum())
        if count:
            some = (
                "" if count == entry.size else f"{count} of {entry.size} elements of "
            )
            yield Finding(
                "flat density",
                f"the density does not depend on {some}it: its gradient is zero at all "
                "trial points.",
                entry.name,
                lines.get(entry.name, ""),
                0.0,
                "Take it out, or give it a proper prior.",
            )
    if not none.any() and _may_be_flat(traced):
        yield from _flat_direction(traced.density, positions, slopes, lines)


def _flat_direction(
    density: LogDensity,
    positions: np.ndarray,
    slopes: np.ndarray,
    lines: dict[str, str],
) -> Iterator[Finding]:
    """A direction in which no gradient points and far along which nothing changes."""
    lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
    if len(slopes) < slopes.shape[1] or not lengths.all():
        return
    unit = slopes / lengths
    _, sizes, directions = np.linalg.svd(unit.astype(np.float64))
    if sizes[-1] > _ZERO * sizes[0]:
        return
    way = directions[-1].astype(positions.dtype)
    if not _stays(density, positions[0], way, slopes[0]):
        return
    parts = {
        e.name: np.abs(way[e.offset : e.offset + e.size]).max()
        for e in density.layout.entries
    }
    sites = [name for name, part in parts.items() if part > 0.05]
    named = ", ".join(f"'{name}'" for name in sites)
    moving = f"{named} move" if len(sites) > 1 else f"elements of {named} move"
    yield Finding(
        "flat direction",
        f"the density stays the same when {moving} together: the data cannot tell them "
        "apart, and no prior does.",
        sites[0],
        lines.get(sites[0], ""),
        sites,
        "Give at least one of them a proper prior, or fix it.",
    )


def _stays(
    density: LogDensity, start: np.ndarray, way: np.ndarray, slope: np.ndarray
) -> bool:
    """Whether the density stays the same far along a way, up to rounding.

    Near by, a direction about which data say little looks flat, too; so it does where
    the density is so far from zero that its rounding hides what a step changes.
    """
    far = np.array(_FAR, start.dtype)
    positions = start + np.concatenate([[0.0], far])[:, None].astype(far.dtype) * way
    near, *others = np.asarray(_values(density, positions), float)
    if abs(near) * _SAME > 1:
        return False
    rounding = 8 * np.finfo(start.dtype).eps * far * np.abs(slope).sum()
    least = _SAME * (1 + abs(near)) + rounding
    return bool(np.all(np.abs(np.array(others) - near) <= least))


@quickly
def _values(density: LogDensity, positions: Array) -> Array:
    return jax.vmap(density)(positions)
