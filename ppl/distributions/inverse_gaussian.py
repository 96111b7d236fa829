"""The inverse Gaussian distribution, also called Wald's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import exp1

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    HALF_LOG_2PI,
    as_floats,
    clip_positive,
    fused,
)
from ppl.distributions._special_normal import log_tail_gap, log_tail_sum
from ppl.distributions.distribution import Distribution, distribution, param


@jax.custom_jvp
def _log_density(mean: Array, shape: Array, x: Array) -> Array:
    # Two ratios in turn, so that no square over- or underflows.
    away = (x - mean) / mean
    square = ((x - mean) / x) * away * (shape / mean)
    return 0.5 * jnp.log(shape) - HALF_LOG_2PI - 1.5 * jnp.log(x) - 0.5 * square


@_log_density.defjvp
def _log_density_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (mean, shape, x), (dmean, dshape, dx) = primals, tangents
    away, ratio = (x - mean) / mean, shape / mean
    dense = 0.5 / shape - 0.5 * away * ((x - mean) / x) / mean
    slope = (-1.5 - 0.5 * ratio * away * (1 + mean / x)) / x
    change = slope * dx + dense * dshape + (ratio * away / mean) * dmean
    return _log_density(mean, shape, x), change


@fused
def _log_prob(mean: ArrayLike, shape: ArrayLike, value: ArrayLike) -> Array:
    mean, shape, x = jnp.broadcast_arrays(*as_floats(mean, shape, value))
    outside = x <= 0
    inside = _log_density(mean, shape, jnp.where(outside, mean, x))
    return jnp.where(outside, -jnp.inf, inside)


def _scaled_exp1(y: Array) -> Array:
    """exp(y) E1(y), by a continued fraction where y is large."""
    far = y > 30
    large = jnp.where(far, y, 30.0)
    tail = large + 31
    for k in range(15, 0, -1):
        tail = large + 2 * k - 1 - k * k / tail
    small = jnp.where(far, 1.0, y)
    return jnp.where(far, 1 / tail, jnp.exp(small) * exp1(small))


@distribution
class InverseGaussian(Distribution):
    """Inverse Gaussian: when a Brownian motion with drift first reaches a level.

    Draws are those of J. Michael, W. Schucany and R. Haas (1976), "Generating random
    variates using transformations with multiple roots".

    Args:
        loc: The mean, of shape `batch_shape`.
        concentration: The shape; the variance is `loc**3 / concentration`.
    """

    loc: ArrayLike = param(constraints.positive)
    concentration: ArrayLike = param(constraints.positive)
    support = constraints.positive

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_normal, key_side = jax.random.split(key)
        shape = self.shape(sample_shape)
        chi = jnp.square(jax.random.normal(key_normal, shape))
        step = 0.5 * chi * (self.loc / self.concentration)
        low = 1 / (1 + step + jnp.sqrt(step * (2 + step)))
        u = jax.random.uniform(key_side, shape)
        ratio = jnp.where(u * (1 + low) <= 1, low, 1 / low)
        return clip_positive(self.loc * ratio)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self.loc, self.concentration, value)

    def _tails(self, value: ArrayLike) -> tuple[Array, Array]:
        """The arguments of the normal functions."""
        mean, shape, x = as_floats(self.loc, self.concentration, value)
        limits = jnp.finfo(x.dtype)
        x = jnp.clip(x, limits.tiny, limits.max)
        root = jnp.sqrt(shape) / jnp.sqrt(x)  # the quotient may overflow
        return root * ((x - mean) / mean), 2 * root

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return jnp.where(value <= 0, -jnp.inf, log_tail_sum(*self._tails(value)))

    def log_sf(self, value: ArrayLike) -> Array:
        return jnp.where(value <= 0, 0.0, log_tail_gap(*self._tails(value)))

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.loc * jnp.exp(u))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc)

    @property
    def variance(self) -> Array:
        loc, shape = as_floats(self.loc, self.concentration)
        return self._over_batch(loc * loc * (loc / shape))

    @property
    def mode(self) -> Array:
        h = jnp.asarray(1.5 * self.loc / self.concentration)
        return self._over_batch(self.loc / (jnp.sqrt(1 + h * h) + h))

    def entropy(self) -> Array:
        loc, shape = as_floats(self.loc, self.concentration)
        log_x = jnp.log(loc) - _scaled_exp1(2 * shape / loc)
        entropy = 0.5 - 0.5 * jnp.log(shape) + HALF_LOG_2PI + 1.5 * log_x
        return self._over_batch(entropy)


Wald = InverseGaussian
