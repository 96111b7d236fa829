"""Incomplete gamma and beta functions in logarithms, with all their derivatives.

On the scale of log(x) or logit(x) both integrands are log-concave for all parameters.
From the side of the nearer tail a Gauss-Legendre rule over as much of the tail as a
float can notice gives all digits, for parameters up to any size, and no loop is run.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array
from ppl.distributions._special import (
    atanh_rest,
    deviance,
    fused,
    in_double,
    log1mexp,
    stirling_rest,
)

_SERIES_BELOW = 10.0  # where the tail of the rule would be much longer than its head
_TERMS = 40


def _rule(x: Array) -> tuple[Array, Array, float]:
    """Nodes and weights on [0, 1] as leading dims, and the drop that is negligible."""
    count, drop = (40, 38.0) if in_double(x) else (16, 18.0)
    node, weight = np.polynomial.legendre.leggauss(count)
    shape = (count,) + (1,) * x.ndim
    node, weight = ((1 + node) / 2).reshape(shape), (weight / 2).reshape(shape)
    return jnp.asarray(node, x.dtype), jnp.asarray(weight, x.dtype), drop


def _integral(
    drop: Callable[[Array], Array], slope: Callable[[Array], Array], start: Array
) -> Array:
    """Log of the integral of exp(-drop) from 0, for a convex drop with that slope."""
    node, weight, limit = _rule(start)
    length = start
    for _ in range(6):  # Newton's method for drop = limit
        length = length + (limit - drop(length)) / slope(length)
    length = jax.lax.stop_gradient(length)
    return jnp.log(length * (weight * jnp.exp(-drop(length * node))).sum(0))


def _parabola(drop: float, slope: Array, curvature: Array) -> Array:
    """Where a parabola of that slope and curvature at 0 has dropped so much."""
    return 2 * drop / (slope + jnp.sqrt(slope * slope + 2 * drop * curvature))


def _excess(r: Array, otherwise: Array) -> Array:
    """R - log(1 + r), by its series where that would cancel."""
    s = r / (2 + r)
    return jnp.where(jnp.abs(s) < 0.2, s * (r - 2 * s * s * atanh_rest(s)), otherwise)


# --- gamma ----------------------------------------------------------------------------


def _gamma_below(a: Array, x: Array) -> Array:
    """Log of the integral of exp(-drop) over log(x) downwards, for x < a."""
    long = jnp.maximum(a, _SERIES_BELOW)

    def drop(d: Array) -> Array:
        e = jnp.expm1(-d)
        return (long - x) * d + x * _excess(e, e + d)

    start = _parabola(_rule(x)[2], long - x, x)
    rule = _integral(drop, lambda d: long - x * jnp.exp(-d), start)
    total = jnp.ones_like(x)
    for k in range(_TERMS, 0, -1):
        total = 1 + total * x / (a + k)
    return jnp.where(a < _SERIES_BELOW, jnp.log(total / a), rule)


def _gamma_above(a: Array, x: Array) -> Array:
    """The same upwards, for x >= a."""
    limit = _rule(x)[2]

    def drop(d: Array) -> Array:
        e = jnp.expm1(d)
        return (x - a) * d + x * _excess(e, e - d)

    start = jnp.log1p((limit + a * jnp.log1p(limit / x)) / x)
    start = jnp.minimum(start, _parabola(limit, x - a, x))
    return _integral(drop, lambda d: x * jnp.exp(d) - a, start)


@fused
def _log_gamma_tails(a: Array, x: Array) -> tuple[Array, Array]:
    a, x = jnp.broadcast_arrays(a, x)
    bounded = jnp.clip(x, jnp.finfo(x.dtype).tiny, jnp.finfo(x.dtype).max)
    low = bounded < a
    below = _gamma_below(a, jnp.where(low, bounded, 0.5 * a))
    above = _gamma_above(a, jnp.where(low, 2 * a, bounded))
    lead = jnp.log(a) - deviance(a, bounded) - stirling_rest(a)
    near = jnp.minimum(lead + jnp.where(low, below, above), 0.0)
    far = log1mexp(-near)
    lower, upper = jnp.where(low, near, far), jnp.where(low, far, near)
    lower = jnp.where(x <= 0, -jnp.inf, jnp.where(x == jnp.inf, 0.0, lower))
    return lower, jnp.where(x <= 0, 0.0, jnp.where(x == jnp.inf, -jnp.inf, upper))


def log_gammainc(a: Array, x: Array) -> Array:
    """Log of the lower regularised incomplete gamma function."""
    return _log_gamma_tails(a, x)[0]


def log_gammaincc(a: Array, x: Array) -> Array:
    """Log of the upper regularised incomplete gamma function."""
    return _log_gamma_tails(a, x)[1]


# --- beta -----------------------------------------------------------------------------


def _beta_below(a: Array, b: Array, x: Array, y: Array) -> Array:
    """Log integral of exp(-drop) over logit(x) downwards, for x <= a / (a + b)."""
    long = jnp.maximum(a, _SERIES_BELOW)
    n, gap, small = long + b, long * y - b * x, x < 0.5

    def drop(d: Array) -> Array:
        e = jnp.expm1(-d)
        odds = 1 + x * e
        bend = x * _excess(y * e / odds, 0.0) + y * _excess(-x * e / odds, 0.0)
        ratio = jnp.where(small, x * e, y * jnp.expm1(d))
        straight = n * jnp.log1p(ratio) + jnp.where(small, long, -b) * d
        return jnp.where(d < 0.15, gap * d + n * bend, straight)

    def slope(d: Array) -> Array:
        e = jnp.exp(-d)
        return (long * y - b * x * e) / (y + x * e)

    rule = _integral(drop, slope, _parabola(_rule(x)[2], gap, n * x * y))
    fraction = jnp.log(_beta_fraction(a, b, x) / a)
    return jnp.where(a < _SERIES_BELOW, fraction, rule)


def _beta_fraction(a: Array, b: Array, x: Array) -> Array:
    """The continued fraction of the incomplete beta function, by Lentz's method."""

    def step(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        c, d, h = state
        m = i + 1.0
        for num in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + num * d)
            c = 1 + num / c
            h = h * (c * d)
        return c, d, h

    d = 1 / (1 - (a + b) * x / (a + 1))
    return jax.lax.fori_loop(0, _TERMS, step, (jnp.ones_like(x), d, d))[2]


@fused
def log_betainc(a: Array, b: Array, x: Array, y: Array) -> Array:
    """Log of the regularised incomplete beta function at `x`; `y` is `1 - x`.

    To be given both saves the digits of whichever is near one.
    """
    a, b, x, y = jnp.broadcast_arrays(a, b, x, y)
    few = jnp.where(jnp.minimum(a, b) < _SERIES_BELOW, 1.0, 0.0)
    swap = x * (b + few) > y * (a + few)  # past the middle: take the other tail
    p, q = jnp.where(swap, b, a), jnp.where(swap, a, b)
    u, v = jnp.where(swap, y, x), jnp.where(swap, x, y)
    n = p + q
    lead = stirling_rest(n) - stirling_rest(p) - stirling_rest(q)
    lead += jnp.log(p) + jnp.log(q / n) - deviance(p, n * u) - deviance(q, n * v)
    near = jnp.minimum(lead + _beta_below(p, q, u, v), 0.0)
    return jnp.where(swap, log1mexp(-near), near)
