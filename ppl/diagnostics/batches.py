"""Means, variances, R-hat and effective sample sizes from sums over batches of draws.

Monte Carlo errors rest on the variance of batch means (Flegal and Jones 2010, Annals of
Statistics 38) and, of many chains, on that of the chain means, which needs no word
about autocorrelations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ppl.diagnostics._draws import MIN_DRAWS, Floats
from ppl.diagnostics.nested import Nested, nested

if TYPE_CHECKING:
    from ppl.infer.engine.sinks.moments import BatchSums

_LENGTH = 4  # a batch should be so many autocorrelation times long
_DEGREES = 16  # fewer make no useful variance
_UNLIKELY = 4.0  # in standard deviations
_QUIETLY = np.errstate(all="ignore")  # draws may be constant, or infinite


@dataclass(frozen=True)
class BatchMoments:
    """What sums tell of every scalar.

    Where chains differ in length, after an interrupt, all draws are used and each chain
    counts alike; R-hat and batch means use the batches that all chains have finished.

    Attributes:
        sums: The sums.
    """

    sums: BatchSums

    @cached_property
    def lengths(self) -> np.ndarray:
        """Draws of each chain, (chains,)."""
        return self.sums.counts.sum(axis=0)

    @cached_property
    def constant(self) -> np.ndarray:
        """Which scalars never change, in any chain, (scalars,)."""
        alike = (self.sums.centre == self.sums.centre[0]).all(axis=0)
        return alike & (self.sums.second == 0).all(axis=(0, 1))

    @cached_property
    @_QUIETLY
    def chain_means(self) -> Floats:
        """Mean of each chain, (chains, scalars)."""
        return self.sums.centre + self.sums.first.sum(axis=0) / self.lengths[:, None]

    @cached_property
    @_QUIETLY
    def chain_variances(self) -> Floats:
        """Variance of each chain's draws, (chains, scalars); 0 for a single one."""
        return _variance(
            self.lengths[:, None],
            self.sums.first.sum(axis=0),
            self.sums.second.sum(axis=0),
        )

    @cached_property
    @_QUIETLY
    def mean(self) -> Floats:
        """Mean of all draws, (scalars,)."""
        whole = self.chain_means.mean(axis=0)
        return np.where(self.constant, self.sums.centre[0], whole)

    @cached_property
    @_QUIETLY
    def variance(self) -> Floats:
        """Variance of all draws, (scalars,)."""
        lengths, total = self.lengths[:, None], self.lengths.sum()
        inside = self.chain_variances * (lengths - 1) / lengths
        spread = inside + (self.chain_means - self.mean) ** 2
        found = spread.mean(axis=0) * (total / np.float64(total - 1))
        return np.where(self.constant, 0.0, found)

    @cached_property
    @_QUIETLY
    def r_hat(self) -> Floats:
        """R-hat of the halves of the chains, (scalars,), as they are, without ranks."""
        half = self._finished // 2
        ends = [slice(0, half), slice(self._finished - half, self._finished)]
        lengths = [self.sums.planned[part].sum() for part in ends]
        if len(self.lengths) < 2 or min(lengths) < MIN_DRAWS // 2:
            return np.full(self.sums.centre.shape[1], np.nan)
        means, variances = [], []
        for part, length in zip(ends, lengths, strict=True):
            first = self.sums.first[part].sum(axis=0)
            second = self.sums.second[part].sum(axis=0)
            means.append(self.sums.centre + first / length)
            variances.append(_variance(length, first, second))
        length = float(np.mean(lengths))
        between = np.concatenate(means).var(axis=0, ddof=1)
        within = np.concatenate(variances).mean(axis=0)
        return np.sqrt(between / within + (length - 1) / length)

    @_QUIETLY
    def nested(self, members: np.ndarray) -> Nested:
        """The parts of nested R-hat for superchains of these members."""
        return nested(self.chain_means.T, self.chain_variances.T, members)

    @property
    def ess(self) -> Floats:
        """Effective number of independent draws for the mean, (scalars,)."""
        return self._ess_and_time[0]

    @property
    def ess_error(self) -> Floats:
        """Relative standard error of `ess`, (scalars,)."""
        return np.sqrt(2 / self._ess_and_time[2])

    @property
    def time(self) -> Floats:
        """Autocorrelation time within chains, (scalars,); NaN if batches cannot say."""
        return self._ess_and_time[1]

    @cached_property
    def _finished(self) -> int:
        """How many batches, from the first on, all chains have finished."""
        done = np.all(self.sums.counts == self.sums.planned[:, None], axis=1)
        return int(np.argmin(np.append(done, False)))

    @cached_property
    @_QUIETLY
    def _ess_and_time(self) -> tuple[Floats, Floats, Floats]:
        """Both, and the degrees of freedom; see `_time_of_batches` for the batches.

        The mean of all chains varies as their means do. With few chains that is known
        badly, so batch means join in; where batches are too short, or chain means vary
        more than they explain, chain means alone are believed.
        """
        chains, total = len(self.lengths), self.lengths.sum()
        length, nothing = total / chains, np.full(len(self.mean), np.nan)
        within, degrees, short = self._time_of_batches()
        between = nothing
        if chains > 1:
            spread = self.chain_means.var(axis=0, ddof=1)
            between = _of_endless(length * spread / self.variance, length)
        few, many = chains - 1.0, degrees
        pooled = (few * np.nan_to_num(between) + many * within) / (few + many)
        width = np.sqrt(2 / (9 * max(few, 1.0)))
        unlikely = (1 - width**2 + _UNLIKELY * width) ** 3  # Wilson and Hilferty
        apart = between > unlikely * within
        time = np.where(apart, between, pooled)
        alone = between if few >= _DEGREES else np.fmax(between, within)
        time = np.where(short, alone, time)
        ess = total / np.maximum(time, 1 / np.log10(max(total, 2)))
        ess = np.where(self.constant, total, ess)
        degrees = np.where(apart | short, max(few, 1.0), few + many)
        return ess, np.where(self.constant, 1.0, within), degrees

    @_QUIETLY
    def _time_of_batches(self) -> tuple[Floats, Floats, np.ndarray]:
        """Autocorrelation time from the variance of batch means within chains.

        Batches are put together until they are a few times as long as the time that
        they tell, for each scalar; what they miss then is small and corrected.

        Returns:
            The time, its degrees of freedom, and whether batches are too short.
        """
        middle = len(self.sums.planned) // 2
        used = np.array([i for i in range(self._finished) if i != middle], np.intp)
        scalars, chains = len(self.mean), len(self.lengths)
        time, degrees = np.full(scalars, np.nan), np.zeros(scalars)
        short = np.ones(scalars, bool)
        size = 1
        while (count := len(used) // size) > 1 and short.any():
            if size > 1 and chains * (count - 1) < _DEGREES:
                break
            groups = used[: count * size].reshape(count, size)
            lengths = self.sums.planned[groups].sum(axis=1)[:, None, None]
            means = self.sums.first[groups].sum(axis=1) / lengths
            apart = means - (lengths * means).sum(axis=0) / lengths.sum()
            spread = (lengths * apart**2).sum(axis=(0, 1)) / (chains * (count - 1))
            length = lengths.mean() * count / (count + 1)
            found = spread / self.variance
            fixed = _of_endless(found, length)
            time = np.where(short, fixed, time)
            degrees = np.where(short, chains * (count - 1.0), degrees)
            short &= ~(found * _LENGTH <= length)
            size *= 2
        return time, degrees, short


def _variance(count: np.ndarray | int, first: Floats, second: Floats) -> Floats:
    """Variance from sums; 0 if there is but one term."""
    sum_of_squares = np.maximum(second - first**2 / count, 0.0)
    return sum_of_squares / np.maximum(np.asarray(count) - 1, 1)


def _of_endless(time: Floats, length: float) -> Floats:
    """The time of endless batches, from that of batches of this length.

    For AR(1) chains the one is less by (time² - 1) / (2 length). Where the batches are
    too short to tell, it is left as it is.
    """
    root = np.sqrt(np.maximum(1 - 2 * time / length + 1 / length**2, 0.0))
    return np.where(time * _LENGTH <= length, length * (1 - root), time)
