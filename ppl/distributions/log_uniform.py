"""The log-uniform distribution, also called reciprocal."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import log_quotient
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._special import as_floats, polynomial
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param

# v cosh(v) - sinh(v) = sum of _BEND[k] v^(2k + 3)
_BEND = tuple(2 * k / math.factorial(2 * k + 1) for k in range(1, 8))


@distribution
class LogUniform(Distribution):
    """Log-uniform: its logarithm is uniform. Both ends are included.

    Args:
        low: The lower end, positive, of shape `batch_shape`.
        high: The upper end, above `low`.
    """

    low: ArrayLike = param(constraints.positive)
    high: ArrayLike = param(constraints.positive)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return constraints.interval(self.low, self.high)

    def parameter_checks(self) -> list[ParameterCheck]:
        low, high = known(self.low), known(self.high)
        low, high = constraints.namespace(low, high).broadcast_arrays(low, high)
        order = ParameterCheck("low", low, low < high, "low must be < high")
        return [*super().parameter_checks(), order]

    def _width(self) -> Array:
        return log_quotient(self.high, self.low)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.icdf(jax.random.uniform(key, self.shape(sample_shape)))

    def log_prob(self, value: ArrayLike) -> Array:
        outside = (value < self.low) | (value > self.high)
        inside = -jnp.log(jnp.where(outside, 1.0, value)) - jnp.log(self._width())
        return jnp.where(outside, -jnp.inf, inside)

    def _inside(self, value: ArrayLike) -> Array:
        return jnp.clip(as_floats(value)[0], self.low, self.high)

    def cdf(self, value: ArrayLike) -> Array:
        return log_quotient(self._inside(value), self.low) / self._width()

    def log_sf(self, value: ArrayLike) -> Array:
        above = log_quotient(self.high, self._inside(value))
        return jnp.log(above) - jnp.log(self._width())

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        width = self._width()
        up, down = self.low * jnp.exp(q * width), self.high * jnp.exp((q - 1) * width)
        return jnp.clip(jnp.where(q < 0.5, up, down), self.low, self.high)

    @property
    def mean(self) -> Array:
        return self._over_batch((self.high - self.low) / self._width())

    @property
    def variance(self) -> Array:
        low, high = as_floats(self.low, self.high)
        width = self._width()
        # The difference of two moments cancels where the ends are close.
        half = jnp.minimum(0.5 * width, 0.5)
        bend = half * half * half * polynomial(half * half, _BEND)
        close = 2 * jnp.sqrt(low) * jnp.sqrt(high) * bend
        apart = 0.5 * width * (low + high) - (high - low)
        spread = jnp.where(width < 1.0, close, apart)
        return self._over_batch((high - low) / width * (spread / width))

    @property
    def mode(self) -> Array:
        return self._over_batch(self.low)

    def entropy(self) -> Array:
        middle = 0.5 * (jnp.log(self.low) + jnp.log(self.high))
        return self._over_batch(middle + jnp.log(self._width()))
