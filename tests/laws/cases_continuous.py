"""Continuous distributions that NumPyro has too, one entry each."""

from functools import cache

import mpmath as mp
import numpy as np
import scipy.stats as st
from mpmath import exp, log, log1p, pi
from scipy import special as sc

import ppl.distributions as dist
from tests.laws.case import Case, beta, gamma, xlogy
from tests.laws.truth import Silent, Truth, bisected, in_doubles, integrated


def log1mexp(x):
    """log(1 - exp(-x)) in NumPy."""
    with np.errstate(all="ignore"):
        return np.where(x < 0.7, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))


def asymmetric(x, left, right):
    return -(x / right if x > 0 else -x / left) - log(left + right)


# --- closed distribution functions ----------------------------------------------------


@in_doubles
def log_uniform(a, b):
    width = np.log(b / a)
    return Truth(
        (a, b), (a, b),
        lambda x: np.log(np.log1p((x - a) / a) / width),
        lambda x: np.log(np.log1p((b - x) / x) / width),
        lambda log_q, log_p: np.where(
            log_q < log_p, a * np.exp(np.exp(log_q) * width),
            b * np.exp(-np.exp(log_p) * width)),
        lambda x, *_: -np.log(x) - np.log(width),
    )  # fmt: skip


@in_doubles
def kumaraswamy(a, b):
    return Truth(
        (a, b), (0.0, 1.0),
        lambda x: log1mexp(-b * log1mexp(-a * np.log(x))),
        lambda x: b * log1mexp(-a * np.log(x)),
        lambda log_q, log_p: np.exp(log1mexp(-log_p / b) / a),
        lambda x, _, log_p: np.log(a * b) + (1 - 1 / a) * log1mexp(-log_p / b)
        + (1 - 1 / b) * log_p,
    )  # fmt: skip


def kumaraswamy_density(x, a, b):
    return log(a) + log(b) + xlogy(a - 1, x) + xlogy(b - 1, 1 - x**a)


@in_doubles
def gompertz(a, b):
    return Truth(
        (a, b), (0.0, np.inf),
        lambda x: log1mexp(a * np.expm1(b * x)),
        lambda x: -a * np.expm1(b * x),
        lambda log_q, log_p: np.log1p(-log_p / a) / b,
        lambda x, _, log_p: np.log(a * b) + b * x + log_p,
    )  # fmt: skip


@in_doubles
def dagum(p, a, b):
    def place(x):
        return a * np.log(x / b)

    def quantile(log_q, log_p):
        rest = np.where(log_q < -1e-9, -log_q, np.exp(log_p)) / p
        return b * np.exp((-rest - log1mexp(rest)) / a)

    return Truth(
        (p, a, b), (0.0, np.inf),
        lambda x: p * sc.log_expit(place(x)),
        lambda x: log1mexp(-p * sc.log_expit(place(x))),
        quantile,
        lambda x, *_: np.log(a * p / x) + p * sc.log_expit(place(x))
        + sc.log_expit(-place(x)),
        (None if a > 1 else np.inf, None if a > 2 else np.inf, None),
    )  # fmt: skip


def dagum_density(x, p, a, b):
    t = a * log(x / b)
    return log(a * p / x) - p * log1p(exp(-t)) - log1p(exp(t))


@in_doubles
def pareto(low, power):
    return Truth(
        (low, power), (low, np.inf),
        lambda x: log1mexp(power * np.log1p((x - low) / low)),
        lambda x: -power * np.log1p((x - low) / low),
        lambda log_q, log_p: low * np.exp(-log_p / power),
        lambda x, *_: np.log(power / low) - (power + 1) * np.log(x / low),
        (None if power > 1 else np.inf, None if power > 2 else np.inf, None),
    )  # fmt: skip


def pareto_density(x, low, power):
    return log(power / low) - (power + 1) * log(x / low)


@in_doubles
def power_law(alpha, low, high):
    s = alpha + 1

    def size(a, b):
        """The integral of x^alpha from a to b."""
        a = np.float64(a)
        with np.errstate(all="ignore"):
            near = np.where(b < 2 * a, np.log1p((b - a) / a), np.log(b) - np.log(a))
            if s == 0:
                return near
            close = a**s * np.expm1(s * near) / s
            return np.where(abs(s) * near < 1, close, (b**s - a**s) / s)

    total = size(low, high)

    def quantile(log_q, log_p):
        q, p = np.exp(log_q), np.exp(log_p)
        if s == 0:
            return low * np.exp(q * total)
        return (q * high**s + p * low**s) ** (1 / s)

    return Truth(
        (alpha, low, high), (low, high),
        lambda x: np.log(size(low, x) / total),
        lambda x: np.log(size(x, high) / total),
        quantile,
        lambda x, *_: alpha * np.log(x) - np.log(total),
    )  # fmt: skip


def power_law_density(x, alpha, low, high):
    s = alpha + 1
    total = log(high / low) if s == 0 else (high**s - low**s) / s
    return xlogy(alpha, x) - log(total)


@in_doubles
def relaxed(temperature, logits):
    def place(x):
        return temperature * sc.logit(x) - logits

    return Truth(
        (temperature, logits), (0.0, 1.0),
        lambda x: sc.log_expit(place(x)),
        lambda x: sc.log_expit(-place(x)),
        lambda log_q, log_p: sc.expit((log_q - log_p + logits) / temperature),
        lambda x, log_q, log_p: np.log(temperature) + log_q + log_p
        - sc.log_expit((log_q - log_p + logits) / temperature)
        - sc.log_expit(-(log_q - log_p + logits) / temperature),
    )  # fmt: skip


def relaxed_density(x, temperature, logits):
    top = log(temperature) + logits + xlogy(temperature - 1, x)
    top += xlogy(temperature - 1, 1 - x)
    return top - 2 * log(exp(logits) * (1 - x) ** temperature + x**temperature)


# --- series and integrals -------------------------------------------------------------

ODD = tuple((2 * n + 1, (-1) ** n) for n in range(24))
PG_MASS = 1 - 4 / np.pi * sum(s / n * np.exp(-1.25 * (np.pi * n) ** 2) for n, s in ODD)


@in_doubles
def polya_gamma(_):
    def logcdf(x):
        y = 0.5 / np.sqrt(2 * x)
        return np.log(2 * sum(s * sc.erfc(n * y) for n, s in ODD) / PG_MASS)

    def logsf(x):
        rates = [(0.5 * (np.pi * n) ** 2, s / n) for n, s in ODD]
        terms = (w * np.exp(-k * x) * -np.expm1(-k * (2.5 - x)) for k, w in rates)
        above = 4 / np.pi * sum(terms) / PG_MASS
        return np.where(x < 0.2, log1mexp(-logcdf(x)), np.log(above))

    def logpdf(x, *_):
        terms = (s * n * np.exp(-n * n / (8 * x)) for n, s in ODD)
        return np.log(sum(terms) / np.sqrt(2 * np.pi * x**3) / PG_MASS)

    return Truth(
        (),
        (0.0, 2.5),
        logcdf,
        logsf,
        bisected(logcdf, 1e-4, 2.5, logsf),
        logpdf,
        integrated(logpdf, 2e-3, 2.5),
    )


def polya_gamma_density(x, _):
    if x == 0:
        return -mp.inf
    beyond = 4 / pi * sum(s * exp(-1.25 * (pi * n) ** 2) / n for n, s in ODD)
    terms = (s * n * exp(-mp.mpf(n * n - 1) / (8 * x)) for n, s in ODD)
    return log(sum(terms)) - 1 / (8 * x) - log(2 * pi * x**3) / 2 - log(1 - beyond)


@in_doubles
def von_mises(loc, k):
    norm = np.log(2 * np.pi * sc.i0e(k))
    loc = loc - 2 * np.pi * np.round(loc / (2 * np.pi))

    def logpdf(x, *_):
        return -2 * k * np.sin(0.5 * (x - loc)) ** 2 - norm

    width = np.minimum(np.geomspace(1e-3, 1, 24) * 60, 60) / np.sqrt(k)
    cuts = np.concatenate([loc - width, [loc], loc + width, [-np.pi, np.pi]])
    cuts = np.unique(np.concatenate([c + cuts for c in (-2 * np.pi, 0, 2 * np.pi)]))
    node, weight = np.polynomial.legendre.leggauss(20)

    def integral(a, b):
        a, b = np.broadcast_arrays(
            np.asarray(a, float)[..., None], np.asarray(b)[..., None]
        )
        ends = np.clip(cuts, a, b)
        half = 0.5 * np.diff(np.concatenate([a, ends, b], -1), axis=-1)[..., None]
        start = np.concatenate([a, ends], -1)[..., None]
        x = start + half * (1 + node)
        return np.log((half * weight * np.exp(logpdf(x))).sum((-1, -2)))

    def logcdf(x):
        return integral(-np.pi, x)

    def logsf(x):
        return integral(x, np.pi)

    spread = 1 - sc.i1e(k) / sc.i0e(k)
    return Truth(
        (loc, k), (-np.pi, np.pi), logcdf, logsf,
        bisected(logcdf, -np.pi, np.pi, logsf), logpdf,
        (loc, spread, integrated(logpdf, -np.pi, np.pi)[2]), circular=True,
    )  # fmt: skip


@cache
def log_i0(k):
    return log(mp.besseli(0, k))


CASES = (
    Case("SoftLaplace", dist.SoftLaplace,
         ((0.0, 1.0), (3.0, 0.5), (-2.0, 7.0), (1e3, 0.01), (0.0, 1e-8), (-1.0, 1e12)),
         st.hypsecant,
         lambda x, m, s: -log(pi * s) - abs((x - m) / s)
         - log1p(exp(-2 * abs((x - m) / s))) + log(2), (1e15, -1e15)),
    Case("AsymmetricLaplace", dist.AsymmetricLaplace,
         ((0.0, 1.0, 1.0), (1.0, 2.0, np.exp(-0.5)), (-3.0, 0.1, 3.0), (1e3, 0.1, 1.5),
          (0.0, 1e-8, 30.0), (-1.0, 1e12, 1e-3)),
         lambda m, s, k: Silent(st.laplace_asymmetric(k, m, s)),
         lambda x, m, s, k: asymmetric(x - m, s * k, s / k), (1e15, -1e15)),
    Case("AsymmetricLaplaceQuantile", dist.AsymmetricLaplaceQuantile,
         ((0.0, 1.0, 0.5), (1.0, 2.0, sc.expit(-2)), (-3.0, 0.1, 0.75), (1e3, 0.1, 0.3),
          (0.0, 1e-8, 1e-4), (-1.0, 1e12, 1 - 2.0**-13)),
         lambda m, s, q: Silent(st.laplace_asymmetric(
             np.sqrt(q / (1 - q)), m, s / np.sqrt(q * (1 - q)))),
         lambda x, m, s, q: asymmetric(x - m, s / (1 - q), s / q), (1e15, -1e15)),
    Case("Logistic", dist.Logistic,
         ((0.0, 1.0), (3.0, 0.5), (-2.0, 7.0), (1e3, 0.01), (0.0, 1e-8), (-1.0, 1e12)),
         st.logistic,
         lambda x, m, s: -abs((x - m) / s) - 2 * log1p(exp(-abs((x - m) / s))) - log(s),
         (1e15, -1e15)),
    Case("Gumbel", dist.Gumbel,
         ((0.0, 1.0), (3.0, 0.5), (-2.0, 7.0), (1e3, 0.1), (0.0, 1e-8), (-1.0, 1e12)),
         st.gumbel_r,
         lambda x, m, s: -(x - m) / s - exp(-(x - m) / s) - log(s), (1e12, -30.0)),
    Case("Levy", dist.Levy,
         ((0.0, 1.0), (3.0, 0.5), (-2.0, 7.0), (0.0, 20.0), (0.0, 1e-8), (-1.0, 1e8)),
         st.levy,
         lambda x, m, c: log(c / (2 * pi)) / 2 - log(x - m) * 3 / 2 - c / (2 * (x - m)),
         (1e-30, 1e30)),
    Case("LogUniform", dist.LogUniform,
         ((1.0, 3.0), (0.1, 10.0), (2.0, 2.5), (1e-3, 1e3), (1.0, 1.001),
          (1e-20, 1e20)),
         log_uniform, lambda x, a, b: -log(x) - log(log(b / a)), (0.5, 2.2)),
    Case("BetaProportion", dist.BetaProportion,
         ((0.4, 5.0), (0.5, 2.0), (0.9, 30.0), (0.2, 1.0), (0.5, 2e4), (0.01, 30.0)),
         lambda m, k: st.beta(m * k, (1 - m) * k),
         lambda x, m, k: beta(x, m * k, (1 - m) * k), (0.5, 0.0, 1.0, 1e-30)),
    Case("Kumaraswamy", dist.Kumaraswamy,
         ((2.0, 3.0), (1.5, 1.0), (1.0, 4.0), (5.0, 0.5), (0.5, 0.5), (50.0, 1e3),
          (0.05, 30.0), (1e4, 2.0)),
         kumaraswamy, kumaraswamy_density, (0.5, 0.0, 1.0, 1e-30)),
    Case("Chi2", dist.Chi2,
         ((3.0,), (1.0,), (2.0,), (7.5,), (0.05,), (1e5,), (1e6,)),
         st.chi2, lambda x, d: gamma(x, d / 2, mp.mpf(0.5)), (1e-30, 1e20, 1e5)),
    Case("Weibull", dist.Weibull,
         ((1.0, 2.0), (3.0, 1.0), (0.5, 0.7), (10.0, 5.0), (1e-8, 0.2), (1e6, 1e3)),
         lambda s, k: st.weibull_min(k, scale=s),
         lambda x, s, k: log(k / x) + k * log(x / s) - (x / s) ** k, (1e-30, 7.0)),
    Case("Gompertz", dist.Gompertz,
         ((1.0, 1.0), (0.1, 2.0), (3.0, 0.5), (1e-6, 1.0), (1e6, 1e-3), (1e-12, 1e6)),
         gompertz,
         lambda x, a, b: log(a * b) + b * x - a * mp.expm1(b * x), (1e-30, 3.0)),
    Case("Dagum", dist.Dagum,
         ((1.0, 3.0, 1.0), (2.0, 5.0, 3.0), (0.3, 2.5, 0.5), (4.0, 0.8, 1.0),
          (1e4, 3.0, 1e-8), (0.5, 60.0, 1e6)),
         dagum, dagum_density, (1e-30, 1e30)),
    Case("Pareto", dist.Pareto,
         ((1.0, 3.0), (2.0, 5.0), (0.5, 1.5), (10.0, 0.7), (1e-12, 0.2), (1e6, 1e3)),
         pareto, pareto_density, (1e30, 3.0)),
    Case("LowerTruncatedPowerLaw", dist.LowerTruncatedPowerLaw,
         ((-4.0, 1.0), (-6.0, 2.0), (-2.5, 0.5), (-1.7, 10.0), (-1.2, 1e-12),
          (-1001.0, 1e6)),
         lambda alpha, low: pareto(low, -(1 + alpha)),
         lambda x, alpha, low: pareto_density(x, low, -(1 + alpha)), (1e30, 3.0)),
    Case("DoublyTruncatedPowerLaw", dist.DoublyTruncatedPowerLaw,
         ((-2.0, 1.0, 3.0), (1.5, 0.5, 2.0), (-1.0, 1.0, 10.0), (2.0, 0.0, 3.0),
          (-1.0001, 0.1, 10.0), (0.0, 1.0, 2.0), (-20.0, 1e-3, 1e3), (40.0, 0.5, 8.0)),
         power_law, power_law_density, (1.2, 1.9)),
    Case("RelaxedBernoulliLogits", dist.RelaxedBernoulliLogits,
         ((2.0, 0.0), (1.5, 1.0), (0.6, -1.0), (5.0, -2.0), (0.1, 0.5), (30.0, 40.0),
          (0.05, 0.3), (1e2, -3.0)),
         relaxed, relaxed_density, (0.5, 0.0, 1.0, 1e-30)),
    Case("TruncatedPolyaGamma", lambda s: dist.TruncatedPolyaGamma(np.shape(s)),
         ((0.0,),) * 2,  # it has no parameters
         polya_gamma, polya_gamma_density, (1e-3, 0.1599, 0.1601, 2.49)),
    Case("VonMises", dist.VonMises,
         ((0.0, 1.0), (0.0, 8.0), (3.0, 3.0), (-2.0, 0.3), (1e-3, 1e5), (7.0, 1e-3)),
         von_mises,
         lambda x, m, k: k * mp.cos(x - m) - log(2 * pi) - log_i0(k), (1.0, -3.0)),
)  # fmt: skip
