"""What a flat position means: the free sites, their shapes and places."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ppl._region import LoopAxis
from ppl._sites import PlateFrame, Site
from ppl._typing import Array, Shape


@dataclass(frozen=True)
class Entry:
    """One free site in the flat vector.

    Attributes:
        name: Of the site.
        shape: Of its value.
        free_shape: Of its unconstrained value.
        offset: Where it begins in the flat vector.
    """

    name: str
    shape: Shape
    free_shape: Shape
    offset: int

    @property
    def size(self) -> int:
        """How many coordinates it has."""
        return math.prod(self.free_shape)


@dataclass(frozen=True)
class Layout:
    """The meaning of a flat position: the free sites, in the order of the model."""

    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return sum(entry.size for entry in self.entries)

    def split(self, position: Array) -> dict[str, Array]:
        """The unconstrained value of each site, from (*chains, size)."""
        if not self.entries:
            return {}
        sizes = [entry.size for entry in self.entries]
        last = position.ndim - 1
        parts = jax.lax.split(position, sizes, last)  # transposed: one concatenation
        return {
            entry.name: part.reshape(*position.shape[:-1], *entry.free_shape)
            for entry, part in zip(self.entries, parts, strict=True)
        }

    def locate(self, index: int) -> Entry:
        """The site that coordinate `index` belongs to."""
        return next(e for e in self.entries if e.offset <= index < e.offset + e.size)

    def join(self, values: Mapping[str, Any]) -> np.ndarray:
        """A flat vector from the unconstrained value of every site."""
        parts = [np.asarray(values[e.name]).reshape(-1) for e in self.entries]
        return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True)
class SiteInfo:
    """What the abstract trace tells of a site.

    Attributes:
        name: Of the site.
        type: "sample" or "deterministic".
        family: Name of its distribution.
        shape: Of its value.
        event_dim: Rightmost dims of one value.
        is_observed: Whether it has an observed value.
        is_discrete: Whether its support is countable.
        plates: Around it, innermost last.
        loops: Around it, likewise, as if they were plates.
        line: File and line of the statement.
    """

    name: str
    type: str
    family: str
    shape: Shape
    event_dim: int
    is_observed: bool
    is_discrete: bool
    plates: tuple[PlateFrame, ...]
    loops: tuple[PlateFrame, ...]
    line: str

    @property
    def around(self) -> tuple[PlateFrame, ...]:
        """What gives names to dims of the value."""
        return (*self.loops, *self.plates)

    @property
    def dims(self) -> tuple[str, ...]:
        """A name for each dim of the value: of a plate, a loop, else `name_dim_i`."""
        names = [f"{self.name}_dim_{i}" for i in range(len(self.shape))]
        for plate in self.around:
            axis = len(self.shape) - self.event_dim + plate.dim
            if axis >= 0 and self.shape[axis] == plate.subsample_size:
                names[axis] = plate.name
        return tuple(names)


def loop_names(sites: Mapping[str, Site]) -> dict[LoopAxis, str]:
    """A name for the axis of each loop: its own, else that of the construct.

    Loops share a name that they were given, if sizes and labels agree; else there are
    numbers behind it.
    """
    sizes = {f.name: f.size for site in sites.values() for f in site.plates}
    labels: dict[str, Any] = {}
    names: dict[LoopAxis, str] = {}
    for site in sites.values():
        here = {frame.name for frame in site.plates}
        for _, axis in site.loops:
            if axis not in names:
                own = None if axis.coords is None else list(axis.coords)
                same = {n for n, size in sizes.items() if size == axis.size} - here
                same = {n for n in same if own == labels.get(n)} if axis.name else set()
                names[axis] = _free_name(axis.name or axis.what, {*sizes} - same)
                sizes[names[axis]] = axis.size
                labels[names[axis]] = own
            here.add(names[axis])
    return names


def _free_name(wanted: str, taken: Collection[str]) -> str:
    """A name that is not taken, with a number behind it where need be."""
    numbered = (f"{wanted}_{i}" for i in itertools.count(2))
    return next(n for n in itertools.chain([wanted], numbered) if n not in taken)
