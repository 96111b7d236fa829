"""Random numbers that depend on (seed, chain, draw, index) alone; nothing is split.

Counter-based generation (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy
as 1, 2, 3", SC 2011): Threefry-2x32-20 maps a key and a counter to two words. Each
chain has one key per stream; the counter is (draw, index). So a draw is the same
whatever else runs beside it, however the run is cut into chunks, and however often it
is interrupted.

`jax.random` would give the same words, but it rolls the rounds into a loop on CPUs,
which nothing fuses with; here they are plain elementwise operations.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, replace
from ppl._typing import Array

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def threefry(
    key0: Array, key1: Array, count0: Array, count1: Array
) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds, elementwise over broadcast uint32 arrays."""
    keys = (key0, key1, key0 ^ key1 ^ _PARITY)
    x0, x1 = count0 + key0, count1 + key1
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn))
            x1 = x0 ^ x1
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def uniform(word: Array) -> Array:
    """Numbers in (0, 1) from the upper 23 bits of words, never 0 or 1."""
    return ((word >> np.uint32(9)).astype(jnp.float32) + 0.5) * np.float32(2.0**-23)


def normal(word: Array) -> Array:
    """Standard normal numbers from words, by the inverse of the error function."""
    return np.float32(np.sqrt(2)) * jax.scipy.special.erfinv(2.0 * uniform(word) - 1.0)


def chain_keys(seed: np.ndarray, chains: np.ndarray) -> np.ndarray:
    """The `keys` of chains with these global ids; made on the host, once for a run."""
    ids = np.asarray(chains, np.uint32)
    normals, decisions = (
        threefry(seed[0], seed[1], ids, np.full_like(ids, stream)) for stream in (0, 1)
    )
    return np.stack([*normals, *decisions])


@pytree
class Randomness:
    """The random numbers of a batch of chains.

    Attributes:
        seed: Two uint32 words.
        keys: Two words for each chain's normal vectors, two for its small decisions,
            uint32 (4, chains).
        base: First draw that the bank holds, int32 (chains,).
        bank: Standard normal vectors of the draws from `base` on, (bank, dim, chains).
    """

    seed: Array
    keys: Array
    base: Array
    bank: Array

    def ready(self, draw: Array) -> Array:
        """Whether the bank holds the normal vector of each chain's draw."""
        return draw - self.base < self.bank.shape[0]

    def normals(self, draw: Array) -> Array:
        """The normal vector of each chain's `draw`, shape (dim, chains)."""
        slot = jnp.clip(draw - self.base, 0, self.bank.shape[0] - 1)
        index = slot[None, None, :]
        return jnp.take_along_axis(self.bank, index, 0, mode="promise_in_bounds")[0]

    def words(self, draw: Array, index: Array) -> tuple[Array, Array]:
        """Two words for each chain's `draw` and `index`, for small decisions."""
        _, _, key0, key1 = self.keys
        return threefry(key0, key1, draw.astype(jnp.uint32), index.astype(jnp.uint32))

    def refilled(self, draw: Array) -> Randomness:
        """The bank filled anew from each chain's `draw` on."""
        size, dim, _ = self.bank.shape
        key0, key1, _, _ = self.keys
        half = (dim + 1) // 2
        coordinate = np.arange(dim, dtype=np.uint32)[None, :, None]
        draws = draw[None, None, :] + jnp.arange(size, dtype=jnp.int32)[:, None, None]
        index = coordinate % np.uint32(half)
        word0, word1 = threefry(key0, key1, draws.astype(jnp.uint32), index)
        bank = normal(jnp.where(coordinate < half, word0, word1))
        return replace(self, base=draw, bank=bank.astype(self.bank.dtype))
