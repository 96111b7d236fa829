"""Loops with statements inside: `scan`, `fori_loop`, `while_loop`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError, ArgumentTypeError, ShapeError
from ppl._region import LoopAxis
from ppl._sites import handlers_in_use
from ppl._typing import Array
from ppl.control._regions import (
    Slices,
    Steps,
    Uncounted,
    absorb,
    loop_axis,
    looped,
    packed,
    run_inside,
    staged,
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
    name: str | None = None,
    coords: Sequence[Any] | None = None,
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
        name: Names the axis of the steps in labelled results, as a plate's name does;
            "scan" if None.
        coords: Labels of the steps for labelled results, in the order of `xs`.

    Returns:
        The last carry, and the outputs stacked along a leading dim.

    Raises:
        ArgumentError: There is no length, or it is not that of `xs` or of `coords`.
        ShapeError: The carry changes its shape, or a given value has the wrong one.
    """
    if history < 0:
        raise ArgumentError(f"scan: history must be >= 0, got {history}.")
    axis = loop_axis("scan", _length(xs, length), name, coords)
    options = {"reverse": reverse, "unroll": unroll}
    return _scanned(f, init, xs, axis, options)


def _scanned(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    axis: LoopAxis,
    options: dict[str, Any],
) -> tuple[Any, Any]:
    """`scan`, with the axis that it gives to its sites and options of JAX's."""
    count = axis.size
    handlers, carry = handlers_in_use(), _Carry("scan", init)
    indices = jnp.arange(count, dtype=jnp.int32)
    xs = jax.tree.map(jnp.asarray, xs)
    slices, unpack = Slices(), None

    def run(parts: Any = None) -> Any:
        nonlocal slices
        if parts is None:
            slices = Slices()

        def body(value: Any, inputs: Any) -> tuple[Any, Any]:
            nonlocal unpack
            index, x, parts = inputs
            region = Steps(axis, index, slices, parts)
            out, gathered = run_inside(region, handlers, f, value, x)
            new, y = _pair(out)
            arrays, unpack = packed(gathered, region)
            return carry.after(new), (y, arrays)

        inputs = indices, xs, parts
        return jax.lax.scan(body, carry.first, inputs, length=count, **options)

    ready = carry.settled(run)
    last, (ys, arrays) = looped(handlers, count, slices, ready, run)
    absorb(handlers, unpack(arrays))  # type: ignore[misc]
    return last, ys


def _pair(out: Any) -> tuple[Any, Any]:
    if not (isinstance(out, tuple) and len(out) == 2):
        raise ArgumentTypeError(
            f"scan: f must return a carry and an output, got {type(out).__name__}.",
            value=out,
            hint="End it with `return carry, y`.",
        )
    return out


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


class _Carry:
    """What a loop carries: first of the dtypes that it has after a step.

    Args:
        what: The loop, for messages.
        init: The first carry as it was given.

    Raises:
        ShapeError: A shape, or the structure, is another one after a step.
    """

    def __init__(self, what: str, init: Any):
        self.what = what
        # A weak dtype would be another one after a step, and JAX trace the body again.
        self.first = jax.tree.map(lambda a: _as(a, jnp.asarray(a).dtype), init)
        self.dtypes: Any = None

    def after(self, new: Any) -> Any:
        """The carry after a step, of the dtypes of the first."""
        before, now = jax.tree.structure(self.first), jax.tree.structure(new)
        if before != now:
            raise ShapeError(
                f"{self.what}: the carry has the structure {before} at the beginning "
                f"and {now} after a step.",
                hint="f must return a carry like the one that it takes.",
            )
        self.dtypes = jax.tree.map(self._dtype, self.first, new)
        return jax.tree.map(lambda a, b: _as(b, a.dtype), self.first, new)

    def _dtype(self, old: Array, new: Any) -> Any:
        if old.shape != shape_of(new):
            raise ShapeError(
                f"{self.what}: the carry has shape {old.shape} at the beginning and "
                f"{shape_of(new)} after a step.",
                value=shape_of(new),
                hint="Give init the shape that it has later, "
                f"jnp.broadcast_to(init, {shape_of(new)}).",
            )
        return jnp.promote_types(old.dtype, jnp.result_type(new))

    def settled(self, run: Callable[[], Any]) -> Callable[[], Any]:
        """`run` as it has been traced when the first carry has the dtypes of later."""
        while True:
            ready = staged(run)
            wider = jax.tree.map(_as, self.first, self.dtypes)
            same = jax.tree.map(lambda a, b: a.dtype == b.dtype, self.first, wider)
            if jax.tree.all(same):
                return ready
            self.first = wider


def _as(value: Any, dtype: Any) -> Array:
    return jax.lax.convert_element_type(value, dtype)


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    name: str | None = None,
    coords: Sequence[Any] | None = None,
) -> Any:
    """Run `val = body_fun(i, val)` for i from `lower` to below `upper`.

    Where both bounds are numbers its sites are those of `scan`, and so are `name` and
    `coords`; else they are those of `while_loop`, which can only be drawn.
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
    axis = loop_axis("fori_loop", len(indices), name, coords)
    return _scanned(
        lambda val, i: (body_fun(i, val), None), init_val, indices, axis, {}
    )[0]


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any
) -> Any:
    """Run `val = body_fun(val)` while `cond_fun(val)`; statements inside only draw.

    Nobody knows beforehand how many steps there are: so what is drawn inside is in no
    trace, and has no density. It is for simulation under `seed`.

    Raises:
        ControlFlowError: A site inside is observed, given a value, or needs a density.
    """
    handlers, carry = handlers_in_use(), _Carry("while_loop", init_val)

    def guarded(f: Callable[[Any], Any], at: tuple[Array, Any]) -> Any:
        index, value = at
        return run_inside(Uncounted(index), handlers, f, value)[0]

    def body(at: tuple[Array, Any]) -> tuple[Array, Any]:
        return at[0] + 1, carry.after(guarded(body_fun, at))

    def run() -> Any:
        start = jnp.int32(0), carry.first
        return jax.lax.while_loop(lambda at: guarded(cond_fun, at), body, start)[1]

    return carry.settled(run)()
