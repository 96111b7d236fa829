"""Distributions of TensorFlow Probability on JAX, and of Distrax, which are alike."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentTypeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import distribution
from ppl.distributions.foreign.base import AbstractForeign, Opaque
from ppl.distributions.transforms.base import Transform, as_float, with_event_dims
from ppl.distributions.transforms.biject_to import biject_to


@runtime_checkable
class TFPLike(Protocol):
    """What is asked of a distribution of TensorFlow Probability."""

    batch_shape: Any
    event_shape: Any

    def log_prob(self, value: Any) -> Any: ...
    def sample(self, sample_shape: Any = (), seed: Any = None) -> Any: ...
    def experimental_default_event_space_bijector(self) -> Any: ...


@runtime_checkable
class DistraxLike(Protocol):
    """What is asked of a distribution of Distrax, which does not know its support."""

    batch_shape: Any
    event_shape: Any

    def log_prob(self, value: Any) -> Any: ...
    def sample(self, *, seed: Any = None, sample_shape: Any = ()) -> Any: ...
    def sample_and_log_prob(
        self, *, seed: Any = None, sample_shape: Any = ()
    ) -> Any: ...


@distribution
class TFPDistribution(AbstractForeign):
    """A distribution of TensorFlow Probability on JAX, or of Distrax.

    Args:
        fn: The distribution, of single arrays.
        support: The set of its values; by default what its default bijector reaches.
            Distrax does not tell, so say it where the site is not observed.
    """

    opaque: Opaque
    _given: Constraint | None = static()
    _batch: Shape = static()
    __init__ = AbstractForeign.__init__

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        parts = self.fn.event_shape
        if isinstance(parts, dict) or not all(np.ndim(n) == 0 for n in tuple(parts)):
            raise ArgumentTypeError(
                f"{type(self.fn).__name__} is a joint distribution of several arrays, "
                f"of event shape {parts}; a site holds a single array.",
                value=self.fn,
                hint="Write one sample statement for each of its parts.",
            )
        super()._prepare(validate_args)

    @property
    def _own_batch(self) -> Shape:
        return tuple(int(n) for n in self.fn.batch_shape)

    @property
    def event_shape(self) -> Shape:
        return tuple(int(n) for n in self.fn.event_shape)

    def _default_support(self) -> Constraint:
        fn = self.fn
        known = isinstance(fn, TFPLike)
        if not known or fn.experimental_default_event_space_bijector() is None:
            return constraints.independent(constraints.dependent, self.event_dim)
        return BijectorImage(self)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        batch, own = self.batch_shape, self._own_batch
        lead = len(batch) - len(own)
        wider = [i for i, n in enumerate(own) if n != batch[lead + i]]
        prefix = (*sample_shape, *batch[:lead])
        extra = tuple(batch[lead + i] for i in wider)
        shape = (*prefix, *extra)
        draws = jnp.asarray(self.fn.sample(sample_shape=shape, seed=key))
        for done, i in enumerate(wider):  # a dim of length 1 becomes one of draws
            at = len(prefix) + len(wider) - done + i
            draws = jnp.moveaxis(jnp.squeeze(draws, at), len(prefix), at - 1)
        return draws

    def log_prob(self, value: ArrayLike) -> Array:
        return self._over(self.fn.log_prob(jnp.asarray(value)))


@pytree
class BijectorImage(Constraint):
    """The support of a TFP distribution: what its default bijector reaches."""

    of: TFPDistribution
    rule = "must have a positive density"  # type: ignore[assignment]

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.of.event_dim

    def __call__(self, value: ArrayLike) -> Any:
        log_prob = self.of.log_prob(value)
        inside = (log_prob > -jnp.inf) & ~jnp.isnan(log_prob)
        concrete = isinstance(inside, Tracer) or isinstance(value, jax.Array)
        return inside if concrete else np.asarray(inside)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        onto = TFPBijector(self.of)
        shape = onto.inverse_shape(np.shape(prototype))
        return onto(jnp.zeros(shape))


@pytree
class TFPBijector(Transform):
    """The default bijector of a TFP distribution."""

    of: TFPDistribution

    @property
    def _bijector(self) -> Any:
        return self.of.fn.experimental_default_event_space_bijector()

    def _free_shape(self) -> Shape:
        shape = self._bijector.inverse_event_shape(self.of.event_shape)
        return tuple(int(n) for n in shape)

    @property
    def domain(self) -> Constraint:
        return with_event_dims(constraints.real, len(self._free_shape()))

    @property
    def codomain(self) -> Constraint:
        return BijectorImage(self.of)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x, bijector = as_float(x), self._bijector
        dims = len(self._free_shape())
        log_det = bijector.forward_log_det_jacobian(x, dims)
        # Where it is constant it comes as one number, whatever the batch.
        return bijector.forward(x), jnp.broadcast_to(log_det, x.shape[: x.ndim - dims])

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y, bijector = as_float(y), self._bijector
        dims = self.of.event_dim
        log_det = bijector.inverse_log_det_jacobian(y, dims)
        return bijector.inverse(y), jnp.broadcast_to(log_det, y.shape[: y.ndim - dims])

    def forward_shape(self, shape: Shape) -> Shape:
        cut = len(shape) - len(self._free_shape())
        return (*shape[:cut], *self.of.event_shape)

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape[: len(shape) - self.of.event_dim], *self._free_shape())


@biject_to.register(BijectorImage)
def _onto_image(constraint: BijectorImage) -> Transform:
    return TFPBijector(constraint.of)
