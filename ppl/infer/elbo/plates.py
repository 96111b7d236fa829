"""Sums of log densities that leave the members of some plates apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

import jax.numpy as jnp

from ppl._sites import PlateFrame, Sample
from ppl._typing import Array

Frames = frozenset[PlateFrame]


def summed_to(term: Array, frames: Frames) -> Array:
    """Summed over all dims but those of the plates, which stay where they are.

    Args:
        term: Of a site that is in all of these plates.
        frames: The plates; without any the result is one number.
    """
    dims = {frame.dim for frame in frames}
    depth = -min(dims, default=0)
    axes = tuple(d for d in range(-jnp.ndim(term), 0) if d not in dims)
    kept = jnp.sum(term, axes, keepdims=True)
    return kept.reshape(kept.shape[kept.ndim - depth :])


def common(sites: Iterable[Sample]) -> Frames:
    """The plates that all of the sites are in."""
    frames = [frozenset(site.plates) for site in sites]
    return frozenset.intersection(*frames) if frames else frozenset()


def share(frames: Frames) -> float:
    """How many members one stands for, in plates that are subsampled."""
    return math.prod(frame.size / frame.subsample_size for frame in frames)
