"""The default bijection from real numbers onto each continuous constraint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ppl._errors import ArgumentError
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.transforms.base import (
    ComposeTransform,
    IndependentTransform,
    Transform,
)
from ppl.distributions.transforms.matrix import (
    CholeskyTransform,
    CorrCholeskyTransform,
    CorrMatrixCholeskyTransform,
    LowerCholeskyTransform,
    ScaleCorrMatrixTransform,
)
from ppl.distributions.transforms.scalar import (
    AffineTransform,
    ExpTransform,
    HalfLineTransform,
    IdentityTransform,
    IntervalTransform,
    SigmoidTransform,
)
from ppl.distributions.transforms.vector import OrderedTransform, StickBreakingTransform

Factory = Callable[[Any], Transform]


class BijectionRegistry:
    """Finds the bijection onto a constraint by the constraint's type."""

    def __init__(self) -> None:
        self._factories: dict[type, Factory] = {}

    def register(
        self, constraint: type | Constraint, factory: Factory | None = None
    ) -> Any:
        """Use `factory(constraint)` for constraints of this type; works as a decorator.

        Args:
            constraint: A constraint type, or any constraint of that type.
            factory: Takes a constraint and returns the transform onto it.
        """
        kind = constraint if isinstance(constraint, type) else type(constraint)

        def add(made: Factory) -> Factory:
            self._factories[kind] = made
            return made

        return add if factory is None else add(factory)

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform whose codomain is `constraint` and whose domain is real."""
        factory = self._factories.get(type(constraint))
        if factory is not None:
            return factory(constraint)
        if getattr(constraint, "is_discrete", False):
            raise ArgumentError(
                f"{constraint} has no bijection from the reals; gradient-based "
                "inference needs a continuous site.",
                value=constraint,
                hint="Observe the site, marginalise it, or use a discrete sampler.",
            )
        raise ArgumentError(
            f"{constraint} has no registered bijection from the reals.",
            value=constraint,
            hint="Add one with biject_to.register(type(constraint)).",
        )


biject_to = BijectionRegistry()


def _infinite(bound: Any) -> bool:
    return isinstance(bound, float) and math.isinf(bound)


@biject_to.register(constraints.Real)
def _real(constraint: constraints.Real) -> Transform:
    del constraint
    return IdentityTransform()


@biject_to.register(constraints.GreaterThan)
@biject_to.register(constraints.GreaterThanEq)
def _greater(constraint: constraints.GreaterThan) -> Transform:
    bound = constraint.lower_bound
    if isinstance(bound, float | int) and bound == 0:
        return ExpTransform()
    return HalfLineTransform(bound)


@biject_to.register(constraints.LessThan)
@biject_to.register(constraints.LessThanEq)
def _less(constraint: constraints.LessThan) -> Transform:
    return HalfLineTransform(constraint.upper_bound, -1)


@biject_to.register(constraints.HalfLine)
def _half_line(constraint: constraints.HalfLine) -> Transform:
    side = AffineTransform(constraint.bound, constraint.direction)
    return ComposeTransform((ExpTransform(), side))


@biject_to.register(constraints.Interval)
@biject_to.register(constraints.OpenInterval)
def _interval(constraint: constraints.Interval) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if _infinite(low) or _infinite(high):
        if _infinite(low) and _infinite(high):
            return IdentityTransform()
        return HalfLineTransform(high, -1) if _infinite(low) else HalfLineTransform(low)
    concrete = all(isinstance(bound, float | int) for bound in (low, high))
    if concrete and low == 0 and high == 1:
        return SigmoidTransform()
    return IntervalTransform(low, high)


@biject_to.register(constraints.IndependentConstraint)
def _independent(constraint: constraints.IndependentConstraint) -> Transform:
    base = biject_to(constraint.base)
    if isinstance(base, IdentityTransform):
        return IdentityTransform(constraint)
    return IndependentTransform(base, constraint.reinterpreted_batch_ndims)


@biject_to.register(constraints.Simplex)
def _simplex(constraint: constraints.Simplex) -> Transform:
    del constraint
    return StickBreakingTransform()


@biject_to.register(constraints.OrderedVector)
def _ordered(constraint: constraints.OrderedVector) -> Transform:
    del constraint
    return OrderedTransform()


@biject_to.register(constraints.PositiveOrderedVector)
def _positive_ordered(constraint: constraints.PositiveOrderedVector) -> Transform:
    del constraint
    return ComposeTransform((OrderedTransform(), ExpTransform()))


@biject_to.register(constraints.LowerCholesky)
def _lower_cholesky(constraint: constraints.LowerCholesky) -> Transform:
    del constraint
    return LowerCholeskyTransform()


@biject_to.register(constraints.CorrCholesky)
def _corr_cholesky(constraint: constraints.CorrCholesky) -> Transform:
    del constraint
    return CorrCholeskyTransform()


@biject_to.register(constraints.PositiveDefinite)
@biject_to.register(constraints.PositiveSemidefinite)
def _positive_definite(constraint: constraints.PositiveDefinite) -> Transform:
    del constraint
    return ComposeTransform((LowerCholeskyTransform(), CholeskyTransform().inv))


@biject_to.register(constraints.CorrMatrix)
def _corr_matrix(constraint: constraints.CorrMatrix) -> Transform:
    del constraint
    return ComposeTransform(
        (CorrCholeskyTransform(), CorrMatrixCholeskyTransform().inv)
    )


@biject_to.register(constraints.CovarianceOfScale)
def _covariance_of_scale(constraint: constraints.CovarianceOfScale) -> Transform:
    return ComposeTransform(
        (
            CorrCholeskyTransform(),
            CorrMatrixCholeskyTransform().inv,
            ScaleCorrMatrixTransform(constraint.scale),
        )
    )
