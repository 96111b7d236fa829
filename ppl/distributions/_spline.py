"""Monotone rational-quadratic splines with linear tails.

(J. Gregory and R. Delbourgo, 1982, "Piecewise rational quadratic interpolation to
monotonic data"; C. Durkan et al., 2019, "Neural spline flows".)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ppl._typing import Array

_LEAST_SHARE = 1e-3  # of the interval, for a bin
_LEAST_SLOPE = 1e-3
_SHIFT = math.log(math.expm1(1.0 - _LEAST_SLOPE))  # where zeros give slope one


class Knots(NamedTuple):
    """The points of a spline and its slopes there, along the last dim."""

    x: Array
    y: Array
    slope: Array


def _ends(raw: Array, bound: float) -> Array:
    """From `n` free numbers, `n + 1` increasing ones from `-bound` to `bound`."""
    count = raw.shape[-1]
    shares = _LEAST_SHARE + (1 - _LEAST_SHARE * count) * jax.nn.softmax(raw)
    inner = bound * (2.0 * jnp.cumsum(shares[..., :-1], -1) - 1.0)
    end = jnp.full((*raw.shape[:-1], 1), bound, raw.dtype)
    return jnp.concatenate([-end, inner, end], -1)


def knots(raw: Array, bound: float) -> Knots:
    """The knots of a spline of `n` bins from `3 n - 1` numbers; zeros: identity."""
    count = (raw.shape[-1] + 1) // 3
    inner = _LEAST_SLOPE + jax.nn.softplus(raw[..., 2 * count :] + _SHIFT)
    one = jnp.ones((*raw.shape[:-1], 1), raw.dtype)
    return Knots(
        _ends(raw[..., :count], bound),
        _ends(raw[..., count : 2 * count], bound),
        jnp.concatenate([one, inner, one], -1),
    )


class _Bin(NamedTuple):
    """One bin for each value: its lower corner, its size, its slopes."""

    x: Array
    y: Array
    width: Array
    height: Array
    low: Array
    high: Array


def _bin_of(value: Array, along: Array, points: Knots) -> _Bin:
    """The bin in which `value` lies among the knots `along`."""
    index = (value[..., None] >= along[..., 1:-1]).sum(-1)[..., None]

    def at(table: Array, offset: int = 0) -> Array:
        return jnp.take_along_axis(table, index + offset, -1)[..., 0]

    x, y = at(points.x), at(points.y)
    return _Bin(
        x,
        y,
        at(points.x, 1) - x,
        at(points.y, 1) - y,
        at(points.slope),
        at(points.slope, 1),
    )


def _log_slope(share: Array, b: _Bin) -> Array:
    """The log of the slope at a share of the bin's width."""
    mean, rest = b.height / b.width, 1.0 - share
    both = share * rest
    top = b.high * share * share + 2.0 * mean * both + b.low * rest * rest
    bottom = mean + (b.high + b.low - 2.0 * mean) * both
    return 2.0 * jnp.log(mean) + jnp.log(top) - 2.0 * jnp.log(bottom)


def spline(x: Array, points: Knots) -> tuple[Array, Array]:
    """The spline at `x`, and the log of its slope."""
    inside = (x > points.x[..., 0]) & (x < points.x[..., -1])
    safe = jnp.where(inside, x, 0.0)
    b = _bin_of(safe, points.x, points)
    share = jnp.clip((safe - b.x) / b.width, 0.0, 1.0)
    mean, both = b.height / b.width, share * (1.0 - share)
    bottom = mean + (b.high + b.low - 2.0 * mean) * both
    y = b.y + b.height * (mean * share * share + b.low * both) / bottom
    return jnp.where(inside, y, x), jnp.where(inside, _log_slope(share, b), 0.0)


def inverse_spline(y: Array, points: Knots) -> tuple[Array, Array]:
    """The argument at which the spline is `y`, and the log slope of the inverse."""
    inside = (y > points.y[..., 0]) & (y < points.y[..., -1])
    safe = jnp.where(inside, y, 0.0)
    b = _bin_of(safe, points.y, points)
    mean, up = b.height / b.width, jnp.clip(safe - b.y, 0.0, b.height)
    bend = b.high + b.low - 2.0 * mean
    square = b.height * (mean - b.low) + up * bend
    linear = b.height * b.low - up * bend
    constant = -mean * up
    root = jnp.sqrt(jnp.maximum(linear * linear - 4.0 * square * constant, 1e-30))
    share = jnp.clip(2.0 * constant / (-linear - root), 0.0, 1.0)
    x = b.x + share * b.width
    return jnp.where(inside, x, y), jnp.where(inside, -_log_slope(share, b), 0.0)
