"""Laws of the multivariate families and of the wrappers around distributions."""

import pickle
from functools import cache

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import scipy.stats as st

import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from ppl.distributions.distribution import checks_deferred
from tests.laws.cases_multivariate import CASES

DRAWS = 20_000
ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
INTEGRABLE = [case for case in CASES if case.grid]


def log_prob(case):
    return jax.jit(lambda params, value: case.make(**params).log_prob(value))


@cache
def draws(case):
    """Draws in float32, as NumPy arrays."""
    sample = jax.jit(lambda params, key: case.make(**params).sample(key, (DRAWS,)))
    return np.asarray(sample(case.rounded(np.float32), jax.random.key(11)))


def close(a, b, tolerance):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    np.testing.assert_array_less(abs(a - b), tolerance * (1 + abs(b)))


def truth(case, params, points):
    with mp.workdps(50):
        return np.array([float(case.density(x, **params)) for x in points])


# --- densities ------------------------------------------------------------------------


@ALL
def test_density_in_float32(case):
    params, points = case.rounded(np.float32), draws(case)[:25]
    close(log_prob(case)(params, points), truth(case, params, points), 2e-5)


@ALL
def test_density_in_float64(case, x64):
    params, points = case.rounded(np.float64), draws(case)[:10].astype(np.float64)
    if isinstance(case.build().support, c.Simplex):
        points /= points.sum(-1, keepdims=True)
    result = log_prob(case)(params, points)
    assert result.dtype == np.float64
    close(result, truth(case, params, points), 1e-12)


@ALL
def test_gradients_are_finite(case):
    params, points = case.rounded(np.float32), draws(case)[:100]
    floats = {k: v for k, v in params.items() if v.dtype != bool}

    def density(floats, value):
        return case.make(**{**params, **floats}).log_prob(value)

    gradient = jax.jit(jax.vmap(jax.grad(density, (0, 1)), (None, 0)))
    for leaf in jax.tree.leaves(gradient(floats, points)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("case", INTEGRABLE, ids=lambda case: case.name)
def test_density_integrates_to_one_and_to_the_moments(case, x64):
    d = case.build(np.float64)
    onto = t.biject_to(d.support)
    (dims,) = onto.inverse_shape(d.event_shape) or (1,)
    reach, step = case.grid
    axis = np.arange(-reach, reach + step, step)
    free = np.stack(np.meshgrid(*[axis] * dims, indexing="ij"), -1).reshape(-1, dims)
    free = free if d.event_shape else free[:, 0]

    @jax.jit
    def integrals(free):
        value, log_det = onto.forward_and_log_det(free)
        log_prob = d.log_prob(value)
        weight = jnp.exp(log_prob + log_det) * step**dims
        over = weight.reshape(-1, *[1] * len(d.event_shape))
        mean = (over * value).sum(0)
        variance = (over * (value - mean) ** 2).sum(0)
        return weight.sum(), mean, variance, -(weight * log_prob).sum()

    total, mean, variance, entropy = integrals(free)
    close(total, 1.0, 1e-8)
    integrated = {"mean": mean, "variance": variance, "entropy": entropy}
    for name in case.closed:
        known = getattr(d, name)
        close(known() if name == "entropy" else known, integrated[name], 1e-6)

    values = draws(case).astype(np.float64)
    assert z_scores(values, mean, variance).max() < 5
    surprise = -np.asarray(log_prob(case)(case.rounded(np.float64), values))
    z = (surprise.mean() - entropy) / (surprise.std() / DRAWS**0.5)
    assert abs(z) < 5


OUTSIDE = [
    (dist.Dirichlet(np.array([2.0, 3.0])), [0.5, 0.6], -np.inf),
    (dist.Dirichlet(np.array([2.0, 3.0])), [-0.5, 1.5], -np.inf),
    (dist.Dirichlet(np.array([2.0, 3.0])), [0.0, 1.0], -np.inf),
    (dist.Dirichlet(np.array([1.0, 3.0])), [0.0, 1.0], np.log(3.0)),
    (dist.Dirichlet(np.array([0.5, 3.0])), [0.0, 1.0], np.inf),
    (dist.LKJCholesky(2), [[1.0, 0.0], [0.6, 0.7]], -np.inf),
    (dist.LKJCholesky(2), [[1.0, 0.6], [0.0, 0.8]], -np.inf),
    (dist.TransformedDistribution(dist.Normal(), t.ExpTransform()), -1.0, -np.inf),
    (dist.TransformedDistribution(dist.Normal(), t.ExpTransform()), 0.0, -np.inf),
    (dist.Delta(2.0), 2.5, -np.inf),
    (dist.Delta(2.0, 0.25), 2.0, 0.25),
    (dist.Delta(np.array([1, 2]), event_dim=1), [1, 2], 0.0),
    (dist.Delta(np.array([1, 2]), event_dim=1), [1, 3], -np.inf),
    (dist.Unit(-3.5), np.zeros(0), -3.5),
    (dist.Unit(-np.inf), np.zeros(0), -np.inf),
    (dist.ImproperUniform(c.positive, (), ()), 3.0, 0.0),
]


@pytest.mark.parametrize(("d", "value", "expected"), OUTSIDE)
def test_density_at_and_beyond_the_edge(d, value, expected):
    value = np.asarray(value, np.float32)
    np.testing.assert_allclose(jax.jit(d.log_prob)(value), expected, rtol=1e-6)


# --- draws ----------------------------------------------------------------------------


def z_scores(values, mean, variance):
    """How many standard errors the draws' means and variances are off."""
    mean, variance = np.broadcast_to(mean, values.shape[1:]), np.asarray(variance)
    centred = values - values.mean(0)
    fixed = np.broadcast_to(variance < 1e-14, values.shape[1:])
    np.testing.assert_allclose(values.mean(0)[fixed], mean[fixed], atol=1e-6)
    se_mean = np.sqrt(centred.var(0) / DRAWS)
    se_variance = np.sqrt((centred**2).var(0) / DRAWS)
    z_mean = abs(values.mean(0) - mean) / np.where(fixed, np.inf, se_mean)
    z_variance = abs(values.var(0) - variance) / np.where(fixed, np.inf, se_variance)
    return np.maximum(z_mean, z_variance)


@ALL
def test_draws_lie_in_the_support_and_have_the_moments(case):
    params, values = case.rounded(np.float32), draws(case)
    d = case.build()
    assert values.shape == (DRAWS, *d.event_shape)
    assert np.all(d.support(values))
    assert np.isfinite(log_prob(case)(params, values)).all()
    if "mean" in case.closed:
        assert z_scores(values.astype(float), d.mean, d.variance).max() < 5
    if "entropy" in case.closed:
        surprise = -np.asarray(log_prob(case)(params, values), np.float64)
        error = max(surprise.std() / DRAWS**0.5, 1e-4)
        assert abs(surprise.mean() - d.entropy()) / error < 5


EXTREME = np.array([1e-6, 1e-3, 1.0, 1e3, 1e6], np.float32)


@pytest.mark.parametrize(
    "d",
    [dist.Dirichlet(np.stack([EXTREME] * 3, -1)), dist.LKJCholesky(3, EXTREME)],
    ids=["Dirichlet", "LKJCholesky"],
)
def test_draws_of_extreme_families_stay_inside(d):
    def judged(key):
        values = d.sample(key, (2000,))
        return d.support(values), d.log_prob(values)

    inside, log_prob = jax.jit(judged)(jax.random.key(0))
    assert np.all(inside)
    assert np.isfinite(log_prob).all()


REPARAMETERISED = [case for case in CASES if case.build().has_rsample]


@pytest.mark.parametrize("case", REPARAMETERISED, ids=lambda case: case.name)
def test_draws_can_be_differentiated(case):
    params = case.rounded(np.float32)
    floats = {k: v for k, v in params.items() if v.dtype != bool}

    @jax.jit
    @jax.jacfwd
    def slope(floats):
        d = case.make(**{**params, **floats})
        return d.rsample(jax.random.key(3), (20,))

    slopes = jax.tree.leaves(slope(floats))
    assert all(np.isfinite(leaf).all() for leaf in slopes)
    assert any(np.any(leaf != 0) for leaf in slopes)


# --- batches --------------------------------------------------------------------------


def stacked(case, factors):
    """Parameter sets that differ by factors, along new leading dims."""

    def scaled(value):
        if value.dtype == bool:
            return np.broadcast_to(value, factors.shape + value.shape)
        return (factors.reshape(factors.shape + (1,) * value.ndim) * value).astype(
            np.float32
        )

    return jax.tree.map(scaled, case.rounded(np.float32))


@ALL
def test_mapping_over_parameters_is_the_loop(case):
    factors = np.array([[1.0, 1.5, 2.0], [0.7, 0.9, 3.0]])
    params, values = stacked(case, factors), draws(case)[:6]
    density = log_prob(case)
    picked = [jax.tree.map(lambda p, i=i: p[i], params) for i in np.ndindex(2, 3)]
    expected = [density(p, v) for p, v in zip(picked, values, strict=True)]
    expected = np.reshape(expected, (2, 3))
    values = values.reshape(2, 3, *values.shape[1:])

    @jax.jit
    def in_each_way(params, values):
        batched = case.make(**params)
        flat = jax.tree.map(lambda p: p.reshape(6, *p.shape[2:]), params)
        mapped = jax.vmap(lambda p: case.make(**p))(flat)
        twice = jax.vmap(jax.vmap(lambda p: case.make(**p)))(params)
        nested = jax.vmap(jax.vmap(lambda p, x: case.make(**p).log_prob(x)))
        assert batched.batch_shape == twice.batch_shape == (2, 3)
        assert mapped.batch_shape == (6,)
        assert {d.event_shape for d in (batched, mapped, twice)} == {values.shape[2:]}
        return [
            batched.log_prob(values),
            mapped.log_prob(values.reshape(6, *values.shape[2:])).reshape(2, 3),
            twice.log_prob(values),
            nested(params, values),
        ]

    for result in in_each_way(params, values):
        close(result, expected, 2e-5)


@ALL
def test_eager_is_compiled(case):
    d, values = case.build(), draws(case)[:3]
    close(d.log_prob(values), log_prob(case)(case.rounded(np.float32), values), 1e-5)


@ALL
def test_shapes_of_wrapped_distributions(case):
    d, key = case.build(), jax.random.key(0)
    event = d.event_shape
    value = np.asarray(draws(case)[0])

    def shapes(d, sample_shape=()):
        draw = jax.eval_shape(lambda: d.sample(key, sample_shape))
        density = jax.eval_shape(d.log_prob, draw)
        assert draw.shape == d.shape(sample_shape)
        assert density.shape == (*sample_shape, *d.batch_shape)
        assert d.support(np.broadcast_to(value, draw.shape)).shape == density.shape
        return d.batch_shape, d.event_shape

    assert shapes(d, (7,)) == ((), event)
    assert shapes(d.expand((4, 5)), (7, 6)) == ((4, 5), event)
    assert shapes(d.expand((5,)).expand_by((4,))) == ((4, 5), event)
    assert shapes(d.expand((1, 5)).expand((4, 5)), (2,)) == ((4, 5), event)
    assert shapes(d.expand((4, 5)).to_event(1)) == ((4,), (5, *event))
    assert shapes(d.expand((4, 5)).to_event()) == ((), (4, 5, *event))
    masked = d.expand((4,)).mask(np.array([True, False, True, True]))
    assert shapes(masked, (2,)) == ((4,), event)
    densities = jax.jit(masked.log_prob)(np.broadcast_to(value, (4, *event)))
    alone = log_prob(case)(case.rounded(np.float32), value)
    close(densities, np.where([True, False, True, True], alone, 0.0), 1e-5)


@ALL
def test_a_distribution_is_a_value(case):
    d, value = case.build(), draws(case)[0]
    leaves, structure = jax.tree.flatten(d)
    copy = pickle.loads(pickle.dumps(d))
    assert jax.tree.structure(copy) == structure
    for a, b in zip(jax.tree.leaves(copy), leaves, strict=True):
        np.testing.assert_array_equal(a, b)
    assert copy.log_prob(value) == d.log_prob(value)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(d)]
    again = [
        jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path(case.build())
    ]
    assert paths == again


def test_leaves_come_in_the_order_of_the_fields():
    d = dist.MultivariateNormal(np.zeros(2), np.eye(2))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(d)]
    assert paths == [".loc", ".scale_tril"]


# --- one by one -----------------------------------------------------------------------


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
            close(d.scale_tril, scale, 1e-5)
            close(d.covariance_matrix, covariance, 1e-5)
            close(d.precision_matrix, np.linalg.inv(covariance), 1e-4)
            close(d.variance, np.diag(covariance), 1e-5)


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
    close(jax.jit(d.log_prob)(x), same.logpdf(x), 1e-5)
    close(cdf(x), same.cdf(x), 1e-5)
    close(icdf(q), same.ppf(q), 1e-5)
    close(cdf(np.array([-1.0, np.inf])), [0.0, 1.0], 1e-6)

    falling = dist.TransformedDistribution(
        dist.Normal(0.0, 1.0), [t.ExpTransform(), t.AffineTransform(3.0, -2.0)]
    )
    assert falling.support == c.less_than(3.0)
    cdf, icdf = jax.jit(falling.cdf), jax.jit(falling.icdf)
    close(cdf(icdf(q)), q, 1e-5)
    close(cdf(np.array([3.0, 4.0])), [1.0, 1.0], 1e-6)


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
