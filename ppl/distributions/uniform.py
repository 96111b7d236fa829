"""The continuous uniform distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._special import as_floats
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Uniform(Distribution):
    """Uniform on the interval from `low` to `high`, both included.

    Args:
        low: The lower end, of shape `batch_shape`.
        high: The upper end, above `low`.
    """

    low: ArrayLike = param(constraints.real, default=0.0)
    high: ArrayLike = param(constraints.real, default=1.0)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return constraints.interval(self.low, self.high)

    def parameter_checks(self) -> list[ParameterCheck]:
        low, high = known(self.low), known(self.high)
        low, high = constraints.namespace(low, high).broadcast_arrays(low, high)
        order = ParameterCheck("low", low, low < high, "low must be < high")
        return [*super().parameter_checks(), order]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u = jax.random.uniform(key, self.shape(sample_shape))
        return jnp.clip(self.low + (self.high - self.low) * u, self.low, self.high)

    def log_prob(self, value: ArrayLike) -> Array:
        outside = (value < self.low) | (value > self.high)
        inside = -jnp.log(as_floats(self.high - self.low)[0])
        return jnp.where(outside, -jnp.inf, inside)

    def _share(self, value: ArrayLike) -> Array:
        (share,) = as_floats((value - self.low) / (self.high - self.low))
        return jnp.clip(share, 0.0, 1.0)

    def cdf(self, value: ArrayLike) -> Array:
        return self._share(value)

    def log_sf(self, value: ArrayLike) -> Array:
        (share,) = as_floats((self.high - value) / (self.high - self.low))
        return jnp.log(jnp.clip(share, 0.0, 1.0))

    def icdf(self, q: ArrayLike) -> Array:
        return jnp.asarray(self.low + (self.high - self.low) * q)

    @property
    def mean(self) -> Array:
        return self._over_batch(0.5 * self.low + 0.5 * self.high)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(self.high - self.low) / 12)

    @property
    def mode(self) -> Array:
        """The middle, which is as dense as any other value."""
        return self.mean

    def entropy(self) -> Array:
        return self._over_batch(jnp.log(self.high - self.low))
