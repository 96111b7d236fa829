"""The Rice distribution."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import i0e, i1e

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._expectation import over_line
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._roots import falling_zero
from ppl.distributions._special import (
    as_floats,
    clip_positive,
    fused,
    in_double,
    log1mexp,
    polynomial,
)
from ppl.distributions._special_tails import _parabola, _rule
from ppl.distributions.distribution import Distribution, distribution, param

_SHORTFALL = (-1 / 2, -1 / 8, -1 / 8, -25 / 128, -13 / 32)  # of I1(t) / I0(t)
_LAST = 1e15  # a place in the tail that is as good as any further out


def _bessel_shortfall(t: Array) -> Array:
    """I1(t) / I0(t) - 1."""
    cut = 500.0 if in_double(t) else 50.0
    far = t > cut
    r = 1 / jnp.where(far, t, cut)
    near = jnp.where(far, 1.0, t)
    return jnp.where(far, r * polynomial(r, _SHORTFALL), i1e(near) / i0e(near) - 1)


@jax.custom_jvp
def _log_i0e(t: Array) -> Array:
    """The log of exp(-t) I0(t)."""
    return jnp.log(i0e(t))


@_log_i0e.defjvp
def _log_i0e_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (t,), (dt,) = primals, tangents
    return _log_i0e(t), _bessel_shortfall(t) * dt


def _log_density(b: Array, a: Array) -> Array:
    """Log density of the length at `a`, for a scale of one."""
    return jnp.log(a) - 0.5 * jnp.square(a - b) + _log_i0e(a * b)


def _slope(a: Array, b: Array) -> Array:
    """The derivative of `_log_density` by `a`."""
    return 1 / a + (b - a) + b * _bessel_shortfall(a * b)


@fused
def _log_tails(b: Array, a: Array) -> tuple[Array, Array]:
    """The logs of the probabilities of less and of more."""
    b, a = jnp.broadcast_arrays(b, a)
    a = jnp.clip(a, jnp.finfo(a.dtype).tiny, _LAST)
    slope = _slope(a, b)
    node, weight, limit = _rule(a)
    # The curvature of the log density is from -2 to -1 beyond the mode, and the density
    # nearly a line near zero: a parabola says how long the tail is.
    length = _parabola(limit, jnp.abs(slope), jnp.ones_like(a))
    rising = slope > 0
    sign = jnp.where(rising, -1.0, 1.0)
    length = jax.lax.stop_gradient(jnp.where(rising, jnp.minimum(length, a), length))
    d = length * node
    ratio = 1 + sign * d / a
    bessel = _log_i0e((a * ratio) * b) - _log_i0e(a * b)
    terms = ratio * jnp.exp(bessel - d * (sign * (a - b) + 0.5 * d))
    near = _log_density(b, a) + jnp.log(length * (weight * terms).sum(0))
    near = jnp.minimum(near, 0.0)
    other = log1mexp(-near)
    return jnp.where(rising, near, other), jnp.where(rising, other, near)


def _standard_moments(b: Array) -> tuple[Array, Array]:
    """Mean and variance for a scale of one."""
    far = b > 20
    large, near = jnp.where(far, b, 20.0), jnp.where(far, 1.0, b)
    h = 0.25 * near * near
    mean = math.sqrt(0.5 * math.pi) * ((1 + 2 * h) * i0e(h) + 2 * h * i1e(h))
    r = 1 / jnp.square(large)
    surplus = polynomial(r, (1 / 2, 1 / 8, 3 / 16, 75 / 128, 735 / 256)) / large
    # 2 - 2 b s - s^2 with s for the surplus, in which the ones have been cancelled
    rest = polynomial(r, (1 / 4, 3 / 8, 75 / 64, 735 / 128)) * r
    variance = jnp.where(far, 1 - rest - jnp.square(surplus), 2 + near**2 - mean**2)
    return jnp.where(far, large + surplus, mean), variance


def _entropy(b: Array) -> Array:
    """The entropy for a scale of one, by the softplus inverse of the length."""
    middle = jax.lax.stop_gradient(b)

    def surprise(w: Array) -> Array:
        rest = jnp.exp(-jnp.abs(middle + w))
        length = jnp.maximum(middle + w, 0.0) + jnp.log1p(rest)
        # Of the length over `b`, without a difference of large numbers.
        over = jnp.where(middle + w > 0, w, -middle) + jnp.log1p(rest)
        over = over - (b - middle)
        log_p = jnp.log(length) - 0.5 * over * over + _log_i0e(length * b)
        slope = jnp.where(middle + w > 0, 1.0, rest) / (1 + rest)
        return -log_p * jnp.exp(log_p) * slope

    low = jnp.where(middle > 8, -11.0, -22.0 - middle)
    return over_line(surprise, low, 11.0, 180)


@distribution
class Rice(Distribution):
    """Rice: how far from the origin a point is that is normal around another one.

    Args:
        nu: How far the other point is from the origin, of shape `batch_shape`.
        scale: The standard deviation in each of the two directions.
    """

    nu: ArrayLike = param(constraints.nonnegative, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u, v = jax.random.normal(key, (2, *self.shape(sample_shape)))
        return clip_positive(self.scale * jnp.hypot(self.nu / self.scale + u, v))

    def _standard(self, value: ArrayLike) -> tuple[Array, Array]:
        b, a = as_floats(self.nu / self.scale, value / self.scale)
        return b, a

    def log_prob(self, value: ArrayLike) -> Array:
        b, a = self._standard(value)
        outside = a <= 0
        inside = _log_density(b, jnp.where(outside, 1.0, a)) - jnp.log(self.scale)
        return jnp.where(outside, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        lower, upper = _log_tails(*self._standard(value))
        outside = value <= 0
        return jnp.where(outside, -jnp.inf, lower), jnp.where(outside, 0.0, upper)

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: (self.scale + self.nu) * jnp.exp(u))

    @property
    def mean(self) -> Array:
        b = as_floats(self.nu / self.scale)[0]
        return self._over_batch(self.scale * _standard_moments(b)[0])

    @property
    def variance(self) -> Array:
        b = as_floats(self.nu / self.scale)[0]
        return self._over_batch(jnp.square(self.scale) * _standard_moments(b)[1])

    @property
    def mode(self) -> Array:
        """The mode, found by bisection."""
        (b,) = as_floats(self.nu / self.scale)
        a = falling_zero(_slope, jnp.maximum(b, 1.0), b + 1, b)
        return self._over_batch(self.scale * a)

    def entropy(self) -> Array:
        """The entropy, by a quadrature to all digits."""
        (b,) = as_floats(self.nu / self.scale)
        return self._over_batch(_entropy(b) + jnp.log(self.scale))
