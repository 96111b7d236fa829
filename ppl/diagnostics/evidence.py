"""What the checks of a finished run look at: counts and columns, whatever kept them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from ppl.diagnostics._columns import COLUMNS, site_columns
from ppl.diagnostics._draws import Floats
from ppl.diagnostics._labels import scalar_labels
from ppl.diagnostics.estimates import ebfmi
from ppl.diagnostics.nested import Nested, nested_of


class Results(Protocol):
    """What `diagnose` reads; a `Posterior` has it."""

    @property
    def samples(self) -> Mapping[str, np.ndarray]: ...
    @property
    def sample_stats(self) -> Mapping[str, np.ndarray]: ...
    @property
    def dims(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def coords(self) -> Mapping[str, Any]: ...
    @property
    def deterministic(self) -> frozenset[str]: ...
    @property
    def superchains(self) -> np.ndarray | None: ...
    @property
    def attrs(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Evidence:
    """All that `judge` needs to know of a run.

    Attributes:
        lengths: Draws of each chain, (chains,).
        columns: Site to all `COLUMNS` of its scalars, (column, scalar).
        labels: Gives the names of the scalars of a site.
        divergences: Divergent draws of each chain, (chains,).
        divergent: Gives the values of a site in divergent draws, (n, scalar).
        sites: The sites that no others determine.
        depths: Trajectories of each chain that were cut, (chains,), or None.
        moves: For each continuous site that is free, which chains moved, (chains,), and
            whether those that did not share one constant.
        wrong: Site, infinite values or NaNs, and values in all, for sites with any.
        energies: E-BFMI of each chain, or none.
        members: Superchains, and chains in each; (0, 0) if there are none.
        nested: Gives the parts of nested R-hat, for all scalars in the order of
            `columns`, if there are superchains.
        moved: Chains that warm-up took from a place without mass to another's.
        approximation: What is known of the method, if there are no chains but draws of
            an approximation: `attrs` of the result.
    """

    lengths: np.ndarray
    columns: Mapping[str, Floats]
    labels: Callable[[str], list[str]]
    divergences: np.ndarray
    divergent: Callable[[str], np.ndarray]
    sites: tuple[str, ...]
    depths: np.ndarray | None
    moves: Iterable[tuple[np.ndarray, bool]]
    wrong: Iterable[tuple[str, int, int]]
    energies: np.ndarray
    members: tuple[int, int] = (0, 0)
    nested: Callable[[], Nested] | None = None
    moved: int = 0
    approximation: Mapping[str, Any] | None = None

    @property
    def chains(self) -> int:
        """How many chains there are."""
        return len(self.lengths)

    @property
    def draws(self) -> int:
        """How many draws each chain has at least."""
        return int(self.lengths.min()) if len(self.lengths) else 0


def evidence_of(
    results: Results, columns: Mapping[str, Floats] | None = None
) -> Evidence:
    """The evidence in draws.

    Args:
        results: The result.
        columns: What `site_columns` said of its samples, if that is known already.
    """
    if columns is None:
        columns = site_columns(results.samples, results.samples)
    chains, draws = _sample_shape(results)
    stats, members = results.sample_stats, results.superchains
    diverging = np.asarray(stats.get("diverging", np.zeros((chains, 0))), dtype=bool)
    reached = stats.get("reached_max_treedepth")
    return Evidence(
        lengths=np.full(chains, draws),
        columns=columns,
        labels=lambda name: _labels(results, name),
        divergences=diverging.sum(axis=1),
        divergent=lambda name: _rows(results.samples[name][diverging]),
        sites=tuple(n for n in columns if n not in results.deterministic),
        depths=None if reached is None else np.asarray(reached, bool).sum(axis=1),
        moves=_moves(results),
        wrong=_wrong(results, columns),
        energies=ebfmi(stats["energy"]) if "energy" in stats else np.array([]),
        members=(0, 0) if members is None else (members.shape[0], members.shape[1]),
        nested=None if members is None else partial(_nested, results, columns, members),
        moved=results.attrs.get("chains_moved", 0),
        approximation=results.attrs if "pareto_k" in results.attrs else None,
    )


def _nested(results: Results, names: Iterable[str], members: np.ndarray) -> Nested:
    parts = [nested_of(results.samples[name], members) for name in names]
    return Nested(*np.concatenate([np.empty((3, 0)), *parts], axis=1))


def _moves(results: Results) -> Iterator[tuple[np.ndarray, bool]]:
    """A healthy run is settled by its first site."""
    for name in results.samples:
        if name in results.deterministic:
            continue
        draws = results.samples[name]
        if draws.size and np.issubdtype(draws.dtype, np.inexact):
            moves = (draws != draws[:, :1]).any(axis=tuple(range(1, draws.ndim)))
            yield moves, bool((draws[:, 0] == draws[:1, 0]).all())


def _wrong(
    results: Results, columns: Mapping[str, Floats]
) -> Iterator[tuple[str, int, int]]:
    for name, part in columns.items():
        if not np.isfinite(part[COLUMNS.index("mean")]).all():
            finite = np.isfinite(results.samples[name])
            yield name, int(np.sum(~finite)), finite.size


def _sample_shape(results: Results) -> tuple[int, int]:
    """How many chains and draws there are."""
    for group in (results.sample_stats, results.samples):
        for values in group.values():
            if np.ndim(values) >= 2:
                return values.shape[0], values.shape[1]
    return 0, 0


def _rows(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def _labels(results: Results, name: str) -> list[str]:
    shape = results.samples[name].shape[2:]
    return scalar_labels(name, shape, results.dims.get(name, ()), results.coords)
