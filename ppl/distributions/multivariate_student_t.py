"""The multivariate t distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import factor_given, with_common_rank, with_size
from ppl.distributions._linalg import (
    gram,
    inverse_lower,
    log_diagonal,
    lower_times,
    solve_lower,
)
from ppl.distributions._parameters import as_parameter
from ppl.distributions._special import (
    HALF_LOG_2PI,
    as_floats,
    clip_real,
    half_step,
    half_step_slope,
)
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _log1p_square(z: Array, df: Array) -> Array:
    """log(1 + |z|^2 / df), also where the square would overflow."""
    largest = jax.lax.stop_gradient(jnp.abs(z).max(-1, keepdims=True))
    unit = jnp.where(largest > 1e10, largest, 1.0)
    scaled, unit = jnp.square(z / unit).sum(-1) / df, unit[..., 0]
    far = jnp.log(scaled + 1 / unit**2) + 2 * jnp.log(unit)
    return jnp.where(unit > 1, far, jnp.log1p(scaled))


@distribution
class MultivariateStudentT(Distribution):
    r"""Multivariate t: a normal vector over the root of a scaled chi-squared variable.

    Draws that would overflow, for very few degrees of freedom, stop near the ends of
    the range of the float type.

    Args:
        df: Degrees of freedom, shape `(...)`.
        loc: The centre, shape `(..., n)`, or a number for all components.
        scale_tril: The lower Cholesky factor of the scale matrix, shape `(..., n, n)`;
            the covariance is `df / (df - 2)` times the scale matrix.
        validate_args: False skips the check of the parameters.
    """

    df: ArrayLike = param(constraints.positive)
    loc: ArrayLike = param(constraints.real_vector)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        df: ArrayLike,
        loc: ArrayLike = 0.0,
        scale_tril: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        family = "MultivariateStudentT"
        if scale_tril is None:
            raise ArgumentError(f"{family} needs `scale_tril`.", value=None)
        given = {"scale_tril": scale_tril}
        _, matrix = factor_given(family, given, "", check=False)
        loc = as_parameter(loc, constraints.real_vector)
        loc = with_size(family, loc, "scale_tril", shape_of(matrix))
        loc, matrix = with_common_rank(loc, matrix)
        self._set(df=df, loc=loc, scale_tril=matrix, validate_args=validate_args)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.scale_tril)[-1:]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_normal, key_gamma = jax.random.split(key)
        eps = jax.random.normal(key_normal, self.shape(sample_shape))
        half = 0.5 * jnp.asarray(self.df)
        shape = (*sample_shape, *self.batch_shape)
        # By logarithms, or the gamma draws would be zero for few degrees of freedom.
        log_gamma = jax.random.loggamma(key_gamma, half, shape)
        t = clip_real(eps * jnp.exp(0.5 * (jnp.log(half) - log_gamma))[..., None])
        return clip_real(self.loc + lower_times(self.scale_tril, t))

    def _halves(self) -> tuple[Array, Array]:
        """`df / 2`, and all of it + `j / 2` for `j` below `n`, along a last dim."""
        h = 0.5 * as_floats(self.df)[0]
        steps = 0.5 * np.arange(self.event_shape[0], dtype=h.dtype)
        return h, h[..., None] + steps

    def _log_constant(self) -> Array:
        # lgamma(h + n/2) - lgamma(h) - n log(h) / 2, in steps of one half.
        h, all_h = self._halves()
        ratio = jnp.log1p((all_h - h[..., None]) / h[..., None])
        steps = (half_step(all_h) + 0.5 * ratio).sum(-1)
        return steps - all_h.shape[-1] * HALF_LOG_2PI - log_diagonal(self.scale_tril)

    def log_prob(self, value: ArrayLike) -> Array:
        z = solve_lower(self.scale_tril, value - self.loc)
        (df,) = as_floats(self.df)
        power = -0.5 * (df + z.shape[-1]) * _log1p_square(z, df)
        return power + self._log_constant()

    @property
    def covariance_matrix(self) -> Array:
        """The scale matrix `L L'`, which is not the covariance of the draws."""
        (n,) = self.event_shape
        return jnp.broadcast_to(gram(self.scale_tril), (*self.batch_shape, n, n))

    @property
    def precision_matrix(self) -> Array:
        """The inverse of the scale matrix."""
        (n,) = self.event_shape
        inverse = jnp.swapaxes(inverse_lower(self.scale_tril), -2, -1)
        return jnp.broadcast_to(gram(inverse), (*self.batch_shape, n, n))

    @property
    def mean(self) -> Array:
        df = jnp.asarray(self.df)[..., None]
        mean = jnp.where(df > 1, self.loc, jnp.nan)
        return jnp.broadcast_to(mean, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Array:
        df = jnp.asarray(self.df)[..., None]
        factor = df / jnp.where(df > 2, df - 2, 1.0)
        finite = factor * jnp.square(self.scale_tril).sum(-1)
        variance = jnp.where(df > 2, finite, jnp.where(df > 1, jnp.inf, jnp.nan))
        return jnp.broadcast_to(variance, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        h, all_h = self._halves()
        gap = (half_step_slope(all_h) + 0.5 / all_h).sum(-1)  # of two digammas
        entropy = (h + 0.5 * all_h.shape[-1]) * gap - self._log_constant()
        return jnp.broadcast_to(entropy, self.batch_shape)
