"""What a user says of the mass matrix, by site names, in terms of coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppl._errors import ArgumentError, ShapeError, unknown_name
from ppl.infer.engine.adapt.windows import Structure
from ppl.infer.engine.metric import AbstractMetric, Blocks, cholesky, metric_from
from ppl.layout import Layout


@dataclass(frozen=True)
class MassMatrix:
    """The structure of the inverse mass matrix, and its first value.

    Attributes:
        dense: True, False, "auto", or groups of sites that share a dense block.
        given: The first value, or None.

    Raises:
        ArgumentError: `dense` is something else, or a site is in two groups.
    """

    dense: Any
    given: Any

    def __post_init__(self):
        if isinstance(self.dense, bool) or self.dense == "auto":
            return
        groups = self.dense
        fine = isinstance(groups, list | tuple) and all(
            isinstance(g, tuple | list) and g and all(isinstance(n, str) for n in g)
            for g in groups
        )
        if not fine or not groups:
            raise ArgumentError(
                'dense_mass must be True, False, "auto" or a list of tuples of site '
                f"names, got {groups!r}.",
                value=groups,
                hint='For one block of two sites: dense_mass=[("a", "b")].',
            )
        names = [name for group in groups for name in group]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ArgumentError(
                f"dense_mass names site '{twice[0]}' twice.",
                site=twice[0],
                value=groups,
                hint="Put the sites that belong together into one tuple.",
            )

    @property
    def structure(self) -> Structure:
        """The structure that warm-up estimates."""
        if isinstance(self.dense, bool):
            return "dense" if self.dense else "diagonal"
        return "auto"

    def blocks(self, layout: Layout) -> tuple[tuple[int, ...], ...]:
        """Indices of the coordinates of each dense block."""
        if isinstance(self.dense, bool | str):
            return ()
        return tuple(_places(layout, group) for group in self.dense)

    def metric(self, layout: Layout, dtype: np.dtype) -> AbstractMetric:
        """The metric to begin with.

        Raises:
            ShapeError: What is given does not fit the model's coordinates.
            UnknownNameError: It names no latent site.
            ArgumentError: It is not positive (definite).
        """
        dim, blocks = layout.size, self.blocks(layout)
        if isinstance(self.given, Mapping):
            return self._structured(layout, dtype)
        if self.given is None:
            given = np.ones(dim)
        else:
            given = np.asarray(self.given)
            if given.shape not in ((dim,), (dim, dim)):
                raise ShapeError(
                    f"inverse_mass_matrix has shape {given.shape}, but the model has "
                    f"{dim} unconstrained coordinates: ({dim},) or ({dim}, {dim}) is "
                    "needed.",
                    value=given.shape,
                )
        if blocks:
            return _with_blocks(given, blocks, dtype)
        if self.dense is True and given.ndim == 1:
            given = np.diag(given)
        return metric_from(given, dtype)

    def _structured(self, layout: Layout, dtype: np.dtype) -> AbstractMetric:
        """From a dict of groups of sites to variances or covariances."""
        whole = np.eye(layout.size)
        matrices = []
        for group, value in self.given.items():
            names = (group,) if isinstance(group, str) else tuple(group)
            places, value = _places(layout, names), np.asarray(value)
            size = len(places)
            if value.shape not in ((size,), (size, size)):
                raise ShapeError(
                    f"inverse_mass_matrix of {names} has shape {value.shape}; the "
                    f"sites have {size} unconstrained coordinates.",
                    site=names[0],
                    value=value.shape,
                )
            if value.ndim == 2:
                matrices.append(places)
            at = np.ix_(places, places)
            whole[at] = value if value.ndim == 2 else np.diag(value)
        blocks = self.blocks(layout) or tuple(matrices)
        if self.dense is True:
            return metric_from(whole, dtype)
        return (
            _with_blocks(whole, blocks, dtype)
            if blocks
            else metric_from(np.diag(whole), dtype)
        )


def _places(layout: Layout, group: tuple[str, ...]) -> tuple[int, ...]:
    entries = {entry.name: entry for entry in layout.entries}
    for name in group:
        if name not in entries:
            raise unknown_name("latent site in the mass matrix", name, entries)
    spans = [(entries[n].offset, entries[n].size) for n in group]
    return tuple(i for offset, size in spans for i in range(offset, offset + size))


def _with_blocks(
    given: np.ndarray, blocks: tuple[tuple[int, ...], ...], dtype: np.dtype
) -> Blocks:
    whole = np.diag(given) if given.ndim == 1 else given
    rest = metric_from(np.diag(whole), np.dtype(float)).inverse_mass_matrix
    factors = tuple(cholesky(whole[np.ix_(b, b)]).astype(dtype) for b in blocks)
    return Blocks(np.sqrt(np.asarray(rest)).astype(dtype), factors, blocks)
