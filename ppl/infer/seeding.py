"""Seeds: from ints and JAX keys to the two words that random streams begin with."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import jax
import numpy as np

from ppl._errors import ArgumentTypeError

Words = tuple[int, int]


def seed_words(rng_key: Any) -> Words:
    """Two 32-bit words from an int, a JAX key or a batch of keys.

    Raises:
        ArgumentTypeError: It is something else.
    """
    if isinstance(rng_key, int | np.integer) and not isinstance(rng_key, bool):
        value = int(rng_key) % 2**64
        return value & 0xFFFFFFFF, value >> 32
    if isinstance(rng_key, jax.Array | np.ndarray):
        if jax.dtypes.issubdtype(rng_key.dtype, jax.dtypes.prng_key):
            rng_key = jax.random.key_data(rng_key)
        data = np.asarray(rng_key)
        if data.ndim == 0 and data.dtype.kind in "iu":
            return seed_words(int(data))
        if data.dtype == np.uint32:
            if data.shape == (2,):
                return int(data[0]), int(data[1])
            digest = hashlib.blake2b(data.tobytes(), digest_size=8).digest()
            return seed_words(int.from_bytes(digest, "little"))
    raise no_key(rng_key)


def no_key(rng_key: Any) -> ArgumentTypeError:
    """The error for an `rng_key` that is none."""
    return ArgumentTypeError(
        f"rng_key must be an int or a JAX random key, got {rng_key!r}.",
        value=rng_key,
        hint="Write jax.random.PRNGKey(0), or just 0.",
    )


def fresh_seed() -> int:
    """A seed from the operating system, for runs that name none."""
    return secrets.randbits(32)
