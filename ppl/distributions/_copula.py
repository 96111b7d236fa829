"""What Gaussian copulas share: normal scores of values, and values of scores."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr, ndtri

from ppl._errors import ShapeError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions._factors import same_size
from ppl.distributions._linalg import (
    gram,
    log_diagonal,
    lower_times,
    solve_lower,
)
from ppl.distributions._special import HALF_LOG_2PI, LOG_2, clip_unit
from ppl.distributions.constraints import (
    Constraint,
    IndependentConstraint,
    shape_of,
)
from ppl.distributions.distribution import Distribution


@jax.custom_jvp
def lower_score(log_p: Array) -> Array:
    """The z at which the log of the normal cdf is `log_p`, at most log(1/2)."""
    lowest = 0.5 * math.log(float(jnp.finfo(log_p.dtype).tiny))
    near = ndtri(jnp.exp(jnp.maximum(log_p, lowest)))
    square = -2 * jnp.minimum(
        log_p, lowest
    )  # log p is about -z^2/2 - log(|z| sqrt 2 pi)
    far = -jnp.sqrt(square - 2 * HALF_LOG_2PI - jnp.log(square))
    z = jnp.where(log_p > lowest, near, far)
    for _ in range(3):
        slope = jnp.exp(-0.5 * z * z - HALF_LOG_2PI - log_ndtr(z))
        z = jnp.where(log_p > lowest, z, z - (log_ndtr(z) - log_p) / slope)
    return z


@lower_score.defjvp
def _lower_score_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (log_p,), (dlog_p,) = primals, tangents
    z = lower_score(log_p)
    # The ratio is finite however far out: it goes to -1/z.
    return z, jnp.exp(log_p + 0.5 * z * z + HALF_LOG_2PI) * dlog_p


def normal_scores(marginal: Distribution, value: ArrayLike) -> Array:
    """The normal quantiles of the cdf, with all digits in both tails."""
    below, above = marginal.log_cdf(value), marginal.log_sf(value)
    low = below < above
    small = jnp.minimum(jnp.where(low, below, above), -LOG_2)
    score = lower_score(small)
    return jnp.where(low, score, -score)


class AbstractGaussianCopula(Distribution):
    """Variables of given marginals whose normal scores are multivariate normal."""

    correlation_cholesky: ArrayLike

    @property
    def _marginal(self) -> Distribution:
        """The marginals, along the last batch dim."""
        raise TypeError(f"{type(self).__name__} has no marginals")

    @property
    def event_shape(self) -> Shape:
        return self._marginal.batch_shape[-1:]

    @property
    def support(self) -> Constraint:
        return IndependentConstraint(self._marginal.support, 1)

    @property
    def correlation_matrix(self) -> Array:
        """Of the normal scores, shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        matrix = gram(self.correlation_cholesky)
        return jnp.broadcast_to(matrix, (*self.batch_shape, n, n))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        score = lower_times(self.correlation_cholesky, eps)
        return self._marginal.icdf(clip_unit(ndtr(score)))

    def log_prob(self, value: ArrayLike) -> Array:
        marginal = self._marginal
        inside = marginal.support(value)
        safe = jnp.where(inside, value, marginal.support.feasible_like(value))
        score = normal_scores(marginal, safe)
        z = solve_lower(self.correlation_cholesky, score)
        coupling = -0.5 * ((z * z).sum(-1) - (score * score).sum(-1))
        coupling = coupling - log_diagonal(self.correlation_cholesky)
        log_prob = marginal.log_prob(safe).sum(-1) + coupling
        return jnp.where(inside.all(-1), log_prob, -jnp.inf)

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self._marginal.mean, self.shape())

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(self._marginal.variance, self.shape())

    def entropy(self) -> Array:
        """Of the marginals, less what they tell of one another."""
        coupling = log_diagonal(self.correlation_cholesky)
        marginals = jnp.broadcast_to(self._marginal.entropy(), self.shape())
        return marginals.sum(-1) + coupling


def check_sizes(family: str, marginals: Shape, tril: Any) -> None:
    """Raise an error unless there is one marginal for each row of the factor."""
    if not marginals:
        raise ShapeError(
            f"{family}: the marginals need at least one batch dim, to be coupled.",
            hint="Expand them, as in marginal.expand([n]).",
        )
    same_size(family, marginals=marginals[-1], correlation=shape_of(tril)[-1])
