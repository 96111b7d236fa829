"""Distributions made from others: truncated, censored, mixed, one entry each."""

from functools import cache

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import scipy.stats as st
from mpmath import erfc, exp, log, log1p, loggamma, pi
from scipy.special import expit

import ppl.distributions as dist
from tests.laws.case import Case, gamma, logistic, normal, xlogy
from tests.laws.oracles import folded, hurdle, inflated, mixed, truncated

# --- densities in mpmath; what depends on the parameters alone is kept ----------------


@cache
def log_normal_between(a, b):
    """Log of the mass of a standard normal, in the tail where it is small."""
    if a > 0:
        a, b = -b, -a
    root = mp.sqrt(2)
    return log((erfc(-b / root) - erfc(-a / root)) / 2)


def truncated_normal(x, m, s, low, high):
    mass = log_normal_between((low - m) / s, (high - m) / s)
    return normal((x - m) / s) - log(s) - mass


def left_normal(x, m, s, low):
    return truncated_normal(x, m, s, low, mp.inf)


def right_cauchy(x, m, s, high):
    mass = log(mp.atan2(1, -(high - m) / s) / pi)
    return -log(pi * s) - log1p(((x - m) / s) ** 2) - mass


@cache
def log_gamma_between(a, low, high):
    return log(mp.gammainc(a, low, high, regularized=True))


def truncated_gamma(x, a, b, low, high):
    return gamma(x, a, b) - log_gamma_between(a, b * low, b * high)


def poisson(x, r):
    return xlogy(x, r) - r - loggamma(x + 1)


@cache
def log_poisson_between(r, low, high):
    terms = (exp(poisson(mp.mpf(k), r)) for k in range(int(low), int(high) + 1))
    return log(mp.fsum(terms))


def truncated_poisson(x, r, low, high):
    return poisson(x, r) - log_poisson_between(r, low, high)


def inflated_poisson(x, g, r):
    p = (1 - g) * exp(poisson(x, r))
    return log(p + g if x == 0 else p)


def hurdle_poisson(x, g, r):
    return log(g) if x == 0 else log1p(-g) + poisson(x, r) - log(-mp.expm1(-r))


def mixed_normals(x, w, m, s, n, t):
    one, two = (exp(normal((x - a) / b)) / b for a, b in ((m, s), (n, t)))
    return log(w * one + (1 - w) * two)


def mixture_of_normals(w, m, s, n, t):
    weights = jnp.stack(jnp.broadcast_arrays(w, 1 - w), -1)
    locs, scales = (jnp.stack(jnp.broadcast_arrays(*p), -1) for p in ((m, n), (s, t)))
    return dist.Mixture(dist.Categorical(weights), dist.Normal(locs, scales))


def mixture_of_counts(t, r, n):
    logits = jnp.stack([t, jnp.zeros_like(t)], -1)
    parts = [dist.Poisson(r), dist.BinomialProbs(jnp.full_like(r, 0.25), n)]
    return dist.Mixture(dist.Categorical(logits=logits), parts)


def binomial_quarter(x, n):
    if x > n:
        return -mp.inf
    choices = loggamma(n + 1) - loggamma(x + 1) - loggamma(n - x + 1)
    return choices - n * log(4) + (n - x) * log(3)


def mixed_counts(x, t, r, n):
    p = logistic(t)
    return log(p * exp(poisson(x, r)) + logistic(-t) * exp(binomial_quarter(x, n)))


NEEDS_SUM = ("entropy", "mode")

CASES = (
    Case("TwoSidedTruncatedDistribution of Normal",
         lambda m, s, a, b: dist.TruncatedNormal(m, s, low=a, high=b),
         ((0.0, 1.0, -1.0, 2.0), (3.0, 2.0, 0.0, 4.0), (0.0, 1.0, 8.0, 9.0),
          (0.0, 1.0, -9.0, -8.0), (1.0, 0.5, -1e6, 1e6), (0.0, 1.0, 10.0, 10.0625),
          (0.0, 1.0, 0.25, 0.2578125), (-1e4, 1e3, -1e3, 5e3)),
         lambda m, s, a, b: truncated(st.norm(m, s), a, b),
         truncated_normal, (8.5, -8.5)),
    Case("LeftTruncatedDistribution of Normal",
         lambda m, s, a: dist.TruncatedNormal(m, s, low=a),
         ((0.0, 1.0, 0.5), (0.0, 1.0, 20.0), (2.0, 3.0, -1e5), (0.0, 1e-3, 0.004),
          (0.0, 1e3, 2e3), (-5.0, 2.0, -5.0)),
         lambda m, s, a: truncated(st.norm(m, s), a, np.inf), left_normal, (25.0,)),
    Case("RightTruncatedDistribution of Cauchy",
         lambda m, s, b: dist.TruncatedCauchy(m, s, high=b),
         ((0.0, 1.0, 0.5), (0.0, 1.0, -100.0), (2.0, 3.0, 1e5), (0.0, 0.5, -40.0),
          (0.0, 1e3, 2e3), (-5.0, 2.0, -5.0)),
         lambda m, s, b: truncated(st.cauchy(m, s), -np.inf, b),
         right_cauchy, (-1e30,)),
    Case("TwoSidedTruncatedDistribution of Gamma",
         lambda a, r, low, high: dist.TruncatedGamma(a, r, low=low, high=high),
         ((2.0, 3.0, 0.5, 2.0), (0.5, 1.0, 0.125, 4.0), (50.0, 1.0, 80.0, 90.0),
          (50.0, 1.0, 10.0, 15.0), (3.0, 10.0, 1e-3, 50.0), (2.0, 1.0, 1.0, 1.015625)),
         lambda a, r, low, high: truncated(st.gamma(a, scale=1 / r), low, high),
         truncated_gamma, (1.0078125,)),
    Case("TwoSidedTruncatedDistribution of Poisson",
         lambda r, a, b: dist.TruncatedDistribution(dist.Poisson(r), a, b),
         ((3.0, 1, 6), (0.2, 0, 4), (100.0, 130, 180), (100.0, 40, 60), (1e-3, 2, 30),
          (7.0, 5, 5)),
         lambda r, a, b: truncated(st.poisson(r), a, b), truncated_poisson, (2, 5)),
    Case("FoldedDistribution of Normal",
         lambda m, s: dist.FoldedDistribution(dist.Normal(m, s)),
         ((0.5, 1.0), (-3.0, 2.0), (0.0, 1.0), (8.0, 1.0), (1e-3, 1e3), (0.1, 1e-3)),
         lambda m, s: folded(st.norm(m, s)),
         lambda x, m, s: log(exp(normal((x - m) / s)) + exp(normal((x + m) / s)))
         - log(s), (1e-3, 5.0), lacks=("mode",)),
    Case("MixtureSameFamily", mixture_of_normals,
         ((0.3, 0.0, 1.0, 5.0, 2.0), (0.5, -3.0, 0.5, 3.0, 0.5),
          (0.0, 0.0, 1.0, 2.0, 1.0), (1.0, 0.0, 1.0, 2.0, 3.0),
          (1e-6, 0.0, 1e-3, 1.0, 1e3), (0.7, 0.0, 1e-3, 100.0, 1e-3)),
         lambda w, m, s, n, t: mixed((w, 1 - w), (st.norm(m, s), st.norm(n, t))),
         mixed_normals, (2.0, 40.0), lacks=NEEDS_SUM),
    Case("MixtureGeneral of counts", mixture_of_counts,
         ((0.5, 3.0, 10), (-2.0, 0.1, 40), (4.0, 200.0, 100), (-50.0, 30.0, 20),
          (60.0, 30.0, 20), (0.0, 1e-6, 7)),
         lambda t, r, n: mixed(
             (expit(t), expit(-t)), (st.poisson(r), st.binom(n, 0.25))),
         mixed_counts, (0, 1, 30), lacks=NEEDS_SUM),
    Case("ZeroInflatedPoisson", dist.ZeroInflatedPoisson,
         ((0.2, 3.0), (0.9, 0.5), (0.0, 2.0), (1e-9, 200.0), (0.5, 1000.0),
          (1 - 2.0**-20, 5.0)),
         lambda g, r: inflated(g, st.poisson(r)), inflated_poisson, (0, 1, 900)),
    Case("ZeroInflatedLogits",
         lambda t, r: dist.ZeroInflatedDistribution(dist.Poisson(r), gate_logits=t),
         ((-1.0, 3.0), (2.0, 0.5), (-60.0, 2.0), (-30.0, 200.0), (0.0, 1000.0),
          (14.0, 5.0)),
         lambda t, r: inflated(expit(t), st.poisson(r)),
         lambda x, t, r: inflated_poisson(x, logistic(t), r), (0, 1, 900)),
    Case("HurdlePoisson", dist.HurdlePoisson,
         ((0.2, 3.0), (0.9, 0.5), (1e-12, 2.0), (0.3, 1e-5), (0.5, 1000.0),
          (1 - 2.0**-20, 5.0)),
         lambda g, r: hurdle(g, st.poisson(r)), hurdle_poisson, (0, 1, 900)),
    Case("HurdleLogits",
         lambda t, r: dist.HurdleDistribution(dist.Poisson(r), gate_logits=t),
         ((-1.0, 3.0), (2.0, 0.5), (-30.0, 2.0), (1.0, 1e-5), (0.0, 1000.0),
          (14.0, 5.0)),
         lambda t, r: hurdle(expit(t), st.poisson(r)),
         lambda x, t, r: hurdle_poisson(x, logistic(t), r), (0, 1, 900)),
)  # fmt: skip
