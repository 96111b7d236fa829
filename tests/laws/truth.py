"""The truth about a family that SciPy lacks or knows badly, in SciPy's form."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_expit


@dataclass(frozen=True, eq=False)
class Truth:
    """Distribution function and quantiles, from which all else is integrated.

    The two logarithms are asked inside the ends only. `quantile` is given log(q) and
    log(1 - q), so that it can be right in both tails; `logpdf_at` is given the value
    and both of them. `moments` replaces what is infinite, or meant in another sense.
    """

    args: tuple[float, ...]
    ends: tuple[float, float]
    inner_logcdf: Callable[[Any], Any]
    inner_logsf: Callable[[Any], Any]
    quantile: Callable[[Any, Any], Any]
    logpdf_at: Callable[[Any, Any, Any], Any]
    moments: tuple[float | None, ...] = (None, None, None)
    circular: bool = False  # its moments are those of directions

    def support(self) -> tuple[float, float]:
        return self.ends

    def _between(self, x: Any, fn: Any, below: float, above: float) -> Any:
        x = np.asarray(x, float)
        low, high = x <= self.ends[0], x >= self.ends[1]
        with np.errstate(all="ignore"):
            inner = fn(np.where(low | high, self.ppf(0.5), x))
        return np.where(low, below, np.where(high, above, inner))

    def logcdf(self, x: Any) -> Any:
        return self._between(x, self.inner_logcdf, -np.inf, 0.0)

    def logsf(self, x: Any) -> Any:
        return self._between(x, self.inner_logsf, 0.0, -np.inf)

    def cdf(self, x: Any) -> Any:
        return np.exp(self.logcdf(x))

    def sf(self, x: Any) -> Any:
        return np.exp(self.logsf(x))

    def ppf(self, q: Any) -> Any:
        q = np.asarray(q, float)
        with np.errstate(all="ignore"):
            return self.quantile(np.log(q), np.log1p(-q))

    def _expect(self, fn: Callable[[Any, Any, Any], Any]) -> float:
        """The trapezoidal rule over the logit of the probability."""
        step = 0.02
        t = np.arange(-400.0, 400.0, step)
        log_weight = log_expit(t) + log_expit(-t)
        with np.errstate(all="ignore"):
            log_q, log_p = log_expit(t), log_expit(-t)
            terms = fn(self.quantile(log_q, log_p), log_q, log_p) * np.exp(log_weight)
        return float(step * np.where(np.isfinite(terms), terms, 0.0).sum())

    def mean(self) -> float:
        if self.moments[0] is not None:
            return self.moments[0]
        middle = self.ppf(0.5)
        return float(middle + self._expect(lambda x, *_: x - middle))

    def var(self) -> float:
        if self.moments[1] is not None:
            return self.moments[1]
        mean = self.mean()
        return self._expect(lambda x, *_: (x - mean) ** 2)

    def std(self) -> float:
        return np.nan if self.circular else float(np.sqrt(self.var()))

    def entropy(self) -> float:
        if self.moments[2] is not None:
            return self.moments[2]
        return -self._expect(self.logpdf_at)


def in_doubles(make: Callable[..., Truth]) -> Callable[..., Truth]:
    """A truth whose parameters are Python's floats."""
    return lambda *args: make(*map(float, args))


class Silent:
    """A frozen distribution of SciPy that may overflow on the side it does not use."""

    def __init__(self, frozen: Any):
        self._frozen = frozen

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._frozen, name)
        return np.errstate(all="ignore")(found) if callable(found) else found


def integrated(logpdf: Any, low: float, high: float) -> tuple[float, float, float]:
    """Mean, variance and entropy of a smooth density on an interval."""
    node, weight = np.polynomial.legendre.leggauss(20)
    half = (high - low) / 4000
    x = (low + half * (2 * np.arange(2000)[:, None] + 1 + node)).ravel()
    mass = np.exp(logpdf(x)) * np.tile(half * weight, 2000)
    mean = (mass * x).sum()
    return mean, (mass * (x - mean) ** 2).sum(), -(mass * logpdf(x)).sum()


def bisected(logcdf: Any, low: float, high: float, logsf: Any) -> Any:
    """Quantiles by bisection, from whichever tail is the smaller."""

    def quantile(log_q: Any, log_p: Any) -> Any:
        log_q, log_p = np.broadcast_arrays(log_q, log_p)
        below, above = np.full(log_q.shape, low), np.full(log_q.shape, high)
        for _ in range(120):
            x = 0.5 * (below + above)
            enough = np.where(log_q < log_p, logcdf(x) >= log_q, logsf(x) <= log_p)
            below, above = np.where(enough, below, x), np.where(enough, x, above)
        return above

    return quantile


__all__ = ["Silent", "Truth", "bisected", "in_doubles", "integrated"]
