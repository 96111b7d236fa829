"""Quantile functions found by search, for families whose cdf has no closed inverse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike


def quantile_of(dist: Any, q: ArrayLike, path: Callable[[Array], Array]) -> Array:
    """The value at which `dist.cdf` is `q`, differentiable where `dist.cdf` is.

    Args:
        dist: A continuous distribution on the line.
        q: Probabilities; NaN results outside [0, 1].
        path: An increasing map of the line onto the support; its scale decides how
            the digits of the answer are spread. It is searched as far as its
            exponential is a float.
    """
    q = jnp.asarray(q, jnp.result_type(float, q))
    shape = jnp.broadcast_shapes(q.shape, dist.batch_shape)
    fixed = jax.tree.map(jax.lax.stop_gradient, dist)
    target = jax.lax.stop_gradient(q)

    def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        below, above = bounds
        middle = 0.5 * below + 0.5 * above
        enough = fixed.cdf(path(middle)) >= target
        return jnp.where(enough, below, middle), jnp.where(enough, middle, above)

    end = math.log(float(jnp.finfo(q.dtype).max))
    start = (jnp.full(shape, -end, q.dtype), jnp.full(shape, end, q.dtype))
    steps = jnp.finfo(q.dtype).nmant + 9
    place = jax.lax.fori_loop(0, steps, halve, start)[1]
    place = jnp.where(target == 0, -jnp.inf, jnp.where(target == 1, jnp.inf, place))
    x = path(jax.lax.stop_gradient(place))
    # A Newton step of length zero carries the derivative (implicit function theorem).
    density = jnp.exp(fixed.log_prob(x))
    inside = (target > 0) & (target < 1) & (density > 0)
    gap = (dist.cdf(x) - q) / jnp.where(inside, density, 1.0)
    x = jnp.where(inside, x - (gap - jax.lax.stop_gradient(gap)), x)
    return jnp.where((target >= 0) & (target <= 1), x, jnp.nan)


def count_quantile_of(
    dist: Any, q: ArrayLike, high: ArrayLike, low: ArrayLike = 0
) -> Array:
    """The smallest whole k >= `low` with `dist.cdf(k) >= q`, at most `high`.

    A shortfall of a few roundings counts as reached, so that `icdf(cdf(k))` is k.
    """
    q = jnp.asarray(q, jnp.result_type(float, q))
    q = q * (1 - 8 * jnp.finfo(q.dtype).eps)
    dtype = jnp.result_type(int)
    shape = jnp.broadcast_shapes(q.shape, dist.batch_shape)
    above = jnp.broadcast_to(jnp.asarray(high, dtype), shape)

    def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        below, above = bounds
        middle = below + (above - below) // 2
        enough = dist.cdf(middle) >= q
        below = jnp.where(enough, below, jnp.minimum(middle + 1, above))
        return below, jnp.where(enough, middle, above)

    start = (jnp.broadcast_to(jnp.asarray(low, dtype), shape), above)
    return jax.lax.fori_loop(0, jnp.iinfo(dtype).bits, halve, start)[1]
