"""Divergences of continuous families that are no exponential families, or of two."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln

from ppl._typing import Array
from ppl.distributions._circular import log_i0e
from ppl.distributions._expectation import over_line
from ppl.distributions._special import LOG_2, as_floats, deviance, log1mexp, log_beta
from ppl.distributions.beta import AbstractBeta
from ppl.distributions.exponential import Exponential
from ppl.distributions.gamma import AbstractGamma
from ppl.distributions.gumbel import Gumbel
from ppl.distributions.inverse_gaussian import InverseGaussian
from ppl.distributions.kl.continuous import GammaLike, as_gamma
from ppl.distributions.kl.dispatch import register_kl
from ppl.distributions.kumaraswamy import Kumaraswamy
from ppl.distributions.normal import HalfNormal, Normal
from ppl.distributions.power_law import Pareto
from ppl.distributions.uniform import Uniform
from ppl.distributions.von_mises import VonMises
from ppl.distributions.weibull import Weibull

_GAMMA = float(np.euler_gamma)

# --- Weibull and Gumbel ---------------------------------------------------------------


def _weibull_divergence(k: Array, other: Array, log_ratio: Array) -> Array:
    """Of shapes `k`, `other` and the log of the first scale over the second."""
    s = other / k
    mean = jnp.exp(other * log_ratio + gammaln(1 + s))  # of the power that q sees
    return deviance(1.0, mean) + gammaln(s) - _GAMMA * (1 - s)


@register_kl(Weibull, Weibull)
def _weibull(p: Weibull, q: Weibull) -> Array:
    k, other = as_floats(p.concentration, q.concentration)
    return _weibull_divergence(k, other, jnp.log(p.scale / q.scale))


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Array:
    """The exponential of minus such a variable is a Weibull variable."""
    scale, other = as_floats(p.scale, q.scale)
    return _weibull_divergence(1 / scale, 1 / other, jnp.asarray(q.loc - p.loc))


@register_kl(Weibull, AbstractGamma)
@register_kl(Weibull, Exponential)
def _weibull_gamma(p: Weibull, q: GammaLike) -> Array:
    """By the mean logarithm of a Weibull variable, log scale - Euler's constant / k."""
    (k, scale), (a, rate) = as_floats(p.concentration, p.scale), as_gamma(q)
    size = jnp.log(rate * scale)
    mean = jnp.exp(size + gammaln(1 + 1 / k))
    return jnp.log(k) + gammaln(a) + a * (_GAMMA / k - size) + mean - (1 + _GAMMA)


@register_kl(AbstractGamma, Weibull)
@register_kl(Exponential, Weibull)
def _gamma_weibull(p: GammaLike, q: Weibull) -> Array:
    (a, rate), (k, scale) = as_gamma(p), as_floats(q.concentration, q.scale)
    size = jnp.log(rate * scale)
    mean = jnp.exp(gammaln(a + k) - gammaln(a) - k * size)
    own = (a - k) * digamma(a) - a - gammaln(a)
    return own - jnp.log(k) + k * size + mean


# --- bounded supports -----------------------------------------------------------------


def _log_rest(a: Array, b: Array) -> Array:
    """The mean of log(1 - x) under a Kumaraswamy distribution.

    There `b * -log(1 - x ** a)` is a standard exponential variable; the trapezoidal
    rule over its logarithm sees both ends, whatever the powers.
    """

    def term(s: Array) -> Array:
        e = jnp.exp(s)
        t = e / b
        log_x = log1mexp(t) / a
        return jnp.exp(s - e) * jnp.where(
            -log_x > jnp.finfo(e.dtype).tiny,
            log1mexp(jnp.maximum(-log_x, jnp.finfo(e.dtype).tiny)),
            -t - jnp.log(a),
        )

    return over_line(term, -38.0, jnp.full_like(a, 4.5), 700)


@register_kl(Kumaraswamy, AbstractBeta)
def _kumaraswamy_beta(p: Kumaraswamy, q: AbstractBeta) -> Array:
    a, b, c, d = jnp.broadcast_arrays(
        *as_floats(p.concentration1, p.concentration0), *q._powers()
    )
    log_x = -(digamma(b + 1) + _GAMMA) / a
    own = jnp.log(a) + jnp.log(b) + (a - c) * log_x - (b - 1) / b
    return own + log_beta(c, d) - (d - 1) * _log_rest(a, b)


def _x_log_x(x: Array) -> Array:
    return jnp.where(x > 0, x * jnp.log(jnp.where(x > 0, x, 1.0)), 0.0)


def _uniform_log(low: Array, high: Array) -> Array:
    """The mean of log(x) on an interval of nonnegative numbers."""
    width = high - low
    near = width < 0.1 * high  # there the two terms of the difference nearly agree
    half = 0.5 * width / jnp.where(near, 0.5 * (low + high), 1.0)
    square = jnp.square(jnp.where(near, half, 0.0))
    series = -square * (1 / 6 + square * (1 / 20 + square * (1 / 42 + square / 72)))
    middle = jnp.log(jnp.where(near, 0.5 * (low + high), 1.0))
    low, high = jnp.where(near, 0.0, low), jnp.where(near, 1.0, high)
    far = (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1
    return jnp.where(near, middle + series, far)


@register_kl(Uniform, AbstractBeta)
def _uniform_beta(p: Uniform, q: AbstractBeta) -> Array:
    low, high, (a, b) = *as_floats(p.low, p.high), q._powers()
    inside = (low >= 0) & (high <= 1)
    low, high = jnp.where(inside, low, 0.0), jnp.where(inside, high, 1.0)
    logs = (a - 1) * _uniform_log(low, high) + (b - 1) * _uniform_log(1 - high, 1 - low)
    result = log_beta(*jnp.broadcast_arrays(a, b)) - logs - jnp.log(high - low)
    return jnp.where(inside, result, jnp.inf)


@register_kl(Uniform, AbstractGamma)
def _uniform_gamma(p: Uniform, q: AbstractGamma) -> Array:
    low, high, (a, rate) = *as_floats(p.low, p.high), q._both()
    inside = low >= 0
    low, high = jnp.where(inside, low, 0.0), jnp.where(inside, high, 1.0)
    mean = 0.5 * (low + high)
    own = gammaln(a) - a * jnp.log(rate) - jnp.log(high - low)
    result = own - (a - 1) * _uniform_log(low, high) + rate * mean
    return jnp.where(inside, result, jnp.inf)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Array:
    (a, b), inside = as_floats(p.alpha, q.alpha), jnp.asarray(p.scale >= q.scale)
    gap = b * jnp.where(inside, jnp.log(p.scale / q.scale), 0.0)
    return jnp.where(inside, deviance(1.0, b / a) + gap, jnp.inf)


# --- others ---------------------------------------------------------------------------


@register_kl(InverseGaussian, InverseGaussian)
def _inverse_gaussian(p: InverseGaussian, q: InverseGaussian) -> Array:
    mean, shape, loc, other = as_floats(p.loc, p.concentration, q.loc, q.concentration)
    gap = other * jnp.square((mean - loc) / loc) / mean
    return 0.5 * (deviance(1.0, other / shape) + gap)


@register_kl(VonMises, VonMises)
def _von_mises(p: VonMises, q: VonMises) -> Array:
    k, other = as_floats(p.concentration, q.concentration)
    spread = p._spread()  # one less the mean of the cosine
    apart = 2 * jnp.square(jnp.sin(0.5 * jnp.asarray(p.loc - q.loc)))
    own = log_i0e(other) - log_i0e(k) + (other - k) * spread
    return own + other * (1 - spread) * apart


@register_kl(HalfNormal, Normal)
def _half_normal_normal(p: HalfNormal, q: Normal) -> Array:
    ratio, place = as_floats(p.scale / q.scale, q.loc / q.scale)
    cross = math.sqrt(2 / math.pi) * ratio * place
    centred = deviance(1.0, ratio) + 0.5 * jnp.square(ratio - 1)
    return LOG_2 + centred + 0.5 * jnp.square(place) - cross
