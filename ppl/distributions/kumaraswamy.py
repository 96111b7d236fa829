"""The Kumaraswamy distribution."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import EULER, log1mexpexp
from ppl.distributions._special import (
    as_floats,
    clip_unit,
    fused,
    log1mexp,
    log_beta,
    open_uniform,
)
from ppl.distributions.distribution import Distribution, distribution, param


def _times(factor: Array, log: Array) -> Array:
    """The product, zero where the factor is, whatever the logarithm."""
    return jnp.where(factor == 0, 0.0, factor * jnp.where(factor == 0, 1.0, log))


@jax.custom_jvp
def _log_density(a: Array, b: Array, x: Array) -> Array:
    at_end = ((x == 0) & (a < 1)) | ((x == 1) & (b < 1))
    log_x = jnp.log(jnp.where(at_end, 0.5, x))
    inside = _times(a - 1, log_x) + _times(b - 1, log1mexp(-a * log_x))
    return jnp.where(at_end, jnp.inf, jnp.log(a) + jnp.log(b) + inside)


@_log_density.defjvp
def _log_density_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, b, x), (da, db, dx) = primals, tangents
    log_x = jnp.log(x)
    odds = 1 / jnp.expm1(-a * log_x)  # of x^a
    # At the end x = 0 only a = 1 has a slope of the second power.
    slope = jnp.where(x == 0, jnp.where(a == 1, 1.0, 0.0), a * odds / x)
    flat_a, flat_b = a == 1, b == 1
    by_x = jnp.where(flat_a, 0.0, (a - 1) / jnp.where(flat_a, 1.0, x))
    by_x -= jnp.where(flat_b, 0.0, (b - 1) * jnp.where(flat_b, 1.0, slope))
    bend = jnp.where(log_x == 0, -1 / a, log_x * odds)
    bend = jnp.where(flat_b | (x == 0), 0.0, (b - 1) * bend)
    by_a = 1 / a + log_x - bend
    by_b = 1 / b + log1mexp(-a * log_x)
    change = by_x * dx + by_a * da + by_b * db
    return _log_density(a, b, x), change


@fused
def _log_prob(a: ArrayLike, b: ArrayLike, value: ArrayLike) -> Array:
    a, b, x = jnp.broadcast_arrays(*as_floats(a, b, value))
    outside = (x < 0) | (x > 1)
    inside = _log_density(a, b, jnp.where(outside, 0.5, x))
    return jnp.where(outside, -jnp.inf, inside)


@distribution
class Kumaraswamy(Distribution):
    r"""Kumaraswamy, much like a beta but with a closed distribution function.

    $P(X \le x) = 1 - (1 - x^a)^b$. At 0 and 1 the density is its limit, infinite for a
    concentration below one. Draws that would be rounded to 0 or 1 become the nearest
    float inside.

    Args:
        concentration1: The power $a$, of shape `batch_shape`.
        concentration0: The power $b$.
    """

    concentration1: ArrayLike = param(constraints.positive)
    concentration0: ArrayLike = param(constraints.positive)
    support = constraints.unit_interval
    has_rsample = True

    def _both(self) -> tuple[Array, Array]:
        a, b = as_floats(self.concentration1, self.concentration0)
        return a, b

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        a, b = self._both()
        hazard = -jnp.log(open_uniform(key, self.shape(sample_shape))) / b
        return clip_unit(jnp.exp(log1mexp(hazard) / a))

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self.concentration1, self.concentration0, value)

    def _log_power(self, value: ArrayLike) -> tuple[Array, Array]:
        """The value, and the log of its power `a` where it is inside."""
        a, x = as_floats(self.concentration1, value)
        inside = (x > 0) & (x < 1)
        return x, a * jnp.log(jnp.where(inside, x, 0.5))

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        x, log_power = self._log_power(value)
        few = log_power < -60.0
        hazard = -log1mexp(jnp.where(few, 1.0, -log_power))
        log_hazard = jnp.where(few, log_power, jnp.log(hazard))
        inside = log1mexpexp(log_hazard + jnp.log(self.concentration0))
        return jnp.where(x <= 0, -jnp.inf, jnp.where(x >= 1, 0.0, inside))

    def log_sf(self, value: ArrayLike) -> Array:
        x, log_power = self._log_power(value)
        inside = self.concentration0 * log1mexp(-log_power)
        return jnp.where(x <= 0, 0.0, jnp.where(x >= 1, -jnp.inf, inside))

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        a, b = self._both()
        return jnp.exp(log1mexp(-jnp.log1p(-q) / b) / a)

    def _log_moment(self, n: int) -> Array:
        a, b = self._both()
        return jnp.log(b) + log_beta(1 + n / a, b)

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.exp(self._log_moment(1)))

    @property
    def variance(self) -> Array:
        first, second = self._log_moment(1), self._log_moment(2)
        return self._over_batch(jnp.exp(2 * first) * jnp.expm1(second - 2 * first))

    @property
    def mode(self) -> Array:
        """The mode; NaN where no single one is, as for two powers below one."""
        a, b = self._both()
        peaked = (a >= 1) & (b >= 1) & (a * b > 1)
        share = jnp.where(peaked, (a - 1) / jnp.where(peaked, a * b - 1, 1.0), 0.0)
        end = jnp.where(
            (a < 1) & (b >= 1), 0.0, jnp.where((a >= 1) & (b < 1), 1.0, jnp.nan)
        )
        return self._over_batch(jnp.where(peaked, jnp.power(share, 1 / a), end))

    def entropy(self) -> Array:
        a, b = self._both()
        harmonic = digamma(b + 1) + EULER
        outer = -jnp.log(a) - jnp.log(b)
        return self._over_batch(outer + (1 - 1 / a) * harmonic + (1 - 1 / b))
