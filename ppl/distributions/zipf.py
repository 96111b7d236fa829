"""The zeta distribution, also known as Zipf's."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._counts import most_count, with_last_digits
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    fused,
    is_whole,
    log1mexp,
    open_uniform,
)
from ppl.distributions.distribution import Distribution, distribution, param

_ADDED = 12  # terms that are added before the Euler-Maclaurin formula takes over
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


@fused
def _log_zeta(a: Array, start: Array) -> Array:
    """The log of the sum of k^-a from `start` on."""
    a, start = jnp.broadcast_arrays(a, start)
    log_start = jnp.log(start)
    total = jnp.ones_like(a)
    for j in range(1, _ADDED):
        total += jnp.exp(-a * jnp.log1p(j / start))
    x = start + _ADDED
    rest = x / (a - 1) + 0.5
    factor = a / x
    for m, number in enumerate(_BERNOULLI, 1):
        rest += number / math.factorial(2 * m) * factor
        factor = factor * ((a + 2 * m - 1) / x) * ((a + 2 * m) / x)
    total += jnp.exp(-a * jnp.log1p(_ADDED / start)) * rest
    return jnp.log(total) - a * log_start


@fused
def _log_prob(power: ArrayLike, value: ArrayLike) -> Array:
    outside = (value < 1) | ~jnp.asarray(is_whole(value))
    power, count = as_floats(power, jnp.where(outside, 1, value))
    inside = -power * jnp.log(count) - _log_zeta(power, jnp.ones_like(power))
    return jnp.where(outside, -jnp.inf, inside)


@fused
def _log_sf(power: ArrayLike, value: ArrayLike) -> Array:
    power, count = as_floats(power, value)
    count = jnp.floor(count)
    inside = count >= 1
    above = _log_zeta(power, jnp.where(inside, count, 1.0) + 1)
    log_sf = above - _log_zeta(power, jnp.ones_like(power))
    return jnp.where(inside, jnp.minimum(log_sf, 0.0), 0.0)


@distribution
class Zipf(Distribution):
    """The zeta distribution on 1, 2, ...: probabilities proportional to `k ** -power`.

    Draws that fit no integer stop at the largest one.

    Args:
        power: Above 1, of shape `batch_shape`.
    """

    power: ArrayLike = param(constraints.greater_than(1.0))
    support = constraints.positive_integer

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """By rejection (L. Devroye 1986, section X.6.1)."""
        key_draw, key_digits = jax.random.split(key)
        shape = self.shape(sample_shape)
        (power,) = as_floats(self.power)
        less = jnp.broadcast_to(power - 1, shape)
        log_b = less * math.log(2.0)
        far = math.log(float(jnp.finfo(less.dtype).max)) - 1

        def propose(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            i, count, done = state
            u, v = open_uniform(jax.random.fold_in(key_draw, i), (2, *shape))
            new = jnp.floor(jnp.exp(jnp.minimum(-jnp.log(u) / less, far)))
            log_t = less * jnp.log1p(1 / new)
            left = jnp.log(v * new * jnp.expm1(log_t)) - jnp.log(jnp.expm1(log_b))
            ok = left <= log_t - log_b
            return i + 1, jnp.where(ok & ~done, new, count), done | ok

        start = (jnp.zeros((), jnp.uint32), jnp.ones(shape, less.dtype), ~(less > 0))
        count = jax.lax.while_loop(lambda s: ~jnp.all(s[2]), propose, start)[1]
        return with_last_digits(key_digits, count)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self.power, value)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        log_sf = self.log_sf(value)
        some = jnp.where(log_sf < 0, -log_sf, 1.0)
        return jnp.where(log_sf < 0, log1mexp(some), -jnp.inf)

    def log_sf(self, value: ArrayLike) -> Array:
        return _log_sf(self.power, value)

    def icdf(self, q: ArrayLike) -> Array:
        """The quantiles; the largest integer for q = 1."""
        most = most_count()
        found = jnp.maximum(count_quantile_of(self, q, most), 1)
        return jnp.where(jnp.asarray(q) >= 1, most, found)

    def _log_moment(self, order: int) -> Array:
        """The log of the mean of `k ** order` where there is one."""
        (power,) = as_floats(self.power)
        one = jnp.ones_like(power)
        lower = jnp.where(power > order + 1, power - order, 2.0)
        return _log_zeta(lower, one) - _log_zeta(power, one)

    @property
    def mean(self) -> Array:
        (power,) = as_floats(self.power)
        return jnp.where(power > 2, jnp.exp(self._log_moment(1)), jnp.inf)

    @property
    def variance(self) -> Array:
        (power,) = as_floats(self.power)
        square = jnp.square(jnp.exp(self._log_moment(1)))
        finite = jnp.exp(self._log_moment(2)) - square
        return jnp.where(power > 3, finite, jnp.inf)

    @property
    def mode(self) -> Array:
        return self._over_batch(jnp.ones((), jnp.result_type(int)))

    def entropy(self) -> Array:
        (power,) = as_floats(self.power)
        one = jnp.ones_like(power)
        log_zeta, slope = jax.jvp(lambda a: _log_zeta(a, one), (power,), (one,))
        return log_zeta - power * slope
