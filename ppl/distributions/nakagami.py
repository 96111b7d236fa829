"""The Nakagami distribution."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    LOG_2,
    as_floats,
    clip_positive,
    half_step,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions._special_tails import _excess, log_gamma_tails
from ppl.distributions.distribution import Distribution, distribution, param


@jax.custom_jvp
def _misfit(x: Array, size: Array) -> Array:
    """r^2 - 1 - log(r^2) for r = x / size."""
    ratio = x / size
    off = ((x - size) / size) * (ratio + 1)
    return _excess(off, off - 2 * (jnp.log(x) - jnp.log(size)))


@_misfit.defjvp
def _misfit_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x, size), (dx, dsize) = primals, tangents
    off = 2 * ((x - size) / size) * ((x + size) / size)
    return _misfit(x, size), (off / x) * dx - (off / size) * dsize


@distribution
class Nakagami(Distribution):
    """Nakagami: the root of a gamma variable, as of fading radio signals.

    Args:
        concentration: The shape, of shape `batch_shape`; 1/2 is the half normal
            distribution and 1 Rayleigh's.
        spread: The mean of the square.
    """

    concentration: ArrayLike = param(constraints.positive)
    spread: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def _parameters(self) -> tuple[Array, Array]:
        """The shape, and the root of the mean square."""
        shape, spread = as_floats(self.concentration, self.spread)
        return shape, jnp.sqrt(spread)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        m, size = self._parameters()
        log_gamma = jax.random.loggamma(key, m, self.shape(sample_shape))
        return clip_positive(size * jnp.exp(0.5 * (log_gamma - jnp.log(m))))

    def log_prob(self, value: ArrayLike) -> Array:
        m, size = self._parameters()
        (x,) = as_floats(value)
        outside = x <= 0
        x = jnp.where(outside, size, x)
        outer = LOG_2 + jnp.log(m) - jnp.log(x) - stirling_rest(m)
        return jnp.where(outside, -jnp.inf, outer - m * _misfit(x, size))

    def _scaled(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """The gamma variable, and what is wanting of its log where it underflows."""
        m, size = self._parameters()
        (x,) = as_floats(value)
        ratio, least = x / size, 1e-12
        some = jnp.where(x > 0, jnp.maximum(ratio, jnp.finfo(x.dtype).tiny), 1.0)
        lack = jnp.where(some < least, 2 * jnp.log(some / least), 0.0)
        return m, m * jnp.square(jnp.maximum(ratio, least)), lack

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        m, g, lack = self._scaled(value)
        return jnp.where(value <= 0, -jnp.inf, log_gamma_tails(m, g)[0] + m * lack)

    def log_sf(self, value: ArrayLike) -> Array:
        m, g, lack = self._scaled(value)
        # Next to zero g is held, and the rest of the cdf is what there is.
        low = jnp.where((lack < 0) & (value > 0), self.log_cdf(value), -1.0)
        upper = log_gamma_tails(m, g)[1]
        inside = jnp.where(lack < 0, jnp.log1p(-jnp.exp(low)), upper)
        return jnp.where(value <= 0, 0.0, inside)

    def icdf(self, q: ArrayLike) -> Array:
        size = self._parameters()[1]
        return quantile_of(self, q, lambda u: size * jnp.exp(u))

    @property
    def mean(self) -> Array:
        m, size = self._parameters()
        return self._over_batch(size * jnp.exp(half_step(m)))

    @property
    def variance(self) -> Array:
        m, _ = self._parameters()
        return self._over_batch(-self.spread * jnp.expm1(2 * half_step(m)))

    @property
    def mode(self) -> Array:
        m, size = self._parameters()
        above = jnp.maximum(m - 0.5, 0.0)
        root = jnp.sqrt(jnp.where(above > 0, above / m, 1.0))
        return self._over_batch(jnp.where(above > 0, size * root, 0.0))

    def entropy(self) -> Array:
        m, size = self._parameters()
        psi = stirling_slope(m) - 1 / m  # digamma(m) - log(m)
        rest = stirling_rest(m) + (0.5 - m) * psi - jnp.log(m) - LOG_2
        return self._over_batch(rest + jnp.log(size))
