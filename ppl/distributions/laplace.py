"""The Laplace distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import LOG_2, as_floats
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Laplace(Distribution):
    """Laplace, the double exponential.

    Args:
        loc: The mean, of shape `batch_shape`.
        scale: The mean distance from it.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.laplace(key, self.shape(sample_shape))
        return self.loc + self.scale * eps

    def log_prob(self, value: ArrayLike) -> Array:
        distance = abs(value - self.loc)  # before the quotient: a shorter gradient
        return -distance / self.scale - jnp.log(self.scale) - LOG_2

    def cdf(self, value: ArrayLike) -> Array:
        z = (value - self.loc) / self.scale
        tail = 0.5 * jnp.exp(-jnp.abs(z))
        return jnp.where(z < 0, tail, 1 - tail)

    def log_cdf(self, value: ArrayLike) -> Array:
        z = (value - self.loc) / self.scale
        above = jnp.log1p(-0.5 * jnp.exp(-jnp.maximum(z, 0.0)))
        return jnp.where(z < 0, z - LOG_2, above)

    def log_sf(self, value: ArrayLike) -> Array:
        z = (self.loc - value) / self.scale
        below = jnp.log1p(-0.5 * jnp.exp(-jnp.maximum(z, 0.0)))
        return jnp.where(z < 0, z - LOG_2, below)

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        low = q < 0.5
        tail = jnp.log(2 * jnp.where(low, q, 1 - q))
        return self.loc + self.scale * jnp.where(low, tail, -tail)

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc)

    @property
    def variance(self) -> Array:
        return self._over_batch(2 * jnp.square(self.scale))

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        return self._over_batch(1 + LOG_2 + jnp.log(self.scale))
