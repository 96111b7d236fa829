"""The discrete Weibull distribution."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._counts import most_count, with_last_digits
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import as_floats, fused, is_whole, log1mexp
from ppl.distributions._sums import log_sum, peaked_entropy
from ppl.distributions.distribution import Distribution, distribution, param

_NEGLIGIBLE = 60.0  # minus the log of a probability that adds nothing to a mean


def _power(log_x: Array, beta: Array) -> Array:
    """The power of a positive number, bounded so that a float can hold it."""
    most = math.log(float(jnp.finfo(log_x.dtype).max)) - 8
    return jnp.exp(jnp.minimum(beta * log_x, most))


@fused
def _log_sf(q: ArrayLike, beta: ArrayLike, value: ArrayLike) -> Array:
    q, beta, value = as_floats(q, beta, value)
    above = jnp.maximum(jnp.floor(value) + 1, 0.0)
    some = jnp.where(above > 0, above, 1.0)
    return jnp.where(above > 0, jnp.log(q) * _power(jnp.log(some), beta), 0.0)


@fused
def _log_prob(q: ArrayLike, beta: ArrayLike, value: ArrayLike) -> Array:
    outside = (value < 0) | ~jnp.asarray(is_whole(value))
    q, beta, count = as_floats(q, beta, jnp.where(outside, 0, value))
    return jnp.where(outside, -jnp.inf, _log_mass(q, beta, count))


def _log_mass(q: Array, beta: Array, count: Array) -> Array:
    """The log probability of a count, or what is as smooth between counts."""
    rate = -jnp.log(q)
    some = jnp.where(count > 0, count, 1.0)
    size = _power(jnp.log(some), beta)
    step = size * jnp.expm1(beta * jnp.log1p(1 / some))  # (k + 1)^beta - k^beta
    size, step = jnp.where(count > 0, size, 0.0), jnp.where(count > 0, step, 1.0)
    step = jnp.minimum(step, jnp.finfo(step.dtype).max / 2)
    return log1mexp(rate * step) - rate * size


@distribution
class DiscreteWeibull(Distribution):
    """Discrete Weibull: the probability of `k` or more is `q ** (k ** beta)`.

    By T. Nakagawa and S. Osaki (1975, "The discrete Weibull distribution"); with `beta`
    one it is geometric. Draws that fit no integer stop at the largest one.

    Args:
        q: The probability of one or more, between 0 and 1, of shape `batch_shape`.
        beta: The shape; the tail is heavier than exponential below one.
    """

    q: ArrayLike = param(constraints.open_interval(0.0, 1.0))
    beta: ArrayLike = param(constraints.positive)
    support = constraints.nonnegative_integer

    def _rate(self) -> tuple[Array, Array]:
        q, beta = as_floats(self.q, self.beta)
        return -jnp.log(q), beta

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_draw, key_digits = jax.random.split(key)
        shape = self.shape(sample_shape)
        rate, beta = self._rate()
        log_ratio = jnp.log(jax.random.exponential(key_draw, shape)) - jnp.log(rate)
        size = jnp.exp(jnp.minimum(log_ratio / beta, 80.0))
        return with_last_digits(key_digits, jnp.floor(size))

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self.q, self.beta, value)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        log_sf = self.log_sf(value)
        some = jnp.where(log_sf < 0, -log_sf, 1.0)
        return jnp.where(log_sf < 0, log1mexp(some), -jnp.inf)

    def log_sf(self, value: ArrayLike) -> Array:
        return _log_sf(self.q, self.beta, value)

    def icdf(self, q: ArrayLike) -> Array:
        """The quantiles; the largest integer for q = 1."""
        most = most_count()
        return jnp.where(jnp.asarray(q) >= 1, most, count_quantile_of(self, q, most))

    def _end(self) -> Array:
        """A count beyond which no probability is worth the name."""
        rate, beta = jnp.broadcast_arrays(*self._rate())
        return jnp.exp(jnp.minimum(jnp.log(_NEGLIGIBLE / rate) / beta, 80.0))

    def _moment(self, order: int) -> Array:
        """The mean of `k ** order`, 1 or 2, as a sum over the tail probabilities."""
        rate, beta = jnp.broadcast_arrays(*self._rate())
        end = self._end()

        def term(k: Array) -> Array:
            tail = -rate * _power(jnp.log1p(k), beta)
            return tail + (jnp.log(2 * k + 1) if order == 2 else 0.0)

        return jnp.exp(log_sum(term, jnp.zeros_like(end), jnp.ceil(end) + 1))

    @property
    def mean(self) -> Array:
        """The mean, by an accurate sum."""
        return self._moment(1)

    @property
    def variance(self) -> Array:
        """The variance, by an accurate sum."""
        return self._moment(2) - jnp.square(self._moment(1))

    @property
    def mode(self) -> Array:
        rate, beta = jnp.broadcast_arrays(*self._rate())
        # Of the Weibull variable of which this is the integer part.
        part = jnp.maximum(1 - 1 / beta, 0.0) / rate
        log_top = jnp.log(jnp.maximum(part, jnp.finfo(part.dtype).tiny)) / beta
        top = jnp.floor(jnp.exp(jnp.clip(log_top, -80.0, 20.0)))
        around = jnp.arange(-2.0, 3.0).reshape((5,) + (1,) * top.ndim)
        near = jnp.maximum(top + around, 0.0)
        best = jnp.argmax(self.log_prob(near), 0)
        mode = jnp.take_along_axis(near, best[None], 0)[0]
        return mode.astype(jnp.result_type(int))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        q, beta = as_floats(self.q, self.beta)
        (top,) = as_floats(self.mode)
        last = jnp.maximum(jnp.ceil(self._end()) + 1, top)
        return peaked_entropy(lambda count: _log_mass(q, beta, count), top, last)
