"""Two-part models: a gate decides between zero and a positive amount.

J. G. Cragg (1971), "Some statistical models for limited dependent variables";
J. Mullahy (1986), "Specification and testing of some modified count data models".
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._gates import (
    AbstractGated,
    AbstractGatedByLogits,
    AbstractGatedByProbs,
    surprise,
)
from ppl.distributions._parameters import one_of
from ppl.distributions._search import count_quantile, smallest
from ppl.distributions._special import log1mexp, open_uniform
from ppl.distributions._wrapping import Tails, ends_of, tails_at
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


class AbstractHurdle(AbstractGated):
    """What both parametrisations have in common.

    Of a continuous base the density is one with respect to the sum of a point mass at
    zero and length: at zero it is a probability.
    """

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        base = self.base_dist
        if ends_of(base.support)[0] is None:
            raise ArgumentError(
                f"{type(self).__name__} needs a base of counts or of positive numbers, "
                f"but {type(base).__name__} is neither.",
                value=base,
            )

    @property
    def support(self) -> Constraint:
        return self.base_dist.support if self.is_discrete else constraints.nonnegative

    def _log_some(self) -> Array | float:
        """Log of the probability that the base is not zero."""
        if not self.is_discrete:
            return 0.0
        return tails_at(self.base_dist, jnp.zeros((), int)).log_sf

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_gate, key_base = jax.random.split(key)
        shape = self.shape(sample_shape)
        if self.is_discrete:
            draws = self._positive(open_uniform(key_base, shape))
        else:
            draws = self._base.sample(key_base, sample_shape)
        shut = jax.random.uniform(key_gate, shape) < self._gate.shut
        return jnp.where(shut, 0, draws)

    def _positive(self, u: Array) -> Array:
        """The count above which the base, given that it is not zero, has mass `u`."""
        wanted = jnp.log(u) + self._log_some()

        def enough(k: Array) -> Array:
            return tails_at(self.base_dist, k).log_sf <= wanted

        most = ends_of(self.base_dist.support)[1]
        most = jnp.iinfo(jnp.result_type(int)).max if most is None else most
        return smallest(enough, 1, most, u.shape)

    def log_prob(self, value: ArrayLike) -> Array:
        value = jnp.asarray(value)
        zero, gate = value == 0, self._gate
        inner = 1 if self.is_discrete else self.base_dist.support.feasible_like(value)
        inside = self.base_dist.log_prob(jnp.where(zero, inner, value))
        some = gate.log_open(~zero) + inside - self._log_some()
        return jnp.where(zero, gate.log_shut(zero), some)

    def log_tails(self, value: ArrayLike) -> Tails:
        """The logarithms of the probabilities below and above."""
        value, gate = jnp.asarray(value), self._gate
        below = value < 0
        at = jnp.where(below, 0, value)
        above = tails_at(self.base_dist, at).log_sf - self._log_some()
        above = jnp.minimum(above, 0.0)
        some = (above < 0) & (at >= 1 if self.is_discrete else at > 0)
        inside = gate.log_either(log1mexp(jnp.where(some, -above, 1.0)))
        log_cdf = jnp.where(some, inside, gate.log_shut(~some))
        return Tails(
            jnp.where(below, -jnp.inf, log_cdf),
            jnp.where(below, 0.0, gate.log_open(~below) + above),
        )

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_cdf

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_sf

    def icdf(self, q: ArrayLike) -> Array:
        gate = self._gate
        if self.is_discrete:
            most = ends_of(self.base_dist.support)[1]
            most = jnp.iinfo(jnp.result_type(int)).max if most is None else most
            return count_quantile(self, q, 0, most)
        rest = (jnp.asarray(q) - gate.shut) / jnp.where(gate.open > 0, gate.open, 1.0)
        zero = (rest <= 0) | (gate.open == 0)
        x = self.base_dist.icdf(jnp.where(zero, 0.5, rest))
        return jnp.where(zero & (q >= 0), 0.0, x)

    @property
    def mean(self) -> Array:
        share = self._gate.open * jnp.exp(-self._log_some())
        return self._over_batch(share * self.base_dist.mean)

    @property
    def variance(self) -> Array:
        scale, base = jnp.exp(-self._log_some()), self.base_dist
        mean = scale * base.mean  # of what is positive
        within = scale * (base.variance + jnp.square(base.mean)) - jnp.square(mean)
        gate = self._gate
        return self._over_batch(gate.open * (within + gate.shut * jnp.square(mean)))

    @property
    def mode(self) -> Array:
        """Zero or, if it is more probable, the mode of a base with one peak."""
        if not self.is_discrete:
            return super().mode
        mode = jnp.maximum(self._over_batch(self.base_dist.mode), 1)
        return jnp.where(self.log_prob(mode) > self.log_prob(0), mode, 0)

    def entropy(self) -> Array:
        """The entropy, from that of the base; as the density is meant, see above."""
        gate, positive = self._gate, self.base_dist.entropy()
        if self.is_discrete:
            none = surprise(self.base_dist.log_prob(jnp.zeros((), int)))
            log_some = self._log_some()
            positive = (positive - none) * jnp.exp(-log_some) + log_some
        return self._over_batch(gate.entropy() + gate.open * positive)


@distribution
class HurdleProbs(AbstractHurdle, AbstractGatedByProbs):
    """Zero with some probability, else a positive draw of the base.

    Args:
        base_dist: A distribution of counts, whose own zeros are left out, or one of
            positive numbers.
        gate: The probability of zero.
    """

    base_dist: Distribution
    gate: ArrayLike = param(constraints.unit_interval)


@distribution
class HurdleLogits(AbstractHurdle, AbstractGatedByLogits):
    """Zero with some log odds, else a positive draw of the base.

    Args:
        base_dist: A distribution of counts, whose own zeros are left out, or one of
            positive numbers.
        gate_logits: The log odds of zero.
    """

    base_dist: Distribution
    gate_logits: ArrayLike = param(constraints.real)


def HurdleDistribution(
    base_dist: Distribution,
    *,
    gate: ArrayLike | None = None,
    gate_logits: ArrayLike | None = None,
    validate_args: bool | None = None,
) -> HurdleProbs | HurdleLogits:
    """Zero or a positive draw of the base, by exactly one of `gate`, `gate_logits`.

    Args:
        base_dist: A distribution of counts, whose own zeros are left out, or one of
            positive numbers.
        gate: The probability of zero.
        gate_logits: Its log odds.
        validate_args: Whether to check the parameters now.
    """
    given = one_of("HurdleDistribution", gate=gate, gate_logits=gate_logits)
    if given == "gate":
        return HurdleProbs(base_dist, gate, validate_args=validate_args)  # type: ignore
    return HurdleLogits(base_dist, gate_logits, validate_args=validate_args)  # type: ignore
