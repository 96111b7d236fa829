"""The logit-normal distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._roots import falling_zero
from ppl.distributions._special import HALF_LOG_2PI, as_floats, clip_unit, softplus
from ppl.distributions._special_normal import log_normal_tail
from ppl.distributions.distribution import Distribution, distribution, param

_WIDE = 2.0  # the scale from which on moments are integrated over a logistic variable


def _grid(reach: float, step: float, like: Array) -> Array:
    """A grid around zero as a leading dim.

    The trapezoidal rule converges exponentially on it (L. Trefethen and J. Weideman
    2014, "The exponentially convergent trapezoidal rule"): the integrands below are
    analytic in a strip that is wide for the step.
    """
    nodes = np.arange(-reach, reach + step / 2, step)
    return jnp.asarray(nodes, like.dtype).reshape((-1,) + (1,) * like.ndim)


def _moments(m: Array, s: Array) -> tuple[Array, Array, Array]:
    """Mean, variance, and the mean of -log(x) - log(1 - x)."""
    wide = s > _WIDE
    # narrow: over the normal variable
    n = _grid(9.0, 0.15, m)
    weight = 0.15 * jnp.exp(-0.5 * n * n - HALF_LOG_2PI)
    t = m + jnp.where(wide, 1.0, s) * n
    x = jax.lax.logistic(t)
    mean = (weight * x).sum(0)
    variance = (weight * jnp.square(x - mean)).sum(0)
    logs = (weight * (softplus(t) + softplus(-t))).sum(0)
    # wide: x is the probability that a logistic variable is below t
    e = _grid(40.0, 0.4, m)
    weight = 0.4 * jax.lax.logistic(e) * jax.lax.logistic(-e)
    big = jnp.where(wide, s, 1.0)
    z = (m - e) / big
    density = jnp.exp(-0.5 * z * z - HALF_LOG_2PI)
    below, above = jnp.exp(log_normal_tail(-z)), jnp.exp(log_normal_tail(z))
    big_mean = (weight * below).sum(0)
    big_rest = (weight * above).sum(0)
    big_variance = big_mean * big_rest - (weight * density).sum(0) / big
    parts = 2 * density + z * (below - above)
    big_logs = big * (weight * parts).sum(0)
    return (
        jnp.where(wide, big_mean, mean),
        jnp.where(wide, big_variance, variance),
        jnp.where(wide, big_logs, logs),
    )


@distribution
class LogitNormal(Distribution):
    r"""Logit-normal: the logistic function of $\mathcal{N}(\mu, \sigma^2)$.

    Draws that would be rounded to 0 or 1 become the nearest float inside. Mean,
    variance and entropy have no closed form; they are integrated to all digits.

    Args:
        loc: The mean $\mu$ of the log odds, of shape `batch_shape`.
        scale: The standard deviation $\sigma$ of the log odds.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.open_interval(0.0, 1.0)
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return clip_unit(jax.lax.logistic(self.loc + self.scale * eps))

    def _standardised(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Log x and log(1 - x), made harmless outside the support, and the z."""
        (x,) = as_floats(value)
        x = jnp.where((x <= 0) | (x >= 1), 0.5, x)
        log_x, log_y = jnp.log(x), jnp.log1p(-x)
        return log_x, log_y, ((log_x - log_y) - self.loc) / self.scale

    def log_prob(self, value: ArrayLike) -> Array:
        log_x, log_y, z = self._standardised(value)
        inside = -0.5 * z * z - log_x - log_y - jnp.log(self.scale) - HALF_LOG_2PI
        value = jnp.asarray(value)
        return jnp.where((value <= 0) | (value >= 1), -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        inside = log_normal_tail(-self._standardised(value)[2])
        value = jnp.asarray(value)
        return jnp.where(value <= 0, -jnp.inf, jnp.where(value >= 1, 0.0, inside))

    def log_sf(self, value: ArrayLike) -> Array:
        inside = log_normal_tail(self._standardised(value)[2])
        value = jnp.asarray(value)
        return jnp.where(value <= 0, 0.0, jnp.where(value >= 1, -jnp.inf, inside))

    def icdf(self, q: ArrayLike) -> Array:
        return jax.lax.logistic(self.loc + self.scale * ndtri(*as_floats(q)))

    def _integrals(self) -> tuple[Array, Array, Array]:
        return _moments(*jnp.broadcast_arrays(*as_floats(self.loc, self.scale)))

    @property
    def mean(self) -> Array:
        return self._over_batch(self._integrals()[0])

    @property
    def variance(self) -> Array:
        return self._over_batch(self._integrals()[1])

    @property
    def mode(self) -> Array:
        """The higher mode, found by bisection; of two equal ones the upper one."""

        def slope(t: Array, m: Array, s: Array) -> Array:
            return m + s * s * jnp.tanh(0.5 * t) - t

        m, s = as_floats(self.loc, self.scale)
        size = jnp.abs(m)
        t = falling_zero(slope, 0.0, size + s * s, size, s)
        return self._over_batch(jax.lax.logistic(jnp.where(m < 0, -t, t)))

    def entropy(self) -> Array:
        rest = 0.5 + HALF_LOG_2PI + jnp.log(self.scale)
        return self._over_batch(rest - self._integrals()[2])
