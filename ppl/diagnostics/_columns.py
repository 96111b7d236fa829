"""Everything that tables and warnings say of a scalar, from one sort of its draws."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

import numpy as np

from ppl.diagnostics._draws import (
    BLOCK,
    MIN_DRAWS,
    Floats,
    Ranking,
    as_draws,
    blocks,
    pooled,
    quantile,
    split,
    where_complete,
)
from ppl.diagnostics._ess import ess_and_time, split_ess
from ppl.diagnostics.estimates import tail, worse

# `time` is the autocorrelation time within half chains, in draws: the longer one of the
# two kinds of normal scores that R-hat looks at.
SHOWN = ("mean", "sd", "low", "high", "mcse_mean", "ess_bulk", "ess_tail", "r_hat")
COLUMNS = (*SHOWN, "time")

_MOST_WORKERS = 8
_Group: TypeAlias = list[tuple[str, Floats]]


def site_columns(
    samples: Mapping[str, np.ndarray], names: Iterable[str], prob: float = 0.9
) -> dict[str, Floats]:
    """All `COLUMNS` for every scalar of some sites.

    Small sites are taken together, so that a model of many scalars costs as little as
    one of few vectors.

    Args:
        samples: Site to draws of shape (chain, draw, *event); each is asked for once.
        names: The sites.
        prob: The share of the draws between the quantiles `low` and `high`.

    Returns:
        Site to an array of shape (column, scalar).
    """
    names = list(names)
    groups = _groups(samples, names)
    parts: dict[str, list[Floats]] = {name: [] for name in names}
    for group, columns in _in_threads(partial(_of_group, prob=prob), groups):
        ends = np.cumsum([len(rows) for _, rows in group])[:-1]
        for (name, _), part in zip(group, np.split(columns, ends, axis=1), strict=True):
            parts[name].append(part)
    none = np.empty((len(COLUMNS), 0))
    return {name: np.concatenate([none, *parts[name]], axis=1) for name in names}


def _groups(
    samples: Mapping[str, np.ndarray], names: Iterable[str]
) -> Iterator[_Group]:
    """Blocks of rows, gathered over the sites until they are worth a call."""
    group: _Group = []
    for name in names:
        for _, rows in blocks(as_draws(samples[name])):
            full = sum(r.size for _, r in group) + rows.size > BLOCK
            if group and (full or group[0][1].shape[1:] != rows.shape[1:]):
                yield group
                group = []
            group.append((name, rows))
    if group:
        yield group


def _in_threads(
    function: Callable[[_Group], Floats], groups: Iterator[_Group]
) -> Iterator[tuple[_Group, Floats]]:
    """`function` of each group, in order; few groups are in memory at a time.

    Sorting and Fourier transforms in NumPy let other threads run.
    """
    first = next(groups, None)
    second = next(groups, None)
    if first is None or second is None:
        yield from ((group, function(group)) for group in (first,) if group)
        return
    workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[_Group, Future[Floats]]] = deque()
        for group in itertools.chain((first, second), groups):
            waiting.append((group, pool.submit(function, group)))
            if len(waiting) > 2 * workers:
                done, future = waiting.popleft()
                yield done, future.result()
        yield from ((group, future.result()) for group, future in waiting)


def _of_group(group: _Group, prob: float) -> Floats:
    """All columns of the rows of a group; shape (column, scalar)."""
    rows = np.concatenate([part for _, part in group])
    if rows[0].size == 0:
        return np.full((len(COLUMNS), len(rows)), np.nan)
    return where_complete(rows, partial(_columns, prob=prob))


def _columns(rows: Floats, prob: float) -> Floats:
    chains, length = rows.shape[1:]
    mean = rows.mean(axis=(1, 2))
    several = chains * length > 1
    sd = rows.std(axis=(1, 2), ddof=1) if several else np.full(len(rows), np.nan)
    nothing = np.full(len(rows), np.nan)
    if length < MIN_DRAWS:
        ends = _interval(pooled(rows), prob)
        return np.stack([mean, sd, *ends, *([nothing] * 5)])

    ranking = Ranking(split(rows))
    normal, folded = ranking.normal_scores(), ranking.folded_scores()
    ascending = ranking.ascending if length % 2 == 0 else pooled(rows)
    bulk, time = ess_and_time(normal)
    return np.stack(
        [
            mean,
            sd,
            *_interval(ascending, prob),
            sd / np.sqrt(split_ess(rows)),
            bulk,
            tail(rows, ascending, (0.05, 0.95)),
            worse(normal, folded) if chains > 1 else nothing,
            np.fmax(time, ess_and_time(folded)[1]),
        ]
    )


def _interval(ascending: Floats, prob: float) -> tuple[Floats, Floats]:
    outside = (1 - prob) / 2
    return quantile(ascending, outside)[:, 0], quantile(ascending, 1 - outside)[:, 0]
