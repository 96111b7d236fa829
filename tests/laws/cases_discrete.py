"""Discrete distributions, one entry each."""

from functools import cache

import mpmath as mp
import numpy as np
import scipy.stats as st
from mpmath import log, log1p, loggamma
from scipy.special import expit, ndtr, zeta

import ppl.distributions as dist
from tests.laws.case import Case, binomial, logistic, table
from tests.laws.summed import Summed


def negative_binomial(k, r, log_p, log_q):
    choices = loggamma(k + r) - loggamma(r) - loggamma(k + 1)
    return choices + (k * log_p if k else 0) + r * log_q


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


def beta_binomial(k, a, b, n):
    return (
        binomial(k, n, mp.mpf(0.5))
        + n * log(2)
        + (log_beta(k + a, n - k + b) - log_beta(a, b))
    )


def beta_negative_binomial(k, a, b, r):
    choices = loggamma(k + r) - loggamma(r) - loggamma(k + 1)
    return choices + log_beta(a + k, b + r) - log_beta(a, b)


def ordered(cdf):
    def density(k, predictor, cutpoints):
        ends = [-mp.inf, *cutpoints, mp.inf]
        upper, lower = ends[int(k) + 1] - predictor, ends[int(k)] - predictor
        if lower > 0:  # for the sake of a far tail
            upper, lower = -lower, -upper
        return log(cdf(upper) - cdf(lower))

    return density


def steps(cdf):
    def frozen(predictor, cutpoints):
        upto = cdf(np.concatenate([[-np.inf], cutpoints, [np.inf]]) - predictor)
        above = cdf(predictor - np.concatenate([[-np.inf], cutpoints, [np.inf]]))
        return table(np.where(upto[1:] < 0.5, np.diff(upto), -np.diff(above)))

    return frozen


def hypergeometric(k, total, good, drawn):
    def log_choose(n, k):
        return loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1)

    ways = log_choose(good, k) + log_choose(total - good, drawn - k)
    return ways - log_choose(total, drawn)


def discrete_weibull(k, q, beta):
    rate, step = -np.log(q), np.expm1(beta * np.log1p(1 / np.maximum(k, 1)))
    step = np.where(k > 0, step * k**beta, 1.0)
    return np.log(-np.expm1(-rate * step)) - rate * k**beta


@cache
def log_constant(rate, nu):
    def weight(k):
        return mp.exp(k * log(rate) - nu * loggamma(k + 1))

    top = int(mp.floor(rate ** (1 / nu)))
    width = 300 + int(20 * mp.sqrt(top / nu))
    ends = max(top - width, 0), top + width
    term = total = weight(mp.mpf(ends[0]))
    for k in range(ends[0] + 1, ends[1]):
        term *= rate / mp.mpf(k) ** nu
        total += term
    return log(total)


def conway_maxwell_poisson(k, rate, nu):
    return k * log(rate) - nu * loggamma(k + 1) - log_constant(rate, nu)


def skellam(k, a, b):
    return log(a / b) * k / 2 - a - b + log(mp.besseli(abs(k), 2 * mp.sqrt(a * b)))


def skellam_table(a, b):
    def window(rate):
        low = max(0, int(rate - 12 * rate**0.5 - 40))
        return low, st.poisson(rate).pmf(np.arange(low, rate + 12 * rate**0.5 + 60))

    (first, p), (second, q) = window(a), window(b)
    both = np.convolve(p, q[::-1])
    low = first - second - (len(q) - 1)
    live = np.flatnonzero(both > 1e-290)
    ratio = np.diff(np.log(both[live]))
    return Summed(lambda k: ratio, low + int(live[0]), size=len(live) - 1)


class Zeta:
    """What SciPy computes badly of its own zeta distribution, from Hurwitz's zeta."""

    def __init__(self, a):
        self.a, self.args = float(a), (a,)
        self.total = zeta(self.a, 1)

    def support(self):
        return 1, np.inf

    def sf(self, x):
        x = np.floor(np.asarray(x, float))
        return np.where(x < 1, 1.0, zeta(self.a, np.maximum(x, 1) + 1) / self.total)

    def cdf(self, x):
        return 1 - self.sf(x)

    def logsf(self, x):
        return np.log(self.sf(x))

    def logcdf(self, x):
        return np.log1p(-self.sf(x))

    def isf(self, q):
        """The least k with so little above it."""
        low, high = np.zeros(np.shape(q)), np.full(np.shape(q), 2.0**52)
        for _ in range(60):
            middle = np.floor((low + high) / 2)
            enough = self.sf(middle) <= q
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high

    def ppf(self, q):
        return self.isf(1 - np.asarray(q))

    def _moment(self, order):
        return float(mp.zeta(self.a - order)) / self.total

    def mean(self):
        return self._moment(1) if self.a > 2 else np.inf

    def var(self):
        return self._moment(2) - self.mean() ** 2 if self.a > 3 else np.inf

    def std(self):
        return self.var() ** 0.5

    def entropy(self):
        a = mp.mpf(self.a)
        return float(mp.log(mp.zeta(a)) - a * mp.zeta(a, 1, 1) / mp.zeta(a))


CASES: tuple[Case, ...] = (
    Case("GeometricProbs", dist.GeometricProbs,
         ((0.3,), (0.8,), (0.01,), (1e-6,), (1 - 2.0**-20,), (0.999,)),
         lambda p: st.geom(p, -1),
         lambda k, p: log(p) + (k * log1p(-p) if k else 0), (0, 1, 100)),
    Case("GeometricLogits", dist.GeometricLogits,
         ((0.5,), (-1.0,), (-6.0,), (-14.0,), (12.0,), (3.0,), (20.0,), (25.0,)),
         lambda t: st.geom(expit(t), -1),
         lambda k, t: -log1p(mp.exp(-t)) - k * log1p(mp.exp(t)), (0, 1, 100)),
    Case("DiscreteUniform", dist.DiscreteUniform,
         ((0, 5), (3, 4), (-4, 7), (-1000, 1000), (10**6, 10**6 + 100000),
          (-(2**30), 2**30)),
         lambda a, b: st.randint(a, b + 1), lambda k, a, b: -log(b - a + 1), (0, 1)),
    Case("GammaPoisson", dist.GammaPoisson,
         ((2.0, 0.5), (0.3, 1.0), (50.0, 0.01), (1e5, 1.0), (1e-3, 1e-3), (1e9, 1e8),
          (3.0, 1e20)),
         lambda a, b: st.nbinom(a, b / (1 + b)),
         lambda k, a, b: negative_binomial(k, a, -log1p(b), -log1p(1 / b)),
         (0, 1, 30, 1e5)),
    Case("NegativeBinomialProbs", dist.NegativeBinomialProbs,
         ((3.0, 0.4), (0.5, 0.7), (10.0, 0.999), (1e6, 1e-5), (1e-4, 0.5),
          (20.0, 1e-12)),
         lambda r, p: st.nbinom(r, 1 - p),
         lambda k, r, p: negative_binomial(k, r, log(p), log1p(-p)), (0, 1, 30)),
    Case("NegativeBinomialLogits", dist.NegativeBinomialLogits,
         ((3.0, 0.4), (0.5, -1.0), (10.0, 7.0), (1e6, -11.0), (1e-4, 0.5),
          (20.0, -60.0)),
         lambda r, t: st.nbinom(r, expit(-t)),
         lambda k, r, t: negative_binomial(
             k, r, -log1p(mp.exp(-t)), -log1p(mp.exp(t))), (0, 1, 30)),
    Case("NegativeBinomial2", dist.NegativeBinomial2,
         ((3.0, 2.0), (0.5, 0.7), (10.0, 1e6), (1e4, 20.0), (1e3, 1e12),
          (1e-12, 5.0), (40.0, 0.01)),
         lambda m, c: Summed(
             lambda k: np.log((k + c) / (c + m)) + np.log(m) - np.log(k + 1), 0),
         lambda k, m, c: negative_binomial(k, c, -log1p(c / m), -log1p(m / c)),
         (0, 1, 30, 1e6)),
    Case("BetaBinomial", dist.BetaBinomial,
         ((2.0, 3.0, 10), (0.5, 0.5, 30), (1.0, 1.0, 4), (1e4, 1e4, 1000),
          (0.01, 30.0, 50), (3.0, 0.2, 2000), (1e7, 1e8, 400), (2.0, 5.0, 0)),
         lambda a, b, n: Summed(
             lambda k: np.log((n - k) / (k + 1)) + np.log((k + a) / (n - k - 1 + b)),
             0, n),
         beta_binomial, (0, 1, 30, 2000)),
    Case("BetaNegativeBinomial", dist.BetaNegativeBinomial,
         ((2.0, 9.0, 3.0), (0.5, 8.0, 1.5), (3.0, 30.0, 40.0), (1e4, 1e4, 20.0),
          (1e-3, 6.0, 2.0), (1e6, 1e7, 5.0)),
         lambda a, b, r: Summed(
             lambda k: np.log((k + r) / (k + 1)) + np.log((k + a) / (k + a + b + r)),
             0),
         beta_negative_binomial,
         (0, 1, 30, 1e4)),
    Case("OrderedLogistic", dist.OrderedLogistic,
         ((0.0, [-1.0, 0.5, 2.0]), (3.0, [-1.0, 0.0, 1.0]), (-0.5, [0.0, 1e-3, 50.0]),
          (12.0, [0.0, 1.0, 2.0]), (-12.0, [0.0, 1.0, 2.0]),
          (1.0, [-80.0, 1.0, 80.0])),
         steps(expit), ordered(logistic), (0, 1, 2, 3)),
    Case("OrderedProbit", dist.OrderedProbit,
         ((0.0, [-1.0, 0.5, 2.0]), (3.0, [-1.0, 0.0, 1.0]), (-0.5, [0.0, 1e-3, 9.0]),
          (7.0, [0.0, 1.0, 2.0]), (-7.0, [0.0, 1e-2, 2.0]), (1.0, [-9.0, 1.0, 12.0])),
         steps(ndtr), ordered(mp.ncdf), (0, 1, 2, 3)),
    Case("Hypergeometric", dist.Hypergeometric,
         ((20, 7, 12), (500, 60, 100), (10, 3, 0), (10, 10, 4), (1000000, 300000, 1000),
          (1000000, 500000, 400000), (1000000, 3, 999999)),
         lambda total, good, drawn: Summed(
             lambda k: np.log((good - k) / (k + 1))
             + np.log((drawn - k) / (total - good - drawn + k + 1)),
             max(0, drawn - total + good), min(good, drawn)),
         hypergeometric, (0, 1, 4)),
    Case("Zipf", dist.Zipf,
         ((6.0,), (4.0,), (2.5,), (1.5,), (30.0,), (1.35,), (100.0,)),
         Zeta, lambda k, a: -a * log(k) - log(mp.zeta(a)), (1, 2, 100, 1e6)),
    Case("DiscreteWeibull", dist.DiscreteWeibull,
         ((0.5, 1.0), (0.9, 2.0), (0.3, 0.6), (0.99, 0.7), (1 - 2.0**-20, 3.0),
          (1e-6, 0.3)),
         lambda q, b: Summed(
             lambda k: np.diff(discrete_weibull(np.append(k, k[-1] + 1), q, b)), 0),
         lambda k, q, b: log(q ** (k**b) - q ** ((k + 1) ** b)), (0, 1, 100)),
    Case("ConwayMaxwellPoisson", dist.ConwayMaxwellPoisson,
         ((3.0, 1.0), (2.0, 0.3), (0.5, 0.05), (1e6, 2.0), (1e-6, 1.5), (1e4, 30.0),
          (1.5, 0.1)),
         lambda r, v: Summed(lambda k: np.log(r) - v * np.log(k + 1), 0),
         conway_maxwell_poisson, (0, 1, 100)),
    Case("Skellam", dist.Skellam,
         ((3.0, 2.0), (0.5, 0.1), (100.0, 30.0), (1e3, 1.0), (1e-6, 1e-3),
          (4000.0, 9000.0)),
         skellam_table, skellam, (0, 1, -4, 30)),
)  # fmt: skip
