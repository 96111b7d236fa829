"""What a constraint is, and constraints that are made of others or of nothing known."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ShapeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape


def namespace(*values: Any) -> Any:
    """`jax.numpy` if any of the values is a JAX array, else `numpy`."""
    for value in values:
        if type(value) is not float and isinstance(value, jax.Array):
            return jnp
    return np


def shape_of(value: Any) -> Shape:
    """The shape of an array or a scalar, without converting it."""
    if type(value) is float:
        return ()
    shape = getattr(value, "shape", None)
    return np.shape(value) if shape is None else tuple(shape)


def all_over(ok: Any, event_dim: int, what: Any = "this constraint") -> Any:
    """Reduce a truth array over its `event_dim` rightmost dims."""
    if np.ndim(ok) < event_dim:
        raise ShapeError(
            f"a value in {what} needs at least {event_dim} dims, got shape {ok.shape}."
        )
    return ok.all(axis=tuple(range(-event_dim, 0))) if event_dim else ok


def shown(bound: Any) -> str:
    """A bound as it reads in a rule."""
    if isinstance(bound, Tracer):
        return "a traced value"
    bound = np.asarray(bound)
    return f"{bound:g}" if bound.ndim == 0 else str(bound.tolist())


def filled(prototype: Any, fill: Any, *, discrete: bool = False) -> Array:
    """`fill` in the shape of `prototype`, and in its dtype if that can hold it."""
    dtype = getattr(prototype, "dtype", None)
    if dtype is None or not (discrete or jnp.issubdtype(dtype, jnp.inexact)):
        dtype = int if discrete else float
    fill = jnp.asarray(fill, jax.dtypes.canonicalize_dtype(dtype))
    return jnp.broadcast_to(fill, np.broadcast_shapes(fill.shape, shape_of(prototype)))


def tolerance(value: Any) -> float:
    """How far rounding may bring a sum of order one from its exact value."""
    dtype = value.dtype if jnp.issubdtype(value.dtype, jnp.inexact) else np.float64
    return max(1e-6, 1e3 * float(jnp.finfo(dtype).eps))


class AbstractByValue:
    """Equality by type, structure and leaves; traced leaves are equal if identical."""

    def __eq__(self, other: object) -> Any:
        if type(self) is not type(other):
            return False
        mine, mine_def = jax.tree.flatten(self)
        theirs, theirs_def = jax.tree.flatten(other)
        if mine_def != theirs_def:
            return False
        if any(isinstance(leaf, Tracer) for leaf in (*mine, *theirs)):
            return all(a is b for a, b in zip(mine, theirs, strict=True))
        return all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))

    def __hash__(self) -> int:
        return hash((type(self), jax.tree.structure(self)))


class Constraint(AbstractByValue):
    """A set of values; subclasses are frozen pytrees and final.

    `event_dim` counts the rightmost dims of one value, `is_discrete` says whether the
    set is countable, and `rule` says in words what must hold ("must be > 0").
    """

    event_dim: int = 0
    is_discrete: bool = False

    @property
    def rule(self) -> str:
        """What must hold, in words."""
        return f"must lie in {self!r}"

    def __call__(self, value: ArrayLike) -> Any:
        """Whether each value lies in the set: shape of `value` less its event dims."""
        raise TypeError(f"{type(self).__name__} cannot be checked")

    def check(self, value: ArrayLike) -> Any:
        """Another name for calling the constraint."""
        return self(value)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        """Some value inside the set, of the shape (and float type) of `prototype`."""
        raise TypeError(f"{type(self).__name__} has no known member")


@pytree
class IndependentConstraint(Constraint):
    """A constraint whose rightmost batch dims count as event dims."""

    base: Constraint
    reinterpreted_batch_ndims: int = static(default=1)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.base.event_dim + self.reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self.base.is_discrete

    @property
    def rule(self) -> str:
        return self.base.rule

    def __call__(self, value: ArrayLike) -> Any:
        return all_over(self.base(value), self.reinterpreted_batch_ndims, self)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return self.base.feasible_like(prototype)


@pytree
class Dependent(Constraint):
    """A set that depends on what is not known here; it cannot be checked."""

    rule = "must lie in a set that depends on other values"  # type: ignore[assignment]

    def feasible_like(self, prototype: ArrayLike) -> Any:
        raise TypeError(
            "the support of this distribution is not known, so there is no place to "
            "start from: observe the site (obs=, condition), or say the support, as in "
            "as_distribution(fn, support=constraints.positive) for one of another "
            "package."
        )
