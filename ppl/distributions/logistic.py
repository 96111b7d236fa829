"""The logistic distribution."""

from __future__ import annotations

import math

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import log_cosh
from ppl.distributions._special import (
    LOG_2,
    as_floats,
    open_uniform,
    softplus,
    two_shares,
)
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Logistic(Distribution):
    """Logistic, whose distribution function is the logistic function.

    Args:
        loc: The mean, of shape `batch_shape`.
        scale: The scale; the standard deviation is 1.81 times it.
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
        return -2 * (log_cosh(0.5 * self._z(value)) + LOG_2) - jnp.log(self.scale)

    def cdf(self, value: ArrayLike) -> Array:
        return two_shares(self._z(value))[0]

    def log_cdf(self, value: ArrayLike) -> Array:
        return -softplus(-self._z(value))

    def log_sf(self, value: ArrayLike) -> Array:
        return -softplus(self._z(value))

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        return self.loc + self.scale * (jnp.log(q) - jnp.log1p(-q))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(math.pi * self.scale) / 3)

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        return self._over_batch(2 + jnp.log(self.scale))
