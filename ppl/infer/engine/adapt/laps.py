"""Warm-up of hundreds of chains: unadjusted first, steps as large as the bias allows.

After "Late adjusted parallel sampler" (LAPS, arXiv:2601.16696). In the first phase each
step of microcanonical dynamics is a draw and nothing is rejected. All chains together
tell how far they are from the target: by the virial theorem V_i = E[-(x_i - m_i) g_i]
is 1 there, with g the gradient of the log density and m the mean. From the bias
D = mean (1 - V_i)^2 follows the variance of the energy error per dimension that does
not matter beside it,

    F(C D) with F(D) = 4 D^(3/2) / (1 + D^(1/2))^2 and C = 0.025,

and the step size is multiplied by (wanted / seen)^(1/6). Directions are forgotten over
L = 2 sqrt(sum Var x_i). When means and variances have stopped drifting, the second
phase begins: trajectories are accepted or rejected, with a step size that is found by
doubling, halving and bisection.

Unlike there, the first phase knows a diagonal metric, from draws and gradients, and
trajectories of the second are 0.75 sqrt(d) times the standard deviation along the
longest axis, which on normals is about the best.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ppl.infer.engine.adapt import _metric, _pooled
from ppl.infer.engine.adapt.base import AbstractAdaptation, Drawn, Round
from ppl.infer.engine.kernel import AbstractKernel

_C = 0.025
_LARGEST_BIAS = 1.0  # that counts: steps need not be wilder
_FIRST_STEP = 0.01  # times sqrt(d)
_CHANGE = 0.3, 3.0  # of the step size in a round, at least and at most
_FEW = 0.01  # share of chains that may diverge
_UNADJUSTED = 0.8  # share of the warm-up, at most
_LEAST = 20  # unadjusted draws
_DRIFT = 0.03  # of means by standard deviations; twice that of log variances
_SURELY = 2.0  # standard errors on top of it
_LENGTH = 0.75
_MOST_STEPS = 500.0
_NEAR = 0.03  # to the acceptance wanted
_TRIES = 12
_TRIAL_DRAWS = 2
_SETTLING = 4  # adjusted draws after the step size is found


class Moments(NamedTuple):
    """Of all chains at one time, (dim,) each: means and variances."""

    mean: np.ndarray
    variance: np.ndarray


class Bisection(NamedTuple):
    """A step size between one that is too small and one that is too large.

    Attributes:
        step_size: To try next.
        low: The largest that was accepted too often, 0 if none.
        high: The smallest that was accepted too rarely, infinite if none.
        tries: Step sizes tried.
        over: Whether it has ended.
    """

    step_size: float
    low: float = 0.0
    high: float = math.inf
    tries: int = 0
    over: bool = False

    def update(self, rate: float, target: float) -> Bisection:
        """Take the acceptance at `step_size`."""
        tries = self.tries + 1
        if abs(rate - target) < _NEAR or tries == _TRIES:
            return self._replace(tries=tries, over=True)
        if rate > target:
            low, high = self.step_size, self.high
            step = math.sqrt(low * high) if high < math.inf else 2 * low
        else:
            low, high = self.low, self.step_size
            step = math.sqrt(low * high) if low > 0 else high / 2
        return Bisection(step, low, high, tries)


class LAPSState(NamedTuple):
    """How far a warm-up is.

    Attributes:
        pool: The draws of the first phase so far.
        step: Its step size.
        length: Over which it forgets directions.
        history: Moments at each of its draws.
        search: The second phase's step size; None in the first.
        left: Draws until the warm-up ends.
    """

    pool: _pooled.Pool
    step: float
    length: float
    history: tuple[Moments, ...]
    search: Bisection | None
    left: int


@dataclass(frozen=True)
class LAPS(AbstractAdaptation):
    """An unadjusted phase and then an adjusted one, for the MAMS kernel.

    The warm-up ends when it is done, with fewer draws than it might take.

    Attributes:
        target_accept: Mean acceptance of the second phase.
        given: Whether the kernel's metric is worth something; else the first one is
            taken from the gradients at the starting points.
    """

    target_accept: float = 0.9
    given: bool = False

    def init(
        self, kernel: AbstractKernel, num_warmup: int, gradient: np.ndarray
    ) -> tuple[LAPSState, AbstractKernel]:
        chains, dim = gradient.shape
        if not self.given and num_warmup:
            kernel = _pooled.with_metric(kernel, _metric.first_scale(gradient))
        root = math.sqrt(dim)
        pool = _pooled.Pool.begin(num_warmup, chains)
        return LAPSState(pool, _FIRST_STEP * root, root, (), None, num_warmup), kernel

    def request(self, a: LAPSState, kernel: AbstractKernel) -> Round | None:
        if a.left == 0:
            return None
        if a.search is None:
            now = _pooled.with_length(
                _adjusted(kernel, adjusted=False), a.step, a.length
            )
            most = max(int(_UNADJUSTED * a.pool.num_warmup) - a.pool.done, 1)
            return Round(now, min(a.pool.next_round, most), counted=True)
        draws = a.left if a.search.over else min(_TRIAL_DRAWS, a.left)
        return Round(self._set(a, kernel, a.search.step_size), draws, counted=True)

    def _set(self, a: LAPSState, kernel: AbstractKernel, step: float) -> AbstractKernel:
        length = min(max(a.length, step), _MOST_STEPS * step)
        return _pooled.with_length(_adjusted(kernel, adjusted=True), step, length)

    def update(
        self, a: LAPSState, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[LAPSState, AbstractKernel]:
        left = a.left - drawn.position.shape[1]
        if a.search is None:
            a, kernel = self._unadjusted(a._replace(left=left), kernel, drawn)
            if a.search is None:
                return a, kernel
        elif a.search.over:
            a = a._replace(left=left)
        else:
            rate = float(drawn.statistics["acceptance_rate"].mean())
            search = a.search.update(rate, self.target_accept)
            left = min(left, _SETTLING) if search.over else left
            a = a._replace(search=search, left=left)
        return a, self._set(a, kernel, a.search.step_size)  # type: ignore[union-attr]

    def _unadjusted(
        self, a: LAPSState, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[LAPSState, AbstractKernel]:
        """Learn from a round of the first phase, and end it when it is time."""
        position = drawn.position.astype(np.float64)
        chains, _, dim = position.shape
        moments = (Moments(x.mean(0), x.var(0)) for x in position.swapaxes(0, 1))
        history = (*a.history, *moments)
        pool, step = a.pool.added(drawn), a.step * change(drawn)
        if pool.estimates:
            kernel, ratio = _pooled.rescaled(kernel, pool)
            step *= ratio
        spread = _pooled.whitened(kernel.metric, position[:, -1] - history[-1].mean)
        length = 2 * math.sqrt(float((spread**2).sum() / chains))
        length = length if 0 < length < math.inf else a.length
        a = a._replace(pool=pool, step=step, length=length, history=history)
        late = pool.done >= _UNADJUSTED * pool.num_warmup
        if not late and not settled(history, chains):
            return a, kernel
        kernel, ratio = _pooled.rescaled(kernel, pool)
        axis = _pooled.longest(kernel.metric, pool.draws()[0])
        length = _LENGTH * math.sqrt(dim) * max(axis, 1.0)
        search = Bisection(step * ratio)
        return a._replace(length=length, history=(), search=search), kernel


def _adjusted(kernel: AbstractKernel, *, adjusted: bool) -> AbstractKernel:
    """The kernel with trajectories accepted or rejected, or not."""
    return dataclasses.replace(kernel, adjusted=np.asarray(adjusted))  # type: ignore[type-var]


def wanted(bias: float) -> float:
    """Variance of the energy error per dimension that goes with a bias."""
    scaled = _C * min(bias, _LARGEST_BIAS)
    return 4 * scaled**1.5 / (1 + scaled**0.5) ** 2


def virial_bias(position: np.ndarray, gradient: np.ndarray) -> float:
    """D of chains (chains, dim) and the gradients there."""
    x, g = position.astype(np.float64), gradient.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        found = -np.mean((x - x.mean(0)) * g, axis=0)
        bias = float(np.mean((1 - found) ** 2))
    return bias if math.isfinite(bias) else math.inf


def change(drawn: Drawn) -> float:
    """By which the step size is multiplied after a round of the first phase."""
    fine = drawn.statistics["diverging"] == 0
    if fine.mean() < 1 - _FEW:
        return 0.5
    errors = drawn.statistics["energy"].astype(np.float64)
    seen = float(np.var(errors[fine])) / drawn.position.shape[-1]
    bias = virial_bias(drawn.position[:, -1], drawn.vectors["gradient"][:, -1])
    if not math.isfinite(seen):
        return 0.5
    least, most = _CHANGE
    return min(max((wanted(bias) / max(seen, 1e-300)) ** (1 / 6), least), most)


def settled(history: tuple[Moments, ...], chains: int) -> bool:
    """Whether moments stand still: over the last 60% of the time, half against half.

    Differences that chance makes among so many chains do not count.
    """
    if len(history) < _LEAST:
        return False
    window = history[int(0.4 * len(history)) :]
    half = len(window) // 2
    mean = np.array([m.mean for m in window])
    variance = np.array([m.variance for m in window])
    if not (np.isfinite(variance).all() and (variance > 0).all()):
        return False
    log = np.log(variance)
    moved = abs(mean[half:].mean(0) - mean[:half].mean(0)) / np.sqrt(variance[-1])
    grown = abs(log[half:].mean(0) - log[:half].mean(0))
    chance = _SURELY / math.sqrt(chains)
    still = moved.max() < _DRIFT + chance
    return bool(still and grown.max() < 2 * _DRIFT + math.sqrt(2) * chance)
