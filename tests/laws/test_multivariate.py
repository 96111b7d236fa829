"""Laws of the multivariate families and of the wrappers around distributions."""

import pickle

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from tests.laws.case import is_extreme
from tests.laws.cases_vectors import CASES
from tests.laws.evaluate import closed_form
from tests.laws.facts_multivariate import DRAWS, all_facts, assert_close, facts

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
INTEGRABLE = [case for case in CASES if case.grid]


def truth(case, params, points):
    with mp.workdps(50):
        return np.array([float(case.density(x, **params)) for x in points])


def points_of(case, at):
    """Fewer of the sets after the first."""
    return all_facts(case)[at].values[: 5 if at else 25]


# --- what is judged -------------------------------------------------------------------


def test_each_family_has_enough_parameter_sets():
    families = {}
    for case in CASES:
        family = type(case.build()).__name__
        families.setdefault(family, []).extend(
            (case.name, tuple(map(np.asarray, values.values()))) for values in case.sets
        )
    for family, sets in families.items():
        assert len({repr(values) for values in sets}) >= 6, family
        assert sum(is_extreme(values) for _, values in sets) >= 2, family


# --- densities ------------------------------------------------------------------------


@ALL
def test_density_in_float32(case):
    for at, known in enumerate(all_facts(case)):
        points = points_of(case, at)
        expected = truth(case, case.rounded(np.float32, at), points)
        assert_close(known.log_prob[: len(points)], expected, 2e-5)


@ALL
def test_density_in_float64(case, x64):
    density = jax.jit(lambda p, x: case.make(**p).log_prob(x))
    for at in range(len(case.sets)):
        params, points = case.rounded(np.float64, at), points_of(case, at)[:10]
        points = points.astype(float)
        if isinstance(case.build().support, c.Simplex):
            points /= points.sum(-1, keepdims=True)
        result = density(params, points)
        assert result.dtype == np.float64
        assert_close(result, truth(case, params, points), 1e-12)


@ALL
def test_gradients_are_finite(case):
    assert all(known.smooth for known in all_facts(case))


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
    assert_close(total, 1.0, 1e-8)
    integrated = {"mean": mean, "variance": variance, "entropy": entropy}
    for name in case.closed:
        known = getattr(d, name)
        assert_close(known() if name == "entropy" else known, integrated[name], 1e-6)

    drawn = facts(case)
    assert drawn.value.off(mean) < 1
    same = variance < 1e-14  # up to rounding
    square = np.where(same, variance, drawn.square.mean)
    assert drawn.square._replace(mean=square).off(variance) < 1
    assert drawn.surprise.off(entropy) < 1


HAVE_MODES = [case for case in CASES if closed_form(case.build(), "mode") is not None]


@pytest.mark.parametrize("case", HAVE_MODES, ids=lambda case: case.name)
def test_nothing_is_denser_than_the_mode(case):
    for at, known in enumerate(all_facts(case)):
        d = case.build(at=at)
        mode = np.asarray(d.mode)
        assert mode.shape == d.event_shape
        if np.isfinite(mode).all() and np.all(d.support(mode)):
            top = float(d.log_prob(mode))
            assert top >= known.top - 1e-4 * (1 + abs(top))


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


def assert_right_draws(case, known):
    """Moments, entropy, and that the mean of each derivative by a parameter is zero.

    The latter is so where draws have the density that is differentiated. In families
    that are exponential in a parameter, it judges a sufficient statistic.
    """
    for at, facts_of_set in enumerate(known):
        d = case.build(at=at)
        assert facts_of_set.fine, at
        off = {k: s.off(0.0) for k, s in facts_of_set.score.items()}
        off = {k: v for k, v in off.items() if k not in case.unscored}
        if "mean" in case.closed:
            off["mean"] = facts_of_set.value.off(d.mean)
            off["variance"] = facts_of_set.square.off(d.variance)
        if "entropy" in case.closed:
            off["entropy"] = facts_of_set.surprise.off(d.entropy())
        assert max(off.values(), default=0.0) < 1, (case.name, case.sets[at], off)


@ALL
def test_draws_have_the_distribution(case):
    """100,000 draws of the first parameter set, and a tenth of that of the others."""
    known = all_facts(case)
    assert known[0].values.shape[1:] == case.build().event_shape
    assert_right_draws(case, known)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [c for c in CASES if c.more], ids=lambda case: case.name
)
def test_many_draws_of_each_set_have_the_distribution(case):
    assert_right_draws(case, all_facts.__wrapped__(case, others=DRAWS))


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


BUILT = [case.build() for case in reversed(CASES)]
REPARAMETERISED = {type(d): d for d in BUILT if d.has_rsample}  # the first of each


@pytest.mark.parametrize("d", REPARAMETERISED.values(), ids=lambda d: type(d).__name__)
def test_draws_can_be_differentiated(d):
    floats, structure = jax.tree.flatten(d)

    @jax.jit
    @jax.jacfwd
    def slope(factor):
        leaves = [x if np.asarray(x).dtype == bool else x * factor for x in floats]
        scaled = jax.tree.unflatten(structure, leaves)
        return scaled.rsample(jax.random.key(3), (20,))

    slopes = slope(1.0)
    assert np.isfinite(slopes).all()
    assert np.any(slopes != 0)


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
    params, values = stacked(case, factors), facts(case).values[:6]
    values = values.reshape(2, 3, *values.shape[1:])

    def density(params, value):
        return case.make(**params).log_prob(value)

    @jax.jit
    def in_each_way(params, values):
        batched = case.make(**params)
        flat, points = jax.tree.map(
            lambda p: p.reshape(6, *p.shape[2:]), (params, values)
        )
        loop = jax.lax.map(
            lambda at: case.make(**at[0]).log_prob(at[1]), (flat, points)
        )
        mapped = jax.vmap(lambda p: case.make(**p))(flat)
        twice = jax.vmap(jax.vmap(lambda p: case.make(**p)))(params)
        nested = jax.vmap(jax.vmap(density))
        assert batched.batch_shape == twice.batch_shape == (2, 3)
        assert mapped.batch_shape == (6,)
        assert {d.event_shape for d in (batched, mapped, twice)} == {values.shape[2:]}
        return loop.reshape(2, 3), [
            batched.log_prob(values),
            mapped.log_prob(points).reshape(2, 3),
            twice.log_prob(values),
            nested(params, values),
        ]

    expected, results = in_each_way(params, values)
    for result in results:
        assert_close(result, expected, 2e-5)


@ALL
def test_eager_is_compiled(case):
    known = facts(case)
    assert_close(case.build().log_prob(known.values[:3]), known.log_prob[:3], 1e-5)


@ALL
def test_shapes_of_wrapped_distributions(case):
    d, key = case.build(), jax.random.key(0)
    event = d.event_shape
    value, alone = facts(case).values[0], facts(case).log_prob[0]

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
    assert_close(densities, np.where([True, False, True, True], alone, 0.0), 1e-5)


@ALL
def test_a_distribution_is_a_value(case):
    d, value = case.build(), facts(case).values[0]
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
