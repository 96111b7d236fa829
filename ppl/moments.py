"""The result of a run that kept sums instead of draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ppl.diagnostics._columns import COLUMNS, SHOWN
from ppl.diagnostics._draws import Floats
from ppl.diagnostics._labels import scalar_labels
from ppl.diagnostics.batches import BatchMoments
from ppl.diagnostics.divergences import Divergences
from ppl.diagnostics.evidence import Evidence
from ppl.diagnostics.findings import Finding
from ppl.diagnostics.report import judge
from ppl.diagnostics.table import Summary, check_share, tabulate
from ppl.posterior import HTML_ROWS, Posterior, chosen, page

if TYPE_CHECKING:
    import xarray

    from ppl.infer.engine.sinks.moments import BatchSums, StatisticSums


@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Means, variances and their errors from all draws of a run, which are not kept.

    How much memory it takes depends on the chains and sites, not on the draws.

    Attributes:
        sums: Over batches of the draws of each chain, for all scalars of all sites.
        statistics: Likewise of lp, energy, acceptance_rate, n_steps, ..., by name.
        shapes: Each site with the shape of its event, in the order of the scalars.
        thinned: Every so many-th draw of each chain, at most 2^23 numbers or one draw;
            what has no sums (quantiles, plots) comes from these.
        divergences: The first 1000 divergent draws, and how many there are.
        attrs: Facts about the run: seed, sampling_time (seconds), interrupted, ....
    """

    sums: BatchSums
    statistics: Mapping[str, StatisticSums]
    shapes: Mapping[str, tuple[int, ...]]
    thinned: Posterior
    divergences: Divergences
    attrs: Mapping[str, str | int | float | bool]

    @property
    def num_chains(self) -> int:
        """How many chains there are."""
        return len(self._moments.lengths)

    @property
    def num_draws(self) -> int:
        """How many draws went into each chain; into the shortest, if they differ."""
        return int(self._moments.lengths.min())

    @property
    def adapted(self) -> Any:
        """What the run has found out about how to sample, for `warm_start`."""
        return self.thinned.adapted

    @property
    def nbytes(self) -> int:
        """The memory that its numbers take."""
        kept = [a for sums in self.statistics.values() for a in sums]
        thinned = [*self.thinned.samples.values(), *self.thinned.sample_stats.values()]
        divergent = [*self.divergences.samples.values(), self.divergences.chain]
        return sum(a.nbytes for a in (*self.sums, *kept, *thinned, *divergent))

    @cached_property
    def mean(self) -> dict[str, np.ndarray]:
        """Mean of all draws of each site, (*event)."""
        return self._by_site(self._moments.mean)

    @cached_property
    def variance(self) -> dict[str, np.ndarray]:
        """Variance of all draws of each site, (*event)."""
        return self._by_site(self._moments.variance)

    @cached_property
    def sample_stats(self) -> dict[str, np.ndarray]:
        """Mean of each statistic in each chain, (chain,), under ArviZ's names."""
        lengths = self._moments.lengths
        return {k: s.origin + s.first / lengths for k, s in self.statistics.items()}

    @cached_property
    def findings(self) -> list[Finding]:
        """What `ppl.diagnostics.diagnose` would say, as far as sums tell.

        Its effective sample sizes are those of means, its R-hat has no ranks: tails and
        spreads that differ between chains are not seen.
        """
        found = judge(self._evidence())
        if self.attrs.get("interrupted"):
            lengths = self._moments.lengths
            text = f"Interrupted: chains have {lengths.min()} to {lengths.max()} draws."
            found.append(Finding(None, text, "All are used; each chain counts alike."))
        return found

    def summary(
        self,
        var_names: str | Iterable[str] | None = None,
        prob: float = 0.9,
        *,
        exclude_deterministic: bool = False,
    ) -> Summary:
        """The table of `Posterior.summary`, from sums.

        Means, standard deviations and Monte Carlo errors are those of all draws.
        `ess_bulk` is the effective sample size of the mean, from batch means and chain
        means; `r_hat` that of split chains, without ranks. The quantiles are those of
        the thinned draws, and `ess_tail` says how well these tell them.

        Args:
            var_names: The sites to show, in this order; all by default.
            prob: The share of the draws between the two quantiles.
            exclude_deterministic: Whether to leave out what other sites determine.

        Returns:
            A table to print, to show in a notebook or to read numbers from.
        """
        check_share(prob)
        names = [
            name
            for name in chosen(self.shapes, var_names)
            if not (exclude_deterministic and name in self.thinned.deterministic)
        ]
        table = self.thinned.summary(names, prob)
        columns = {name: self._columns[name].copy() for name in names}
        for column in ("low", "high", "ess_tail"):
            title = table.columns[SHOWN.index(column)]
            for name in names:
                row = np.reshape(table[name][title], -1)
                columns[name][COLUMNS.index(column)] = row
        nested, members = None, self.thinned.superchains
        if members is not None:
            nested = self._per_site(self._moments.nested(members).r_hat)
        return tabulate(
            columns,
            {name: self.shapes[name] for name in names},
            prob,
            dims=self.thinned.dims,
            coords=self.thinned.coords,
            nested=nested,
        )

    def to_datatree(self) -> xarray.DataTree:
        """The thinned draws as an `xarray.DataTree`, see `Posterior.to_datatree`."""
        return self.thinned.to_datatree()

    def __repr__(self) -> str:
        return f"<Moments: {self._size}; {', '.join(self.shapes)}>"

    def _repr_html_(self) -> str:
        table = self.summary().html(max_rows=HTML_ROWS)
        return page(f"Moments: {self._size}", self.attrs, self.findings, table)

    @property
    def _size(self) -> str:
        chains = "1 chain" if self.num_chains == 1 else f"{self.num_chains} chains"
        return f"{chains} × {self.num_draws} draws"

    @cached_property
    def _moments(self) -> BatchMoments:
        return BatchMoments(self.sums)

    @cached_property
    def _columns(self) -> dict[str, Floats]:
        """All columns that sums tell, NaN for the others; (column, scalar) by site."""
        moments, sd = self._moments, np.sqrt(self._moments.variance)
        known = {
            "mean": moments.mean,
            "sd": sd,
            "mcse_mean": sd / np.sqrt(moments.ess),
            "ess_bulk": moments.ess,
            "r_hat": moments.r_hat,
            "time": moments.time,
        }
        table = np.full((len(COLUMNS), len(sd)), np.nan)
        for name, values in known.items():
            table[COLUMNS.index(name)] = values
        return self._per_site(table)

    def _per_site(self, scalars: Floats) -> dict[str, Floats]:
        """Parts of the last axis, one for each site."""
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        parts = np.split(scalars, np.cumsum(sizes)[:-1], axis=-1)
        return dict(zip(self.shapes, parts, strict=True))

    def _by_site(self, scalars: Floats) -> dict[str, np.ndarray]:
        parts = self._per_site(scalars)
        return {k: v.reshape(self.shapes[k])[()] for k, v in parts.items()}

    def _evidence(self) -> Evidence:
        thinned, members = self.thinned, self.thinned.superchains
        columns = {name: part.copy() for name, part in self._columns.items()}
        for name, error in self._per_site(self._moments.ess_error).items():
            columns[name][COLUMNS.index("ess_bulk")] *= 1 + 2 * error  # no false alarms
        depths = "reached_max_treedepth"
        return Evidence(
            lengths=self._moments.lengths,
            columns=columns,
            labels=lambda name: scalar_labels(
                name, self.shapes[name], thinned.dims.get(name, ()), thinned.coords
            ),
            divergences=self._counts("diverging"),
            divergent=lambda n: self.divergences[n].reshape(
                len(self.divergences.chain), int(np.prod(self.shapes[n]))
            ),
            sites=tuple(n for n in self.shapes if n not in thinned.deterministic),
            depths=self._counts(depths) if depths in self.statistics else None,
            moves=self._moves(),
            wrong=self._wrong(),
            energies=self._energies(),
            members=(0, 0) if members is None else (len(members), members.shape[1]),
            nested=None if members is None else lambda: self._moments.nested(members),
            moved=int(self.attrs.get("chains_moved", 0)),
        )

    def _counts(self, name: str) -> np.ndarray:
        """How many draws of each chain have a flag."""
        flags = self.sample_stats[name] * self._moments.lengths
        return np.rint(flags).astype(np.int64)

    def _moves(self) -> Iterator[tuple[np.ndarray, bool]]:
        """A chain's centre is its first draw: one that never moves has no squares."""
        moving = self._per_site(np.any(self.sums.second != 0, axis=0))
        centres = self._per_site(self.sums.centre)
        for name, draws in self.thinned.samples.items():
            free = name not in self.thinned.deterministic
            numbers = moving[name].size and np.issubdtype(draws.dtype, np.inexact)
            if free and numbers:
                shared = bool((centres[name] == centres[name][:1]).all())
                yield np.any(moving[name], axis=1), shared

    def _wrong(self) -> Iterator[tuple[str, int, int]]:
        total = int(self._moments.lengths.sum())
        for name, counts in self._per_site(self.sums.wrong).items():
            if counts.any():
                yield name, int(counts.sum()), counts.size * total

    def _energies(self) -> np.ndarray:
        """E-BFMI of each chain."""
        if "energy" not in self.statistics:
            return np.array([])
        sums, lengths = self.statistics["energy"], self._moments.lengths
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = (sums.second - sums.first**2 / lengths) / (lengths - 1)
            return np.where(lengths > 1, sums.steps / (lengths - 1) / spread, np.nan)
