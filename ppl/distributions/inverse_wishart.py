"""The inverse Wishart distribution of covariances, and of their Cholesky factors."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import _wishart as w
from ppl.distributions import constraints
from ppl.distributions._linalg import (
    inverse_lower,
    product,
    solve_lower_columns,
)
from ppl.distributions._special import half_step
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import distribution, param


class AbstractInverseWishart(w.AbstractWishartFamily):
    """The parameters of an inverse Wishart, and the factor that both draw.

    The factor of a draw is `L B^-1`, where `B` is lower triangular with independent
    entries: normals, and on the diagonal chi variables with degrees of freedom that
    rise to the concentration.
    """

    def _halves(self) -> Array:
        return w.halves(self.concentration, self.event_shape[0], rising=True)

    def _draw_factor(self, key: Key, sample_shape: Shape) -> Array:
        batch = (*sample_shape, *self.batch_shape)
        standard = w.draw_factor(key, self._halves(), batch)
        return jnp.tril(product(self.scale_tril, inverse_lower(standard)))

    def _log_prob_of_factor(self, factor: Array) -> Array:
        shape = jnp.broadcast_shapes(factor.shape, shape_of(self.scale_tril))
        tril = jnp.broadcast_to(self.scale_tril, shape)
        standard = solve_lower_columns(factor, tril)
        log_det = jnp.log(w.diagonal(standard)).sum(-1) * (factor.shape[-1] + 1)
        log_det = log_det - w.weighted_log(self.scale_tril, rising=True)
        return w.log_density_of_factor(standard, self._halves()) + log_det

    def _entropy_of_factor(self) -> Array:
        h, size = self._halves(), self.event_shape[0]
        log_det = w.weighted_log(self.scale_tril, rising=True)
        log_det = log_det - (size + 1) * w.mean_log_chi(h).sum(-1)
        return jnp.broadcast_to(w.entropy_of_factor(h) + log_det, self.batch_shape)


@distribution
class InverseWishart(AbstractInverseWishart, w.AbstractOfMatrix):
    r"""Inverse Wishart: the inverse of a Wishart matrix of scale $\Psi^{-1}$.

    The density is $\propto |X|^{-(\nu + n + 1) / 2} e^{-\mathrm{tr}(\Psi X^{-1}) / 2}$,
    with respect to one triangle of $X$. Draws are raised by a few roundings on the
    diagonal, to stay definite. Exactly one of the matrices is given.

    Args:
        concentration: The degrees of freedom $\nu$, above `n - 1`, shape `(...)`.
        scale_matrix: The matrix $\Psi$, shape `(..., n, n)`.
        rate_matrix: The inverse of the scale matrix, instead.
        scale_tril: The lower Cholesky factor of the scale matrix, instead.
        validate_args: False skips the check of the parameters.
    """

    concentration: ArrayLike = param(constraints.positive)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    __init__ = w.AbstractWishartFamily.__init__

    def _excess(self) -> Array:
        """The degrees of freedom less `n`, with two more dims."""
        return jnp.asarray(self.concentration)[..., None, None] - self.event_shape[0]

    @property
    def mean(self) -> Array:
        """Infinite on the diagonal (NaN off it) up to `n + 1` degrees of freedom."""
        excess, scale = self._excess(), self.scale_matrix
        none = jnp.where(np.eye(self.event_shape[0], dtype=bool), jnp.inf, jnp.nan)
        finite = scale / jnp.where(excess > 1, excess - 1, 1.0)
        return jnp.where(excess > 1, finite, none)

    @property
    def variance(self) -> Array:
        """Infinite up to `n + 3` degrees of freedom."""
        excess, scale = self._excess(), self.scale_matrix
        m = jnp.where(excess > 3, excess, 4.0)
        squares = (m + 1) * scale**2 + (m - 1) * w.products_of_diagonal(scale)
        finite = squares / (m * (m - 1) ** 2 * (m - 3))
        return jnp.where(excess > 3, finite, jnp.inf)

    @property
    def mode(self) -> Array:
        return self.scale_matrix / (self._excess() + 2 * self.event_shape[0] + 1)

    def entropy(self) -> Array:
        weights = jnp.arange(self.event_shape[0], 0, -1)
        chi = w.mean_log_chi(self._halves())
        log_det = w.log_det_of_square(self.scale_tril) - (weights * chi).sum(-1)
        return self._entropy_of_factor() + log_det


@distribution
class InverseWishartCholesky(AbstractInverseWishart, w.AbstractOfFactor):
    """The lower Cholesky factor of an inverse Wishart matrix.

    Exactly one of the matrices is given.

    Args:
        concentration: The degrees of freedom, above `n - 1`, shape `(...)`.
        scale_matrix: The scale of the inverse Wishart matrix, shape `(..., n, n)`.
        rate_matrix: The inverse of the scale matrix, instead.
        scale_tril: The lower Cholesky factor of the scale matrix, instead.
        validate_args: False skips the check of the parameters.
    """

    concentration: ArrayLike = param(constraints.positive)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    __init__ = w.AbstractWishartFamily.__init__

    def _mean_of_inverse(self) -> Array:
        """The expectations of the diagonal of `B^-1`; off it they are zero."""
        h = self._halves()
        safe = jnp.where(h > 0.5, h - 0.5, 1.0)
        mean = jnp.exp(-half_step(safe)) / jnp.sqrt(2 * safe)
        return jnp.where(h > 0.5, mean, jnp.inf)

    @property
    def mean(self) -> Array:
        """Of the factor; not finite up to `n` degrees of freedom."""
        mean = self._mean_of_inverse()
        return jnp.broadcast_to(
            jnp.tril(self.scale_tril * mean[..., None, :]), self.shape()
        )

    @property
    def mode(self) -> Array:
        # With L = scale_tril T, the density is the product of t_ii^-(nu + i) times
        # exp(-|T^-1|^2 / 2): largest for a diagonal T.
        count = jnp.arange(1.0, self.event_shape[0] + 1)
        root = jnp.sqrt(jnp.asarray(self.concentration)[..., None] + count)
        mode = jnp.tril(self.scale_tril / root[..., None, :])
        return jnp.broadcast_to(mode, self.shape())

    @property
    def variance(self) -> Array:
        """Of the factor; infinite up to `n + 1` degrees of freedom."""
        size, nu = self.event_shape[0], 2 * self._halves()
        enough = (nu > 2).all(-1)[..., None, None]
        # Row i of B^-1 is -1 / B_ii times row i of B times the rows above it, so second
        # moments grow by the factor 1 + E[1 / B_ii^2] from row to row.
        e = 1 / jnp.where(nu > 2, nu - 2, 1.0)
        grown = jnp.cumprod(1 + e, axis=-1)
        before = grown / (1 + e)
        below = e[..., :, None] * e[..., None, :]
        below = below * before[..., :, None] / grown[..., None, :]
        second = jnp.tril(below, -1) + e[..., None] * jnp.eye(size, dtype=e.dtype)
        mean = jnp.where(enough[..., 0], self._mean_of_inverse(), 0.0)
        own = second - jnp.square(mean)[..., None] * jnp.eye(size, dtype=e.dtype)
        variance = jnp.tril(product(jnp.square(self.scale_tril), own))
        infinite = jnp.tril(jnp.full((size, size), jnp.inf))
        return jnp.broadcast_to(jnp.where(enough, variance, infinite), self.shape())
