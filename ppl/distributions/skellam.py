"""The Skellam distribution."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._counts import most_count, poisson, refuse_large
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    HALF_LOG_2PI,
    as_floats,
    deviance,
    fused,
    is_whole,
    log1mexp,
    polynomial,
    stirling_rest,
)
from ppl.distributions._sums import bell_entropy, log_sum
from ppl.distributions.distribution import Distribution, distribution, param

_SERIES_BELOW = 30.0
_TERMS = 50


@cache
def _debye(count: int) -> list[tuple[float, ...]]:
    """Debye's polynomials u_m(t) over t^m, in powers of t^2 (DLMF 10.41.9)."""
    u = [Fraction(1)]  # coefficients of the powers of t
    found = []
    for m in range(1, count + 1):
        new = [Fraction(0)] * (len(u) + 3)
        for power, c in enumerate(u):
            half = Fraction(power, 2) * c
            new[power + 1] += half + Fraction(1, 8) * c / (power + 1)
            new[power + 3] -= half + Fraction(5, 8) * c / (power + 3)
        u = new
        found.append(tuple(float(c) for c in u[m::2]))
    return found


@fused
def _log_term(first: Array, second: Array, k: Array) -> Array:
    """The log probability, smooth between whole numbers."""
    first, second, k = jnp.broadcast_arrays(first, second, k)
    up = k >= 0
    v = jnp.abs(k)
    a, b = jnp.where(up, first, second), jnp.where(up, second, first)
    w = jnp.sqrt(v * v + 4 * a * b)
    far = w > _SERIES_BELOW
    # Far: both counts are about where their product of probabilities is largest.
    t, size = jnp.where(far, v / jnp.where(far, w, 1.0), 0.0), jnp.where(far, w, 1e3)
    i = 0.5 * (size + jnp.where(far, v, 0.0))
    ia, ib = jnp.where(far, a, i), jnp.where(far, b, 1.0)
    fit = deviance(i, ia) + deviance(ia * ib / i, ib)
    total = jnp.ones_like(w)
    for m, coefficients in enumerate(_debye(10), 1):
        total += polynomial(t * t, coefficients) / size**m
    saddle = jnp.log(total) - fit - 0.5 * jnp.log(size) - HALF_LOG_2PI
    # Near: the power series of the Bessel function.
    z, v = jnp.where(far, 1.0, a * b), jnp.where(far, 1.0, v)
    series = jnp.ones_like(z)
    for j in range(_TERMS, 0, -1):
        series = 1 + series * z / (j * (v + j))
    direct = jnp.log(series) - deviance(v, a) - stirling_rest(v) - b
    return jnp.where(far, saddle, direct)


@distribution
class Skellam(Distribution):
    """Skellam: the difference of two independent Poisson counts.

    Args:
        rate1: The mean of the count that is added, of shape `batch_shape`.
        rate2: The mean of the count that is taken away.
    """

    rate1: ArrayLike = param(constraints.positive)
    rate2: ArrayLike = param(constraints.positive)
    support = constraints.integer

    def _rates(self) -> tuple[Array, Array]:
        first, second = jnp.broadcast_arrays(*as_floats(self.rate1, self.rate2))
        return first, second

    def _largest(self) -> Array:
        most = jnp.maximum(*self._rates())
        return most + 10 * jnp.sqrt(most)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        refuse_large(self, self._largest)
        first, second = jax.random.split(key)
        shape = self.shape(sample_shape)
        return poisson(first, self.rate1, shape) - poisson(second, self.rate2, shape)

    def log_prob(self, value: ArrayLike) -> Array:
        outside = ~jnp.asarray(is_whole(value))
        (k,) = as_floats(jnp.where(outside, 0, value))
        return jnp.where(outside, -jnp.inf, self._term(k))

    def _reach(self) -> Array:
        """How far from a value beyond the mean the tail is not negligible."""
        return jnp.ceil(12 * jnp.sqrt(self.variance)) + 60

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        (value,) = as_floats(value)
        k, mean, reach = jnp.broadcast_arrays(
            jnp.floor(value), self.mean, self._reach()
        )
        low = k < mean
        first = jnp.where(low, k - reach, k + 1)
        last = jnp.where(low, k, k + 1 + reach)
        near = jnp.minimum(log_sum(self._term, first, last), 0.0)
        far = log1mexp(-near)
        return jnp.where(low, near, far), jnp.where(low, far, near)

    def _term(self, k: Array) -> Array:
        return _log_term(*self._rates(), k)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        """The quantiles; the largest integer for q = 1."""
        ends = (self.mean - self._reach(), self.mean + self._reach())
        whole = (jnp.floor(v).astype(jnp.result_type(int)) for v in ends)
        low, high = whole
        found = count_quantile_of(self, q, high, low)
        return jnp.where(jnp.asarray(q) >= 1, most_count(), found)

    @property
    def mean(self) -> Array:
        first, second = self._rates()
        return first - second

    @property
    def variance(self) -> Array:
        first, second = self._rates()
        return first + second

    @property
    def mode(self) -> Array:
        around = jnp.arange(-1.0, 3.0).reshape((-1,) + (1,) * len(self.batch_shape))
        near = jnp.floor(self.mean) + around
        best = jnp.argmax(self.log_prob(near), 0)
        mode = jnp.take_along_axis(near, best[None], 0)[0]
        return mode.astype(jnp.result_type(int))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        return bell_entropy(self.log_prob, self.mean, self.variance)
