"""The multivariate normal distribution."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._pytree import replace
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
from ppl.distributions.constraints import namespace, shape_of
from ppl.distributions.distribution import Distribution, distribution, param

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@distribution
class MultivariateNormal(Distribution):
    r"""Multivariate normal, $\mathcal{N}(\mu, L L^\top)$.

    It is kept as `scale_tril`, the lower Cholesky factor $L$ of the covariance:
    sampling is one product and the density one triangular solve, with no factorisation
    in either.

    Args:
        loc: The mean, shape `(..., n)`, or a number for all components.
        covariance_matrix: Shape `(..., n, n)`, symmetric and positive definite.
        precision_matrix: The inverse of the covariance, instead.
        scale_tril: The Cholesky factor of the covariance, instead.
        validate_args: False skips the check of the parameters.
    """

    loc: ArrayLike = param(constraints.real_vector)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: ArrayLike = 0.0,
        covariance_matrix: ArrayLike | None = None,
        precision_matrix: ArrayLike | None = None,
        scale_tril: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        family, check = "MultivariateNormal", validate_args is not False
        name, matrix = factor_given(family, given, "precision_matrix", check=check)
        loc = as_parameter(loc, constraints.real_vector)
        loc = with_size(family, loc, name, shape_of(matrix))
        loc, matrix = with_common_rank(loc, matrix)
        self._set(loc=loc, scale_tril=matrix, validate_args=validate_args)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.scale_tril)[-1:]

    def expand(self, batch_shape: Shape) -> MultivariateNormal:
        # The matrix stays as it is: one that all members share is solved with once.
        batch_shape = tuple(batch_shape)
        loc = namespace(self.loc).broadcast_to(self.loc, batch_shape + self.event_shape)
        _, tril = with_common_rank(loc, self.scale_tril)
        return replace(self, loc=loc, scale_tril=tril)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return self.loc + lower_times(self.scale_tril, eps)

    def log_prob(self, value: ArrayLike) -> Array:
        z = solve_lower(self.scale_tril, value - self.loc)
        constant = log_diagonal(self.scale_tril) + z.shape[-1] * _HALF_LOG_2PI
        return -0.5 * (z * z).sum(-1) - constant

    @property
    def covariance_matrix(self) -> Array:
        """`L L'`, of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        return jnp.broadcast_to(gram(self.scale_tril), (*self.batch_shape, n, n))

    @property
    def precision_matrix(self) -> Array:
        """The inverse of the covariance, of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        inverse = jnp.swapaxes(inverse_lower(self.scale_tril), -2, -1)
        return jnp.broadcast_to(gram(inverse), (*self.batch_shape, n, n))

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        variance = jnp.square(self.scale_tril).sum(-1)
        return jnp.broadcast_to(variance, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        (n,) = self.event_shape
        entropy = n * (0.5 + _HALF_LOG_2PI) + log_diagonal(self.scale_tril)
        return jnp.broadcast_to(entropy, self.batch_shape)
