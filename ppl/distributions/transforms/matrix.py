"""Transforms onto matrices: Cholesky factors, covariances and correlations."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ShapeError
from ppl._pytree import pytree
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import gram
from ppl.distributions.constraints import Constraint
from ppl.distributions.transforms.base import Transform, as_float
from ppl.distributions.transforms.scalar import (
    SoftplusTransform,
    exp_in_range,
    log_softplus,
)


def _side(length: int, *, diagonal: bool) -> int:
    """The side of a square matrix whose lower triangle has `length` entries."""
    side = (math.isqrt(1 + 8 * length) + (-1 if diagonal else 1)) // 2
    entries = side * (side + (1 if diagonal else -1)) // 2
    if entries != length:
        kind = "with" if diagonal else "without"
        raise ShapeError(
            f"no lower triangle ({kind} diagonal) has {length} entries; a matrix of "
            f"side {side} has {entries}."
        )
    return side


def _strict(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column numbers below the diagonal, row by row."""
    return np.tril_indices(size, -1)


def _matrix_shape(shape: Shape, *, diagonal: bool) -> Shape:
    size = _side(shape[-1], diagonal=diagonal)
    return (*shape[:-1], size, size)


def _placed(values: Array, size: int, rows: Any, columns: Any) -> Array:
    """A matrix of zeros with the last dim of `values` put at the places given."""
    zeros = jnp.zeros((*values.shape[:-1], size, size), values.dtype)
    return zeros.at[..., rows, columns].set(values, unique_indices=True)


def _log_diagonal(matrix: Array) -> Array:
    return jnp.log(jnp.diagonal(matrix, axis1=-2, axis2=-1))


@pytree
class LowerCholeskyTransform(Transform):
    """From `n (n + 1) / 2` real numbers to an `n` by `n` lower Cholesky factor.

    First come the entries below the diagonal, row by row, then the logarithms of the
    diagonal.
    """

    domain = constraints.real_vector
    codomain = constraints.lower_cholesky

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        size = _side(x.shape[-1], diagonal=True)
        below, log_diagonal = x[..., :-size], x[..., x.shape[-1] - size :]
        rows, columns = (np.append(i, np.arange(size)) for i in _strict(size))
        values = jnp.concatenate([below, exp_in_range(log_diagonal)], axis=-1)
        return _placed(values, size, rows, columns), log_diagonal.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        log_diagonal = _log_diagonal(y)
        rows, columns = _strict(y.shape[-1])
        x = jnp.concatenate([y[..., rows, columns], log_diagonal], axis=-1)
        return x, -log_diagonal.sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        return _matrix_shape(shape, diagonal=True)

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1] * (shape[-1] + 1) // 2)


@pytree
class SoftplusLowerCholeskyTransform(Transform):
    """Like `LowerCholeskyTransform`, with the softplus of the last numbers instead."""

    domain = constraints.real_vector
    codomain = constraints.softplus_lower_cholesky

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        size = _side(x.shape[-1], diagonal=True)
        below, raw = x[..., :-size], x[..., x.shape[-1] - size :]
        diagonal, log_det = SoftplusTransform().forward_and_log_det(raw)
        rows, columns = (np.append(i, np.arange(size)) for i in _strict(size))
        values = jnp.concatenate([below, diagonal], axis=-1)
        return _placed(values, size, rows, columns), log_det.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        diagonal = jnp.diagonal(y, axis1=-2, axis2=-1)
        raw, log_det = SoftplusTransform().inverse_and_log_det(diagonal)
        rows, columns = _strict(y.shape[-1])
        return jnp.concatenate([y[..., rows, columns], raw], axis=-1), log_det.sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        return _matrix_shape(shape, diagonal=True)

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1] * (shape[-1] + 1) // 2)


@pytree
class ScaledUnitLowerCholeskyTransform(Transform):
    """From `n (n + 1) / 2` real numbers to `D U`, `U` with ones on its diagonal.

    First come the entries of `U` below the diagonal, row by row; the softplus of the
    others is the diagonal matrix `D`, which scales the rows.
    """

    domain = constraints.real_vector
    codomain = constraints.scaled_unit_lower_cholesky

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        size = _side(x.shape[-1], diagonal=True)
        below, raw = x[..., :-size], x[..., x.shape[-1] - size :]
        diagonal, log_det = SoftplusTransform().forward_and_log_det(raw)
        unit = jnp.eye(size, dtype=x.dtype) + _placed(below, size, *_strict(size))
        scaled = np.arange(size).astype(x.dtype)  # entries before it, in each row
        log_det = log_det + scaled * log_softplus(raw)
        return unit * diagonal[..., None], log_det.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        size = y.shape[-1]
        diagonal = jnp.diagonal(y, axis1=-2, axis2=-1)
        raw, log_det = SoftplusTransform().inverse_and_log_det(diagonal)
        rows, columns = _strict(size)
        below = y[..., rows, columns] / diagonal[..., rows]
        scaled = np.arange(size).astype(y.dtype)
        log_det = log_det - scaled * jnp.log(diagonal)
        return jnp.concatenate([below, raw], axis=-1), log_det.sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        return _matrix_shape(shape, diagonal=True)

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1] * (shape[-1] + 1) // 2)


@pytree
class CorrCholeskyTransform(Transform):
    """From `n (n - 1) / 2` real numbers to the Cholesky factor of a correlation matrix.

    Entry `(i, j)` below the diagonal is `tanh(x_ij)` times the square root of what the
    entries before it have left of the row's norm; the diagonal takes the rest. What is
    left is kept as a logarithm, so no factor is lost to rounding. (Stan reference
    manual, "Cholesky factors of correlation matrices".)
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        size = _side(x.shape[-1], diagonal=False)
        rows, columns = _strict(size)
        away = jax.lax.abs(x)
        log_share = 2.0 * (math.log(2.0) - away - jnp.log1p(jnp.exp(-2.0 * away)))
        # What entry (i, j) takes is missing from (i, j + 1) on.
        log_left = jax.lax.cumsum(
            _placed(log_share, size, rows, columns + 1), axis=x.ndim
        )
        parts = jnp.eye(size, dtype=x.dtype) + _placed(jnp.tanh(x), size, rows, columns)
        size_left = jnp.tril(exp_in_range(0.5 * log_left))
        log_det = log_share + 0.5 * log_left[..., rows, columns]
        return parts * size_left, log_det.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        rows, columns = _strict(y.shape[-1])
        left = jax.lax.cumsum(y * y, axis=y.ndim - 1, reverse=True)
        after = left[..., rows, columns + 1]
        x = jnp.arcsinh(y[..., rows, columns] / jnp.sqrt(after))
        log_det = 0.5 * jnp.log(left[..., rows, columns]) - jnp.log(after)
        return x, log_det.sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        return _matrix_shape(shape, diagonal=False)

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


@pytree
class CholeskyTransform(Transform):
    """From a positive definite matrix to its lower Cholesky factor."""

    domain = constraints.positive_definite
    codomain = constraints.lower_cholesky

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y = jnp.linalg.cholesky(as_float(x))
        return y, -self._log_det_of_square(y)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        return gram(y), self._log_det_of_square(y)

    def _log_det_of_square(self, tril: Array) -> Array:
        """Of `L -> L L'`, between lower triangles: `2^n prod_j L_jj^(n - j)`."""
        size = tril.shape[-1]
        power = np.arange(size, 0, -1).astype(tril.dtype)
        return size * math.log(2.0) + (power * _log_diagonal(tril)).sum(-1)


@pytree
class CorrMatrixCholeskyTransform(Transform):
    """From a correlation matrix to its lower Cholesky factor."""

    domain = constraints.corr_matrix
    codomain = constraints.corr_cholesky

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y = jnp.linalg.cholesky(as_float(x))
        return y, -self._log_det_of_square(y)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        return gram(y), self._log_det_of_square(y)

    def _log_det_of_square(self, tril: Array) -> Array:
        """Of `L -> L L'`, between strict lower triangles: `prod_j L_jj^(n - 1 - j)`."""
        size = tril.shape[-1]
        power = np.arange(size - 1, -1, -1).astype(tril.dtype)
        return (power * _log_diagonal(tril)).sum(-1)


@pytree
class ScaleCorrMatrixTransform(Transform):
    """From a correlation matrix to the covariance with given standard deviations."""

    scale: ArrayLike
    domain = constraints.corr_matrix

    @property
    def codomain(self) -> Constraint:
        return constraints.covariance_of_scale(self.scale)

    def _products(self) -> tuple[Array, Array]:
        scale = as_float(self.scale)
        log_det = (scale.shape[-1] - 1) * jnp.log(scale).sum(-1)
        return scale[..., :, None] * scale[..., None, :], log_det

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        products, log_det = self._products()
        y = as_float(x) * products
        return y, jnp.broadcast_to(log_det, y.shape[:-2])

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        products, log_det = self._products()
        x = as_float(y) / products
        return x, jnp.broadcast_to(-log_det, x.shape[:-2])

    def forward_shape(self, shape: Shape) -> Shape:
        products = constraints.shape_of(self.scale)
        return tuple(np.broadcast_shapes(shape, (*products, products[-1])))

    def inverse_shape(self, shape: Shape) -> Shape:
        return self.forward_shape(shape)
