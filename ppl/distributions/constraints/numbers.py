"""Constraints on numbers: bounds, whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl._pytree import pytree
from ppl._typing import ArrayLike
from ppl.distributions.constraints.base import Constraint, filled, namespace, shown


@pytree
class Real(Constraint):
    """All finite numbers."""

    rule = "must be finite"  # type: ignore[assignment]

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value)
        return xp.isfinite(xp.asarray(value))

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0.0)


@pytree
class Complex(Constraint):
    """All finite complex numbers."""

    rule = "must be finite"  # type: ignore[assignment]

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value)
        return xp.isfinite(xp.asarray(value))

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0.0)


@pytree
class SoftplusPositive(Constraint):
    """The same set as `positive`, reached by a softplus."""

    rule = "must be > 0"  # type: ignore[assignment]

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value).asarray(value)
        return (value > 0) & (value < np.inf)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 1.0)


@pytree
class GreaterThan(Constraint):
    """Finite numbers above a bound."""

    lower_bound: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value, self.lower_bound).asarray(value)
        return (value > self.lower_bound) & (value < np.inf)

    @property
    def rule(self) -> str:
        return f"must be > {shown(self.lower_bound)}"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, self.lower_bound + 1.0 + abs(self.lower_bound))


@pytree
class GreaterThanEq(Constraint):
    """Finite numbers not below a bound."""

    lower_bound: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value, self.lower_bound).asarray(value)
        return (value >= self.lower_bound) & (value < np.inf)

    @property
    def rule(self) -> str:
        return f"must be >= {shown(self.lower_bound)}"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, self.lower_bound + 1.0 + abs(self.lower_bound))


@pytree
class LessThan(Constraint):
    """Finite numbers below a bound."""

    upper_bound: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value, self.upper_bound).asarray(value)
        return (value < self.upper_bound) & (value > -np.inf)

    @property
    def rule(self) -> str:
        return f"must be < {shown(self.upper_bound)}"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, self.upper_bound - 1.0 - abs(self.upper_bound))


@pytree
class LessThanEq(Constraint):
    """Finite numbers not above a bound."""

    upper_bound: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value, self.upper_bound).asarray(value)
        return (value <= self.upper_bound) & (value > -np.inf)

    @property
    def rule(self) -> str:
        return f"must be <= {shown(self.upper_bound)}"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, self.upper_bound - 1.0 - abs(self.upper_bound))


@pytree
class HalfLine(Constraint):
    """Finite numbers not below a bound where `direction` is positive, else not above.

    For a side that is known only when the program runs, or differs between elements.
    """

    bound: ArrayLike
    direction: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value, self.bound, self.direction)
        value = xp.asarray(value)
        return ((value - self.bound) * self.direction >= 0) & xp.isfinite(value)

    @property
    def rule(self) -> str:
        bound, direction = shown(self.bound), shown(self.direction)
        return f"must be on the side {direction} of {bound}"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        away = self.direction * (1.0 + abs(self.bound))
        return filled(prototype, self.bound + away)


@pytree
class Interval(Constraint):
    """Finite numbers from a lower to an upper bound, both included."""

    lower_bound: ArrayLike
    upper_bound: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value, self.lower_bound, self.upper_bound)
        value = xp.asarray(value)
        inside = (value >= self.lower_bound) & (value <= self.upper_bound)
        return inside & xp.isfinite(value)

    @property
    def rule(self) -> str:
        return f"must be in [{shown(self.lower_bound)}, {shown(self.upper_bound)}]"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0.5 * self.lower_bound + 0.5 * self.upper_bound)


@pytree
class OpenInterval(Constraint):
    """Numbers strictly between two bounds."""

    lower_bound: ArrayLike
    upper_bound: ArrayLike

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value, self.lower_bound, self.upper_bound)
        value = xp.asarray(value)
        return (value > self.lower_bound) & (value < self.upper_bound)

    @property
    def rule(self) -> str:
        return f"must be in ({shown(self.lower_bound)}, {shown(self.upper_bound)})"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0.5 * self.lower_bound + 0.5 * self.upper_bound)


# --- whole numbers --------------------------------------------------------------------


def _whole(xp: Any, value: Any) -> Any:
    return value == (value if value.dtype.kind in "biu" else xp.floor(value))


@pytree
class Boolean(Constraint):
    """False and True, or 0 and 1."""

    is_discrete = True
    rule = "must be 0 or 1"  # type: ignore[assignment]

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value).asarray(value)
        return (value == 0) | (value == 1)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0, discrete=True)


@pytree
class Integer(Constraint):
    """Whole numbers, of whatever dtype."""

    is_discrete = True
    rule = "must be an integer"  # type: ignore[assignment]

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value)
        value = xp.asarray(value)
        return _whole(xp, value) & (value > -np.inf) & (value < np.inf)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0, discrete=True)


@pytree
class IntegerInterval(Constraint):
    """Whole numbers, of whatever dtype, from a lower to an upper bound."""

    lower_bound: ArrayLike
    upper_bound: ArrayLike
    is_discrete = True

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value, self.lower_bound, self.upper_bound)
        value = xp.asarray(value)
        inside = (value >= self.lower_bound) & (value <= self.upper_bound)
        return inside & _whole(xp, value)

    @property
    def rule(self) -> str:
        low, high = shown(self.lower_bound), shown(self.upper_bound)
        return f"must be an integer in [{low}, {high}]"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, self.lower_bound, discrete=True)


@pytree
class IntegerGreaterThan(Constraint):
    """Whole numbers, of whatever dtype, not below a bound (which is included)."""

    lower_bound: ArrayLike
    is_discrete = True

    def __call__(self, value: ArrayLike) -> Any:
        xp = namespace(value, self.lower_bound)
        value = xp.asarray(value)
        inside = (value >= self.lower_bound) & (value < np.inf)
        return inside & _whole(xp, value)

    @property
    def rule(self) -> str:
        return f"must be an integer >= {shown(self.lower_bound)}"

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, self.lower_bound, discrete=True)
