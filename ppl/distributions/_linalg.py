"""Products and solves with lower triangular matrices, batched without waste."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from ppl._typing import Array, ArrayLike


def lower_times(tril: ArrayLike, vectors: ArrayLike) -> Array:
    """`L v` for a batch of matrices and a batch of vectors, in full precision."""
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("...ij,...j->...i", tril, vectors, precision=highest)


def product(left: ArrayLike, right: ArrayLike) -> Array:
    """The matrix product, in full precision."""
    highest = jax.lax.Precision.HIGHEST
    return jnp.matmul(jnp.asarray(left), jnp.asarray(right), precision=highest)


def gram(matrix: ArrayLike) -> Array:
    """`M M'` for a batch of matrices, in full precision."""
    matrix, highest = jnp.asarray(matrix), jax.lax.Precision.HIGHEST
    return jnp.matmul(matrix, jnp.swapaxes(matrix, -2, -1), precision=highest)


def definite_gram(matrix: ArrayLike) -> Array:
    """`M M'` with its diagonal raised by a few roundings, so that it has a factor."""
    square = gram(matrix)
    lift = 8 * square.shape[-1] * jnp.finfo(square.dtype).eps
    return square * (1 + lift * jnp.eye(square.shape[-1], dtype=square.dtype))


def solve_lower(tril: ArrayLike, vectors: ArrayLike) -> Array:
    """`L^-1 v` for a batch of matrices and a batch of vectors.

    All vectors that share a matrix are solved for at once: no copy of a matrix is made
    for the leading dims (or the dims of length one) that it does not vary over.
    """
    tril, vectors = jnp.asarray(tril), jnp.asarray(vectors)
    while tril.ndim > 2 and tril.shape[0] == 1:
        tril = tril[0]
        vectors = vectors.reshape((1,) * (tril.ndim - vectors.ndim) + vectors.shape)
    own = tril.ndim - 2
    extra = max(vectors.ndim - 1 - own, 0)
    shared = np.broadcast_shapes(tril.shape[:-2], vectors.shape[extra:-1])
    size = tril.shape[-1]

    columns = jnp.broadcast_to(vectors, (*vectors.shape[:extra], *shared, size))
    columns = jnp.moveaxis(columns.reshape(-1, *shared, size), 0, -1)
    tril = jnp.broadcast_to(tril, (*shared, size, size))
    solved = jnp.moveaxis(solve_triangular(tril, columns, lower=True), -1, 0)
    return solved.reshape(*vectors.shape[:extra], *shared, size)


def solve_lower_columns(tril: ArrayLike, matrices: ArrayLike) -> Array:
    """`L^-1 M` for a batch of factors and a batch of matrices with as many rows."""
    matrices = jnp.asarray(matrices)
    lacking = max(np.ndim(tril) - matrices.ndim, 0)
    matrices = matrices.reshape((1,) * lacking + matrices.shape)
    columns = jnp.moveaxis(matrices, -1, 0)
    return jnp.moveaxis(solve_lower(tril, columns), 0, -1)


def solve_upper(tril: ArrayLike, vectors: ArrayLike) -> Array:
    """`L'^-1 v` for a batch of lower triangular matrices and a batch of vectors."""
    upper = jnp.swapaxes(jnp.asarray(tril), -2, -1)
    turned = solve_lower(jnp.flip(upper, (-2, -1)), jnp.flip(vectors, -1))
    return jnp.flip(turned, -1)


def inverse_lower(tril: ArrayLike) -> Array:
    """`L^-1` for a batch of matrices."""
    tril = jnp.asarray(tril)
    identity = jnp.broadcast_to(jnp.eye(tril.shape[-1], dtype=tril.dtype), tril.shape)
    return solve_triangular(tril, identity, lower=True)


def log_diagonal(tril: ArrayLike) -> Array:
    """The sum of the logs of the diagonal: log determinant of a triangular matrix."""
    return jnp.log(jnp.diagonal(jnp.asarray(tril), axis1=-2, axis2=-1)).sum(-1)
