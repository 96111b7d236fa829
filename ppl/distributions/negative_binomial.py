"""Negative binomial distributions, which are Poisson with a gamma distributed rate."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import log_negative_binomial
from ppl.distributions._counts import most_count, poisson, refuse_large
from ppl.distributions._parameters import one_of
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import as_floats, fused, is_whole, two_shares
from ppl.distributions._special_tails import log_beta_tails
from ppl.distributions._sums import peaked_entropy
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param
from ppl.distributions.hurdle import HurdleProbs
from ppl.distributions.zero_inflated import (
    ZeroInflatedDistribution,
    ZeroInflatedLogits,
    ZeroInflatedProbs,
)


class _Trials(NamedTuple):
    """Trials until `r` failures: log odds, probabilities of success and of failure."""

    r: Array
    log_odds: Array
    p: Array
    q: Array
    pull: Array  # r p


@fused
def _log_prob(trials: _Trials, value: ArrayLike) -> Array:
    outside = (value < 0) | ~jnp.asarray(is_whole(value))
    (count,) = as_floats(jnp.where(outside, 0, value))
    inside = log_negative_binomial(*trials, count)
    return jnp.where(outside, -jnp.inf, inside)


@fused
def _log_tails(trials: _Trials, value: ArrayLike) -> tuple[Array, Array]:
    value, r, p, q = as_floats(value, trials.r, trials.p, trials.q)
    count = jnp.floor(value)
    below = count < 0
    above = jnp.maximum(count, 0.0) + 1
    lower, upper = log_beta_tails(r, above, q, p)
    return jnp.where(below, -jnp.inf, lower), jnp.where(below, 0.0, upper)


def _positive(x: Array) -> Array:
    """`x`, with zero replaced by something negligible that has a logarithm."""
    return jnp.where(x == 0, x + jnp.finfo(x.dtype).tiny, x)


class AbstractNegativeBinomial(Distribution):
    """What all have in common; `_trials` says in what way each is a negative binomial.

    Draws are integers and so stop at the largest one; concrete parameters for which
    that could happen are refused.
    """

    support = constraints.nonnegative_integer

    def _trials(self) -> _Trials:
        raise TypeError(f"{type(self).__name__} is abstract")

    def _odds(self) -> Array:
        """The mean over `r`."""
        trials = self._trials()
        return trials.p / trials.q

    def _largest(self) -> Array:
        odds = self._odds()
        mean = self._trials().r * odds
        return mean + 10 * jnp.sqrt(mean * (1 + odds)) + 40 * odds

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        refuse_large(self, self._largest)
        key_rate, key_count = jax.random.split(key)
        shape = self.shape(sample_shape)
        gamma = jax.random.gamma(key_rate, self._trials().r, shape)
        odds = jnp.minimum(self._odds(), jnp.finfo(gamma.dtype).max)
        return poisson(key_count, gamma * odds, shape)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self._trials(), value)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        return _log_tails(self._trials(), value)

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
        return self._over_batch(self._trials().r * self._odds())

    @property
    def variance(self) -> Array:
        odds = self._odds()
        return self._over_batch(self._trials().r * odds * (1 + odds))

    @property
    def mode(self) -> Array:
        top = jnp.floor(jnp.maximum(self._trials().r - 1, 0.0) * self._odds())
        whole = jnp.minimum(top, float(most_count() // 2)).astype(jnp.result_type(int))
        return self._over_batch(whole)

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        trials = self._trials()
        top = jnp.floor(jnp.maximum(trials.r - 1, 0.0) * self._odds())
        last = jnp.ceil(self._largest()) + 60
        inside = partial(log_negative_binomial, *trials)
        return self._over_batch(peaked_entropy(inside, top, jnp.maximum(top, last)))


@distribution
class GammaPoisson(AbstractNegativeBinomial):
    """Poisson counts whose rate has a gamma distribution.

    Args:
        concentration: The concentration of the gamma, of shape `batch_shape`.
        rate: The rate of the gamma; the mean of the counts is the concentration over
            the rate.
    """

    concentration: ArrayLike = param(constraints.positive)
    rate: ArrayLike = param(constraints.positive, default=1.0)

    def _trials(self) -> _Trials:
        r, rate = as_floats(self.concentration, self.rate)
        p, q = 1 / (1 + rate), rate / (1 + rate)
        return _Trials(r, -jnp.log(rate), p, q, r * p)

    def _odds(self) -> Array:
        return 1 / as_floats(self.rate)[0]


@distribution
class NegativeBinomialProbs(AbstractNegativeBinomial):
    """Negative binomial: the successes before the failure with number `total_count`.

    Args:
        total_count: The failures at which counting stops, any positive number, of
            shape `batch_shape`.
        probs: The probability of a success.
    """

    total_count: ArrayLike = param(constraints.positive)
    probs: ArrayLike = param(constraints.unit_interval)

    def _trials(self) -> _Trials:
        r, probs = as_floats(self.total_count, self.probs)
        p = _positive(probs)
        return _Trials(r, jnp.log(p) - jnp.log1p(-p), p, 1 - p, r * p)

    def log_prob(self, value: ArrayLike) -> Array:
        impossible = (jnp.asarray(self.probs) == 0) & (jnp.asarray(value) > 0)
        return jnp.where(impossible, -jnp.inf, super().log_prob(value))

    @property
    def logits(self) -> Array:
        """The log odds of a success."""
        (probs,) = as_floats(self.probs)
        return jnp.log(probs) - jnp.log1p(-probs)


@distribution
class NegativeBinomialLogits(AbstractNegativeBinomial):
    """Negative binomial: the successes before the failure with number `total_count`.

    Args:
        total_count: The failures at which counting stops, any positive number, of
            shape `batch_shape`.
        logits: The log odds of a success.
    """

    total_count: ArrayLike = param(constraints.positive)
    logits: ArrayLike = param(constraints.real)

    def _trials(self) -> _Trials:
        r, logits = as_floats(self.total_count, self.logits)
        p, q = two_shares(logits)
        return _Trials(r, logits, p, q, r * p)

    def _odds(self) -> Array:
        return jnp.exp(*as_floats(self.logits))

    @property
    def probs(self) -> Array:
        """The probability of a success."""
        return self._trials().p


@distribution
class NegativeBinomial2(AbstractNegativeBinomial):
    """Negative binomial, by its mean and a concentration.

    The variance is `mean + mean^2 / concentration`: for a large concentration the
    counts are nearly Poisson.

    Args:
        mean: The mean, of shape `batch_shape`; zero means that the count is zero.
        concentration: The concentration of the gamma distribution of the rate.
    """

    # The defaults, which are refused, hide the property of the same name.
    mean: ArrayLike = param(constraints.nonnegative, default=None)  # type: ignore
    concentration: ArrayLike = param(constraints.positive, default=None)

    def _align(self) -> None:
        super()._align()
        if shape_of(self.mean) != self.batch_shape:
            whole = constraints.namespace(self.mean).broadcast_to(
                self.mean, self.batch_shape
            )
            object.__setattr__(self, "mean", whole)

    def _trials(self) -> _Trials:
        r, given = as_floats(self.concentration, self.mean)
        mean = _positive(given)
        total = r + mean
        p, q = mean / total, r / total
        return _Trials(r, jnp.log(mean) - jnp.log(r), p, q, mean * q)

    def _odds(self) -> Array:
        mean, r = as_floats(self.mean, self.concentration)
        return mean / r

    def log_prob(self, value: ArrayLike) -> Array:
        impossible = (jnp.asarray(self.mean) == 0) & (jnp.asarray(value) > 0)
        return jnp.where(impossible, -jnp.inf, super().log_prob(value))


def NegativeBinomial(
    total_count: ArrayLike,
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> NegativeBinomialProbs | NegativeBinomialLogits:
    """Negative binomial, successes before so many failures, by `probs` or `logits`.

    Args:
        total_count: The failures at which counting stops, any positive number.
        probs: The probability of a success.
        logits: The log odds of a success.
        validate_args: Whether to check the parameters now.
    """
    if one_of("NegativeBinomial", probs=probs, logits=logits) == "probs":
        return NegativeBinomialProbs(total_count, probs, validate_args=validate_args)  # type: ignore
    return NegativeBinomialLogits(total_count, logits, validate_args=validate_args)  # type: ignore


def ZeroInflatedNegativeBinomial2(
    mean: ArrayLike,
    concentration: ArrayLike,
    *,
    gate: ArrayLike | None = None,
    gate_logits: ArrayLike | None = None,
    validate_args: bool | None = None,
) -> ZeroInflatedProbs | ZeroInflatedLogits:
    """Negative binomial counts that are replaced by zero with some probability.

    Args:
        mean: The mean of the other counts, of shape `batch_shape`.
        concentration: The concentration of the gamma distribution of their rate.
        gate: The probability of an extra zero.
        gate_logits: Its log odds, instead.
        validate_args: Whether to check the parameters now.
    """
    base = NegativeBinomial2(mean, concentration, validate_args=validate_args)  # type: ignore
    return ZeroInflatedDistribution(
        base, gate=gate, gate_logits=gate_logits, validate_args=validate_args
    )


def HurdleNegativeBinomial2(
    gate: ArrayLike,
    mean: ArrayLike,
    concentration: ArrayLike,
    *,
    validate_args: bool | None = None,
) -> HurdleProbs:
    """Zero with some probability, else a negative binomial count that is not zero.

    Args:
        gate: The probability of zero, of shape `batch_shape`.
        mean: The mean of the negative binomial count, its own zeros included.
        concentration: The concentration of the gamma distribution of its rate.
        validate_args: Whether to check the parameters now.
    """
    base = NegativeBinomial2(mean, concentration, validate_args=validate_args)  # type: ignore
    return HurdleProbs(base, gate, validate_args=validate_args)  # type: ignore
