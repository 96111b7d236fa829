"""Kernels driven as plainly as can be: step until every chain has its draws."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl.infer.engine.randomness import Randomness


class Draws(NamedTuple):
    """What the chains emitted.

    Attributes:
        position: (draws, dim, chains), not a number where nothing was emitted.
        statistics: (draws, count, chains), likewise.
        count: Draws emitted by each chain, also of those that found no place, (chains,).
        steps: Steps done, ().
    """

    position: Any
    statistics: Any
    count: Any
    steps: Any


def randomness_for(seed: int, positions: Any, bank: int) -> Randomness:
    """Random numbers of chains 0, 1, …, whose bank holds `bank` draws."""
    dim, chains = positions.shape
    empty = Randomness(
        seed=jnp.array([seed >> 32, seed & 0xFFFFFFFF], jnp.uint32),
        chains=jnp.arange(chains, dtype=jnp.uint32),
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
def run_until(
    kernel: Any,
    target: Any,
    randomness: Randomness,
    state: Any,
    num_draws: Any,
    draws: Draws,
) -> tuple[Any, Draws]:
    """Step until all chains have emitted `num_draws` draws, or those that the bank allows."""
    chain = jnp.arange(draws.count.shape[0])
    within_reach = jnp.minimum(num_draws, randomness.base + randomness.bank.shape[0])

    def unfinished(carry: tuple[Any, Draws]) -> Any:
        return (carry[1].count < within_reach).any()

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
    positions = jnp.asarray(positions)
    randomness = randomness_for(seed, positions, num_draws)
    _, draws = run_until(
        kernel,
        target,
        randomness,
        kernel.init(positions),
        jnp.int32(num_draws),
        no_draws(kernel, positions, num_draws),
    )
    return Draws(*map(np.asarray, draws))
