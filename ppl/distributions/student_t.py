"""Student's t distribution and its absolute value."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    HALF_LOG_2PI,
    LOG_2,
    as_floats,
    clip_positive,
    clip_real,
    fused,
    half_step,
    half_step_slope,
    log1p_square,
)
from ppl.distributions._special_tails import log_betainc
from ppl.distributions.distribution import Distribution, distribution, param


@fused
def _log_density(df: ArrayLike, z: ArrayLike) -> Array:
    df, z = as_floats(df, z)
    power = -0.5 * (df + 1) * log1p_square(z / jnp.sqrt(df))
    return power + half_step(0.5 * df) - HALF_LOG_2PI


@fused
def _log_tail(df: ArrayLike, z: ArrayLike) -> Array:
    """The log of P(T > z) for z >= 0."""
    df, z = as_floats(df, z)
    log_x = -log1p_square(z / jnp.sqrt(df))  # x = df / (df + z^2)
    half = jnp.full_like(log_x, 0.5)
    # So far out that x underflows the tail is a power of x.
    lowest = 0.9 * math.log(float(jnp.finfo(log_x.dtype).tiny))
    low = jnp.maximum(log_x, lowest)
    power = 0.5 * df * (log_x - low)
    return log_betainc(0.5 * df, half, jnp.exp(low), -jnp.expm1(low)) + power - LOG_2


def _standard_draws(key: Key, df: ArrayLike, shape: Shape) -> Array:
    key_normal, key_gamma = jax.random.split(key)
    eps = jax.random.normal(key_normal, shape)
    half = 0.5 * jnp.asarray(df)
    # By logarithms, or the gamma draws would be zero for few degrees of freedom.
    log_gamma = jax.random.loggamma(key_gamma, half, shape)
    return clip_real(eps * jnp.exp(0.5 * (jnp.log(half) - log_gamma)))


def _standard_entropy(df: ArrayLike) -> Array:
    (df,) = as_floats(df)
    h = 0.5 * df
    slopes = (h + 0.5) * (half_step_slope(h) + 0.5 / h)
    return slopes - half_step(h) + HALF_LOG_2PI


@distribution
class StudentT(Distribution):
    """Student's t, shifted and scaled.

    For very few degrees of freedom draws that would overflow stop near the ends of the
    range of the float type.

    Args:
        df: Degrees of freedom, of shape `batch_shape`.
        loc: The median.
        scale: The scale; the standard deviation is larger.
    """

    df: ArrayLike = param(constraints.positive)
    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        t = _standard_draws(key, self.df, self.shape(sample_shape))
        return clip_real(self.loc + self.scale * t)

    def _z(self, value: ArrayLike) -> Array:
        return as_floats((value - self.loc) / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_density(self.df, self._z(value)) - jnp.log(self.scale)

    def cdf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        tail = jnp.exp(_log_tail(self.df, jnp.abs(z)))
        return jnp.where(z < 0, tail, 1 - tail)

    def log_cdf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        log_tail = _log_tail(self.df, jnp.abs(z))
        return jnp.where(z < 0, log_tail, jnp.log1p(-jnp.exp(log_tail)))

    def log_sf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        log_tail = _log_tail(self.df, jnp.abs(z))
        return jnp.where(z > 0, log_tail, jnp.log1p(-jnp.exp(log_tail)))

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.loc + self.scale * jnp.sinh(u))

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.where(jnp.asarray(self.df) > 1, self.loc, jnp.nan))

    @property
    def variance(self) -> Array:
        df = jnp.asarray(self.df)
        finite = jnp.square(self.scale) * df / jnp.where(df > 2, df - 2, 1.0)
        return self._over_batch(
            jnp.where(df > 2, finite, jnp.where(df > 1, jnp.inf, jnp.nan))
        )

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc)

    def entropy(self) -> Array:
        return self._over_batch(_standard_entropy(self.df) + jnp.log(self.scale))


@fused
def _log_middle(df: ArrayLike, z: ArrayLike) -> Array:
    """The log of P(|T| <= z) for z > 0."""
    df, z = jnp.broadcast_arrays(*as_floats(df, z))
    least = 1e-8 * jnp.sqrt(df)  # below, the density is as at zero
    low = z < least
    log_x = -log1p_square(jnp.where(low, least, z) / jnp.sqrt(df))
    far = log_x < -1  # there the tail is the more precise one
    near = jnp.where(far, -0.5, log_x)
    inside = log_betainc(
        jnp.full_like(near, 0.5), 0.5 * df, -jnp.expm1(near), jnp.exp(near)
    )
    outer = jnp.where(far, z, jnp.sqrt(df))
    beyond = jnp.log1p(-jnp.exp(LOG_2 + _log_tail(df, outer)))
    some = jnp.where(low, z, 1.0)
    flat = jnp.log(some) + LOG_2 + half_step(0.5 * df) - HALF_LOG_2PI
    return jnp.where(low, flat, jnp.where(far, beyond, inside))


@distribution
class HalfStudentT(Distribution):
    """Half Student's t: the absolute value of a t variable around zero.

    For very few degrees of freedom draws that would overflow stop near the end of the
    range of the float type.

    Args:
        df: Degrees of freedom, of shape `batch_shape`; 1 is the half Cauchy
            distribution, infinity the half normal one.
        scale: The scale; the standard deviation of the whole t is larger.
    """

    df: ArrayLike = param(constraints.positive)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        t = _standard_draws(key, self.df, self.shape(sample_shape))
        return clip_positive(self.scale * jnp.abs(t))

    def _z(self, value: ArrayLike) -> Array:
        return as_floats(value / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        inside = _log_density(self.df, self._z(value)) + LOG_2 - jnp.log(self.scale)
        return jnp.where(value < 0, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        inside = _log_middle(self.df, jnp.where(z > 0, z, 1.0))
        return jnp.where(z > 0, inside, -jnp.inf)

    def log_sf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        log_tail = LOG_2 + _log_tail(self.df, jnp.maximum(z, 0.0))
        return jnp.where(z > 0, log_tail, 0.0)

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.scale * jnp.exp(u))

    @property
    def mean(self) -> Array:
        (df,) = as_floats(self.df)
        share = df / jnp.where(df > 1, df - 1, 1.0)
        mean = self.scale * math.sqrt(2 / math.pi) * share * jnp.exp(half_step(df / 2))
        return self._over_batch(jnp.where(df > 1, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        (df,) = as_floats(self.df)
        square = jnp.square(self.scale) * (df / jnp.where(df > 2, df - 2, 1.0))
        variance = square - jnp.square(jnp.where(df > 2, self.mean, 0.0))
        return self._over_batch(jnp.where(df > 2, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        return self._over_batch(0.0)

    def entropy(self) -> Array:
        half = _standard_entropy(self.df) - LOG_2
        return self._over_batch(half + jnp.log(self.scale))
