"""Up to the highest point of a target: Newton steps within a trust region.

The steps are found by conjugate gradients (Steihaug, SIAM J. Numer. Anal. 20, 1983), so
all that is asked of the target is its gradient and products with its Hessian. They end
by a test that has a meaning in every model: how many nats the next step would gain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ppl._errors import EngineError
from ppl.infer.engine.curvature import Hessian
from ppl.infer.engine.evaluator import Points

_GAIN = 1e-10  # nats
_ROUNDING = 16  # units of the last digit of the log density
_ACCEPTED = 1e-4  # share of the gain that was promised
_LEAST_RADIUS = 1e-12


class Surface(Protocol):
    """What is climbed: heights, slopes and curvature on the host."""

    @property
    def dtype(self) -> np.dtype:
        """That heights are computed in."""
        ...

    def __call__(self, positions: np.ndarray) -> Points:
        """At positions (n, dim)."""
        ...

    def curvature(self, position: np.ndarray) -> Hessian:
        """At a position, (dim,)."""
        ...


@dataclass(frozen=True)
class Highest:
    """Where a climb has ended.

    Attributes:
        position: (dim,).
        logp: Log density there.
        gain: Nats that one more step would gain, as far as can be foreseen.
        converged: Whether that is next to nothing, and the density curves downwards.
        steps: How many were made.
    """

    position: np.ndarray
    logp: float
    gain: float
    converged: bool
    steps: int


class _Step(NamedTuple):
    """A step in scaled coordinates.

    Attributes:
        move: (dim,).
        gain: What it gains if the density is a parabola.
        free: Whether the trust region has not cut it, and the density curves downwards.
    """

    move: np.ndarray
    gain: float
    free: bool


@np.errstate(all="ignore")
def climb(
    evaluate: Surface,
    start: np.ndarray,
    scale: Callable[[np.ndarray], np.ndarray],
    *,
    max_steps: int = 200,
) -> Highest:
    """The highest point that is reached from a start.

    Args:
        evaluate: What is climbed.
        start: Where the log density and its gradient are finite, (dim,).
        scale: Gives, at a position, how far each coordinate has to go to change the
            log density by some nats, (dim,). Steps are found in these units.
        max_steps: How many steps at most.

    Raises:
        EngineError: The target is not finite at the start.
    """
    here = evaluate(start[None])
    if np.isneginf(here.logp[0]):
        raise EngineError(
            "the log density or its gradient is not finite at the start.",
            value=start,
            hint="Give a point of finite density and gradient.",
        )
    radius, gain, steps = math.sqrt(len(start)), math.inf, 0
    for steps in range(1, max_steps + 1):
        position, logp = here.position[0], float(here.logp[0])
        unit = scale(position)
        step = _step(
            evaluate.curvature(position), unit, unit * here.gradient[0], radius
        )
        gain = step.gain
        there = evaluate((position + unit * step.move)[None])
        least = _ROUNDING * np.finfo(evaluate.dtype).eps * (1 + abs(logp))
        if step.free and gain < max(_GAIN, least):
            last = there if np.isfinite(there.logp[0]) else here
            ended = last.position[0], float(last.logp[0])
            return Highest(*ended, gain, converged=True, steps=steps)
        share = (float(there.logp[0]) - logp) / gain
        length = float(np.linalg.norm(step.move))
        if not share > 0.25:
            radius = 0.25 * length
        elif share > 0.75 and length > 0.99 * radius:
            radius *= 2
        if share > _ACCEPTED:
            here = there
        if not radius > _LEAST_RADIUS:
            break
    ended = here.position[0], float(here.logp[0])
    return Highest(*ended, gain, converged=False, steps=steps)


def _step(
    curvature: Hessian, unit: np.ndarray, slope: np.ndarray, radius: float
) -> _Step:
    """The step towards the top of a parabola, cut where the trust region ends.

    Args:
        curvature: The Hessian.
        unit: Of each coordinate, (dim,).
        slope: Gradient of the log density in these units.
        radius: Of the trust region.
    """
    move, rest = np.zeros_like(slope), slope.copy()
    image = np.zeros_like(slope)  # of the move
    along, square = rest.copy(), float(rest @ rest)
    enough = square * min(0.01, math.sqrt(square))
    free = True
    for _ in range(2 * len(slope) + 10):
        if square <= enough:
            break
        bent = unit * curvature((unit * along)[None])[0]
        bend = float(along @ bent)
        length = square / bend if bend > 0 else math.inf
        if not np.linalg.norm(move + min(length, 1e300) * along) < radius:
            length, free = _until(move, along, radius), False
        move, image = move + length * along, image + length * bent
        if not free:
            break
        rest = slope - image
        new = float(rest @ rest)
        along, square = rest + (new / square) * along, new
    return _Step(move, float(slope @ move - 0.5 * move @ image), free)


def _until(move: np.ndarray, along: np.ndarray, radius: float) -> float:
    """How far to go along a direction until a length is reached."""
    a, b = float(along @ along), float(move @ along)
    c = radius**2 - float(move @ move)
    return (math.sqrt(b * b + a * max(c, 0.0)) - b) / a
