"""The geometric distribution, by probability or by logit."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._counts import most_count, refuse_large
from ppl.distributions._parameters import one_of
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    fused,
    is_whole,
    log1mexp,
    open_uniform,
    softplus,
    two_shares,
)
from ppl.distributions.distribution import Distribution, distribution, param

_BLOCK = 4096.0  # draws are whole blocks of this length and a rest
_SURELY = 40.0  # no draw has a probability of exp(-40)


def _counts(value: ArrayLike) -> tuple[Array, Array]:
    """The counts as floats, and which are none (they become zero)."""
    outside = (value < 0) | ~jnp.asarray(is_whole(value))
    return as_floats(jnp.where(outside, 0, value))[0], outside


@fused
def _log_prob_of_probs(probs: ArrayLike, value: ArrayLike) -> Array:
    (count, outside), (p,) = _counts(value), as_floats(probs)
    failing = jnp.where(count > 0, p, 0.0)  # p = 1 allows no failure
    inside = jnp.log(p) + count * jnp.log1p(-failing)
    return jnp.where(outside, -jnp.inf, inside)


@fused
def _log_prob_of_logits(logits: ArrayLike, value: ArrayLike) -> Array:
    (count, outside), (logits,) = _counts(value), as_floats(logits)
    inside = -softplus(-logits) - count * softplus(logits)
    return jnp.where(outside, -jnp.inf, inside)


@fused
def _log_sf(log_q: Array, value: ArrayLike) -> Array:
    log_q, value = as_floats(log_q, value)
    above = jnp.maximum(jnp.floor(value) + 1, 0.0)
    return jnp.where(above == 0, 0.0, above * log_q)


def _draws(key: Key, log_q: Array, shape: Shape) -> Array:
    key_blocks, key_rest = jax.random.split(key)
    rate = -jnp.broadcast_to(log_q, shape)
    certain, never = rate == jnp.inf, rate <= 0
    rate = jnp.where(certain | never, 1.0, rate)
    blocks = jax.random.exponential(key_blocks, shape) / (_BLOCK * rate)
    u = open_uniform(key_rest, shape)
    rest = -jnp.log1p(u * jnp.expm1(-_BLOCK * rate)) / rate
    most = most_count()
    room = most // int(_BLOCK) - 1
    blocks = jnp.clip(jnp.floor(blocks), 0, room).astype(jnp.result_type(int))
    rest = jnp.clip(jnp.floor(rest), 0, _BLOCK - 1).astype(jnp.result_type(int))
    draws = blocks * int(_BLOCK) + rest
    return jnp.where(certain, 0, jnp.where(never, most, draws))


class AbstractGeometric(Distribution):
    """What the two have in common; `_logs` gives log p and log(1 - p)."""

    support = constraints.nonnegative_integer

    def _logs(self) -> tuple[Array, Array]:
        raise TypeError(f"{type(self).__name__} is abstract")

    def _shares(self) -> tuple[Array, Array]:
        raise TypeError(f"{type(self).__name__} is abstract")

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        refuse_large(self, lambda: _SURELY / self._shares()[0])
        return _draws(key, self._logs()[1], self.shape(sample_shape))

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        log_sf = self.log_sf(value)
        return jnp.where(log_sf == 0, -jnp.inf, log1mexp(-log_sf))

    def log_sf(self, value: ArrayLike) -> Array:
        return _log_sf(self._logs()[1], value)

    def icdf(self, q: ArrayLike) -> Array:
        """The quantiles; the largest integer for q = 1."""
        most = most_count()
        return jnp.where(jnp.asarray(q) >= 1, most, count_quantile_of(self, q, most))

    @property
    def mean(self) -> Array:
        p, q = self._shares()
        return q / p

    @property
    def variance(self) -> Array:
        p, q = self._shares()
        return q / p / p

    @property
    def mode(self) -> Array:
        return self._over_batch(jnp.zeros((), jnp.result_type(int)))

    def entropy(self) -> Array:
        (p, q), (log_p, log_q) = self._shares(), self._logs()
        return -log_p - jnp.where(q == 0, 0.0, q / p * jnp.where(q == 0, 0.0, log_q))


@distribution
class GeometricProbs(AbstractGeometric):
    """Geometric, the failures before the first success, by the probability of that.

    Args:
        probs: The probability of a success, of shape `batch_shape`.
    """

    probs: ArrayLike = param(constraints.unit_interval)

    @property
    def logits(self) -> Array:
        """The log odds of a success."""
        log_p, log_q = self._logs()
        return log_p - log_q

    def _shares(self) -> tuple[Array, Array]:
        (p,) = as_floats(self.probs)
        return p, 1 - p

    def _logs(self) -> tuple[Array, Array]:
        (p,) = as_floats(self.probs)
        return jnp.log(p), jnp.log1p(-p)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_probs(self.probs, value)


@distribution
class GeometricLogits(AbstractGeometric):
    """Geometric, the failures before the first success, by the log odds of that.

    Args:
        logits: The log odds of a success, of shape `batch_shape`.
    """

    logits: ArrayLike = param(constraints.real)

    @property
    def probs(self) -> Array:
        """The probability of a success."""
        return self._shares()[0]

    def _shares(self) -> tuple[Array, Array]:
        return two_shares(*as_floats(self.logits))

    def _logs(self) -> tuple[Array, Array]:
        (logits,) = as_floats(self.logits)
        return -softplus(-logits), -softplus(logits)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_logits(self.logits, value)


def Geometric(
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> GeometricProbs | GeometricLogits:
    """Geometric, the failures before the first success, by one of its parameters.

    Args:
        probs: The probability of a success, of shape `batch_shape`.
        logits: The log odds of a success.
        validate_args: Whether to check the parameters now.
    """
    if one_of("Geometric", probs=probs, logits=logits) == "probs":
        return GeometricProbs(probs, validate_args=validate_args)  # type: ignore
    return GeometricLogits(logits, validate_args=validate_args)  # type: ignore
