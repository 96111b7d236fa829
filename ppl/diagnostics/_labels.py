"""Names of dimensions and of single scalars, from plates and coordinates."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def event_dims(
    name: str,
    shape: Sequence[int],
    dims: Sequence[str | None],
    sizes: Mapping[str, int],
) -> tuple[str, ...]:
    """A name for each axis of an event.

    An axis is called as `dims` says if that name is free and of its size, and
    `{name}_dim_{i}` otherwise: a plate of size one that was never expanded, say, or the
    second axis of a matrix over one plate.

    Args:
        name: The site.
        shape: The shape of its event.
        dims: What its axes are called, from the left; too few or None is allowed.
        sizes: The sizes of the dimensions that are known.

    Returns:
        As many names as there are axes.
    """
    found: list[str] = []
    for i, size in enumerate(shape):
        dim = dims[i] if i < len(dims) else None
        usable = dim is not None and dim not in found and sizes.get(dim, size) == size
        found.append(dim if usable and dim is not None else f"{name}_dim_{i}")
    return tuple(found)


def coordinate(coords: Mapping[str, Any], dim: str, size: int) -> np.ndarray:
    """The labels along `dim`, or 0, 1, ... where there are none."""
    if dim in coords:
        return np.asarray(coords[dim])
    return np.arange(size)


def coordinate_sizes(coords: Mapping[str, Any]) -> dict[str, int]:
    """How many labels each dimension has."""
    return {dim: len(np.asarray(labels)) for dim, labels in coords.items()}


def scalar_labels(
    name: str,
    shape: Sequence[int],
    dims: Sequence[str | None] = (),
    coords: Mapping[str, Any] | None = None,
) -> list[str]:
    """`theta[Choate, 0]` for every scalar of a site, in C order.

    Args:
        name: The site.
        shape: The shape of its event.
        dims: What its axes are called.
        coords: Labels along the dimensions.

    Returns:
        As many labels as there are scalars; the bare name if `shape` is ().
    """
    if not shape:
        return [name]
    coords = coords or {}
    names = event_dims(name, shape, dims, coordinate_sizes(coords))
    axes = [
        [str(label) for label in coordinate(coords, dim, size).tolist()]
        for dim, size in zip(names, shape, strict=True)
    ]
    return [f"{name}[{', '.join(parts)}]" for parts in itertools.product(*axes)]
