"""The one compiled program of a run: many steps of all chains, draws in a buffer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from ppl._pytree import replace
from ppl._typing import Array
from ppl.infer.engine.kernel import AbstractKernel, Target
from ppl.infer.engine.randomness import Randomness

CHAINS = "chains"
"""The axis of a mesh along which chains are spread."""


class Buffer(NamedTuple):
    """What the steps of a chunk emitted; rows from `steps` on hold nothing.

    Attributes:
        steps: Number of steps done on each device, int32 (devices,).
        room: How much room the kernel needs for what comes next, likewise.
        done: (rows, chains).
        position: (rows, dim, chains).
        statistics: (rows, count, chains).
        vectors: What adaptation learns from, (rows, dim, chains) each.
    """

    steps: Array
    room: Array
    done: Array
    position: Array
    statistics: Array
    vectors: tuple[Array, ...]


_EACH = PartitionSpec(CHAINS)
_ROWS = PartitionSpec(None, CHAINS)
_VECTORS = PartitionSpec(None, None, CHAINS)


_OWN_SUMS = {"xla_cpu_experimental_ynn_fusion_type": ""}
_OWN_PRODUCTS = {"xla_cpu_multi_thread_eigen": False}
"""What keeps XLA on CPUs from handing work to a library with a pool of threads."""


@cache
def chunk_program(
    sums: bool, products: bool
) -> Callable[..., tuple[Any, Randomness, Buffer]]:
    """The program of a chunk; see `run_chunk` for its arguments.

    Args:
        sums: Whether a library with threads may take sums, on a CPU. Handing small ones
            over takes longer than they do.
        products: The same of matrix products.
    """
    options: dict[str, Any] = {}
    if _knows_options():
        options |= {} if sums else _OWN_SUMS
        options |= {} if products else _OWN_PRODUCTS
    return jax.jit(
        run_chunk,
        static_argnames=("rows", "early_exit", "mesh"),
        donate_argnames=("state",),
        compiler_options=options or None,
    )


@cache
def _knows_options() -> bool:
    """Whether this is a CPU with a version of XLA that has these options."""
    if jax.default_backend() != "cpu":
        return False
    try:
        both = {**_OWN_SUMS, **_OWN_PRODUCTS}
        jax.jit(lambda: None, compiler_options=both).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def run_chunk(
    kernel: AbstractKernel,
    target: Target,
    state: Any,
    randomness: Randomness,
    num_draws: Array,
    limit: Array,
    *,
    rows: int,
    early_exit: bool,
    mesh: Mesh | None = None,
) -> tuple[Any, Randomness, Buffer]:
    """Step all chains until they have `num_draws` draws or `limit` steps are done.

    With a mesh, every device has its share of the chains and a loop of its own: inside
    a chunk none waits for another.
    """
    chunk = partial(_chunk, rows=rows, early_exit=early_exit)
    arguments = (kernel, target, state, randomness, num_draws, limit)
    if mesh is None:
        return chunk(*arguments)
    shared = PartitionSpec()
    own = jax.tree.map(lambda a: PartitionSpec(*[None] * (a.ndim - 1), CHAINS), state)
    numbers: Any = Randomness(shared, _ROWS, _EACH, _VECTORS)
    buffer: Any = Buffer(_EACH, _EACH, _ROWS, _VECTORS, _VECTORS, _VECTORS)  # type: ignore
    settings: Any = jax.tree.map(lambda _: shared, kernel)
    if jnp.ndim(kernel.step_size):  # of each chain its own
        settings = replace(settings, step_size=_EACH)
    each = jax.shard_map(
        chunk,
        mesh=mesh,
        in_specs=(settings, shared, own, numbers, shared, shared),
        out_specs=(own, numbers, buffer),
        check_vma=False,
    )
    return each(*arguments)


def _chunk(
    kernel: AbstractKernel,
    target: Target,
    state: Any,
    randomness: Randomness,
    num_draws: Array,
    limit: Array,
    *,
    rows: int,
    early_exit: bool,
) -> tuple[Any, Randomness, Buffer]:
    """The chunk on one device.

    On a CPU the loop stops when no chain has anything left to do. On an accelerator a
    condition that depends on data costs a round trip to the host each time, so there
    all `rows` steps run (`early_exit=False`), and chains that are finished stand still.
    """
    size = randomness.bank.shape[0]
    used = jnp.max(state.draw - randomness.base)
    randomness = jax.lax.cond(
        2 * used >= size, lambda r: r.refilled(state.draw), lambda r: r, randomness
    )
    dim, chains = randomness.bank.shape[1:]
    dtype = randomness.bank.dtype
    buffer = Buffer(
        jnp.int32(0),
        jnp.int32(0),
        jnp.zeros((rows, chains), bool),
        jnp.zeros((rows, dim, chains), dtype),
        jnp.zeros((rows, len(kernel.statistics), chains), dtype),
        tuple(jnp.zeros((rows, dim, chains), dtype) for _ in kernel.vectors),
    )

    def body(carry: tuple[Any, Buffer]) -> tuple[Any, Buffer]:
        state, out = carry
        state, emitted = kernel.step(randomness, target, state, num_draws)
        put = partial(jax.lax.dynamic_update_index_in_dim, index=out.steps, axis=0)
        kept = jax.tree.map(put, tuple(out[2:]), tuple(emitted))
        return state, Buffer(out.steps + 1, out.room, *kept)

    def unfinished(carry: tuple[Any, Buffer]) -> Array:
        state, out = carry
        busy = kernel.busy(randomness, state, num_draws)
        return (out.steps < limit) & busy.any()

    carry = (state, buffer)
    if early_exit:
        state, buffer = jax.lax.while_loop(unfinished, body, carry)
    else:
        state, buffer = jax.lax.fori_loop(0, rows, lambda _, c: body(c), carry)
    steps, room = buffer.steps[None], kernel.room(state)[None]
    return state, randomness, buffer._replace(steps=steps, room=room)
