r"""Divergences of continuous families.

Between members of an exponential family they are what the log normaliser exceeds its
tangent by. Differences of large logarithms are written as deviances
$d(x, m) = x \log(x / m) + m - x$, which keep their digits in float32. (M. Gil, F.
Alajaji and T. Linder, 2013, "Rényi divergence measures for commonly used univariate
continuous distributions".)
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike
from ppl.distributions._linalg import solve_lower
from ppl.distributions._special import (
    as_floats,
    deviance,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions.beta import AbstractBeta
from ppl.distributions.cauchy import Cauchy, HalfCauchy
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.exponential import Exponential
from ppl.distributions.gamma import AbstractGamma, InverseGamma
from ppl.distributions.kl.dispatch import register_kl
from ppl.distributions.laplace import Laplace
from ppl.distributions.logit_normal import LogitNormal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.nakagami import Nakagami
from ppl.distributions.normal import HalfNormal, LogNormal, Normal
from ppl.distributions.uniform import Uniform

# --- normal and its relatives ---------------------------------------------------------


def _spread(ratio: ArrayLike) -> Array:
    """Of centred normal distributions with this ratio of standard deviations."""
    (ratio,) = as_floats(ratio)
    return deviance(1.0, ratio) + 0.5 * jnp.square(ratio - 1.0)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Array:
    return _spread(p.scale / q.scale)


@register_kl(Normal, Normal)
@register_kl(LogNormal, LogNormal)
@register_kl(LogitNormal, LogitNormal)
def _normal(
    p: Normal | LogNormal | LogitNormal, q: Normal | LogNormal | LogitNormal
) -> Array:
    gap = jnp.square((p.loc - q.loc) / q.scale)
    return _spread(p.scale / q.scale) + 0.5 * gap


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Array:
    batch = np.broadcast_shapes(p.batch_shape, q.batch_shape)
    shape = (*batch, *p.event_shape * 2)
    columns = jnp.moveaxis(jnp.broadcast_to(p.scale_tril, shape), -1, 0)
    ratio = jnp.moveaxis(solve_lower(q.scale_tril, columns), 0, -1)  # Lq^-1 Lp
    own = _spread(jnp.diagonal(ratio, axis1=-2, axis2=-1)).sum(-1)
    below = jnp.square(jnp.tril(ratio, -1)).sum((-2, -1))
    gap = solve_lower(q.scale_tril, jnp.asarray(p.loc - q.loc))
    return own + 0.5 * (below + jnp.square(gap).sum(-1))


# --- gamma, beta and Dirichlet --------------------------------------------------------


def _rest(to: Array, at: Array) -> Array:
    """What log gamma exceeds its tangent at `at` by, less `deviance(to, at)`."""
    value = stirling_rest(to) - stirling_rest(at) - jnp.log(to / at)
    return value - (to - at) * (stirling_slope(at) - 1 / at)


def gamma_divergence(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> Array:
    """Of the gamma distribution of shape `a` and rate `b` against that of `c`, `d`."""
    a, b, c, d = jnp.broadcast_arrays(*as_floats(a, b, c, d))
    return deviance(c, a * (d / b)) + _rest(c, a)


GammaLike = AbstractGamma | Exponential


def as_gamma(d: GammaLike) -> tuple[Array, Array]:
    """The shape and the rate of a gamma distribution under whatever name."""
    if isinstance(d, Exponential):
        (rate,) = as_floats(d.rate)
        return jnp.ones_like(rate), rate
    return d._both()


@register_kl(AbstractGamma, AbstractGamma)
@register_kl(AbstractGamma, Exponential)
@register_kl(Exponential, AbstractGamma)
def _gamma(p: GammaLike, q: GammaLike) -> Array:
    return gamma_divergence(*as_gamma(p), *as_gamma(q))


@register_kl(InverseGamma, InverseGamma)
def _inverse_gamma(p: InverseGamma, q: InverseGamma) -> Array:
    return gamma_divergence(p.concentration, p.rate, q.concentration, q.rate)


@register_kl(Nakagami, Nakagami)
def _nakagami(p: Nakagami, q: Nakagami) -> Array:
    """The square of such a variable is a gamma variable."""
    a, mean, c, other = as_floats(p.concentration, p.spread, q.concentration, q.spread)
    return gamma_divergence(a, a / mean, c, c / other)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Array:
    return deviance(1.0, q.rate / p.rate)


def _dirichlet_divergence(p: Array, q: Array) -> Array:
    """Of concentrations `p` against `q`, along the last dim."""
    total_p, total_q = p.sum(-1), q.sum(-1)
    share = p / total_p[..., None]
    parts = deviance(q, total_q[..., None] * share) + _rest(q, p)
    return parts.sum(-1) - _rest(total_q, total_p)


@register_kl(AbstractBeta, AbstractBeta)
def _beta(p: AbstractBeta, q: AbstractBeta) -> Array:
    first, second = (jnp.stack(jnp.broadcast_arrays(*d._powers()), -1) for d in (p, q))
    return _dirichlet_divergence(first, second)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Array:
    return _dirichlet_divergence(*as_floats(p.concentration, q.concentration))


# --- others ---------------------------------------------------------------------------


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Array:
    loc_p, scale, loc_q, other = as_floats(p.loc, p.scale, q.loc, q.scale)
    ratio, away = scale / other, jnp.abs(loc_p - loc_q) / scale
    return deviance(1.0, ratio) + ratio * (jnp.expm1(-away) + away)


def _cauchy_divergence(scale: ArrayLike, other: ArrayLike, gap: ArrayLike) -> Array:
    """F. Chyzak and F. Nielsen, 2019, "A closed-form formula for the KL divergence"."""
    scale, other, gap = as_floats(scale, other, gap)
    spread = jnp.square(scale - other) / scale / other
    return jnp.log1p(0.25 * (spread + (gap / scale) * (gap / other)))


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Array:
    return _cauchy_divergence(p.scale, q.scale, p.loc - q.loc)


@register_kl(HalfCauchy, HalfCauchy)
def _half_cauchy(p: HalfCauchy, q: HalfCauchy) -> Array:
    return _cauchy_divergence(p.scale, q.scale, 0.0)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Array:
    inside = (p.low >= q.low) & (p.high <= q.high)
    (ratio,) = as_floats((q.high - q.low) / (p.high - p.low))
    return jnp.where(inside, jnp.log(ratio), jnp.inf)
