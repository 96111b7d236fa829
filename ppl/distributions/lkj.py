"""The LKJ distribution of correlation matrices, and of their Cholesky factors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import gram, log_diagonal
from ppl.distributions._special import LOG_PI, as_floats, clip_positive, half_step
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import (
    Distribution,
    checks_deferred,
    distribution,
    param,
)


def _check(family: str, dimension: int, method: str) -> None:
    """Raise an error for a dimension or a method that there is not."""
    if not isinstance(dimension, int | np.integer) or dimension < 2:
        raise ArgumentError(
            f"{family}: dimension must be an integer >= 2, got {dimension!r}.",
            value=dimension,
        )
    if method not in ("onion", "cvine"):
        raise ArgumentError(
            f"{family}: sample_method must be 'onion' or 'cvine', got {method!r}.",
            value=method,
        )


@distribution
class LKJCholesky(Distribution):
    r"""LKJ, $p(L L^\top) \propto \det(L L^\top)^{\eta - 1}$, as a distribution of $L$.

    At concentration 1 the correlation matrix is uniform; larger values draw it to the
    identity. Row `i` of `L`, below the diagonal, is a uniform direction times the
    square root of a `Beta(i / 2, eta + (dimension - 1 - i) / 2)` variable. (D.
    Lewandowski, D. Kurowicka, H. Joe, 2009, "Generating random correlation matrices
    based on vines and extended onion method".)

    Args:
        dimension: The number of rows, at least 2.
        concentration: Positive, shape `(...)`.
        sample_method: "onion" or "cvine", for compatibility: the two draw from the same
            distribution, and both draw by the onion method here.
    """

    dimension: int = static()
    concentration: ArrayLike = param(constraints.positive, default=1.0)
    sample_method: str = static(default="onion")
    support = constraints.corr_cholesky
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        _check("LKJCholesky", self.dimension, self.sample_method)
        super()._prepare(validate_args)

    @property
    def event_shape(self) -> Shape:
        return (self.dimension, self.dimension)

    def _betas(self) -> tuple[Array, Array, Array]:
        """Both Beta parameters of all rows but the first, and their sum."""
        (eta,) = as_floats(self.concentration)
        eta = eta[..., None]
        row = np.arange(1, self.dimension, dtype=eta.dtype)
        first = jnp.broadcast_to(0.5 * row, (*eta.shape[:-1], self.dimension - 1))
        second = eta + 0.5 * (self.dimension - 1 - row)
        return first, second, eta + 0.5 * (self.dimension - 1)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        n = self.dimension
        first, second, _ = self._betas()
        key_share, key_direction = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape, n - 1)
        both = jnp.stack([first, second], axis=-1)  # a Beta draw from two Gamma draws
        log_gamma = jax.random.loggamma(key_share, both, (*shape, 2))
        log_odds = log_gamma[..., :1] - log_gamma[..., 1:]

        direction = jnp.tril(jax.random.normal(key_direction, (*shape, n - 1)))
        norm = jnp.sqrt((direction * direction).sum(-1, keepdims=True))
        below = direction / clip_positive(norm) * jnp.sqrt(jax.nn.sigmoid(log_odds))
        below = jnp.pad(below, [(0, 0)] * (below.ndim - 2) + [(1, 0), (0, 1)])
        rest = clip_positive(jnp.sqrt(jax.nn.sigmoid(-log_odds[..., 0])))
        first_row = jnp.ones((*shape[:-1], 1), rest.dtype)
        diagonal = jnp.concatenate([first_row, rest], axis=-1)
        return below + diagonal[..., None] * jnp.eye(n, dtype=rest.dtype)

    def log_normaliser(self) -> Array:
        """Of the density of factors, and of that of matrices."""
        # A sum of lgamma(second + first) - lgamma(second), in steps of one half.
        (eta,) = as_floats(self.concentration)
        count = np.arange(1, self.dimension, dtype=eta.dtype)
        h = eta[..., None] + 0.5 * (count - 1)
        steps = half_step(h) + 0.5 * jnp.log(h) - 0.5 * LOG_PI
        return -(count * steps).sum(-1)

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        _, second, _ = self._betas()
        inside = self.support(value)
        diagonal = jnp.diagonal(value, axis1=-2, axis2=-1)[..., 1:]
        log_diagonal = jnp.log(jnp.where(inside[..., None], diagonal, 1.0))
        log_prob = (2 * (second - 1) * log_diagonal).sum(-1) - self.log_normaliser()
        return jnp.where(inside, log_prob, -jnp.inf)

    def mean_log_det(self) -> Array:
        """The expectation of the log determinant of the matrix."""
        _, second, total = self._betas()
        return (digamma(second) - digamma(total)).sum(-1)

    def _diagonal_moments(self) -> tuple[Array, Array]:
        """Mean and variance of the diagonal, but for its first entry, which is one."""
        _, second, total = self._betas()
        gap = half_step(second) - half_step(total)
        share = second / total
        return jnp.sqrt(share) * jnp.exp(gap), -share * jnp.expm1(2 * gap)

    @property
    def mean(self) -> Array:
        """Of the factor: the correlation matrix itself has the identity as its mean."""
        mean, _ = self._diagonal_moments()
        ones = jnp.ones((*self.batch_shape, 1), mean.dtype)
        diagonal = jnp.concatenate([ones, mean], axis=-1)
        return diagonal[..., None] * jnp.eye(self.dimension, dtype=mean.dtype)

    @property
    def mode(self) -> Array:
        """The identity; NaN for concentrations below one, of which there is no mode."""
        peaked = jnp.asarray(self.concentration)[..., None, None] >= 1
        return jnp.where(peaked, jnp.eye(self.dimension), jnp.nan)

    @property
    def variance(self) -> Array:
        n = self.dimension
        _, variance = self._diagonal_moments()
        _, _, total = self._betas()
        zeros = jnp.zeros((*self.batch_shape, 1), variance.dtype)
        diagonal = jnp.concatenate([zeros, variance], axis=-1)
        below = np.tril(np.ones((n, n), variance.dtype), -1) / (2 * total[..., None])
        return below + diagonal[..., None] * jnp.eye(n, dtype=variance.dtype)

    def entropy(self) -> Array:
        _, second, total = self._betas()
        mean_log = digamma(second) - digamma(total)
        return self.log_normaliser() - ((second - 1) * mean_log).sum(-1)


@distribution
class LKJ(Distribution):
    r"""LKJ, $p(R) \propto \det(R)^{\eta - 1}$, as a distribution of correlations $R$.

    The density is with respect to the entries below the diagonal. A density costs a
    factorisation that `LKJCholesky` does without. Draws are pulled to the identity by a
    few roundings, to stay definite. (Lewandowski, Kurowicka, Joe, 2009.)

    Args:
        dimension: The number of rows, at least 2.
        concentration: Positive, shape `(...)`.
        sample_method: "onion" or "cvine", for compatibility.
    """

    dimension: int = static()
    concentration: ArrayLike = param(constraints.positive, default=1.0)
    sample_method: str = static(default="onion")
    support = constraints.corr_matrix
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        _check("LKJ", self.dimension, self.sample_method)
        super()._prepare(validate_args)

    @property
    def event_shape(self) -> Shape:
        return (self.dimension, self.dimension)

    def _of_factors(self) -> LKJCholesky:
        with checks_deferred():
            return LKJCholesky(self.dimension, self.concentration)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        n = self.dimension
        matrix = gram(self._of_factors().sample(key, sample_shape))
        one = jnp.ones((), matrix.dtype)
        shrunk = matrix * (1 - 8 * n * jnp.finfo(matrix.dtype).eps)
        return jnp.where(np.eye(n, dtype=bool), one, shrunk)

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        n = self.dimension
        inside = self.support(value)
        identity = jnp.eye(n, dtype=value.dtype)
        factor = jnp.linalg.cholesky(
            jnp.where(inside[..., None, None], value, identity)
        )
        (eta,) = as_floats(self.concentration)
        log_prob = 2 * (eta - 1) * log_diagonal(factor)
        log_prob = log_prob - self._of_factors().log_normaliser()
        return jnp.where(inside, log_prob, -jnp.inf)

    def _shape_of_entries(self) -> Array:
        """Each entry is a Beta(b, b) variable, stretched to (-1, 1): this is `b`."""
        return (
            jnp.asarray(self.concentration)[..., None, None] - 1 + 0.5 * self.dimension
        )

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(jnp.eye(self.dimension), self.shape())

    @property
    def mode(self) -> Array:
        """The identity; NaN for concentrations below one, of which there is no mode."""
        peaked = jnp.asarray(self.concentration)[..., None, None] >= 1
        return jnp.where(peaked, jnp.eye(self.dimension), jnp.nan)

    @property
    def variance(self) -> Array:
        off = 1.0 - jnp.eye(self.dimension)
        return off / (2 * self._shape_of_entries() + 1)

    def entropy(self) -> Array:
        factors = self._of_factors()
        (eta,) = as_floats(self.concentration)
        log_normaliser = factors.log_normaliser()
        return log_normaliser - (eta - 1) * factors.mean_log_det()


@distribution
class LKJCovariance(Distribution):
    """The covariance with given standard deviations and LKJ correlations.

    The density is with respect to the entries below the diagonal.

    Args:
        scale: The standard deviations, shape `(..., n)`, `n` at least 2.
        concentration: Of the LKJ distribution, positive, shape `(...)`.
    """

    scale: ArrayLike = param(constraints.independent(constraints.positive, 1))
    concentration: ArrayLike = param(constraints.positive, default=1.0)
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        _check("LKJCovariance", shape_of(self.scale)[-1], "onion")

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.scale)[-1:] * 2

    @property
    def support(self) -> Constraint:
        return constraints.covariance_of_scale(self.scale)

    def _of_correlations(self) -> LKJ:
        with checks_deferred():
            return LKJ(self.event_shape[0], self._over_batch(self.concentration))

    def _products(self) -> Array:
        (scale,) = as_floats(self.scale)
        return scale[..., :, None] * scale[..., None, :]

    def _log_det(self) -> Array:
        """Of the map from correlations to covariances, below the diagonal."""
        (scale,) = as_floats(self.scale)
        return (self.event_shape[0] - 1) * jnp.log(scale).sum(-1)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self._of_correlations().sample(key, sample_shape) * self._products()

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        correlations = value / self._products()
        return self._of_correlations().log_prob(correlations) - self._log_det()

    @property
    def mean(self) -> Array:
        return self._of_correlations().mean * self._products()

    @property
    def mode(self) -> Array:
        return self._of_correlations().mode * self._products()

    @property
    def variance(self) -> Array:
        return self._of_correlations().variance * jnp.square(self._products())

    def entropy(self) -> Array:
        return self._of_correlations().entropy() + self._log_det()
