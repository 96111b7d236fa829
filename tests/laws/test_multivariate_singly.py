"""The multivariate families and the wrappers one by one, and mistakes with them."""

import jax
import numpy as np
import pytest
import scipy.stats as st

import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from ppl.distributions.distribution import checks_deferred
from tests.laws.facts_multivariate import assert_close


def test_shapes_of_the_families_that_have_no_case():
    delta = dist.Delta(np.ones((4, 3)), event_dim=1).expand((2, 4))
    assert (delta.batch_shape, delta.event_shape) == ((2, 4), (3,))
    assert delta.sample(jax.random.key(0), (5,)).shape == (5, 2, 4, 3)
    assert delta.log_prob(np.ones(3)).shape == (2, 4)
    assert dist.Delta(3).sample(jax.random.key(0)).dtype == np.int32
    assert dist.Delta(np.zeros(2), np.zeros((5, 1))).batch_shape == (5, 2)
    np.testing.assert_array_equal(dist.Delta(2.0).cdf(np.array([1.0, 2.0])), [0.0, 1.0])

    unit = dist.Unit(np.array([1.0, 2.0]))
    assert unit.shape((3,)) == (3, 2, 0)
    assert unit.log_prob(unit.sample(jax.random.key(0), (3,))).shape == (3, 2)

    flat = dist.ImproperUniform(c.simplex, (2,), (4, 3))
    assert flat.support == c.independent(c.simplex, 1)
    assert flat.log_prob(np.ones((5, 2, 4, 3))).shape == (5, 2)
    assert flat.expand((7, 2)).batch_shape == (7, 2)


def test_matrices_of_the_multivariate_normal_agree():
    scale = np.array([[2.0, 0.0], [0.5, 0.3]])
    covariance = scale @ scale.T
    for given in (
        {"scale_tril": scale},
        {"covariance_matrix": covariance},
        {"precision_matrix": np.linalg.inv(covariance)},
    ):
        for traced in (False, True):
            make = (
                jax.jit(dist.MultivariateNormal) if traced else dist.MultivariateNormal
            )
            d = make(0.0, **given)
            assert_close(d.scale_tril, scale, 1e-5)
            assert_close(d.covariance_matrix, covariance, 1e-5)
            assert_close(d.precision_matrix, np.linalg.inv(covariance), 1e-4)
            assert_close(d.variance, np.diag(covariance), 1e-5)


def test_many_vectors_share_one_factorisation():
    d = dist.MultivariateNormal(np.zeros((50, 3)), scale_tril=np.eye(3))
    traced = str(jax.make_jaxpr(d.log_prob)(np.zeros((7, 50, 3))))
    assert "triangular_solve" in traced
    assert "f32[3,350]" in traced
    assert "cholesky" not in traced


def test_transformed_follows_a_named_family():
    d = dist.TransformedDistribution(
        dist.Normal(np.array([0.1, -1.0]), 0.4), t.ExpTransform()
    )
    same = st.lognorm(0.4, scale=np.exp([0.1, -1.0]))
    x, q = np.array([[0.2, 0.5], [1.0, 3.0]]), np.array([[0.1], [0.9]])
    cdf, icdf = jax.jit(d.cdf), jax.jit(d.icdf)
    assert_close(jax.jit(d.log_prob)(x), same.logpdf(x), 1e-5)
    assert_close(cdf(x), same.cdf(x), 1e-5)
    assert_close(icdf(q), same.ppf(q), 1e-5)
    assert_close(cdf(np.array([-1.0, np.inf])), [0.0, 1.0], 1e-6)

    falling = dist.TransformedDistribution(
        dist.Normal(0.0, 1.0), [t.ExpTransform(), t.AffineTransform(3.0, -2.0)]
    )
    assert falling.support == c.less_than(3.0)
    cdf, icdf = jax.jit(falling.cdf), jax.jit(falling.icdf)
    assert_close(cdf(icdf(q)), q, 1e-5)
    assert_close(cdf(np.array([3.0, 4.0])), [1.0, 1.0], 1e-6)


def test_transformed_has_the_dims_that_its_parts_make():
    affine = t.AffineTransform(np.zeros((2, 3)), 1.0)
    d = dist.TransformedDistribution(dist.Normal(), affine)
    draw = d.sample(jax.random.key(0))
    assert d.batch_shape == (2, 3)
    assert len(np.unique(draw)) == 6

    one = dist.Normal().expand((1,))
    whole = t.LowerCholeskyAffine(np.zeros(3), np.eye(3))
    d = dist.TransformedDistribution(one, whole)
    assert (d.batch_shape, d.event_shape) == ((), (3,))
    assert len(np.unique(d.sample(jax.random.key(0)))) == 3

    rows = dist.Normal(np.zeros((2, 6)), 1.0)
    d = dist.TransformedDistribution(rows, t.ReshapeTransform((3, 2), (6,)))
    assert (d.batch_shape, d.event_shape) == ((2,), (3, 2))


# --- mistakes -------------------------------------------------------------------------

NORMAL = dist.MultivariateNormal
MISTAKES = [
    (
        lambda: dist.Dirichlet(np.array([1.0, 0.0])),
        r"concentration = \[1.0, 0.0\].*> 0",
    ),
    (lambda: dist.Dirichlet(2.0), "at least 1 dim"),
    (lambda: NORMAL(0.0), "exactly one of .* got none"),
    (
        lambda: NORMAL(0.0, covariance_matrix=np.eye(2), scale_tril=np.eye(2)),
        "exactly one",
    ),
    (
        lambda: NORMAL(0.0, [[1.0, 2.0], [2.0, 1.0]]),
        r"not positive definite, smallest eigenvalue -1\.0",
    ),
    (
        lambda: NORMAL(0.0, precision_matrix=np.stack([np.eye(2), -np.eye(2)])),
        r"precision_matrix not positive definite.* of matrix \[1\]",
    ),
    (
        lambda: NORMAL(0.0, [[1.0, 2.0], [0.5, 9.0]]),
        r"not symmetric, largest asymmetry 1\.5 between \[0, 1\] and \[1, 0\]",
    ),
    (lambda: NORMAL(0.0, [[1.0, np.nan], [np.nan, 1.0]]), "must be finite"),
    (lambda: NORMAL(0.0, np.ones((2, 3))), r"must be square.*\(2, 3\)"),
    (lambda: NORMAL(np.zeros(3), np.eye(2)), "loc of shape .* has 3 components"),
    (lambda: NORMAL(np.nan, np.eye(2)), "loc = .* must be finite"),
    (lambda: NORMAL(0.0, scale_tril=[[1.0, 2.0], [0.0, 1.0]]), "lower Cholesky factor"),
    (lambda: NORMAL(np.zeros((3, 2)), np.stack([np.eye(2)] * 2)), "do not broadcast"),
    (lambda: dist.LKJCholesky(1), "dimension must be an integer >= 2"),
    (lambda: dist.LKJCholesky(2.5), "dimension must be an integer >= 2"),
    (lambda: dist.LKJCholesky(2, 0.0), "concentration = 0.0.* must be > 0"),
    (lambda: dist.LKJCholesky(2, sample_method="vine"), "'onion' or 'cvine'"),
    (lambda: dist.Delta(1.0, np.nan), "log_density = nan"),
    (lambda: dist.Delta(1.0, event_dim=1), "fewer than event_dim"),
    (lambda: dist.Unit(np.inf), "below infinity"),
    (lambda: dist.ImproperUniform(c.simplex, (), ()), "too few dims"),
    (lambda: dist.TransformedDistribution(dist.Normal(), "exp"), "not a transform"),
    (
        lambda: dist.TransformedDistribution(dist.Normal(), t.OrderedTransform()),
        "expand",
    ),
    (
        lambda: dist.TransformedDistribution(
            dist.Normal(np.zeros(2), 1.0).to_event(1),
            t.AffineTransform(np.zeros(3), 1.0),
        ),
        "broadcast",
    ),
]


@pytest.mark.parametrize(("make", "says"), MISTAKES)
def test_mistakes_are_told(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_what_cannot_be_done_says_so():
    flat = dist.ImproperUniform(c.real, (), ())
    with pytest.raises(TypeError, match="no total mass"):
        flat.sample(jax.random.key(0))
    d = dist.TransformedDistribution(dist.Normal(), t.ExpTransform())
    with pytest.raises(TypeError, match="no closed-form"):
        _ = d.mean
    normals = dist.Normal(np.zeros(2), 1.0)
    simplex = dist.TransformedDistribution(normals, t.StickBreakingTransform())
    with pytest.raises(TypeError, match="not monotone"):
        simplex.cdf(np.ones(3) / 3)


def test_checks_wait_for_the_site():
    with checks_deferred():
        d = dist.MultivariateNormal(0.0, scale_tril=-np.eye(2))
        lkj = dist.LKJCholesky(2, -1.0)
        base = dist.TransformedDistribution(dist.Normal(0.0, -1.0), t.ExpTransform())
    for wrong in (d, lkj, base):
        with pytest.raises(ValueError, match="site 'x': .*must be"):
            wrong.check_parameters(site="x")
    trusted = dist.MultivariateNormal(0.0, -np.eye(2), validate_args=False)
    assert np.isnan(trusted.scale_tril).all()
