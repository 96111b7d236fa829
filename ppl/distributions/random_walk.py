"""The Gaussian random walk."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class GaussianRandomWalk(Distribution):
    """A walk from zero with independent normal steps; the first value is a step away.

    Args:
        scale: The standard deviation of a step, shape `batch_shape`.
        num_steps: The number of steps, which is the length of the event.
    """

    scale: ArrayLike = param(constraints.positive, default=1.0)
    num_steps: int = static(default=1)
    support = constraints.real_vector
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        n = self.num_steps
        if not isinstance(n, int | np.integer) or n < 1:
            raise ArgumentError(
                f"GaussianRandomWalk: num_steps must be an integer >= 1, got {n!r}.",
                value=n,
            )
        super()._prepare(validate_args)

    @property
    def event_shape(self) -> Shape:
        return (self.num_steps,)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return jnp.asarray(self.scale)[..., None] * jnp.cumsum(eps, axis=-1)

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        steps = jnp.diff(value, axis=-1, prepend=0.0)
        square = jnp.square(steps / jnp.asarray(self.scale)[..., None]).sum(-1)
        return -0.5 * square - self.num_steps * (HALF_LOG_2PI + jnp.log(self.scale))

    @property
    def mean(self) -> Array:
        return jnp.zeros(self.shape())

    @property
    def mode(self) -> Array:
        return jnp.zeros(self.shape())

    @property
    def variance(self) -> Array:
        (scale,) = as_floats(self.scale)
        return jnp.square(scale)[..., None] * jnp.arange(1, self.num_steps + 1)

    def entropy(self) -> Array:
        entropy = self.num_steps * (0.5 + HALF_LOG_2PI + jnp.log(self.scale))
        return self._over_batch(entropy)
