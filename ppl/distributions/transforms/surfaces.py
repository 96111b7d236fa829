"""Transforms between vectors and sets that a sum describes."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.transforms.base import Transform, as_float, with_event_dims
from ppl.distributions.transforms.scalar import exp_in_range, log_logistic
from ppl.distributions.transforms.vector import pad_last


@pytree
class L1BallTransform(Transform):
    """From a real vector to one whose absolute values sum to less than one.

    Element `k` is the share `tanh(x_k)` of what the ones before it have left of the
    unit sum; what is left is kept as a logarithm.
    """

    domain = constraints.real_vector
    codomain = constraints.l1_ball

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        away = jax.lax.abs(x)
        # 1 - tanh(a) = 2 / (1 + exp(2 a)), and 1 + tanh(a) likewise
        log_rest = math.log(2.0) - 2.0 * away - jnp.log1p(jnp.exp(-2.0 * away))
        log_left = pad_last(jax.lax.cumsum(log_rest, axis=x.ndim - 1)[..., :-1], 1, 0)
        log_slope = 2.0 * (log_rest + away)
        y = jnp.tanh(x) * exp_in_range(log_left)
        return y, (log_slope + log_left).sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        size = jnp.abs(y)
        eps = jnp.finfo(y.dtype).eps
        after = jnp.maximum(1.0 - jax.lax.cumsum(size, axis=y.ndim - 1), eps * eps)
        left = after + size
        near = 2.0 * size < left  # elsewhere what is left after says it better
        inner = jnp.arctanh(jnp.where(near, y / left, 0.0))
        outer = 0.5 * jnp.log1p(2.0 * jnp.where(near, left, size) / after)
        x = jnp.where(near, inner, jnp.sign(y) * outer)
        log_left = jnp.log(left)
        # the slope of tanh is (after / left) (after + 2 size) / left
        log_det = log_left - jnp.log(after) - jnp.log(after + 2.0 * size)
        return x, log_det.sum(-1)


@pytree
class SimplexToOrderedTransform(Transform):
    """From a point of the simplex to the cut points that give its probabilities.

    Cut `k` is the logit of the sum of the first `k` components, plus the anchor: the
    simplex is what a logistic variable around the anchor has between the cuts. (M.
    Betancourt, "Ordinal regression", section 2.2.)

    Args:
        anchor_point: Where the logistic variable is centred, of the batch shape.
    """

    anchor_point: ArrayLike = 0.0
    domain = constraints.simplex
    codomain = constraints.ordered_vector

    def _anchor(self) -> Array:
        return jnp.asarray(self.anchor_point)[..., None]

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        axis = x.ndim - 1
        log_below = jnp.log(jax.lax.cumsum(x, axis=axis)[..., :-1])
        log_above = jnp.log(jax.lax.cumsum(x, axis=axis, reverse=True)[..., 1:])
        y = (log_below - log_above + self._anchor()).astype(x.dtype)
        log_det = -(log_below + log_above).sum(-1)
        return y, jnp.broadcast_to(log_det, y.shape[:-1])

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        z = (y - self._anchor()).astype(y.dtype)
        log_below, log_above = log_logistic(z), log_logistic(-z)
        # F(b) - F(a) = F(b) (1 - F(a)) (1 - exp(a - b)) for the logistic function F
        gaps = jnp.log(-jnp.expm1(z[..., :-1] - z[..., 1:]))
        inner = log_below[..., 1:] + log_above[..., :-1] + gaps
        ends = log_below[..., :1], log_above[..., -1:]
        x = exp_in_range(jnp.concatenate([ends[0], inner, ends[1]], -1))
        return x, (log_below + log_above).sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        batch = np.broadcast_shapes(shape[:-1], shape_of(self.anchor_point))
        return (*batch, shape[-1] - 1)

    def inverse_shape(self, shape: Shape) -> Shape:
        batch = np.broadcast_shapes(shape[:-1], shape_of(self.anchor_point))
        return (*batch, shape[-1] + 1)


@pytree
class ZeroSumTransform(Transform):
    """From a real array to one that is longer by one and sums to zero, along each dim.

    It is an isometry (a Householder reflection), so the log-determinant is zero: it is
    that of the areas on both sides, not of coordinates that leave out the last one.

    Args:
        transform_ndims: How many rightmost dims sum to zero.
    """

    transform_ndims: int = static(default=1)

    @property
    def domain(self) -> Constraint:
        return with_event_dims(constraints.real, self.transform_ndims)

    @property
    def codomain(self) -> Constraint:
        return constraints.zero_sum(self.transform_ndims)

    def _no_change(self, x: Array) -> Array:
        return jnp.zeros(x.shape[: x.ndim - self.transform_ndims], x.dtype)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y = as_float(x)
        log_det = self._no_change(y)
        for axis in range(-self.transform_ndims, 0):
            size = y.shape[axis] + 1
            total = y.sum(axis, keepdims=True)
            rest = y - total / (size + math.sqrt(size))
            y = jnp.concatenate([rest, -total / math.sqrt(size)], axis)
        return y, log_det

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        x = as_float(y)
        log_det = self._no_change(x)
        for axis in range(-self.transform_ndims, 0):
            size = x.shape[axis]
            last = jax.lax.slice_in_dim(x, size - 1, size, axis=axis)
            rest = jax.lax.slice_in_dim(x, 0, size - 1, axis=axis)
            x = rest - last * (math.sqrt(size) / (size + math.sqrt(size)))
        return x, log_det

    def _resized(self, shape: Shape, by: int) -> Shape:
        cut = len(shape) - self.transform_ndims
        return (*shape[:cut], *(size + by for size in shape[cut:]))

    def forward_shape(self, shape: Shape) -> Shape:
        return self._resized(shape, 1)

    def inverse_shape(self, shape: Shape) -> Shape:
        return self._resized(shape, -1)
