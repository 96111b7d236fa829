"""JAX's settings under NumPyro's names, and a map in chunks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ppl._counts import as_count
from ppl._errors import ArgumentError, EngineError


def enable_x64(use_x64: bool = True) -> None:
    """Compute in float64, or in float32 again. Say so before the first computation."""
    jax.config.update("jax_enable_x64", bool(use_x64))


def set_platform(platform: str | None = None) -> None:
    """Compute on "cpu", "cuda", "rocm" or "tpu". Say so before the first computation.

    Without an argument, on what the variable JAX_PLATFORMS says, or else on the CPU.
    """
    jax.config.update("jax_platforms", platform or os.getenv("JAX_PLATFORMS", "cpu"))


def set_host_device_count(n: int) -> None:
    """Make `n` devices of the CPU. Say so before the first computation.

    Raises:
        ArgumentError: `n` is no positive int.
        EngineError: JAX has already computed something.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ArgumentError(f"n must be an int >= 1, got {n!r}.", value=n)
    try:
        jax.config.update("jax_num_cpu_devices", n)
    except RuntimeError as error:
        raise EngineError(
            "the devices are fixed, since JAX has already computed something.",
            value=n,
            hint="Call set_host_device_count(n) before anything else.",
        ) from error


def soft_vmap(
    fn: Callable[..., Any], xs: Any, batch_ndims: int = 1, chunk_size: int | None = None
) -> Any:
    """`fn` mapped over the leading dims of arrays, one chunk after the other.

    Args:
        fn: A function of one element.
        xs: A pytree of arrays with the same `batch_ndims` leading dims.
        batch_ndims: How many dims to map over; 0 calls `fn(xs)`.
        chunk_size: Elements that are mapped together; None for all.

    Raises:
        ArgumentError: The leading dims differ, or `chunk_size` is not positive.
        ArgumentTypeError: `chunk_size` is no int.
    """
    if batch_ndims == 0:
        return fn(xs)
    shapes = {jnp.shape(leaf)[:batch_ndims] for leaf in jax.tree.leaves(xs)}
    if len(shapes) != 1 or len(min(shapes)) < batch_ndims:
        raise ArgumentError(
            f"arrays have leading dims {sorted(shapes)}, and batch_ndims is "
            f"{batch_ndims}.",
            value=shapes,
            hint="All arrays need the same leading dims.",
        )
    if chunk_size is not None:
        chunk_size = as_count("chunk_size", chunk_size)
    (shape,) = shapes
    flat = jax.tree.map(lambda x: jnp.reshape(x, (-1, *x.shape[batch_ndims:])), xs)
    if chunk_size is None:
        out = jax.vmap(fn)(flat)
    else:
        out = jax.lax.map(fn, flat, batch_size=chunk_size)
    return jax.tree.map(lambda x: jnp.reshape(x, (*shape, *x.shape[1:])), out)
