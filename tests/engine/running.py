"""Kernels driven as plainly as can be: step until every chain has its draws."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl.infer.engine.randomness import Randomness, chain_keys


class Draws(NamedTuple):
    """What the chains emitted.

    Attributes:
        position: (draws, dim, chains), not a number where nothing was emitted.
        statistics: (draws, count, chains), likewise.
        count: Draws emitted by each chain, those without a place too, (chains,).
        steps: Steps done, ().
    """

    position: Any
    statistics: Any
    count: Any
    steps: Any


def randomness_for(seed: int, positions: Any, bank: int) -> Randomness:
    """Random numbers of chains 0, 1, …, whose bank holds `bank` draws."""
    dim, chains = positions.shape
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
    empty = Randomness(
        seed=words,
        keys=chain_keys(words, np.arange(chains)),
        base=jnp.zeros(chains, jnp.int32),
        bank=jnp.zeros((bank, dim, chains), positions.dtype),
    )
    return refill(empty, empty.base)


@jax.jit
def refill(randomness: Randomness, draw: Any) -> Randomness:
    """The bank filled anew from each chain's `draw` on."""
    return randomness.refilled(draw)


def no_draws(kernel: Any, positions: Any, capacity: int) -> Draws:
    """Room for `capacity` draws of each chain."""
    dim, chains = positions.shape
    nothing = jnp.full((capacity, 1, chains), jnp.nan, positions.dtype)
    return Draws(
        position=jnp.repeat(nothing, dim, axis=1),
        statistics=jnp.repeat(nothing, len(kernel.statistics), axis=1),
        count=jnp.zeros(chains, jnp.int32),
        steps=jnp.int32(0),
    )


@jax.jit
def advance(
    kernel: Any,
    target: Any,
    randomness: Randomness,
    state: Any,
    num_draws: Any,
    draws: Draws,
    steps: Any = -1,
) -> tuple[Any, Draws]:
    """Do so many steps, or until all chains have emitted what they can.

    That is `num_draws` draws, or those for which the bank has random numbers.
    """
    chain = jnp.arange(draws.count.shape[0])
    within_reach = jnp.minimum(num_draws, randomness.base + randomness.bank.shape[0])
    last = draws.steps + steps

    def unfinished(carry: tuple[Any, Draws]) -> Any:
        draws = carry[1]
        waited_for = (draws.count < within_reach).any()
        return jnp.where(steps < 0, waited_for, draws.steps < last)

    def body(carry: tuple[Any, Draws]) -> tuple[Any, Draws]:
        state, draws = carry
        state, emitted = kernel.step(randomness, target, state, num_draws)
        row = jnp.where(emitted.done, draws.count, draws.position.shape[0])
        return state, Draws(
            draws.position.at[row, :, chain].set(emitted.position.T, mode="drop"),
            draws.statistics.at[row, :, chain].set(emitted.statistics.T, mode="drop"),
            draws.count + emitted.done,
            draws.steps + 1,
        )

    return jax.lax.while_loop(unfinished, body, (state, draws))


def sample(
    kernel: Any, target: Any, positions: Any, *, seed: int = 0, num_draws: int = 1
) -> Draws:
    """The first `num_draws` draws of each chain, as NumPy arrays."""
    positions = np.asarray(positions)
    randomness = randomness_for(seed, positions, num_draws)
    state, empty = kernel.init(positions), no_draws(kernel, positions, num_draws)
    _, draws = advance(kernel, target, randomness, state, num_draws, empty)
    return Draws(*map(np.asarray, draws))
