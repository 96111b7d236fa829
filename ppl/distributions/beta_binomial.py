"""Binomial and negative binomial counts whose probability has a beta distribution."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import (
    log_beta_binomial,
    mean_of_beta_binomial,
    top_of_beta_binomial,
)
from ppl.distributions._counts import (
    binomial,
    known_total,
    most_count,
    poisson,
    refuse_large,
)
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    fused,
    is_whole,
    log1mexp,
    two_shares,
)
from ppl.distributions._sums import entropy_between, log_sum, peaked_entropy
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param

_FAR = 1e9  # so many times further out a tail is a power of the count


def _log_odds(key: Key, a: Array, b: Array, shape: Shape) -> Array:
    """The log odds of beta draws, which neither under- nor overflow."""
    key_a, key_b = jax.random.split(key)
    return jax.random.loggamma(key_a, a, shape) - jax.random.loggamma(key_b, b, shape)


# --- beta binomial --------------------------------------------------------------------


@fused
def _log_prob(a: ArrayLike, b: ArrayLike, total: ArrayLike, value: ArrayLike) -> Array:
    total, value = jnp.asarray(total), jnp.asarray(value)
    outside = (value < 0) | (value > total) | ~jnp.asarray(is_whole(value))
    value = jnp.where(outside, 0, value)
    k, m, a, b = as_floats(value, total - value, a, b)
    return jnp.where(outside, -jnp.inf, log_beta_binomial(k, m, a, b))


@fused
def _log_tails(
    a: ArrayLike, b: ArrayLike, total: ArrayLike, value: ArrayLike
) -> tuple[Array, Array]:
    a, b, n, value = jnp.broadcast_arrays(*as_floats(a, b, total, value))
    k = jnp.floor(value)
    inside = (k >= 0) & (k < n)
    k = jnp.where(inside, k, 0.0)
    low = k < n * (a / (a + b))  # the smaller tail is summed
    first, last = jnp.where(low, 0.0, k + 1), jnp.where(low, k, n)
    near = jnp.minimum(
        log_sum(lambda j: log_beta_binomial(j, n - j, a, b), first, last), 0.0
    )
    far = log1mexp(-jnp.where(inside, near, -1.0))
    lower, upper = jnp.where(low, near, far), jnp.where(low, far, near)
    lower = jnp.where(inside, lower, jnp.where(value < 0, -jnp.inf, 0.0))
    return lower, jnp.where(inside, upper, jnp.where(value < 0, 0.0, -jnp.inf))


@distribution
class BetaBinomial(Distribution):
    """Binomial counts whose probability of a success has a beta distribution.

    The distribution function is a sum over the shorter side, of which only some terms
    are computed where they are many.

    Args:
        concentration1: The concentration of success, of shape `batch_shape`.
        concentration0: The concentration of failure.
        total_count: The number of trials.
    """

    concentration1: ArrayLike = param(constraints.positive)
    concentration0: ArrayLike = param(constraints.positive)
    total_count: ArrayLike = param(constraints.nonnegative_integer, default=1)
    has_enumerate_support = True

    @property
    def support(self) -> Constraint:
        return constraints.integer_interval(0, self.total_count)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_odds, key_count = jax.random.split(key)
        a, b = as_floats(self.concentration1, self.concentration0)
        shape = self.shape(sample_shape)
        p, q = two_shares(_log_odds(key_odds, a, b, shape))
        return binomial(key_count, self.total_count, p, q, shape)

    def _all(self, value: ArrayLike) -> tuple[ArrayLike, ...]:
        return self.concentration1, self.concentration0, self.total_count, value

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(*self._all(value))

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        return _log_tails(*self._all(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        return count_quantile_of(self, q, self.total_count)

    @property
    def mean(self) -> Array:
        a, b, n = as_floats(self.concentration1, self.concentration0, self.total_count)
        return self._over_batch(n * (a / (a + b)))

    @property
    def variance(self) -> Array:
        a, b, n = as_floats(self.concentration1, self.concentration0, self.total_count)
        s = a + b
        return self._over_batch(n * (a / s) * (b / s) * ((s + n) / (s + 1)))

    @property
    def mode(self) -> Array:
        """A mode; if both ends are modes, the one of the larger concentration."""
        a, b, n = as_floats(self.concentration1, self.concentration0, self.total_count)
        top = top_of_beta_binomial(a, b, n)
        return self._over_batch(top.astype(jnp.result_type(int)))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        a, b, n = as_floats(self.concentration1, self.concentration0, self.total_count)

        def surprise(count: Array) -> Array:
            return -log_beta_binomial(count, n - count, a, b)

        return self._over_batch(mean_of_beta_binomial(surprise, a, b, n))

    def enumerate_support(self, expand: bool = True) -> Array:
        total = known_total("BetaBinomial", self.total_count)
        return self._listed(total + 1, expand=expand)


# --- beta negative binomial -----------------------------------------------------------


def _log_term(a: Array, b: Array, r: Array, k: Array) -> Array:
    return log_beta_binomial(k, r, a, b) + jnp.log(r) - jnp.log(r + k)


@fused
def _negative_log_prob(
    a: ArrayLike, b: ArrayLike, r: ArrayLike, value: ArrayLike
) -> Array:
    outside = (value < 0) | ~jnp.asarray(is_whole(value))
    k, a, b, r = as_floats(jnp.where(outside, 0, value), a, b, r)
    return jnp.where(outside, -jnp.inf, _log_term(a, b, r, k))


@fused
def _negative_log_tails(
    a: ArrayLike, b: ArrayLike, r: ArrayLike, value: ArrayLike
) -> tuple[Array, Array]:
    a, b, r, value = jnp.broadcast_arrays(*as_floats(a, b, r, value))
    k = jnp.floor(value)
    inside = k >= 0
    k = jnp.where(inside, k, 0.0)
    low = k < r * (a / (b + 1))
    end = _FAR * jnp.maximum(k + 1, jnp.square(a + b + r))
    end = jax.lax.stop_gradient(jnp.floor(end))
    first, last = jnp.where(low, 0.0, k + 1), jnp.where(low, k, end)
    near = log_sum(lambda j: _log_term(a, b, r, j), first, last)
    beyond = _log_term(a, b, r, end) + jnp.log(end) - jnp.log(b)
    near = jnp.where(low, near, jnp.logaddexp(near, beyond))
    near = jnp.minimum(near, 0.0)
    far = log1mexp(-near)
    lower, upper = jnp.where(low, near, far), jnp.where(low, far, near)
    return jnp.where(inside, lower, -jnp.inf), jnp.where(inside, upper, 0.0)


@distribution
class BetaNegativeBinomial(Distribution):
    """Negative binomial counts whose probability of a success is a beta variable.

    The tail is a power, `P(X > k)` falling like `k ** -concentration0`: draws that fit
    no integer stop at the largest one.

    Args:
        concentration1: The concentration of success, of shape `batch_shape`.
        concentration0: The concentration of failure.
        n: The failures at which counting stops, any positive number.
    """

    concentration1: ArrayLike = param(constraints.positive)
    concentration0: ArrayLike = param(constraints.positive)
    n: ArrayLike = param(constraints.positive)
    support = constraints.nonnegative_integer

    def _all(self) -> tuple[Array, Array, Array]:
        a, b, r = as_floats(self.concentration1, self.concentration0, self.n)
        return a, b, r

    def _centre(self) -> Array:
        a, b, r = self._all()
        return r * (a / (b + 1))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        refuse_large(self, self._centre)
        key_odds, key_rate, key_count = jax.random.split(key, 3)
        a, b, r = self._all()
        shape = self.shape(sample_shape)
        log_rate = _log_odds(key_odds, a, b, shape)
        log_rate += jax.random.loggamma(key_rate, r, shape)
        rate = jnp.exp(jnp.minimum(log_rate, 80.0))
        return poisson(key_count, rate, shape)

    def log_prob(self, value: ArrayLike) -> Array:
        return _negative_log_prob(*self._all(), value)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        return _negative_log_tails(*self._all(), value)

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
        a, b, r = self._all()
        finite = r * (a / jnp.where(b > 1, b - 1, 1.0))
        return self._over_batch(jnp.where(b > 1, finite, jnp.inf))

    @property
    def variance(self) -> Array:
        a, b, r = self._all()
        c = jnp.where(b > 2, b, 3.0) - 1
        finite = r * (a / c) * ((r + c) / c) * ((a + c) / (c - 1))
        return self._over_batch(jnp.where(b > 2, finite, jnp.inf))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum and the integral of its power tail."""
        a, b, r = jnp.broadcast_arrays(*self._all())
        (top,) = as_floats(self.mode)
        near = jnp.floor(1e4 * (1 + self._centre()) + top)
        far = jnp.floor(_FAR * jnp.maximum(near, jnp.square(a + b + r)))
        near, far = jax.lax.stop_gradient(near), jax.lax.stop_gradient(far)
        log_prob = partial(_log_term, a, b, r)
        last = log_prob(far)
        beyond = (1 + 1 / b - last) / b * jnp.exp(last + jnp.log(far))
        return (
            peaked_entropy(log_prob, top, near)
            + entropy_between(log_prob, near + 1, far)
            + beyond
        )

    @property
    def mode(self) -> Array:
        a, b, r = self._all()
        top = jnp.floor((r - 1) * ((a - 1) / (b + 1)))
        top = jnp.where((r > 1) & (a > 1), top, 0.0)
        top = jnp.minimum(top, float(most_count() // 2))
        return self._over_batch(top.astype(jnp.result_type(int)))
