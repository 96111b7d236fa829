"""Priors of many coefficients that share their shrinkage, as statements of a model."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from ppl import distributions as dist
from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike
from ppl.primitives import deterministic, sample

__all__ = ["R2D2", "RegularizedHorseshoe", "horseshoe_scale"]


def _checked(name: str, size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ArgumentError(
            f"the number of coefficients must be an integer >= 1, got {size!r}.",
            site=name,
            value=size,
        )
    return size


def horseshoe_scale(
    expected: float, size: int, num_data: int, noise_scale: ArrayLike = 1.0
) -> Any:
    """The `global_scale` of a horseshoe of which about `expected` coefficients matter.

    Piironen and Vehtari's rule, for predictors of variance one.

    Args:
        expected: A guess of the number of coefficients that are not near zero.
        size: The number of coefficients.
        num_data: The number of observations.
        noise_scale: The standard deviation of the noise; 2 suits a logistic regression.

    Raises:
        ArgumentError: `expected` is not between 0 and `size`.
    """
    if not 0 < expected < size:
        raise ArgumentError(
            f"expected must be above 0 and below size = {size}, got {expected}.",
            value=expected,
        )
    return expected / (size - expected) * noise_scale / math.sqrt(num_data)


def RegularizedHorseshoe(
    name: str,
    size: int,
    *,
    global_scale: ArrayLike = 1.0,
    slab_scale: ArrayLike = 2.0,
    slab_df: ArrayLike = 4.0,
    local_df: ArrayLike = 1.0,
    global_df: ArrayLike = 1.0,
) -> Array:
    r"""Coefficients of which most are near zero and some free, up to a slab.

    $\beta_j = z_j \tau \tilde\lambda_j$ with $z_j \sim N(0, 1)$ and
    $\tilde\lambda_j^2 = c^2 \lambda_j^2 / (c^2 + \tau^2 \lambda_j^2)$, where $\tau$ and
    $\lambda_j$ are half t and $c^2$ is inverse gamma, so that large coefficients have a
    t prior with `slab_df` degrees of freedom. J. Piironen and A. Vehtari (2017,
    "Sparsity information and regularization in the horseshoe and other shrinkage
    priors"). Free sites are `name_z`, `name_local`, `name_global` and `name_slab`.

    Args:
        name: The name of the coefficients, a deterministic site.
        size: How many there are.
        global_scale: The scale of the shrinkage they share; see `horseshoe_scale`.
        slab_scale: How large a coefficient may well be.
        slab_df: Degrees of freedom of the slab.
        local_df: Degrees of freedom of each coefficient's own scale.
        global_df: Degrees of freedom of the scale they share.

    Returns:
        The coefficients, of shape `(size,)`.
    """
    many = (_checked(name, size),)
    half = 0.5 * jnp.asarray(slab_df)
    tau = sample(f"{name}_global", dist.HalfStudentT(global_df, global_scale))
    local = dist.HalfStudentT(local_df).expand(many).to_event(1)
    lam = sample(f"{name}_local", local)
    square = jnp.square(jnp.asarray(slab_scale))
    slab = sample(f"{name}_slab", dist.InverseGamma(half, half * square))
    z = sample(f"{name}_z", dist.Normal().expand(many).to_event(1))
    # tau lambda c / hypot(c, tau lambda), in a form that cannot overflow
    wide = tau * lam
    c = jnp.sqrt(slab)
    small, large = jnp.minimum(wide, c), jnp.maximum(wide, c)
    width = small / jnp.sqrt(1 + jnp.square(small / large))
    return deterministic(name, z * width)


def R2D2(
    name: str,
    size: int,
    *,
    mean_r2: ArrayLike = 0.5,
    precision_r2: ArrayLike = 2.0,
    concentration: ArrayLike = 0.5,
    noise_scale: ArrayLike = 1.0,
    predictor_scale: ArrayLike = 1.0,
) -> Array:
    r"""Coefficients by a prior on the share of variance that they explain together.

    $R^2$ is beta distributed, $\omega = R^2 / (1 - R^2)$ is shared out by Dirichlet
    weights $\phi$, and $\beta_j$ is Laplace with the variance
    $\sigma^2 \phi_j \omega / s_j^2$. Y. Zhang, B. Naughton, H. Bondell and B. Reich
    (2022, "Bayesian regression using a prior on the model fit: the R2-D2 shrinkage
    prior"). Free sites are `name_z`, `name_share` and `name_r2`.

    Args:
        name: The name of the coefficients, a deterministic site.
        size: How many there are.
        mean_r2: The prior mean of R squared.
        precision_r2: The sum of the two concentrations of its beta prior.
        concentration: That of the Dirichlet prior of the shares; small is sparse.
        noise_scale: The standard deviation $\sigma$ of the noise; may be a site.
        predictor_scale: The standard deviations $s$ of the predictors, scalar or of
            shape `(size,)`.

    Returns:
        The coefficients, of shape `(size,)`.
    """
    many = (_checked(name, size),)
    mean, precision = jnp.asarray(mean_r2), jnp.asarray(precision_r2)
    beta = dist.Beta(mean * precision, (1 - mean) * precision)
    r2 = sample(f"{name}_r2", beta)
    if size > 1:
        weights = jnp.full(many, 1.0) * jnp.asarray(concentration)
        share = sample(f"{name}_share", dist.Dirichlet(weights))
    else:
        share = jnp.ones(many)
    z = sample(f"{name}_z", dist.Laplace(0.0, math.sqrt(0.5)).expand(many).to_event(1))
    # A share or a rest of zero, which a float can hold, must have a finite slope.
    limits = jnp.finfo(jnp.result_type(float))
    share, r2 = jnp.maximum(share, limits.tiny), jnp.maximum(r2, limits.tiny)
    log_width = jnp.log(share) + jnp.log(r2)
    log_width = log_width - jnp.log(jnp.maximum(1 - r2, limits.epsneg))
    width = jnp.exp(0.5 * log_width) * (noise_scale / jnp.asarray(predictor_scale))
    return deterministic(name, z * width)
