"""The exponentially modified normal distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._expectation import over_line
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._roots import falling_zero
from ppl.distributions._special import HALF_LOG_2PI, as_floats, fused
from ppl.distributions._special_normal import (
    hazard,
    log_mills,
    log_normal_tail,
    log_tail_gap,
    log_tail_sum,
)
from ppl.distributions.distribution import Distribution, distribution, param

_SLOW = 2.0  # a rate, in units of the normal part, for which its tail is a long one


@fused
def _log_density(rate: ArrayLike, scale: ArrayLike, away: ArrayLike) -> Array:
    """The log density at `away` from the mean of the normal part, less log(rate)."""
    rate, scale, away = jnp.broadcast_arrays(*as_floats(rate, scale, away))
    k, z = rate * scale, away / scale
    low = z <= k  # where the normal part rules
    here = jnp.where(low, z, 0.0)
    rest = log_mills(jnp.where(low, k - z, 0.0))
    normal = rest - 0.5 * here * here - HALF_LOG_2PI
    # Elsewhere the scale hardly matters, and must not enter by way of a quotient.
    there = jnp.where(low, scale * (k + 1), away)
    exponential = rate * (0.5 * k * scale - there)
    exponential += log_normal_tail(jnp.where(low, -1.0, k - z))
    return jnp.where(low, normal, exponential)


def _entropy(k: Array) -> Array:
    """The entropy for a normal part of scale one and a rate of `k`."""
    slow = k < _SLOW
    low = jnp.where(slow, k, 1.0)

    # All but the mean of log P(N < z - k) has a closed form, and it only matters where
    # the normal part ends, however long the exponential tail is.
    def share(t: Array) -> Array:
        log_share = log_normal_tail(-t)
        return log_share * jnp.exp(log_share - low * (t + 0.5 * low))

    mean = low * over_line(share, -13.0, jnp.full_like(k, 11.0), 120)
    by_parts = 1 - jnp.log(low) - 0.5 * low * low - mean

    high = jnp.where(slow, _SLOW, k)

    def surprise(z: Array) -> Array:
        log_p = _log_density(high, 1.0, z) + jnp.log(high)
        return -log_p * jnp.exp(log_p)

    whole = over_line(surprise, -10.0, jnp.full_like(k, 26.0), 180)
    return jnp.where(slow, by_parts, whole)


@distribution
class ExGaussian(Distribution):
    """The sum of a normal and an exponential variable, as of reaction times.

    Args:
        loc: The mean of the normal part, of shape `batch_shape`.
        scale: The standard deviation of the normal part.
        rate: The rate of the exponential part, whose mean is `1 / rate`.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    rate: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_normal, key_wait = jax.random.split(key)
        shape = self.shape(sample_shape)
        eps = jax.random.normal(key_normal, shape)
        wait = jax.random.exponential(key_wait, shape)
        return self.loc + (self.scale * eps + wait / self.rate)

    def _standard(self, value: ArrayLike) -> tuple[Array, Array]:
        """The rate in units of the normal part, and the place."""
        k, z = as_floats(self.rate * self.scale, (value - self.loc) / self.scale)
        return k, z

    def log_prob(self, value: ArrayLike) -> Array:
        inside = _log_density(self.rate, self.scale, value - self.loc)
        return inside + jnp.log(self.rate)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        k, z = self._standard(value)
        return log_tail_gap(-z, k)

    def log_sf(self, value: ArrayLike) -> Array:
        k, z = self._standard(value)
        return log_tail_sum(-z, k)

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.loc + self.scale * jnp.sinh(u))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc + 1 / self.rate)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(self.scale) + 1 / jnp.square(self.rate))

    @property
    def mode(self) -> Array:
        """The mode, found by bisection."""

        def slope(z: Array, k: Array) -> Array:
            return hazard(k - z) - k

        (k,) = as_floats(self.scale * self.rate)
        z = falling_zero(slope, 0.0, jnp.minimum(1 / k, 40.0), k)
        return self._over_batch(self.loc + self.scale * z)

    def entropy(self) -> Array:
        """The entropy, by a quadrature to all digits."""
        (k,) = as_floats(self.scale * self.rate)
        return self._over_batch(_entropy(k) + jnp.log(self.scale))
