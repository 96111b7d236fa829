"""Log likelihoods of generalised linear models, summed over rows in one pass.

The predictor `x @ coefficients + intercept` of a million rows and a hundred chains
fills memory that nobody needs: it is made, used and forgotten block by block. While a
block is at hand, its log likelihood and its part of the gradient are computed, so `x`
is read once. Under `vmap` over chains both products become matrix products, with the
chains as rows: the rows of `x` come last in all that is made of them.

Sums lose no digits in float32. Up to 64 rows are folded in halves; the folds of a
block, side by side, are added to those of the blocks before in two floats each, and
only the end rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ppl._typing import Array

# Measured on two busy Zen 5 cores with 1 MiB of L2 each, 581,012 × 54, 16 chains: ms a
# gradient 49 with blocks of 1 MiB, 47 with 2, 62 with 4, 90 with 8. On GPUs a guess.
_BLOCK_BYTES = {"cpu": 2**20, "gpu": 2**24}
_LEAST_ROWS = 1024
FOLD = 64  # rows; a product of as many numbers up to two is far from overflow


class Rows(NamedTuple):
    """What a family makes of a block of rows, (members, rows).

    Attributes:
        terms: Sums of log likelihoods over folds of rows, (members, folds).
        slope: Derivative of each row's log likelihood by its predictor.
    """

    terms: Array
    slope: Array


Family = Callable[[Array, Array], Rows]  # of the predictor and the outcomes


def padded(values: Array, size: int) -> Array:
    """Zeros after the last axis, up to a size."""
    return jnp.pad(
        values, [(0, 0)] * (values.ndim - 1) + [(0, size - values.shape[-1])]
    )


def fold(combine: Callable[[Array, Array], Array], values: Array) -> Array:
    """Combine the last axis by 64, in halves; what lacks for that are zeros."""
    folds = -(-values.shape[-1] // FOLD)
    values = padded(values, folds * FOLD)
    while values.shape[-1] > folds:
        half = values.shape[-1] // 2
        values = combine(values[..., :half], values[..., half:])
    return values


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The sum, and exactly what rounding has taken from it."""
    total = a + b
    of_b = total - a
    error = (a - (total - of_b)) + (b - of_b)
    return total, jax.lax.stop_gradient(error)


def sum_in_two(high: Array, low: Array) -> tuple[Array, Array]:
    """The sum over the last axis of numbers in two floats each, in two floats."""
    while (size := high.shape[-1]) > 1:
        half = -(-size // 2)
        high, low = padded(high, 2 * half), padded(low, 2 * half)
        low = low[..., :half] + low[..., half:]
        high, error = two_sum(high[..., :half], high[..., half:])
        low = low + error
    return high[..., 0], low[..., 0]


def block_rows(rows: int, columns: int) -> tuple[int, int]:
    """How many blocks, and the rows of each but the last, which may have fewer."""
    limit = _BLOCK_BYTES.get(jax.default_backend(), _BLOCK_BYTES["gpu"])
    most = max(_LEAST_ROWS, limit // (4 * max(columns, 1)))
    blocks = max(1, -(-rows // most))
    even = -(-rows // blocks)
    size = max(FOLD, -(-even // FOLD) * FOLD)
    return max(1, -(-rows // size)), size


def _walk(
    family: Family, arrays: tuple[Array, ...], *, gradient: bool
) -> tuple[Array, ...]:
    """The sum in two floats and, if asked, its gradient by the coefficients.

    `arrays` are those of `log_likelihood`.
    """
    x, outcomes, coefficients = arrays
    blocks, size = block_rows(*x.shape)
    precision = jax.lax.Precision.HIGHEST

    def add(carry: Any, x: Array, outcomes: Array) -> Any:
        x = jnp.concatenate([x, jnp.ones((len(x), 1), x.dtype)], 1)
        predictor = jnp.matmul(coefficients, x.T, precision=precision)
        terms, slope = family(predictor, outcomes)
        high, low, *slopes = carry
        high, error = two_sum(high, padded(terms, high.shape[-1]))
        slopes = [s + jnp.matmul(slope, x, precision=precision) for s in slopes]
        return high, low + error, *slopes

    def step(carry: Any, block: Array) -> tuple[Any, None]:
        def cut(array: Array, axis: int) -> Array:
            return jax.lax.dynamic_slice_in_dim(array, block * size, size, axis)

        return add(carry, cut(x, 0), cut(outcomes, -1)), None

    zeros = jnp.zeros((len(coefficients), size // FOLD), x.dtype)
    carry = zeros, zeros, *[jnp.zeros_like(coefficients)] * gradient
    if blocks > 1:
        carry, _ = jax.lax.scan(step, carry, jnp.arange(blocks - 1))
    done = (blocks - 1) * size
    high, low, *slopes = add(carry, x[done:], outcomes[..., done:])
    return *sum_in_two(high, low), *slopes


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def log_likelihood(
    family: Family, x: Array, outcomes: Array, coefficients: Array
) -> tuple[Array, Array]:
    """The sum over rows for each member, in two floats: large, and what it lacks.

    The gradient by the coefficients comes from the same pass over `x`. By `x` and by
    the outcomes JAX differentiates the blocks, with the predictor of all rows in memory
    if in reverse; so it does for second derivatives.

    Args:
        family: Of each row.
        x: Shape (rows, columns).
        outcomes: Shape (rows,), or (members, rows) if each has its own.
        coefficients: Shape (members, columns + 1), the intercept last.
    """
    high, low = _walk(family, (x, outcomes, coefficients), gradient=False)
    return high, low


@partial(log_likelihood.defjvp, symbolic_zeros=True)
def _log_likelihood_jvp(family: Family, primals: Any, tangents: Any) -> Any:
    none = [isinstance(t, jax.custom_derivatives.SymbolicZero) for t in tangents]
    if not (none[0] and none[1]):
        tangents = [
            jnp.zeros(t.shape, t.dtype) if zero else t
            for t, zero in zip(tangents, none, strict=True)
        ]
        walk = partial(_walk, family, gradient=False)
        return jax.jvp(walk, (primals,), (tuple(tangents),))
    high, low, slopes = _walk(family, primals, gradient=True)
    return (high, low), ((slopes * tangents[2]).sum(-1), jnp.zeros_like(low))


# --- families -------------------------------------------------------------------------


@jax.custom_jvp
def _logistic(s: Array) -> tuple[Array, Array, Array, Array]:
    """max(s, 0) and exp(-|s|), for the softplus, and the logistic of s and of -s."""
    e = jnp.exp(-jnp.abs(s))
    up, total = s >= 0, 1 + e
    shares = jnp.where(up, 1, e) / total, jnp.where(up, e, 1) / total
    return jnp.maximum(s, 0), e, *shares


@_logistic.defjvp
def _logistic_jvp(primals: Any, tangents: Any) -> Any:
    # As if the first part had the whole slope of the softplus: smooth also at zero.
    found, (ds,) = _logistic(*primals), tangents
    _, _, share, other = found
    change = share * other * ds
    return found, (share * ds, jnp.zeros_like(ds), change, -change)


def _product_less_one(a: Array, b: Array) -> Array:
    return a + b + a * b  # (1 + a)(1 + b) - 1, without losing small numbers


def bernoulli_logits(predictor: Array, outcomes: Array) -> Rows:
    """One logarithm for 64 rows: that of the product of all 1 + exp(-|predictor|)."""
    sign = jnp.where(outcomes == 1, -1.0, 1.0).astype(predictor.dtype)
    linear, e, share, _ = _logistic(sign * predictor)
    tails = jnp.log1p(fold(_product_less_one, e))
    return Rows(-(fold(jnp.add, linear) + tails), -sign * share)


def poisson_log(predictor: Array, outcomes: Array) -> Rows:
    """Less the part that has no parameter in it: minus the deviance, for each row.

    It is `y t + slope` with `t` the log of the ratio of rate and outcome, which keeps
    its digits where the two are large and nearly agree.
    """
    near = jnp.where(outcomes < 1, 1.0, outcomes)
    t = predictor - jnp.log(near)
    slope = (outcomes - near) - near * jnp.expm1(t)
    return Rows(fold(jnp.add, outcomes * t + slope), slope)


def normal_identity(predictor: Array, outcomes: Array) -> Rows:
    """For scale one, less the constant."""
    slope = outcomes - predictor
    return Rows(fold(jnp.add, -0.5 * slope * slope), slope)
