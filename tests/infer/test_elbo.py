"""Objectives: their values and gradients against closed forms and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, ModelError, ShapeError
from ppl.distributions import constraints
from ppl.infer import (
    RenyiELBO,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from ppl.infer.autoguide import AutoNormal
from ppl.primitives import mutable
from tests.infer.objectives import assert_unbiased, estimates, exact

pytestmark = pytest.mark.usefixtures("x64")

Y = np.array([0.5, 1.5, -0.3])


# --- a conjugate model ----------------------------------------------------------------


def normal_model(y):
    mean = ppl.sample("m", dist.Normal(ppl.param("prior", 0.2), 1.0))
    with ppl.plate("i", len(y)):
        ppl.sample("y", dist.Normal(mean, 1.0), obs=y)


def normal_guide(y):
    del y
    scale = ppl.param("scale", 0.6, constraint=constraints.positive)
    ppl.sample("m", dist.Normal(ppl.param("loc", 0.4), scale))


PARAMS = {"prior": 0.3, "loc": 0.7, "scale": 0.8}


def minus_elbo(params):
    loc, scale, prior = params["loc"], params["scale"], params["prior"]
    kl = -jnp.log(scale) + (scale**2 + (loc - prior) ** 2 - 1) / 2
    return kl + jnp.sum((Y - loc) ** 2 + scale**2 + jnp.log(2 * jnp.pi)) / 2


def log_weight(params, eps):
    """log p / q at the draw that a standard normal one gives."""
    m = params["loc"] + params["scale"] * eps
    terms = norm.logpdf(m, params["prior"], 1.0) + norm.logpdf(Y, m).sum()
    return terms - norm.logpdf(m, params["loc"], params["scale"])


@pytest.mark.parametrize(
    "objective",
    [
        Trace_ELBO(),
        Trace_ELBO(3, vectorize_particles=False),
        Trace_ELBO(2, jax.vmap),
        Trace_ELBO(2, estimator="stl"),
        TraceMeanField_ELBO(),
        TraceMeanField_ELBO(2),
        TraceGraph_ELBO(),
        TraceGraph_ELBO(2),
        RenyiELBO(0.3, 1),
        RenyiELBO(0.3, 1, estimator="dreg"),
    ],
)
def test_unbiased_for_a_conjugate_model(objective):
    found = estimates(objective, normal_model, normal_guide, PARAMS, (Y,))
    assert_unbiased(found, jax.value_and_grad(minus_elbo)(exact(PARAMS)))


@pytest.mark.parametrize("estimator", ["pathwise", "dreg"])
@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0])
def test_unbiased_for_several_draws(alpha, estimator):
    """The truth is Gauss-Hermite quadrature over both draws."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()

    def truth(params):
        logs = jax.vmap(lambda eps: log_weight(params, eps))(jnp.asarray(nodes))
        pair = jnp.stack(jnp.broadcast_arrays(logs[:, None], logs))
        power = 1 - alpha
        bound = (logsumexp(power * pair, 0) - np.log(2)) / power
        return -jnp.sum(weights[:, None] * weights * bound)

    objective = RenyiELBO(alpha, 2, estimator=estimator)
    found = estimates(objective, normal_model, normal_guide, PARAMS, (Y,))
    assert_unbiased(found, jax.value_and_grad(truth)(exact(PARAMS)))


@pytest.mark.parametrize(
    "objective",
    [Trace_ELBO(estimator="stl"), RenyiELBO(0.0, 3, estimator="dreg")],
    ids=repr,
)
def test_no_noise_is_left_at_the_posterior(objective):
    posterior = {"prior": 0.3, "loc": (0.3 + Y.sum()) / 4, "scale": 0.5}
    _, slopes = estimates(objective, normal_model, normal_guide, posterior, (Y,), 50)
    assert np.allclose(slopes["loc"], 0, atol=1e-9)
    assert np.allclose(slopes["scale"], 0, atol=1e-9)
    _, slopes = estimates(Trace_ELBO(), normal_model, normal_guide, posterior, (Y,), 50)
    assert np.std(slopes["scale"]) > 1


def test_doubly_reparameterised_gradients_keep_their_signal():
    """The noise of the usual ones grows beside the signal with the particles."""

    def ratio(estimator, particles):
        objective = RenyiELBO(0.0, particles, estimator=estimator)
        arguments = (objective, normal_model, normal_guide, PARAMS, (Y,), 1000)
        slopes = estimates(*arguments)[1]["loc"]
        return np.abs(np.mean(slopes)) / np.std(slopes)

    assert ratio("dreg", 32) > 3 * ratio("pathwise", 32)
    assert ratio("dreg", 32) > 1.5 * ratio("dreg", 2)


def test_guides_from_models_stick_the_landing():
    """With a constrained site, whose draw is made on the unconstrained scale."""

    def model():
        ppl.sample("s", dist.LogNormal(0.3, 0.7))

    guide = AutoNormal(model)
    params = {"s_auto_loc": jnp.array(0.3), "s_auto_scale": jnp.array(0.7)}
    objective = Trace_ELBO(estimator="stl")
    values, slopes = estimates(objective, model, guide, params, count=20)
    assert np.allclose(values, 0, atol=1e-12)
    assert all(np.allclose(slope, 0, atol=1e-9) for slope in slopes.values())


# --- closed-form divergences ----------------------------------------------------------


def test_divergences_are_exact():
    found = TraceMeanField_ELBO(sum_sites=False).loss(
        jax.random.key(0), PARAMS, normal_model, normal_guide, Y
    )
    ours = dist.kl_divergence(dist.Normal(0.7, 0.8), dist.Normal(0.3, 1.0))
    assert np.isclose(found["m"], ours)
    assert set(found) == {"m", "y"}


def test_no_formula_where_it_would_be_wrong():
    """The prior of `a` depends on `b`, which the guide draws after `a`."""

    def model():
        b = ppl.sample("b", dist.Normal(0.0, 1.0))
        ppl.sample("a", dist.Normal(b, 1.0))

    def guide():
        a = ppl.sample("a", dist.Normal(ppl.param("loc", 0.4), 0.5))
        ppl.sample("b", dist.Normal(ppl.param("slope", 0.9) * a, 0.5))

    def truth(params):  # E[log q(a) + log q(b | a) - log p(b) - log p(a | b)]
        loc, slope = params["loc"], params["slope"]
        entropy = 2 * (0.5 * jnp.log(2 * jnp.pi * jnp.e * 0.25))
        b_square = (slope * loc) ** 2 + slope**2 * 0.25 + 0.25
        gap = ((slope - 1) * loc) ** 2 + (slope - 1) ** 2 * 0.25 + 0.25
        return -entropy + jnp.log(2 * jnp.pi) + (b_square + gap) / 2

    params = {"loc": 0.4, "slope": 0.3}
    found = estimates(TraceMeanField_ELBO(), model, guide, params, count=20_000)
    assert_unbiased(found, jax.value_and_grad(truth)(exact(params)))


def test_divergences_are_scaled_and_masked():
    def model(mask):
        with ppl.plate("i", 6, subsample_size=3), ppl.handlers.mask(mask=mask):
            ppl.sample("z", dist.Normal(0.0, 1.0))

    def guide(mask):
        loc = ppl.param("loc", 0.5)
        with ppl.plate("i", 6, subsample_size=3), ppl.handlers.mask(mask=mask):
            ppl.sample("z", dist.Normal(loc, 1.0))

    mask = np.array([True, False, True])
    objective, params = TraceMeanField_ELBO(), {"loc": 0.5}
    found = objective.loss(jax.random.key(0), params, model, guide, mask)
    assert np.isclose(found, 2 * 2 * 0.5**2 / 2)


# --- plates and several draws ---------------------------------------------------------


def local_model(y, size):
    with ppl.plate("i", size, subsample_size=len(y)):
        z = ppl.sample("z", dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(z, 1.0), obs=y)


def local_guide(y, size):
    loc = ppl.param("loc", 0.1)
    with ppl.plate("i", size, subsample_size=len(y)):
        ppl.sample("z", dist.Normal(loc * y, 0.6))


@pytest.mark.parametrize("estimator", ["pathwise", "dreg"])
def test_members_have_bounds_of_their_own(estimator):
    objective = RenyiELBO(0.0, 3, estimator=estimator)
    params = {"loc": 0.4}

    def loss(size, *y):
        keys = jax.random.split(jax.random.key(0), 4000)
        y = jnp.array(y)

        def both(key):
            def value(params):
                return objective.loss(key, params, local_model, local_guide, y, size)

            return jax.value_and_grad(value)(params)

        values, slopes = jax.jit(jax.vmap(both))(keys)
        return np.array([values, slopes["loc"]])

    apart = loss(1, Y[0]).mean(1) + loss(1, Y[1]).mean(1)
    together = loss(2, Y[0], Y[1])
    error = np.sqrt(3) * together.std(1) / np.sqrt(4000)
    assert np.all(np.abs(together.mean(1) - apart) < 5 * error)
    subsampled = loss(10, Y[0], Y[1])
    assert np.allclose(subsampled, 5 * together)


# --- beside NumPyro -------------------------------------------------------------------


def points(lang, dist):
    """A model and a guide without noise."""

    def model(y):
        m = lang.sample("m", dist.Normal(0.0, 1.0))
        with lang.plate("i", 4, subsample_size=2):
            z = lang.sample("z", dist.Normal(m, 1.0))
            lang.sample("y", dist.Normal(z, 2.0), obs=y)

    def local(y):
        with lang.plate("i", 4, subsample_size=2):
            z = lang.sample("z", dist.Normal(0.0, 1.0))
            lang.sample("y", dist.Normal(z, 2.0), obs=y)

    def guide(y):
        del y
        lang.sample("m", dist.Delta(0.3, 0.1))
        with lang.plate("i", 4, subsample_size=2):
            lang.sample("z", dist.Delta(jnp.array([0.2, -1.0]), jnp.array([0.3, 0.5])))

    def local_guide(y):
        del y
        with lang.plate("i", 4, subsample_size=2):
            lang.sample("z", dist.Delta(jnp.array([0.2, -1.0]), jnp.array([0.3, 0.5])))

    def several(y):
        del y
        lang.sample("m", dist.Delta(jnp.array([0.3, 0.5, 0.9]), jnp.full(3, 0.2)))

    def one(y):
        m = lang.sample("m", dist.Normal(0.0, 1.0))
        lang.sample("y", dist.Normal(m, 2.0).expand([2]).to_event(1), obs=y)

    return model, guide, local, local_guide, one, several


def test_values_are_those_of_numpyro():
    numpyro = pytest.importorskip("numpyro")
    from numpyro import infer as peer

    y, key = np.array([0.4, 1.0]), jax.random.PRNGKey(0)
    ours, theirs = points(ppl, dist), points(numpyro, numpyro.distributions)
    settings = [
        ("Trace_ELBO", {"num_particles": 3, "sum_sites": False}, 0, 1),
        ("Trace_ELBO", {"multi_sample_guide": True, "sum_sites": False}, 4, 5),
        ("TraceMeanField_ELBO", {"sum_sites": False}, 0, 1),
        ("TraceGraph_ELBO", {"num_particles": 2}, 0, 1),
        ("RenyiELBO", {"alpha": 0.5, "num_particles": 3}, 2, 3),
        ("RenyiELBO", {"alpha": 0.0}, 2, 3),
    ]
    for name, options, model, guide in settings:
        mine, others = (
            getattr(module, name)(**options).loss(key, {}, side[model], side[guide], y)
            for module, side in ((ppl.infer, ours), (peer, theirs))
        )
        assert jax.tree.all(jax.tree.map(np.allclose, mine, others)), (name, options)


# --- what cannot be -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Trace_ELBO(0), "num_particles"),
        (lambda: Trace_ELBO(True), "num_particles"),
        (lambda: Trace_ELBO(1.5), "num_particles"),
        (lambda: RenyiELBO(0.0, 0), "num_particles"),
        (lambda: Trace_ELBO(estimator="dreg"), "'pathwise', 'stl'"),
        (lambda: RenyiELBO(estimator="stl"), "'pathwise', 'dreg'"),
        (lambda: RenyiELBO(1), "Trace_ELBO"),
        (lambda: RenyiELBO(np.inf), "alpha"),
    ],
)
def test_wrong_options(make, word):
    with pytest.raises(ArgumentError, match=word):
        make()


def test_particles_and_mutable_sites_do_not_go_together():
    def model():
        mutable("count", {"n": 0.0})["n"] += 1.0
        ppl.sample("m", dist.Normal(0.0, 1.0))

    def guide():
        ppl.sample("m", dist.Normal(0.0, 1.0))

    for objective in (Trace_ELBO(2), RenyiELBO(), TraceGraph_ELBO(2)):
        with pytest.raises(ModelError, match="num_particles=1"):
            objective.loss(jax.random.key(0), {}, model, guide)
    found = Trace_ELBO().loss_with_mutable_state(jax.random.key(0), {}, model, guide)
    assert found["mutable_state"] == {"count": {"n": 1.0}}


def test_a_share_of_some_sites_has_no_bound_of_renyi():
    model, guide, *_ = points(ppl, dist)
    with pytest.raises(ModelError, match="uses 2 of 4 members") as error:
        RenyiELBO().loss(jax.random.key(0), {}, model, guide, np.zeros(2))
    assert error.value.site == "z"


def test_several_draws_of_a_guide_are_as_many():
    def model():
        ppl.sample("a", dist.Normal(0.0, 1.0))
        ppl.sample("b", dist.Normal(0.0, 1.0))

    def guide():
        ppl.sample("a", dist.Normal(0.0, 1.0).expand([3]))
        ppl.sample("b", dist.Normal(0.0, 1.0).expand([2]))

    with pytest.raises(ShapeError, match="as many draws"):
        Trace_ELBO(multi_sample_guide=True).loss(jax.random.key(0), {}, model, guide)


# --- in loops -------------------------------------------------------------------------


def test_estimators_agree_in_loops():
    """Equal values of each draw, and equal means of the gradients."""

    def model():
        def step(last, _):
            x = ppl.sample("x", dist.Normal(last, 1.0))
            s = ppl.sample("s", dist.LogNormal(0.0, 0.5))
            return x * s, None

        ppl.control.scan(step, 0.5, None, length=3)

    def guide():
        loc = ppl.param("loc", jnp.array([0.3, 0.1, 0.4]))

        def step(last, loc):
            x = ppl.sample("x", dist.Normal(loc + 0.2 * last, 0.6))
            ppl.sample("s", dist.LogNormal(0.1 * loc, 0.4))
            return x, None

        ppl.control.scan(step, 0.0, loc)

    params = {"loc": jnp.array([0.3, 0.1, 0.4])}
    values, slopes = estimates(Trace_ELBO(), model, guide, params)
    for objective in (Trace_ELBO(estimator="stl"), TraceMeanField_ELBO()):
        others, found = estimates(objective, model, guide, params)
        if objective == Trace_ELBO(estimator="stl"):
            assert np.allclose(others, values)
        assert_unbiased(found["loc"] - slopes["loc"], np.zeros(3))
        assert_unbiased(others - values, 0.0)
    _, usual = estimates(RenyiELBO(0.0, 3), model, guide, params)
    _, doubly = estimates(RenyiELBO(0.0, 3, estimator="dreg"), model, guide, params)
    assert_unbiased(doubly["loc"] - usual["loc"], np.zeros(3))
