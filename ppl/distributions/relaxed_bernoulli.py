"""The relaxed Bernoulli distribution, also called binary concrete."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import one_of
from ppl.distributions._special import as_floats, clip_unit, open_uniform, softplus
from ppl.distributions.distribution import Distribution, distribution, param

# A logistic variable by the trapezoidal rule, whose error falls as exp(-2 pi^2 / step).
_STEP = 0.5
_NODES = np.arange(-38.0, 38.5, _STEP)
_WEIGHTS = _STEP * 0.25 / np.cosh(0.5 * _NODES) ** 2


@distribution
class RelaxedBernoulliLogits(Distribution):
    """Relaxed Bernoulli: the logistic function of a logistic variable.

    As the temperature falls it goes to a Bernoulli variable of the same log odds
    (Maddison, Mnih & Teh 2017). Below a temperature of one the density is infinite at
    0 and 1; draws that would be rounded to them become the nearest float inside. Mean,
    variance and entropy are sums over a fixed rule, exact to rounding.

    Args:
        temperature: The temperature, of shape `batch_shape`.
        logits: The log odds of a value above one half.
    """

    temperature: ArrayLike = param(constraints.positive)
    logits: ArrayLike = param(constraints.real)
    support = constraints.unit_interval
    has_rsample = True

    @property
    def probs(self) -> Array:
        """The probability of a value above one half."""
        return jax.nn.sigmoid(as_floats(self.logits)[0])

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return clip_unit(self.icdf(open_uniform(key, self.shape(sample_shape))))

    def log_prob(self, value: ArrayLike) -> Array:
        x, temperature, logits = as_floats(value, self.temperature, self.logits)
        outside, at_end = (x < 0) | (x > 1), (x == 0) | (x == 1)
        safe = jnp.where(outside | at_end, 0.5, x)
        log_x, log_y = jnp.log(safe), jnp.log1p(-safe)
        t = temperature * (log_x - log_y) - logits
        low = t < 0  # there all is seen from the end x = 0
        rest = (temperature - 1) * jnp.where(low, log_x, log_y)
        rest -= (temperature + 1) * jnp.where(low, log_y, log_x)
        rest += jnp.where(low, -logits, logits)
        inside = rest - 2 * jnp.log1p(jnp.exp(jnp.where(low, t, -t)))
        limit = jnp.where(temperature > 1, -jnp.inf, jnp.inf)
        limit = jnp.where(temperature == 1, jnp.where(x == 0, -logits, logits), limit)
        inside = jnp.where(at_end, limit, inside) + jnp.log(temperature)
        return jnp.where(outside, -jnp.inf, inside)

    def _place(self, value: ArrayLike) -> Array:
        x, temperature, logits = as_floats(value, self.temperature, self.logits)
        x = jnp.clip(x, 0.0, 1.0)
        return temperature * (jnp.log(x) - jnp.log1p(-x)) - logits

    def cdf(self, value: ArrayLike) -> Array:
        return jax.nn.sigmoid(self._place(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return -softplus(-self._place(value))

    def log_sf(self, value: ArrayLike) -> Array:
        return -softplus(self._place(value))

    def icdf(self, q: ArrayLike) -> Array:
        q, temperature, logits = as_floats(q, self.temperature, self.logits)
        return jax.nn.sigmoid((logits + jnp.log(q) - jnp.log1p(-q)) / temperature)

    def _rule(self) -> tuple[Array, Array, Array, Array]:
        """Temperature and minus the size of the logits; nodes and weights in front."""
        temperature, logits = as_floats(self.temperature, self.logits)
        temperature, logits = jnp.broadcast_arrays(temperature, -jnp.abs(logits))
        shape = (len(_NODES),) + (1,) * logits.ndim
        dtype = logits.dtype
        nodes, weights = _NODES.reshape(shape), _WEIGHTS.reshape(shape)
        nodes, weights = jnp.asarray(nodes, dtype), jnp.asarray(weights, dtype)
        return temperature, logits, nodes, weights

    def _lower_moments(self) -> tuple[Array, Array]:
        """The first two moments for logits of at most zero.

        Two logistic variables are summed over, one of them in closed form: the one
        that leaves a smooth integrand, also at high and low temperatures.
        """
        temperature, logits, node, weight = self._rule()
        hot = temperature > 1
        x = jax.nn.sigmoid((logits + node) / jnp.maximum(temperature, 1.0))
        beyond = jax.nn.sigmoid(logits - jnp.minimum(temperature, 1.0) * node)
        first = jnp.where(hot, x, beyond)
        second = jnp.where(hot, x * x, 2 * jax.nn.sigmoid(node) * beyond)
        return (weight * first).sum(0), (weight * second).sum(0)

    @property
    def mean(self) -> Array:
        first, _ = self._lower_moments()
        return jnp.where(as_floats(self.logits)[0] > 0, 1 - first, first)

    @property
    def variance(self) -> Array:
        first, second = self._lower_moments()
        return second - first * first

    @property
    def mode(self) -> Array:
        """The mode, by bisection; NaN where no single one is, for temperatures <= 1."""
        temperature, logits = as_floats(self.temperature, self.logits)
        temperature, logits = jnp.broadcast_arrays(temperature, logits)
        peaked = temperature > 1

        def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            below, above = bounds
            y = 0.5 * (below + above)
            slope = jnp.tanh(0.5 * y) - temperature * jnp.tanh(
                0.5 * (temperature * y - logits)
            )
            return jnp.where(slope > 0, y, below), jnp.where(slope > 0, above, y)

        end = jnp.abs(logits) + 100.0
        _, y = jax.lax.fori_loop(0, 60, halve, (-end, end))
        return jnp.where(peaked, jax.nn.sigmoid(y), jnp.nan)

    def entropy(self) -> Array:
        temperature, logits, node, weight = self._rule()
        hot = temperature > 1

        def mean_softplus(logits: Array) -> Array:
            direct = softplus((logits + node) / jnp.maximum(temperature, 1.0))
            colder = jnp.minimum(temperature, 1.0)
            other = softplus(logits - colder * node) / colder
            return (weight * jnp.where(hot, direct, other)).sum(0)

        outer = mean_softplus(logits) + mean_softplus(-logits)
        return 2 - jnp.log(temperature) - outer


def RelaxedBernoulli(
    temperature: ArrayLike,
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> RelaxedBernoulliLogits:
    """Relaxed Bernoulli, by exactly one of `probs` and `logits`.

    Args:
        temperature: The temperature, of shape `batch_shape`.
        probs: The probability of a value above one half.
        logits: Its log odds.
        validate_args: Whether to check the parameters now.
    """
    if one_of("RelaxedBernoulli", probs=probs, logits=logits) == "probs":
        (share,) = as_floats(probs)
        logits = jnp.log(share) - jnp.log1p(-share)
    return RelaxedBernoulliLogits(temperature, logits, validate_args=validate_args)  # type: ignore
