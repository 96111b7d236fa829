"""Discontinuities of the density in a latent, found where an operation steps.

The traced density names the candidates: comparisons, rounding and the like of the
user's own. Most are harmless, as in `where(x > 0, x, 0)`. So the density is looked at
along lines between trial points: where a step changes, the cell is divided until the
density's change across it is either that of a smooth function, or a jump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from ppl._flow import members, own
from ppl._typing import Array
from ppl.checks._flow import abstract_position, by_site
from ppl.checks._probe import affordable, points, quickly, usable
from ppl.checks._report import Finding
from ppl.checks._steps import Step, steps, with_numbers
from ppl.target import LogDensity, Traced

_LINES = 24
_CELLS = 48
_LEVELS = 3
_SMALL = 0.01  # nats that are not worth a word
_CLEAR = 20.0  # times the change across the cells beside it
_ROUNDING = 1e-5  # of the density


def jump_findings(
    traced: Traced, drawn: np.ndarray, lines: dict[str, str]
) -> Iterator[Finding]:
    """The latents in which the density jumps, with the line that makes it jump.

    Args:
        traced: The model.
        drawn: Unconstrained draws from the prior, (draws, dim), perhaps none.
        lines: Of the sites.
    """
    density = traced.density
    program = jax.make_jaxpr(_value)(density, abstract_position(density))
    found = _steps_in(program)
    if not found:
        return
    along = _segments(density.layout.size, drawn)
    told: set[tuple[str, str]] = set()
    for number, step in enumerate(found):
        jump = _largest_jump(density, along, number)
        if jump is None:
            continue
        names = _behind(density, step)
        site = names[0] if names else None
        if (step.line, step.name) in told:
            continue
        told.add((step.line, step.name))
        others = ", ".join(f"'{n}'" for n in names[1:4])
        yield Finding(
            "discontinuity",
            f"the log density jumps by {jump:.2g} where the {step.name} at {step.line} "
            f"changes{f' (so it does in {others})' if others else ''}.",
            site,
            lines.get(site or "", ""),
            jump,
            "Gradients do not see jumps: replace the step by a smooth function, or sum "
            "over the cases.",
        )


def too_large(traced: Traced) -> bool:
    """Whether there are so many data that looking along lines would take long."""
    return affordable(traced.density, 1 + _CELLS) <= _CELLS


def _value(density: LogDensity, position: Array) -> Array:
    return density.visit(position)[0]


def _segments(dim: int, drawn: np.ndarray) -> _Lines:
    trial = np.concatenate([points(dim), usable(drawn)])
    rng = np.random.default_rng(3)
    pairs = rng.integers(len(trial), size=(2, _LINES))
    pairs[1] += pairs[0] == pairs[1]
    pairs[1] %= len(trial)
    ends = trial[pairs[0]], trial[pairs[1]]
    return _Lines(*ends, np.zeros(_LINES), np.ones(_LINES))


@dataclass(frozen=True)
class _Lines:
    """Pieces of lines from `starts` to `ends`, (lines, dim), between shares of them."""

    starts: np.ndarray
    ends: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def cells(self, density: LogDensity, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Densities (lines, points), and between which of them a step changes."""
        at = np.linspace(self.low, self.high, _CELLS + 1, axis=1)
        made = _along(density, self.starts, self.ends, at.astype(self.starts.dtype))
        values, numbers = (np.asarray(v) for v in made)
        results, performed = numbers[..., number, 0], numbers[..., number, 1]
        differs = results[:, 1:] != results[:, :-1]
        differs &= performed[:, 1:] == performed[:, :-1]
        finite = np.isfinite(values)
        return values, differs & finite[:, 1:] & finite[:, :-1]

    def narrowed(self, differs: np.ndarray) -> tuple[_Lines, np.ndarray, np.ndarray]:
        """The first such cell of each line; where there is none, of another line.

        Returns:
            The lines within these cells; line and cell that each of them comes from.
        """
        some = np.flatnonzero(differs.any(axis=1))
        rows = np.where(differs.any(axis=1), np.arange(len(differs)), some[0])
        cells = differs.argmax(axis=1)[rows]
        width = ((self.high - self.low) / _CELLS)[rows]
        low = self.low[rows] + cells * width
        lines = _Lines(self.starts[rows], self.ends[rows], low, low + width)
        return lines, rows, cells


def _largest_jump(density: LogDensity, lines: _Lines, number: int) -> float | None:
    """The largest jump of the density where step `number` changes; None if none."""
    before = np.full(len(lines.low), np.inf)
    for _ in range(_LEVELS - 1):
        values, differs = lines.cells(density, number)
        if not differs.any():
            return None
        lines, rows, cells = lines.narrowed(differs)
        before = _changes(values)[rows, cells]
    values, differs = lines.cells(density, number)
    found = map(_clear_jump, values, differs, before)
    return max(found, default=0.0) or None


def _changes(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(np.diff(values))


def _clear_jump(values: np.ndarray, differs: np.ndarray, before: float) -> float:
    """The largest change of one line where the step does, 0 if it is no jump.

    A jump stands out from the changes beside it, and does not shrink with the cell:
    that across a kink with an infinite slope, as of sqrt at zero, does.
    """
    changes = _changes(values)
    elsewhere = changes[~differs & np.isfinite(changes)]
    if not (differs.any() and elsewhere.size):
        return 0.0
    noise = _ROUNDING * np.abs(values[np.isfinite(values)]).max()
    least = max(_SMALL + noise, _CLEAR * np.median(elsewhere), 0.5 * before)
    jump = float(changes[differs].max())
    return jump * (jump > least)


@quickly
def _along(
    density: LogDensity, starts: Array, ends: Array, at: Array
) -> tuple[Array, Array]:
    """Densities (lines, points) and the numbers of all steps there."""

    def one(start: Array, end: Array, t: Array) -> tuple[Array, Array]:
        return _with_steps(density, start + t * (end - start))

    along = jax.vmap(one, (None, None, 0))
    return jax.lax.map(lambda line: along(*line), (starts, ends, at))


def _with_steps(density: LogDensity, position: Array) -> tuple[Array, Array]:
    program = jax.make_jaxpr(partial(_value, density))(position)
    made, numbers = with_numbers(program, [position], _steps_in(program))
    return made[0], numbers


def _steps_in(program: Any) -> list[Step]:
    """The steps in a closed jaxpr whose last input is the position."""
    return list(steps(program.jaxpr, [(program.jaxpr.invars[-1], own(0))]))


def _behind(density: LogDensity, step: Step) -> tuple[str, ...]:
    """The latents that a step's result depends on."""
    names = [entry.name for entry in density.layout.entries]
    program, inputs = by_site(density, lambda visited: visited[0])
    for same in steps(program, ((v, own(i)) for i, v in enumerate(inputs))):
        if (same.name, same.line) == (step.name, step.line):
            return members(same.behind.any, names)
    return ()
