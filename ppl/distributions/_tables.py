"""Looking up entries of a table along its last dim, and tables of probabilities."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._typing import Array, ArrayLike
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck
from ppl.distributions._special import as_floats, fused, is_whole

_FEW = 32  # so many categories are told apart by comparing: the gradient is a product


def pick(table: Array, value: ArrayLike) -> tuple[Array, Array]:
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


def _log(x: Array) -> Array:
    return jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), -jnp.inf)


def log_upto(probs: Array, value: ArrayLike) -> Array:
    """The log of the sum of `probs[..., : value + 1]`."""
    count = probs.shape[-1]
    (value,) = as_floats(value)
    index = jnp.clip(jnp.floor(value), 0, count - 1)
    inside = _log(pick(jnp.cumsum(probs, -1), index)[0])
    return jnp.where(value < 0, -jnp.inf, jnp.where(value >= count - 1, 0.0, inside))


def log_above(probs: Array, value: ArrayLike) -> Array:
    """The log of the sum of `probs[..., value + 1 :]`, small as that may be."""
    count = probs.shape[-1]
    (value,) = as_floats(value)
    sums = jnp.flip(jnp.cumsum(jnp.flip(probs, -1), -1), -1)
    index = jnp.clip(jnp.floor(value) + 1, 0, count - 1)
    inside = _log(pick(sums, index)[0])
    return jnp.where(value < 0, 0.0, jnp.where(value >= count - 1, -jnp.inf, inside))


def moments(probs: Array) -> tuple[Array, Array]:
    """Mean and variance of the index."""
    index = jnp.arange(probs.shape[-1])
    mean = (probs * index).sum(-1)
    return mean, (probs * jnp.square(index - mean[..., None])).sum(-1)


@fused
def quantiles(probs: Array, q: ArrayLike) -> Array:
    """The least index up to which the probabilities sum to `q`."""
    probs, q = as_floats(probs, q)
    q = q * (1 - 8 * jnp.finfo(q.dtype).eps)  # so that icdf(cdf(k)) is k
    steps = jnp.cumsum(probs, -1)[..., :-1]
    return (q[..., None] > steps).sum(-1, dtype=jnp.result_type(int))


def checks_of_probs(probs: Any) -> list[ParameterCheck]:
    """The verdict on a table of probabilities, which may be rounded."""
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


def checks_of_logits(logits: Any) -> list[ParameterCheck]:
    """The verdict on logs of probabilities up to a constant; -inf is allowed."""
    numbers = (logits < np.inf).all(-1)
    possible = (logits > -np.inf).any(-1)
    return [
        ParameterCheck("logits", logits, numbers, "must not be NaN or infinite"),
        ParameterCheck("logits", logits, possible, "must have one above -inf"),
    ]
