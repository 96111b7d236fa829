"""Loops with statements inside: `scan`, `fori_loop`, `while_loop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError, ArgumentTypeError, ShapeError
from ppl._sites import handlers_in_use
from ppl._typing import Array
from ppl.control._regions import (
    Slices,
    Steps,
    Uncounted,
    absorb,
    packed,
    run_inside,
)
from ppl.distributions.constraints import shape_of


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    history: int = 1,
    *,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """Loop over the leading dim of `xs`, as `jax.lax.scan`, with statements inside.

    Outside of the loop each site of `f` is one site, with a leading dim of `length` in
    its value and in the batch shape of its distribution: that is the value to
    substitute, condition on or replay. Plates around and inside of it keep their dims.
    A `param` inside is one for all steps.

    Args:
        f: Takes the carry and a slice of `xs`; returns the next carry, of the same
            shapes, and an output.
        init: The first carry.
        xs: A pytree of arrays with a common leading dim, or None.
        length: Number of steps; needed without `xs`.
        reverse: Whether to go from the last slice to the first.
        history: How many steps back a discrete site is looked at when enumerated.
        unroll: How many steps the compiled loop does at once.

    Returns:
        The last carry, and the outputs stacked along a leading dim.

    Raises:
        ArgumentError: There is no length, or it is not that of `xs`.
        ShapeError: The carry changes its shape, or a given value has the wrong one.
    """
    if history < 0:
        raise ArgumentError(f"scan: history must be >= 0, got {history}.")
    count = _length(xs, length)
    handlers, slices = handlers_in_use(), Slices()
    init, xs = jax.tree.map(jnp.asarray, (init, xs))

    def step(carry: Any, x: Any, region: Steps) -> tuple[Any, Any, list[Any]]:
        out, gathered = run_inside(region, handlers, f, carry, x)
        if not (isinstance(out, tuple) and len(out) == 2):
            raise ArgumentTypeError(
                f"scan: f must return a carry and an output, got {type(out).__name__}.",
                value=out,
                hint="End it with `return carry, y`.",
            )
        return (*out, gathered)

    def look(index: Array, carry: Any, xs: Any) -> Any:
        x = jax.tree.map(lambda a: jnp.zeros(a.shape[1:], a.dtype), xs)
        x = jax.tree.map(lambda a: a + index.astype(a.dtype), x)
        return step(carry, x, Steps("scan", count, index, slices))[0]

    after = jax.eval_shape(look, jnp.int32(0), init, xs)
    init = _like_after(init, after)
    unpack: Any = None

    def body(carry: Any, inputs: Any) -> tuple[Any, Any]:
        nonlocal unpack
        index, x, parts = inputs
        region = Steps("scan", count, index, slices, parts)
        new, y, gathered = step(carry, x, region)
        arrays, unpack = packed(gathered, region)
        return _of_dtype(new, carry), (y, arrays)

    inputs = jnp.arange(count, dtype=jnp.int32), xs, slices.whole(count)
    carry, (ys, arrays) = jax.lax.scan(
        body, init, inputs, length=count, reverse=reverse, unroll=unroll
    )
    absorb(handlers, unpack(arrays))
    return carry, ys


def _length(xs: Any, length: int | None) -> int:
    shapes = [shape_of(leaf) for leaf in jax.tree.leaves(xs)]
    if () in shapes:
        raise ArgumentError(
            "scan: an array of xs is a scalar; each needs a leading dim, one entry for "
            "every step.",
            value=xs,
        )
    found = {shape[0] for shape in shapes}
    if length is not None:
        if isinstance(length, bool) or not isinstance(length, int | np.integer):
            raise ArgumentTypeError(
                f"scan: length must be an int, got {length!r}.",
                value=length,
                hint="The number of steps must be known before the model runs.",
            )
        if length < 0:
            raise ArgumentError(f"scan: length must be >= 0, got {length}.")
        found.add(int(length))
    if len(found) != 1:
        what = f"differ: {sorted(found)}" if found else "are missing"
        raise ArgumentError(
            f"scan: the leading dims of xs and length {what}.",
            value=sorted(found),
            hint="All arrays of xs need one leading dim; without xs give length=.",
        )
    return found.pop()


def _like_after(init: Any, after: Any) -> Any:
    """The first carry, with the dtypes that the carry has after a step.

    Raises:
        ShapeError: A shape, or the structure, is another one after a step.
    """
    before = jax.tree.structure(init)
    if before != jax.tree.structure(after):
        raise ShapeError(
            f"scan: the carry has the structure {before} at the beginning and "
            f"{jax.tree.structure(after)} after a step.",
            hint="f must return a carry like the one that it takes.",
        )

    def alike(old: Array, new: Any) -> Array:
        if old.shape != new.shape:
            raise ShapeError(
                f"scan: the carry has shape {old.shape} at the beginning and "
                f"{new.shape} after a step.",
                value=new.shape,
                hint="Give init the shape that it has later, "
                f"jnp.broadcast_to(init, {new.shape}).",
            )
        return old.astype(jnp.promote_types(old.dtype, new.dtype))

    return jax.tree.map(alike, init, after)


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any
) -> Any:
    """Run `val = body_fun(i, val)` for i from `lower` to below `upper`.

    Where both bounds are numbers its sites are those of `scan`; else they are those of
    `while_loop`, which can only be drawn.
    """
    bounds = lower, upper
    if any(isinstance(bound, Tracer) for bound in bounds):
        start = jnp.asarray(lower), init_val
        return while_loop(
            lambda at: at[0] < upper,
            lambda at: (at[0] + 1, body_fun(at[0], at[1])),
            start,
        )[1]
    indices = jnp.arange(int(lower), max(int(lower), int(upper)))
    return scan(lambda val, i: (body_fun(i, val), None), init_val, indices)[0]


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any
) -> Any:
    """Run `val = body_fun(val)` while `cond_fun(val)`; statements inside only draw.

    Nobody knows beforehand how many steps there are: so what is drawn inside is in no
    trace, and has no density. It is for simulation under `seed`.

    Raises:
        ControlFlowError: A site inside is observed, given a value, or needs a density.
    """
    handlers = handlers_in_use()

    def guarded(f: Callable[[Any], Any], index: Array, val: Any) -> Any:
        return run_inside(Uncounted(index), handlers, f, val)[0]

    def test(at: tuple[Array, Any]) -> Any:
        return guarded(cond_fun, *at)

    def body(at: tuple[Array, Any]) -> tuple[Array, Any]:
        new = guarded(body_fun, *at)
        return at[0] + 1, _of_dtype(new, at[1])

    init_val = jax.tree.map(jnp.asarray, init_val)
    after = jax.eval_shape(lambda v: guarded(body_fun, jnp.int32(0), v), init_val)
    init_val = _like_after(init_val, after)
    return jax.lax.while_loop(test, body, (jnp.int32(0), init_val))[1]


def _of_dtype(new: Any, like: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.asarray(a).astype(b.dtype), new, like)
