"""What the adapters of distributions from other packages have in common."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, replace, static
from ppl._typing import Array, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution
from ppl.distributions.transforms.base import with_event_dims


@pytree
class Opaque:
    """An object whose arrays are leaves, and all else in it is structure."""

    arrays: tuple[Any, ...]
    rest: tuple[Any, ...] = static()
    structure: Any = static()

    @staticmethod
    def of(value: Any) -> Opaque:
        """Take an object apart."""
        leaves, structure = jax.tree.flatten(value)
        inside = [isinstance(x, jax.Array | np.ndarray | np.number) for x in leaves]
        arrays = tuple(x for x, own in zip(leaves, inside, strict=True) if own)
        rest = tuple(
            None if own else (x,) for x, own in zip(leaves, inside, strict=True)
        )
        return Opaque(arrays, rest, structure)

    @property
    def value(self) -> Any:
        """The object, put together again."""
        arrays = iter(self.arrays)
        leaves = [next(arrays) if x is None else x[0] for x in self.rest]
        return jax.tree.unflatten(self.structure, leaves)


class AbstractForeign(Distribution):
    """What the adapters have in common; `fn` is the distribution adapted."""

    opaque: Opaque
    _given: Constraint | None
    _batch: Shape

    def __init__(self, fn: Any, support: Constraint | None = None):
        self._set(opaque=Opaque.of(fn), _given=support, _batch=())

    @property
    def fn(self) -> Any:
        """The distribution as it was given."""
        return self.opaque.value

    @property
    def _own_batch(self) -> Shape:
        return ()

    @property
    def batch_shape(self) -> Shape:
        return tuple(np.broadcast_shapes(self._batch, self._own_batch))

    @property
    def support(self) -> Constraint:
        support = self._default_support() if self._given is None else self._given
        return with_event_dims(support, self.event_dim - support.event_dim)

    def _default_support(self) -> Constraint:
        return constraints.dependent

    def expand(self, batch_shape: Shape) -> Any:
        return replace(self, _batch=tuple(batch_shape))

    def _over(self, log_prob: Any) -> Array:
        log_prob = jnp.asarray(log_prob)
        shape = np.broadcast_shapes(log_prob.shape, self.batch_shape)
        return jnp.broadcast_to(log_prob, shape)
