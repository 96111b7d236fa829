"""The hypergeometric distribution."""

from __future__ import annotations

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import misfit
from ppl.distributions._counts import known_total, log_concave
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    fused,
    is_whole,
    log1mexp,
    stirling_rest,
)
from ppl.distributions._sums import log_sum, peaked_entropy
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


def _cell(count: Array, of: Array, share: Array, gap: Array) -> Array:
    """What a binomial count costs whose mean, `of * share`, is off by `gap`."""
    mean = of * share
    safe = (count > 0) & (mean > 0)
    log_ratio = jnp.log(jnp.where(safe, mean, 1.0) / jnp.where(safe, count, 1.0))
    return misfit(count, mean, gap, log_ratio) + stirling_rest(count)


@fused
def _log_term(total: Array, good: Array, drawn: Array, count: Array) -> Array:
    """A product of two binomial probabilities over a third (C. Loader 2000)."""
    size = jnp.maximum(total, 1.0)
    share, rest = drawn / size, (total - drawn) / size
    gap = good * share - count
    bad = total - good
    cost = _cell(count, good, share, gap)
    cost += _cell(good - count, good, rest, -gap)
    cost += _cell(drawn - count, bad, share, -gap)
    cost += _cell(bad - drawn + count, bad, rest, gap)
    whole = stirling_rest(good) + stirling_rest(bad) - stirling_rest(total)
    return whole + stirling_rest(drawn) + stirling_rest(total - drawn) - cost


@distribution
class Hypergeometric(Distribution):
    """Hypergeometric: the successes among so many draws without replacement.

    Args:
        population: The size of the population, of shape `batch_shape`.
        successes: How many in the population count as a success.
        draws: How many are drawn.
    """

    population: ArrayLike = param(constraints.nonnegative_integer)
    successes: ArrayLike = param(constraints.nonnegative_integer)
    draws: ArrayLike = param(constraints.nonnegative_integer)
    has_enumerate_support = True

    def parameter_checks(self) -> list[ParameterCheck]:
        checks = super().parameter_checks()
        total = known(self.population)
        for name in ("successes", "draws"):
            part = known(getattr(self, name))
            xp = constraints.namespace(part, total)
            part, whole = xp.broadcast_arrays(part, total)
            rule = f"{name} must be <= population"
            checks.append(ParameterCheck(name, part, part <= whole, rule))
        return checks

    def _ends(self) -> tuple[Array, Array]:
        total, good, drawn = map(jnp.asarray, self._all())
        return jnp.maximum(drawn - (total - good), 0), jnp.minimum(good, drawn)

    def _all(self) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
        return self.population, self.successes, self.draws

    @property
    def support(self) -> Constraint:
        return constraints.integer_interval(*self._ends())

    def _term(self, count: Array) -> Array:
        """The log probability of whole floats, -inf outside of the support."""
        low, high = as_floats(*self._ends())
        outside = (count < low) | (count > high)
        total, good, drawn = as_floats(*self._all())
        count = jnp.where(outside, low, count)
        inside = _log_term(total, good, drawn, count)
        return jnp.where(outside, -jnp.inf, inside)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        (mode,) = as_floats(self.mode)
        return log_concave(key, mode, self._term, self.shape(sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        outside = ~jnp.asarray(is_whole(value))
        return jnp.where(outside, -jnp.inf, self._term(*as_floats(value)))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        value, low, high = as_floats(value, *self._ends())
        count, low, high, mean = jnp.broadcast_arrays(
            jnp.floor(value), low, high, self.mean
        )
        inside = (count >= low) & (count < high)
        first = jnp.where(count < mean, low, count + 1)
        last = jnp.where(count < mean, count, high)
        first, last = jnp.where(inside, first, low), jnp.where(inside, last, low)
        near = jnp.minimum(log_sum(self._term, first, last), 0.0)
        far = log1mexp(-jnp.where(inside, near, -1.0))
        lower = jnp.where(count < mean, near, far)
        upper = jnp.where(count < mean, far, near)
        below = count < low
        lower = jnp.where(inside, lower, jnp.where(below, -jnp.inf, 0.0))
        return lower, jnp.where(inside, upper, jnp.where(below, 0.0, -jnp.inf))

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        low, high = self._ends()
        return jnp.maximum(count_quantile_of(self, q, high), low)

    @property
    def mean(self) -> Array:
        total, good, drawn = as_floats(*self._all())
        return self._over_batch(drawn * (good / jnp.maximum(total, 1.0)))

    @property
    def variance(self) -> Array:
        total, good, drawn = as_floats(*self._all())
        size = jnp.maximum(total, 1.0)
        rest = (total - drawn) / jnp.maximum(total - 1, 1.0)
        spread = drawn * (good / size) * ((total - good) / size)
        return self._over_batch(spread * rest)

    @property
    def mode(self) -> Array:
        total, good, drawn = as_floats(*self._all())
        low, high = self._ends()
        top = jnp.floor((drawn + 1) * ((good + 1) / (total + 2)))
        whole = jnp.clip(top.astype(jnp.result_type(int)), low, high)
        return self._over_batch(whole.astype(jnp.result_type(int)))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        low, high, top = as_floats(*self._ends(), self.mode)
        return peaked_entropy(lambda k: self._term(low + k), top - low, high - low)

    def enumerate_support(self, expand: bool = True) -> Array:
        total, good, drawn = (
            known_total("Hypergeometric", v, name)
            for v, name in zip(
                self._all(), ("population", "successes", "draws"), strict=True
            )
        )
        low, high = max(drawn - (total - good), 0), min(good, drawn)
        return low + self._listed(high - low + 1, expand=expand)
