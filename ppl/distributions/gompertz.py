"""The Gompertz distribution of life spans."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._logs import log1mexpexp
from ppl.distributions._special import (
    as_floats,
    clip_positive,
    log1mexp,
    open_uniform,
)
from ppl.distributions.distribution import Distribution, distribution, param

# An exponential variable by the trapezoidal rule over its logarithm, where the error
# falls as exp(-pi^2 / step): all digits of a double.
_STEP = 0.25
_LOG_NODES = np.arange(-40.0, 4.0, _STEP)
_WEIGHTS = _STEP * np.exp(_LOG_NODES - np.exp(_LOG_NODES))


@distribution
class Gompertz(Distribution):
    r"""Gompertz: the hazard grows exponentially, $h(x) = \eta b e^{b x}$.

    $P(X > x) = \exp(-\eta (e^{b x} - 1))$.

    Args:
        concentration: $\eta$, of shape `batch_shape`.
        rate: $b$, by which the hazard grows.
    """

    concentration: ArrayLike = param(constraints.positive)
    rate: ArrayLike = param(constraints.positive, default=1.0)
    support = constraints.positive
    has_rsample = True

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        hazard = -jnp.log(open_uniform(key, self.shape(sample_shape)))
        return clip_positive(jnp.log1p(hazard / self.concentration) / self.rate)

    def _growth(self, value: ArrayLike) -> tuple[Array, Array]:
        """Whether a value is outside, and its time over that of the growth."""
        x, rate = as_floats(value, self.rate)
        outside = x <= 0
        return outside, rate * jnp.where(outside, 1 / rate, x)

    def log_prob(self, value: ArrayLike) -> Array:
        outside, y = self._growth(value)
        a, rate = as_floats(self.concentration, self.rate)
        inside = jnp.log(a) + jnp.log(rate) + y - a * jnp.expm1(y)
        return jnp.where(outside, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        outside, y = self._growth(value)
        inside = log1mexpexp(jnp.log(self.concentration) + y + log1mexp(y))
        return jnp.where(outside, -jnp.inf, inside)

    def log_sf(self, value: ArrayLike) -> Array:
        outside, y = self._growth(value)
        return jnp.where(outside, 0.0, -self.concentration * jnp.expm1(y))

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        return jnp.log1p(-jnp.log1p(-q) / self.concentration) / self.rate

    def _moments(self) -> tuple[Array, Array]:
        """Mean and variance for a rate of one, by the rule above."""
        a = jnp.broadcast_to(as_floats(self.concentration)[0], self.batch_shape)
        shape = (len(_WEIGHTS),) + (1,) * a.ndim
        hazard = jnp.asarray(np.exp(_LOG_NODES).reshape(shape), a.dtype)
        weight = jnp.asarray(_WEIGHTS.reshape(shape), a.dtype)
        y = jnp.log1p(hazard / a)
        mean = (weight * y).sum(0)
        return mean, (weight * jnp.square(y - mean)).sum(0)

    @property
    def mean(self) -> Array:
        return self._moments()[0] / self.rate

    @property
    def variance(self) -> Array:
        return self._moments()[1] / jnp.square(self.rate)

    @property
    def mode(self) -> Array:
        (a,) = as_floats(self.concentration)
        return self._over_batch(jnp.maximum(-jnp.log(a), 0.0) / self.rate)

    def entropy(self) -> Array:
        a, rate = as_floats(self.concentration, self.rate)
        return 1 - jnp.log(a) - jnp.log(rate) - self._moments()[0]
