"""The Wishart distribution of covariance matrices, and of their Cholesky factors."""

from __future__ import annotations

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import _wishart as w
from ppl.distributions import constraints
from ppl.distributions._linalg import (
    product,
    solve_lower_columns,
)
from ppl.distributions.distribution import distribution, param


class AbstractWishart(w.AbstractWishartFamily):
    """The parameters of a Wishart distribution, and the factor that both draw."""

    def _halves(self) -> Array:
        return w.halves(self.concentration, self.event_shape[0], rising=False)

    def _draw_factor(self, key: Key, sample_shape: Shape) -> Array:
        batch = (*sample_shape, *self.batch_shape)
        return product(self.scale_tril, w.draw_factor(key, self._halves(), batch))

    def _log_prob_of_factor(self, factor: Array) -> Array:
        standard = solve_lower_columns(self.scale_tril, factor)
        log_det = w.weighted_log(self.scale_tril, rising=True)
        return w.log_density_of_factor(standard, self._halves()) - log_det

    def _entropy_of_factor(self) -> Array:
        log_det = w.weighted_log(self.scale_tril, rising=True)
        entropy = w.entropy_of_factor(self._halves()) + log_det
        return jnp.broadcast_to(entropy, self.batch_shape)


@distribution
class Wishart(AbstractWishart, w.AbstractOfMatrix):
    r"""Wishart: the sum of $\nu$ outer products of normal vectors of covariance $V$.

    The density is $\propto |X|^{(\nu - n - 1) / 2} e^{-\mathrm{tr}(V^{-1} X) / 2}$,
    with respect to one triangle of $X$. Draws are raised by a few roundings on the
    diagonal, to stay definite. Exactly one of the matrices is given.

    Args:
        concentration: The degrees of freedom $\nu$, above `n - 1`, shape `(...)`.
        scale_matrix: The matrix $V$, shape `(..., n, n)`.
        rate_matrix: The inverse of the scale matrix, instead.
        scale_tril: The lower Cholesky factor of the scale matrix, instead.
        validate_args: False skips the check of the parameters.
    """

    concentration: ArrayLike = param(constraints.positive)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    __init__ = w.AbstractWishartFamily.__init__

    @property
    def mean(self) -> Array:
        return jnp.asarray(self.concentration)[..., None, None] * self.scale_matrix

    @property
    def variance(self) -> Array:
        scale = self.scale_matrix
        squares = scale**2 + w.products_of_diagonal(scale)
        return jnp.asarray(self.concentration)[..., None, None] * squares

    @property
    def mode(self) -> Array:
        """NaN below `n + 1` degrees of freedom: there the density has no maximum."""
        excess = jnp.asarray(self.concentration) - self.event_shape[0] - 1
        factor = jnp.where(excess >= 0, excess, jnp.nan)
        return factor[..., None, None] * self.scale_matrix

    def entropy(self) -> Array:
        tril = self.scale_tril
        size = self.event_shape[0]
        chi = w.mean_log_chi(self._halves())
        weights = jnp.arange(size, 0, -1)
        log_det = w.log_det_of_square(tril) + (weights * chi).sum(-1)
        return self._entropy_of_factor() + log_det


@distribution
class WishartCholesky(AbstractWishart, w.AbstractOfFactor):
    """The lower Cholesky factor of a Wishart matrix.

    Exactly one of the matrices is given.

    Args:
        concentration: The degrees of freedom, above `n - 1`, shape `(...)`.
        scale_matrix: The scale of the Wishart matrix, shape `(..., n, n)`.
        rate_matrix: The inverse of the scale matrix, instead.
        scale_tril: The lower Cholesky factor of the scale matrix, instead.
        validate_args: False skips the check of the parameters.
    """

    concentration: ArrayLike = param(constraints.positive)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    __init__ = w.AbstractWishartFamily.__init__

    @property
    def mean(self) -> Array:
        """Of the factor, not the factor of the mean."""
        mean, _ = w.chi_moments(self._halves())
        return jnp.broadcast_to(self.scale_tril * mean[..., None, :], self.shape())

    @property
    def mode(self) -> Array:
        """NaN up to `n` degrees of freedom: there the density has no maximum."""
        # With L = scale_tril B, the density is of B alone: chi variables, and normal.
        count = jnp.arange(1.0, self.event_shape[0] + 1)
        excess = jnp.asarray(self.concentration)[..., None] - count
        root = jnp.sqrt(jnp.where(excess[..., -1:] > 0, excess, jnp.nan))
        mode = jnp.tril(self.scale_tril * root[..., None, :])
        return jnp.broadcast_to(mode, self.shape())

    @property
    def variance(self) -> Array:
        _, variance = w.chi_moments(self._halves())
        squares = jnp.square(self.scale_tril)
        # Entry (i, j) is a chi times L_ij and, for each k > j, a normal times L_ik.
        total = jnp.cumsum(squares[..., ::-1], axis=-1)[..., ::-1]
        normals = jnp.tril(total - squares)
        return jnp.broadcast_to(
            normals + squares * variance[..., None, :], self.shape()
        )
