"""Keep sums of draws, and few of the draws: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ppl.infer.engine.sinks.base import AbstractSink, Finished

MOST_DIVERGENT = 1000
_BLOCK_NUMBERS = 2**20
_SUMS = 2048  # per scalar, over all chains and batches


class BatchSums(NamedTuple):
    """Sums over batches of each chain's draws, in the order of time.

    The two halves of a chain have equally many batches, of lengths that differ by one
    at most. Between them is a batch of the middle draw, empty if their number is even.

    Attributes:
        planned: Draws in each batch of a finished chain, (batches,).
        counts: Draws that came, (batches, chains).
        centre: What was subtracted from the draws of each chain, (chains, scalars).
        first: Sums of the draws around the centre, (batches, chains, scalars).
        second: Sums of the squares, likewise.
        wrong: How many values of each scalar were infinite or NaN, (scalars,).
    """

    planned: np.ndarray
    counts: np.ndarray
    centre: np.ndarray
    first: np.ndarray
    second: np.ndarray
    wrong: np.ndarray


class StatisticSums(NamedTuple):
    """Sums of a statistic of the draws, for each chain; its differences tell E-BFMI.

    Attributes:
        origin: The first value, which is subtracted from all.
        last: The last value.
        first: Sum around the origin.
        second: Sum of squares around it.
        steps: Sum of the squares of the differences of neighbours.
    """

    origin: np.ndarray
    last: np.ndarray
    first: np.ndarray
    second: np.ndarray
    steps: np.ndarray


class Divergent(NamedTuple):
    """Divergent draws, the first that came.

    Attributes:
        values: Transformed, (n, scalars).
        chain: Their chains, (n,).
        draw: Their numbers within the chain, (n,).
    """

    values: np.ndarray
    chain: np.ndarray
    draw: np.ndarray


class MomentsSink(AbstractSink):
    """Sums in float64 over batches of each chain; every so many-th draw elsewhere.

    Draws of one chain come in their order, those of different chains in any.

    Attributes:
        sums: Of the transformed draws; complete after `flush`.
        statistics: Of each statistic, by name.
        divergent: Up to `MOST_DIVERGENT` divergent draws.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        start: np.ndarray,
        scalars: int,
        transform: Callable[[np.ndarray], np.ndarray],
        statistics: Callable[[np.ndarray], dict[str, np.ndarray]],
        *,
        thinned: AbstractSink,
        every: int,
    ):
        """Begin with nothing.

        Args:
            shape: Chains, and draws of each.
            start: A position, (dim,), with which blocks are filled up.
            scalars: How many numbers a transformed draw has.
            transform: Takes (n, dim) to (n, scalars), for one n only.
            statistics: Takes the kernel's, (n, count), to (n,) each, by name; there is
                one called "diverging".
            thinned: Takes every so many-th draw of each chain.
            every: The so many.
        """
        chains, self._draws = shape
        self._transform, self._named = transform, statistics
        self._thinned, self._every = thinned, every
        rows = max(
            1, min(_BLOCK_NUMBERS // max(scalars, len(start)), chains * shape[1])
        )
        self._positions = np.repeat(start[None], rows, axis=0)
        self._chain = np.zeros(rows, np.int64)
        self._draw = np.zeros(rows, np.int64)
        self._diverging = np.zeros(rows, bool)
        self._filled = 0
        self._seen = np.zeros(chains, bool)
        self._known = np.zeros(chains, bool)

        planned = _planned(chains, self._draws)
        self._ends = np.cumsum(planned)
        room = (len(planned), chains, scalars)
        self.sums = BatchSums(
            planned,
            np.zeros(room[:2], np.int64),
            np.zeros(room[1:]),
            np.zeros(room),
            np.zeros(room),
            np.zeros(scalars, np.int64),
        )
        self.statistics: dict[str, StatisticSums] = {}
        self.divergent = Divergent(
            np.empty((0, scalars)), np.empty(0, np.int64), np.empty(0, np.int64)
        )

    @property
    def capacity(self) -> int:
        return self._draws

    @property
    def nbytes(self) -> int:
        """The memory that it takes, without that of the thinned draws."""
        arrays = (*self.sums, *self.divergent, self._positions, self._chain, self._draw)
        kept = [a for sums in self.statistics.values() for a in sums]
        return sum(a.nbytes for a in (*arrays, *kept, self._diverging))

    def write(self, finished: Finished) -> None:
        named = self._named(finished.statistics)
        self._count(finished.chain, named)
        thin = (finished.draw + 1) % self._every == 0
        if thin.any():
            number = (finished.draw[thin] + 1) // self._every - 1
            part = (finished.position[thin], finished.statistics[thin])
            self._thinned.write(Finished(finished.chain[thin], number, *part))
        begin, total = 0, len(finished.chain)
        while begin < total:
            room = len(self._chain) - self._filled
            source = slice(begin, min(begin + room, total))
            begin = source.stop
            place = slice(self._filled, self._filled + source.stop - source.start)
            self._positions[place] = finished.position[source]
            self._chain[place] = finished.chain[source]
            self._draw[place] = finished.draw[source]
            self._diverging[place] = named["diverging"][source] > 0
            self._filled = place.stop
            if self._filled == len(self._chain):
                self.flush()

    def flush(self) -> None:
        """Take in what waits for a block to be full."""
        count, self._filled = self._filled, 0
        if not count:
            return
        values = self._transform(self._positions)[:count]
        values = np.asarray(values, np.float64)
        chain, draw = self._chain[:count], self._draw[:count]
        with np.errstate(invalid="ignore", over="ignore"):
            self._add(values, chain, draw)
        some = np.flatnonzero(self._diverging[:count])
        some = some[: MOST_DIVERGENT - len(self.divergent.chain)]
        if some.size:
            new = values[some], chain[some], draw[some]
            kept = zip(self.divergent, new, strict=True)
            self.divergent = Divergent(*(np.concatenate(pair) for pair in kept))

    def _add(self, values: np.ndarray, chain: np.ndarray, draw: np.ndarray) -> None:
        """Add draws to the sums of their chains and batches."""
        sums = self.sums
        sums.wrong[:] += np.sum(~np.isfinite(values), axis=0)
        present, at = np.unique(chain, return_index=True)
        new = ~self._seen[present]
        sums.centre[present[new]] = values[at[new]]
        self._seen[present] = True

        values = values - sums.centre[chain]
        batch = np.searchsorted(self._ends, draw, side="right")
        order, starts, place = _grouped(batch * len(self._seen) + chain)
        values = values[order]
        scalars = values.shape[1]
        sums.counts.reshape(-1)[place] += np.diff(starts, append=len(order))
        for whole in (sums.first, sums.second):
            whole.reshape(-1, scalars)[place] += np.add.reduceat(values, starts, axis=0)
            values *= values

    def _count(self, chain: np.ndarray, named: dict[str, np.ndarray]) -> None:
        """Add statistics to the sums of their chains."""
        order, starts, place = _grouped(chain)
        new = ~self._known[place]
        self._known[place] = True
        for name, column in named.items():
            values = np.asarray(column, np.float64)[order]
            if name not in self.statistics:
                none = (np.zeros(len(self._known)) for _ in StatisticSums._fields)
                self.statistics[name] = StatisticSums(*none)
            sums = self.statistics[name]
            heads = values[starts]
            sums.origin[place[new]] = sums.last[place[new]] = heads[new]
            steps = np.diff(values, prepend=0.0)
            steps[starts] = heads - sums.last[place]
            sums.last[place] = values[np.append(starts[1:], len(values)) - 1]
            around = values - sums.origin[chain[order]]
            sums.first[place] += np.add.reduceat(around, starts)
            sums.second[place] += np.add.reduceat(around**2, starts)
            sums.steps[place] += np.add.reduceat(steps**2, starts)


def _planned(chains: int, draws: int) -> np.ndarray:
    """The lengths of the batches: of half a chain, the middle draw, the other half."""
    half, middle = divmod(draws, 2)
    count = min(half, int(np.clip(_SUMS // chains, 2, 64)) // 2)
    lengths = np.diff(np.arange(count + 1) * half // max(count, 1))
    return np.concatenate([lengths, [middle], lengths])


def _grouped(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A stable order by key, where each key begins in it, and the keys."""
    order = np.argsort(keys, kind="stable")
    ascending = keys[order]
    starts = np.flatnonzero(np.diff(ascending, prepend=-1))
    return order, starts, ascending[starts]
