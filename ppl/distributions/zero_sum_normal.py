"""The normal distribution of arrays that sum to zero."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class ZeroSumNormal(Distribution):
    r"""Independent normals, given that they sum to zero along each event dim.

    The density is with respect to length in the subspace of such arrays, of dimension
    $\prod_i (n_i - 1)$.

    Args:
        scale: The standard deviation before the sums are fixed, shape `batch_shape`.
        event_shape: The shape of one array; no length may be one.
        validate_args: False skips the check of the parameters.
    """

    scale: ArrayLike = param(constraints.positive)
    _event_shape: Shape = static()
    has_rsample = True

    def __init__(
        self,
        scale: ArrayLike,
        event_shape: Shape,
        *,
        validate_args: bool | None = None,
    ):
        shape = tuple(event_shape)
        if not shape or min(shape) < 2:
            raise ArgumentError(
                "ZeroSumNormal: event_shape needs at least one length, and all must be "
                f">= 2, got {shape}.",
                value=shape,
            )
        self._set(scale=scale, _event_shape=shape, validate_args=validate_args)

    @property
    def event_shape(self) -> Shape:
        return self._event_shape

    @property
    def support(self) -> Constraint:
        return constraints.zero_sum(len(self._event_shape))

    @property
    def _free(self) -> int:
        return math.prod(n - 1 for n in self._event_shape)

    @property
    def _dims(self) -> tuple[int, ...]:
        return tuple(range(-len(self._event_shape), 0))

    def _over_event(self) -> Array:
        (scale,) = as_floats(self.scale)
        return scale.reshape(scale.shape + (1,) * len(self._event_shape))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        for dim in self._dims:
            eps = eps - eps.mean(dim, keepdims=True)
        return self._over_event() * eps

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        inside = self.support(value)
        z = jnp.where(jnp.expand_dims(inside, self._dims), value, 0.0)
        square = jnp.square(z / self._over_event()).sum(self._dims)
        constant = self._free * (HALF_LOG_2PI + jnp.log(self.scale))
        return jnp.where(inside, -0.5 * square - constant, -jnp.inf)

    @property
    def mean(self) -> Array:
        return jnp.zeros(self.shape())

    @property
    def mode(self) -> Array:
        return jnp.zeros(self.shape())

    @property
    def variance(self) -> Array:
        share = math.prod(1 - 1 / n for n in self._event_shape)
        return jnp.broadcast_to(share * jnp.square(self._over_event()), self.shape())

    def entropy(self) -> Array:
        entropy = self._free * (0.5 + HALF_LOG_2PI + jnp.log(self.scale))
        return self._over_batch(entropy)
