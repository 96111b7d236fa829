"""Warm-up in windows: step size all along, a new metric at the end of each window.

Windows are short at first, when the chains are still on their way and the metric is
bad, and grow later; the last one finds the step size alone. The metric is estimated
from the later half of all draws so far, those of all chains together, so the more
chains there are the shorter windows can be. All chains share one step size and one
metric. Rounds of a few draws end when every chain has made them, so what is learned
does not depend on how the run is cut into chunks.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ppl.infer.engine.adapt import _metric
from ppl.infer.engine.adapt._step_size import DualAveraging, OwnRates, Search
from ppl.infer.engine.adapt.base import (
    AbstractAdaptation,
    Drawn,
    Round,
    dtype_of,
    step_size,
    with_step_size,
)
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.metric import (
    AbstractMetric,
    Blocks,
    Dense,
    Diagonal,
    LowRank,
)

Structure: TypeAlias = Literal["auto", "diagonal", "dense"]

_SHARE = 5  # a round is as long as this share of its window has been so far
_LATE = 0.15  # share of the warm-up for the step size alone, at most
_LATE_DRAWS = 50
_GROWTH = 1.5
_DENSE_DIM = 128  # up to which a matrix costs no more than a few directions
_PAYS = 2.0  # gain of a structured metric that repays compiling another program
_KEEPS = 1.2  # gain for which directions are kept once there is one
_SHORTER = 0.75  # of their length that trajectories must keep at most to show the gain
_ENOUGH = 100, 4, 400  # draws that decide: at least; for each coordinate; at most
_TRIALS = 2  # windows after which a structured metric must have shown its worth
_KEPT = 2**21  # numbers of draws and gradients that are kept, at most


def schedule(num_warmup: int, chains: int) -> list[int]:
    """Lengths of the windows; all but the last end with a new metric."""
    if num_warmup < 20:
        return [num_warmup] if num_warmup else []
    last = min(max(int(_LATE * num_warmup), 10), _LATE_DRAWS)
    left, size = num_warmup - last, min(max(math.ceil(160 / chains), 3), 10)
    windows = []
    while left > 0:
        following = math.ceil(_GROWTH * size)
        length = size if left - size >= following else left
        windows.append(length)
        left, size = left - length, following
    return [*windows, last]


class WindowsState(NamedTuple):
    """How far a warm-up is.

    Attributes:
        windows: Lengths, in order.
        window: Index of the present one.
        done: Draws done in it.
        learner: What finds the step size.
        drawn: Draws and gradients so far, by round, each (some chains, n, dim).
        rank: Columns of a structured metric, once there is one: programs depend on it.
        rates: Acceptance of each chain in it.
        steps: Mean leapfrogs of the draws of the present window.
        plain_steps: The same of the last window under a diagonal metric.
        tried: Windows under a structured metric.
    """

    windows: tuple[int, ...]
    window: int
    done: int
    learner: Search | DualAveraging
    drawn: tuple[tuple[np.ndarray, np.ndarray], ...]
    rank: int = 0
    rates: OwnRates = OwnRates()
    steps: float = 0.0
    plain_steps: float = 0.0
    tried: int = 0


@dataclass(frozen=True)
class Windows(AbstractAdaptation):
    """Windowed adaptation of step size and metric, pooled over chains.

    Attributes:
        target_accept: Mean acceptance aimed at.
        adapt_step_size: Whether to adapt the step size.
        adapt_metric: Whether to adapt the metric.
        given: Whether the kernel's metric is worth something; else the first one is
            taken from the gradients at the starting points.
        structure: "diagonal", "dense", or "auto": diagonal until correlations pay for
            another program, which happens at most once.
        blocks: Indices of coordinates that share a dense block, beside a diagonal.
    """

    target_accept: float = 0.8
    adapt_step_size: bool = True
    adapt_metric: bool = True
    given: bool = False
    structure: Structure = "auto"
    blocks: tuple[tuple[int, ...], ...] = ()

    def init(
        self, kernel: AbstractKernel, num_warmup: int, gradient: np.ndarray
    ) -> tuple[WindowsState, AbstractKernel]:
        windows = tuple(w for w in schedule(num_warmup, len(gradient)) if w > 0)
        learner = self._learner(step_size(kernel))
        if self.adapt_metric and not self.given and windows:
            scale = _metric.first_scale(gradient)
            bare = np.zeros((len(scale), 0))
            shape = _metric.Shape(scale, bare, bare[0])
            metric = self._built(shape, [shape] * len(self.blocks), kernel, 0)
            kernel = dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]
        return WindowsState(windows, 0, 0, learner, ()), kernel

    def _learner(self, step: float) -> Search | DualAveraging:
        if self.adapt_step_size:
            return Search(step)
        return DualAveraging.begin(step, self.target_accept)

    def request(self, a: WindowsState, kernel: AbstractKernel) -> Round | None:
        if a.window == len(a.windows):
            return None
        if isinstance(a.learner, Search):
            step = a.learner.step_size
            return Round(
                with_step_size(kernel.single_step(step), step), 1, counted=False
            )
        left = a.windows[a.window] - a.done
        size = min(max(1, a.done // _SHARE), left)
        step = math.exp(a.learner.log_step)
        return Round(with_step_size(kernel, step), size, counted=True)

    def update(
        self, a: WindowsState, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[WindowsState, AbstractKernel]:
        learner, rates = a.learner, drawn.statistics["acceptance_rate"].mean(axis=1)
        if isinstance(learner, Search):
            learner = learner.update(float(rates.mean()))
            if learner.over:
                learner = DualAveraging.begin(learner.step_size, self.target_accept)
            return a._replace(learner=learner), kernel
        own = a.rates.update(rates, drawn.position.shape[1])
        if self.adapt_step_size:
            learner = learner.update(min(float(rates.mean()), own.bound()))
        n, steps = drawn.position.shape[1], float(drawn.statistics["n_steps"].mean())
        learns = self.adapt_metric and a.window < len(a.windows) - 1
        a = a._replace(
            learner=learner,
            drawn=(*a.drawn, _thinned(a, drawn)) if learns else (),
            done=a.done + n,
            rates=own,
            steps=a.steps + (steps - a.steps) * n / (a.done + n),
        )
        if a.done < a.windows[a.window]:
            return a, kernel
        step = math.exp(learner.log_average)
        kernel = with_step_size(kernel, step)
        if learns:
            a = self._judged(a)
            metric, rank = self._estimated(a, kernel)
            kernel = dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]
            a = a._replace(rank=rank, drawn=_later_half(a))
        return a._replace(
            window=a.window + 1,
            done=0,
            steps=0.0,
            rates=OwnRates(),
            learner=self._learner(step),
        ), kernel

    def _judged(self, a: WindowsState) -> WindowsState:
        """Whether a structured metric has shortened trajectories as it should have.

        In funnels and heavy tails it does not, whatever the covariance says.
        """
        if a.rank == 0:
            return a._replace(plain_steps=a.steps)
        a = a._replace(tried=a.tried + 1)
        if a.tried != _TRIALS or self.structure != "auto" or self.given:
            return a
        gained = a.steps <= _SHORTER * a.plain_steps
        return a if gained else a._replace(rank=0)

    def _estimated(
        self, a: WindowsState, kernel: AbstractKernel
    ) -> tuple[AbstractMetric, int]:
        """The metric after a window, and the columns of its program."""
        before, given_up = kernel.metric, a.tried > 0 and a.rank == 0
        simple = isinstance(before, Diagonal)
        position, gradient = zip(*_later_half(a), strict=True)
        both = np.concatenate(position, 1), np.concatenate(gradient, 1)
        found = _metric.moves(*both)
        scale = _metric.diagonal(found, _scale_of(before))
        if self.blocks:
            parts = [
                _metric.spectral(found.at(np.array(b)), scale[np.array(b)])
                for b in self.blocks
            ]
            return self._built(_plain(scale), parts, kernel, 0), 0
        least, each, most = _ENOUGH
        enough = max(least, min(each * len(scale), most))
        early = simple and len(found.position) < enough
        if self.structure == "diagonal" or early or given_up:
            return self._built(_plain(scale), [], kernel, 0), 0
        shape = _metric.spectral(found, scale)
        if self.structure == "auto":
            bar = _PAYS if simple else _KEEPS
            if shape.gain < bar or _metric.confirmed_gain(*both) < bar:
                shape = _plain(scale)
                if simple:
                    return self._built(shape, [], kernel, 0), 0
        rank = a.rank or 2 ** math.ceil(math.log2(2 * max(len(shape.values), 2)))
        return self._built(shape, [], kernel, rank), rank

    def _built(
        self,
        shape: _metric.Shape,
        parts: list[_metric.Shape],
        kernel: AbstractKernel,
        rank: int,
    ) -> AbstractMetric:
        """The metric object for an estimate."""
        dtype, dim = dtype_of(kernel), len(shape.scale)
        if self.blocks:
            own = [
                p if len(p.scale) == len(b) else _plain(p.scale[np.array(b)])
                for p, b in zip(parts, self.blocks, strict=True)
            ]
            factors = tuple(p.factor().astype(dtype) for p in own)
            return Blocks(shape.scale.astype(dtype), factors, self.blocks)
        if self.structure != "dense" and rank == 0:
            return Diagonal(shape.scale.astype(dtype))
        if self.structure == "dense" or dim <= _DENSE_DIM:
            return Dense(shape.factor().astype(dtype))
        shape = shape.strongest(rank)
        vectors, stretch = np.zeros((dim, rank), dtype), np.zeros(rank, dtype)
        vectors[:, : len(shape.values)] = shape.vectors
        stretch[: len(shape.values)] = np.sqrt(shape.values) - 1
        return LowRank(shape.scale.astype(dtype), vectors, stretch)


def _plain(scale: np.ndarray) -> _metric.Shape:
    """A diagonal metric."""
    return _metric.Shape(scale, np.zeros((len(scale), 0)), np.zeros(0))


def _scale_of(metric: AbstractMetric) -> np.ndarray:
    """Scales of the coordinates under a metric, (dim,)."""
    if isinstance(metric, Dense):
        return np.sqrt(np.sum(np.asarray(metric.factor, np.float64) ** 2, axis=1))
    return np.asarray(metric.scale, np.float64)  # type: ignore[attr-defined]


def _thinned(a: WindowsState, drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Draws and gradients of a round, of as many chains as there is room for."""
    position, gradient = drawn.position, drawn.vectors["gradient"]
    numbers = 2 * position.shape[0] * position.shape[2] * sum(a.windows)
    stride = math.ceil(numbers / _KEPT)
    return position[::stride], gradient[::stride]


def _later_half(a: WindowsState) -> tuple[Any, ...]:
    """The rounds with the later half of all draws so far, at least."""
    total, seen = sum(a.windows[: a.window]) + a.done, 0
    for i in range(len(a.drawn) - 1, -1, -1):
        seen += a.drawn[i][0].shape[1]
        if 2 * seen >= total:
            return a.drawn[i:]
    return a.drawn
