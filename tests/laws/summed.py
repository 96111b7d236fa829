"""A truth for counts that SciPy lacks or computes badly: a table of probabilities."""

from typing import Any

import numpy as np


class Summed:
    """Counts from `low` on, given by log P(k + 1) - log P(k) for all that matter.

    With `size` given there are some below `low` as well, which do not matter.
    """

    def __init__(
        self, log_ratio: Any, low: int, high: float = np.inf, size: int | None = None
    ):
        self.low, self.high, self.whole = low, high, size is None
        k = np.arange(low, min(high, low + (size or 2**18)), dtype=float)
        with np.errstate(divide="ignore"):
            log_p = np.concatenate([[0.0], np.cumsum(log_ratio(k))])
        p = np.exp(log_p - log_p.max())
        self.p = p / p.sum()
        self.k = low + np.arange(len(p), dtype=float)
        self.upto = np.cumsum(self.p)
        self.above = np.append(np.cumsum(self.p[::-1])[::-1][1:], 0.0)
        self.args = (low, high)

    def support(self):
        return self.low if self.whole else -np.inf, self.high

    def _at(self, x):
        x = np.floor(np.asarray(x, float))
        index = np.clip(np.nan_to_num(x) - self.low, 0, len(self.p) - 1).astype(int)
        return index, x < self.low

    def cdf(self, x):
        index, outside = self._at(x)
        return np.where(outside, 0.0, self.upto[index])

    def sf(self, x):
        index, outside = self._at(x)
        return np.where(outside, 1.0, self.above[index])

    def logcdf(self, x):
        sf = self.sf(x)
        return np.where(sf < 0.5, np.log1p(-np.minimum(sf, 0.5)), np.log(self.cdf(x)))

    def logsf(self, x):
        cdf = self.cdf(x)
        return np.where(cdf < 0.5, np.log1p(-np.minimum(cdf, 0.5)), np.log(self.sf(x)))

    def ppf(self, q):
        q = np.asarray(q)
        # From above where the probabilities below are nearly one.
        low = np.searchsorted(self.upto, q * (1 - 1e-15))
        high = len(self.p) - 1 - np.searchsorted(self.above[::-1], 1 - q, side="right")
        return self.k[np.where(q < 0.5, low, np.minimum(high + 1, len(self.p) - 1))]

    def isf(self, q):
        return self.ppf(1 - q)

    def mean(self):
        return (self.p * self.k).sum()

    def var(self):
        return (self.p * (self.k - self.mean()) ** 2).sum()

    def std(self):
        return self.var() ** 0.5

    def entropy(self):
        p = self.p[self.p > 0]
        return -(p * np.log(p)).sum()
