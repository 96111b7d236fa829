"""The matrix normal distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import same_size
from ppl.distributions._linalg import log_diagonal, solve_lower_columns
from ppl.distributions._special import HALF_LOG_2PI
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class MatrixNormal(Distribution):
    r"""Matrix normal: entries `(i, j)`, `(k, l)` have the covariance $U_{ik} V_{jl}$.

    (A. P. Dawid, 1981, "Some matrix-variate distribution theory".)

    Args:
        loc: The mean, shape `(..., n, p)`.
        scale_tril_row: The lower Cholesky factor of $U$, shape `(..., n, n)`.
        scale_tril_column: The lower Cholesky factor of $V$, shape `(..., p, p)`.
    """

    loc: ArrayLike = param(constraints.real_matrix)
    scale_tril_row: ArrayLike = param(constraints.lower_cholesky)
    scale_tril_column: ArrayLike = param(constraints.lower_cholesky)
    support = constraints.real_matrix
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        n, p = shape_of(self.loc)[-2:]
        row = shape_of(self.scale_tril_row)[-1]
        column = shape_of(self.scale_tril_column)[-1]
        same_size("MatrixNormal, rows", loc=n, scale_tril_row=row)
        same_size("MatrixNormal, columns", loc=p, scale_tril_column=column)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.loc)[-2:]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        away = jnp.einsum(
            "...ij,...jk,...lk->...il",
            self.scale_tril_row,
            eps,
            self.scale_tril_column,
            precision=jax.lax.Precision.HIGHEST,
        )
        return self.loc + away

    def _half_log_det(self) -> Array:
        n, p = self.event_shape
        row, column = self.scale_tril_row, self.scale_tril_column
        return p * log_diagonal(row) + n * log_diagonal(column)

    def log_prob(self, value: ArrayLike) -> Array:
        z = solve_lower_columns(self.scale_tril_row, value - self.loc)
        z = solve_lower_columns(self.scale_tril_column, jnp.swapaxes(z, -2, -1))
        n, p = self.event_shape
        constant = n * p * HALF_LOG_2PI + self._half_log_det()
        return -0.5 * (z * z).sum((-2, -1)) - constant

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        row = jnp.square(self.scale_tril_row).sum(-1)
        column = jnp.square(self.scale_tril_column).sum(-1)
        variance = row[..., :, None] * column[..., None, :]
        return jnp.broadcast_to(variance, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        n, p = self.event_shape
        entropy = n * p * (0.5 + HALF_LOG_2PI) + self._half_log_det()
        return jnp.broadcast_to(entropy, self.batch_shape)
