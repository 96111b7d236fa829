"""From a model to a density of a flat vector: layout, values, gradients, programs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentError, ModelError, RandomnessError
from ppl.distributions.transforms import biject_to
from ppl.layout import Entry, Layout
from ppl.target import constrain, trace_model
from tests.language.joint import draw, latent

STANDARD = dist.Normal(0.0, 1.0)


def density(model, *args, **kwargs):
    return trace_model(model, args, kwargs).density


# --- layout ---------------------------------------------------------------------------

SHAPES = st.lists(st.lists(st.integers(0, 3), max_size=3).map(tuple), max_size=5)


@given(SHAPES)
@settings(max_examples=30)
def test_split_and_join_are_inverse(shapes):
    entries, offset = [], 0
    for i, shape in enumerate(shapes):
        entries.append(Entry(f"s{i}", shape, shape, offset))
        offset += entries[-1].size
    layout = Layout(tuple(entries))
    position = np.arange(float(layout.size))
    parts = layout.split(position)
    assert list(parts) == [e.name for e in entries]
    for entry in entries:
        flat = np.asarray(parts[entry.name]).ravel()
        assert parts[entry.name].shape == entry.shape
        assert flat.tolist() == list(range(entry.offset, entry.offset + entry.size))
        for index in flat.astype(int):
            assert layout.locate(index) is entry
    assert layout.join(parts).tolist() == position.tolist()
    assert layout.size == offset == sum(np.prod(s, dtype=int) for s in shapes)


def everything(y):
    """A site of each kind of support, some of which depend on other sites."""
    scale = ppl.sample("scale", dist.Gamma(2.0, 1.0))
    low = ppl.sample("low", dist.Normal(0.0, scale))
    ppl.sample("between", dist.Uniform(low, low + scale))
    ppl.sample("share", dist.Beta(2.0, 3.0))
    simplex = ppl.sample("simplex", dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])))
    with ppl.plate("J", 2, coords=["one", "two"]):
        ppl.sample("simplexes", dist.Dirichlet(1.0 + simplex))
        ppl.sample("half", dist.HalfCauchy(scale))
        ppl.sample("log", dist.LogNormal(low, 1.0))
    chol = ppl.sample("chol", dist.LKJCholesky(3, 2.0))
    covariance = scale * chol
    vector = ppl.sample("vector", dist.MultivariateNormal(0.0, scale_tril=covariance))
    ordered = dist.ImproperUniform(dist.constraints.ordered_vector, (), (3,))
    cuts = ppl.sample("cuts", ordered)
    ppl.sample("matrix", dist.Normal(jnp.zeros((2, 3)), scale).to_event(2))
    positive = dist.ImproperUniform(dist.constraints.less_than(low), (), ())
    ppl.sample("below", positive)
    ppl.factor("prior of cuts", -0.5 * jnp.sum(cuts**2))
    ppl.deterministic("sum", vector.sum() + cuts.sum())
    ppl.sample("y", dist.Normal(vector, scale).to_event(1), obs=y)


FREE_SIZES = {
    **{"scale": 1, "low": 1, "between": 1, "share": 1, "simplex": 2, "simplexes": 4},
    **{"half": 2, "log": 2, "chol": 3, "vector": 3, "cuts": 3, "matrix": 6, "below": 1},
}
Y = np.array([0.3, -0.2, 1.0])


def test_what_the_trace_tells():
    traced = trace_model(everything, (Y,), {})
    layout = traced.density.layout
    assert {e.name: e.size for e in layout.entries} == FREE_SIZES
    assert [e.offset for e in layout.entries] == [
        sum([*FREE_SIZES.values()][:i]) for i in range(len(FREE_SIZES))
    ]
    sites = traced.sites
    assert sites["y"].is_observed
    assert sites["prior of cuts"].is_observed
    assert sites["simplexes"].shape == (2, 3)
    assert sites["simplexes"].dims == ("J", "simplexes_dim_1")
    assert sites["matrix"].dims == ("matrix_dim_0", "matrix_dim_1")
    assert sites["chol"].family == "LKJCholesky"
    assert sites["matrix"].family == "Normal"
    assert sites["sum"].type == "deterministic"
    assert traced.plates["J"].coords == ["one", "two"]
    assert sites["low"].line.startswith("test_target.py:")
    assert traced.params == {}


def test_constrain_gives_values_of_free_and_deterministic_sites():
    target = density(everything, Y)
    positions = np.random.default_rng(0).normal(size=(4, target.layout.size))
    values, observed = constrain(target, positions)
    assert set(values) == {*FREE_SIZES, "sum"}
    assert all(len(v) == 4 for v in values.values())
    np.testing.assert_allclose(values["simplex"].sum(-1), 1.0, rtol=1e-5)
    assert (np.diff(values["cuts"]) > 0).all()
    inside = (values["between"] > values["low"]) & (values["below"] < values["low"])
    assert inside.all()
    total = values["vector"].sum(-1) + values["cuts"].sum(-1)
    np.testing.assert_allclose(values["sum"], total, rtol=1e-5)
    assert observed["y"].tolist() == pytest.approx(Y.tolist())


# --- values and gradients -------------------------------------------------------------


def test_density_is_joint_density_and_log_determinants(x64):
    target = density(everything, Y)

    @jax.jit
    def run(position):
        value, sites, by_site = target.visit(position)
        values = latent(sites)
        apart, back = {}, {}
        trace = handlers.trace(handlers.substitute(everything, data=values))
        for name, site in trace.get_trace(Y).items():
            if site.type == "sample":
                apart[name] = jnp.sum(site.log_prob())
        for name, free in target.layout.split(position).items():
            bijector = biject_to(sites[name].fn.support)
            apart[name] += jnp.sum(bijector.forward_and_log_det(free)[1])
            back[name] = bijector.inverse_and_log_det(values[name])[0]
        return value, by_site, apart, back

    position = np.random.default_rng(1).normal(size=target.layout.size)
    value, by_site, apart, back = run(position)
    assert set(by_site) == {*FREE_SIZES, "prior of cuts", "y"} == set(apart)
    for name, term in by_site.items():
        assert float(term) == pytest.approx(float(apart[name]), rel=1e-12), name
    assert float(value) == pytest.approx(float(sum(apart.values())), rel=1e-12)
    np.testing.assert_allclose(target.layout.join(back), position, rtol=1e-9)


def test_gradient_is_that_of_finite_differences(x64):
    target = density(everything, Y)
    run = jax.jit(jax.vmap(target.value_and_grad))
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=target.layout.size)
        step = 1e-5 * np.eye(len(x))
        values, gradients = run(np.concatenate([x[None], x + step, x - step]))
        ahead, behind = np.split(values[1:], 2)
        difference = (ahead - behind) / 2e-5
        np.testing.assert_allclose(gradients[0], difference, rtol=1e-6, atol=1e-6)


def test_scores_of_prior_draws_average_to_zero():
    """E[grad log p] = 0 and E[x . grad log p] = -dim, if draws and density agree."""

    def prior():
        scale = ppl.sample("scale", dist.Gamma(4.0, 4.0))
        low = ppl.sample("low", dist.Normal(1.0, scale))
        with ppl.plate("J", 2):
            ppl.sample("half", dist.LogNormal(low, 0.5))
            ppl.sample("share", dist.Dirichlet(jnp.array([3.0, 4.0, 5.0])))
        ppl.sample("between", dist.Uniform(low, low + scale))
        ppl.sample("chol", dist.LKJCholesky(3, 2.0))

    target = density(prior)

    def statistics(key):
        sites = handlers.trace(handlers.seed(prior, rng_seed=key)).get_trace()
        free = [
            biject_to(sites[e.name].fn.support)
            .inverse_and_log_det(sites[e.name].value)[0]
            .reshape(-1)
            for e in target.layout.entries
        ]
        x = jnp.concatenate(free)
        score = target.value_and_grad(x)[1]
        return jnp.append(score, x @ score + target.layout.size)

    keys = jax.random.split(jax.random.PRNGKey(0), 5_000)
    drawn = np.asarray(jax.jit(jax.vmap(statistics))(keys))
    z = drawn.mean(0) / (drawn.std(0) / np.sqrt(len(drawn)))
    assert np.abs(z).max() < 4


# --- one program ----------------------------------------------------------------------


def test_new_data_of_the_same_shapes_compile_nothing():
    calls = []

    def model(x, y, *, offset):
        calls.append(1)
        a = ppl.sample("a", STANDARD)
        ppl.sample("y", dist.Normal(a * x + offset, 1.0), obs=y)

    @jax.jit
    def run(target, position):
        return target(position)

    rng = np.random.default_rng(0)
    results = []
    for i in range(3):
        x, y, offset = rng.normal(size=(3, 5))
        target = density(model, x, y, offset=offset)
        before = len(calls)
        results.append(float(run(target, jnp.array([0.3]))))
        assert len(calls) - before == (i == 0)  # traced for the first data only
        expected = -0.5 * (0.3**2 + np.sum((y - 0.3 * x - offset) ** 2))
        expected -= 6 * 0.5 * np.log(2 * np.pi)
        assert results[-1] == pytest.approx(expected, rel=1e-5)
    other = density(model, *rng.normal(size=(2, 6)), offset=np.zeros(6))
    before = len(calls)
    run(other, jnp.array([0.3]))
    assert len(calls) == before + 1


CLOSED = {
    "scalar": (1.0, 2.0),
    "numpy": (np.zeros(2000), np.eye(1, 2000, 1000)[0]),
    "jax": (jnp.zeros(2000), jnp.zeros(2000).at[1000].set(1.0)),
    "last digit": (1.0, np.nextafter(1.0, 2.0)),
    "shape": (np.ones(2), np.ones(3)),
}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("where", ["plain", "jit", "scan"])
def test_a_changed_global_is_another_program(name, where, x64):
    world = {}

    def shift(x):
        return x + jnp.sum(jnp.asarray(world["now"]))

    def model():
        a = ppl.sample("a", STANDARD)
        match where:
            case "plain":
                a = shift(a)
            case "jit":
                a = jax.jit(lambda x: shift(x))(a)
            case "scan":
                a = jax.lax.scan(lambda c, _: (shift(c), None), a, None, length=2)[0]
        ppl.sample("y", dist.Normal(a, 1.0), obs=0.0)

    run = jax.jit(lambda target, x: target(x))
    first, second = CLOSED[name]
    specs, values = [], []
    for world["now"] in (first, second, first):
        target = density(model)
        specs.append(target.spec)
        values.append(float(run(target, jnp.zeros(1))))
        assert values[-1] == pytest.approx(float(target(jnp.zeros(1))), rel=1e-14)
    assert specs[0] == specs[2] != specs[1]
    assert hash(specs[0]) == hash(specs[2])
    assert values[0] == values[2]


def test_every_model_has_one_fingerprint():
    first, second = (density(everything, Y) for _ in range(2))
    assert first.spec == second.spec
    assert hash(first.spec) == hash(second.spec)
    assert jax.tree.structure(first) == jax.tree.structure(second)


# --- under handlers -------------------------------------------------------------------


def pair(y=1.0):
    a = ppl.sample("a", STANDARD)
    s = ppl.sample("s", dist.Gamma(2.0, 1.0))
    ppl.sample("y", dist.Normal(a, s), obs=y)


def test_given_values_take_no_coordinates():
    x = jnp.array([0.3, -0.2])
    whole = float(density(pair)(x))
    s = float(jnp.exp(x[1]))
    for give in (handlers.substitute, handlers.condition):
        fixed = give(pair, data={"s": s})
        target = density(fixed)
        assert [e.name for e in target.layout.entries] == ["a"]
        # No change of variables for what is given.
        assert float(target(x[:1])) == pytest.approx(whole - float(x[1]), rel=1e-6)
    nothing = density(handlers.substitute(pair, data={"a": 0.3, "s": s}))
    assert nothing.layout.size == 0
    assert float(nothing(jnp.zeros(0))) == pytest.approx(whole - float(x[1]), rel=1e-6)
    assert nothing.layout.join({}).shape == (0,)


def test_handlers_around_a_model_change_its_density_as_they_should():
    x = jnp.array([0.3, -0.2])
    whole = density(pair)
    joints = whole.visit(x)[2]
    same = [
        handlers.seed(pair, rng_seed=0),
        handlers.scope(pair, prefix="s"),
        handlers.block(pair, hide=[]),
        handlers.trace(pair),
        partial(pair, 1.0),
    ]
    for wrapped in same:
        assert float(density(wrapped)(x)) == pytest.approx(float(whole(x)), rel=1e-6)
    log_det = float(x[1])
    scaled = float(density(handlers.scale(pair, scale=3.0))(x))
    expected = 3 * (sum(map(float, joints.values())) - log_det) + log_det
    assert scaled == pytest.approx(expected, rel=1e-6)
    masked = float(density(handlers.mask(pair, mask=False))(x))
    assert masked == pytest.approx(log_det, rel=1e-6)


def test_what_cannot_be_a_density():
    def discrete():
        z = ppl.sample("z", dist.Poisson(3.0))
        ppl.sample("y", dist.Normal(jnp.arange(9.0)[z], 1.0), obs=0.0)

    traced = trace_model(discrete, (), {})
    assert traced.sites["z"].is_discrete
    with pytest.raises(ArgumentError, match="no bijection"):
        traced.density(jnp.zeros(1))

    def twice():
        ppl.sample("x", STANDARD)
        with ppl.plate("x", 3):
            pass

    with pytest.raises(ModelError, match="already defined"):
        density(twice)

    def subsampled():
        with ppl.plate("N", 4, subsample_size=2):
            ppl.sample("x", STANDARD)

    with pytest.raises(RandomnessError, match="plate 'N'"):
        density(subsampled)
    with_params = trace_model(lambda: ppl.param("w", 1.0), (), {})
    assert list(with_params.params) == ["w"]
    given = handlers.substitute(lambda: ppl.param("w"), data={"w": 1.0})
    assert trace_model(given, (), {}).params == {}


def test_draws_are_made_elsewhere():
    """The density needs no key, and a seeded model has the same one at each call."""
    target = density(handlers.seed(pair, rng_seed=0))
    assert float(target(jnp.zeros(2))) == float(target(jnp.zeros(2)))
    assert set(latent(draw(pair))) == {"a", "s"}


# --- supports that other sites decide -------------------------------------------------


def _uniform(a):
    return dist.Uniform(a, a + 1.0)


def _computed_twice(a):
    return dist.LeftTruncatedDistribution(dist.Pareto(a + 1.0, 1.0), low=a)


def _within(a):
    return dist.TruncatedDistribution(dist.Uniform(a, a + 1), low=1.2 * a, high=a + 0.9)


def _moved(a):
    shift = dist.transforms.AffineTransform(a, 2.0)
    return dist.TransformedDistribution(dist.Uniform(a, a + 1), shift)


def _counts(a):
    return dist.TruncatedDistribution(dist.Poisson(a), low=jnp.floor(a), high=2 + a)


@pytest.mark.parametrize("made", [_uniform, _computed_twice, _within, _moved, _counts])
def test_a_support_may_be_computed_from_another_site(made):
    """Asked for outside of the trace, such a support would leak a tracer."""

    def model(y=None):
        a = ppl.sample("a", dist.HalfNormal())
        ppl.sample("x", made(a), obs=y if made is _counts else None)

    args = (jnp.asarray(1),) if made is _counts else ()
    traced = trace_model(model, args, {})
    assert traced.sites["x"].is_discrete == (made is _counts)
    density = traced.density
    position = jnp.full(density.layout.size, 0.3)
    value, slope = jax.jit(density.value_and_grad)(position)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
