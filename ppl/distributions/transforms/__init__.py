"""Transforms: bijections that give value and log-determinant together.

`t(x)` maps, `t.inv(y)` maps back, `t.forward_and_log_det(x)` gives the value and the
logarithm of the Jacobian's absolute determinant, and `biject_to(constraint)` is the
transform from real numbers onto a constraint. Names are NumPyro's.
"""

from ppl.distributions.transforms.base import (
    ComposeTransform,
    IndependentTransform,
    InverseTransform,
    Transform,
)
from ppl.distributions.transforms.biject_to import BijectionRegistry, biject_to
from ppl.distributions.transforms.matrix import (
    CholeskyTransform,
    CorrCholeskyTransform,
    CorrMatrixCholeskyTransform,
    LowerCholeskyTransform,
    ScaleCorrMatrixTransform,
)
from ppl.distributions.transforms.monotone import AbstractMonotoneTransform
from ppl.distributions.transforms.scalar import (
    AffineTransform,
    ExpTransform,
    HalfLineTransform,
    IdentityTransform,
    IntervalTransform,
    PowerTransform,
    SigmoidTransform,
    SoftplusTransform,
)
from ppl.distributions.transforms.vector import (
    LowerCholeskyAffine,
    OrderedTransform,
    PermuteTransform,
    ReshapeTransform,
    StickBreakingTransform,
)

__all__ = [
    "AffineTransform",
    "BijectionRegistry",
    "CholeskyTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CorrMatrixCholeskyTransform",
    "ExpTransform",
    "HalfLineTransform",
    "IdentityTransform",
    "IndependentTransform",
    "IntervalTransform",
    "InverseTransform",
    "LowerCholeskyAffine",
    "LowerCholeskyTransform",
    "AbstractMonotoneTransform",
    "OrderedTransform",
    "PermuteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "ScaleCorrMatrixTransform",
    "SigmoidTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "Transform",
    "biject_to",
]
