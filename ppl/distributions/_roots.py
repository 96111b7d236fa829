"""Zeros of functions by bisection, with the derivative of the implicit function."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike
from ppl.distributions._special import as_floats


def falling_zero(
    fn: Callable[..., Array], low: ArrayLike, high: ArrayLike, *parameters: ArrayLike
) -> Array:
    """Where `fn(x, *parameters)` turns from positive to negative between two bounds.

    Args:
        fn: An elementwise function with one such place.
        low: A lower bound of it.
        high: An upper bound.
        *parameters: What else `fn` depends on; the result has derivatives by them.
    """
    low, high, *given = as_floats(low, high, *parameters)
    low, high, *given = jnp.broadcast_arrays(low, high, *given)
    fixed = [jax.lax.stop_gradient(p) for p in given]

    def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        below, above = bounds
        middle = 0.5 * below + 0.5 * above
        early = fn(middle, *fixed) > 0
        return jnp.where(early, middle, below), jnp.where(early, above, middle)

    bounds = (jax.lax.stop_gradient(low), jax.lax.stop_gradient(high))
    steps = jnp.finfo(low.dtype).nmant + 8
    below, above = jax.lax.fori_loop(0, steps, halve, bounds)
    x = jax.lax.stop_gradient(0.5 * below + 0.5 * above)
    # A Newton step of length zero carries the derivative (implicit function theorem).
    _, slope = jax.jvp(lambda x: fn(x, *fixed), (x,), (jnp.ones_like(x),))
    off = fn(x, *given)
    return x - (off - jax.lax.stop_gradient(off)) / jnp.where(slope == 0, 1.0, slope)
