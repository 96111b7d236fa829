"""The transforms that the laws of transforms are checked on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.linalg import null_space

from ppl.distributions import constraints as c
from ppl.distributions import transforms as t


class TransformCase(NamedTuple):
    """A transform and the event shape of its arguments.

    `far` says what holds for arguments up to a thousand: the result is strictly
    "inside" the codomain, or is "finite", or may overflow (""). `spread` is the size of
    the free numbers that are tried: small where float32 would tell little otherwise.
    `free` picks the coordinates of a result that may be chosen freely, where the law
    cannot know them from the codomain.
    """

    name: str
    transform: t.Transform
    shape: tuple[int, ...] = ()
    far: str = "finite"
    spread: float = 1.0
    free: Callable[[Any], Any] | None = None


def parts_of_complex(value):
    return jnp.stack([value.real, value.imag], -1).ravel()


def free_coefficients(*shape):
    """The free real numbers among the Fourier coefficients of a real array."""
    freq = np.indices((*shape[:-1], shape[-1] // 2 + 1)).reshape(len(shape), -1).T
    seen, real, imaginary = set(), [], []
    for place, index in enumerate(map(tuple, freq)):
        mirror = tuple(-i % n for i, n in zip(index, shape, strict=True))
        if mirror in seen:
            continue
        seen.add(index)
        real.append(place)
        if mirror != index:
            imaginary.append(place)

    def pick(value):
        flat = value.ravel()
        return jnp.concatenate(
            [flat.real[np.array(real)], flat.imag[np.array(imaginary)]]
        )

    return pick


def on_the_plane(*shape):
    """Coordinates in an orthonormal basis of the arrays that sum to zero."""
    bases = [null_space(np.ones((1, n))) for n in shape]

    def pick(value):
        for axis, basis in enumerate(bases):
            value = jnp.moveaxis(jnp.moveaxis(value, axis, -1) @ basis, -1, axis)
        return value.ravel()

    return pick


def but_last_of_simplex(value):
    """Of a number, then a simplex of 3."""
    return value[:3]


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
    TransformCase(
        "softplus factor", t.SoftplusLowerCholeskyTransform(), (6,), "inside"
    ),
    TransformCase(
        "scaled unit factor", t.ScaledUnitLowerCholeskyTransform(), (6,), "inside"
    ),
    TransformCase("l1 ball", t.L1BallTransform(), (3,), "inside", 0.5),
    TransformCase("cuts of a simplex", t.SimplexToOrderedTransform(0.3), (4,)),
    TransformCase(
        "simplex of cuts", t.SimplexToOrderedTransform(-1.0).inv, (3,), "", 0.5
    ),
    TransformCase(
        "zero sum", t.ZeroSumTransform(), (3,), "finite", 1.0, on_the_plane(4)
    ),
    TransformCase(
        "zero sum of matrices",
        t.ZeroSumTransform(2),
        (2, 3),
        "finite",
        1.0,
        on_the_plane(3, 4),
    ),
    TransformCase("complex", t.ComplexTransform(), (2,), "", 1.0, parts_of_complex),
    TransformCase(
        "Fourier, even",
        t.RealFastFourierTransform(),
        (6,),
        "",
        1.0,
        free_coefficients(6),
    ),
    TransformCase(
        "Fourier of matrices",
        t.RealFastFourierTransform((4, 3), 2),
        (4, 3),
        "",
        1.0,
        free_coefficients(4, 3),
    ),
    TransformCase(
        "packed coefficients, odd",
        t.PackRealFastFourierCoefficientsTransform((5,)),
        (5,),
        "",
        1.0,
        free_coefficients(5),
    ),
    TransformCase(
        "packed coefficients, even",
        t.PackRealFastFourierCoefficientsTransform((4,)),
        (4,),
        "",
        1.0,
        free_coefficients(4),
    ),
    TransformCase("cosine", t.DiscreteCosineTransform(smooth=1.0), (5,), "inside"),
    TransformCase("cosine of columns", t.DiscreteCosineTransform(-2), (4, 2), "inside"),
    TransformCase("Haar", t.HaarTransform(flip=True), (7,), "inside"),
    TransformCase("Haar of columns", t.HaarTransform(-2), (4, 2), "inside"),
    TransformCase(
        "recursion",
        t.RecursiveLinearTransform(TRIL[:2, :2] / 3, np.array([1.0, -1.0])),
        (4, 2),
        "inside",
    ),
    TransformCase(
        "parts that are numbers",
        t.CatTransform([t.ExpTransform(), t.AffineTransform(1.0, 2.0)], -1, [2, 1]),
        (3,),
        "inside",
    ),
    TransformCase(
        "parts of which one grows",
        t.CatTransform(
            [t.biject_to(c.real_vector), t.StickBreakingTransform()], -1, [1, 2]
        ),
        (3,),
        "inside",
        1.0,
        but_last_of_simplex,
    ),
]
