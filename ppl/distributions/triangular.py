"""The triangular and the PERT distribution, known by their ends and their peak."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    LOG_2,
    as_floats,
    deviance,
    fused,
    log_ratio,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions._special_tails import log_betainc
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


def _order(low: Any, peak: Any, high: Any) -> list[ParameterCheck]:
    """The rules that tie the three together."""
    low, peak, high = known(low), known(peak), known(high)
    xp = constraints.namespace(low, peak, high)
    low, peak, high = xp.broadcast_arrays(low, peak, high)
    inside = (peak >= low) & (peak <= high)
    return [
        ParameterCheck("low", low, low < high, "low must be < high"),
        ParameterCheck("peak", peak, inside, "peak must be from low to high"),
    ]


def _between(x: Array, low: ArrayLike, high: ArrayLike) -> Array:
    """Draws that were rounded to an end become the nearest float inside."""
    low, high = map(jax.lax.stop_gradient, as_floats(low, high))
    return jnp.clip(x, jnp.nextafter(low, high), jnp.nextafter(high, low))


@distribution
class Triangular(Distribution):
    """Triangular: a density that rises in a line to its peak and falls in another.

    Args:
        low: The lower end, of shape `batch_shape`.
        high: The upper end, above `low`.
        peak: The mode, from `low` to `high`.
    """

    low: ArrayLike = param(constraints.real, default=0.0)
    high: ArrayLike = param(constraints.real, default=1.0)
    peak: ArrayLike = param(constraints.real, default=0.5)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return constraints.interval(self.low, self.high)

    def parameter_checks(self) -> list[ParameterCheck]:
        order = _order(self.low, self.peak, self.high)
        return [*super().parameter_checks(), *order]

    def _sides(self) -> tuple[Array, Array, Array]:
        """The lengths of the rising part, of the falling part and of both."""
        low, high, peak = as_floats(self.low, self.high, self.peak)
        return peak - low, high - peak, high - low

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u = jax.random.uniform(key, self.shape(sample_shape))
        return _between(self.icdf(u), self.low, self.high)

    def log_prob(self, value: ArrayLike) -> Array:
        up, down, width = self._sides()
        (x,) = as_floats(value)
        rising = x < self.peak
        away = jnp.where(rising, x - self.low, self.high - x)
        side = jnp.where(rising, up, down)
        # At the peak itself a side may be empty.
        flat = x == self.peak
        outside = (away <= 0) & ~flat
        away = jnp.where(outside | flat, 1.0, away)
        share = jnp.log(away) - jnp.log(jnp.where(outside | flat, 1.0, side))
        inside = LOG_2 + share - jnp.log(width)
        return jnp.where(outside, -jnp.inf, inside)

    def _log_part(self, away: Array, side: Array) -> Array:
        """The log of the probability of what lies beyond, on one side of the peak."""
        width = self._sides()[2]
        some = (away > 0) & (side > 0)
        away, side = jnp.where(some, away, 1.0), jnp.where(some, side, 1.0)
        inside = 2 * jnp.log(away) - jnp.log(side) - jnp.log(width)
        return jnp.where(some, jnp.minimum(inside, 0.0), -jnp.inf)

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        up, down, _ = self._sides()
        (x,) = as_floats(value)
        rising = x < self.peak
        below = self._log_part(jnp.where(rising, x - self.low, up), up)
        above = self._log_part(jnp.where(rising, down, self.high - x), down)
        low = jnp.where(rising, below, jnp.log1p(-jnp.exp(above)))
        return low, jnp.where(rising, jnp.log1p(-jnp.exp(below)), above)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        up, down, width = self._sides()
        rising = q * width < up
        left = jnp.where(rising, q, 0.0) * up * width
        right = jnp.where(rising, 0.0, 1 - q) * down * width
        left, right = (_root(jnp.where(rising, left, 0.0)), _root(right))
        return jnp.where(rising, self.low + left, self.high - right)

    @property
    def mean(self) -> Array:
        up, down, _ = self._sides()
        return self._over_batch(self.peak + (down - up) / 3)

    @property
    def variance(self) -> Array:
        up, down, _ = self._sides()
        return self._over_batch((up * up + up * down + down * down) / 18)

    @property
    def mode(self) -> Array:
        return self._over_batch(self.peak)

    def entropy(self) -> Array:
        return self._over_batch(0.5 - LOG_2 + jnp.log(self._sides()[2]))


def _root(x: Array) -> Array:
    """The square root, with slope zero at zero."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)


@jax.custom_jvp
def _log_powers(k: Array, m: Array, u: Array, v: Array) -> Array:
    """The log of u^k v^m, made a density on the unit interval where v is 1 - u."""
    n = k + m
    rest = stirling_rest(n) - stirling_rest(k) - stirling_rest(m)
    return jnp.log1p(n) + rest - deviance(k, n * u) - deviance(m, n * v)


@_log_powers.defjvp
def _log_powers_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (k, m, u, v), (dk, dm, du, dv) = primals, tangents
    a, b = k + 1, m + 1
    n = a + b
    tiny, psi = jnp.finfo(u.dtype).tiny, stirling_slope(n)  # at an end a finite slope
    slope_a = log_ratio(n * jnp.maximum(u, tiny), a) - stirling_slope(a) + psi
    slope_b = log_ratio(n * jnp.maximum(v, tiny), b) - stirling_slope(b) + psi
    slope_a, slope_b = slope_a + (b / n) / a, slope_b + (a / n) / b
    slope_u = jnp.where(k == 0, 0.0, k / jnp.where(k == 0, 1.0, u))
    slope_v = jnp.where(m == 0, 0.0, m / jnp.where(m == 0, 1.0, v))
    change = slope_a * dk + slope_b * dm + slope_u * du + slope_v * dv
    return _log_powers(k, m, u, v), change


@fused
def _pert_log_density(k: Array, m: Array, u: Array, v: Array) -> Array:
    """Log density of Beta(k + 1, m + 1) at `u`, where v is 1 - u."""
    outside = (u < 0) | (v < 0) | ((u == 0) & (k > 0)) | ((v == 0) & (m > 0))
    u, v = jnp.where(outside, 0.5, u), jnp.where(outside, 0.5, v)
    inside = _log_powers(k, m, u, v)
    return jnp.where(outside, -jnp.inf, inside)


@distribution
class PERT(Distribution):
    r"""PERT: a smooth density on an interval, for what experts say of its peak.

    It is the beta distribution with concentrations $1 + t (m - a) / (b - a)$ and
    $1 + t (b - m) / (b - a)$, stretched to the interval from a to b.

    Args:
        low: The lower end a, of shape `batch_shape`.
        peak: The mode m, from `low` to `high`.
        high: The upper end b, above `low`.
        temperature: How sharp the peak is, t; zero is the uniform distribution.
    """

    low: ArrayLike = param(constraints.real)
    peak: ArrayLike = param(constraints.real)
    high: ArrayLike = param(constraints.real)
    temperature: ArrayLike = param(constraints.positive, default=4.0)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return constraints.interval(self.low, self.high)

    def parameter_checks(self) -> list[ParameterCheck]:
        order = _order(self.low, self.peak, self.high)
        return [*super().parameter_checks(), *order]

    def _events(self) -> tuple[Array, Array, Array]:
        """The concentrations less one, and the width."""
        low, peak, high, t = as_floats(self.low, self.peak, self.high, self.temperature)
        width = high - low
        return t * ((peak - low) / width), t * ((high - peak) / width), width

    def _shares(self, value: ArrayLike) -> tuple[Array, Array]:
        (x,) = as_floats(value)
        width = self._events()[2]
        return (x - self.low) / width, (self.high - x) / width

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        k, m, width = self._events()
        u = jax.random.beta(key, k + 1, m + 1, self.shape(sample_shape))
        return _between(self.low + width * u, self.low, self.high)

    def log_prob(self, value: ArrayLike) -> Array:
        k, m, width = self._events()
        args = jnp.broadcast_arrays(k, m, *self._shares(value))
        return _pert_log_density(*args) - jnp.log(width)

    def _log_part(self, a: Array, b: Array, u: Array, v: Array) -> Array:
        tiny = jnp.finfo(u.dtype).tiny
        log_part = log_betainc(a + 1, b + 1, jnp.maximum(u, tiny), jnp.maximum(v, tiny))
        return jnp.where(u <= 0, -jnp.inf, jnp.where(v <= 0, 0.0, log_part))

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        k, m, _ = self._events()
        u, v = self._shares(value)
        return self._log_part(k, m, u, v)

    def log_sf(self, value: ArrayLike) -> Array:
        k, m, _ = self._events()
        u, v = self._shares(value)
        return self._log_part(m, k, v, u)

    def icdf(self, q: ArrayLike) -> Array:
        width = self._events()[2]

        def path(s: Array) -> Array:
            e = jnp.exp(-jnp.abs(s))
            part = width * (e / (1 + e))
            return jnp.where(s < 0, self.low + part, self.high - part)

        return quantile_of(self, q, path)

    @property
    def mean(self) -> Array:
        k, m, width = self._events()
        return self._over_batch(self.low + width * ((k + 1) / (k + m + 2)))

    @property
    def variance(self) -> Array:
        k, m, width = self._events()
        n = k + m + 2
        share = ((k + 1) / n) * ((m + 1) / n) / (n + 1)
        return self._over_batch(share * jnp.square(width))

    @property
    def mode(self) -> Array:
        return self._over_batch(self.peak)

    def entropy(self) -> Array:
        k, m, width = self._events()
        n = k + m
        entropy = stirling_rest(k) + stirling_rest(m) - stirling_rest(n)
        for c in (k, m):
            slope = stirling_slope(jnp.where(c > 0, c, 1.0))
            entropy = entropy - c * (slope - stirling_slope(n) - 1 / (n + 1))
        return self._over_batch(entropy - jnp.log1p(n) + jnp.log(width))
