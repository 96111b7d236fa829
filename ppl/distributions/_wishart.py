"""What the Wishart families share: triangular factors of a standard Wishart matrix.

A standard Wishart matrix is `A A'` with `A` lower triangular, all entries independent:
normal below the diagonal, and chi with known degrees of freedom on it. (M. S. Bartlett,
1933, "On the theory of statistical regression".)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions._factors import factor_given
from ppl.distributions._linalg import definite_gram, gram, inverse_lower
from ppl.distributions._parameters import ParameterCheck, as_parameter, known
from ppl.distributions._special import (
    HALF_LOG_2PI,
    LOG_2,
    as_floats,
    clip_positive,
    deviance,
    half_step,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions.constraints import (
    lower_cholesky,
    namespace,
    positive_definite,
    real,
    shape_of,
)
from ppl.distributions.distribution import Distribution

MATRICES: tuple[str, ...] = ("scale_matrix", "rate_matrix", "scale_tril")


def concentration_check(concentration: Any, size: int) -> ParameterCheck:
    """That there are enough degrees of freedom for a density."""
    value = known(concentration)
    ok = namespace(value).asarray(value) > size - 1
    return ParameterCheck("concentration", value, ok, f"must be > {size - 1}")


def diagonal(matrix: ArrayLike) -> Array:
    """The diagonals of a batch of matrices."""
    return jnp.diagonal(jnp.asarray(matrix), axis1=-2, axis2=-1)


def halves(concentration: ArrayLike, size: int, *, rising: bool) -> Array:
    """Half the degrees of freedom of each diagonal entry, along a last dim."""
    (nu,) = as_floats(concentration)
    steps = np.arange(size, dtype=nu.dtype)
    return 0.5 * (nu[..., None] - (steps[::-1] if rising else steps))


def draw_factor(key: Key, h: Array, shape: Shape) -> Array:
    """A lower triangular matrix of normals, chi on its diagonal.

    Args:
        key: For the draw.
        h: Half the degrees of freedom of the diagonal.
        shape: The shape of the batch.
    """
    key_normal, key_gamma = jax.random.split(key)
    size = h.shape[-1]
    below = jnp.tril(jax.random.normal(key_normal, (*shape, size, size)), -1)
    log_gamma = jax.random.loggamma(key_gamma, h, (*shape, size))
    chi = clip_positive(jnp.exp(0.5 * (LOG_2 + log_gamma)))
    return below + chi[..., None] * jnp.eye(size, dtype=chi.dtype)


def log_density_of_factor(factor: Array, h: Array) -> Array:
    """The log density of such a matrix; its diagonal must be positive."""
    chi = diagonal(factor)
    y = 0.5 * chi * chi
    log_chi = jnp.log(h) + LOG_2 - jnp.log(chi) - deviance(h, y) - stirling_rest(h)
    size = factor.shape[-1]
    below = jnp.square(jnp.tril(factor, -1)).sum((-2, -1))
    normal = -0.5 * below - 0.5 * size * (size - 1) * HALF_LOG_2PI
    return log_chi.sum(-1) + normal


def mean_log_chi(h: Array) -> Array:
    """The expectation of the log of a chi variable."""
    digamma = stirling_slope(h) + jnp.log(h) - 1 / h
    return 0.5 * (digamma + LOG_2)


def entropy_of_factor(h: Array) -> Array:
    """The entropy of such a matrix."""
    size = h.shape[-1]
    gamma = stirling_rest(h) + (1 - h) * stirling_slope(h) + (h - 1) / h
    normal = 0.5 * size * (size - 1) * (0.5 + HALF_LOG_2PI)
    return (gamma - mean_log_chi(h)).sum(-1) + normal


def chi_moments(h: Array) -> tuple[Array, Array]:
    """Mean and variance of a chi variable of `2 h` degrees of freedom."""
    gap = half_step(h)
    return jnp.sqrt(2 * h) * jnp.exp(gap), -2 * h * jnp.expm1(2 * gap)


def weighted_log(tril: ArrayLike, *, rising: bool) -> Array:
    """The sum over `i` of `log L_ii` times `i + 1`, or times `n - i` if falling."""
    logs = jnp.log(diagonal(tril))
    weights = np.arange(1, logs.shape[-1] + 1, dtype=logs.dtype)
    return (logs * (weights if rising else weights[::-1])).sum(-1)


def log_det_of_square(tril: ArrayLike) -> Array:
    """Of the map `L -> L L'` between lower triangles."""
    return shape_of(tril)[-1] * LOG_2 + weighted_log(tril, rising=False)


def products_of_diagonal(matrix: Array) -> Array:
    """The matrix of all `M_ii M_jj`."""
    d = diagonal(matrix)
    return d[..., :, None] * d[..., None, :]


class AbstractWishartFamily(Distribution):
    """The parameters of a Wishart matrix or of its inverse, or of factors of them."""

    concentration: ArrayLike
    scale_tril: ArrayLike
    has_rsample = True

    def __init__(
        self,
        concentration: ArrayLike,
        scale_matrix: ArrayLike | None = None,
        rate_matrix: ArrayLike | None = None,
        scale_tril: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        given = dict(
            zip(MATRICES, (scale_matrix, rate_matrix, scale_tril), strict=True)
        )
        family, check = type(self).__name__, validate_args is not False
        _, tril = factor_given(family, given, "rate_matrix", check=check)
        self._set(
            concentration=as_parameter(concentration, real),
            scale_tril=tril,
            validate_args=validate_args,
        )

    def parameter_checks(self) -> list[ParameterCheck]:
        (size, _) = self.event_shape
        enough = concentration_check(self.concentration, size)
        return [*super().parameter_checks(), enough]

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.scale_tril)[-2:]

    @property
    def scale_matrix(self) -> Array:
        """`L L'`, of shape `batch_shape + (n, n)`."""
        return jnp.broadcast_to(gram(self.scale_tril), self.shape())

    @property
    def rate_matrix(self) -> Array:
        """The inverse of the scale matrix, of the same shape."""
        inverse = jnp.swapaxes(inverse_lower(self.scale_tril), -2, -1)
        return jnp.broadcast_to(gram(inverse), self.shape())

    def _draw_factor(self, key: Key, sample_shape: Shape) -> Array:
        """Draws of the Cholesky factor."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def _log_prob_of_factor(self, factor: Array) -> Array:
        """The log density of the Cholesky factor."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def _entropy_of_factor(self) -> Array:
        """The entropy of the Cholesky factor."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def _inside(self, value: ArrayLike) -> tuple[Array, Array]:
        """Where values are in the support, and the identity where they are not."""
        (value,) = as_floats(value)
        inside = self.support(value)
        identity = jnp.eye(value.shape[-1], dtype=value.dtype)
        return inside, jnp.where(inside[..., None, None], value, identity)


class AbstractOfMatrix(AbstractWishartFamily):
    """A family of positive definite matrices."""

    support = positive_definite

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return definite_gram(self._draw_factor(key, sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        inside, safe = self._inside(value)
        factor = jnp.linalg.cholesky(safe)
        log_prob = self._log_prob_of_factor(factor) - log_det_of_square(factor)
        return jnp.where(inside, log_prob, -jnp.inf)


class AbstractOfFactor(AbstractWishartFamily):
    """A family of lower Cholesky factors."""

    support = lower_cholesky

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self._draw_factor(key, sample_shape)

    def log_prob(self, value: ArrayLike) -> Array:
        inside, safe = self._inside(value)
        return jnp.where(inside, self._log_prob_of_factor(safe), -jnp.inf)

    def entropy(self) -> Array:
        return self._entropy_of_factor()
