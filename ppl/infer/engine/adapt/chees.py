"""Warm-up that lets trajectories travel as far as pays, from all chains together.

Hoffman, Radul, Sountsov (AISTATS 2021): the length T of trajectories climbs the change
in the estimator of the expected square,

    ChEES = 1/4 E[(|x' - m|^2 - |x - m|^2)^2],

where a trajectory leads from x to x' and m is the mean; the derivative by log T of a
chain's contribution is t (|x' - m|^2 - |x - m|^2) <x' - m, p'>, with t its time and p'
its momentum at x'. Positions are whitened by the metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ppl.infer.engine.adapt import _pooled
from ppl.infer.engine.adapt._step_size import (
    SHORT,
    DualAveraging,
    OwnRates,
    Search,
)
from ppl.infer.engine.adapt.base import (
    Drawn,
    with_step_size,
)
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.metric import AbstractMetric

_MOST_STEPS = 1000.0
_LEAST_RATE = 0.05
"""Acceptances below count as this: else one chain of many would set the step size."""


class Climb(NamedTuple):
    """Adam (Kingma & Ba 2015) without momentum, of a log length.

    Attributes:
        log_length: Present value.
        square: Running average of squared gradients.
        log_average: Weighted average of the values, the one to keep.
        updates: Gradients taken.
        averaged: Values averaged.
    """

    log_length: float
    square: float = 0.0
    log_average: float = 0.0
    updates: int = 0
    averaged: int = 0

    RATE = 0.1
    KEEP = 0.95
    MOST = 0.35

    def update(self, gradient: float, bounds: tuple[float, float]) -> Climb:
        """Follow a gradient, and stay within bounds of the length."""
        if not math.isfinite(gradient):
            gradient = 0.0
        updates = self.updates + 1
        square = self.KEEP * self.square + (1 - self.KEEP) * gradient**2
        size = math.sqrt(square / (1 - self.KEEP**updates))
        move = self.RATE * gradient / size if size > 0 else 0.0
        moved = self.log_length + min(max(move, -self.MOST), self.MOST)
        least, most = map(math.log, bounds)
        value = min(max(moved, least), most)
        share = (self.averaged + 1) ** -0.5
        average = (1 - share) * self.log_average + share * value
        return Climb(value, square, average, updates, self.averaged + 1)

    def rescaled(self, ratio: float) -> Climb:
        """In units that have changed; the average begins anew."""
        return self._replace(log_length=self.log_length + math.log(ratio), averaged=0)


class ChEESState(NamedTuple):
    """How far a warm-up is.

    Attributes:
        pool: The draws so far.
        learner: What finds the step size.
        climb: What finds the trajectory length.
        floor: Trajectory length at least.
        last: Where the last round ended, (chains, dim), or None.
        own: Acceptance of each chain.
    """

    pool: _pooled.Pool
    learner: Search | DualAveraging
    climb: Climb
    floor: float
    last: np.ndarray | None
    own: OwnRates = OwnRates()


@dataclass(frozen=True)
class ChEES(_pooled.AbstractOneLength):
    """Step size, trajectory length and a diagonal metric for the ChEES kernel.

    The step size aims at a harmonic mean acceptance, `target_accept`, in which the
    chains that reject most count most.
    """

    target_accept: float = 0.651

    def init(
        self, kernel: AbstractKernel, num_warmup: int, gradient: np.ndarray
    ) -> tuple[ChEESState, AbstractKernel]:
        kernel, pool, learner = self._begun(kernel, num_warmup, gradient)
        length = float(kernel.trajectory_length)  # type: ignore[attr-defined]
        climb = Climb(math.log(length))
        return ChEESState(pool, learner, climb, floor=0.0, last=None), kernel

    def _present(self, a: ChEESState, kernel: AbstractKernel) -> AbstractKernel:
        step, length = math.exp(a.learner.log_step), a.climb.log_length  # type: ignore
        if a.own.stuck:
            length = min(length, math.log(SHORT * step))
        return self._set(kernel, step, length)

    def _set(
        self, kernel: AbstractKernel, step: float, log_length: float
    ) -> AbstractKernel:
        if not self.adapt_length:
            return with_step_size(kernel, step)
        return _pooled.with_length(kernel, step, math.exp(log_length))

    def update(
        self, a: ChEESState, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[ChEESState, AbstractKernel]:
        learner, rate = a.learner, harmonic_mean(drawn)
        last = drawn.position[:, -1]
        if isinstance(learner, Search):
            learner = learner.update(float(drawn.statistics["acceptance_rate"].mean()))
            if learner.over:
                learner = self._averaging(learner.step_size)
            return a._replace(learner=learner, last=last), kernel
        step = math.exp(learner.log_step)
        rates = drawn.statistics["acceptance_rate"]
        own = a.own.update(rates.mean(axis=1), rates.shape[1])
        if self.adapt_step_size:
            learner = learner.update(min(rate, own.bound()))
        pool, climb = a.pool.added(drawn), a.climb
        if self.adapt_length and a.last is not None:
            mean = pool.draws()[0].mean(axis=(0, 1), dtype=np.float64)
            times = drawn.statistics["n_steps"] * step
            slope = derivative(kernel.metric, drawn, a.last, mean, times)
            most = _MOST_STEPS * math.exp(learner.log_step)
            bounds = min(max(a.floor, math.exp(learner.log_step)), most), most
            climb = climb.update(slope, bounds)
        a = a._replace(pool=pool, learner=learner, climb=climb, last=last, own=own)
        if pool.estimates:
            a, kernel = self._estimated(a, kernel, learner)
        if pool.done == pool.num_warmup:
            length = a.climb.log_average if a.climb.averaged else a.climb.log_length
            kernel = self._set(kernel, math.exp(learner.log_average), length)
        return a, kernel

    def _estimated(
        self, a: ChEESState, kernel: AbstractKernel, learner: DualAveraging
    ) -> tuple[ChEESState, AbstractKernel]:
        """After a window: a new metric, and lengths in its units."""
        if self.adapt_metric:
            kernel, ratio = _pooled.rescaled(kernel, a.pool)
            step = math.exp(learner.log_average)
            step *= ratio if self.adapt_step_size else 1.0
            climb = a.climb.rescaled(ratio)
            a = a._replace(learner=self._averaging(step), climb=climb)
        axis = _pooled.longest(kernel.metric, a.pool.draws()[0])
        return a._replace(floor=0.5 * math.pi * axis), kernel


def harmonic_mean(drawn: Drawn) -> float:
    """Of the acceptance of trajectories that do not diverge, times their share."""
    rate = drawn.statistics["acceptance_rate"].astype(np.float64)
    fine = drawn.statistics["diverging"] == 0
    if not fine.any():
        return 0.0
    return float(fine.mean() / np.mean(1 / np.maximum(rate[fine], _LEAST_RATE)))


def derivative(
    metric: AbstractMetric,
    drawn: Drawn,
    last: np.ndarray,
    mean: np.ndarray,
    times: np.ndarray,
) -> float:
    """Of ChEES by the log of the length, weighted by the chance to be accepted.

    Args:
        metric: Whitens positions.
        drawn: The draws, with the kernel's `proposal` and `momentum`.
        last: Positions (chains, dim) before them.
        mean: Of the target as far as known, (dim,).
        times: Integration times of the draws, (chains, n).
    """
    start = np.concatenate([last[:, None], drawn.position[:, :-1]], axis=1)
    before = whitened_square(metric, start - mean)
    with np.errstate(invalid="ignore", over="ignore"):
        after = _pooled.whitened(metric, drawn.vectors["proposal"] - mean)
        change = (after**2).sum(-1) - before
        slope = times * change * (after * drawn.vectors["momentum"]).sum(-1)
        weight = drawn.statistics["acceptance_rate"] * np.isfinite(slope)
    total = float(weight.sum())
    if total == 0:
        return 0.0
    return float(np.sum(np.where(weight > 0, slope, 0.0) * weight) / total)


def whitened_square(metric: AbstractMetric, vectors: np.ndarray) -> np.ndarray:
    """Squared whitened lengths of vectors (…, dim)."""
    return (_pooled.whitened(metric, vectors) ** 2).sum(-1)
