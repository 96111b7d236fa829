"""The categorical distribution, by probabilities or by logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import xlogy

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, known, one_of
from ppl.distributions._special import as_floats, fused, is_whole
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param

_FEW = 32  # so many categories are told apart by comparing: the gradient is a product


def _pick(table: Array, value: ArrayLike) -> tuple[Array, Array]:
    """`table[..., value]`, and whether `value` is an index at all."""
    count = table.shape[-1]
    value = jnp.asarray(value)
    inside = (value >= 0) & (value < count) & is_whole(value)
    index = jnp.where(inside, value, 0).astype(jnp.result_type(int))
    if count <= _FEW:
        chosen = index[..., None] == jnp.arange(count)
        return jnp.where(chosen, table, 0).sum(-1), inside
    dims = max(index.ndim + 1, table.ndim)
    table = table.reshape((1,) * (dims - table.ndim) + table.shape)
    index = index.reshape((1,) * (dims - 1 - index.ndim) + index.shape)
    return jnp.take_along_axis(table, index[..., None], -1)[..., 0], inside


def _centred(logits: ArrayLike) -> tuple[Array, Array]:
    """Logits less their maximum, and the log of the sum of their exponentials."""
    (logits,) = as_floats(logits)
    shifted = logits - jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    return shifted, jnp.log(jnp.exp(shifted).sum(-1))


@fused
def _log_prob_of_logits(logits: ArrayLike, value: ArrayLike) -> Array:
    shifted, log_total = _centred(logits)
    chosen, inside = _pick(shifted, value)
    return jnp.where(inside, chosen - log_total, -jnp.inf)


@fused
def _log_prob_of_probs(probs: ArrayLike, value: ArrayLike) -> Array:
    chosen, inside = _pick(*as_floats(probs), value)  # type: ignore
    return jnp.where(inside, jnp.log(jnp.where(inside, chosen, 1.0)), -jnp.inf)


@fused
def _cdf(probs: ArrayLike, value: ArrayLike) -> Array:
    (probs,) = as_floats(probs)
    last = probs.shape[-1] - 1
    value = jnp.floor(as_floats(value)[0])
    below, _ = _pick(jnp.cumsum(probs, -1), jnp.clip(value, 0, last))
    return jnp.where(value < 0, 0.0, jnp.where(value >= last, 1.0, below))


@fused
def _icdf(probs: ArrayLike, q: ArrayLike) -> Array:
    probs, q = as_floats(probs, q)
    q = q * (1 - 8 * jnp.finfo(q.dtype).eps)  # so that icdf(cdf(k)) is k
    steps = jnp.cumsum(probs, -1)[..., :-1]
    return (q[..., None] > steps).sum(-1, dtype=jnp.result_type(int))


def _moments(probs: Array) -> tuple[Array, Array]:
    """Mean and variance of the index."""
    index = jnp.arange(probs.shape[-1])
    mean = (probs * index).sum(-1)
    return mean, (probs * jnp.square(index - mean[..., None])).sum(-1)


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

    def icdf(self, q: ArrayLike) -> Array:
        return _icdf(self.probs, q)

    @property
    def mean(self) -> Array:
        return _moments(*as_floats(self.probs))[0]

    @property
    def variance(self) -> Array:
        return _moments(*as_floats(self.probs))[1]

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
        probs = known(self.probs)
        xp = constraints.namespace(probs)
        double = jnp.finfo(jnp.result_type(float, probs)).nmant > 30
        total = xp.asarray(probs).sum(-1)
        whole = abs(total - 1) <= (1e-6 if double else 1e-4)
        rule = "must sum to 1"
        if not isinstance(total, Tracer) and not np.all(whole):
            wrong = np.asarray(total)[~np.asarray(whole)]
            rule = (
                f"must sum to 1 but sums to {float(wrong[0]):.6g}. Divide it by its "
                "sum, or use `logits` instead"
            )
        signs = (xp.asarray(probs) >= 0).all(-1)
        return [
            ParameterCheck("probs", probs, signs, "must be nonnegative"),
            ParameterCheck("probs", probs, whole, rule),
        ]

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
        logits = known(self.logits)
        numbers = (logits < np.inf).all(-1)
        possible = (logits > -np.inf).any(-1)
        return [
            ParameterCheck("logits", logits, numbers, "must not be NaN or infinite"),
            ParameterCheck("logits", logits, possible, "must have one above -inf"),
        ]

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
