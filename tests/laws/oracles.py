"""Distributions made from SciPy's: an independent truth in float64, for the laws."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class Oracle:
    """A law on the line by its two tails and its density (or probabilities).

    All that SciPy's frozen distributions have and the laws ask for is derived: from
    quantiles by bisection, and from them moments by quadrature or a sum.
    """

    low: float
    high: float
    cdf: Callable[[Any], Any]
    sf: Callable[[Any], Any]
    pdf: Callable[[Any], Any]
    discrete: bool = False
    args: tuple[Any, ...] = field(default=())
    search: tuple[float, float] | None = None
    moments: tuple[float, float] | None = None

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def logcdf(self, x):
        return np.log(self.cdf(x))

    def logsf(self, x):
        return np.log(self.sf(x))

    def _where(
        self, enough: Callable[[Any], Any], shape: tuple[int, ...]
    ) -> np.ndarray:
        ends = self.search or (self.low, self.high)
        low, high = (np.full(shape, float(e)) for e in ends)
        low -= self.discrete
        for _ in range(200):
            middle = (low + high) / 2
            middle = np.floor(middle) if self.discrete else middle
            ok = enough(middle)
            low, high = np.where(ok, low, middle), np.where(ok, middle, high)
        return high

    def ppf(self, q):
        q = np.asarray(q, float)
        slack = 1 - 1e-13 * self.discrete
        return self._where(lambda x: self.cdf(x) >= q * slack, q.shape)

    def isf(self, q):
        q = np.asarray(q, float)
        return self._where(lambda x: self.sf(x) <= q, q.shape)

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and the probability that each stands for."""
        if self.discrete:
            x = np.arange(self.ppf(1e-18), self.isf(1e-18) + 1)
            return x, self.pdf(x)
        grid = expit(np.linspace(-40, 0, 161))
        ends = np.unique(np.concatenate([self.ppf(grid), self.isf(grid)]))
        node, weight = np.polynomial.legendre.leggauss(24)
        half = np.diff(ends)[:, None] / 2
        x = ends[:-1, None] + half * (1 + node)
        return x.ravel(), (self.pdf(x) * half * weight).ravel()

    def _expect(self, function):
        x, p = self._cells
        return float((p * function(x)).sum() / p.sum())

    def mean(self):
        return self.moments[0] if self.moments else self._expect(lambda x: x)

    def var(self):
        if self.moments:
            return self.moments[1]
        mean = self.mean()
        return self._expect(lambda x: (x - mean) ** 2)

    def std(self):
        return self.var() ** 0.5

    def entropy(self):
        return -self._expect(lambda x: np.log(np.maximum(self.pdf(x), 1e-300)))


@dataclass(frozen=True, eq=False)
class Heavy(Oracle):
    """One whose moments are infinite."""

    def mean(self):
        return -np.inf

    def var(self):
        return np.inf


def _mass(base, discrete):
    return base.pmf if discrete else base.pdf


def _reach(base):
    """More than any count that has a probability worth the name."""
    return float(np.ceil(base.mean() + 40 * base.std() + 60))


def truncated(base, low, high):
    discrete = hasattr(base.dist, "pmf")
    before = low - 1 if discrete else low

    def between(a, b):
        """Mass in (a, b]."""
        a, b = np.clip(a, before, high), np.clip(b, before, high)
        upper = base.sf(a) < base.cdf(b)
        above, below = base.sf(a) - base.sf(b), base.cdf(b) - base.cdf(a)
        mass = np.where(upper, above, below)
        if discrete:
            return mass
        finite = np.isfinite(a) & np.isfinite(b)
        a, b = np.where(finite, a, 0.0), np.where(finite, b, 1.0)
        center = base.pdf(a / 2 + b / 2)
        thin = np.maximum(b - a, 0.0) * center  # no cancellation
        few = thin < 1e-6 * np.minimum(base.cdf(b), base.sf(a))
        few = few & (abs(base.pdf(a) - center) < 1e-4 * center)
        return np.where(finite & few, thin, mass)

    total, density = between(before, high), _mass(base, discrete)
    search = [low, high]
    if np.isinf(high):
        search[1] = max(base.isf(base.sf(low) * 1e-20), base.ppf(0.9))
    kind = Oracle
    if np.isinf(low):
        search[0] = base.ppf(base.cdf(high) * 1e-20)
        kind = Heavy
    return kind(
        float(low),
        float(high),
        lambda x: between(before, np.floor(x) if discrete else x) / total,
        lambda x: between(np.floor(x) if discrete else x, high) / total,
        lambda x: np.where((x >= low) & (x <= high), density(x), 0.0) / total,
        discrete,
        (low, high),
        (float(search[0]), float(search[1])),
    )


def folded(base):
    return Oracle(
        0.0,
        np.inf,
        lambda x: np.where(x > 0, base.cdf(x) - base.cdf(-np.asarray(x)), 0.0),
        lambda x: np.where(x > 0, base.sf(x) + base.cdf(-np.asarray(x)), 1.0),
        lambda x: base.pdf(x) + base.pdf(-np.asarray(x)),
        args=base.args,
        search=(
            0.0,
            float(max(abs(base.ppf([1e-200, 1e-20])).max(), base.isf(1e-200))),
        ),
    )


def mixed(weights, bases):
    discrete = hasattr(bases[0].dist, "pmf")

    def mix(values):
        return sum(w * v for w, v in zip(weights, values, strict=True) if w)

    ends = np.array([b.support() for b in bases])
    reach = np.array([b.ppf([1e-300, 1e-20]).min() for b in bases])
    far = np.array([_reach(b) if discrete else b.isf(1e-300) for b in bases])
    mean = mix([b.mean() for b in bases])
    var = mix([b.var() + (b.mean() - mean) ** 2 for b in bases])
    return Oracle(
        ends[:, 0].min(),
        ends[:, 1].max(),
        lambda x: mix([b.cdf(x) for b in bases]),
        lambda x: mix([b.sf(x) for b in bases]),
        lambda x: mix([_mass(b, discrete)(x) for b in bases]),
        discrete,
        weights,
        (float(reach.min()), float(far.max())),
        (mean, var),
    )


def inflated(gate, base):
    return Oracle(
        0,
        np.inf,
        lambda x: np.where(np.asarray(x) < 0, 0.0, gate + (1 - gate) * base.cdf(x)),
        lambda x: np.where(np.asarray(x) < 0, 1.0, (1 - gate) * base.sf(x)),
        lambda x: gate * (np.asarray(x) == 0) + (1 - gate) * base.pmf(x),
        True,
        (gate,),
        (0.0, _reach(base)),
    )


def hurdle(gate, base):
    some = base.sf(0)

    def mass(x):
        x = np.asarray(x)
        return np.where(x == 0, gate, (1 - gate) * base.pmf(x) / some)

    def cdf(x):
        x = np.floor(x)
        share = 1 - base.sf(np.maximum(x, 0)) / some
        return np.where(x < 0, 0.0, gate + (1 - gate) * share)

    def sf(x):
        x = np.asarray(x)
        return np.where(x < 0, 1.0, (1 - gate) * base.sf(np.maximum(x, 0)) / some)

    return Oracle(0, np.inf, cdf, sf, mass, True, (gate,), (0.0, _reach(base)))
