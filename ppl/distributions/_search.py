"""Quantiles found by search in the logarithms of the tails, with all their digits.

Numbers are searched in the order in which floats are stored: whatever the scale of a
distribution and wherever it lies, halving that order as often as a float has bits ends
at one float. Newton's method comes to the same end in a few steps, where each is at
most half as long as the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike
from ppl.distributions._special import in_double
from ppl.distributions._wrapping import Tails


def _order(x: Array) -> Array:
    """The place of each float among all floats, and back."""
    whole = jnp.int64 if x.dtype.itemsize == 8 else jnp.int32
    if jnp.issubdtype(x.dtype, jnp.inexact):
        return _order(jax.lax.bitcast_convert_type(x, whole))
    return x ^ ((x >> (jnp.iinfo(x.dtype).bits - 1)) & jnp.iinfo(x.dtype).max)


def _float_at(place: Array, dtype: Any) -> Array:
    return jax.lax.bitcast_convert_type(_order(place), dtype)


def _middle(a: Array, b: Array) -> Array:
    p, q = _order(a), _order(b)
    return _float_at((p & q) + ((p ^ q) >> 1), a.dtype)


def find(dist: Any, target: Tails, low: ArrayLike, high: ArrayLike) -> Array:
    """Where the tails of a continuous `dist` are `target`, between two bounds.

    Args:
        dist: Has `log_tails` and `log_prob`; no derivative is passed to it.
        target: Log of the probabilities wanted below and above.
        low: The least possible answer; -inf where there is none.
        high: The greatest.
    """
    dist, target, low, high = jax.lax.stop_gradient((dist, target, low, high))
    dtype = target.log_cdf.dtype
    limits = jnp.finfo(dtype)
    eps, most = limits.eps, limits.max
    start = jax.eval_shape(lambda t: dist.log_tails(t).log_cdf, target.log_cdf)
    shape = jnp.broadcast_shapes(start.shape, jnp.shape(low), jnp.shape(high))
    low, high = (
        jnp.broadcast_to(jnp.clip(jnp.asarray(v, dtype), -most, most), shape)
        for v in (low, high)
    )
    use_low = target.log_cdf <= target.log_sf
    wanted = jnp.where(use_low, target.log_cdf, target.log_sf)

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        i, below, above, x, last, done = state
        tails = dist.log_tails(x)
        here = jnp.where(use_low, tails.log_cdf, tails.log_sf)
        over = here - wanted
        enough = jnp.where(use_low, over, -over) >= 0
        lower, upper = jnp.where(enough, below, x), jnp.where(enough, x, above)
        pace = jnp.where(use_low, -1.0, 1.0) * jnp.exp(here - dist.log_prob(x))
        # The first is exact in a tail that is exponential, the second in one that ends.
        newton, other = x + pace * over, x - pace * jnp.expm1(-over)
        beyond = (newton <= lower) | (newton >= upper)
        newton = jnp.where(beyond, other, newton)
        size = jnp.abs(newton - x)
        slow = size > 0.5 * last
        # From so near, one more of Newton's steps leaves nothing but rounding errors.
        near = jnp.abs(over) <= 64 * eps * (1 + jnp.abs(wanted))
        near |= size <= eps * jnp.abs(x)
        good = (newton > lower) & (newton < upper) & ~slow
        new = jnp.where(good, newton, _middle(lower, upper))
        end = jnp.where(jnp.isfinite(newton), jnp.clip(newton, below, above), x)
        narrow = _middle(lower, upper) == lower
        new = jnp.where(near, end, jnp.where(narrow, upper, new))
        return (
            i + 1,
            jnp.where(done, below, lower),
            jnp.where(done, above, upper),
            jnp.where(done, x, new),
            jnp.where(good, size, jnp.inf),
            done | near | narrow,
        )

    def unfinished(state: tuple[Array, ...]) -> Array:
        return (state[0] < 3 * limits.bits + 9) & ~jnp.all(state[-1])

    done = jnp.isnan(wanted) | (wanted == -jnp.inf)
    done = jnp.broadcast_to(done, shape)
    last = jnp.full(shape, jnp.inf, dtype)
    first = (jnp.zeros((), int), low, high, _middle(low, high), last, done)
    return jax.lax.while_loop(unfinished, step, first)[3]


def log_quantile(dist: Any, q: ArrayLike, low: ArrayLike, high: ArrayLike) -> Array:
    """The quantiles of a continuous `dist`, differentiable where its tails are.

    Args:
        dist: Has `log_tails` and `log_prob`.
        q: Probabilities; NaN results outside [0, 1].
        low: The result for 0, and the least there is.
        high: The result for 1.
    """
    q = jnp.asarray(q, jnp.result_type(float, q))
    limits = jnp.finfo(q.dtype)
    inner = jnp.clip(q, limits.tiny, 1 - limits.epsneg)
    target = Tails(jnp.log(inner), jnp.log1p(-inner))
    x = find(dist, target, low, high)
    # A Newton step of length zero carries the derivative (implicit function theorem).
    tails, log_density = dist.log_tails(x), dist.log_prob(x)
    use_low = target.log_cdf <= target.log_sf
    here = jnp.where(use_low, tails.log_cdf, tails.log_sf)
    gap = jnp.where(use_low, here - target.log_cdf, target.log_sf - here)
    log_length = jax.lax.stop_gradient(here - log_density)
    good = (inner == q) & jnp.isfinite(log_length)
    move = jnp.where(good, gap, 0.0) * jnp.exp(jnp.where(good, log_length, 0.0))
    x = x - (move - jax.lax.stop_gradient(move))
    x = jnp.where(q == 0, low, jnp.where(q == 1, high, x))
    return jnp.where((q >= 0) & (q <= 1), x, jnp.nan)


def smallest(
    enough: Callable[[Array], Array], low: ArrayLike, high: ArrayLike, shape: Any
) -> Array:
    """The smallest whole number from `low` to `high` that is enough, else `high`.

    Args:
        enough: False up to some number and True from there on.
        low: The first candidate.
        high: The last, which is not tried.
        shape: Of the result.
    """
    dtype = jnp.result_type(int)
    low, high = (jnp.broadcast_to(jnp.asarray(v, dtype), shape) for v in (low, high))

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        """Go further and further until one is enough, from then on halve."""
        stride, below, above, found = state
        ahead = below + jnp.minimum(stride, above - below)
        new = jnp.where(found, below + (above - below) // 2, ahead)
        hit = enough(new) | (new >= above)
        return (
            jnp.minimum(2 * stride + 1, jnp.iinfo(dtype).max // 4),
            jnp.where(hit, below, new + 1),
            jnp.where(hit, jnp.minimum(new, above), above),
            found | hit,
        )

    def unfinished(state: tuple[Array, ...]) -> Array:
        _, below, above, found = state
        return jnp.any(~found | (below < above))

    start = (jnp.zeros((), dtype), low, high, low >= high)
    return jax.lax.while_loop(unfinished, step, start)[2]


def count_quantile(dist: Any, q: ArrayLike, low: ArrayLike, high: ArrayLike) -> Array:
    """The smallest whole number at which `dist` has reached the probability `q`.

    A shortfall of a few roundings counts as reached, so that `icdf(cdf(k))` is k.

    Args:
        dist: Has `log_tails`.
        q: Probabilities.
        low: The least possible answer.
        high: The greatest, and the answer for 1.
    """
    q = jnp.asarray(q, jnp.result_type(float, q))
    slack = 64 if in_double(q) else 8
    less = q * (1 - slack * jnp.finfo(q.dtype).eps)
    count = count_between(dist, less, low, high)
    return jnp.where(q >= 1, jnp.asarray(high, count.dtype), count)


def count_between(dist: Any, q: Array, low: ArrayLike, high: ArrayLike) -> Array:
    """`count_quantile` for probabilities below one, taken literally."""
    log_q, log_p = jnp.log(q), jnp.log1p(-q)

    def enough(k: Array) -> Array:
        tails = dist.log_tails(k)
        return jnp.where(log_q <= log_p, tails.log_cdf >= log_q, tails.log_sf <= log_p)

    shape = jnp.broadcast_shapes(q.shape, dist.batch_shape)
    return smallest(enough, low, high, shape)
