"""The transform of innovations to the states of a linear recursion."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ShapeError
from ppl._pytree import pytree
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import lower_times
from ppl.distributions.constraints import shape_of
from ppl.distributions.transforms.base import Transform, as_float


@pytree
class RecursiveLinearTransform(Transform):
    """`y_t = A y_{t - 1} + x_t`, for matrices with one row for each time.

    Args:
        transition_matrix: `A`, of shape `(..., n, n)`.
        initial_value: The state before the first row, shape `(..., n)`; zero if None.
    """

    transition_matrix: ArrayLike
    initial_value: ArrayLike | None = None
    domain = constraints.real_matrix
    codomain = constraints.real_matrix

    def __post_init__(self) -> None:
        matrix, first = shape_of(self.transition_matrix), shape_of(self.initial_value)
        square = len(matrix) >= 2 and matrix[-1] == matrix[-2]
        fits = self.initial_value is None or first[-1:] == matrix[-1:]
        if not (square and fits):
            raise ShapeError(
                "RecursiveLinearTransform needs a square transition matrix and an "
                f"initial value of its size, got shapes {matrix} and {first}.",
                value=matrix,
            )

    def _first(self, shape: Shape) -> Array:
        """The state before the first row, for rows of `shape`."""
        batch = self.forward_shape(shape)[:-2]
        first = 0.0 if self.initial_value is None else self.initial_value
        return jnp.broadcast_to(jnp.asarray(first), (*batch, shape[-1]))

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        x = jnp.broadcast_to(x, self.forward_shape(x.shape))

        def step(state: Array, row: Array) -> tuple[Array, Array]:
            state = lower_times(self.transition_matrix, state) + row
            return state, state

        first = self._first(x.shape).astype(x.dtype)
        _, y = jax.lax.scan(step, first, jnp.moveaxis(x, -2, 0))
        return jnp.moveaxis(y, 0, -2), jnp.zeros(x.shape[:-2], x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        y = jnp.broadcast_to(y, self.forward_shape(y.shape))
        first = self._first(y.shape).astype(y.dtype)[..., None, :]
        before = jnp.concatenate([first, y[..., :-1, :]], -2)
        matrix = jnp.asarray(self.transition_matrix)[..., None, :, :]
        return y - lower_times(matrix, before), jnp.zeros(y.shape[:-2], y.dtype)

    def forward_shape(self, shape: Shape) -> Shape:
        matrix, first = shape_of(self.transition_matrix), shape_of(self.initial_value)
        if len(shape) < 2 or shape[-1] != matrix[-1]:
            raise ShapeError(
                f"RecursiveLinearTransform: rows of {matrix[-1]} are needed, the shape "
                f"is {shape}.",
                value=shape,
            )
        batch = np.broadcast_shapes(shape[:-2], matrix[:-2], first[:-1])
        return (*batch, *shape[-2:])

    inverse_shape = forward_shape
