"""Sums of many smooth terms, in logarithms, from a fixed number of them.

Next to each end the terms are added one by one; between, the sum is an integral, by
Gauss-Legendre panels that grow with the distance from the nearer end, less what the
Euler-Maclaurin formula says the two differ by where they meet. All is differentiable,
and no loop is run, however many the terms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike

_EXACT = 40  # so many terms at an end are added one by one
_PANELS = 12
_NODES = 16
# Of the first, third and fifth difference at the place where sum and integral meet.
_MEETING = (1 / 24, -17 / 5760, 367 / 967680)


class _Places(NamedTuple):
    """Distances from an end, as a leading dim, and their weights."""

    distance: Array
    weight: Array


@cache
def _panels() -> tuple[np.ndarray, np.ndarray]:
    """A composite Gauss-Legendre rule on [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    start = np.arange(_PANELS)[:, None]
    nodes = (start + (1 + node) / 2) / _PANELS
    return nodes.ravel(), np.tile(weight / (2 * _PANELS), _PANELS)


@cache
def _meeting_weights() -> np.ndarray:
    """The weights of the terms at -3, ..., 2 around the meeting place."""
    weights = np.zeros(6)
    for order, factor in zip((1, 3, 5), _MEETING, strict=True):
        difference = np.array([1.0])
        for _ in range(order):
            difference = np.convolve(difference, [1.0, -1.0])
        pad = (5 - order) // 2
        weights[pad : 6 - pad] += factor * difference[::-1]
    return weights


def _places(first: Array, far: Array) -> _Places:
    """The rule outwards from an end.

    Args:
        first: How many terms there are, if they are few enough to be all added.
        far: How far the integral goes, in terms; beyond `_EXACT` if it is used.
    """
    one, (nodes, weights) = jnp.ones_like(far), _panels()
    column = (-1,) + (1,) * far.ndim
    count = jnp.asarray(np.arange(_EXACT + 3.0), far.dtype).reshape(column)
    single = jnp.where((count < first) & (count < _EXACT), one, 0.0)
    many = far > _EXACT
    begin = _EXACT - 0.5
    span = jnp.log(jnp.where(many, (far - 0.5) / begin, 1.0))
    at = jnp.asarray(nodes, far.dtype).reshape(column)
    between = begin * jnp.exp(span * at)
    of = jnp.asarray(weights, far.dtype).reshape(column)
    meet = np.zeros(_EXACT + 3)
    meet[-6:] = _meeting_weights()
    extra = jnp.asarray(meet, far.dtype).reshape(column)
    single = single + jnp.where(many, extra, 0.0)
    weight = jnp.where(many, of * span * between, 0.0)
    distance = jnp.broadcast_to(count, single.shape)
    return _Places(
        jnp.concatenate([distance, between]), jnp.concatenate([single, weight])
    )


def _log_weighted(log_terms: Array, weight: Array) -> Array:
    """Log of the weighted sum over the leading dim; the weights may be negative."""
    used = weight != 0
    log_terms = jnp.where(used, log_terms, -jnp.inf)
    top = jax.lax.stop_gradient(log_terms.max(0))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    live = used & (log_terms > -jnp.inf)
    terms = jnp.where(live, jnp.exp(jnp.where(live, log_terms - top, 0.0)), 0.0)
    total = (weight * terms).sum(0)
    some = total > 0
    return jnp.where(some, top + jnp.log(jnp.where(some, total, 1.0)), -jnp.inf)


def _between(first: Array, last: Array) -> tuple[Array, Array, Array]:
    """Where to take terms from `first` to `last`, which of these are; their weights."""
    count = jnp.maximum(last - first + 1, 0.0)
    few = count <= 2 * _EXACT
    lower = jnp.where(few, jnp.ceil(count / 2), jnp.inf)
    upper = jnp.where(few, jnp.floor(count / 2), jnp.inf)
    far = jnp.where(few, 0.0, count / 2)
    up, down = _places(lower, far), _places(upper, far)
    places = jnp.concatenate([first + up.distance, last - down.distance])
    weight = jnp.concatenate([up.weight, down.weight])
    inside = (places >= first - 0.5) & (places <= last + 0.5) & (weight != 0)
    return places, inside, jnp.where(inside, weight, 0.0)


def log_sum(log_term: Callable[[Array], Array], first: Array, last: Array) -> Array:
    """The log of the sum of exp(log_term(k)) over the whole k from `first` to `last`.

    The terms are smooth but near the ends: they change little from one to the next at
    a distance of forty from an end, unless they are negligible there.

    Args:
        log_term: Takes an array with a new leading dim; -inf is allowed.
        first: The first k, a float.
        last: The last k; with `last < first` the sum is empty.
    """
    first, last = jnp.broadcast_arrays(first, last)
    first, last = jax.lax.stop_gradient(first), jax.lax.stop_gradient(last)
    places, inside, weight = _between(first, last)
    log_terms = log_term(jnp.where(inside, places, jnp.minimum(first, last)))
    return _log_weighted(log_terms, weight)


def log_sums_from(
    log_term: Callable[[Array], Array], top: Array, reach: Array
) -> tuple[Array, Array, Array]:
    """Sums over all whole k >= 0 of terms that fall off from `top` on both sides.

    Args:
        log_term: Takes an array with a new leading dim.
        top: The k of the largest term, a whole float.
        reach: How far from `top` a term may be that is not negligible.

    Returns:
        The log of the sum, and mean and variance of k where its weight is the term.
    """
    top, reach = jnp.broadcast_arrays(top, reach)
    top, reach = jax.lax.stop_gradient(top), jax.lax.stop_gradient(reach)
    up = _places(jnp.full_like(top, jnp.inf), jnp.maximum(reach, _EXACT + 1.0))
    first = jnp.maximum(-jnp.ceil(reach) - _EXACT, -top)
    below, inside, weight = _between(first, -jnp.ones_like(top))
    away = jnp.concatenate([up.distance, below])
    inside = jnp.concatenate([up.weight != 0, inside])
    weight = jnp.concatenate([up.weight, weight])
    log_terms = log_term(jnp.where(inside, top + away, top))
    log_total = _log_weighted(log_terms, weight)
    share = weight * jnp.where(inside, jnp.exp(log_terms - log_total), 0.0)
    mean = (share * away).sum(0)
    variance = (share * jnp.square(away - mean)).sum(0)
    return log_total, top + mean, variance


def bell_entropy(
    log_prob: Callable[[Array], Array], mean: Array, variance: Array
) -> Array:
    """The entropy of a bell of counts, or of counts of few different values.

    Args:
        log_prob: Takes counts with a new leading dim; -inf where there is none.
        mean: The mean of the counts.
        variance: Their variance.
    """
    return bell_mean(log_prob, lambda count: -log_prob(count), mean, variance)


def bell_mean(
    log_prob: Callable[[Array], Array],
    function: Callable[[Array], Array],
    mean: Array,
    variance: Array,
) -> Array:
    """The expectation of a smooth function of a bell of counts.

    Where there are many counts in the bell, only some at equal distances: as there are
    eight to a standard deviation, the sum is right to all digits.

    Args:
        log_prob: Takes counts with a new leading dim; -inf where there is none.
        function: Likewise; not asked where there is none.
        mean: The mean of the counts.
        variance: Their variance.
    """
    mean, spread = jnp.broadcast_arrays(mean, jnp.sqrt(variance))
    mean, spread = jax.lax.stop_gradient(mean), jax.lax.stop_gradient(spread)
    stride = jnp.maximum(jnp.floor(spread / 8), 1.0)
    away = jnp.arange(-160.0, 161.0).reshape((-1,) + (1,) * mean.ndim)
    count = jnp.floor(mean) + stride * away
    log_p = log_prob(count)
    some = log_p > -jnp.inf
    value = function(jnp.where(some, count, jnp.floor(mean)))
    return stride * jnp.where(some, jnp.exp(log_p) * value, 0.0).sum(0)


def peaked_entropy(
    log_prob: Callable[[Array], Array], top: ArrayLike, last: ArrayLike
) -> Array:
    """The entropy of counts that fall off from a mode on both sides, or rise from it.

    Near the mode and near both ends the counts are taken one by one; between, ever
    fewer of them: a bell of any width is seen, and a power of the count near zero.

    Args:
        log_prob: Takes counts with a new leading dim, between whole numbers as well;
            -inf where there is none. It must be normalised.
        top: The mode, a whole float from 0 to `last`.
        last: The largest count that is possible and not negligible, a whole float.
    """
    return peaked_mean(log_prob, lambda count: -log_prob(count), top, last)


def entropy_between(
    log_prob: Callable[[Array], Array], first: ArrayLike, last: ArrayLike
) -> Array:
    """What the counts from `first` to `last` add to an entropy; see `log_sum`."""
    return _mean_between(log_prob, lambda count: -log_prob(count), first, last)


def peaked_mean(
    log_prob: Callable[[Array], Array],
    function: Callable[[Array], Array],
    top: ArrayLike,
    last: ArrayLike,
) -> Array:
    """The expectation of a smooth function of such counts as `peaked_entropy` has."""
    return _mean_between(log_prob, function, jnp.zeros_like(top), top) + _mean_between(
        log_prob, function, top + 1, last
    )


def _mean_between(
    log_prob: Callable[[Array], Array],
    function: Callable[[Array], Array],
    first: ArrayLike,
    last: ArrayLike,
) -> Array:
    """What the counts from `first` to `last` add to an expectation; see `log_sum`."""
    first, last = jnp.broadcast_arrays(first, last)
    first, last = jax.lax.stop_gradient(first), jax.lax.stop_gradient(last)
    count, inside, weight = _between(first, last)
    count = jnp.where(inside, count, jnp.minimum(first, last))
    log_p, value = log_prob(count), function(count)
    some = inside & (log_p > -jnp.inf)
    log_p, value = jnp.where(some, log_p, 0.0), jnp.where(some, value, 0.0)
    return (jnp.where(some, weight, 0.0) * jnp.exp(log_p) * value).sum(0)
