"""Short polynomials for what is smooth in the gamma function, enough for float32.

The logarithm of the gamma function and its derivative are slow: XLA has no vectorised
code for them on a CPU and evaluates every one of their cases. What a density needs of
them is smooth once its logarithm is taken out, on (0, 1] in `x` and on [1, inf) in
1/x, so that a polynomial through a few Chebyshev nodes is right to 5e-8 or better.

The coefficients are computed here, in double precision, when they are first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

Coefficients = tuple[float, ...]
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

# lgamma(x + 1) = x log x - x + log(2 pi x) / 2 + sum of STIRLING[k] / x^(2k + 1)
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def _through(fn: Callable[[float], float], terms: int) -> Coefficients:
    """The polynomial in x - 1/2 that equals `fn` at the Chebyshev nodes of [0, 1]."""
    nodes = 0.5 * np.cos(np.pi * (np.arange(terms) + 0.5) / terms)
    values = [fn(t + 0.5) for t in nodes.tolist()]
    return tuple(np.linalg.solve(np.vander(nodes, increasing=True), values).tolist())


def _digamma(x: float) -> float:
    z = x + 12
    series = sum((2 * k + 1) * c / z ** (2 * k + 2) for k, c in enumerate(STIRLING))
    return math.log(z) - 0.5 / z - series - math.fsum(1 / (x + k) for k in range(12))


@cache
def rest_below() -> Coefficients:
    """lgamma(1 + x) / x in powers of x - 1/2."""
    return _through(lambda x: math.lgamma(1 + x) / x, 10)


@cache
def rest_above() -> Coefficients:
    """(lgamma(1 + x) - x log x + x - log(2 pi x) / 2) / r in r - 1/2, where r = 1/x."""

    def fn(r: float) -> float:
        x = 1 / r
        return (math.lgamma(1 + x) - (x + 0.5) * math.log(x) + x - HALF_LOG_2PI) / r

    return _through(fn, 7)


@cache
def slope_below() -> Coefficients:
    """digamma(1 + x) in powers of x - 1/2."""
    return _through(lambda x: _digamma(1 + x), 11)


@cache
def slope_above() -> Coefficients:
    """(digamma(1 + x) - log x) / r in powers of r - 1/2, where r = 1/x."""
    return _through(lambda r: (_digamma(1 + 1 / r) + math.log(r)) / r, 9)


@cache
def half_step_below() -> Coefficients:
    """lgamma(h + 1/2) - lgamma(h + 1) in powers of h - 1/2."""
    return _through(lambda h: math.lgamma(h + 0.5) - math.lgamma(h + 1), 13)


@cache
def half_step_above() -> Coefficients:
    """(lgamma(h + 1/2) - lgamma(h) - log(h) / 2) / r in r - 1/2, where r = 1/h."""

    def fn(r: float) -> float:
        h = 1 / r
        return (math.lgamma(h + 0.5) - math.lgamma(h) - 0.5 * math.log(h)) / r

    return _through(fn, 7)
