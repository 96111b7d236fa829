"""Counts with more zeros than their family explains."""

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
from ppl.distributions._search import count_quantile
from ppl.distributions._wrapping import Tails, ends_of, tails_at
from ppl.distributions.distribution import Distribution, distribution, param


class AbstractZeroInflated(AbstractGated):
    """What both parametrisations have in common."""

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        base = self.base_dist
        if not base.is_discrete or ends_of(base.support)[0] is None:
            raise ArgumentError(
                f"{type(self).__name__} needs a base of counts, but "
                f"{type(base).__name__} is not.",
                value=base,
            )

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_gate, key_base = jax.random.split(key)
        draws = self._base.sample(key_base, sample_shape)
        shut = jax.random.uniform(key_gate, draws.shape) < self._gate.shut
        return jnp.where(shut, 0, draws)

    def log_prob(self, value: ArrayLike) -> Array:
        value = jnp.asarray(value)
        zero = value == 0
        some = self._gate.log_open(~zero) + self.base_dist.log_prob(value)
        none = self._gate.log_either(self.base_dist.log_prob(jnp.zeros((), int)))
        return jnp.where(zero, none, some)

    def log_tails(self, value: ArrayLike) -> Tails:
        """The logarithms of the probabilities below and above."""
        tails = tails_at(self.base_dist, value)
        below = jnp.asarray(value) < 0
        gate = self._gate
        inside = gate.log_either(jnp.where(below, -1.0, tails.log_cdf))
        # The base's support starts at zero, as `_prepare` has seen to.
        above = gate.log_open(~below) + tails.log_sf
        return Tails(jnp.where(below, -jnp.inf, inside), jnp.where(below, 0.0, above))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_cdf

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_sf

    def icdf(self, q: ArrayLike) -> Array:
        return count_quantile(self, q, 0, self.base_dist.icdf(q))

    @property
    def mean(self) -> Array:
        return self._over_batch(self._gate.open * self.base_dist.mean)

    @property
    def variance(self) -> Array:
        gate, mean = self._gate, self.base_dist.mean
        within = self.base_dist.variance + gate.shut * jnp.square(mean)
        return self._over_batch(gate.open * within)

    @property
    def mode(self) -> Array:
        mode = self._over_batch(self.base_dist.mode)
        return jnp.where(self.log_prob(mode) > self.log_prob(0), mode, 0)

    def entropy(self) -> Array:
        """The entropy, from that of the base."""
        gate, log_none = self._gate, self.base_dist.log_prob(jnp.zeros((), int))
        zero = surprise(gate.log_either(log_none))
        some = self.base_dist.entropy() - surprise(log_none)
        some += jnp.expm1(log_none) * gate.log_open(gate.open > 0)
        return self._over_batch(zero + gate.open * some)

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_enumerate_support

    def enumerate_support(self, expand: bool = True) -> Array:
        if not self.has_enumerate_support:
            return super().enumerate_support(expand)
        return self._base.enumerate_support(expand)


@distribution
class ZeroInflatedProbs(AbstractZeroInflated, AbstractGatedByProbs):  # type: ignore
    """Counts that are replaced by zero with some probability.

    Args:
        base_dist: A distribution of counts.
        gate: The probability of a zero that the base knows nothing of.
    """

    base_dist: Distribution
    gate: ArrayLike = param(constraints.unit_interval)


@distribution
class ZeroInflatedLogits(AbstractZeroInflated, AbstractGatedByLogits):  # type: ignore
    """Counts that are replaced by zero with some log odds.

    Args:
        base_dist: A distribution of counts.
        gate_logits: The log odds of a zero that the base knows nothing of.
    """

    base_dist: Distribution
    gate_logits: ArrayLike = param(constraints.real)


def ZeroInflatedDistribution(
    base_dist: Distribution,
    *,
    gate: ArrayLike | None = None,
    gate_logits: ArrayLike | None = None,
    validate_args: bool | None = None,
) -> ZeroInflatedProbs | ZeroInflatedLogits:
    """Counts with extra zeros, by exactly one of `gate` and `gate_logits`.

    Args:
        base_dist: A distribution of counts.
        gate: The probability of an extra zero.
        gate_logits: Its log odds.
        validate_args: Whether to check the parameters now.
    """
    given = one_of("ZeroInflatedDistribution", gate=gate, gate_logits=gate_logits)
    if given == "gate":
        return ZeroInflatedProbs(base_dist, gate, validate_args=validate_args)  # type: ignore
    return ZeroInflatedLogits(base_dist, gate_logits, validate_args=validate_args)  # type: ignore
