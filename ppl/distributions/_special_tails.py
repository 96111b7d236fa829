"""Incomplete gamma and beta functions in logarithms, with all their derivatives.

On the scale of log(x) or logit(x) both integrands are log-concave for all parameters.
From the side of the nearer tail a Gauss-Legendre rule over as much of the tail as a
float can notice gives all digits, for parameters up to any size, and no loop is run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

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
_SHIFT = 10
_TERMS = 40


def _rule(x: Array) -> tuple[Array, Array, float]:
    """Nodes and weights on [0, 1] as leading dims, and the drop that is negligible."""
    count, drop = (40, 38.0) if in_double(x) else (16, 18.0)
    node, weight = np.polynomial.legendre.leggauss(count)
    shape = (count,) + (1,) * x.ndim
    node, weight = ((1 + node) / 2).reshape(shape), (weight / 2).reshape(shape)
    return jnp.asarray(node, x.dtype), jnp.asarray(weight, x.dtype), drop


def _integral(
    drop: Callable[..., Array],
    slope: Callable[..., Array],
    start: Array,
    *args: Array,
) -> Array:
    """Log of the integral of exp(-drop) from 0, for a convex drop with that slope.

    Both are functions of the place and of `args`.
    """
    node, weight, limit = _rule(start)
    length, fixed = jax.lax.stop_gradient((start, args))
    for _ in range(6):  # Newton's method for drop = limit
        length = length + (limit - drop(length, *fixed)) / slope(length, *fixed)
    return jnp.log(length * (weight * jnp.exp(-drop(length * node, *args))).sum(0))


def _parabola(drop: float, slope: Array, curvature: Array) -> Array:
    """Where a parabola of that slope and curvature at 0 has dropped so much."""
    return 2 * drop / (slope + jnp.sqrt(slope * slope + 2 * drop * curvature))


def _excess(r: Array, otherwise: Array) -> Array:
    """R - log(1 + r), by its series where that would cancel."""
    s = r / (2 + r)
    return jnp.where(jnp.abs(s) < 0.2, s * (r - 2 * s * s * atanh_rest(s)), otherwise)


# --- gamma ----------------------------------------------------------------------------


def _gamma_integral(a: Array, x: Array) -> Array:
    """Log of the integral of exp(-drop) over log(x), to the nearer end.

    That is downwards for x < a, else upwards. Where a is small, the tail downwards is
    long: it is made from the one of a + 10 by the recurrence.
    """
    low = x < a
    few = low & (a < _SERIES_BELOW)
    long = jnp.where(few, a + _SHIFT, a)
    side = jnp.where(low, -1.0, 1.0).astype(x.dtype)

    def drop(d: Array, long: Array, x: Array) -> Array:
        e = jnp.expm1(side * d)
        return side * (x - long) * d + x * _excess(e, e - side * d)

    def slope(d: Array, long: Array, x: Array) -> Array:
        return side * (x * jnp.exp(side * d) - long)

    limit = _rule(x)[2]
    start = _parabola(limit, side * (x - long), x)
    soon = jnp.log1p((limit + long * jnp.log1p(limit / x)) / x)
    start = jnp.where(low, start, jnp.minimum(start, soon))
    log_total = _integral(drop, slope, start, long, x)
    total = jnp.exp(jnp.where(few, log_total, 0.0))
    inner = jnp.where(few, x, 1.0)
    for k in reversed(range(_SHIFT)):
        total = (1 + inner * total) / (a + k)
    return jnp.where(few, jnp.log(total), log_total)


def _gamma_lead(a: Array, x: Array) -> Array:
    """Log of x^a exp(-x) / gamma(a): of the density over log(x)."""
    return jnp.log(a) - deviance(a, x) - stirling_rest(a)


@jax.custom_jvp
def _near_gamma_tail(a: Array, x: Array) -> Array:
    """Log of the tail towards the nearer end."""
    return _gamma_lead(a, x) + _gamma_integral(a, x)


@partial(_near_gamma_tail.defjvp, symbolic_zeros=True)
def _near_gamma_tail_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, x), (da, dx) = primals, tangents
    zero = jax.custom_derivatives.SymbolicZero
    lead, change = _gamma_lead(a, x), jnp.zeros_like(x)
    if isinstance(da, zero):
        integral = _gamma_integral(a, x)
    else:
        integral, bend = jax.jvp(lambda a: _gamma_integral(a, x), (a,), (da,))
        change += bend + jax.jvp(lambda a: _gamma_lead(a, x), (a,), (da,))[1]
    if not isinstance(dx, zero):
        change += jnp.where(x < a, 1.0, -1.0) * jnp.exp(-integral) / x * dx
    return lead + integral, change


@fused
def log_gamma_tails(a: Array, x: Array) -> tuple[Array, Array]:
    """Logs of the lower and upper regularised incomplete gamma functions."""
    a, x = jnp.broadcast_arrays(a, x)
    bounded = jnp.clip(x, jnp.finfo(x.dtype).tiny, jnp.finfo(x.dtype).max)
    low = bounded < a
    near = jnp.minimum(_near_gamma_tail(a, bounded), 0.0)
    far = log1mexp(-near)
    lower, upper = jnp.where(low, near, far), jnp.where(low, far, near)
    lower = jnp.where(x <= 0, -jnp.inf, jnp.where(x == jnp.inf, 0.0, lower))
    return lower, jnp.where(x <= 0, 0.0, jnp.where(x == jnp.inf, -jnp.inf, upper))


# --- beta -----------------------------------------------------------------------------


def _beta_below(a: Array, b: Array, x: Array, y: Array) -> Array:
    """Log integral of exp(-drop) over logit(x) downwards, for x <= a / (a + b)."""
    long = jnp.maximum(a, _SERIES_BELOW)
    gap, small = long * y - b * x, x < 0.5

    def drop(d: Array, *args: Array) -> Array:
        long, b, x, y, gap = args
        n = long + b
        e = jnp.expm1(-d)
        odds = 1 + x * e
        bend = x * _excess(y * e / odds, 0.0) + y * _excess(-x * e / odds, 0.0)
        ratio = jnp.where(small, x * e, y * jnp.expm1(d))
        straight = n * jnp.log1p(ratio) + jnp.where(small, long, -b) * d
        return jnp.where(d < 0.15, gap * d + n * bend, straight)

    def slope(d: Array, *args: Array) -> Array:
        long, b, x, y, _ = args
        e = jnp.exp(-d)
        return (long * y - b * x * e) / (y + x * e)

    start = _parabola(_rule(x)[2], gap, (long + b) * x * y)
    rule = _integral(drop, slope, start, long, b, x, y, gap)
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
def log_beta_tails(a: Array, b: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Logs of the regularised incomplete beta function at `x` and of what is beyond.

    To be given `y`, which is `1 - x`, too saves the digits of whichever is near one.
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
    far = log1mexp(-near)
    return jnp.where(swap, far, near), jnp.where(swap, near, far)


def log_betainc(a: Array, b: Array, x: Array, y: Array) -> Array:
    """Log of the regularised incomplete beta function at `x`; `y` is `1 - x`."""
    return log_beta_tails(a, b, x, y)[0]
