"""Power laws: Pareto's, and those with one and with two ends."""

from __future__ import annotations

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import log_quotient, log_truncated, mean_truncated
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._special import as_floats, clip_positive, log1mexp, open_uniform
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param

_ENDLESS = 1e30  # the log of a quotient by a lower end of zero, so that it is a float


class AbstractParetoTail(Distribution):
    """All from a lower end on, with a survival function that is a power."""

    has_rsample = True

    def _tail(self) -> tuple[Array, Array]:
        """The lower end, and the power by which the survival function falls."""
        raise TypeError(f"{type(self).__name__} is abstract")

    @property
    def support(self) -> Constraint:
        return constraints.greater_than_eq(self._tail()[0])

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return clip_positive(self.icdf(open_uniform(key, self.shape(sample_shape))))

    def _log_time(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Whether a value is outside, its log over the lower end, and the power."""
        (x,), (low, power) = as_floats(value), self._tail()
        outside = x < low
        return outside, log_quotient(jnp.where(outside, low, x), low), power

    def log_prob(self, value: ArrayLike) -> Array:
        outside, time, power = self._log_time(value)
        inside = jnp.log(power) - jnp.log(self._tail()[0]) - (power + 1) * time
        return jnp.where(outside, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        outside, time, power = self._log_time(value)
        return jnp.where(outside, -jnp.inf, log1mexp(power * time))

    def log_sf(self, value: ArrayLike) -> Array:
        _, time, power = self._log_time(value)
        return -power * time

    def icdf(self, q: ArrayLike) -> Array:
        (q,), (low, power) = as_floats(q), self._tail()
        return low * jnp.exp(-jnp.log1p(-q) / power)

    @property
    def mean(self) -> Array:
        low, power = self._tail()
        finite = power > 1
        mean = low * (power / jnp.where(finite, power - 1, 1.0))
        return self._over_batch(jnp.where(finite, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        low, power = self._tail()
        finite = power > 2
        safe = jnp.where(finite, power, 3.0)
        variance = jnp.square(low / (safe - 1)) * (safe / (safe - 2))
        return self._over_batch(jnp.where(finite, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        return self._over_batch(self._tail()[0])

    def entropy(self) -> Array:
        low, power = self._tail()
        return self._over_batch(jnp.log(low) - jnp.log(power) + 1 + 1 / power)


@distribution
class Pareto(AbstractParetoTail):
    r"""Pareto: $P(X > x) = (s / x)^\alpha$ from $s$ on.

    Draws that would overflow stop near the end of the range of the float type.

    Args:
        scale: The lower end $s$, of shape `batch_shape`.
        alpha: The power of the tail.
    """

    scale: ArrayLike = param(constraints.positive)
    alpha: ArrayLike = param(constraints.positive)

    def _tail(self) -> tuple[Array, Array]:
        scale, alpha = as_floats(self.scale, self.alpha)
        return scale, alpha


@distribution
class LowerTruncatedPowerLaw(AbstractParetoTail):
    r"""Power law from a lower end on: density proportional to $x^\alpha$.

    Draws that would overflow stop near the end of the range of the float type.

    Args:
        alpha: The power of the density, below -1, of shape `batch_shape`.
        low: The lower end.
    """

    alpha: ArrayLike = param(constraints.less_than(-1.0))
    low: ArrayLike = param(constraints.positive)

    def _tail(self) -> tuple[Array, Array]:
        alpha, low = as_floats(self.alpha, self.low)
        return low, -(1 + alpha)


@distribution
class DoublyTruncatedPowerLaw(Distribution):
    r"""Power law between two ends, both included: density proportional to $x^\alpha$.

    As seen from the end towards which the density of log(x) rises, the distance in
    log(x) is a truncated exponential variable; so all of alpha is one formula.

    Args:
        alpha: The power of the density, of shape `batch_shape`.
        low: The lower end; zero only where `alpha > -1`.
        high: The upper end, above `low`.
    """

    alpha: ArrayLike = param(constraints.real)
    low: ArrayLike = param(constraints.nonnegative)
    high: ArrayLike = param(constraints.positive)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return constraints.interval(self.low, self.high)

    def parameter_checks(self) -> list[ParameterCheck]:
        alpha, low, high = known(self.alpha), known(self.low), known(self.high)
        xp = constraints.namespace(alpha, low, high)
        alpha, low, high = xp.broadcast_arrays(alpha, low, high)
        proper = (low > 0) | (alpha > -1)
        return [
            *super().parameter_checks(),
            ParameterCheck("low", low, low < high, "low must be < high"),
            ParameterCheck("low", low, proper, "low must be > 0 where alpha <= -1"),
        ]

    def _ends(self) -> tuple[Array, Array, Array, Array]:
        """A power, whether it is nonnegative, a positive lower end, log of a ratio."""
        alpha, low, high = as_floats(self.alpha, self.low, self.high)
        power = 1 + alpha
        at_zero = low <= 0
        low = jnp.where(at_zero, high, low)
        width = jnp.where(at_zero, _ENDLESS, log_quotient(high, low))
        return power, power >= 0, low, width

    def _log_total(self) -> Array:
        """Log of the integral of exp(-abs(power) d) over all distances d."""
        power, _, _, width = self._ends()
        return log_truncated(jnp.abs(power), width)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.icdf(open_uniform(key, self.shape(sample_shape)))

    def log_prob(self, value: ArrayLike) -> Array:
        x, alpha, high = as_floats(value, self.alpha, self.high)
        power, rising, low, _ = self._ends()
        outside = (x < self.low) | (x > high)
        bottom = x == 0
        safe = jnp.where(outside | bottom, high, x)
        far = jnp.where(rising, log_quotient(high, safe), log_quotient(safe, low))
        shape = -jnp.log(safe) - jnp.where(rising, power, -power) * far
        at_zero = jnp.where(alpha > 0, -jnp.inf, jnp.inf)
        at_zero = jnp.where(alpha == 0, -jnp.log(high), at_zero)
        inside = jnp.where(bottom, at_zero, shape) - self._log_total()
        return jnp.where(outside, -jnp.inf, inside)

    def _two_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        """Log of the probabilities below and above a value."""
        x, high = as_floats(value, self.high)
        power, rising, low, width = self._ends()
        size, bottom = jnp.abs(power), x <= self.low
        top = x >= high
        edge = bottom | top
        safe = jnp.where(edge, high, x)
        up = jnp.where(edge, 1.0, log_quotient(high, safe))
        down = jnp.where(self.low > 0, log_quotient(safe, low), _ENDLESS)
        down = jnp.where(edge, 1.0, down)
        near, far = jnp.where(rising, up, down), jnp.where(rising, down, up)
        total = log_truncated(size, width)
        beyond = log_truncated(size, far) - size * near - total
        until = log_truncated(size, near) - total
        below, above = (
            jnp.where(rising, beyond, until),
            jnp.where(rising, until, beyond),
        )
        below = jnp.where(bottom, -jnp.inf, jnp.where(top, 0.0, below))
        return below, jnp.where(bottom, 0.0, jnp.where(top, -jnp.inf, above))

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self._two_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self._two_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        power, rising, low, width = self._ends()
        p = jnp.where(rising, 1 - q, q)  # of distances up to the one wanted
        c = jnp.abs(power) * width
        flat = c < 1e-4
        s, safe = jnp.where(flat, c, 0.0), jnp.where(flat, 1.0, c)
        series = p - 0.5 * s * p * (1 - p) * (1 - s * (1 - 2 * p) / 3)
        share = -p * jnp.expm1(-safe)
        other = jnp.where(rising, q, 1 - q)
        close = share < 0.5
        rest = jnp.where(close, 1.0, other + p * jnp.exp(-safe))
        log_rest = jnp.where(
            close, jnp.log1p(-jnp.where(close, share, 0.0)), jnp.log(rest)
        )
        far = width * jnp.where(flat, series, -log_rest / safe)
        x = jnp.where(rising, self.high * jnp.exp(-far), low * jnp.exp(far))
        return jnp.clip(x, self.low, self.high)

    def _log_moment(self, n: int) -> Array:
        """Log of the integral of x^(alpha + n), with one end's power taken out."""
        power, _, low, width = self._ends()
        (high,) = as_floats(self.high)
        power = power + n
        end = jnp.where(power >= 0, jnp.log(high), jnp.log(low))
        return power * end + log_truncated(jnp.abs(power), width)

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.exp(self._log_moment(1) - self._log_moment(0)))

    @property
    def variance(self) -> Array:
        none, first, second = (self._log_moment(n) for n in range(3))
        ratio = 2 * first - second - none
        return self._over_batch(jnp.exp(second - none) * -jnp.expm1(ratio))

    @property
    def mode(self) -> Array:
        rising = jnp.asarray(self.alpha) >= 0
        return self._over_batch(jnp.where(rising, self.high, self.low))

    def entropy(self) -> Array:
        alpha, high = as_floats(self.alpha, self.high)
        power, rising, low, width = self._ends()
        far = mean_truncated(jnp.abs(power), width)
        mean_log = jnp.where(rising, jnp.log(high) - far, jnp.log(low) + far)
        return self._over_batch(self._log_moment(0) - alpha * mean_log)
