"""The Dagum distribution of incomes."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.special import digamma

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import EULER, log1mexpexp, log_quotient
from ppl.distributions._special import (
    as_floats,
    clip_positive,
    log1mexp,
    log_beta,
    open_uniform,
    softplus,
)
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Dagum(Distribution):
    r"""Dagum, or Burr of type III: $P(X \le x) = (1 + (x / b)^{-a})^{-p}$.

    Draws that would leave the range of the float type stop near its ends.

    Args:
        concentration: The power $p$, of shape `batch_shape`.
        sharpness: The power $a$; the upper tail falls as $x^{-a}$.
        scale: The scale $b$.
    """

    concentration: ArrayLike = param(constraints.positive)
    sharpness: ArrayLike = param(constraints.positive)
    scale: ArrayLike = param(constraints.positive)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        log_odds = self._log_odds(open_uniform(key, self.shape(sample_shape)))
        (scale,) = as_floats(self.scale)
        return clip_positive(jnp.exp(jnp.log(scale) + log_odds / self.sharpness))

    def _log_odds(self, q: Array) -> Array:
        """The logarithm of (x / b)^a at a quantile."""
        rest = -jnp.log(q) / self.concentration
        return -rest - log1mexp(rest)

    def _place(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Whether a value is outside, it and the log of (x / b)^a inside."""
        x, a, scale = as_floats(value, self.sharpness, self.scale)
        outside = x <= 0
        x = jnp.where(outside, scale, x)
        return outside, x, a * log_quotient(x, scale)

    def log_prob(self, value: ArrayLike) -> Array:
        outside, x, t = self._place(value)
        p, a = as_floats(self.concentration, self.sharpness)
        inside = jnp.log(p) + jnp.log(a) - jnp.log(x) - p * softplus(-t) - softplus(t)
        return jnp.where(outside, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        outside, _, t = self._place(value)
        return jnp.where(outside, -jnp.inf, -self.concentration * softplus(-t))

    def log_sf(self, value: ArrayLike) -> Array:
        outside, _, t = self._place(value)
        far = t > 60.0
        log_rest = jnp.where(far, -t, jnp.log(softplus(jnp.where(far, 0.0, -t))))
        inside = log1mexpexp(jnp.log(self.concentration) + log_rest)
        return jnp.where(outside, 0.0, inside)

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        return self.scale * jnp.exp(self._log_odds(q) / self.sharpness)

    def _log_moment(self, n: int) -> tuple[Array, Array]:
        """Whether the moment is finite, and its logarithm for a scale of one."""
        p, a = as_floats(self.concentration, self.sharpness)
        finite = a > n
        part = n / jnp.where(finite, a, 2.0 * n)
        return finite, jnp.log(p) + log_beta(1 - part, p + part)

    @property
    def mean(self) -> Array:
        finite, log_mean = self._log_moment(1)
        mean = self.scale * jnp.exp(log_mean)
        return self._over_batch(jnp.where(finite, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        (_, first), (finite, second) = self._log_moment(1), self._log_moment(2)
        square = jnp.exp(second) * -jnp.expm1(2 * first - second)
        variance = jnp.square(self.scale) * square
        return self._over_batch(jnp.where(finite, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        p, a = as_floats(self.concentration, self.sharpness)
        peaked = a * p > 1
        top = jnp.where(peaked, a * p - 1, 1.0) / (a + 1)
        top = jnp.exp(jnp.log(top) / a)
        return self._over_batch(self.scale * jnp.where(peaked, top, 0.0))

    def entropy(self) -> Array:
        p, a, scale = as_floats(self.concentration, self.sharpness, self.scale)
        outer = jnp.log(scale) - jnp.log(a) - jnp.log(p)
        psi = digamma(p) + EULER
        return self._over_batch(outer + psi / a + 1 + psi + 1 / p)
