"""The Bernoulli distribution, by probability or by logit."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import one_of
from ppl.distributions._special import as_floats, fused, softplus, two_shares
from ppl.distributions.distribution import Distribution, distribution, param


@fused
def _log_prob_of_probs(probs: ArrayLike, value: ArrayLike) -> Array:
    (probs,) = as_floats(probs)
    yes, no = value == 1, value == 0
    log_yes = jnp.log(jnp.where(yes, probs, 1.0))
    log_no = jnp.log1p(-jnp.where(no, probs, 0.0))
    return jnp.where(yes | no, log_yes + log_no, -jnp.inf)


@fused
def _log_prob_of_logits(logits: ArrayLike, value: ArrayLike) -> Array:
    value = jnp.asarray(value)
    (logits,) = as_floats(logits)
    yes, no = value == 1, value == 0
    if 2 * logits.size <= math.prod(jnp.broadcast_shapes(logits.shape, yes.shape)):
        # A few logits for many values: both logarithms of each.
        either = jnp.where(yes, softplus(-logits), softplus(logits))
        return jnp.where(yes | no, -either, -jnp.inf)
    # What a value costs is chosen before and not after: a sum of such terms then has
    # nothing but arithmetic in it, for which XLA has faster code than for a choice.
    against = jnp.where(no, logits, jnp.inf)
    return -softplus(jnp.where(yes, -logits, against))


class AbstractBernoulli(Distribution):
    """What the two have in common; `_shares` gives the probabilities of 1 and 0."""

    support = constraints.boolean
    has_enumerate_support = True

    def _shares(self) -> tuple[Array, Array]:
        raise TypeError(f"{type(self).__name__} is abstract")

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        # Two uniforms for each draw, or a probability of 1e-9 would be drawn as 1e-7.
        probs, shape = self._shares()[0], self.shape(sample_shape)
        draws = jax.random.bernoulli(key, probs, shape, mode="high")
        return draws.astype(jnp.result_type(int))

    def cdf(self, value: ArrayLike) -> Array:
        upto = jnp.where(value < 1, self._shares()[1], 1.0)
        return jnp.where(value < 0, 0.0, upto)

    def log_sf(self, value: ArrayLike) -> Array:
        above = jnp.where(value < 1, jnp.log(self._shares()[0]), -jnp.inf)
        return jnp.where(value < 0, 0.0, above)

    def icdf(self, q: ArrayLike) -> Array:
        return (jnp.asarray(q) > self._shares()[1]).astype(jnp.result_type(int))

    @property
    def mean(self) -> Array:
        return self._shares()[0]

    @property
    def variance(self) -> Array:
        p, q = self._shares()
        return p * q

    @property
    def mode(self) -> Array:
        p, q = self._shares()
        return (p > q).astype(jnp.result_type(int))

    def enumerate_support(self, expand: bool = True) -> Array:
        return self._listed(2, expand=expand)


@distribution
class BernoulliProbs(AbstractBernoulli):
    """Bernoulli, by its probability.

    Args:
        probs: The probability of 1, of shape `batch_shape`.
    """

    probs: ArrayLike = param(constraints.unit_interval)

    @property
    def logits(self) -> Array:
        """The log odds."""
        (probs,) = as_floats(self.probs)
        return jnp.log(probs) - jnp.log1p(-probs)

    def _shares(self) -> tuple[Array, Array]:
        (probs,) = as_floats(self.probs)
        return probs, 1 - probs

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_probs(self.probs, value)

    def entropy(self) -> Array:
        p, q = self._shares()
        return -xlogy(p, p) - xlog1py(q, -p)


@distribution
class BernoulliLogits(AbstractBernoulli):
    """Bernoulli, by its log odds.

    Args:
        logits: The log odds of 1, of shape `batch_shape`.
    """

    logits: ArrayLike = param(constraints.real)

    @property
    def probs(self) -> Array:
        """The probability of 1."""
        return self._shares()[0]

    def _shares(self) -> tuple[Array, Array]:
        return two_shares(*as_floats(self.logits))

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_logits(self.logits, value)

    def entropy(self) -> Array:
        # The surprise at the more likely value, plus what the other one adds.
        (size,) = as_floats(abs(self.logits))
        return softplus(-size) + size * jax.nn.sigmoid(-size)


def Bernoulli(
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> BernoulliProbs | BernoulliLogits:
    """Bernoulli, on 0 and 1, by exactly one of its parameters.

    Args:
        probs: The probability of 1, of shape `batch_shape`.
        logits: The log odds of 1.
        validate_args: Whether to check the parameters now.
    """
    if one_of("Bernoulli", probs=probs, logits=logits) == "probs":
        return BernoulliProbs(probs, validate_args=validate_args)  # type: ignore
    return BernoulliLogits(logits, validate_args=validate_args)  # type: ignore
