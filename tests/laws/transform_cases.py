"""The transforms that the laws of transforms are checked on."""

from typing import NamedTuple

import numpy as np

from ppl.distributions import constraints as c
from ppl.distributions import transforms as t


class TransformCase(NamedTuple):
    """A transform and the event shape of its arguments.

    `far` says what holds for arguments up to a thousand: the result is strictly
    "inside" the codomain, or is "finite", or may overflow (""). `spread` is the size of
    the free numbers that are tried: small where float32 would tell little otherwise.
    """

    name: str
    transform: t.Transform
    shape: tuple[int, ...] = ()
    far: str = "finite"
    spread: float = 1.0


TRIL = np.array([[2.0, 0.0, 0.0], [-0.5, 0.7, 0.0], [0.3, 1.1, 0.4]])
LOWS, HIGHS = np.array([-1.0, 0.0, 5.0]), np.array([1.0, 1e-3, 800.0])

TRANSFORMS = [
    TransformCase("identity", t.IdentityTransform(), (), "inside"),
    TransformCase("identity of matrices", t.IdentityTransform(c.real_matrix), (2, 3)),
    TransformCase("exp", t.ExpTransform(), (), "inside"),
    TransformCase("affine", t.AffineTransform(-3.0, 0.25), (), "inside"),
    TransformCase("falling affine", t.AffineTransform(1.0, -2.0), (), "inside"),
    TransformCase("affine of positives", t.AffineTransform(2.0, -3.0, c.positive)),
    TransformCase(
        "affine of vectors",
        t.AffineTransform(LOWS, np.array([0.1, -1.0, 7.0]), c.real_vector),
        (3,),
    ),
    TransformCase("sigmoid", t.SigmoidTransform(), (), "inside"),
    TransformCase("interval", t.IntervalTransform(-2.0, 5.0), (), "inside"),
    TransformCase("narrow interval", t.IntervalTransform(100.0, 100.5), (), "inside"),
    TransformCase(
        "intervals",
        t.biject_to(c.independent(c.interval(LOWS, HIGHS), 1)),
        (3,),
        "inside",
    ),
    TransformCase("half line", t.HalfLineTransform(10.0), (), "inside"),
    TransformCase("lower half line", t.HalfLineTransform(-0.1, -1), (), "inside"),
    TransformCase("softplus", t.SoftplusTransform(), (), "inside"),
    TransformCase("square", t.PowerTransform(2.0)),
    TransformCase("inverse root", t.PowerTransform(-0.5)),
    TransformCase("stick breaking of 2", t.StickBreakingTransform(), (1,), "inside"),
    TransformCase("stick breaking of 6", t.StickBreakingTransform(), (5,), "inside"),
    TransformCase("ordered", t.OrderedTransform(), (4,)),
    TransformCase("positive ordered", t.biject_to(c.positive_ordered_vector), (3,)),
    TransformCase("Cholesky factor", t.LowerCholeskyTransform(), (6,), "inside"),
    TransformCase("correlation factor of 2", t.CorrCholeskyTransform(), (1,), "inside"),
    TransformCase("correlation factor of 4", t.CorrCholeskyTransform(), (6,), "inside"),
    TransformCase("covariance", t.biject_to(c.positive_definite), (6,), "", 0.4),
    TransformCase("correlation", t.biject_to(c.corr_matrix), (6,), "finite", 0.5),
    TransformCase("factor a covariance", t.CholeskyTransform(), (3, 3), "", 0.4),
    TransformCase(
        "factor a correlation", t.CorrMatrixCholeskyTransform(), (3, 3), "", 0.5
    ),
    TransformCase(
        "affine by a factor",
        t.LowerCholeskyAffine(np.array([1.0, 0.0, -9.0]), TRIL),
        (3,),
    ),
    TransformCase(
        "permute", t.PermuteTransform(np.array([2, 0, 3, 1])), (4,), "inside"
    ),
    TransformCase("reshape", t.ReshapeTransform((3, 2), (6,)), (6,), "inside"),
    TransformCase(
        "reshape to one dim", t.ReshapeTransform((4,), (2, 2)), (2, 2), "inside"
    ),
    TransformCase(
        "independent", t.IndependentTransform(t.ExpTransform(), 2), (2, 2), "inside"
    ),
    TransformCase(
        "logistic, then scaled",
        t.ComposeTransform([t.SigmoidTransform(), t.AffineTransform(3.0, -2.0)]),
    ),
    TransformCase(
        "numbers, then a vector",
        t.ComposeTransform([t.AffineTransform(0.5, 2.0), t.StickBreakingTransform()]),
        (3,),
        "inside",
    ),
    TransformCase(
        "a vector, then numbers",
        t.ComposeTransform([t.OrderedTransform(), t.AffineTransform(0.5, 2.0)]),
        (3,),
        "",
    ),
    TransformCase("log", t.ExpTransform().inv),
    TransformCase("logit", t.SigmoidTransform().inv),
    TransformCase("unbroken stick", t.StickBreakingTransform().inv, (4,)),
    TransformCase("free correlation factor", t.CorrCholeskyTransform().inv, (3, 3)),
]
