"""Transforms of vectors: simplex, ordered, affine, and changes of order or shape."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ShapeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import log_diagonal, lower_times, solve_lower
from ppl.distributions.constraints import Constraint, namespace, shape_of
from ppl.distributions.transforms.base import (
    Transform,
    as_float,
    bare,
    with_event_dims,
)
from ppl.distributions.transforms.scalar import exp_in_range, log_logistic


def pad_last(x: Array, before: int, after: int) -> Array:
    """`x` with zeros put before and after along its last dim."""
    config = [(0, 0, 0)] * (x.ndim - 1) + [(before, after, 0)]
    return jax.lax.pad(x, jnp.zeros((), x.dtype), config)


def log_cumsum_offsets(size: int, dtype: Any) -> np.ndarray:
    """`log(size), ..., log(1)`: what makes zero the centre of the simplex."""
    return np.log(np.arange(size, 0, -1)).astype(dtype)


@pytree
class StickBreakingTransform(Transform):
    """From `K - 1` real numbers to a point of the simplex in `K` components.

    Component `k` is a share `z_k = sigmoid(x_k - log(K - k))` of what is left; zero
    maps to the uniform point. All is computed with logarithms. (Stan reference manual,
    "Unit simplex".)
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        t = x - log_cumsum_offsets(x.shape[-1], x.dtype)
        log_share = log_logistic(t)
        log_left = jax.lax.cumsum(log_share - t, axis=x.ndim - 1)
        log_y = pad_last(log_left, 1, 0) + pad_last(log_share, 0, 1)
        return exp_in_range(log_y), log_y.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        size = y.shape[-1] - 1
        left = jax.lax.cumsum(y, axis=y.ndim - 1, reverse=True)
        log_y = jnp.log(y)
        x = log_y[..., :-1] - jnp.log(left[..., 1:]) + log_cumsum_offsets(size, y.dtype)
        return x, -log_y.sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] - 1)


@pytree
class OrderedTransform(Transform):
    """From a real vector to an increasing one: `y_0 = x_0`, `y_k = y_{k-1} + exp(x_k)`.

    (Stan reference manual, "Ordered vector".)
    """

    domain = constraints.real_vector
    codomain = constraints.ordered_vector

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        first, log_steps = x[..., :1], x[..., 1:]
        steps = exp_in_range(log_steps, terms=x.shape[-1])
        y = jax.lax.cumsum(jnp.concatenate([first, steps], axis=-1), axis=x.ndim - 1)
        return y, log_steps.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        log_steps = jnp.log(y[..., 1:] - y[..., :-1])
        x = jnp.concatenate([y[..., :1], log_steps], axis=-1)
        return x, -log_steps.sum(-1)


@pytree
class LowerCholeskyAffine(Transform):
    """`y = loc + scale_tril @ x`, for vectors.

    Args:
        loc: Shape `(..., n)`.
        scale_tril: Shape `(..., n, n)`, lower triangular with a positive diagonal.
    """

    loc: ArrayLike
    scale_tril: ArrayLike
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y = self.loc + lower_times(self.scale_tril, as_float(x))
        return y, jnp.broadcast_to(log_diagonal(self.scale_tril), y.shape[:-1])

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        x = solve_lower(self.scale_tril, as_float(y) - self.loc)
        return x, jnp.broadcast_to(-log_diagonal(self.scale_tril), x.shape[:-1])

    def forward_shape(self, shape: Shape) -> Shape:
        scale = shape_of(self.scale_tril)[:-1]
        return np.broadcast_shapes(shape, shape_of(self.loc), scale)

    inverse_shape = forward_shape


def _elementwise(support: Constraint) -> bool:
    """Whether a set treats all elements of its values alike."""
    leaves = jax.tree.leaves(support)
    scalars = all(shape_of(leaf) == () for leaf in leaves)
    return bare(support).event_dim == 0 and scalars


@pytree
class PermuteTransform(Transform):
    """`y_k = x_{permutation[k]}`, for vectors."""

    permutation: ArrayLike
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        index = namespace(self.permutation).asarray(self.permutation)
        return x[..., index], jax.lax.full(x.shape[:-1], 0.0, x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        index = namespace(self.permutation).argsort(self.permutation)
        return y[..., index], jax.lax.full(y.shape[:-1], 0.0, y.dtype)

    def image(self, support: Constraint) -> Constraint:
        symmetric = isinstance(support, constraints.Simplex) or _elementwise(support)
        return support if symmetric else constraints.independent(constraints.dependent)


@pytree
class ReshapeTransform(Transform):
    """The same numbers in another shape.

    Args:
        forward_shape: The event shape of the result.
        inverse_shape: The event shape of the argument.
    """

    _forward_shape: Shape = static()
    _inverse_shape: Shape = static()

    def __init__(self, forward_shape: Shape, inverse_shape: Shape):
        forward_shape, inverse_shape = tuple(forward_shape), tuple(inverse_shape)
        if math.prod(forward_shape) != math.prod(inverse_shape):
            raise ShapeError(
                f"ReshapeTransform: shapes {forward_shape} and {inverse_shape} hold "
                "different numbers of elements."
            )
        object.__setattr__(self, "_forward_shape", forward_shape)
        object.__setattr__(self, "_inverse_shape", inverse_shape)

    @property
    def domain(self) -> Constraint:
        return with_event_dims(constraints.real, len(self._inverse_shape))

    @property
    def codomain(self) -> Constraint:
        return with_event_dims(constraints.real, len(self._forward_shape))

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        y = x.reshape(self.forward_shape(x.shape))
        batch = x.shape[: x.ndim - len(self._inverse_shape)]
        return y, jax.lax.full(batch, 0.0, x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        x = y.reshape(self.inverse_shape(y.shape))
        batch = y.shape[: y.ndim - len(self._forward_shape)]
        return x, jax.lax.full(batch, 0.0, y.dtype)

    def forward_shape(self, shape: Shape) -> Shape:
        return _swapped(shape, self._inverse_shape, self._forward_shape)

    def inverse_shape(self, shape: Shape) -> Shape:
        return _swapped(shape, self._forward_shape, self._inverse_shape)

    def image(self, support: Constraint) -> Constraint:
        inner = bare(support) if _elementwise(support) else constraints.dependent
        changed = len(self._forward_shape) - len(self._inverse_shape)
        return with_event_dims(inner, support.event_dim + changed)


def _swapped(shape: Shape, old: Shape, new: Shape) -> Shape:
    """`shape` with `new` instead of `old` at its end."""
    cut = len(shape) - len(old)
    if cut < 0 or shape[cut:] != old:
        raise ShapeError(f"ReshapeTransform: shape {shape} does not end in {old}.")
    return (*shape[:cut], *new)
