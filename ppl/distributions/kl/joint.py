"""Divergences of vectors and matrices made of normal variables, and of correlations."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike
from ppl.distributions._linalg import log_diagonal, solve_lower_columns
from ppl.distributions._special import as_floats, deviance
from ppl.distributions._wishart import AbstractWishartFamily
from ppl.distributions.circulant_normal import CirculantNormal
from ppl.distributions.distribution import Distribution, Independent
from ppl.distributions.inverse_wishart import AbstractInverseWishart
from ppl.distributions.kl.continuous import gamma_divergence
from ppl.distributions.kl.dispatch import kl_divergence, no_formula, register_kl
from ppl.distributions.lkj import LKJ, LKJCholesky
from ppl.distributions.low_rank_multivariate_normal import LowRankMultivariateNormal
from ppl.distributions.matrix_normal import MatrixNormal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.normal import Normal
from ppl.distributions.wishart import AbstractWishart

# --- normal vectors -------------------------------------------------------------------


def _parts(d: Independent) -> tuple[Array, Array] | None:
    """Means and scales of a vector of independent normal variables, or None."""
    if not isinstance(d.base_dist, Normal) or d.reinterpreted_batch_ndims != 1:
        return None
    base = d.base_dist
    loc, scale = as_floats(base.loc, base.scale)
    shape = base.batch_shape
    return jnp.broadcast_to(loc, shape), jnp.broadcast_to(scale, shape)


def _as_joint(d: Distribution) -> MultivariateNormal | None:
    """A normal vector by the Cholesky factor of its covariance; None if it is none."""
    if isinstance(d, MultivariateNormal):
        return d
    if isinstance(d, Independent):
        if (parts := _parts(d)) is None:
            return None
        loc, scale = parts
        tril = scale[..., None] * jnp.eye(loc.shape[-1], dtype=scale.dtype)
    elif isinstance(d, LowRankMultivariateNormal):
        loc, tril = d.mean, d.scale_tril
    elif isinstance(d, CirculantNormal):
        loc, tril = d.mean, jnp.linalg.cholesky(d.covariance_matrix)
    else:
        return None
    return MultivariateNormal(loc, scale_tril=tril, validate_args=False)


@register_kl(Independent, MultivariateNormal)
@register_kl(MultivariateNormal, Independent)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, Independent)
@register_kl(Independent, LowRankMultivariateNormal)
@register_kl(CirculantNormal, MultivariateNormal)
@register_kl(MultivariateNormal, CirculantNormal)
@register_kl(CirculantNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, CirculantNormal)
@register_kl(CirculantNormal, Independent)
def _normal_vectors(p: Distribution, q: Distribution) -> Array:
    joint_p, joint_q = _as_joint(p), _as_joint(q)
    if joint_p is None or joint_q is None:
        raise no_formula(p, q)
    return kl_divergence(joint_p, joint_q)


def _on_a_ring(q: CirculantNormal, loc: ArrayLike) -> Array:
    """Half the squared distance of `loc` from the mean of `q`."""
    return q.log_prob(q.loc) - q.log_prob(loc)


@register_kl(Independent, CirculantNormal)
def _independent_circulant(p: Independent, q: CirculantNormal) -> Array:
    """All variables of a ring have the same precision: no matrix is needed."""
    if (parts := _parts(p)) is None:
        raise no_formula(p, q)
    loc, scale = parts
    (spectrum,) = as_floats(q.covariance_rfft)
    counts = q._multiplicity()
    # As if of a common scale, and what the scales differ by.
    squares = jnp.square(scale)
    common = squares.mean(-1, keepdims=True)
    even = (counts * deviance(1.0, common / spectrum)).sum(-1)
    uneven = deviance(1.0, squares / common).sum(-1)
    return 0.5 * (even + uneven) + _on_a_ring(q, loc)


@register_kl(CirculantNormal, CirculantNormal)
def _circulant(p: CirculantNormal, q: CirculantNormal) -> Array:
    ratio = jnp.asarray(p.covariance_rfft) / jnp.asarray(q.covariance_rfft)
    spread = (q._multiplicity() * deviance(1.0, ratio)).sum(-1)
    return 0.5 * spread + _on_a_ring(q, p.loc)


def _whitened(p: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    """The squared norm of `q^-1 p`, of two factors, and its half log determinant."""
    ratio = solve_lower_columns(q, jnp.asarray(p))
    size = jnp.square(ratio).sum((-2, -1))
    return size, log_diagonal(p) - log_diagonal(q)


@register_kl(MatrixNormal, MatrixNormal)
def _matrix_normal(p: MatrixNormal, q: MatrixNormal) -> Array:
    rows, columns = p.event_shape
    row_size, row_log = _whitened(p.scale_tril_row, q.scale_tril_row)
    column_size, column_log = _whitened(p.scale_tril_column, q.scale_tril_column)
    gap = q.log_prob(q.loc) - q.log_prob(p.loc)
    spread = 0.5 * (row_size * column_size - rows * columns)
    return spread - columns * row_log - rows * column_log + gap


# --- covariances and correlations -----------------------------------------------------


def _wishart_divergence(
    p: AbstractWishartFamily, q: AbstractWishartFamily, size: Array, log_ratio: Array
) -> Array:
    n, m, d = *as_floats(p.concentration, q.concentration), p.event_shape[0]
    halves = 0.5 * (n[..., None] - np.arange(d)), 0.5 * (m[..., None] - np.arange(d))
    parts = gamma_divergence(halves[0], 1.0, halves[1], 1.0).sum(-1)
    return parts + 0.5 * n * (size - d) - m * log_ratio


@register_kl(AbstractWishart, AbstractWishart)
def _wishart(p: AbstractWishart, q: AbstractWishart) -> Array:
    _same_kind(p, q)
    return _wishart_divergence(p, q, *_whitened(p.scale_tril, q.scale_tril))


@register_kl(AbstractInverseWishart, AbstractInverseWishart)
def _inverse_wishart(p: AbstractInverseWishart, q: AbstractInverseWishart) -> Array:
    """Of the inverse matrices, whose scales are the inverse ones."""
    _same_kind(p, q)
    return _wishart_divergence(p, q, *_whitened(q.scale_tril, p.scale_tril))


def _same_kind(p: Distribution, q: Distribution) -> None:
    """A matrix and a Cholesky factor are not the same thing."""
    if type(p) is not type(q):
        raise no_formula(p, q)


@register_kl(LKJ, LKJ)
@register_kl(LKJCholesky, LKJCholesky)
def _lkj(p: LKJ | LKJCholesky, q: LKJ | LKJCholesky) -> Array:
    mine, theirs = (d._of_factors() if isinstance(d, LKJ) else d for d in (p, q))
    a, b = as_floats(p.concentration, q.concentration)
    logs = theirs.log_normaliser() - mine.log_normaliser()
    return logs + (a - b) * mine.mean_log_det()
