"""Functions with statements inside, mapped over or computed again: `vmap`, `remat`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ShapeError
from ppl._sites import handlers_in_use
from ppl._typing import Array
from ppl.control._regions import (
    Once,
    Slices,
    Steps,
    absorb,
    loop_axis,
    looped,
    packed,
    run_inside,
    staged,
)


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    *,
    name: str | None = None,
    coords: Sequence[Any] | None = None,
) -> Callable[..., Any]:
    """`fun` mapped over an axis of its arguments, as `jax.vmap`, statements inside.

    Outside each site of `fun` is one site, with a leading dim of the mapped size in its
    value and in the batch shape of its distribution. A `param` inside is one for all.

    Args:
        fun: The function of one member.
        in_axes: As of `jax.vmap`: which axis of which argument.
        out_axes: Likewise of the results.
        axis_size: The size, where no argument is mapped over.
        name: Names the mapped axis of the sites in labelled results; "vmap" if None.
        coords: Labels of the members for labelled results.

    Raises:
        ArgumentError: There are not as many `coords` as members.
        ShapeError: The arguments have no common size along their axes.
    """

    @functools.wraps(fun)
    def mapped(*args: Any) -> Any:
        handlers, slices = handlers_in_use(), Slices()
        size = axis_size if axis_size is not None else _size(in_axes, args)
        axis = loop_axis("vmap", size, name, coords)
        indices = jnp.arange(size, dtype=jnp.int32)
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        unpack: Any = None

        def member(index: Array, parts: Any, *args: Any) -> Any:
            nonlocal unpack
            region = Steps(axis, index, slices, parts)
            out, gathered = run_inside(region, handlers, fun, *args)
            arrays, unpack = packed(gathered, region)
            return out, arrays

        def run(parts: Any = None) -> Any:
            each = jax.vmap(member, (0, 0, *axes), out_axes=(out_axes, 0))
            return each(indices, parts, *args)

        out, arrays = looped(handlers, size, slices, staged(run), run)
        absorb(handlers, unpack(arrays))
        return out

    return mapped


def _size(in_axes: Any, args: Any) -> int:
    """How many members JAX maps over."""
    found: list[int] = []

    def member(*own: Any) -> int:
        del own
        found.append(jax.lax.axis_size("members"))
        return 0

    try:
        jax.eval_shape(jax.vmap(member, in_axes, axis_name="members"), *args)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"vmap: in_axes {in_axes!r} do not fit the arguments: {error}",
            value=in_axes,
            hint="Arguments that are mapped over need one size along their axes; "
            "without any give axis_size=.",
        ) from None
    return found[0]


def remat(fun: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`fun`, computed again for the gradient instead of kept (`jax.checkpoint`).

    Args:
        fun: A function with statements inside.
        options: As of `jax.checkpoint`, such as `policy`.
    """

    @functools.wraps(fun)
    def again(*args: Any) -> Any:
        handlers = handlers_in_use()
        unpack: Any = None

        def inner(*args: Any) -> Any:
            nonlocal unpack
            out, gathered = run_inside(Once(), handlers, fun, *args)
            arrays, unpack = packed(gathered)
            return out, arrays

        out, arrays = jax.checkpoint(inner, **options)(*args)
        absorb(handlers, unpack(arrays))
        return out

    return again
