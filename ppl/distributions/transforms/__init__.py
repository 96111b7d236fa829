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
from ppl.distributions.transforms.fourier import (
    ComplexTransform,
    DiscreteCosineTransform,
    HaarTransform,
    PackRealFastFourierCoefficientsTransform,
    RealFastFourierTransform,
)
from ppl.distributions.transforms.matrix import (
    CholeskyTransform,
    CorrCholeskyTransform,
    CorrMatrixCholeskyTransform,
    LowerCholeskyTransform,
    ScaleCorrMatrixTransform,
    ScaledUnitLowerCholeskyTransform,
    SoftplusLowerCholeskyTransform,
)
from ppl.distributions.transforms.monotone import AbstractMonotoneTransform
from ppl.distributions.transforms.parts import CatTransform, UnpackTransform
from ppl.distributions.transforms.recursive import RecursiveLinearTransform
from ppl.distributions.transforms.scalar import (
    AbsTransform,
    AffineTransform,
    ExpTransform,
    HalfLineTransform,
    IdentityTransform,
    IntervalTransform,
    PowerTransform,
    SigmoidTransform,
    SoftplusTransform,
)
from ppl.distributions.transforms.surfaces import (
    L1BallTransform,
    SimplexToOrderedTransform,
    ZeroSumTransform,
)
from ppl.distributions.transforms.vector import (
    LowerCholeskyAffine,
    OrderedTransform,
    PermuteTransform,
    ReshapeTransform,
    StickBreakingTransform,
)

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "BijectionRegistry",
    "CatTransform",
    "CholeskyTransform",
    "ComplexTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CorrMatrixCholeskyTransform",
    "DiscreteCosineTransform",
    "ExpTransform",
    "HaarTransform",
    "HalfLineTransform",
    "IdentityTransform",
    "IndependentTransform",
    "IntervalTransform",
    "InverseTransform",
    "L1BallTransform",
    "LowerCholeskyAffine",
    "LowerCholeskyTransform",
    "AbstractMonotoneTransform",
    "OrderedTransform",
    "PackRealFastFourierCoefficientsTransform",
    "PermuteTransform",
    "PowerTransform",
    "RealFastFourierTransform",
    "RecursiveLinearTransform",
    "ReshapeTransform",
    "ScaledUnitLowerCholeskyTransform",
    "ScaleCorrMatrixTransform",
    "SigmoidTransform",
    "SimplexToOrderedTransform",
    "SoftplusLowerCholeskyTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "Transform",
    "UnpackTransform",
    "ZeroSumTransform",
    "biject_to",
]
