"""Give every site that needs one a random key."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ppl._errors import ArgumentTypeError
from ppl._pytree import replace
from ppl._sites import handlers_in_use
from ppl._typing import Key
from ppl.primitives import (
    AbstractRegion,
    Handler,
    KeyRequest,
    Param,
    PlateEntry,
    Sample,
    Site,
    perform,
)


class seed(Handler):
    """Fold each site's name into one key, so that no draw depends on the other sites.

    Adding, removing or reordering sites leaves the other draws as they were; renaming a
    site changes its draw. `prng_key()` gives a different key each time it is called.

    Args:
        fn: The model.
        rng_seed: An int or a JAX key.
        hide_types: Types of sites ("sample", "param", "plate", "prng_key") left alone.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        rng_seed: int | Key | None = None,
        hide_types: Sequence[str] | None = None,
    ):
        if rng_seed is None and fn is not None and not callable(fn):
            fn, rng_seed = None, fn
        super().__init__(fn)
        self.rng_key = as_key(rng_seed)
        self.hide_types = tuple(hide_types or ())
        self.fold = fold_in_name

    def start(self) -> seed:
        """Begin with no key given to `prng_key`."""
        self._requests, self._place = 0, ""
        return self

    def inside(self, region: AbstractRegion) -> seed:
        """Keys of the same names, and others for `prng_key`."""
        inner = super().inside(region)
        inner._requests, inner._place = 0, f"{self._place}{self._requests}/"
        self._requests += 1
        return inner

    def handle(self, site: Site) -> Site:
        """Attach a key where one is wanted."""
        if site.type in self.hide_types:
            return perform(site)
        match site:
            case (
                Sample(value=None, rng_key=None)
                | Sample(is_observed=True, rng_key=None)
                | Param(value=None, rng_key=None)
                | PlateEntry(value=None, rng_key=None)
            ):
                if _wants_key(site):
                    key = self.fold(self.rng_key, site.name)
                    if not isinstance(site, Param):  # one for all steps of a loop
                        key = self.folded(key)
                    site = replace(site, rng_key=key)
            case KeyRequest(value=None):
                name = f"prng_key {self._place}{self._requests}"
                self._requests += 1
                key = self.folded(self.fold(self.rng_key, name))
                return replace(site, value=key)
        return perform(site)


def _wants_key(site: Any) -> bool:
    match site:
        case Sample(is_observed=True) | Param():
            asked = any(outer.wants_keys for outer in handlers_in_use())
            return asked or callable(site.get("init"))
        case PlateEntry():
            return site.subsample_size < site.size
        case _:
            return True


def as_key(rng_seed: Any) -> Any:
    """A JAX key from an int, or the key itself.

    Raises:
        ArgumentTypeError: It is neither.
    """
    if isinstance(rng_seed, int | np.integer) and not isinstance(rng_seed, bool):
        if -(2**31) <= rng_seed < 2**32:
            return jax.random.PRNGKey(int(rng_seed))
        # Without x64 JAX would silently drop the high bits.
        return fold_in_name(jax.random.PRNGKey(0), str(rng_seed))
    if isinstance(rng_seed, jax.Array | np.ndarray):
        if jax.dtypes.issubdtype(rng_seed.dtype, jax.dtypes.prng_key):
            if rng_seed.ndim == 0:
                return rng_seed
        elif rng_seed.ndim == 0 and np.issubdtype(rng_seed.dtype, np.integer):
            return jax.random.PRNGKey(rng_seed)
        elif rng_seed.ndim == 1 and rng_seed.dtype == np.uint32:
            return rng_seed
    raise ArgumentTypeError(
        f"rng_seed must be an int or a JAX random key, got {rng_seed!r}.",
        value=rng_seed,
        hint="Write seed(model, rng_seed=0); for many keys, jax.vmap over them.",
    )


def fold_in_name(key: Key, name: str) -> Key:
    """A key for `name`: the halves of a 64-bit digest folded in one after the other."""
    return _folded_in(key, *_halves(name))


def seeded_quickly(fn: Callable[..., Any], rng_key: Key) -> seed:
    """`seed` for programs that do little else than draw: it costs next to nothing.

    Args:
        fn: The model.
        rng_key: A JAX key, itself as good as drawn, for sites get it with a digest of
            their names mixed in.
    """
    handler = seed(fn, rng_seed=rng_key)
    handler.fold = mix_in_name
    return handler


def mix_in_name(key: Key, name: str) -> Key:
    """A key for `name`: its digest xor the key, which saves two rounds of Threefry.

    Counter-based generators ask no more of keys than to be distinct (Salmon, Moraes,
    Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).
    """
    is_typed = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    words = jax.random.key_data(key) if is_typed else key
    if words.shape != (2,):  # of another generator
        return fold_in_name(key, name)
    mixed = words ^ np.array(_halves(name))
    if not is_typed:
        return mixed
    return jax.random.wrap_key_data(mixed, impl=jax.random.key_impl(key))


@functools.lru_cache(4096)
def _halves(name: str) -> tuple[np.uint32, np.uint32]:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    low = np.uint32(int.from_bytes(digest[:4], "little"))
    return low, np.uint32(int.from_bytes(digest[4:], "little"))


@jax.jit  # outside of a trace, each fold by itself takes a quarter of a millisecond
def _folded_in(key: Key, low: Any, high: Any) -> Key:
    return jax.random.fold_in(jax.random.fold_in(key, low), high)
