"""Distributions of FlowJAX."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentTypeError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import distribution
from ppl.distributions.foreign.base import AbstractForeign, Opaque


@runtime_checkable
class FlowJAXLike(Protocol):
    """What is asked of a distribution of FlowJAX."""

    shape: Any
    cond_shape: Any

    def log_prob(self, x: Any, condition: Any = None) -> Any: ...
    def sample(
        self, key: Any, sample_shape: Any = (), condition: Any = None
    ) -> Any: ...


@distribution
class FlowJAXDistribution(AbstractForeign):
    """A distribution of FlowJAX, without conditioning variables.

    Args:
        fn: The distribution; its shape is the event shape.
        support: The set of its values, by default all real arrays.
    """

    opaque: Opaque
    _given: Constraint | None = static()
    _batch: Shape = static()
    __init__ = AbstractForeign.__init__

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        if self.fn.cond_shape is not None:
            raise ArgumentTypeError(
                "a FlowJAX distribution that is conditional has no density of its own; "
                f"it needs a condition of shape {self.fn.cond_shape}.",
                value=self.fn,
            )
        super()._prepare(validate_args)

    @property
    def event_shape(self) -> Shape:
        return tuple(self.fn.shape)

    def _default_support(self) -> Constraint:
        return constraints.real

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            key = jax.random.wrap_key_data(key)  # it takes no raw keys
        return self.fn.sample(key, (*sample_shape, *self.batch_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        return self._over(self.fn.log_prob(jnp.asarray(value)))
