"""The exponential distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import as_floats, clip_positive, log1mexp
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Exponential(Distribution):
    """Exponential waiting time.

    Args:
        rate: Events per unit of time, of shape `batch_shape`; the mean is `1 / rate`.
    """

    rate: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.exponential(key, self.shape(sample_shape))
        return clip_positive(eps / self.rate)

    def log_prob(self, value: ArrayLike) -> Array:
        inside = jnp.log(self.rate) - self.rate * value
        return jnp.where(value < 0, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(-self.rate * jnp.maximum(value, 0.0))

    def log_cdf(self, value: ArrayLike) -> Array:
        (time,) = as_floats(self.rate * jnp.maximum(value, 0.0))
        return log1mexp(time)

    def log_sf(self, value: ArrayLike) -> Array:
        return -self.rate * jnp.maximum(value, 0.0)

    def icdf(self, q: ArrayLike) -> Array:
        return -jnp.log1p(-jnp.asarray(q)) / self.rate

    @property
    def mean(self) -> Array:
        return self._over_batch(1 / self.rate)

    @property
    def variance(self) -> Array:
        return self._over_batch(1 / jnp.square(self.rate))

    @property
    def mode(self) -> Array:
        return self._over_batch(0.0)

    def entropy(self) -> Array:
        return self._over_batch(1 - jnp.log(self.rate))
