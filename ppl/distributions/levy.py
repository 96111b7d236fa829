"""The Lévy distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfc, log_ndtr, ndtri

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import EULER, just_above
from ppl.distributions._special import (
    HALF_LOG_2PI,
    LOG_2,
    LOG_PI,
    as_floats,
    clip_positive,
)
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Levy(Distribution):
    """Lévy: one over the square of a normal variable; it has no mean.

    Args:
        loc: The lower end, of shape `batch_shape`.
        scale: The scale.
    """

    loc: ArrayLike = param(constraints.real)
    scale: ArrayLike = param(constraints.positive)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return constraints.greater_than(self.loc)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        gap = clip_positive(self.scale / jnp.square(eps))
        return just_above(self.loc + gap, self.loc)

    def _gap(self, value: ArrayLike) -> tuple[Array, Array]:
        """Whether a value is outside, and its distance to the end, made harmless."""
        (gap,) = as_floats(value - self.loc)
        outside = gap <= 0
        return outside, jnp.where(outside, 1.0, gap)

    def log_prob(self, value: ArrayLike) -> Array:
        outside, gap = self._gap(value)
        (scale,) = as_floats(self.scale)
        inside = 0.5 * jnp.log(scale) - 1.5 * jnp.log(gap) - 0.5 * (scale / gap)
        return jnp.where(outside, -jnp.inf, inside - HALF_LOG_2PI)

    def cdf(self, value: ArrayLike) -> Array:
        outside, gap = self._gap(value)
        return jnp.where(outside, 0.0, erfc(jnp.sqrt(0.5 * (self.scale / gap))))

    def log_cdf(self, value: ArrayLike) -> Array:
        outside, gap = self._gap(value)
        inside = LOG_2 + log_ndtr(-jnp.sqrt(self.scale / gap))
        return jnp.where(outside, -jnp.inf, inside)

    def log_sf(self, value: ArrayLike) -> Array:
        outside, gap = self._gap(value)
        inside = jnp.log(erf(jnp.sqrt(0.5 * (self.scale / gap))))
        return jnp.where(outside, 0.0, inside)

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        return self.loc + self.scale / jnp.square(ndtri(0.5 * q))

    @property
    def mean(self) -> Array:
        return self._over_batch(jnp.inf)

    @property
    def variance(self) -> Array:
        return self._over_batch(jnp.inf)

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc + self.scale / 3)

    def entropy(self) -> Array:
        constant = 0.5 * (1 + 3 * EULER + 4 * LOG_2 + LOG_PI)
        return self._over_batch(constant + jnp.log(self.scale))
