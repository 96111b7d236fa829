"""Log densities and transforms, against NumPyro's and each other."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl._errors import (
    ArgumentError,
    ModelError,
    RandomnessError,
)
from ppl.distributions import constraints as c
from ppl.distributions.transforms import biject_to
from ppl.handlers import mask, scale, seed
from ppl.infer import util
from ppl.target import trace_model
from ppl.util import soft_vmap
from tests.infer.models import SIGMA, Y, eight_schools

LATENT = {"mu": 1.0, "tau": 2.0, "z": np.linspace(-1, 1, 8)}


# --- the face -------------------------------------------------------------------------

ADDED = {"Predictive": {"batch_size"}}


@pytest.mark.parametrize(
    "name", [n for n in util.__all__ if n not in ("ModelInfo", "ParamInfo")]
)
def test_signatures_are_numpyros(name):
    peer = pytest.importorskip("numpyro.infer.util")
    mine = inspect.signature(getattr(util, name)).parameters
    theirs = inspect.signature(getattr(peer, name)).parameters
    kept = [n for n in mine if n not in ADDED.get(name, ())]
    assert kept == list(theirs)
    for parameter in kept:
        a, b = mine[parameter], theirs[parameter]
        assert a.kind == b.kind, parameter
        if not callable(b.default):
            assert a.default == b.default, parameter


def test_names_stand_where_numpyro_has_them():
    peer = pytest.importorskip("numpyro")
    for name in ("enable_x64", "set_platform", "set_host_device_count"):
        for place, other in ((ppl, peer), (ppl.util, peer.util)):
            mine = inspect.signature(getattr(place, name))
            theirs = inspect.signature(getattr(other, name))
            assert list(mine.parameters) == list(theirs.parameters)
    assert list(inspect.signature(soft_vmap).parameters) == list(
        inspect.signature(peer.util.soft_vmap).parameters
    )
    for name in ("log_likelihood", "initialize_model", "Predictive"):
        assert getattr(ppl.infer, name) is getattr(util, name)
    for name in ("ModelInfo", "ParamInfo"):
        fields = getattr(peer.infer.util, name)._fields
        assert getattr(util, name)._fields == fields


# --- densities ------------------------------------------------------------------------


def schools_of(p):
    d = p.distributions

    def model(y, sigma):
        mu = p.sample("mu", d.Normal(0.0, 5.0))
        tau = p.sample("tau", d.HalfCauchy(5.0))
        with p.plate("school", 8):
            z = p.sample("z", d.Normal(0.0, 1.0))
            p.deterministic("theta", mu + tau * z)
            p.sample("y", d.Normal(mu + tau * z, sigma), obs=y)

    return model, (Y, SIGMA), LATENT


def nested_of(p):
    d = p.distributions

    def model(x, y):
        with p.plate("a", 3, dim=-2), p.plate("b", 2, dim=-1):
            r = p.sample("r", d.Gamma(2.0, 1.0))
            with p.handlers.mask(mask=np.array([[True], [False], [True]])):
                p.sample("y", d.Normal(x, r), obs=y)
        p.factor("bonus", 2.0 * r.sum())

    return model, (np.ones((3, 2)), np.zeros((3, 2))), {"r": np.full((3, 2), 0.7)}


def scaled_of(p):
    d = p.distributions

    def model(y):
        w = p.sample("w", d.Dirichlet(jnp.ones(3)))
        m = p.sample("m", d.MultivariateNormal(jnp.zeros(2), jnp.eye(2)))
        with p.handlers.scale(scale=2.5), p.plate("n", 4):
            p.sample("y", d.Normal(m.sum() + w[0], 1.0), obs=y)

    return model, (np.arange(4.0),), {"w": np.array([0.2, 0.3, 0.5]), "m": np.ones(2)}


def bounded_of(p):
    d = p.distributions

    def model():
        low = p.sample("low", d.Uniform(0.0, 1.0))
        p.sample("high", d.Uniform(low, 2.0))
        p.sample(
            "order",
            d.TransformedDistribution(
                d.Normal(jnp.zeros(3), 1.0).to_event(1), d.transforms.OrderedTransform()
            ),
        )
        p.sample("corr", d.LKJCholesky(3, 1.5))

    values = {
        "low": np.array(0.3),
        "high": np.array(1.1),
        "order": np.array([-1.0, 0.5, 2.0]),
        "corr": np.linalg.cholesky([[1, 0.2, 0.1], [0.2, 1, -0.3], [0.1, -0.3, 1]]),
    }
    return model, (), values


MODELS = [schools_of, nested_of, scaled_of, bounded_of]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_densities_are_numpyros(make):
    numpyro = pytest.importorskip("numpyro")
    peer = numpyro.infer.util
    model, args, values = make(ppl)
    theirs = make(numpyro)[0]
    value, sites = util.log_density(model, args, {}, values)
    np.testing.assert_allclose(
        value, peer.log_density(theirs, args, {}, values)[0], rtol=1e-5
    )
    for name, given in values.items():
        np.testing.assert_allclose(sites[name]["value"], given)
    free = util.unconstrain_fn(model, args, {}, values)
    other = peer.unconstrain_fn(theirs, args, {}, values)
    assert set(free) == set(other)
    for name in free:
        np.testing.assert_allclose(free[name], other[name], rtol=1e-4, atol=1e-5)
    energy = util.potential_energy(model, args, {}, free)
    np.testing.assert_allclose(
        energy, peer.potential_energy(theirs, args, {}, other), rtol=1e-4
    )
    back = util.constrain_fn(model, args, {}, free)
    for name, given in values.items():
        np.testing.assert_allclose(back[name], given, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_potential_energy_is_the_target(make):
    model, args, values = make(ppl)
    free = util.unconstrain_fn(model, args, None, values)
    density = trace_model(model, args, {}).density
    np.testing.assert_allclose(
        util.potential_energy(model, args, None, free),
        -density(jnp.asarray(density.layout.join(free), jnp.float32)),
        rtol=1e-5,
    )


def test_terms_by_site_and_the_whole():
    terms, sites = util.compute_log_probs(
        eight_schools, (Y, SIGMA), {}, LATENT, sum_log_prob=False
    )
    assert list(terms) == ["mu", "tau", "z", "y"]
    theta = 1.0 + 2.0 * LATENT["z"]
    np.testing.assert_allclose(terms["y"], st.norm(theta, SIGMA).logpdf(Y), rtol=1e-5)
    total, _ = util.log_density(eight_schools, (Y, SIGMA), None, LATENT)
    np.testing.assert_allclose(total, sum(t.sum() for t in terms.values()), rtol=1e-5)
    np.testing.assert_array_equal(sites["y"]["log_prob"], terms["y"])


def test_masks_and_scales_count():
    def model(y):
        with scale(scale=3.0), mask(mask=np.array([True, False])):
            ppl.sample("y", dist.Normal(0.0, 1.0).expand([2]), obs=y)

    value, _ = util.log_density(model, (np.array([1.0, 5.0]),), {}, {})
    np.testing.assert_allclose(value, 3 * st.norm.logpdf(1.0), rtol=1e-6)


def test_densities_compile_and_have_gradients():
    free = util.unconstrain_fn(eight_schools, (Y, SIGMA), {}, LATENT)

    @jax.jit
    def energy(free, y):
        return util.potential_energy(eight_schools, (y, SIGMA), {}, free)

    slope = jax.grad(energy)(free, jnp.asarray(Y))
    for name in free:
        step = {k: jnp.asarray(v) + 1e-2 * (k == name) for k, v in free.items()}
        back = {k: jnp.asarray(v) - 1e-2 * (k == name) for k, v in free.items()}
        numeric = (energy(step, Y) - energy(back, Y)) / 2e-2
        np.testing.assert_allclose(slope[name].sum(), numeric, rtol=2e-2, atol=2e-3)


def test_importance_traces():
    def model(y):
        x = ppl.sample("x", dist.Normal(0.0, 2.0))
        ppl.sample("y", dist.Normal(x, 1.0), obs=y)

    def guide(y):
        loc = ppl.param("loc", 0.0)
        ppl.sample("x", dist.Normal(loc, 0.5))

    with seed(rng_seed=0):
        ours, theirs = util.get_importance_trace(
            model, guide, (np.array(1.0),), {}, {"loc": 3.0}
        )
    x = float(theirs["x"]["value"])
    assert float(ours["x"]["value"]) == x
    for site, truth in (
        (theirs["x"], st.norm(3.0, 0.5).logpdf(x)),
        (ours["x"], st.norm(0.0, 2.0).logpdf(x)),
        (ours["y"], st.norm(x, 1.0).logpdf(1.0)),
    ):
        np.testing.assert_allclose(site["log_prob"], truth, rtol=1e-5)


# --- transforms -----------------------------------------------------------------------

SUPPORTS = [
    (c.real, ()),
    (c.positive, ()),
    (c.nonnegative, ()),
    (c.greater_than(2.5), ()),
    (c.greater_than_eq(1.0), ()),
    (c.less_than(-1.0), ()),
    (c.less_than_eq(4.0), ()),
    (c.HalfLine(4.0, -1.0), ()),
    (c.unit_interval, ()),
    (c.interval(-2.0, 5.0), ()),
    (c.open_interval(0.0, 2.0), ()),
    (c.circular, ()),
    (c.softplus_positive, ()),
    (c.real_vector, (3,)),
    (c.independent(c.positive, 1), (3,)),
    (c.l1_ball, (3,)),
    (c.simplex, (4,)),
    (c.ordered_vector, (3,)),
    (c.positive_ordered_vector, (3,)),
    (c.zero_sum(1), (4,)),
    (c.lower_cholesky, (3, 3)),
    (c.softplus_lower_cholesky, (3, 3)),
    (c.scaled_unit_lower_cholesky, (3, 3)),
    (c.corr_cholesky, (3, 3)),
    (c.corr_matrix, (3, 3)),
    (c.positive_definite, (3, 3)),
]


@pytest.mark.parametrize(("support", "shape"), SUPPORTS, ids=str)
def test_constraining_and_unconstraining_are_inverse(support, shape):
    def model():
        x = ppl.sample("x", dist.ImproperUniform(support, (2,), shape))
        ppl.deterministic("twice", 2 * x)

    given = biject_to(support)
    size = given.inverse_shape((2, *shape))
    free = {"x": np.random.default_rng(0).normal(size=size).astype(np.float32)}
    found = util.constrain_fn(model, (), {}, free, return_deterministic=True)
    assert found["x"].shape == (2, *shape)
    assert np.all(support(found["x"]))
    np.testing.assert_allclose(found["twice"], 2 * found["x"], rtol=1e-6)
    back = util.unconstrain_fn(model, (), {}, {"x": found["x"]})
    np.testing.assert_allclose(back["x"], free["x"], rtol=1e-3, atol=1e-4)
    transforms = util.get_transforms(model, (), {}, {"x": found["x"]})
    again = util.transform_fn(transforms, back)
    np.testing.assert_allclose(again["x"], found["x"], rtol=1e-3, atol=1e-4)
    assert list(util.constrain_fn(model, (), {}, free)) == ["x"]


def test_batches_are_constrained_together():
    free = {"mu": np.zeros((2, 3)), "tau": np.ones((2, 3)), "z": np.ones((2, 3, 8))}
    found = util.constrain_fn(
        *(eight_schools, (Y, SIGMA), {}, free),
        return_deterministic=True,
        batch_ndims=2,
    )
    assert found["theta"].shape == (2, 3, 8)
    np.testing.assert_allclose(found["tau"], np.full((2, 3), np.e), rtol=1e-6)


def test_param_sites_have_transforms():
    def model():
        ppl.param("rate", 2.0, constraint=dist.constraints.positive)

    free = util.unconstrain_fn(model, (), {}, {"rate": jnp.array(3.0)})
    np.testing.assert_allclose(free["rate"], np.log(3.0), rtol=1e-6)


# --- what is refused ------------------------------------------------------------------


def test_values_that_are_missing_are_named():
    few = {"mu": 0.0, "tau": 0.0}
    for attempt in (util.potential_energy, util.constrain_fn):
        with pytest.raises(ModelError, match=r"'z': has no value; .* mu, tau\."):
            attempt(eight_schools, (Y, SIGMA), {}, few)
    with pytest.raises(RandomnessError, match="'z'"):
        util.log_density(eight_schools, (Y, SIGMA), {}, {"mu": 0.0, "tau": 1.0})


def test_enumeration_is_refused():
    for attempt in (
        lambda: util.potential_energy(eight_schools, (), {}, {}, enum=True),
        lambda: util.get_potential_fn(eight_schools, {}, enum=True),
        lambda: util.find_valid_initial_params(0, eight_schools, enum=True),
    ):
        with pytest.raises(ArgumentError, match="enumeration"):
            attempt()
