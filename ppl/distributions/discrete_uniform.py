"""The discrete uniform distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._special import as_floats, is_whole
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


def _floored(value: ArrayLike) -> Array:
    value = jnp.asarray(value)
    return jnp.floor(value) if jnp.issubdtype(value.dtype, jnp.inexact) else value


def _span(low: ArrayLike, high: ArrayLike) -> Array:
    """`high - low` where that is not negative, as a float; exact for integers."""
    low, high = jnp.asarray(low), jnp.asarray(high)
    if any(jnp.issubdtype(v.dtype, jnp.inexact) for v in (low, high)):
        return jnp.subtract(*as_floats(high, low))
    bits = jnp.iinfo(jnp.result_type(low, high)).bits
    return as_floats((high - low).astype(f"uint{bits}"))[0]  # it may have wrapped


@distribution
class DiscreteUniform(Distribution):
    """Uniform on the integers from `low` to `high`, both included.

    Args:
        low: The least integer, of shape `batch_shape`.
        high: The greatest, not below `low`.
    """

    low: ArrayLike = param(constraints.integer, default=0)
    high: ArrayLike = param(constraints.integer, default=1)
    has_enumerate_support = True

    @property
    def support(self) -> Constraint:
        return constraints.integer_interval(self.low, self.high)

    def parameter_checks(self) -> list[ParameterCheck]:
        low, high = known(self.low), known(self.high)
        low, high = constraints.namespace(low, high).broadcast_arrays(low, high)
        order = ParameterCheck("low", low, low <= high, "low must be <= high")
        return [*super().parameter_checks(), order]

    @property
    def _count(self) -> Array:
        return _span(self.low, self.high) + 1

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        dtype = jnp.result_type(int)
        low, high = (jnp.asarray(v).astype(dtype) for v in (self.low, self.high))
        last = (high == jnp.iinfo(dtype).max).astype(dtype)  # one above is no integer
        every = (last == 1) & (low == jnp.iinfo(dtype).min)
        shape = self.shape(sample_shape)
        key_some, key_every = jax.random.split(key)
        begin = jnp.where(every, low, low - last)
        some = jax.random.randint(key_some, shape, begin, high + 1 - last) + last
        bits = jax.random.bits(key_every, shape, f"uint{jnp.iinfo(dtype).bits}")
        return jnp.where(every, jax.lax.bitcast_convert_type(bits, dtype), some)

    def log_prob(self, value: ArrayLike) -> Array:
        outside = (value < self.low) | (value > self.high)
        outside |= ~jnp.asarray(is_whole(value))
        return jnp.where(outside, -jnp.inf, -jnp.log(self._count))

    def _upto(self, value: ArrayLike) -> Array:
        """How many of the integers are not above the value."""
        value = _floored(value)
        inside = jnp.clip(value, self.low, self.high)
        return jnp.where(value < self.low, 0.0, _span(self.low, inside) + 1)

    def cdf(self, value: ArrayLike) -> Array:
        return self._upto(value) / self._count

    def log_cdf(self, value: ArrayLike) -> Array:
        return jnp.log(self._upto(value)) - jnp.log(self._count)

    def log_sf(self, value: ArrayLike) -> Array:
        value = _floored(value)
        above = _span(jnp.clip(value, self.low, self.high), self.high)
        above = jnp.where(value < self.low, self._count, above)
        return jnp.log(above) - jnp.log(self._count)

    def icdf(self, q: ArrayLike) -> Array:
        count, q = as_floats(self._count, q)
        dtype = jnp.result_type(int)
        low, high = (jnp.asarray(v).astype(dtype) for v in (self.low, self.high))
        # A few roundings less, so that icdf(cdf(k)) is k.
        steps = jnp.ceil(q * (1 - 8 * jnp.finfo(q.dtype).eps) * count) - 1
        room = f"uint{jnp.iinfo(dtype).bits}"  # sums of these wrap around
        inside = jnp.clip(steps, 0.0, jnp.maximum(count - 2, 0.0)).astype(room)
        some = (low.astype(room) + inside).astype(dtype)
        return jnp.where(
            (q >= 1) | (steps >= count - 1), high, jnp.clip(some, low, high)
        )

    @property
    def mean(self) -> Array:
        low, high = as_floats(self.low, self.high)
        return self._over_batch(0.5 * low + 0.5 * high)

    @property
    def variance(self) -> Array:
        return (jnp.square(self._count) - 1) / 12

    @property
    def mode(self) -> Array:
        """The least of the integers: all are modes."""
        return self._over_batch(jnp.asarray(self.low).astype(jnp.result_type(int)))

    def entropy(self) -> Array:
        return jnp.log(self._count)

    def enumerate_support(self, expand: bool = True) -> Array:
        if isinstance(self.low, Tracer) or isinstance(self.high, Tracer):
            raise ArgumentError(
                "the support of a DiscreteUniform can be listed only if low and high "
                "are known.",
                hint="Do not pass them through jit or vmap.",
            )
        low, high = np.asarray(self.low), np.asarray(self.high)
        if low.min() != low.max() or high.min() != high.max():
            raise ArgumentError(
                "the support of a DiscreteUniform can be listed only if all of low "
                "are equal, and all of high.",
                value=(low, high),
            )
        count = int(high.max()) - int(low.max()) + 1
        return int(low.max()) + self._listed(count, expand=expand)
