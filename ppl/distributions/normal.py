"""The normal distribution, its absolute value and its exponential."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfinv, log_ndtr, ndtr, ndtri

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import HALF_LOG_2PI, LOG_2, clip_positive
from ppl.distributions.distribution import Distribution, distribution, param
from ppl.distributions.hurdle import HurdleProbs
from ppl.distributions.truncated import TruncatedDistribution

_SQRT_2 = math.sqrt(2.0)
_TERMS = 10  # of the series far in the tail; JAX's own 3 leave an error of 4e-9


def _log_ndtr(z: ArrayLike) -> Array:
    return log_ndtr(z, _TERMS)


@distribution
class Normal(Distribution):
    r"""Normal, $\mathcal{N}(\mu, \sigma^2)$.

    Args:
        loc: The mean $\mu$, of shape `batch_shape`.
        scale: The standard deviation $\sigma$.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return self.loc + self.scale * eps

    def log_prob(self, value: ArrayLike) -> Array:
        z = (value - self.loc) / self.scale
        return -0.5 * z * z - jnp.log(self.scale) - HALF_LOG_2PI

    def cdf(self, value: ArrayLike) -> Array:
        return ndtr((value - self.loc) / self.scale)

    def log_cdf(self, value: ArrayLike) -> Array:
        return _log_ndtr((value - self.loc) / self.scale)

    def log_sf(self, value: ArrayLike) -> Array:
        return _log_ndtr((self.loc - value) / self.scale)

    def icdf(self, q: ArrayLike) -> Array:
        return self.loc + self.scale * ndtri(jnp.asarray(q))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(self.scale))

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        return self._over_batch(0.5 + HALF_LOG_2PI + jnp.log(self.scale))


@distribution
class HalfNormal(Distribution):
    r"""Half normal: the absolute value of $\mathcal{N}(0, \sigma^2)$.

    Args:
        scale: The standard deviation $\sigma$ of the whole normal, not of this half.
    """

    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return clip_positive(self.scale * jnp.abs(eps))

    def log_prob(self, value: ArrayLike) -> Array:
        z = value / self.scale
        inside = -0.5 * z * z - jnp.log(self.scale) + (LOG_2 - HALF_LOG_2PI)
        return jnp.where(value < 0, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return erf(jnp.maximum(value / self.scale, 0.0) / _SQRT_2)

    def log_sf(self, value: ArrayLike) -> Array:
        return LOG_2 + _log_ndtr(-jnp.maximum(value / self.scale, 0.0))

    def icdf(self, q: ArrayLike) -> Array:
        return self.scale * _SQRT_2 * erfinv(jnp.asarray(q))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.scale * math.sqrt(2 / math.pi))

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(self.scale) * (1 - 2 / math.pi))

    @property
    def mode(self) -> Array:
        return self._over_batch(0.0)

    def entropy(self) -> Array:
        return self._over_batch(0.5 + HALF_LOG_2PI - LOG_2 + jnp.log(self.scale))


@distribution
class LogNormal(Distribution):
    r"""Log normal: the exponential of $\mathcal{N}(\mu, \sigma^2)$.

    Draws that would leave the range of the float type stop near its ends.

    Args:
        loc: The mean $\mu$ of the logarithm.
        scale: The standard deviation $\sigma$ of the logarithm.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return clip_positive(jnp.exp(self.loc + self.scale * eps))

    def _standardised(self, value: ArrayLike) -> tuple[Array, Array]:
        """The logarithm of a value, made harmless outside the support, and its z."""
        log_value = jnp.log(jnp.where(value <= 0, 1.0, value))
        return log_value, (log_value - self.loc) / self.scale

    def log_prob(self, value: ArrayLike) -> Array:
        log_value, z = self._standardised(value)
        inside = -0.5 * z * z - log_value - jnp.log(self.scale) - HALF_LOG_2PI
        return jnp.where(value <= 0, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.where(value <= 0, 0.0, ndtr(self._standardised(value)[1]))

    def log_cdf(self, value: ArrayLike) -> Array:
        inside = _log_ndtr(self._standardised(value)[1])
        return jnp.where(value <= 0, -jnp.inf, inside)

    def log_sf(self, value: ArrayLike) -> Array:
        return jnp.where(value <= 0, 0.0, _log_ndtr(-self._standardised(value)[1]))

    def icdf(self, q: ArrayLike) -> Array:
        return jnp.exp(self.loc + self.scale * ndtri(jnp.asarray(q)))

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.exp(self.loc + 0.5 * jnp.square(self.scale)))

    @property
    def variance(self) -> Array:
        square = jnp.square(self.scale)
        return self._over_batch(jnp.expm1(square) * jnp.exp(2 * self.loc + square))

    @property
    def mode(self) -> Array:
        return self._over_batch(jnp.exp(self.loc - jnp.square(self.scale)))

    def entropy(self) -> Array:
        return self._over_batch(self.loc + 0.5 + HALF_LOG_2PI + jnp.log(self.scale))


def TruncatedNormal(
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    validate_args: bool | None = None,
) -> Distribution:
    """Normal, given that it lies between two bounds, either of which may be None.

    Args:
        loc: The mean before truncation, of shape `batch_shape`.
        scale: The standard deviation before truncation.
        low: The lower bound.
        high: The upper bound.
        validate_args: Whether to check the parameters now.
    """
    base = Normal(loc, scale, validate_args=validate_args)  # type: ignore
    return TruncatedDistribution(base, low, high, validate_args=validate_args)


def HurdleLogNormal(
    gate: ArrayLike,
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    *,
    validate_args: bool | None = None,
) -> HurdleProbs:
    """Zero with some probability, else log normal.

    Args:
        gate: The probability of zero, of shape `batch_shape`.
        loc: The mean of the logarithm of what is positive.
        scale: Its standard deviation.
        validate_args: Whether to check the parameters now.
    """
    base = LogNormal(loc, scale, validate_args=validate_args)  # type: ignore
    return HurdleProbs(base, gate, validate_args=validate_args)  # type: ignore
