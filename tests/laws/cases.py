"""The distributions that the laws judge, one entry each, with an independent truth.

A case is a constructor, parameter sets (two of them extreme), the same distribution in
SciPy, and its log density in mpmath, which is the judge where SciPy loses digits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats as st
from mpmath import log, log1p, loggamma, pi
from scipy.special import expit, softmax

import ppl.distributions as dist

mp.mp.dps = 80  # enough for differences of nearly equal numbers


@dataclass(frozen=True, eq=False)
class Case:
    """A family with its parameter sets; `density` is the log density in mpmath."""

    name: str
    make: Callable[..., Any]
    sets: tuple[tuple[Any, ...], ...]
    scipy: Callable[..., Any]
    density: Callable[..., Any]
    extra: tuple[float, ...] = ()

    @cached_property
    def params(self) -> tuple[np.ndarray, ...]:
        """All parameter sets as one batch."""
        return tuple(np.stack(column) for column in zip(*self.sets, strict=True))

    @cached_property
    def discrete(self) -> bool:
        return self.make(*self.sets[0]).is_discrete

    def frozen(self) -> list[Any]:
        return [self.scipy(*values) for values in self.sets]


def xlogy(k, x):
    return mp.mpf(0) if k == 0 else k * log(x)


def normal(z):
    return -z * z / 2 - log(2 * pi) / 2


def student(x, df, m, s):
    z, h = (x - m) / s, df / 2
    top = loggamma(h + 0.5) - loggamma(h) - log(df * pi) / 2 - log(s)
    return top - (h + 0.5) * log1p(z * z / df)


def gamma(x, a, b):
    return a * log(b) - loggamma(a) + xlogy(a - 1, x) - b * x


def inverse_gamma(x, a, b):
    return a * log(b) - loggamma(a) - (a + 1) * log(x) - b / x


def beta(x, a, b):
    top = loggamma(a + b) - loggamma(a) - loggamma(b)
    return top + xlogy(a - 1, x) + xlogy(b - 1, 1 - x)


def binomial(x, n, p):
    choices = loggamma(n + 1) - loggamma(x + 1) - loggamma(n - x + 1)
    return choices + xlogy(x, p) + xlogy(n - x, 1 - p)


def logistic(t):
    return 1 / (1 + mp.exp(-t))


def table(p):
    return st.rv_discrete(values=(np.arange(len(p)), p))


def rising(n):
    return np.arange(1.0, n + 1) / (n * (n + 1) / 2)


CASES = (
    Case("Normal", dist.Normal,
         ((0.0, 1.0), (1e3, 1e-3), (-2.0, 1e15), (0.5, 1e-12)),
         st.norm, lambda x, m, s: normal((x - m) / s) - log(s), (1e4, -1e18)),
    Case("HalfNormal", dist.HalfNormal,
         ((1.0,), (0.3,), (1e12,), (1e-12,)),
         lambda s: st.halfnorm(scale=s),
         lambda x, s: normal(x / s) + log(2) - log(s), (0.0, 1e-30, 1e6)),
    Case("LogNormal", dist.LogNormal,
         ((0.0, 1.0), (1.0, 0.3), (-3.0, 1e-3), (20.0, 8.0)),
         lambda m, s: st.lognorm(s, scale=np.exp(m)),
         lambda x, m, s: normal((log(x) - m) / s) - log(s) - log(x), (1e-30, 1e30)),
    Case("StudentT", dist.StudentT,
         ((3.0, 0.0, 1.0), (1.0, -2.0, 0.1), (30.0, 5.0, 3.0), (1e6, 0.0, 1.0),
          (0.05, 0.0, 1.0), (1e9, 1.0, 1e-6)),
         st.t, student, (-1.0, 1e30, -1e30)),
    Case("Cauchy", dist.Cauchy,
         ((0.0, 1.0), (3.0, 0.5), (0.0, 1e-8), (-1.0, 1e12)),
         st.cauchy,
         lambda x, m, s: -log(pi * s) - log1p(((x - m) / s) ** 2), (1e30, -1e25)),
    Case("HalfCauchy", dist.HalfCauchy,
         ((1.0,), (25.0,), (1e-8,), (1e12,)),
         lambda s: st.halfcauchy(scale=s),
         lambda x, s: log(2 / (pi * s)) - log1p((x / s) ** 2), (0.0, 1e-30, 1e30)),
    Case("Laplace", dist.Laplace,
         ((0.0, 1.0), (3.0, 0.5), (0.0, 1e-8), (-1.0, 1e12)),
         st.laplace, lambda x, m, s: -abs((x - m) / s) - log(2 * s), (1e19,)),
    Case("Uniform", dist.Uniform,
         ((0.0, 1.0), (-3.0, 5.0), (1e3, 1.001e3), (-1e15, 1e15)),
         lambda a, b: st.uniform(a, b - a), lambda x, a, b: -log(b - a)),
    Case("Exponential", dist.Exponential,
         ((1.0,), (0.2,), (1e-10,), (1e10,)),
         lambda r: st.expon(scale=1 / r), lambda x, r: log(r) - r * x, (0.0, 1e-30)),
    Case("Gamma", dist.Gamma,
         ((2.0, 3.0), (1.0, 0.5), (0.5, 1.0), (1e5, 1.0), (0.01, 1.0), (0.999, 1e6)),
         lambda a, b: st.gamma(a, scale=1 / b), gamma, (1e-30, 1e20, 1e5)),
    Case("InverseGamma", dist.InverseGamma,
         ((2.0, 1.0), (5.0, 0.1), (0.5, 1.0), (1e5, 1e5), (0.05, 1.0)),
         lambda a, b: st.invgamma(a, scale=b), inverse_gamma, (1e-30, 1e-15, 1e25)),
    Case("Beta", dist.Beta,
         ((2.0, 3.0), (1.0, 1.0), (0.5, 0.5), (1.0, 4.0), (1e4, 1e4), (0.01, 30.0),
          (3.0, 1e6)),
         st.beta, beta, (0.5, 0.0, 1.0, 1e-30)),
    Case("BernoulliProbs", dist.BernoulliProbs,
         ((0.3,), (0.9,), (1e-30,), (1 - 2.0**-24,)),
         st.bernoulli, lambda x, p: log(p) if x == 1 else log1p(-p), (0, 1)),
    Case("BernoulliLogits", dist.BernoulliLogits,
         ((0.0,), (1.5,), (-1e3,), (60.0,)),
         lambda t: st.bernoulli(expit(t)),
         lambda x, t: -log1p(mp.exp(-t if x == 1 else t)), (0, 1)),
    Case("BinomialProbs", lambda n, p: dist.BinomialProbs(p, n),
         ((10, 0.3), (1, 0.8), (0, 0.4), (1000, 0.02), (1000000, 0.3), (500, 1e-12)),
         st.binom, binomial, (0, 1, 300000)),
    Case("BinomialLogits", lambda n, t: dist.BinomialLogits(t, n),
         ((10, 0.5), (1, -1.0), (0, 0.4), (1000, -4.0), (1000000, -0.8), (20, 1e3),
          (30, -60.0)),
         lambda n, t: st.binom(n, expit(t)),
         lambda x, n, t: binomial(x, n, logistic(t)) if abs(t) < 500 else (
             binomial(x, n, mp.mpf(0.5)) + n * log(2) - (n - x) * t), (0, 1, 300000)),
    Case("CategoricalProbs", dist.CategoricalProbs,
         (([0.2, 0.5, 0.3],), ([0.98, 0.02, 0.0],), ([1e-9, 0.5, 0.5 - 1e-9],),
          ([0.0, 0.0, 1.0],)),
         table, lambda x, p: log(p[int(x)]), (0, 1, 2)),
    Case("CategoricalLogits", dist.CategoricalLogits,
         (([0.0, 1.0, -1.0],), ([5.0, 5.0, 5.0],), ([-1e3, 0.0, -20.0],),
          ([1e4, 9999.0, -np.inf],)),
         lambda t: table(softmax(t)),
         lambda x, t: t[int(x)] - log(sum(map(mp.exp, t))), (0, 1, 2)),
    Case("many categories", dist.CategoricalLogits,
         tuple((np.log(v),) for v in (rising(50), rising(50)[::-1], np.full(50, 0.02))),
         lambda t: table(softmax(t)),
         lambda x, t: t[int(x)] - log(sum(map(mp.exp, t))), (0, 49)),
    Case("Poisson", dist.Poisson,
         ((3.0,), (0.2,), (1000.0,), (1e6,), (1e-20,), (9.999,)),
         st.poisson, lambda x, r: xlogy(x, r) - r - loggamma(x + 1), (0, 1, 990000)),
)  # fmt: skip
