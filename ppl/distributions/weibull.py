"""The Weibull distribution."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import EULER, log1mexpexp, log_quotient
from ppl.distributions._special import (
    as_floats,
    clip_positive,
    open_uniform,
    polynomial,
)
from ppl.distributions.distribution import Distribution, distribution, param


def _zeta(n: int) -> float:
    """Riemann's zeta function, by the Euler-Maclaurin sum."""
    cut = 100
    rest = cut ** (1 - n) / (n - 1) - 0.5 * cut**-n + n * cut ** (-n - 1) / 12
    rest -= n * (n + 1) * (n + 2) * cut ** (-n - 3) / 720
    return math.fsum(k**-n for k in range(1, cut + 1)) + rest


# lgamma(1 + 2e) - 2 lgamma(1 + e) = sum of _SPREAD[k] e^(k + 2)
_SPREAD = tuple((-1) ** n * _zeta(n) * (2**n - 2) / n for n in range(2, 28))


@distribution
class Weibull(Distribution):
    r"""Weibull: a power of an exponential variable, $P(X > x) = \exp(-(x / s)^k)$.

    Draws that would leave the range of the float type stop near its ends.

    Args:
        scale: The scale $s$, of shape `batch_shape`.
        concentration: The power $k$.
    """

    scale: ArrayLike = param(constraints.positive)
    concentration: ArrayLike = param(constraints.positive)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        log_hazard = jnp.log(-jnp.log(open_uniform(key, self.shape(sample_shape))))
        scale, k = as_floats(self.scale, self.concentration)
        return clip_positive(jnp.exp(jnp.log(scale) + log_hazard / k))

    def _log_hazard(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Whether a value is outside, it and its log cumulative hazard inside."""
        x, scale, k = as_floats(value, self.scale, self.concentration)
        outside = x <= 0
        x = jnp.where(outside, scale, x)
        return outside, x, k * log_quotient(x, scale)

    def log_prob(self, value: ArrayLike) -> Array:
        outside, x, t = self._log_hazard(value)
        (k,) = as_floats(self.concentration)
        inside = jnp.log(k) - jnp.log(x) + t - jnp.exp(t)
        return jnp.where(outside, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        outside, _, t = self._log_hazard(value)
        return jnp.where(outside, -jnp.inf, log1mexpexp(t))

    def log_sf(self, value: ArrayLike) -> Array:
        outside, _, t = self._log_hazard(value)
        return jnp.where(outside, 0.0, -jnp.exp(t))

    def icdf(self, q: ArrayLike) -> Array:
        q, k = as_floats(q, self.concentration)
        return self.scale * jnp.exp(jnp.log(-jnp.log1p(-q)) / k)

    @property
    def mean(self) -> Array:
        (k,) = as_floats(self.concentration)
        return self._over_batch(self.scale * jnp.exp(lax.lgamma(1 + 1 / k)))

    @property
    def variance(self) -> Array:
        (k,) = as_floats(self.concentration)
        e = 1 / k
        small = jnp.minimum(e, 0.125)
        series = small * small * polynomial(small, _SPREAD)
        direct = lax.lgamma(1 + 2 * e) - 2 * lax.lgamma(1 + e)
        spread = jnp.expm1(jnp.where(e < 0.125, series, direct))
        return self._over_batch(jnp.square(self.mean) * spread)

    @property
    def mode(self) -> Array:
        (k,) = as_floats(self.concentration)
        peaked = k > 1
        safe = jnp.where(peaked, k, 2.0)
        top = jnp.exp(jnp.log1p(-1 / safe) / safe)
        return self._over_batch(self.scale * jnp.where(peaked, top, 0.0))

    def entropy(self) -> Array:
        scale, k = as_floats(self.scale, self.concentration)
        return self._over_batch(EULER * (1 - 1 / k) + jnp.log(scale) - jnp.log(k) + 1)
