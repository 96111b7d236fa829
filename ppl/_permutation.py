"""Places in a random permutation, without making the whole permutation."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from ppl._typing import Array, Key

_SORTED = 512  # up to this size, sorting the whole is as quick
_ROUNDS = 8


def permuted(key: Key, index: Array, size: int) -> Array:
    """Where a random permutation of `size` members takes each `index`.

    The work is that of the indices asked for, and not of `size`: a Feistel network
    over the product of two sets (Black & Rogaway, "Ciphers with arbitrary finite
    domains", CT-RSA 2002, section 5); what falls beyond `size` is sent on.

    Args:
        key: Of the permutation.
        index: Integers from 0 to size - 1, any shape.
        size: Members.
    """
    if size <= _SORTED:
        return jax.random.permutation(key, size)[index]
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    keys = jax.random.split(key, (_ROUNDS // 2, 2))

    def word(key: Key, values: Array) -> Array:
        folded = jax.vmap(lambda v: jax.random.fold_in(key, v))(values.reshape(-1))
        if jnp.issubdtype(folded.dtype, jax.dtypes.prng_key):
            folded = jax.random.key_data(folded)
        return folded[:, 0].reshape(values.shape)

    def two_rounds(i: Array, halves: tuple[Array, Array]) -> tuple[Array, Array]:
        left, right = halves
        left = (left + word(keys[i, 0], right) % jnp.uint32(rows)) % jnp.uint32(rows)
        turn = word(keys[i, 1], left) % jnp.uint32(columns)
        return left, (right + turn) % jnp.uint32(columns)

    def once(place: Array) -> Array:
        halves = place // jnp.uint32(columns), place % jnp.uint32(columns)
        left, right = jax.lax.fori_loop(0, _ROUNDS // 2, two_rounds, halves)
        return left * jnp.uint32(columns) + right

    def beyond(place: Array) -> Array:
        return (place >= size).any()

    place = once(jnp.asarray(index).astype(jnp.uint32))
    place = jax.lax.while_loop(
        beyond, lambda p: jnp.where(p >= size, once(p), p), place
    )
    return place.astype(jnp.int32)
