"""The skew normal distribution."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import erf

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._expectation import over_line
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._roots import falling_zero
from ppl.distributions._special import (
    HALF_LOG_2PI,
    LOG_2,
    as_floats,
    fused,
    log1mexp,
)
from ppl.distributions._special_normal import hazard, log_mills, log_normal_tail
from ppl.distributions._special_tails import _integral, _parabola, _rule
from ppl.distributions.distribution import Distribution, distribution, param

_SQRT_2 = math.sqrt(2.0)
_LAST = 1e15  # a place in the tail that is as good as any further out


def _thin_tail(a: Array, h: Array) -> Array:
    """The log of the integral of 2 phi(s) Phi(-a s) over s > h, for a and h >= 0."""
    u = a * h

    def drop(d: Array) -> Array:
        ratio = log_mills(u + a * d) - log_mills(u)
        return (1 + a * a) * d * (h + 0.5 * d) - ratio

    def slope(d: Array) -> Array:
        return h + d + a * hazard(u + a * d)

    start = _parabola(_rule(h)[2], h + a * hazard(u), jnp.ones_like(h))
    lead = LOG_2 - HALF_LOG_2PI - 0.5 * h * h + log_normal_tail(u)
    return lead + _integral(drop, slope, start)


@fused
def _log_tails(alpha: ArrayLike, z: ArrayLike) -> tuple[Array, Array]:
    """The logs of P(Z <= z) and P(Z > z)."""
    alpha, z = jnp.broadcast_arrays(*as_floats(alpha, z))
    right = alpha >= 0
    t = jnp.where(right, z, -z)  # as if the long tail were the right one
    h = jnp.minimum(jnp.abs(t), _LAST)
    thin = _thin_tail(jnp.abs(alpha), h)
    # The densities at t and -t add up to twice the normal one.
    both = LOG_2 + log_normal_tail(h)
    share = jnp.minimum(jnp.exp(thin - both), 0.5)
    middle = jnp.log(erf(h / _SQRT_2) + jnp.exp(thin))
    low = jnp.where(t < 0, thin, jnp.minimum(middle, 0.0))
    high = jnp.where(t < 0, log1mexp(-thin), both + jnp.log1p(-share))
    return jnp.where(right, low, high), jnp.where(right, high, low)


@distribution
class SkewNormal(Distribution):
    r"""Skew normal, with density $2 \phi(z) \Phi(\alpha z) / \sigma$.

    A. Azzalini (1985), "A class of distributions which includes the normal ones".

    Args:
        loc: The place, of shape `batch_shape`; the mean only if `alpha` is zero.
        scale: The scale.
        alpha: The slant: zero is the normal distribution, infinity the half normal.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    alpha: ArrayLike = param(constraints.real, default=0.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u, v = jax.random.normal(key, (2, *self.shape(sample_shape)))
        length = jnp.sqrt(1 + jnp.square(self.alpha))
        z = (self.alpha / length) * jnp.abs(u) + v / length
        return self.loc + self.scale * z

    def _z(self, value: ArrayLike) -> Array:
        return as_floats((value - self.loc) / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        z = self._z(value)
        inside = log_normal_tail(*as_floats(-self.alpha * z)) - 0.5 * z * z
        return inside - jnp.log(self.scale) + (LOG_2 - HALF_LOG_2PI)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        return _log_tails(self.alpha, self._z(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.loc + self.scale * jnp.sinh(u))

    def _standard_mean(self) -> Array:
        slant = self.alpha / jnp.sqrt(1 + jnp.square(self.alpha))
        return math.sqrt(2 / math.pi) * slant

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc + self.scale * self._standard_mean())

    @property
    def variance(self) -> Array:
        rest = 1 - jnp.square(self._standard_mean())
        return self._over_batch(jnp.square(self.scale) * rest)

    @property
    def mode(self) -> Array:
        """The mode, found by bisection."""

        def slope(z: Array, a: Array) -> Array:
            return a * hazard(-a * z) - z

        size = jnp.abs(jnp.asarray(self.alpha))
        z = jnp.sign(self.alpha) * falling_zero(slope, 0.0, 1.0, size)
        return self._over_batch(self.loc + self.scale * z)

    def entropy(self) -> Array:
        r"""The entropy, by a quadrature of $E[\log \Phi(\alpha z)]$ to all digits."""
        (alpha,) = as_floats(self.alpha)
        end = 9.5 / jnp.maximum(jnp.abs(alpha), 1.0)

        def term(z: Array) -> Array:
            log_share = log_normal_tail(-alpha * z)
            return log_share * jnp.exp(log_share - 0.5 * z * z)

        lost = math.sqrt(2 / math.pi) * over_line(term, -end, end, 96)
        own = HALF_LOG_2PI + 0.5 - LOG_2 + jnp.log(self.scale)
        return self._over_batch(own - lost)
