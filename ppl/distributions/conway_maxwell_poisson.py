"""The Conway-Maxwell-Poisson distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import misfit
from ppl.distributions._counts import log_concave, most_count, refuse_large
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    fused,
    is_whole,
    log1mexp,
    softplus,
    stirling_rest,
)
from ppl.distributions._sums import log_sum, log_sums_from, peaked_entropy
from ppl.distributions.distribution import Distribution, distribution, param


@fused
def _log_weight(log_rate: Array, nu: Array, count: Array) -> Array:
    """The log of rate^k / k!^nu, less `nu` times the root of the rate."""
    log_top = log_rate / nu
    top = jnp.exp(log_top)
    log_count = jnp.log(jnp.where(count > 0, count, 1.0))
    fit = misfit(
        count, top, top - count, jnp.where(count > 0, log_top - log_count, 0.0)
    )
    return -nu * (fit + stirling_rest(count))


def _reach(log_rate: Array, nu: Array) -> Array:
    """How far from the mode a weight is not negligible."""
    log_rate, nu = jax.lax.stop_gradient(log_rate), jax.lax.stop_gradient(nu)
    log_top = log_rate / nu
    top, limit = jnp.exp(log_top), 45.0
    reach = jnp.sqrt(2 * limit * top / nu) + 1
    for _ in range(8):  # Newton's method for how much a weight has dropped
        slope = nu * softplus(jnp.log(reach) - log_top)
        drop = (top + reach) * slope - nu * reach
        reach = jnp.maximum(reach + (limit - drop) / slope, 1.0)
    return reach


@distribution
class ConwayMaxwellPoisson(Distribution):
    """Counts with probabilities proportional to `rate ** k / factorial(k) ** nu`.

    With `nu` one it is Poisson, above one it is less dispersed than that, below one
    more (G. Shmueli and others 2005, "A useful distribution for fitting discrete
    data"). The constant is summed to all digits, at a fixed cost. Draws are integers
    and stop at the largest one; concrete parameters for which that could happen are
    refused.

    Args:
        rate: Positive, of shape `batch_shape`; the mode is `rate ** (1 / nu)`.
        nu: How much faster than that of a Poisson the tail falls off.
    """

    rate: ArrayLike = param(constraints.positive)
    nu: ArrayLike = param(constraints.positive)
    support = constraints.nonnegative_integer

    def _all(self) -> tuple[Array, Array]:
        rate, nu = jnp.broadcast_arrays(*as_floats(self.rate, self.nu))
        return jnp.log(rate), nu

    def _top(self) -> Array:
        log_rate, nu = self._all()
        most = float(most_count() // 2)
        top = jnp.exp(jnp.minimum(log_rate / nu, 80.0))
        return jax.lax.stop_gradient(jnp.minimum(jnp.floor(top), most))

    def _sums(self) -> tuple[Array, Array, Array]:
        log_rate, nu = self._all()
        reach = _reach(log_rate, nu)
        return log_sums_from(lambda k: _log_weight(log_rate, nu, k), self._top(), reach)

    def _largest(self) -> Array:
        log_rate, nu = self._all()
        return jnp.exp(log_rate / nu) + _reach(log_rate, nu)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        refuse_large(self, self._largest)
        log_rate, nu = self._all()
        log_total = self._sums()[0]

        def log_pmf(count: Array) -> Array:
            weight = _log_weight(log_rate, nu, jnp.maximum(count, 0.0))
            return jnp.where(count < 0, -jnp.inf, weight - log_total)

        return log_concave(key, self._top(), log_pmf, self.shape(sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        outside = (value < 0) | ~jnp.asarray(is_whole(value))
        (count,) = as_floats(jnp.where(outside, 0, value))
        inside = _log_weight(*self._all(), count) - self._sums()[0]
        return jnp.where(outside, -jnp.inf, inside)

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        log_rate, nu = self._all()
        log_total, mean, _ = self._sums()
        (value,) = as_floats(value)
        value, mean = jnp.broadcast_arrays(jnp.floor(value), mean)
        count = jnp.maximum(value, 0.0)
        low = count < mean
        end = jnp.maximum(count, self._top()) + jnp.ceil(_reach(log_rate, nu)) + 80
        first, last = jnp.where(low, 0.0, count + 1), jnp.where(low, count, end)
        near = log_sum(lambda k: _log_weight(log_rate, nu, k), first, last)
        near = jnp.minimum(near - log_total, 0.0)
        far = log1mexp(-near)
        lower, upper = jnp.where(low, near, far), jnp.where(low, far, near)
        below = value < 0
        return jnp.where(below, -jnp.inf, lower), jnp.where(below, 0.0, upper)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        """The quantiles; the largest integer for q = 1."""
        most = most_count()
        return jnp.where(jnp.asarray(q) >= 1, most, count_quantile_of(self, q, most))

    @property
    def mean(self) -> Array:
        """The mean, by an accurate sum."""
        return self._sums()[1]

    @property
    def variance(self) -> Array:
        """The variance, by an accurate sum."""
        return self._sums()[2]

    @property
    def mode(self) -> Array:
        return self._top().astype(jnp.result_type(int))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        log_rate, nu = self._all()
        log_total, top = self._sums()[0], self._top()
        last = top + jnp.ceil(_reach(log_rate, nu)) + 60

        def log_prob(count: Array) -> Array:
            return _log_weight(log_rate, nu, count) - log_total

        return peaked_entropy(log_prob, top, last)
