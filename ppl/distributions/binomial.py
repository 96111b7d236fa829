"""The binomial distribution, by probability or by logit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import misfit
from ppl.distributions._counts import binomial, known_total
from ppl.distributions._parameters import one_of
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    fused,
    is_whole,
    stirling_rest_of_counts,
    two_shares,
)
from ppl.distributions._special_tails import log_beta_tails
from ppl.distributions._sums import bell_entropy
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param

_EXPONENTIAL = -40.0  # below, no digit tells the logistic function from exp


def _counts(total: ArrayLike, value: ArrayLike) -> tuple[Array, Array, Array]:
    """Successes and failures (zero outside the support), and what is outside."""
    total, value = jnp.asarray(total), jnp.asarray(value)
    outside = (value < 0) | (value > total) | ~jnp.asarray(is_whole(value))
    value = jnp.where(outside, 0, value)
    successes, failures = as_floats(value, total - value)
    return successes, failures, outside


class _Share(NamedTuple):
    """A probability, and the same as `factor * exp(log_rest)`, which cannot underflow.

    It keeps its own shape: what it costs is mostly the same for many counts.
    """

    p: Array
    factor: ArrayLike
    log_rest: ArrayLike


def _log_excess(x: Array, n: Array, share: _Share) -> Array:
    """The log of what is expected of `n` trials over the count `x`."""
    ratio = n * share.factor / jnp.where(x == 0, 1.0, x)
    return jnp.log(ratio) + share.log_rest


def _log_fit(x: Array, y: Array, success: _Share, failure: _Share) -> Array:
    """Less the deviance of both counts from what is expected."""
    n, gap = x + y, success.p * y - failure.p * x
    log_x, log_y = _log_excess(x, n, success), _log_excess(y, n, failure)
    fit = misfit(x, n * success.p, gap, log_x)
    return -fit - misfit(y, n * failure.p, -gap, log_y)


def _change(counts: Any, shares: Any, slope: Array, tangents: Any) -> Array:
    """How `_log_fit` changes; counts take part if they are differentiated at all."""
    (x, y), dparameter = counts, tangents[2]
    change = jnp.zeros(jnp.shape(slope), slope.dtype)
    if not isinstance(dparameter, SymbolicZero):
        change += slope * dparameter
    for count, share, d in zip(counts, shares, tangents[:2], strict=True):
        if not isinstance(d, SymbolicZero):
            change += _log_excess(count, x + y, share) * d
    return change


def _log_prob(
    log_fit: Callable[[Array, Array, Array], Array],
    total: ArrayLike,
    parameter: ArrayLike,
    value: ArrayLike,
) -> Array:
    x, y, outside = _counts(total, value)
    total, x, y, parameter = as_floats(total, x, y, parameter)
    rest = stirling_rest_of_counts(x) + stirling_rest_of_counts(y)
    choices = stirling_rest_of_counts(total) - rest  # no probability enters here
    return jnp.where(outside, -jnp.inf, choices + log_fit(x, y, parameter))


# --- by probability -------------------------------------------------------------------


def _shares_of_probs(p: Array) -> tuple[_Share, _Share]:
    return _Share(p, p, 0.0), _Share(1 - p, 1 - p, 0.0)


@jax.custom_jvp
def _log_fit_of_probs(x: Array, y: Array, p: Array) -> Array:
    return _log_fit(x, y, *_shares_of_probs(p))


@partial(_log_fit_of_probs.defjvp, symbolic_zeros=True)
def _log_fit_of_probs_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    x, y, p = primals
    slope = jnp.where(x == 0, 0.0, x / p) - jnp.where(y == 0, 0.0, y / (1 - p))
    change = _change((x, y), _shares_of_probs(p), slope, tangents)
    return _log_fit_of_probs(x, y, p), change


@fused
def _log_prob_of_probs(total: ArrayLike, probs: ArrayLike, value: ArrayLike) -> Array:
    return _log_prob(_log_fit_of_probs, total, probs, value)


# --- by logit -------------------------------------------------------------------------


def _shares_of_logits(logits: Array) -> tuple[_Share, _Share]:
    def share(p: Array, logit: Array) -> _Share:
        tiny = logit < _EXPONENTIAL
        return _Share(p, jnp.where(tiny, 1.0, p), jnp.where(tiny, logit, 0.0))

    p, q = two_shares(logits)
    return share(p, logits), share(q, -logits)


@jax.custom_jvp
def _log_fit_of_logits(x: Array, y: Array, logits: Array) -> Array:
    return _log_fit(x, y, *_shares_of_logits(logits))


@partial(_log_fit_of_logits.defjvp, symbolic_zeros=True)
def _log_fit_of_logits_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    x, y, logits = primals
    shares = _shares_of_logits(logits)
    slope = x * shares[1].p - y * shares[0].p
    change = _change((x, y), shares, slope, tangents)
    return _log_fit_of_logits(x, y, logits), change


@fused
def _log_prob_of_logits(total: ArrayLike, logits: ArrayLike, value: ArrayLike) -> Array:
    return _log_prob(_log_fit_of_logits, total, logits, value)


# --- both -----------------------------------------------------------------------------


@fused
def _log_tails(
    total: ArrayLike, p: ArrayLike, q: ArrayLike, value: ArrayLike
) -> tuple[Array, Array]:
    n, k, p, q = as_floats(total, value, p, q)
    k = jnp.floor(k)
    inside = (k >= 0) & (k < n)
    failures = jnp.where(inside, n - k, 1.0)
    lower, upper = log_beta_tails(failures, jnp.where(inside, k + 1, 1.0), q, p)
    lower = jnp.where(inside, lower, jnp.where(k < 0, -jnp.inf, 0.0))
    return lower, jnp.where(inside, upper, jnp.where(k < 0, 0.0, -jnp.inf))


class AbstractBinomial(Distribution):
    """What the two have in common; `_shares` gives the odds of success and failure."""

    total_count: ArrayLike
    has_enumerate_support = True

    def _shares(self) -> tuple[Array, Array]:
        raise TypeError(f"{type(self).__name__} is abstract")

    @property
    def support(self) -> Constraint:
        return constraints.integer_interval(0, self.total_count)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        shape = self.shape(sample_shape)
        return binomial(key, self.total_count, *self._shares(), shape)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        return _log_tails(self.total_count, *self._shares(), value)

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        return count_quantile_of(self, q, self.total_count)

    @property
    def mean(self) -> Array:
        return self._over_batch(self.total_count * self._shares()[0])

    @property
    def variance(self) -> Array:
        p, q = self._shares()
        return self._over_batch(self.total_count * p * q)

    @property
    def mode(self) -> Array:
        n = jnp.asarray(self.total_count)
        mode = jnp.floor((n + 1) * self._shares()[0]).astype(jnp.result_type(int))
        return self._over_batch(jnp.minimum(mode, n))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        return bell_entropy(self.log_prob, self.mean, self.variance)

    def enumerate_support(self, expand: bool = True) -> Array:
        total = known_total("Binomial", self.total_count)
        return self._listed(total + 1, expand=expand)


@distribution
class BinomialProbs(AbstractBinomial):
    """Binomial, by the probability of a success.

    Args:
        probs: The probability of a success, of shape `batch_shape`.
        total_count: The number of trials.
    """

    probs: ArrayLike = param(constraints.unit_interval)
    total_count: ArrayLike = param(constraints.nonnegative_integer, default=1)

    @property
    def logits(self) -> Array:
        """The log odds of a success."""
        (probs,) = as_floats(self.probs)
        return jnp.log(probs) - jnp.log1p(-probs)

    def _shares(self) -> tuple[Array, Array]:
        (p,) = as_floats(self.probs)
        return p, 1 - p

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_probs(self.total_count, self.probs, value)


@distribution
class BinomialLogits(AbstractBinomial):
    """Binomial, by the log odds of a success.

    Args:
        logits: The log odds of a success, of shape `batch_shape`.
        total_count: The number of trials.
    """

    logits: ArrayLike = param(constraints.real)
    total_count: ArrayLike = param(constraints.nonnegative_integer, default=1)

    @property
    def probs(self) -> Array:
        """The probability of a success."""
        return self._shares()[0]

    def _shares(self) -> tuple[Array, Array]:
        return two_shares(*as_floats(self.logits))

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_logits(self.total_count, self.logits, value)


def Binomial(
    total_count: ArrayLike = 1,
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> BinomialProbs | BinomialLogits:
    """Binomial, the number of successes, by exactly one of `probs` and `logits`.

    Args:
        total_count: The number of trials, of shape `batch_shape`.
        probs: The probability of a success.
        logits: The log odds of a success.
        validate_args: Whether to check the parameters now.
    """
    if one_of("Binomial", probs=probs, logits=logits) == "probs":
        return BinomialProbs(probs, total_count, validate_args=validate_args)  # type: ignore
    return BinomialLogits(logits, total_count, validate_args=validate_args)  # type: ignore
