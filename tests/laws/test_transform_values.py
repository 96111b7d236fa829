"""Values of transforms by other means, and what single ones promise beyond the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.stats as st

import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t

MATRIX = np.array([[0.5, 0.2], [-0.3, 0.8]], np.float32)
X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
SHARES = np.array([[0.3, 0.1, 0.4, 0.2]], np.float32)

# What NumPyro calls the same: its class, its arguments, ours, and an argument of both.
TWINS = [
    ("ComplexTransform", (), X[:, :2]),
    ("DiscreteCosineTransform", (-1, 0.5), X),
    ("DiscreteCosineTransform", (-2,), X),
    ("HaarTransform", (-1, True), X),
    ("HaarTransform", (-2,), X),
    ("L1BallTransform", (), X),
    ("PackRealFastFourierCoefficientsTransform", ((6,),), X),
    ("RealFastFourierTransform", (), X),
    ("RealFastFourierTransform", ((5, 6), 2), X),
    ("RecursiveLinearTransform", (MATRIX, np.ones(2)), X[:, :2]),
    ("ScaledUnitLowerCholeskyTransform", (), X),
    ("SimplexToOrderedTransform", (0.0,), SHARES),
    ("SoftplusLowerCholeskyTransform", (), X),
    ("ZeroSumTransform", (1,), X),
    ("ZeroSumTransform", (2,), X),
]


@pytest.mark.parametrize(("name", "args", "x"), TWINS, ids=lambda x: str(x)[:20])
def test_values_are_those_of_numpyro(name, args, x):
    theirs = pytest.importorskip("numpyro.distributions.transforms")
    mine, other = getattr(t, name)(*args), getattr(theirs, name)(*args)
    y, log_det = mine.forward_and_log_det(x)
    want = other(x)
    np.testing.assert_allclose(y, want, rtol=2e-5, atol=2e-5)
    expected = other.log_abs_det_jacobian(jnp.asarray(x), want)
    np.testing.assert_allclose(log_det, np.real(expected), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(mine.inv(y), x, rtol=2e-4, atol=2e-4)


def test_frequencies_are_those_of_scipy():
    cosine = t.DiscreteCosineTransform()(X)
    np.testing.assert_allclose(cosine, scipy.fft.dct(X, norm="ortho"), atol=2e-6)
    fourier = t.RealFastFourierTransform()(X)
    np.testing.assert_allclose(fourier, scipy.fft.rfft(X), atol=1e-5)


def test_haar_sorts_by_scale():
    haar = t.HaarTransform()
    steps = np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0], np.float32)
    expected = np.zeros(8)
    expected[1] = np.sqrt(8.0)
    np.testing.assert_allclose(haar(steps), expected, atol=1e-6)
    basis = np.asarray(haar(np.eye(7, dtype=np.float32)))
    np.testing.assert_allclose(basis @ basis.T, np.eye(7), atol=1e-6)


def test_cuts_give_the_probabilities_back():
    cuts = t.SimplexToOrderedTransform(np.array([0.0, 2.0], np.float32))(SHARES)
    assert cuts.shape == (2, 3)
    for anchor, row in zip((0.0, 2.0), np.asarray(cuts), strict=True):
        below = st.logistic.cdf(row, loc=anchor)
        np.testing.assert_allclose(np.diff(below, prepend=0, append=1), SHARES[0], 1e-5)


def test_cuts_far_out_keep_positive_probabilities():
    transform = t.SimplexToOrderedTransform()
    cuts = np.array([-60.0, -50.0, 80.0], np.float32)
    shares = transform.inv(cuts)
    assert (shares > 0).all()
    np.testing.assert_allclose(np.log(shares[1]), -50.0 + np.log1p(-np.exp(-10.0)))
    gradient = jax.grad(lambda y: transform.inverse_and_log_det(y)[1])(cuts)
    assert np.isfinite(gradient).all()


def test_the_l1_ball_is_smooth_at_its_centre():
    inverse = t.L1BallTransform().inv
    np.testing.assert_allclose(jax.jacrev(inverse)(np.zeros(3, np.float32)), np.eye(3))
    near = np.array([0.6, -0.3, 0.05], np.float32)
    assert np.isfinite(jax.jacrev(inverse)(near)).all()


def test_recursion_is_the_loop():
    transform = t.RecursiveLinearTransform(np.stack([MATRIX, -MATRIX]))
    x = X[:4, :2]
    y = transform(x)
    assert y.shape == (2, 4, 2)
    assert transform.forward_shape(x.shape) == y.shape
    for sign, path in zip((1.0, -1.0), np.asarray(y), strict=True):
        state = np.zeros(2)
        for row, expected in zip(x, path, strict=True):
            state = sign * MATRIX @ state + row
            np.testing.assert_allclose(expected, state, rtol=1e-5)
    np.testing.assert_allclose(transform.inv(y)[1], x, atol=1e-6)


def test_absolute_values_are_no_bijection():
    transform = t.AbsTransform()
    np.testing.assert_array_equal(transform(np.array([-2.0, 3.0])), [2.0, 3.0])
    folded = dist.TransformedDistribution(dist.Normal(), transform)
    assert (folded.sample(jax.random.key(0), (9,)) >= 0).all()
    for use in (transform.inv, transform.forward_and_log_det, folded.log_prob):
        with pytest.raises(TypeError, match="no bijection"):
            use(1.0)


def test_a_vector_is_unpacked_into_a_tree():
    def unpack(x):
        return {"a": x[0], "b": x[1:].reshape(2, 2)}

    def pack(tree):
        return jnp.concatenate([tree["a"][None], tree["b"].ravel()])

    transform = t.UnpackTransform(unpack, pack)
    tree, log_det = jax.jit(transform.forward_and_log_det)(X[:, :5])
    assert jax.tree.map(jnp.shape, tree) == {"a": (5,), "b": (5, 2, 2)}
    np.testing.assert_array_equal(log_det, np.zeros(5))
    one = jax.tree.map(lambda leaf: leaf[1], tree)
    np.testing.assert_array_equal(transform.inv(one), X[1, :5])
    with pytest.raises(ValueError, match="pack_fn="):
        t.UnpackTransform(unpack).inv(one)


def test_parts_along_a_batch_dim_keep_their_determinants():
    transform = t.CatTransform([t.ExpTransform(), t.SigmoidTransform()], -2, [2, 3])
    y, log_det = transform.forward_and_log_det(X)
    np.testing.assert_allclose(log_det[:2], X[:2], rtol=1e-6)
    np.testing.assert_allclose(y[2:], 1 / (1 + np.exp(-X[2:])), rtol=1e-5)
    simplexes = c.cat([c.simplex, c.ordered_vector], -2, [2, 3])
    with pytest.raises(ValueError, match="must follow each other along the last dim"):
        t.biject_to(simplexes)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: t.ComplexTransform()(np.ones(3)), "is made of two"),
        (lambda: t.RealFastFourierTransform((3,))(np.ones(4)), "does not end in"),
        (lambda: t.RealFastFourierTransform((3, 2)), "has not 1 dims"),
        (
            lambda: t.PackRealFastFourierCoefficientsTransform().inv(np.ones(3)),
            "needs the length",
        ),
        (lambda: t.HaarTransform(0), "negative integer"),
        (lambda: t.RecursiveLinearTransform(np.ones((2, 3))), "square"),
        (lambda: t.RecursiveLinearTransform(MATRIX)(np.ones((4, 3))), "rows of 2"),
        (lambda: t.CatTransform([t.ExpTransform(), 3]), "is not a transform"),
    ],
)
def test_mistakes_are_named(use, says):
    with pytest.raises(ValueError, match=says):
        use()
