"""Log probabilities of intervals, from whichever tail keeps the digits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike
from ppl.distributions._special import in_double, log1mexp
from ppl.distributions._wrapping import Tails, tails_at

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_FEW = 16  # so many whole numbers are added up


def log_sum(terms: Array, weights: Array | None = None) -> Array:
    """Log of the sum of weighted exponentials over the last axis.

    Terms may be -inf and weights zero: derivatives are right there, too.
    """
    heavy = terms if weights is None else jnp.where(weights > 0, terms, -jnp.inf)
    if weights is not None:
        heavy = heavy + jnp.log(jnp.where(weights > 0, weights, 1.0))
    top = jax.lax.stop_gradient(heavy.max(-1))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    most = 0.9 * float(np.log(jnp.finfo(terms.dtype).max))
    parts = jnp.exp(jnp.minimum(terms - top[..., None], most))
    total = (parts if weights is None else weights * parts).sum(-1)
    none = total == 0
    return jnp.where(none, -jnp.inf, jnp.log(jnp.where(none, 1.0, total)) + top)


def log_between(base: Any, low: ArrayLike, high: ArrayLike) -> Array:
    """Log of P(low < X <= high); of a discrete X, log of P(low <= X <= high).

    The difference of two probabilities is taken in the tail where both are small. Where
    it would cancel, because the interval is narrow, the density is integrated.
    """
    discrete = base.is_discrete
    low, high = jnp.asarray(low), jnp.asarray(high)
    before = jnp.ceil(low).astype(jnp.result_type(int)) - 1 if discrete else low
    below, above = tails_at(base, before), tails_at(base, high)
    lower = above.log_cdf <= below.log_sf
    large = jnp.where(lower, above.log_cdf, below.log_sf)
    small = jnp.where(lower, below.log_cdf, above.log_sf)
    drop = large - small  # NaN if both are -inf
    if discrete:
        empty = ~(high >= low)
        narrow = ~empty & (high - low < _FEW)
    else:
        empty = ~(high > low)
        digits = 1e-4 if in_double(large) else 1e-2
        narrow = ~empty & (drop < jnp.minimum(digits * (1 - large), 4.0))
    wide = ~narrow & ~empty & (drop > 0)
    apart = large + log1mexp(jnp.where(wide, drop, 1.0))
    within = (_added if discrete else _integrated)(base, low, high, narrow)
    result = jnp.where(narrow, within, jnp.where(wide, apart, -jnp.inf))
    bad = jnp.isnan(low) | jnp.isnan(high)
    return jnp.where(bad, jnp.nan, jnp.minimum(result, 0.0))


def _integrated(base: Any, low: Array, high: Array, narrow: Array) -> Array:
    """Log of the integral of the density, where `narrow`."""
    width = jnp.where(narrow, high - low, 1.0)
    inner = base.support.feasible_like(jnp.zeros(narrow.shape, width.dtype))
    start = jnp.where(narrow, low, inner)
    share = jnp.asarray((1 + _NODES) / 2, width.dtype)
    nodes = start[..., None] + jnp.where(narrow, width, 0.0)[..., None] * share
    terms = jnp.moveaxis(base.log_prob(jnp.moveaxis(nodes, -1, 0)), 0, -1)
    weights = jnp.broadcast_to(jnp.asarray(_WEIGHTS / 2, width.dtype), terms.shape)
    return jnp.log(width) + log_sum(terms, weights)


def _added(base: Any, low: Array, high: Array, narrow: Array) -> Array:
    """Log of the sum of the probabilities of few whole numbers, where `narrow`."""
    inner = base.support.feasible_like(jnp.zeros(narrow.shape, int))
    first = jnp.ceil(low).astype(inner.dtype)
    last = jnp.floor(high).astype(inner.dtype)
    start = jnp.where(narrow, first, inner)[..., None]
    values = start + jnp.arange(_FEW)
    used = values <= jnp.where(narrow, last, inner)[..., None]
    values = jnp.where(used, values, start)
    terms = jnp.moveaxis(base.log_prob(jnp.moveaxis(values, -1, 0)), 0, -1)
    return log_sum(jnp.where(used, terms, -jnp.inf))


def above_and_below(base: Any, low: Any, high: Any, x: Array, log_mass: Array) -> Tails:
    """The tails at `x` of `base` given that it lies between `low` and `high`.

    Args:
        base: The distribution.
        low: The least value, or None.
        high: The greatest value, or None.
        x: Numbers; outside of the bounds the tails are 0 and 1.
        log_mass: Log of the probability of what is between the bounds.
    """
    if base.is_discrete:
        x = jnp.floor(x).astype(jnp.result_type(int))
        following = x + 1
    else:
        x = x.astype(jnp.result_type(float, x))
        following = x
    under = jnp.zeros((), bool) if low is None else x < low
    over = jnp.zeros((), bool) if high is None else x >= high
    if high is not None:
        x = jnp.where(over, high, x).astype(x.dtype)
        following = jnp.where(over, high, following).astype(x.dtype)
    if low is not None:
        x = jnp.where(under, low, x).astype(x.dtype)
        following = jnp.where(under, low, following).astype(x.dtype)
    left = tails_at(base, x).log_cdf if low is None else log_between(base, low, x)
    right = (
        tails_at(base, x).log_sf if high is None else log_between(base, following, high)
    )
    tails = Tails(
        jnp.where(under, -jnp.inf, jnp.where(over, 0.0, left - log_mass)),
        jnp.where(under, 0.0, jnp.where(over, -jnp.inf, right - log_mass)),
    )
    tails = Tails(*(jnp.minimum(t, 0.0) for t in tails))
    return tails.polished()
