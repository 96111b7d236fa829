"""Warm-up of microcanonical dynamics, from all chains together.

After Robnik, Cohn-Gordon, Seljak (arXiv:2503.01707): the step size aims at an
acceptance of 0.9, which is where gradients per effective draw are fewest; the length of
trajectories is sqrt(d) at first and then a share of the length per effective draw. Here
that is the one of the slowest coordinate, from the correlation r of consecutive draws
over all chains, as if draws were an autoregression: a trajectory's mean length times
(1 + r) / (1 - r). The share, 0.25, is measured: on normals of 10 to 100 dims and
condition numbers 1 to 1000 it brings x and x^2 to within a third of their fewest
gradients per effective draw.
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
)
from ppl.infer.engine.kernel import AbstractKernel

_SHARE = 0.25
_MOST_STEPS = 500.0  # of a trajectory, on average
_MANY = 32  # chains from which on draws are centred one by one
_LARGEST = 0.999  # correlation


class MAMSState(NamedTuple):
    """How far a warm-up is.

    Attributes:
        pool: The draws so far.
        learner: What finds the step size.
        length: Mean length of trajectories.
        travelled: Lengths of the trajectories in the window, summed over draws.
        begun: Draws before the window.
        own: Acceptance of each chain.
    """

    pool: _pooled.Pool
    learner: Search | DualAveraging
    length: float
    travelled: float = 0.0
    begun: int = 0
    own: OwnRates = OwnRates()


@dataclass(frozen=True)
class MAMS(_pooled.AbstractOneLength):
    """Step size, length and a diagonal metric for the MAMS kernel."""

    target_accept: float = 0.9

    def init(
        self, kernel: AbstractKernel, num_warmup: int, gradient: np.ndarray
    ) -> tuple[MAMSState, AbstractKernel]:
        kernel, pool, learner = self._begun(kernel, num_warmup, gradient)
        length = float(kernel.trajectory_length)  # type: ignore[attr-defined]
        return MAMSState(pool, learner, length), kernel

    def _present(self, a: MAMSState, kernel: AbstractKernel) -> AbstractKernel:
        return self._set(a, kernel, math.exp(a.learner.log_step))  # type: ignore

    def _set(self, a: MAMSState, kernel: AbstractKernel, step: float) -> AbstractKernel:
        length = a.length
        if self.adapt_length and a.own.stuck:
            length = min(length, SHORT * step)
        if self.adapt_length:
            length = min(max(length, step), _MOST_STEPS * step)
        return _pooled.with_length(kernel, step, length)

    def update(
        self, a: MAMSState, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[MAMSState, AbstractKernel]:
        learner = a.learner
        rate = float(drawn.statistics["acceptance_rate"].mean())
        if isinstance(learner, Search):
            learner = learner.update(rate)
            if learner.over:
                learner = self._averaging(learner.step_size)
            return a._replace(learner=learner), kernel
        lengths = drawn.statistics["n_steps"] * math.exp(learner.log_step)
        rates = drawn.statistics["acceptance_rate"]
        own = a.own.update(rates.mean(axis=1), rates.shape[1])
        if self.adapt_step_size:
            learner = learner.update(min(rate, own.bound()))
        a = a._replace(
            own=own,
            pool=a.pool.added(drawn),
            learner=learner,
            travelled=a.travelled + float(lengths.mean(axis=0).sum()),
        )
        if a.pool.estimates:
            a, kernel = self._estimated(a, kernel, learner)
        if a.pool.done == a.pool.num_warmup:
            kernel = self._set(a, kernel, math.exp(learner.log_average))
        return a, kernel

    def _estimated(
        self, a: MAMSState, kernel: AbstractKernel, learner: DualAveraging
    ) -> tuple[MAMSState, AbstractKernel]:
        """After a window: a new length, and a new metric in whose units it is."""
        draws = a.pool.done - a.begun
        position = a.pool.draws()[0][:, -draws:]
        length = _SHARE * a.travelled / draws * slowness(position)
        length = math.sqrt(a.length * length) if self.adapt_length else a.length
        if self.adapt_metric:
            kernel, ratio = _pooled.rescaled(kernel, a.pool)
            if self.adapt_length:
                # only with a first estimate of the metric is sqrt(d) about right
                first = a.begun == 0 and not self.given
                length = position.shape[-1] ** 0.5 if first else length * ratio
            if self.adapt_step_size:
                step = math.exp(learner.log_average) * ratio
                a = a._replace(learner=self._averaging(step))
        return a._replace(length=length, travelled=0.0, begun=a.pool.done), kernel


def slowness(position: np.ndarray) -> float:
    """Draws per effective draw of the slowest coordinate, of (chains, n, dim).

    Correlations count less twice their standard error, lest chance decide.
    """
    chains, draws, _ = position.shape
    if draws < 2:
        return 1.0
    axis = 0 if chains >= _MANY else (0, 1)
    x = position - position.mean(axis=axis, keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.sqrt((x[:, 1:] ** 2).mean((0, 1)) * (x[:, :-1] ** 2).mean((0, 1)))
        r = (x[:, 1:] * x[:, :-1]).mean((0, 1)) / squares
    r = r[np.isfinite(r)]
    if not len(r):
        return 1.0
    least = float(r.max()) - 2 / math.sqrt(chains * (draws - 1))
    least = min(max(least, -_LARGEST), _LARGEST)
    return (1 + least) / (1 - least)
