"""Log probabilities of intervals, from whichever tail keeps the digits."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions._special import in_double, log1mexp
from ppl.distributions._wrapping import Tails, tails_at
from ppl.distributions.constraints import Constraint

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
    low, high = jnp.asarray(low), jnp.asarray(high)
    return _log_between(base, low, high, *tails_at_both(base, low, high))


def tails_at_both(base: Any, low: Array, high: Array) -> tuple[Tails, Tails]:
    """The tails below an interval and at its end, in one call if they are alike."""
    before = _before(base, low)
    if before.dtype != high.dtype:
        return tails_at(base, before), tails_at(base, high)
    shape = np.broadcast_shapes(before.shape, high.shape, base.batch_shape)
    log_cdf, log_sf = tails_at(base, _stacked(shape, before, high))
    return Tails(log_cdf[0], log_sf[0]), Tails(log_cdf[1], log_sf[1])


def _log_between(base: Any, low: Array, high: Array, below: Any, above: Any) -> Array:
    """`log_between`, given the tails below `low` and at `high`."""
    discrete = base.is_discrete
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


class Restricted(NamedTuple):
    """A base between bounds, with all that is known before a value is given.

    A search asks for the tails again and again: those at the bounds are found once.
    """

    base: Any
    support: Constraint
    low: Array | None
    high: Array | None
    at_low: Tails | None  # below the least value
    at_high: Tails | None
    log_mass: Array

    @staticmethod
    def of(base: Any, low: Any, high: Any, support: Constraint) -> Restricted:
        """`base` given that it lies between `low` and `high`, one of which is given."""
        if low is None:
            at_high = tails_at(base, high)
            return Restricted(base, support, None, high, None, at_high, at_high.log_cdf)
        if high is None:
            at_low = tails_at(base, _before(base, low))
            return Restricted(base, support, low, None, at_low, None, at_low.log_sf)
        low, high = jnp.asarray(low), jnp.asarray(high)
        ends = tails_at_both(base, low, high)
        log_mass = _log_between(base, low, high, *ends)
        return Restricted(base, support, low, high, *ends, log_mass)

    @property
    def batch_shape(self) -> Shape:
        """The shape of the probability of what is between the bounds."""
        return jnp.shape(self.log_mass)

    def log_prob(self, value: ArrayLike) -> Array:
        """The log density, -inf outside of the bounds."""
        outside = jnp.zeros((), bool)
        if self.low is not None:
            outside |= value < self.low
        if self.high is not None:
            outside |= value > self.high
        safe = jnp.where(outside, self.support.feasible_like(value), value)
        inside = self.base.log_prob(safe)
        outside |= inside == -jnp.inf
        return jnp.where(outside, -jnp.inf, inside - self.log_mass)

    def log_tails(self, value: ArrayLike) -> Tails:
        """The logarithms of the probabilities below and above.

        Outside of the bounds the probabilities are 0 and 1.
        """
        x = jnp.asarray(value)
        if self.base.is_discrete:
            x = jnp.floor(x).astype(jnp.result_type(int))
        else:
            x = x.astype(jnp.result_type(float, x))
        under = jnp.zeros((), bool) if self.low is None else x < self.low
        over = jnp.zeros((), bool) if self.high is None else x >= self.high
        if self.high is not None:
            x = jnp.where(over, self.high, x).astype(x.dtype)
        if self.low is not None:
            x = jnp.where(under, self.low, x).astype(x.dtype)
        left, right = self._parts(x)
        tails = Tails(
            jnp.where(under, -jnp.inf, jnp.where(over, 0.0, left - self.log_mass)),
            jnp.where(under, 0.0, jnp.where(over, -jnp.inf, right - self.log_mass)),
        )
        return Tails(*(jnp.minimum(t, 0.0) for t in tails)).polished()

    def _parts(self, x: Array) -> tuple[Array, Array]:
        """Log of what is up to `x` and of what is beyond, within the bounds."""
        here = tails_at(self.base, x)
        following = x
        if self.base.is_discrete:
            top = jnp.iinfo(x.dtype).max if self.high is None else self.high
            following = jnp.where(x >= top, x, x + 1)
        if self.low is None or self.high is None:
            if self.low is None:
                right = (following, self.high, here, self.at_high)
                return here.log_cdf, _log_between(self.base, *right)
            left = (self.low, x, self.at_low, here)
            return _log_between(self.base, *left), here.log_sf
        # Both in one call: two calls would be compiled twice.
        left = (self.low, x, self.at_low, here)
        right = (following, self.high, here, self.at_high)
        shape = np.broadcast_shapes(x.shape, self.batch_shape)
        both = jax.tree.map(lambda a, b: _stacked(shape, a, b), left, right)
        within = _log_between(self.base, *both)
        return within[0], within[1]


def _before(base: Any, low: Any) -> Any:
    """What is just not in an interval from `low` on."""
    if not base.is_discrete:
        return low
    return jnp.ceil(low).astype(jnp.result_type(int)) - 1


def _stacked(shape: Shape, *values: Any) -> Array:
    return jnp.stack([jnp.broadcast_to(v, shape) for v in values])
