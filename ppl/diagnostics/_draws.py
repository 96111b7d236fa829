"""Draws as rows, one for each scalar: blocks, splits, ranks and quantiles.

All diagnostics work on a block of shape (scalar, chain, draw) at once. The draws of one
scalar are contiguous there, which is what sorting and Fourier transforms want, and a
block is bounded, so a large posterior costs no large temporary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np

from ppl._errors import ShapeError

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

MIN_DRAWS = 4  # halves of fewer draws have no variance
BLOCK = 1 << 17  # elements: a few temporaries of this size fit into a cache


def as_draws(draws: Any) -> np.ndarray:
    """`draws` as an array of shape (chain, draw, *event)."""
    array = np.asarray(draws)
    if array.ndim < 2:
        raise ShapeError(
            f"draws of shape {array.shape} have no chain and draw dimensions.",
            value=array.shape,
            hint="Pass an array of shape (chain, draw, ...); x[None] is one chain.",
        )
    return array


def blocks(draws: np.ndarray) -> Iterator[tuple[slice, Floats]]:
    """The scalars of `draws`, some at a time.

    Args:
        draws: Shape (chain, draw, *event).

    Yields:
        Which scalars of the flattened event they are, and their draws in float64 with
        shape (scalar, chain, draw), contiguous.
    """
    chains, length = draws.shape[:2]
    scalars = int(np.prod(draws.shape[2:], dtype=np.int64))
    flat = draws.reshape(chains, length, scalars)
    step = max(1, BLOCK // max(1, chains * length))
    for start in range(0, scalars, step):
        part = slice(start, min(start + step, scalars))
        rows = np.moveaxis(flat[:, :, part], 2, 0)
        yield part, np.ascontiguousarray(rows, dtype=np.float64)


def per_scalar(
    draws: Any, statistic: Callable[[Floats], Floats], *, min_chains: int = 1
) -> Any:
    """Compute `statistic` for every scalar that it is defined for.

    Args:
        draws: Shape (chain, draw, *event).
        statistic: Takes (scalar, chain, draw) to (scalar,).
        min_chains: With fewer chains the answer is NaN.

    Returns:
        Shape (*event,), a NumPy float if that is (). NaN where a draw is NaN, and
        everywhere if there are fewer than four draws in a chain.
    """
    array = as_draws(draws)
    result = np.full(array.shape[2:], np.nan)
    if array.shape[0] >= min_chains and array.shape[1] >= MIN_DRAWS:
        flat = result.reshape(-1)
        for part, rows in blocks(array):
            flat[part] = where_complete(rows, statistic)
    return result[()]


def where_complete(rows: Floats, statistic: Callable[[Floats], Floats]) -> Floats:
    """`statistic` of the rows without NaN, NaN for the others; (..., scalar)."""
    complete = ~np.isnan(rows).any(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        if complete.all():
            return statistic(rows)
        some = statistic(rows[complete])
    result = np.full((*some.shape[:-1], len(rows)), np.nan)
    result[..., complete] = some
    return result


def split(rows: Floats) -> Floats:
    """Both halves of each chain as chains, without the middle draw of an odd number.

    Args:
        rows: Shape (scalar, chain, draw).

    Returns:
        Shape (scalar, 2 * chain, draw // 2).
    """
    half = rows.shape[2] // 2
    return np.concatenate([rows[:, :, :half], rows[:, :, -half:]], axis=1)


def _merged(rows: Floats) -> Floats:
    return rows.reshape(len(rows), rows.shape[1] * rows.shape[2])


class Ranking:
    """The draws of each row in ascending order, over all its chains.

    Sorting is what costs most here, so that the rank-normalised values, the folded ones
    and the quantiles all come from one sort.

    Attributes:
        order: The permutation that sorts, shape (scalar, chain * draw).
        ascending: The sorted draws, same shape.
    """

    def __init__(self, rows: Floats):
        self._shape = rows.shape
        flat = _merged(rows)
        self.order = np.argsort(flat, axis=1)
        self.ascending = np.take_along_axis(flat, self.order, axis=1)

    def normal_scores(self) -> Floats:
        """Rank-normalised draws, shape (scalar, chain, draw)."""
        return _normal_scores(self.order, self.ascending).reshape(self._shape)

    def folded_scores(self) -> Floats:
        """Rank-normalised distances from the median, shape (scalar, chain, draw).

        The distances of sorted draws fall and then rise, so that a merge sort orders
        them in one pass.
        """
        count = self.ascending.shape[1]
        middle = self.ascending[:, [(count - 1) // 2, count // 2]]
        median = middle.mean(axis=1, keepdims=True)
        distance = np.abs(self.ascending - median)
        inner = np.argsort(distance, axis=1, kind="stable")
        order = np.take_along_axis(self.order, inner, axis=1)
        ascending = np.take_along_axis(distance, inner, axis=1)
        return _normal_scores(order, ascending).reshape(self._shape)


def _normal_scores(order: np.ndarray, ascending: Floats) -> Floats:
    """Normal quantiles of the ranks; tied draws share the average of their ranks."""
    count = ascending.shape[1]
    opens = np.ones(ascending.shape, dtype=bool)
    np.not_equal(ascending[:, 1:], ascending[:, :-1], out=opens[:, 1:])
    starts = np.flatnonzero(opens)
    lengths = np.diff(starts, append=ascending.size)
    ties = _blom_table(count)[2 * (starts % count) + lengths - 1]
    scores = np.repeat(ties, lengths).reshape(ascending.shape)
    result = np.empty_like(ascending)
    np.put_along_axis(result, order, scores, axis=1)
    return result


@lru_cache(maxsize=4)
def _blom_table(count: int) -> Floats:
    """Normal quantiles of the ranks 1, 1.5, ..., `count`, with Blom's offset of 3/8."""
    ranks = 1 + np.arange(2 * count - 1) / 2
    share = (ranks - 3 / 8) / (count - 2 * (3 / 8) + 1)
    table = np.fromiter(map(NormalDist().inv_cdf, share), float, len(share))
    table.flags.writeable = False
    return table


def quantile(ascending: Floats, prob: float) -> Floats:
    """Quantile by linear interpolation (type 7) of sorted draws.

    The arithmetic is that of SciPy's `mquantiles`, which ArviZ 0.23 uses: where the
    quantile is a draw, the rounding decides whether that draw lies below it, and the
    tail of few draws feels this.

    Args:
        ascending: Shape (scalar, draw).
        prob: A probability.

    Returns:
        Shape (scalar, 1).
    """
    count = ascending.shape[1]
    place = count * prob + (1 - prob)
    below = int(np.clip(np.floor(place), 1, max(1, count - 1)))
    weight = np.clip(place - below, 0, 1)
    above = min(below, count - 1)
    low, high = ascending[:, below - 1, None], ascending[:, above, None]
    with np.errstate(invalid="ignore"):  # infinite draws
        return (1 - weight) * low + weight * high


def pooled(rows: Floats) -> Floats:
    """All draws of each row in ascending order, shape (scalar, chain * draw)."""
    return np.sort(_merged(rows), axis=1)
