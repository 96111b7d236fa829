"""The Moyal distribution."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfinv, ndtri

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import HALF_LOG_2PI, LOG_2, as_floats
from ppl.distributions._special_normal import log_normal_tail
from ppl.distributions.distribution import Distribution, distribution, param

_SQRT_2 = math.sqrt(2.0)
_EULER = 0.57721566490153286


@distribution
class Moyal(Distribution):
    """Moyal: the energy that a fast particle loses in matter, nearly Landau's.

    It is the distribution of `loc - scale log(N^2)` for a standard normal N.
    J. Moyal (1955), "Theory of ionization fluctuations".

    Args:
        loc: The mode, of shape `batch_shape`.
        scale: The scale.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        # Half of N^2 is a gamma variable; its logarithm is drawn without underflow.
        log_half = jax.random.loggamma(key, 0.5, self.shape(sample_shape))
        return self.loc - self.scale * (LOG_2 + log_half)

    def _z(self, value: ArrayLike) -> Array:
        return as_floats((value - self.loc) / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        z = self._z(value)
        return -0.5 * (z + jnp.exp(-z)) - jnp.log(self.scale) - HALF_LOG_2PI

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return LOG_2 + log_normal_tail(jnp.exp(-0.5 * self._z(value)))

    def log_sf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        far = z > 16  # there erf is its series
        near = jnp.log(erf(jnp.exp(-0.5 * jnp.where(far, 0.0, z)) / _SQRT_2))
        tail = jnp.where(far, z, 16.0)
        series = 0.5 * (LOG_2 - math.log(math.pi) - tail) - jnp.exp(-tail) / 6
        return jnp.where(far, series, near)

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        low = q < 0.5
        size = -ndtri(0.5 * jnp.where(low, q, 0.5))
        y = jnp.where(low, size, _SQRT_2 * erfinv(1 - jnp.where(low, 0.5, q)))
        return self.loc - 2 * self.scale * jnp.log(y)

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc + self.scale * (_EULER + LOG_2))

    @property
    def variance(self) -> Array:
        return self._over_batch(0.5 * math.pi**2 * jnp.square(self.scale))

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc)

    def entropy(self) -> Array:
        rest = 0.5 * (_EULER + LOG_2 + 1) + HALF_LOG_2PI
        return self._over_batch(jnp.log(self.scale) + rest)
