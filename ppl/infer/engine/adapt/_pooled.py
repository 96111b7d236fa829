"""What the draws of all chains together tell: scales, and how long their longest axis.

Chains are many here and warm-ups short, so the metric is estimated early and often, at
the ends of windows that grow, always from the later half of all draws so far.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ppl.infer.engine.adapt import _metric
from ppl.infer.engine.adapt._history import History
from ppl.infer.engine.adapt._step_size import DualAveraging, Each, Search
from ppl.infer.engine.adapt.base import (
    AbstractAdaptation,
    Drawn,
    Round,
    dtype_of,
    step_size,
    with_step_size,
)
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.metric import AbstractMetric, Diagonal

_LATE = 0.2  # share of the warm-up in which the metric stays
_FIRST_DRAWS = 160  # of all chains, that make a first window
_GROWTH = 1.5
_SHARE = 20  # a round is as long as this share of the draws so far
_LONGEST_ROUND = 10
_KEPT = 2**23  # numbers of draws and gradients that are kept, at most
_POWERS = 20
_LOOKED_AT = 2**22  # numbers that the longest axis is found from


def windows(num_warmup: int, chains: int) -> tuple[int, ...]:
    """Numbers of draws after which there is a new metric."""
    size = float(min(max(math.ceil(_FIRST_DRAWS / chains), 2), 10))
    last = int((1 - _LATE) * num_warmup)
    end, ends = size, []
    while end <= last:
        ends.append(int(end))
        size *= _GROWTH
        end += size
    return tuple(ends)


class Pool(NamedTuple):
    """The draws of a warm-up so far.

    Attributes:
        ends: Numbers of draws after which there is a new metric.
        history: The later half of them.
    """

    ends: tuple[int, ...]
    history: History

    @classmethod
    def begin(cls, num_warmup: int, chains: int) -> Pool:
        """Before the first draw."""
        return cls(windows(num_warmup, chains), History(_KEPT, num_warmup))

    @property
    def num_warmup(self) -> int:
        """How many draws the warm-up has."""
        return self.history.num_warmup

    @property
    def done(self) -> int:
        """How many draws there are so far."""
        return self.history.done

    @property
    def next_round(self) -> int:
        """How many draws the next round has, up to the end of a window at most."""
        end = next((e for e in self.ends if e > self.done), self.num_warmup)
        size = min(max(1, self.done // _SHARE), _LONGEST_ROUND)
        return min(size, end - self.done)

    @property
    def estimates(self) -> bool:
        """Whether a new metric is due."""
        return self.done in self.ends

    def added(self, drawn: Drawn) -> Pool:
        """With the draws of a round."""
        return self._replace(history=self.history.added(drawn))

    def draws(self) -> tuple[np.ndarray, np.ndarray]:
        """The later half of all draws and gradients so far, (chains, n, dim)."""
        return self.history.draws()


@dataclass(frozen=True)
class AbstractOneLength(AbstractAdaptation):
    """Step size, one trajectory length for all chains, and a diagonal metric.

    Attributes:
        target_accept: Acceptance aimed at.
        adapt_step_size: Whether to adapt the step size.
        adapt_length: Whether to adapt the trajectory length.
        adapt_metric: Whether to adapt the metric.
        given: Whether the kernel's metric is worth something; else the first one is
            taken from the gradients at the starting points.
    """

    target_accept: float
    adapt_step_size: bool = True
    adapt_length: bool = True
    adapt_metric: bool = True
    given: bool = False

    def _begun(
        self, kernel: AbstractKernel, num_warmup: int, gradient: np.ndarray
    ) -> tuple[AbstractKernel, Pool, Search | DualAveraging]:
        """The first kernel, no draws, and what finds the step size."""
        if self.adapt_metric and not self.given and num_warmup:
            kernel = with_metric(kernel, _metric.first_scale(gradient))
        step, pool = step_size(kernel), Pool.begin(num_warmup, len(gradient))
        search = Search(step) if self.adapt_step_size else self._averaging(step)
        return kernel, pool, search

    def _averaging(self, step: Each) -> DualAveraging:
        return DualAveraging.begin(step, self.target_accept)

    def request(self, a: Any, kernel: AbstractKernel) -> Round | None:
        if a.pool.done == a.pool.num_warmup:
            return None
        if isinstance(a.learner, Search):
            step = a.learner.step_size
            trial = with_step_size(kernel.single_step(step), step)
            return Round(trial, 1, counted=False)
        return Round(self._present(a, kernel), a.pool.next_round, counted=True)

    @abstractmethod
    def _present(self, a: Any, kernel: AbstractKernel) -> AbstractKernel:
        """The kernel of the next round that counts."""


def with_metric(kernel: AbstractKernel, scale: np.ndarray) -> AbstractKernel:
    """The kernel with another diagonal metric."""
    metric = Diagonal(scale.astype(dtype_of(kernel)))
    return dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]


def with_length(kernel: Any, step_size: float, length: float) -> Any:
    """The kernel with another step size and trajectory length."""
    kernel = with_step_size(kernel, step_size)
    new = np.asarray(length, dtype_of(kernel))
    return dataclasses.replace(kernel, trajectory_length=new)


def rescaled(kernel: AbstractKernel, pool: Pool) -> tuple[AbstractKernel, float]:
    """The kernel with a new metric, and how many times shorter whitened lengths are."""
    before = np.asarray(kernel.metric.scale, np.float64)
    scale = _metric.diagonal(_metric.moves(*pool.draws()), before)
    return with_metric(kernel, scale), float(np.exp(np.mean(np.log(before / scale))))


def whitened(metric: AbstractMetric, vectors: np.ndarray) -> np.ndarray:
    """Differences of positions (…, dim) in whitened coordinates, in float64."""
    vectors = vectors.astype(np.float64)
    if isinstance(metric, Diagonal):
        return vectors / np.asarray(metric.scale, np.float64)
    one = np.eye(vectors.shape[-1])
    factor = np.asarray(metric.push(one), np.float64)
    return vectors @ np.linalg.inv(factor).T


def longest(metric: AbstractMetric, position: np.ndarray) -> float:
    """Standard deviation of draws along their longest axis, whitened.

    One half of the draws tells which direction that is, by power iteration, and the
    other half how wide they are along it: chance makes no axis longer.
    """
    flat = position.reshape(-1, position.shape[-1])
    flat = flat[:: math.ceil(flat.size / _LOOKED_AT)]
    flat = whitened(metric, flat - flat.mean(axis=0))
    first, second = flat[::2], flat[1::2]
    if len(second) < 2 or not np.isfinite(flat).all():
        return 1.0
    along = np.ones(flat.shape[1])
    for _ in range(_POWERS):
        along = first.T @ (first @ along)
        size = np.linalg.norm(along)
        if size == 0 or not np.isfinite(size):
            return 1.0
        along /= size
    return float(np.std(second @ along))
