"""The improper uniform distribution."""

from __future__ import annotations

from typing import NoReturn

import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentTypeError, ShapeError
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution
from ppl.distributions.transforms.base import with_event_dims


@distribution
class ImproperUniform(Distribution):
    """Log density zero everywhere on the support; it cannot be sampled from.

    Args:
        support: The set of values, as in `constraints.positive`.
        batch_shape: The shape of independent members.
        event_shape: The shape of one value; it may have more dims than the support
            needs, which then holds for each part.
    """

    support: Constraint
    _batch_shape: Shape = static()
    _event_shape: Shape = static()

    def __init__(
        self,
        support: Constraint,
        batch_shape: Shape,
        event_shape: Shape,
        *,
        validate_args: bool | None = None,
    ):
        event_shape = tuple(event_shape)
        extra = len(event_shape) - support.event_dim
        if extra < 0:
            raise ShapeError(
                f"ImproperUniform: event_shape {event_shape} has too few dims; a value "
                f"that {support.rule} has {support.event_dim}.",
                value=event_shape,
            )
        self._set(
            support=with_event_dims(support, extra),
            _batch_shape=tuple(batch_shape),
            _event_shape=event_shape,
            validate_args=validate_args,
        )

    @property
    def batch_shape(self) -> Shape:
        return self._batch_shape

    @property
    def event_shape(self) -> Shape:
        return self._event_shape

    def sample(self, key: Key, sample_shape: Shape = ()) -> NoReturn:
        raise ArgumentTypeError(
            "ImproperUniform cannot be sampled from: it has no total mass.",
            hint="Give the site a value (condition, obs=), an initial value "
            "(init_to_uniform), or a proper prior.",
        )

    def log_prob(self, value: ArrayLike) -> Array:
        shape = jnp.shape(value)
        batch = shape[: len(shape) - len(self.event_shape)]
        return jnp.zeros(np.broadcast_shapes(batch, self.batch_shape))

    def expand(self, batch_shape: Shape) -> ImproperUniform:
        return replace(self, _batch_shape=tuple(batch_shape))
