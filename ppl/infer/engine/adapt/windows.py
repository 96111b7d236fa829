"""Warm-up in windows: step size all along, a new metric at the end of each slow window.

The schedule is Stan's (Stan reference manual, "Automatic parameter tuning"): a fast
interval, slow windows that double, a last fast interval. All chains share one step size
and one metric. Rounds of a few draws end when every chain has made them, so what is
learned does not depend on how the run is cut into chunks.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ppl.infer.engine.adapt._metric import pooled_covariance, pooled_variance
from ppl.infer.engine.adapt._step_size import DualAveraging, Search
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.metric import metric_from

_SHARE = 5  # a round is as long as this share of its window has been so far


def schedule(num_warmup: int) -> list[tuple[int, bool]]:
    """Windows as (length, whether a metric is estimated from it), in order."""
    if num_warmup < 20:
        return [(num_warmup, False)] if num_warmup else []
    first, last, base = 75, 50, 25
    if first + base + last > num_warmup:
        first, last = int(0.15 * num_warmup), int(0.1 * num_warmup)
        base = num_warmup - first - last
    windows: list[tuple[int, bool]] = [(first, False)]
    left, size = num_warmup - first - last, base
    while left > 0:
        length = size if left - size >= 2 * size else left
        windows.append((length, True))
        left, size = left - length, 2 * size
    return [*windows, (last, False)]


class Round(NamedTuple):
    """Draws that every chain makes under one kernel.

    Attributes:
        kernel: The kernel to use.
        draws: How many draws of each chain.
        counted: Whether they count towards the warm-up asked for.
    """

    kernel: AbstractKernel
    draws: int
    counted: bool


class WindowsState(NamedTuple):
    """How far a warm-up is.

    Attributes:
        windows: Lengths and whether a metric is estimated, in order.
        window: Index of the present one.
        done: Draws done in it.
        learner: What finds the step size.
        kept: Draws of the present window, each (chains, n, dim).
    """

    windows: tuple[tuple[int, bool], ...]
    window: int
    done: int
    learner: Search | DualAveraging
    kept: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Windows:
    """Windowed adaptation of step size and metric, pooled over chains.

    Attributes:
        target_accept: Mean acceptance aimed at.
        adapt_step_size: Whether to adapt the step size.
        adapt_metric: Whether to adapt the metric.
        dense: Whether the metric is dense.
    """

    target_accept: float = 0.8
    adapt_step_size: bool = True
    adapt_metric: bool = True
    dense: bool = False

    def init(self, kernel: AbstractKernel, num_warmup: int) -> WindowsState:
        """The state before the first draw."""
        windows = tuple(w for w in schedule(num_warmup) if w[0] > 0)
        return WindowsState(windows, 0, 0, self._learner(step_size(kernel)), ())

    def _learner(self, step: float) -> Search | DualAveraging:
        if self.adapt_step_size:
            return Search(step)
        return DualAveraging.begin(step, self.target_accept)

    def request(self, a: WindowsState, kernel: AbstractKernel) -> Round | None:
        """The next round, or None when the warm-up is over."""
        if a.window == len(a.windows):
            return None
        if isinstance(a.learner, Search):
            step = a.learner.step_size
            return Round(
                with_step_size(kernel.single_step(step), step), 1, counted=False
            )
        left = a.windows[a.window][0] - a.done
        size = min(max(1, a.done // _SHARE), left)
        step = math.exp(a.learner.log_step)
        return Round(with_step_size(kernel, step), size, counted=True)

    def update(
        self,
        a: WindowsState,
        kernel: AbstractKernel,
        positions: np.ndarray,
        acceptance: np.ndarray,
    ) -> tuple[WindowsState, AbstractKernel]:
        """Learn from a round.

        Args:
            a: The state.
            kernel: The kernel before the round was requested.
            positions: The draws, (chains, n, dim).
            acceptance: Their acceptance rates, (chains, n).
        """
        learner = a.learner
        if isinstance(learner, Search):
            learner = learner.update(float(acceptance.mean()))
            if learner.over:
                learner = DualAveraging.begin(learner.step_size, self.target_accept)
            return a._replace(learner=learner), kernel
        if self.adapt_step_size:
            learner = learner.update(float(acceptance.mean()))
        length, slow = a.windows[a.window]
        kept = (*a.kept, positions) if slow and self.adapt_metric else ()
        done = a.done + positions.shape[1]
        if done < length:
            return a._replace(learner=learner, kept=kept, done=done), kernel

        step = math.exp(learner.log_average)
        kernel = with_step_size(kernel, step)
        if kept:
            estimate = pooled_covariance if self.dense else pooled_variance
            metric = metric_from(
                estimate(np.concatenate(kept, axis=1)), dtype_of(kernel)
            )
            kernel = dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]
        return WindowsState(a.windows, a.window + 1, 0, self._learner(step), ()), kernel


def dtype_of(kernel: AbstractKernel) -> np.dtype:
    """The floating type of a kernel's settings."""
    return np.dtype(kernel.step_size.dtype)


def step_size(kernel: AbstractKernel) -> float:
    """The mean step size of a kernel."""
    return float(np.mean(np.asarray(kernel.step_size)))


def with_step_size(kernel: AbstractKernel, step_size: float) -> AbstractKernel:
    """The kernel with another step size."""
    new = np.asarray(step_size, dtype_of(kernel))
    return dataclasses.replace(kernel, step_size=new)  # type: ignore[type-var]
