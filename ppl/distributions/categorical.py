"""The categorical distribution, by probabilities or by logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, known, one_of
from ppl.distributions._special import as_floats, fused
from ppl.distributions._tables import (
    checks_of_logits,
    checks_of_probs,
    log_above,
    log_upto,
    moments,
    pick,
    quantiles,
)
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _centred(logits: ArrayLike) -> tuple[Array, Array]:
    """Logits less their maximum, and the log of the sum of their exponentials."""
    (logits,) = as_floats(logits)
    shifted = logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    return shifted, jnp.log(jnp.exp(shifted).sum(-1))


@fused
def _log_prob_of_logits(logits: ArrayLike, value: ArrayLike) -> Array:
    shifted, log_total = _centred(logits)
    chosen, inside = pick(shifted, value)
    return jnp.where(inside, chosen - log_total, -jnp.inf)


@fused
def _log_prob_of_probs(probs: ArrayLike, value: ArrayLike) -> Array:
    chosen, inside = pick(*as_floats(probs), value)  # type: ignore
    return jnp.where(inside, jnp.log(jnp.where(inside, chosen, 1.0)), -jnp.inf)


@fused
def _cdf(probs: ArrayLike, value: ArrayLike) -> Array:
    (probs,) = as_floats(probs)
    last = probs.shape[-1] - 1
    value = jnp.floor(as_floats(value)[0])
    below, _ = pick(jnp.cumsum(probs, -1), jnp.clip(value, 0, last))
    return jnp.where(value < 0, 0.0, jnp.where(value >= last, 1.0, below))


class AbstractCategorical(Distribution):
    """What the two have in common; `_table` is the parameter, `probs` its meaning."""

    probs: ArrayLike
    has_enumerate_support = True

    @property
    def _table(self) -> ArrayLike:
        raise TypeError(f"{type(self).__name__} is abstract")

    @property
    def support(self) -> Constraint:
        return constraints.integer_interval(0, shape_of(self._table)[-1] - 1)

    def cdf(self, value: ArrayLike) -> Array:
        return _cdf(self.probs, value)

    def log_cdf(self, value: ArrayLike) -> Array:
        return log_upto(*as_floats(self.probs), value)  # type: ignore

    def log_sf(self, value: ArrayLike) -> Array:
        return log_above(*as_floats(self.probs), value)  # type: ignore

    def icdf(self, q: ArrayLike) -> Array:
        return quantiles(self.probs, q)

    @property
    def mean(self) -> Array:
        return moments(*as_floats(self.probs))[0]

    @property
    def variance(self) -> Array:
        return moments(*as_floats(self.probs))[1]

    @property
    def mode(self) -> Array:
        return jnp.argmax(jnp.asarray(self._table), -1).astype(jnp.result_type(int))

    def enumerate_support(self, expand: bool = True) -> Array:
        return self._listed(shape_of(self._table)[-1], expand=expand)

    def _draw(self, logits: Array, key: Key, sample_shape: Shape) -> Array:
        # Two uniforms for each draw, or a probability of 1e-9 would be drawn as 1e-7.
        shape = self.shape(sample_shape)
        return jax.random.categorical(key, logits, shape=shape, mode="high")


@distribution
class CategoricalProbs(AbstractCategorical):
    """Categorical, by its probabilities.

    Args:
        probs: Probabilities that sum to one, of shape `batch_shape + (categories,)`.
    """

    probs: ArrayLike = param(constraints.simplex)

    @property
    def _table(self) -> ArrayLike:
        return self.probs

    @property
    def logits(self) -> Array:
        """The logarithms of the probabilities."""
        return jnp.log(*as_floats(self.probs))

    def parameter_checks(self) -> list[ParameterCheck]:
        return checks_of_probs(known(self.probs))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self._draw(self.logits, key, sample_shape)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_probs(self.probs, value)

    def entropy(self) -> Array:
        (probs,) = as_floats(self.probs)
        return -xlogy(probs, probs).sum(-1)


@distribution
class CategoricalLogits(AbstractCategorical):
    """Categorical, by the logarithms of its probabilities up to a constant.

    Args:
        logits: Log weights of shape `batch_shape + (categories,)`; -inf is impossible.
    """

    logits: ArrayLike = param(constraints.real_vector)

    @property
    def _table(self) -> ArrayLike:
        return self.logits

    @property
    def probs(self) -> Array:
        """The probabilities."""
        return jax.nn.softmax(*as_floats(self.logits))  # type: ignore

    def parameter_checks(self) -> list[ParameterCheck]:
        return checks_of_logits(known(self.logits))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self._draw(*as_floats(self.logits), key, sample_shape)  # type: ignore

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob_of_logits(self.logits, value)

    def entropy(self) -> Array:
        shifted, log_total = _centred(self.logits)
        finite = jnp.where(shifted > -jnp.inf, shifted, 0.0)
        return log_total - (self.probs * finite).sum(-1)


def Categorical(
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> CategoricalProbs | CategoricalLogits:
    """Categorical, on 0, 1, ..., by exactly one of its parameters.

    Args:
        probs: Probabilities that sum to one, of shape `batch_shape + (categories,)`.
        logits: Their logarithms, up to a constant.
        validate_args: Whether to check the parameters now.
    """
    if one_of("Categorical", probs=probs, logits=logits) == "probs":
        return CategoricalProbs(probs, validate_args=validate_args)  # type: ignore
    return CategoricalLogits(logits, validate_args=validate_args)  # type: ignore
