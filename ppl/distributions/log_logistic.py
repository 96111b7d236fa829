"""The log-logistic distribution of waiting times."""

from __future__ import annotations

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import log_quotient
from ppl.distributions._special import (
    as_floats,
    clip_positive,
    open_uniform,
    polynomial,
    softplus,
)
from ppl.distributions.distribution import Distribution, distribution, param

# tan(b) - b = sum of _GAP[k] b^(2k + 3)
_GAP = (
    *(1 / 3, 2 / 15, 17 / 315, 62 / 2835, 1382 / 155925, 21844 / 6081075),
    929569 / 638512875,
)


def _tangent_gap(b: Array) -> Array:
    """(tan(b) - b) / b, also for small angles."""
    near = b < 0.3
    small, large = jnp.where(near, b, 0.0), jnp.where(near, 1.0, b)
    square = small * small
    series = square * polynomial(square, _GAP)
    return jnp.where(near, series, jnp.tan(large) / large - 1)


@distribution
class LogLogistic(Distribution):
    r"""Log-logistic, or Fisk: $P(X > x) = 1 / (1 + (x / \alpha)^\beta)$.

    The logarithm has a logistic distribution. In survival analysis its odds are
    proportional; for $\beta > 1$ the hazard rises and falls again.

    Args:
        scale: The median $\alpha$, of shape `batch_shape`.
        concentration: The power $\beta$; the upper tail falls as $x^{-\beta}$.
    """

    scale: ArrayLike = param(constraints.positive, default=1.0)
    concentration: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u = open_uniform(key, self.shape(sample_shape))
        log_odds = jnp.log(u) - jnp.log1p(-u)
        scale, power = as_floats(self.scale, self.concentration)
        return clip_positive(jnp.exp(jnp.log(scale) + log_odds / power))

    def _place(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Whether a value is outside, it and the log of its odds inside."""
        x, scale, power = as_floats(value, self.scale, self.concentration)
        outside = x <= 0
        x = jnp.where(outside, scale, x)
        return outside, x, power * log_quotient(x, scale)

    def log_prob(self, value: ArrayLike) -> Array:
        outside, x, t = self._place(value)
        (power,) = as_floats(self.concentration)
        inside = jnp.log(power) - jnp.log(x) - softplus(-t) - softplus(t)
        return jnp.where(outside, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        outside, _, t = self._place(value)
        return jnp.where(outside, -jnp.inf, -softplus(-t))

    def log_sf(self, value: ArrayLike) -> Array:
        outside, _, t = self._place(value)
        return jnp.where(outside, 0.0, -softplus(t))

    def icdf(self, q: ArrayLike) -> Array:
        q, scale, power = as_floats(q, self.scale, self.concentration)
        return scale * jnp.exp((jnp.log(q) - jnp.log1p(-q)) / power)

    def _angle(self, n: int) -> tuple[Array, Array]:
        """Whether the n-th moment is finite, and n pi / concentration, or else 1."""
        (power,) = as_floats(self.concentration)
        finite = power > n
        return finite, jnp.where(finite, n * jnp.pi / power, 1.0)

    @property
    def mean(self) -> Array:
        finite, angle = self._angle(1)
        mean = self.scale / jnp.sinc(angle / jnp.pi)
        return self._over_batch(jnp.where(finite, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        finite, double = self._angle(2)
        angle = 0.5 * double
        gap = _tangent_gap(angle) * jnp.square(angle / jnp.sin(angle))
        variance = jnp.square(self.scale) * gap
        return self._over_batch(jnp.where(finite, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        (power,) = as_floats(self.concentration)
        peaked = power > 1
        safe = jnp.where(peaked, power, 2.0)
        top = jnp.exp(jnp.log((safe - 1) / (safe + 1)) / safe)
        return self._over_batch(self.scale * jnp.where(peaked, top, 0.0))

    def entropy(self) -> Array:
        scale, power = as_floats(self.scale, self.concentration)
        return self._over_batch(2 + jnp.log(scale) - jnp.log(power))
