"""Draws of guides, by one compiled program for each guide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from ppl._sites import PlateEntry, PlateFrame, only, perform
from ppl._typing import Array, Key, Model, Shape
from ppl.arguments import Arguments
from ppl.handlers.block import block
from ppl.handlers.seed import seed
from ppl.handlers.substitute import fill


def given_indices(plates: Mapping[str, PlateFrame]) -> dict[str, Any]:
    """Indices of subsampled plates, where a handler around gives them."""
    found = {}
    for frame in plates.values():
        if frame.subsample_size < frame.size:
            asked = PlateEntry(
                frame.name,
                size=frame.size,
                subsample_size=frame.subsample_size,
                dim=frame.dim,
                make_indices=lambda _: None,
            )
            found[frame.name] = perform(asked).value
    return {name: value for name, value in found.items() if value is not None}


def draws(
    guide: Model,
    arguments: Arguments,
    data: tuple[Any, ...],
    key: Key,
    params: Mapping[str, Any],
    sample_shape: Shape,
) -> dict[str, Array]:
    """Draws of a guide, (*sample_shape, *shape) by site.

    Args:
        guide: A function that performs its sites and gives their values.
        arguments: Structure of its arguments.
        data: Array arguments.
        key: A JAX key.
        params: Values of params, and indices of plates.
        sample_shape: How many.
    """
    keys = key[None]
    if sample_shape:
        keys = jax.random.split(key, math.prod(sample_shape))
    flat = _drawn(guide, arguments, data, keys, dict(params))
    return {
        name: value.reshape(*sample_shape, *value.shape[1:])
        for name, value in flat.items()
    }


@partial(jax.jit, static_argnames=("guide", "arguments"))
def _drawn(
    guide: Model,
    arguments: Arguments,
    data: tuple[Any, ...],
    keys: Any,
    params: dict[str, Any],
) -> dict[str, Array]:
    """Draws of a guide, for each key."""

    def one(key: Any) -> dict[str, Array]:
        args, kwargs = arguments.rebuild(data)
        with only(()), block(), seed(rng_seed=key), fill(data=params):
            return dict(guide(*args, **kwargs))

    return jax.vmap(one)(keys)
