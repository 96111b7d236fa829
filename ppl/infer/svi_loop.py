"""The compiled part of variational inference: the beginning, and many steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._permutation import permuted
from ppl._typing import Array, Key
from ppl.infer.svi_program import AbstractProgram, Beginning, SVIState
from ppl.optim import all_finite

# What runs once is compiled quickly, unless it has much to do.
_QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
_MUCH = 100_000


def begin(
    program: AbstractProgram, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
) -> Beginning:
    """See `AbstractProgram.begin`."""
    is_little = sum(map(np.size, data)) < _MUCH and jax.default_backend() == "cpu"
    return (_begin_quickly if is_little else _begin)(program, key, given, data)


def _first(
    program: AbstractProgram, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
) -> Beginning:
    return program.begin(key, given, data)


_begin = jax.jit(_first, static_argnums=0)
_begin_quickly = jax.jit(_first, static_argnums=0, compiler_options=_QUICK)


class Average(NamedTuple):
    """The mean of late parameters (Polyak & Juditsky 1992).

    Attributes:
        params: The mean.
        steps: Of how many steps, int32.
    """

    params: Any
    steps: Array

    def with_one(self, params: Any, wanted: Array) -> Average:
        """The mean with one more, if it is wanted."""
        steps = self.steps + wanted
        share = wanted / jnp.maximum(steps, 1)
        mean = jax.tree.map(
            lambda a, p: a + (share * (p - a)).astype(a.dtype), self.params, params
        )
        return Average(mean, steps)


class Limits(NamedTuple):
    """Which steps a chunk does, int32.

    Attributes:
        steps: How many.
        late: The first that is averaged.
        epoch: Whole epochs that steps before have taken, with a `batch_size`.
        row: Rows of the next epoch that they have taken.
    """

    steps: Any
    late: Any
    epoch: Any
    row: Any


class Chunk(NamedTuple):
    """What some steps made.

    Attributes:
        state: After the last.
        average: Of late parameters, or None.
        losses: One for each step, (rows,); beyond the last step 0.
        finite: Whether the parameters are.
    """

    state: SVIState
    average: Average | None
    losses: Array
    finite: Array


@partial(jax.jit, static_argnames=("program", "rows", "stacked"))
def run_steps(
    program: AbstractProgram,
    state: SVIState,
    average: Average | None,
    transforms: Mapping[str, Any],
    data: tuple[Any, ...],
    limits: Limits,
    *,
    rows: int,
    stacked: bool,
) -> Chunk:
    """Do some steps.

    Args:
        program: What to do.
        state: Where to begin.
        average: The mean so far, or None.
        transforms: Of constrained params, by name.
        data: Array arguments; with `stacked` those of step i are row i of each.
        limits: Which steps.
        rows: Capacity.
        stacked: See above.
    """

    def data_of(i: Array) -> tuple[Any, ...]:
        if stacked:
            return jax.tree.map(lambda a: a[i], data)
        if program.batch_size is not None:
            return minibatch(data, program.batch_size, limits, i)
        return data

    def body(i: Array, chunk: Chunk) -> Chunk:
        state, loss = program.step(chunk.state, transforms, data_of(i))
        average = chunk.average
        if average is not None:
            params = program.optimizer.get_params(state.optim_state)
            average = average.with_one(params, i >= limits.late)
        return Chunk(state, average, chunk.losses.at[i].set(loss), chunk.finite)

    chunk = Chunk(state, average, jnp.zeros(rows), jnp.isfinite(0.0))
    chunk = jax.lax.fori_loop(0, limits.steps, body, chunk)
    finite = all_finite(program.optimizer.get_params(chunk.state.optim_state))
    return chunk._replace(finite=finite)


def minibatch(
    data: tuple[Any, ...], size: int, limits: Limits, step: Any
) -> tuple[Any, ...]:
    """The rows of one step: each epoch takes every row once, in an order of its own.

    The last step of an epoch goes on with the next one.

    Args:
        data: Arrays of as many rows.
        size: Rows of a step.
        limits: Where the chunk begins.
        step: Of the chunk.
    """
    count = data[0].shape[0]
    start = limits.row + step * size
    epoch, row = limits.epoch + start // count, start % count + jnp.arange(size)

    def ordered(epoch: Array, rows: Array) -> Array:
        return permuted(jax.random.fold_in(jax.random.key(0), epoch), rows, count)

    def across() -> Array:
        later = ordered(epoch + 1, row % count)
        return jnp.where(row < count, ordered(epoch, row % count), later)

    if count % size:
        within = row[-1] < count
        chosen = jax.lax.cond(within, lambda: ordered(epoch, row), across)
    else:
        chosen = ordered(epoch, row)
    return jax.tree.map(lambda a: jnp.take(a, chosen, axis=0), data)
