"""The generalised normal distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import LOG_2, as_floats, clip_real
from ppl.distributions._special_tails import log_gamma_tails
from ppl.distributions.distribution import Distribution, distribution, param


def _log_gamma_1p(power: ArrayLike) -> Array:
    (power,) = as_floats(power)
    return jax.lax.lgamma(1 + 1 / power)


@distribution
class GeneralizedNormal(Distribution):
    r"""Generalised normal, with density $\propto \exp(-|z|^\beta)$.

    A power of 1 is Laplace's distribution, 2 the normal one with the standard deviation
    `scale / sqrt(2)`, and infinity the uniform one. For small powers draws that would
    overflow stop near the ends of the range of the float type.

    Args:
        loc: The centre, of shape `batch_shape`.
        scale: The scale.
        power: The power $\beta$.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    power: ArrayLike = param(constraints.positive, default=2.0)
    support = constraints.real
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_size, key_sign = jax.random.split(key)
        shape = self.shape(sample_shape)
        (power,) = as_floats(self.power)
        # The power of the size is a gamma variable.
        log_gamma = jax.random.loggamma(key_size, 1 / power, shape)
        sign = jax.random.rademacher(key_sign, shape, log_gamma.dtype)
        z = clip_real(sign * jnp.exp(log_gamma / power))
        return clip_real(self.loc + self.scale * z)

    def _raised(self, value: ArrayLike) -> tuple[Array, Array]:
        """The place, and the power of its size."""
        z, power = as_floats((value - self.loc) / self.scale, self.power)
        at_peak = z == 0
        log_size = jnp.log(jnp.abs(jnp.where(at_peak, 1.0, z)))
        return z, jnp.where(at_peak, 0.0, jnp.exp(power * log_size))

    def log_prob(self, value: ArrayLike) -> Array:
        raised = self._raised(value)[1]
        return -raised - jnp.log(self.scale) - LOG_2 - _log_gamma_1p(self.power)

    def _log_tail(self, value: ArrayLike) -> tuple[Array, Array]:
        """The place, and the log of the tail beyond it, on its side of the centre."""
        z, raised = self._raised(value)
        (power,) = as_floats(self.power)
        flat = raised < 1e-18  # and may underflow: the density is as at the centre
        far = log_gamma_tails(1 / power, jnp.where(flat, 1.0, raised))[1]
        near = jnp.abs(jnp.where(flat, z, 0.0)) * jnp.exp(-_log_gamma_1p(power))
        return z, jnp.where(flat, jnp.log1p(-near), far) - LOG_2

    def cdf(self, value: ArrayLike) -> Array:
        z, log_tail = self._log_tail(value)
        tail = jnp.exp(log_tail)
        return jnp.where(z < 0, tail, 1 - tail)

    def log_cdf(self, value: ArrayLike) -> Array:
        z, log_tail = self._log_tail(value)
        return jnp.where(z < 0, log_tail, jnp.log1p(-jnp.exp(log_tail)))

    def log_sf(self, value: ArrayLike) -> Array:
        z, log_tail = self._log_tail(value)
        return jnp.where(z > 0, log_tail, jnp.log1p(-jnp.exp(log_tail)))

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, lambda u: self.loc + self.scale * jnp.sinh(u))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.loc)

    @property
    def variance(self) -> Array:
        (power,) = as_floats(self.power)
        log_ratio = jax.lax.lgamma(1 + 3 / power) - _log_gamma_1p(power)
        return self._over_batch(jnp.square(self.scale) * jnp.exp(log_ratio) / 3)

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc)

    def entropy(self) -> Array:
        (power,) = as_floats(self.power)
        rest = 1 / power + LOG_2 + _log_gamma_1p(power)
        return self._over_batch(jnp.log(self.scale) + rest)
