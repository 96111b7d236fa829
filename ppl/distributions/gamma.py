"""The gamma distribution, chi squared and the reciprocal of gamma."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import log_of_ratio, misfit
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    LOG_2,
    as_floats,
    clip_positive,
    deviance,
    fused,
    log1mexp,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions._special_tails import log_gamma_tails
from ppl.distributions.distribution import Distribution, distribution, param
from ppl.distributions.hurdle import HurdleProbs
from ppl.distributions.truncated import (
    LeftTruncatedDistribution,
    RightTruncatedDistribution,
    TruncatedDistribution,
    TwoSidedTruncatedDistribution,
)


def _log_product(x: Array, by: Array) -> Array:
    """log(x * by), also where the product would be too small or too large a number."""
    limits = jnp.finfo(x.dtype)
    lift = limits.maxexp // 2
    deep = x * by < 2.0**-lift
    product = jnp.where(deep, x * 2.0**lift, x) * by
    log_product = jnp.log(jnp.clip(product, limits.tiny, limits.max))
    return log_product - jnp.where(deep, lift * LOG_2, 0.0)


@jax.custom_jvp
def _log_density(a: Array, rate: Array, x: Array) -> Array:
    # A Poisson probability: of a - 1 events or, for a < 1, of a. What the parameters
    # cost alone is not broadcast: it is mostly the same for many values.
    flat = a >= 1
    count = jnp.where(flat, a - 1, a)
    own, mean = jnp.log(rate) - stirling_rest(count), rate * x
    log_excess = _log_product(x, rate / jnp.where(count == 0, 1.0, count))
    cost = misfit(count, mean, mean - count, log_excess)
    return own - cost - jnp.where(flat, 0.0, log_excess)


@partial(_log_density.defjvp, symbolic_zeros=True)
def _log_density_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, rate, x), (da, drate, dx) = primals, tangents
    out = _log_density(a, rate, x)
    change = jnp.zeros_like(out)
    zero = jax.custom_derivatives.SymbolicZero
    if not isinstance(dx, zero):
        change += ((a - 1) / x - rate) * dx
    if not isinstance(drate, zero):
        change += (a / rate - x) * drate
    if not isinstance(da, zero):
        gap, far = rate * x - a, _log_product(x, rate / a)
        change += (log_of_ratio(a, gap, far) + (1 / a - stirling_slope(a))) * da
    return out, change


@fused
def _gamma_log_prob(a: ArrayLike, rate: ArrayLike, value: ArrayLike) -> Array:
    a, rate, x = as_floats(a, rate, value)
    outside = x <= 0
    inside = _log_density(a, rate, jnp.where(outside, 1.0, x))
    return jnp.where(outside, -jnp.inf, inside)


def _standard_entropy(a: ArrayLike) -> Array:
    """Entropy of a gamma variable of rate one."""
    (a,) = as_floats(a)
    return stirling_rest(a) + (1 - a) * (stirling_slope(a) - 1 / a)


class AbstractGamma(Distribution):
    """What the two have in common; `_both` gives the shape and the rate."""

    support = constraints.positive
    has_rsample = True

    def _both(self) -> tuple[Array, Array]:
        raise TypeError(f"{type(self).__name__} is abstract")

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        a, rate = self._both()
        draws = jax.random.gamma(key, a, self.shape(sample_shape))
        return clip_positive(draws / rate)

    def log_prob(self, value: ArrayLike) -> Array:
        return _gamma_log_prob(*self._both(), value)

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        (a, rate), (x,) = self._both(), as_floats(value)
        outside = x <= 0
        x = jnp.where(outside, 1 / rate, x)
        # Below what a float can hold the lower tail is a power of x.
        least = 2.0**20 * jnp.finfo(x.dtype).tiny
        tiny = rate * x < least
        scaled = jnp.where(tiny, least, rate * x)
        log_least = math.log(float(least))
        short = a * (jnp.log(jnp.where(tiny, x, 1.0)) + jnp.log(rate) - log_least)
        lower, upper = log_gamma_tails(a, scaled)
        lower = lower + jnp.where(tiny, short, 0.0)
        upper = jnp.where(tiny, log1mexp(jnp.where(tiny, -lower, 1.0)), upper)
        lower = jnp.where(outside, -jnp.inf, lower)
        return lower, jnp.where(outside, 0.0, upper)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        _, rate = self._both()
        return quantile_of(self, q, lambda u: jnp.exp(u) / rate)

    @property
    def mean(self) -> Array:
        a, rate = self._both()
        return self._over_batch(a / rate)

    @property
    def variance(self) -> Array:
        a, rate = self._both()
        return self._over_batch(a / jnp.square(rate))

    @property
    def mode(self) -> Array:
        a, rate = self._both()
        return self._over_batch(jnp.maximum(a - 1, 0.0) / rate)

    def entropy(self) -> Array:
        a, rate = self._both()
        return _standard_entropy(a) - jnp.log(rate)


@distribution
class Gamma(AbstractGamma):
    """Gamma, by shape and rate.

    For a small concentration many draws are below what a float can hold (40% of those
    of `Gamma(0.01)` in float32); they become nearly the smallest number.

    Args:
        concentration: The shape, of shape `batch_shape`.
        rate: The rate; the mean is `concentration / rate`.
    """

    concentration: ArrayLike = param(constraints.positive)
    rate: ArrayLike = param(constraints.positive, default=1.0)

    def _both(self) -> tuple[Array, Array]:
        a, rate = as_floats(self.concentration, self.rate)
        return a, rate


@distribution
class Chi2(AbstractGamma):
    """Chi squared: the sum of the squares of so many standard normal variables.

    Args:
        df: Degrees of freedom, of shape `batch_shape`.
    """

    df: ArrayLike = param(constraints.positive)

    def _both(self) -> tuple[Array, Array]:
        (df,) = as_floats(self.df)
        return 0.5 * df, jnp.full_like(df, 0.5)


@distribution
class InverseGamma(Distribution):
    """Inverse gamma: the reciprocal of a gamma variable.

    Args:
        concentration: The shape, of shape `batch_shape`.
        rate: The rate of the gamma variable, which is the scale of this one.
    """

    concentration: ArrayLike = param(constraints.positive)
    rate: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        # By logarithms, or the gamma draws would be zero for small concentrations.
        shape = self.shape(sample_shape)
        log_gamma = jax.random.loggamma(key, self.concentration, shape)
        return clip_positive(jnp.exp(jnp.log(self.rate) - log_gamma))

    def log_prob(self, value: ArrayLike) -> Array:
        a, rate, x = as_floats(self.concentration, self.rate, value)
        outside = x <= 0
        x = jnp.where(outside, 1.0, x)
        poisson = -stirling_rest(a) - deviance(a, rate / x)
        return jnp.where(outside, -jnp.inf, jnp.log(a) - jnp.log(x) + poisson)

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        a, scaled = as_floats(self.concentration, self.rate / jnp.maximum(value, 0.0))
        lower, upper = log_gamma_tails(a, scaled)
        return upper, lower

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.rate * jnp.exp(u))

    @property
    def mean(self) -> Array:
        above = jnp.asarray(self.concentration) - 1
        mean = self.rate / jnp.where(above > 0, above, 1.0)
        return self._over_batch(jnp.where(above > 0, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        a = jnp.asarray(self.concentration)
        safe = jnp.where(a > 2, a, 3.0)
        variance = jnp.square(self.rate / (safe - 1)) / (safe - 2)
        return self._over_batch(jnp.where(a > 2, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        return self._over_batch(self.rate / (self.concentration + 1))

    def entropy(self) -> Array:
        return (
            _standard_entropy(self.concentration)
            + jnp.log(self.rate)
            - 2 * digamma(jnp.asarray(self.concentration))
        )


def HurdleGamma(
    gate: ArrayLike,
    concentration: ArrayLike,
    rate: ArrayLike = 1.0,
    *,
    validate_args: bool | None = None,
) -> HurdleProbs:
    """Zero with some probability, else gamma.

    Args:
        gate: The probability of zero, of shape `batch_shape`.
        concentration: The shape of what is positive.
        rate: Its rate.
        validate_args: Whether to check the parameters now.
    """
    base = Gamma(concentration, rate, validate_args=validate_args)  # type: ignore
    return HurdleProbs(base, gate, validate_args=validate_args)  # type: ignore


def TruncatedGamma(
    concentration: ArrayLike = 1.0,
    rate: ArrayLike = 1.0,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    validate_args: bool | None = None,
) -> Distribution:
    """Gamma, given that it lies between two bounds, either of which may be None.

    Args:
        concentration: The shape before truncation, of shape `batch_shape`.
        rate: The rate before truncation.
        low: The lower bound.
        high: The upper bound.
        validate_args: Whether to check the parameters now.
    """
    base = Gamma(concentration, rate, validate_args=validate_args)  # type: ignore
    return TruncatedDistribution(base, low, high, validate_args=validate_args)


def LeftTruncatedGamma(
    base_dist: Gamma, low: ArrayLike = 0.0, *, validate_args: bool | None = None
) -> LeftTruncatedDistribution:
    """Gamma, given that it exceeds a bound.

    Args:
        base_dist: A gamma distribution.
        low: The bound.
        validate_args: Whether to check the parameters now.
    """
    return LeftTruncatedDistribution(base_dist, low, validate_args=validate_args)  # type: ignore


def RightTruncatedGamma(
    base_dist: Gamma, high: ArrayLike = 1.0, *, validate_args: bool | None = None
) -> RightTruncatedDistribution:
    """Gamma, given that it does not exceed a bound.

    Args:
        base_dist: A gamma distribution.
        high: The bound.
        validate_args: Whether to check the parameters now.
    """
    return RightTruncatedDistribution(base_dist, high, validate_args=validate_args)  # type: ignore


def TwoSidedTruncatedGamma(
    base_dist: Gamma,
    low: ArrayLike = 0.0,
    high: ArrayLike = 1.0,
    *,
    validate_args: bool | None = None,
) -> TwoSidedTruncatedDistribution:
    """Gamma, given that it lies between two bounds.

    Args:
        base_dist: A gamma distribution.
        low: The lower bound.
        high: The upper bound.
        validate_args: Whether to check the parameters now.
    """
    return TwoSidedTruncatedDistribution(
        base_dist,
        low,
        high,
        validate_args=validate_args,  # type: ignore
    )
