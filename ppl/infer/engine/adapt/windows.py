"""Warm-up in windows: step size all along, a new metric at the end of each window.

Windows are short at first, when the chains are still on their way and the metric is
bad, and grow later; the last one finds the step size alone. The metric is estimated
from the later half of all draws so far, those of all chains together, so the more
chains there are the shorter windows can be. Rounds of a few draws end when every chain
has made them, so what is learned does not depend on how the run is cut into chunks.

All chains share one metric and, once they are together, one step size. On the way there
each has a step size of its own: one that begins in a narrow place would hold up all. A
chain that is still far from the others after a tenth of the warm-up, where there is
next to no mass, goes on from where another one is. Later, one that gets nowhere while
the others do takes smaller steps than they, until it is out of where it is.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ppl.infer.engine.adapt import _metric
from ppl.infer.engine.adapt._history import History
from ppl.infer.engine.adapt._places import Places, sources
from ppl.infer.engine.adapt._step_size import (
    DualAveraging,
    Each,
    OwnRates,
    Relief,
    Search,
)
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
_LATE_DRAWS = 50, 400  # of each chain at least, and of all chains
_GROWTH = 1.5
_DENSE_DIM = 128  # up to which a matrix costs no more than a few directions
_PAYS = 2.0  # gain of a structured metric that repays compiling another program
_KEEPS = 1.2  # gain for which directions are kept once there is one
_WORTH = 1.1  # how much more efficient a structured metric must make gradients
_DIVERGES = 1.5  # how many times as often trajectories may diverge under it
_RARELY = 0.02  # share of divergences that is not held against it
_ENOUGH = 100, 4, 400  # draws that decide: at least; for each coordinate; at most
_COLUMNS = 8  # ranks are multiples of it
_TRIALS = 2  # windows after which a structured metric must have shown its worth
_KEPT = 2**21  # numbers of draws and gradients that are kept, at most
_FOLLOWED = 2**22  # chains × coordinates that are followed, at most
_SHORT = 64  # leapfrogs a draw, below which a bound for chains on their way is none
_PATIENCE = 0.1  # share of the warm-up that a chain has to come to the others by itself


def schedule(num_warmup: int, chains: int) -> list[int]:
    """Lengths of the windows; all but the last end with a new metric."""
    if num_warmup < 20:
        return [num_warmup] if num_warmup else []
    least, pooled = _LATE_DRAWS
    late = max(least, math.ceil(pooled / chains))
    last = min(max(int(_LATE * num_warmup), 10), late)
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
        history: What the metric is estimated from.
        relief: Of chains that get nowhere with the step size of the others.
        rank: Columns of a structured metric, once there is one: programs depend on it.
        rates: Acceptance of each chain in it.
        steps: Mean leapfrogs of the draws of the present window.
        diverged: Divergences per draw in the present window.
        plain: Efficiency and divergences of the last window under a diagonal metric.
        tried: Windows under a structured metric.
        together: Whether the chains share one step size.
        places: Where each chain has been in the later half of the window.
        sources: The chains in whose places they are to begin the next round.
    """

    windows: tuple[int, ...]
    window: int
    done: int
    learner: Search | DualAveraging
    history: History
    relief: Relief
    rank: int = 0
    rates: OwnRates = OwnRates()
    steps: float = 0.0
    diverged: float = 0.0
    plain: tuple[float, float] = (0.0, 0.0)
    tried: int = 0
    together: bool = True
    places: Places = Places()
    sources: np.ndarray | None = None


@dataclass(frozen=True)
class Windows(AbstractAdaptation):
    """Windowed adaptation of step size and metric, pooled over chains.

    Attributes:
        target_accept: Mean acceptance aimed at, where trajectories do not diverge; else
            more, up to 0.95.
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
        chains, step = len(gradient), step_size(kernel)
        alone = self.adapt_step_size and not self.given and len(windows) > 1
        alone &= chains > 1 and gradient.size <= _FOLLOWED
        kernel = with_step_size(kernel, np.full(chains, step))
        if self.adapt_metric and not self.given and windows:
            scale = _metric.first_scale(gradient)
            bare = np.zeros((len(scale), 0))
            shape = _metric.Shape(scale, bare, bare[0])
            metric = self._built(shape, [shape] * len(self.blocks), kernel, 0)
            kernel = dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]
        learner = self._learner(np.full(chains, step) if alone else step)
        history = History(_KEPT, num_warmup)
        relief = Relief(np.ones(chains))
        a = WindowsState(windows, 0, 0, learner, history, relief, together=not alone)
        return a, kernel

    def _learner(self, step: Each) -> Search | DualAveraging:
        if self.adapt_step_size:
            return Search(step)
        return DualAveraging.begin(step, self.target_accept)

    def request(self, a: WindowsState, kernel: AbstractKernel) -> Round | None:
        if a.window == len(a.windows):
            return None
        if isinstance(a.learner, Search):
            step = a.learner.step_size
            trial = with_step_size(kernel.single_step(step), step)
            return Round(trial, 1, counted=False, sources=a.sources)
        left = a.windows[a.window] - a.done
        size = min(max(1, a.done // _SHARE), left)
        relieved = np.min(a.relief.factor) < 1 and a.steps < _SHORT
        if relieved or not a.together:
            kernel = kernel.on_the_way()
        step = np.exp(a.learner.log_step) * a.relief.factor
        kernel = with_step_size(kernel, step)
        return Round(kernel, size, counted=True, sources=a.sources)

    def update(
        self, a: WindowsState, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[WindowsState, AbstractKernel]:
        a, learner = a._replace(sources=None), a.learner
        rates = drawn.statistics["acceptance_rate"].mean(axis=1)
        if isinstance(learner, Search):
            learner = learner.update(rates.mean() if a.together else rates)
            if learner.over:
                learner = DualAveraging.begin(learner.step_size, self.target_accept)
            return a._replace(learner=learner), kernel
        n, steps = drawn.position.shape[1], float(drawn.statistics["n_steps"].mean())
        diverged = float(drawn.statistics["diverging"].mean())
        own = a.rates.update(rates, n, diverged)
        if self.adapt_step_size:
            common = a.relief.common if a.together else np.ones_like(rates, bool)
            pooled = min(float(rates[common].mean()), own.bound(common, relieved=True))
            pooled -= own.toll(self.target_accept)
            learner = learner.update(pooled if a.together else rates)
            if a.together:
                relief = a.relief.update(rates, n, self.target_accept)
                a = a._replace(relief=relief)
        estimates = self.adapt_metric and a.window < len(a.windows) - 1
        a = a._replace(
            learner=learner,
            history=a.history.added(drawn) if estimates else a.history.emptied(),
            done=a.done + n,
            rates=own,
            steps=a.steps + (steps - a.steps) * n / (a.done + n),
            diverged=a.diverged + (diverged - a.diverged) * n / (a.done + n),
        )
        if not a.together and 2 * a.done > a.windows[a.window]:
            a = a._replace(places=a.places.added(drawn))
        if a.done < a.windows[a.window]:
            return a, kernel
        step = np.exp(learner.log_average)
        return self._next_window(a, kernel, step, estimates=estimates)

    def _next_window(
        self, a: WindowsState, kernel: AbstractKernel, step: Each, *, estimates: bool
    ) -> tuple[WindowsState, AbstractKernel]:
        """What a whole window has told, with the step sizes that it has found."""
        a, lost = self._gathered(a)
        if a.together and np.ndim(step):
            step = np.exp(np.median(np.log(np.asarray(step)[~lost])))
        a = a._replace(relief=a.relief.settled())
        kernel = with_step_size(kernel, step * a.relief.factor)
        if estimates:
            a = self._judged(a)
            metric, rank = self._estimated(a, kernel, ~lost)
            kernel = dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]
            a = a._replace(rank=rank)
        if a.sources is not None:  # what the moved ones drew before tells nothing
            a = a._replace(history=a.history.emptied())
        return a._replace(
            window=a.window + 1,
            done=0,
            steps=0.0,
            diverged=0.0,
            rates=OwnRates(),
            places=Places(),
            learner=self._learner(step),
        ), kernel

    def _gathered(self, a: WindowsState) -> tuple[WindowsState, np.ndarray]:
        """Whether the chains are together after a window, and which are lost."""
        if a.together:
            return a, np.zeros(np.shape(a.rates.rate), bool)
        lost = a.places.lost()
        passed = sum(a.windows[: a.window + 1]) / sum(a.windows)
        if lost.any() and passed > _PATIENCE and a.places.enough:
            a = a._replace(sources=sources(lost), together=True)
        elif not lost.any() or a.window >= len(a.windows) - 2:
            a = a._replace(together=True)
        return a, lost

    def _judged(self, a: WindowsState) -> WindowsState:
        """Whether a structured metric makes gradients worth more, as it should.

        In funnels and heavy tails it does not, whatever the covariance says; nor where
        shorter trajectories are worth less in the same proportion, or diverge.
        """
        if self.structure != "auto" or self.given or a.tried > _TRIALS:
            return a
        independence = _metric.independence(a.history.last(a.windows[a.window]))
        efficiency = independence / max(a.steps, 1.0)
        if a.rank == 0:
            return a._replace(plain=(efficiency, a.diverged))
        a = a._replace(tried=a.tried + 1)
        before, diverged = a.plain
        gained = efficiency >= _WORTH * before
        gained &= a.diverged <= max(_DIVERGES * diverged, _RARELY)
        return a if gained or a.tried != _TRIALS else a._replace(rank=0)

    def _estimated(
        self, a: WindowsState, kernel: AbstractKernel, chains: np.ndarray
    ) -> tuple[AbstractMetric, int]:
        """The metric after a window, from some chains; the columns of its program."""
        before, given_up = kernel.metric, a.tried > 0 and a.rank == 0
        simple = isinstance(before, Diagonal)
        both = a.history.draws(chains)
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
        rank = a.rank or _COLUMNS * math.ceil(max(len(shape.values), 1) / _COLUMNS)
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
