"""The soft Laplace distribution, a hyperbolic secant."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import log_cosh
from ppl.distributions._special import LOG_2, LOG_PI, as_floats, open_uniform
from ppl.distributions.distribution import Distribution, distribution, param

_HALF_PI = 0.5 * math.pi


def _log_tail(size: Array) -> Array:
    """The log of P(Z > size) for size >= 0."""
    share = jnp.exp(-jnp.minimum(size, 20.0))  # so small that its arc is itself
    return LOG_2 - LOG_PI - size + jnp.log(jnp.arctan(share) / share)


@distribution
class SoftLaplace(Distribution):
    r"""Soft Laplace: smooth in the middle, with the tails of a Laplace.

    Its density is $1 / (\pi s \cosh((x - m) / s))$, a hyperbolic secant.

    Args:
        loc: The mean $m$, of shape `batch_shape`.
        scale: The scale $s$.
    """

    loc: ArrayLike = param(constraints.real)
    scale: ArrayLike = param(constraints.positive)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_size, key_sign = jax.random.split(key)
        u = open_uniform(key_size, self.shape(sample_shape))
        sign = jax.random.rademacher(key_sign, u.shape, u.dtype)
        return self.loc + self.scale * sign * jnp.log(jnp.tan(0.5 * _HALF_PI * u))

    def _z(self, value: ArrayLike) -> Array:
        return as_floats((value - self.loc) / self.scale)[0]

    def log_prob(self, value: ArrayLike) -> Array:
        return -log_cosh(self._z(value)) - LOG_PI - jnp.log(self.scale)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        tail = _log_tail(jnp.abs(z))
        return jnp.where(z < 0, tail, jnp.log1p(-jnp.exp(tail)))

    def log_sf(self, value: ArrayLike) -> Array:
        z = self._z(value)
        tail = _log_tail(jnp.abs(z))
        return jnp.where(z > 0, tail, jnp.log1p(-jnp.exp(tail)))

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        low = q < 0.5
        tail = jnp.log(jnp.tan(_HALF_PI * jnp.where(low, q, 1 - q)))
        return self.loc + self.scale * jnp.where(low, tail, -tail)

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.square(_HALF_PI * self.scale))

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        return self._over_batch(LOG_2 + LOG_PI + jnp.log(self.scale))
