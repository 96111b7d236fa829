"""The multivariate normal distribution whose covariance is low rank plus diagonal."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import same_size
from ppl.distributions._linalg import (
    gram,
    log_diagonal,
    lower_times,
    solve_lower,
    solve_lower_columns,
    solve_upper,
)
from ppl.distributions._special import HALF_LOG_2PI
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _turned(matrix: ArrayLike) -> Array:
    return jnp.swapaxes(jnp.asarray(matrix), -2, -1)


@distribution
class LowRankMultivariateNormal(Distribution):
    r"""Multivariate normal with the covariance $W W^\top + \mathrm{diag}(d)$.

    With `k` columns in `W` a density costs `n k^2`, not `n^3`: only the `k` by `k`
    matrix of the Woodbury identity is factorised.

    Args:
        loc: The mean, shape `(..., n)`.
        cov_factor: The matrix $W$, shape `(..., n, k)`.
        cov_diag: The diagonal $d$, positive, shape `(..., n)`.
    """

    loc: ArrayLike = param(constraints.real_vector)
    cov_factor: ArrayLike = param(constraints.real_matrix)
    cov_diag: ArrayLike = param(constraints.independent(constraints.positive, 1))
    support = constraints.real_vector
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        same_size(
            "LowRankMultivariateNormal",
            loc=shape_of(self.loc)[-1],
            cov_factor=shape_of(self.cov_factor)[-2],
            cov_diag=shape_of(self.cov_diag)[-1],
        )

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.cov_factor)[-2:-1]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_factor, key_diagonal = jax.random.split(key)
        batch = (*sample_shape, *self.batch_shape)
        rank = shape_of(self.cov_factor)[-1]
        common = jax.random.normal(key_factor, (*batch, rank))
        own = jax.random.normal(key_diagonal, (*batch, *self.event_shape))
        return (
            self.loc
            + lower_times(self.cov_factor, common)
            + jnp.sqrt(self.cov_diag) * own
        )

    def _scaled_factor(self) -> tuple[Array, Array]:
        """`A = d^-1/2 W` and the Cholesky factor of `I + A'A`."""
        a = self.cov_factor / jnp.sqrt(jnp.asarray(self.cov_diag))[..., None]
        inner = gram(_turned(a)) + jnp.eye(a.shape[-1], dtype=a.dtype)
        return a, jnp.linalg.cholesky(inner)

    def _half_log_det(self, tril: Array) -> Array:
        return log_diagonal(tril) + 0.5 * jnp.log(self.cov_diag).sum(-1)

    def log_prob(self, value: ArrayLike) -> Array:
        a, tril = self._scaled_factor()
        y = (value - self.loc) / jnp.sqrt(self.cov_diag)
        # The square is the least of |y - A z|^2 + |z|^2: so no digits cancel.
        z = solve_upper(tril, solve_lower(tril, lower_times(_turned(a), y)))
        rest = y - lower_times(a, z)
        square = (rest * rest).sum(-1) + (z * z).sum(-1)
        constant = self._half_log_det(tril) + y.shape[-1] * HALF_LOG_2PI
        return -0.5 * square - constant

    @property
    def covariance_matrix(self) -> Array:
        """Of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        diagonal = jnp.asarray(self.cov_diag)[..., None] * jnp.eye(n)
        return jnp.broadcast_to(
            gram(self.cov_factor) + diagonal, (*self.batch_shape, n, n)
        )

    @property
    def scale_tril(self) -> Array:
        """The Cholesky factor of the covariance."""
        return jnp.linalg.cholesky(self.covariance_matrix)

    @property
    def precision_matrix(self) -> Array:
        """The inverse of the covariance, by the Woodbury identity."""
        (n,) = self.event_shape
        a, tril = self._scaled_factor()
        inner = solve_lower_columns(tril, _turned(a))
        root = jnp.sqrt(jnp.asarray(self.cov_diag))
        whitened = jnp.eye(n) - gram(_turned(inner))
        precision = whitened / root[..., None] / root[..., None, :]
        return jnp.broadcast_to(precision, (*self.batch_shape, n, n))

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        variance = jnp.square(self.cov_factor).sum(-1) + self.cov_diag
        return jnp.broadcast_to(variance, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        (n,) = self.event_shape
        _, tril = self._scaled_factor()
        entropy = n * (0.5 + HALF_LOG_2PI) + self._half_log_det(tril)
        return jnp.broadcast_to(entropy, self.batch_shape)
