"""Exact samplers of counts, also where the counts are too large for a float32.

Small means: inversion, adding up the probabilities. Large means: transformed rejection
(W. Hörmann 1993, "The transformed rejection method for generating Poisson random
variables" and "The generation of binomial random variates"), whose acceptance ratio is
computed without cancellation, and whose draws are the integer part of the mean plus an
offset, so that no digit is lost. All draws loop together until each is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions._special import deviance, open_uniform, stirling_rest

_SMALL = 10.0  # the mean from which on rejection is used
_MOST = 100.0  # more than this has probability 1e-60 for a small mean


class _Hat(NamedTuple):
    """The constants of Hörmann's hat for one mean; `height` scales the density."""

    a: Array
    b: Array
    v_sure: Array
    log_height: Array


def most_count() -> int:
    """The largest integer that a draw can be."""
    return jnp.iinfo(jnp.result_type(int)).max


def refuse_large(dist: Any, largest: Callable[[], ArrayLike]) -> None:
    """Raise an error if draws may be as large as `largest()` and that is no integer.

    Nothing happens where a parameter is traced.
    """
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(dist)):
        return
    with jax.ensure_compile_time_eval():
        top = float(np.max(np.asarray(largest()), initial=0.0))
    if top > most_count():
        raise ArgumentError(
            f"draws of this {type(dist).__name__} may be as large as {top:g} and do "
            f"not fit an integer of at most {most_count()}.",
            value=top,
            hint="Allow larger ones: jax.config.update('jax_enable_x64', True).",
        )


def known_total(family: str, total: Any, name: str = "total_count") -> int:
    """The one number of trials, for a support that is to be listed."""
    if isinstance(total, Tracer):
        raise ArgumentError(
            f"the support of a {family} can be listed only if {name} is known.",
            hint=f"Do not pass {name} through jit or vmap.",
        )
    total = np.asarray(total)
    if total.min() != total.max():
        raise ArgumentError(
            f"the support of a {family} can be listed only if all of {name} "
            f"are equal; they go from {total.min()} to {total.max()}.",
            value=total,
        )
    return int(total.max())


def with_last_digits(key: Key, x: Array) -> Array:
    """Whole floats as integers, with random last digits where a float has none.

    What fits no integer becomes the largest one.
    """
    most = most_count()
    large = x >= float(most)
    whole = jnp.where(large, 0.0, x).astype(jnp.result_type(int))
    gap = jnp.maximum(x / 2.0 ** (jnp.finfo(x.dtype).nmant + 1), 1.0)
    unit = jnp.where(large, 1.0, jnp.exp2(jnp.floor(jnp.log2(gap) + 1e-6)))
    extra = jnp.floor(jax.random.uniform(key, x.shape, x.dtype) * unit)
    extra = jnp.minimum(extra.astype(whole.dtype), most - whole)
    return jnp.where(large, most, whole + extra)


def _add_up(
    u: Array, first: Array, ratio: Callable[[Array], Array], most: Array
) -> Array:
    """The count at which the summed P passes `u`; `ratio(k)` is P(k + 1) / P(k)."""

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        left, term, count = state
        return jnp.any((left > term) & (count < most))

    def advance(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        left, term, count = state
        go = (left > term) & (count < most)
        following = term * ratio(count)
        return (
            jnp.where(go, left - term, left),
            jnp.where(go, following, term),
            jnp.where(go, count + 1, count),
        )

    return jax.lax.while_loop(unfinished, advance, (u, first, jnp.zeros_like(u)))[2]


def _reject(
    key: Key, hat: _Hat, part: Array, log_ratio: Callable[[Array], Array], wanted: Array
) -> Array:
    """Offsets, as whole floats, from the integer part of the centre of the hat.

    Args:
        key: A random key.
        hat: The constants of the hat.
        part: The fractional part of the centre.
        log_ratio: Log of the target at an offset, over its scale in the hat.
        wanted: Which draws are needed at all.
    """

    def propose(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        i, offset, done = state
        u, v = open_uniform(jax.random.fold_in(key, i), (2, *part.shape))
        u = u - 0.5
        us = 0.5 - jnp.abs(u)
        new = jnp.floor((2 * hat.a / us + hat.b) * u + part)
        surely = (us >= 0.07) & (v <= hat.v_sure)
        surface = jnp.log(v) + hat.log_height - jnp.log(hat.a / (us * us) + hat.b)
        ok = surely | (surface <= log_ratio(new))
        return i + 1, jnp.where(ok & ~done, new, offset), done | ok

    start = (jnp.zeros((), jnp.uint32), jnp.zeros_like(part), ~wanted)
    return jax.lax.while_loop(lambda s: ~jnp.all(s[2]), propose, start)[1]


def _whole(base: Array, offset: Array) -> Array:
    """`base + offset` in the integer type, saturating at its largest value."""
    dtype = jnp.result_type(int)
    most = jnp.iinfo(dtype).max
    base = base.astype(dtype)
    room = most - base
    far = 2.0 ** (jnp.iinfo(dtype).bits - 2)
    return base + jnp.minimum(jnp.clip(offset, -far, far).astype(dtype), room)


def log_concave(
    key: Key, mode: Array, log_pmf: Callable[[Array], Array], shape: Shape
) -> Array:
    """Draws from any log-concave probabilities.

    By rejection from a hat that is flat about the mode and falls off exponentially
    (L. Devroye 1986, "Non-Uniform Random Variate Generation", section X.1.3): some
    four trials for each draw, whatever the law.

    Args:
        key: A random key.
        mode: The most likely count, a whole float.
        log_pmf: The log probability of a count, -inf outside of the support.
        shape: The shape of the draws.
    """
    mode = jnp.broadcast_to(mode, shape)
    top = log_pmf(mode)
    peak = jnp.exp(top)
    width = 1 + 0.5 * peak

    def propose(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        i, offset, done = state
        u, v, w, side = open_uniform(jax.random.fold_in(key, i), (4, *shape))
        flat = u * (1 + width) <= width
        away = jnp.where(flat, v * width, width - jnp.log(v)) / peak
        new = jnp.where(side < 0.5, -1.0, 1.0) * jnp.floor(away + 0.5)
        log_hat = jnp.minimum(width - peak * away, 0.0)
        ok = jnp.log(w) + log_hat <= log_pmf(mode + new) - top
        return i + 1, jnp.where(ok & ~done, new, offset), done | ok

    start = (jnp.zeros((), jnp.uint32), jnp.zeros_like(mode), ~(peak > 0))
    offset = jax.lax.while_loop(lambda s: ~jnp.all(s[2]), propose, start)[1]
    return _whole(mode, offset)


def poisson(key: Key, rate: ArrayLike, shape: Shape) -> Array:
    """Poisson draws; -1 for a bad rate, the largest integer for too large a rate."""
    key_small, key_large = jax.random.split(key)
    rate = jnp.asarray(rate, jnp.result_type(float))
    good = rate >= 0
    most = jnp.iinfo(jnp.result_type(int)).max
    rate = jnp.broadcast_to(jnp.where(good, rate, 0.0), shape)
    small, large = rate < _SMALL, rate >= float(most)

    low = jnp.where(small, rate, 0.0)
    u = open_uniform(key_small, shape)
    few = _add_up(u, jnp.exp(-low), lambda k: low / (k + 1), jnp.full_like(u, _MOST))

    mu = jnp.where(small | large, _SMALL, rate)
    b = 0.931 + 2.53 * jnp.sqrt(mu)
    a = -0.059 + 0.02483 * b
    hat = _Hat(a, b, 0.9277 - 3.6224 / (b - 2), jnp.log(1.1239 + 1.1328 / (b - 3.4)))
    base = jnp.floor(mu)

    def log_ratio(offset: Array) -> Array:
        k = jnp.maximum(base + offset, 0.0)
        log_pmf = -stirling_rest(k) - deviance(k, mu)
        return jnp.where(base + offset < 0, -jnp.inf, log_pmf)

    offset = _reject(key_large, hat, mu - base + 0.43, log_ratio, ~(small | large))
    many = jnp.where(large, most, _whole(base, offset))
    return jnp.where(good, jnp.where(small, few.astype(many.dtype), many), -1)


def binomial(
    key: Key, total: ArrayLike, p: ArrayLike, q: ArrayLike, shape: Shape
) -> Array:
    """Binomial draws of `total` trials, by `p` and `q = 1 - p`; -1 for bad ones."""
    key_small, key_large = jax.random.split(key)
    dtype = jnp.result_type(int)
    total = jnp.broadcast_to(jnp.asarray(total), shape).astype(dtype)
    p, q = (jnp.asarray(v, jnp.result_type(float)) for v in (p, q))
    good = (total >= 0) & (p >= 0) & (q >= 0)
    n = jnp.where(good, total, 0).astype(p.dtype)
    flip = p > q  # count what is rarer
    p, q = jnp.where(flip, q, p), jnp.where(flip, p, q)
    small = ~(n * p >= _SMALL)

    low, rest = jnp.where(small, p, 0.0), jnp.where(small, q, 1.0)
    u = open_uniform(key_small, shape)
    none = jnp.exp(n * jnp.log1p(-low))  # no underflow, for the mean is small, p <= 1/2
    ratio = low / rest
    most = jnp.minimum(n, _MOST)
    few = _add_up(u, none, lambda k: ratio * (n - k) / (k + 1), most)

    n, p, q = (jnp.where(small, v, w) for v, w in ((4 * _SMALL, n), (0.5, p), (0.5, q)))
    spread = jnp.sqrt(n * p * q)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    hat = _Hat(a, b, 0.92 - 4.2 / b, jnp.log((2.83 + 5.1 / b) * spread))
    centre = n * p + 0.5
    base = jnp.floor(centre)

    def log_pmf(k: Array) -> Array:
        rest = stirling_rest(k) + stirling_rest(n - k)
        return -rest - deviance(k, n * p) - deviance(n - k, n * q)

    peak = log_pmf(jnp.floor((n + 1) * p))

    def log_ratio(offset: Array) -> Array:
        k = jnp.clip(base + offset, 0.0, n)
        return jnp.where(k == base + offset, log_pmf(k) - peak, -jnp.inf)

    offset = _reject(key_large, hat, centre - base, log_ratio, ~small)
    many = jnp.clip(_whole(base, offset), 0, total)
    draws = jnp.where(small, few.astype(dtype), many)
    return jnp.where(good, jnp.where(flip, total - draws, draws), -1)
