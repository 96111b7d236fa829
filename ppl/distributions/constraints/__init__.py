"""Constraints: the sets in which values and parameters must lie, under NumPyro's names.

A constraint is a value, not a class to test for: `constraint(x)` says, elementwise
over the batch, whether `x` lies in the set. NumPy arrays are judged by NumPy, so that
checking concrete parameters compiles nothing; traced arrays by `jax.numpy`.
"""

import math

from ppl.distributions.constraints.arrays import (
    CorrCholesky,
    CorrMatrix,
    CovarianceOfScale,
    LowerCholesky,
    OrderedVector,
    PositiveDefinite,
    PositiveOrderedVector,
    PositiveSemidefinite,
    ScaledUnitLowerCholesky,
    Simplex,
    SoftplusLowerCholesky,
    Sphere,
)
from ppl.distributions.constraints.base import (
    AbstractByValue,
    Constraint,
    Dependent,
    IndependentConstraint,
    namespace,
    shape_of,
)
from ppl.distributions.constraints.numbers import (
    Boolean,
    Complex,
    GreaterThan,
    GreaterThanEq,
    HalfLine,
    Integer,
    IntegerGreaterThan,
    IntegerInterval,
    Interval,
    LessThan,
    LessThanEq,
    OpenInterval,
    Real,
    SoftplusPositive,
)
from ppl.distributions.constraints.vectors import (
    Cat,
    L1Ball,
    Multinomial,
    PositiveDefiniteCirculantVector,
    ZeroSum,
)

boolean = Boolean()
cat = Cat
circular = Interval(-math.pi, math.pi)
complex = Complex()
corr_cholesky = CorrCholesky()
corr_matrix = CorrMatrix()
covariance_of_scale = CovarianceOfScale
dependent = Dependent()
greater_than = GreaterThan
greater_than_eq = GreaterThanEq
independent = IndependentConstraint
integer = Integer()
integer_greater_than = IntegerGreaterThan
integer_interval = IntegerInterval
interval = Interval
l1_ball = L1Ball()
less_than = LessThan
less_than_eq = LessThanEq
lower_cholesky = LowerCholesky()
multinomial = Multinomial
nonnegative = GreaterThanEq(0.0)
nonnegative_integer = IntegerGreaterThan(0)
open_interval = OpenInterval
ordered_vector = OrderedVector()
positive = GreaterThan(0.0)
positive_definite = PositiveDefinite()
positive_definite_circulant_vector = PositiveDefiniteCirculantVector()
positive_integer = IntegerGreaterThan(1)
positive_ordered_vector = PositiveOrderedVector()
positive_semidefinite = PositiveSemidefinite()
real = Real()
real_matrix = IndependentConstraint(real, 2)
real_vector = IndependentConstraint(real, 1)
scaled_unit_lower_cholesky = ScaledUnitLowerCholesky()
simplex = Simplex()
softplus_lower_cholesky = SoftplusLowerCholesky()
softplus_positive = SoftplusPositive()
sphere = Sphere()
unit_interval = Interval(0.0, 1.0)
zero_sum = ZeroSum


def is_dependent(constraint: Constraint) -> bool:
    """Whether the set depends on what is not known here."""
    while isinstance(constraint, IndependentConstraint):
        constraint = constraint.base
    return isinstance(constraint, Dependent)


__all__ = [
    "Boolean",
    "Cat",
    "AbstractByValue",
    "Constraint",
    "Complex",
    "CorrCholesky",
    "CorrMatrix",
    "CovarianceOfScale",
    "Dependent",
    "GreaterThan",
    "GreaterThanEq",
    "HalfLine",
    "IndependentConstraint",
    "Integer",
    "IntegerGreaterThan",
    "L1Ball",
    "IntegerInterval",
    "Interval",
    "LessThan",
    "LessThanEq",
    "LowerCholesky",
    "Multinomial",
    "OpenInterval",
    "OrderedVector",
    "PositiveDefinite",
    "PositiveDefiniteCirculantVector",
    "PositiveOrderedVector",
    "PositiveSemidefinite",
    "Real",
    "ScaledUnitLowerCholesky",
    "Simplex",
    "SoftplusLowerCholesky",
    "SoftplusPositive",
    "Sphere",
    "ZeroSum",
    "boolean",
    "cat",
    "circular",
    "complex",
    "corr_cholesky",
    "corr_matrix",
    "covariance_of_scale",
    "dependent",
    "greater_than",
    "greater_than_eq",
    "independent",
    "integer",
    "integer_greater_than",
    "integer_interval",
    "interval",
    "is_dependent",
    "l1_ball",
    "less_than",
    "less_than_eq",
    "lower_cholesky",
    "multinomial",
    "namespace",
    "nonnegative",
    "nonnegative_integer",
    "open_interval",
    "ordered_vector",
    "positive",
    "positive_definite",
    "positive_definite_circulant_vector",
    "positive_integer",
    "positive_ordered_vector",
    "positive_semidefinite",
    "real",
    "real_matrix",
    "real_vector",
    "scaled_unit_lower_cholesky",
    "shape_of",
    "simplex",
    "softplus_lower_cholesky",
    "softplus_positive",
    "sphere",
    "unit_interval",
    "zero_sum",
]
