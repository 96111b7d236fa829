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
from ppl.distributions.transforms.fourier import ComplexTransform
from ppl.distributions.transforms.matrix import (
    CholeskyTransform,
    CorrCholeskyTransform,
    CorrMatrixCholeskyTransform,
    LowerCholeskyTransform,
    ScaleCorrMatrixTransform,
    ScaledUnitLowerCholeskyTransform,
    SoftplusLowerCholeskyTransform,
)
from ppl.distributions.transforms.parts import CatTransform
from ppl.distributions.transforms.scalar import (
    AffineTransform,
    ExpTransform,
    HalfLineTransform,
    IdentityTransform,
    IntervalTransform,
    SigmoidTransform,
    SoftplusTransform,
)
from ppl.distributions.transforms.surfaces import L1BallTransform, ZeroSumTransform
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


@biject_to.register(constraints.Cat)
def _cat(constraint: constraints.Cat) -> Transform:
    parts = [biject_to(part) for part in constraint.cseq]
    if all(isinstance(part, IdentityTransform) for part in parts):
        return IdentityTransform(constraint)
    dim, lengths = constraint.dim, []
    for part, length in zip(parts, constraint.lengths, strict=True):
        dims = part.codomain.event_dim
        if dims == part.domain.event_dim == 0:
            lengths.append(length)
        elif dim == -1 and dims <= 1:
            lengths.append(part.inverse_shape((length,))[-1])
        else:
            raise ArgumentError(
                f"{constraint}: parts that are vectors must follow each other along "
                "the last dim, and parts that are matrices cannot.",
                value=constraint,
                hint="Give dim=-1, or make one site of each part.",
            )
    return CatTransform(parts, dim, lengths)


@biject_to.register(constraints.ZeroSum)
def _zero_sum(constraint: constraints.ZeroSum) -> Transform:
    return ZeroSumTransform(constraint.event_dim)


@biject_to.register(constraints.CovarianceOfScale)
def _covariance_of_scale(constraint: constraints.CovarianceOfScale) -> Transform:
    return ComposeTransform(
        (
            CorrCholeskyTransform(),
            CorrMatrixCholeskyTransform().inv,
            ScaleCorrMatrixTransform(constraint.scale),
        )
    )


# Constraints without parameters, each with its one bijector.
_FIXED: dict[type[Constraint], Transform] = {
    constraints.Real: IdentityTransform(),
    constraints.SoftplusPositive: SoftplusTransform(),
    constraints.Complex: ComplexTransform(),
    constraints.L1Ball: L1BallTransform(),
    constraints.Simplex: StickBreakingTransform(),
    constraints.OrderedVector: OrderedTransform(),
    constraints.PositiveOrderedVector: ComposeTransform(
        (OrderedTransform(), ExpTransform())
    ),
    constraints.LowerCholesky: LowerCholeskyTransform(),
    constraints.SoftplusLowerCholesky: SoftplusLowerCholeskyTransform(),
    constraints.ScaledUnitLowerCholesky: ScaledUnitLowerCholeskyTransform(),
    constraints.CorrCholesky: CorrCholeskyTransform(),
    constraints.PositiveDefinite: ComposeTransform(
        (LowerCholeskyTransform(), CholeskyTransform().inv)
    ),
    constraints.PositiveSemidefinite: ComposeTransform(
        (LowerCholeskyTransform(), CholeskyTransform().inv)
    ),
    constraints.CorrMatrix: ComposeTransform(
        (CorrCholeskyTransform(), CorrMatrixCholeskyTransform().inv)
    ),
}
for _kind, _bijector in _FIXED.items():
    biject_to.register(_kind, lambda _, bijector=_bijector: bijector)
