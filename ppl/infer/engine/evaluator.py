"""A log density evaluated at points of the host, in batches of one compiled program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from ppl._typing import Array
from ppl.infer.engine.curvature import Curvature
from ppl.infer.engine.kernel import Target, batch_value_and_grad

_BATCH = 32
# These programs run for less time than it takes to compile them with all effort.
_SOONER = {"xla_backend_optimization_level": 1}


class Points(NamedTuple):
    """Points at which a target was evaluated.

    Attributes:
        position: As the target saw them, rounded to its precision, (n, dim).
        logp: Log densities, (n,); -inf where the density or its gradient is not finite.
        gradient: (n, dim).
    """

    position: np.ndarray
    logp: np.ndarray
    gradient: np.ndarray


Evaluate: TypeAlias = Callable[[np.ndarray], Points]


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a target at any number of points, by two programs: one point, a batch.

    Attributes:
        target: The log density.
        dtype: That it is computed in.
        batch: How many points a batch has.
        alone: Whether one point has a program of its own, which takes time to compile.
    """

    target: Target
    dtype: np.dtype
    batch: int = _BATCH
    alone: bool = True

    def __call__(self, positions: np.ndarray) -> Points:
        count = len(positions)
        rounded = positions.astype(self.dtype)
        batches = self._batches(rounded)
        running = [_value_and_grad(self.target, batch) for batch in batches]
        done = [(np.asarray(value), np.asarray(slope)) for value, slope in running]
        logp = np.concatenate([value for value, _ in done])[:count].astype(float)
        gradient = np.concatenate([slope for _, slope in done])[:count].astype(float)
        finite = np.isfinite(logp) & np.isfinite(gradient).all(axis=1)
        return Points(rounded.astype(float), np.where(finite, logp, -np.inf), gradient)

    def curvature(self, position: np.ndarray) -> Curvature:
        """Of the target, at a position (dim,)."""
        return Curvature(self.target, position)

    def bent(self, positions: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """How minus the gradient changes at each point along a direction of its own.

        Args:
            positions: (n, dim).
            directions: (n, dim).

        Returns:
            Hessians of minus the log density times the directions, (n, dim).
        """
        given = (x.astype(self.dtype) for x in (positions, directions))
        pairs = zip(*map(self._batches, given), strict=True)
        running = [_bent(self.target, *pair) for pair in pairs]
        done = np.concatenate([np.asarray(part) for part in running])
        return done[: len(positions)].astype(float)

    def _batches(self, points: np.ndarray) -> np.ndarray:
        """In so many batches as are needed, the last one filled up."""
        count, dim = points.shape
        size = 1 if count == 1 and self.alone else self.batch
        whole = np.pad(points, ((0, -count % size), (0, 0)), mode="edge")
        return whole.reshape(-1, size, dim)


def _compiled(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function; for a CPU sooner than with all effort."""
    usual, sooner = jax.jit(fn), jax.jit(fn, compiler_options=_SOONER)

    @wraps(fn)
    def run(*args: Any) -> Any:
        return (sooner if jax.default_backend() == "cpu" else usual)(*args)

    return run


@_compiled
def _value_and_grad(target: Target, positions: Array) -> tuple[Array, Array]:
    value, gradient = batch_value_and_grad(target, positions.T)
    return value, gradient.T


@_compiled
def _bent(target: Target, positions: Array, directions: Array) -> Array:
    def gradient(x: Array) -> Array:
        return -batch_value_and_grad(target, x.T)[1].T

    return jax.jvp(gradient, (positions,), (directions,))[1]
