"""The Gumbel distribution, of the largest of many values."""

from __future__ import annotations

import math

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import EULER, log1mexpexp
from ppl.distributions._special import as_floats, open_uniform
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Gumbel(Distribution):
    """Gumbel, the extreme value distribution of type I for maxima.

    Args:
        loc: The mode, of shape `batch_shape`.
        scale: The scale.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.icdf(open_uniform(key, self.shape(sample_shape)))

    def _z(self, value: ArrayLike) -> Array:
        return as_floats((value - self.loc) / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        z = self._z(value)
        return -z - jnp.exp(-z) - jnp.log(self.scale)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return -jnp.exp(-self._z(value))

    def log_sf(self, value: ArrayLike) -> Array:
        return log1mexpexp(-self._z(value))

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        return self.loc - self.scale * jnp.log(-jnp.log(q))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc + EULER * self.scale)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(math.pi * self.scale) / 6)

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc)

    def entropy(self) -> Array:
        return self._over_batch(1 + EULER + jnp.log(self.scale))
