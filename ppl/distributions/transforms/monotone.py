"""What a monotone transform of numbers does to a set: it maps the ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jax.core import Tracer

from ppl._typing import ArrayLike
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, namespace
from ppl.distributions.transforms.base import Transform, with_event_dims


class Ends(NamedTuple):
    """The ends of an interval, and whether they belong to it."""

    low: ArrayLike | None = None  # None: no bound
    high: ArrayLike | None = None
    closed: bool = False


def ends_of(constraint: Constraint) -> Ends | None:
    """The bounds of a set of numbers, or None for another set."""
    match constraint:
        case constraints.Real():
            return Ends(closed=True)
        case constraints.SoftplusPositive():
            return Ends(0.0)
        case constraints.GreaterThan(lower_bound=low):
            return Ends(low)
        case constraints.GreaterThanEq(lower_bound=low):
            return Ends(low, closed=True)
        case constraints.LessThan(upper_bound=high):
            return Ends(high=high)
        case constraints.LessThanEq(upper_bound=high):
            return Ends(high=high, closed=True)
        case constraints.Interval(lower_bound=low, upper_bound=high):
            return Ends(low, high, closed=True)
        case constraints.OpenInterval(lower_bound=low, upper_bound=high):
            return Ends(low, high)
    return None


def _between(low: Any, high: Any, *, closed: bool) -> Constraint:
    low, high = (float(b) if isinstance(b, np.floating) else b for b in (low, high))
    if low is None and high is None:
        return constraints.real
    if high is None:
        half = constraints.greater_than_eq if closed else constraints.greater_than
        return half(low)
    if low is None:
        half = constraints.less_than_eq if closed else constraints.less_than
        return half(high)
    whole = constraints.interval if closed else constraints.open_interval
    return whole(low, high)


def _same(a: Any, b: Any) -> bool:
    numbers = isinstance(a, float | int) and isinstance(b, float | int)
    return a is b or (numbers and a == b)


class AbstractMonotoneTransform(Transform):
    """A transform of numbers whose image of an interval is known from its ends."""

    whole_domain: Any = constraints.real  # the largest domain, and its image
    whole_codomain: Any = constraints.real

    def _at(self, bound: ArrayLike) -> ArrayLike:
        return self(bound)

    @property
    def sign(self) -> Any:
        return 1

    def image(self, support: Constraint) -> Constraint:
        if isinstance(support, constraints.IndependentConstraint):
            inner = self.image(support.base)
            return with_event_dims(inner, support.reinterpreted_batch_ndims)
        if isinstance(support, constraints.OrderedVector):
            return self._ordered_image()
        own, domain = ends_of(support), ends_of(self.whole_domain)
        codomain = ends_of(self.whole_codomain)
        if own is None or domain is None or codomain is None:
            return with_event_dims(constraints.dependent, support.event_dim)

        ends = [
            None if mine is None or _same(mine, limit) else self._at(mine)
            for mine, limit in ((own.low, domain.low), (own.high, domain.high))
        ]
        match ends:
            case [None, None]:
                return self.whole_codomain
            case [low, high] if low is not None and high is not None:
                xp = namespace(low, high)
                low, high = xp.minimum(low, high), xp.maximum(low, high)
                return _between(low, high, closed=own.closed)
        return self._half(ends, codomain, closed=own.closed)

    def _ordered_image(self) -> Constraint:
        """The image of the increasing vectors."""
        sign = self.sign
        if not isinstance(sign, Tracer) and np.all(sign > 0):
            if self.whole_codomain == constraints.real:
                return constraints.ordered_vector
            if self.whole_codomain == constraints.positive:
                return constraints.positive_ordered_vector
        return constraints.independent(constraints.dependent)

    def _half(self, ends: list[Any], codomain: Ends, *, closed: bool) -> Constraint:
        """The image of a set that has one end of its own."""
        sign = self.sign
        known = not isinstance(sign, Tracer)
        if known and np.all(sign < 0):
            ends.reverse()
        elif not (known and np.all(sign > 0)):  # traced, or of both signs
            if self.whole_codomain != constraints.real:
                return constraints.dependent
            low, high = ends
            side = constraints.HalfLine
            return side(high, -sign) if low is None else side(low, sign)
        low, high = ends
        if low is None:
            low, closed = codomain.low, closed and codomain.low is None
        else:
            high, closed = codomain.high, closed and codomain.high is None
        return _between(low, high, closed=closed)
