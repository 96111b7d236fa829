"""The Cauchy distribution and its absolute value."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import (
    LOG_2,
    LOG_PI,
    as_floats,
    clip_positive,
    log1p_square,
    open_uniform,
)
from ppl.distributions.distribution import Distribution, distribution, param
from ppl.distributions.truncated import TruncatedDistribution


@distribution
class Cauchy(Distribution):
    """Cauchy: Student's t with one degree of freedom; it has no mean.

    Args:
        loc: The median, of shape `batch_shape`.
        scale: Half the interquartile range.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_size, key_sign = jax.random.split(key)
        u = open_uniform(key_size, self.shape(sample_shape))
        sign = jax.random.rademacher(key_sign, u.shape, u.dtype)
        return self.loc + self.scale * sign / jnp.tan(0.5 * math.pi * u)

    def _z(self, value: ArrayLike) -> Array:
        return as_floats((value - self.loc) / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        return -log1p_square(self._z(value)) - jnp.log(self.scale) - LOG_PI

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.arctan2(1.0, -self._z(value)) / math.pi  # no digit lost in the tail

    def log_sf(self, value: ArrayLike) -> Array:
        return jnp.log(jnp.arctan2(1.0, self._z(value)) / math.pi)

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        tail = jnp.sin(math.pi * jnp.minimum(q, 1 - q))
        return self.loc - self.scale * jnp.cos(math.pi * q) / tail

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.nan)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.nan)

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc)

    def entropy(self) -> Array:
        return self._over_batch(2 * LOG_2 + LOG_PI + jnp.log(self.scale))


@distribution
class HalfCauchy(Distribution):
    """Half Cauchy: the absolute value of a Cauchy variable around zero.

    Args:
        scale: The median, of shape `batch_shape`.
    """

    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u = open_uniform(key, self.shape(sample_shape))
        return clip_positive(self.scale / jnp.tan(0.5 * math.pi * u))

    def _z(self, value: ArrayLike) -> Array:
        return as_floats(value / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        inside = (LOG_2 - LOG_PI) - log1p_square(self._z(value)) - jnp.log(self.scale)
        return jnp.where(value < 0, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return (2 / math.pi) * jnp.arctan(jnp.maximum(self._z(value), 0.0))

    def log_sf(self, value: ArrayLike) -> Array:
        z = jnp.maximum(self._z(value), 0.0)
        return jnp.log((2 / math.pi) * jnp.arctan2(1.0, z))

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        half = 0.5 * math.pi
        return self.scale * jnp.sin(half * q) / jnp.sin(half * (1 - q))

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.inf)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.inf)

    @property
    def mode(self) -> Array:
        return self._over_batch(0.0)

    def entropy(self) -> Array:
        return self._over_batch(LOG_2 + LOG_PI + jnp.log(self.scale))


def TruncatedCauchy(
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    validate_args: bool | None = None,
) -> Distribution:
    """Cauchy, given that it lies between two bounds, either of which may be None.

    Args:
        loc: The median before truncation, of shape `batch_shape`.
        scale: Half the interquartile range before truncation.
        low: The lower bound.
        high: The upper bound.
        validate_args: Whether to check the parameters now.
    """
    base = Cauchy(loc, scale, validate_args=validate_args)  # type: ignore
    return TruncatedDistribution(base, low, high, validate_args=validate_args)
