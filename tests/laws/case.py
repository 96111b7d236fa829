"""What a case of the laws is: a family, its parameter sets, an independent truth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats as st
from mpmath import log, log1p, loggamma, pi

mp.mp.dps = 80  # enough for differences of nearly equal numbers


@dataclass(frozen=True, eq=False)
class Case:
    """A family with its parameter sets; `density` is the log density in mpmath.

    `lacks` names the moments of a continuous family that have no closed form.
    """

    name: str
    make: Callable[..., Any]
    sets: tuple[tuple[Any, ...], ...]
    scipy: Callable[..., Any]
    density: Callable[..., Any]
    extra: tuple[float, ...] = ()
    lacks: tuple[str, ...] = ()

    @cached_property
    def params(self) -> tuple[np.ndarray, ...]:
        """All parameter sets as one batch."""
        return tuple(np.stack(column) for column in zip(*self.sets, strict=True))

    @cached_property
    def has_parameters(self) -> bool:
        return bool(type(self.make(*self.sets[0])).parameter_constraints())

    @cached_property
    def discrete(self) -> bool:
        return self.make(*self.sets[0]).is_discrete

    def frozen(self) -> list[Any]:
        return [self.scipy(*values) for values in self.sets]


def is_extreme(values: tuple[Any, ...]) -> bool:
    """Whether a number of a parameter set is huge, tiny, or next to one in size."""
    flat = np.abs(np.concatenate([np.ravel(v) for v in values]).astype(float))
    tiny = (flat > 0) & (flat <= 0.05)
    nearly_one = (flat != 1) & (abs(flat - 1) <= 0.05)
    return bool(np.any((flat >= 20) | tiny | nearly_one))


def xlogy(k, x):
    return mp.mpf(0) if k == 0 else k * log(x)


def normal(z):
    return -z * z / 2 - log(2 * pi) / 2


def student(x, df, m, s):
    z, h = (x - m) / s, df / 2
    top = loggamma(h + 0.5) - loggamma(h) - log(df * pi) / 2 - log(s)
    return top - (h + 0.5) * log1p(z * z / df)


def gamma(x, a, b):
    return a * log(b) - loggamma(a) + xlogy(a - 1, x) - b * x


def inverse_gamma(x, a, b):
    return a * log(b) - loggamma(a) - (a + 1) * log(x) - b / x


def beta(x, a, b):
    top = loggamma(a + b) - loggamma(a) - loggamma(b)
    return top + xlogy(a - 1, x) + xlogy(b - 1, 1 - x)


def binomial(x, n, p):
    choices = loggamma(n + 1) - loggamma(x + 1) - loggamma(n - x + 1)
    return choices + xlogy(x, p) + xlogy(n - x, 1 - p)


def logistic(t):
    return 1 / (1 + mp.exp(-t))


def table(p):
    return st.rv_discrete(values=(np.arange(len(p)), p))


def rising(n):
    return np.arange(1.0, n + 1) / (n * (n + 1) / 2)
