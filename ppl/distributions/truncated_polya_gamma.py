"""The truncated Pólya-gamma distribution."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    HALF_LOG_2PI,
    LOG_2,
    LOG_PI,
    as_floats,
    open_uniform,
)
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution

_END = 2.5
_TURN = 0.16  # from here on the series in exp(-x) is the better one
_ODD = (1, 3, 5, 7)  # more terms are below the rounding of a double
_SIGNS = (1, -1, 1, -1)
_RATES = tuple(0.5 * (math.pi * n) ** 2 for n in _ODD)
_SHARES = tuple(4 / math.pi * s / n for s, n in zip(_SIGNS, _ODD, strict=True))

# P(X > end), and what the untruncated mean 1/4 and square 1/16 + 1/24 owe to it.
_BEYOND = tuple(a * math.exp(-k * _END) for a, k in zip(_SHARES, _RATES, strict=True))
_MASS = 1 - sum(_BEYOND)
_FIRST = sum(b * (_END + 1 / k) for b, k in zip(_BEYOND, _RATES, strict=True))
_SECOND = sum(
    b * (_END**2 + 2 * _END / k + 2 / k**2)
    for b, k in zip(_BEYOND, _RATES, strict=True)
)
_MEAN = (1 / 4 - _FIRST) / _MASS
_VARIANCE = (1 / 16 + 1 / 24 - _SECOND) / _MASS - _MEAN**2
_MODE = 0.083321066373737755  # this and the entropy by quadrature with 30 digits
_ENTROPY = -0.511090157242502593


def _log_density(x: Array) -> Array:
    early = x < _TURN
    a, b = jnp.where(early, x, _TURN), jnp.where(early, _TURN, x)
    # Below 0.002 the other terms are nothing, and their slopes no numbers.
    c, terms = jnp.maximum(a, 0.002), tuple(zip(_SIGNS[1:], _ODD[1:], strict=True))
    rest = sum(s * n * jnp.exp((1 - n * n) / (8 * c)) for s, n in terms)
    small = -0.125 / a - 1.5 * jnp.log(a) - HALF_LOG_2PI + jnp.log1p(rest)
    rest = sum(s * n * jnp.exp((1 - n * n) * (_RATES[0] * b)) for s, n in terms)
    large = LOG_2 + LOG_PI - _RATES[0] * b + jnp.log1p(rest)
    return jnp.where(early, small, large) - math.log(_MASS)


def _log_tails(x: Array) -> tuple[Array, Array]:
    """Log of the probabilities below and above a value inside."""
    early = x < _TURN
    a, b = jnp.where(early, x, _TURN), jnp.where(early, _TURN, x)
    root = 0.5 / jnp.sqrt(jnp.maximum(a, 0.002))
    first = log_ndtr(-root)
    rest = sum(
        s * jnp.exp(log_ndtr(-n * root) - first)
        for s, n in zip(_SIGNS[1:], _ODD[1:], strict=True)
    )
    below = 2 * LOG_2 + log_ndtr(-0.5 / jnp.sqrt(a)) + jnp.log1p(rest)
    below -= math.log(_MASS)
    above = sum(
        w * jnp.exp(-k * b) * -jnp.expm1(-k * (_END - b))
        for w, k in zip(_SHARES, _RATES, strict=True)
    )
    above = jnp.log(above / _MASS)
    lower = jnp.where(early, below, jnp.log1p(-jnp.exp(above)))
    return lower, jnp.where(early, jnp.log1p(-jnp.exp(below)), above)


@distribution
class TruncatedPolyaGamma(Distribution):
    """Pólya-gamma PG(1, 0), truncated to at most 2.5.

    The mixing variable of the logistic distribution (Polson, Scott & Windle 2013), by
    its two theta series. Mass of 5.6e-6 is cut off; the density is normalised without
    it.

    Args:
        batch_shape: The shape of independent members.
    """

    _members: ArrayLike  # nothing but its shape is used, which a map over it changes
    support = constraints.interval(0.0, _END)

    def __init__(self, batch_shape: Shape = (), *, validate_args: bool | None = None):
        self._set(_members=np.zeros(batch_shape), validate_args=validate_args)

    @property
    def batch_shape(self) -> Shape:
        return shape_of(self._members)

    def expand(self, batch_shape: Shape) -> TruncatedPolyaGamma:
        return TruncatedPolyaGamma(tuple(batch_shape))

    def parameter_checks(self) -> list[ParameterCheck]:
        return []

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.icdf(open_uniform(key, self.shape(sample_shape)))

    def _inside(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Whether a value is below or above the support; it, if it is inside."""
        x = jnp.broadcast_arrays(*as_floats(value, self._members))[0]
        low, high = x <= 0, x > _END
        return low, high, jnp.where(low | high, 0.5 * _END, x)

    def log_prob(self, value: ArrayLike) -> Array:
        low, high, x = self._inside(value)
        return jnp.where(low | high, -jnp.inf, _log_density(x))

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        low, high, x = self._inside(value)
        return jnp.where(low, -jnp.inf, jnp.where(high, 0.0, _log_tails(x)[0]))

    def log_sf(self, value: ArrayLike) -> Array:
        low, high, x = self._inside(value)
        return jnp.where(low, 0.0, jnp.where(high, -jnp.inf, _log_tails(x)[1]))

    def icdf(self, q: ArrayLike) -> Array:
        def path(u: Array) -> Array:
            return jnp.where(
                u < 0, 0.16 * jnp.exp(jnp.minimum(u, 0.0)), _END * _rise(u)
            )

        def _rise(u: Array) -> Array:
            return 1 - (1 - 0.16 / _END) * jnp.exp(-jnp.maximum(u, 0.0))

        return quantile_of(self, q, path)

    @property
    def mean(self) -> Array:
        return self._over_batch(_MEAN)

    @property
    def variance(self) -> Array:
        return self._over_batch(_VARIANCE)

    @property
    def mode(self) -> Array:
        return self._over_batch(_MODE)

    def entropy(self) -> Array:
        return self._over_batch(_ENTROPY)
