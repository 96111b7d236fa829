"""Fits by Stein's method: runs, their results, and mixtures of guides."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl import optim
from ppl.contrib.einstein import (
    GraphicalKernel,
    MixtureGuidePredictive,
    ProbabilityProductKernel,
    RBFKernel,
    SteinLoss,
)
from ppl.distributions import constraints
from ppl.infer import (
    ASVGD,
    SVGD,
    SVI,
    Predictive,
    SteinVI,
    Trace_ELBO,
    autoguide,
    init_to_uniform,
)
from tests.infer.stein import Y, bimodal, mean_of, point_mixture, two_sites

SLOW = pytest.mark.slow


# --- mixtures -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "AutoNormal",
        "AutoMultivariateNormal",
        pytest.param("AutoIAFNormal", marks=SLOW),
        pytest.param("AutoDAIS", marks=SLOW),
    ],
)
def test_a_mixture_of_equal_guides_is_one_guide(x64, name):
    guide = getattr(autoguide, name)(two_sites)
    svi = SVI(two_sites, guide, optim.Adam(0.05), Trace_ELBO())
    params = svi.get_params(svi.init(0, Y))
    stacked = jax.tree.map(lambda v: jnp.stack([v] * 3), params)
    key = jax.random.key(1)
    told = jax.jit(SteinLoss(2, 3).loss, static_argnums=(2, 3))(
        key, {}, two_sites, guide, stacked, Y
    )
    keys = [jax.random.split(k, 2) for k in jax.random.split(key, 3)]
    alone = jax.jit(Trace_ELBO().loss, static_argnums=(2, 3))
    each = [alone(k, params, two_sites, guide, Y) for pair in keys for k in pair]
    assert np.allclose(told, np.mean(each))


def test_the_bound_of_a_mixture_and_its_gradient(x64):
    """Against quadrature of the bound of two normal components."""
    guide = autoguide.AutoNormal(mean_of)
    scale = dist.biject_to(guide.scale_constraint)
    grid = jnp.linspace(-12, 12, 4001)
    target = dist.Normal(0, 1).log_prob(grid) + dist.Normal(grid, 1).log_prob(
        Y[:, None]
    ).sum(0)

    def exact(free):
        logq = dist.Normal(free[:, :1], scale(free[:, 1:])).log_prob(grid)
        mixed = jax.nn.logsumexp(logq, 0) - jnp.log(2)
        return jnp.sum(jnp.exp(mixed) * (target - mixed)) * (grid[1] - grid[0])

    free = jnp.array([[0.2, -0.4], [1.5, 0.3]])

    def noisy(free, key):
        params = {"m_auto_loc": free[:, 0], "m_auto_scale": scale(free[:, 1])}
        loss = SteinLoss(1, 2).loss(key, {}, mean_of, guide, params, Y)
        return -loss

    keys = jax.random.split(jax.random.key(0), 40_000)
    both = jax.jit(jax.vmap(jax.value_and_grad(noisy), (None, 0)))
    values, slopes = map(np.asarray, both(free, keys))
    exactly = jax.jit(jax.value_and_grad(exact))
    for told, truth in zip((values, slopes), exactly(free), strict=True):
        error = told.std(0) / np.sqrt(len(told))
        assert (np.abs(told.mean(0) - truth) < 4 * error).all()
        assert (error < 0.02).all()


def test_a_mixture_has_two_modes_and_one_guide_has_not():
    elbo = {}
    guide = autoguide.AutoNormal(bimodal, init_loc_fn=init_to_uniform(radius=6.0))
    for count in (1, 4):
        options = {"num_elbo_particles": 5, "repulsion_temperature": 0.1}
        optimizer = optim.Adam(0.05)
        stein = SteinVI(bimodal, guide, optimizer, RBFKernel(), count, **options)
        result = stein.run(3, 1500, progress_bar=False)
        posterior = stein.posterior(result, draws=4000)
        elbo[count] = posterior.attrs["elbo"]
    assert np.isclose(elbo[1], -np.log(2), atol=0.01)  # the evidence of one mode of two
    assert -0.2 < elbo[4] < 0
    assert posterior.attrs["pareto_k"] < 0.5
    assert np.isclose(posterior.attrs["log_evidence"], 0.0, atol=0.01)
    weights = np.exp(posterior.sample_stats["log_weight"])
    assert np.isclose(np.sum(weights * (posterior["x"] > 0)), 0.5, atol=0.03)


@pytest.mark.parametrize("kernel", ["overlap", "graphical"])
def test_one_component_is_the_posterior(kernel):
    guide = autoguide.AutoNormal(mean_of)
    kernels = {
        "overlap": ProbabilityProductKernel(guide),
        "graphical": GraphicalKernel(),
    }
    stein = SteinVI(mean_of, guide, optim.Adam(0.03), kernels[kernel], 1, 1)
    params = stein.run(0, 1500, Y, progress_bar=False).params
    assert np.isclose(params["m_auto_loc"][0], Y.sum() / 5, atol=0.02)
    assert np.isclose(params["m_auto_scale"][0], np.sqrt(1 / 5), atol=0.01)


def test_params_of_the_model_are_shared():
    def learnt(y):
        level = ppl.param("level", 0.0)
        m = ppl.sample("m", dist.Normal(level, 1.0))
        ppl.sample("y", dist.Normal(m, 1.0).expand([len(y)]), obs=y)

    def guide(y):
        scale = ppl.param("scale", 0.5, constraint=constraints.positive)
        loc = ppl.param("loc", jax.random.normal)
        ppl.sample("m", dist.Normal(loc, scale))

    stein = SteinVI(
        learnt,
        guide,
        optim.Adam(0.05),
        RBFKernel(),
        3,
        4,
        non_mixture_guide_params_fn=lambda name: name == "scale",
    )
    result = stein.run(0, 2000, Y, progress_bar=False, average=0.5)
    params = result.params
    assert stein.guide_sites == ["loc"]
    assert {n: np.shape(v) for n, v in params.items()} == {
        "level": (),
        "loc": (3,),
        "scale": (),
    }
    assert np.isclose(params["level"], Y.mean(), atol=0.05)
    posterior = stein.posterior(result, Y, draws=2000)
    assert np.isclose(posterior["m"].mean(), Y.mean(), atol=0.06)
    assert posterior.attrs["pareto_k"] < 0.7


# --- runs -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["points", "annealed", "mixture"])
def test_a_run_goes_on_where_another_ended(kind):
    guide = autoguide.AutoNormal(two_sites)
    fit = {
        "points": SVGD(two_sites, optim.Adagrad(0.3), RBFKernel(), 4),
        "annealed": ASVGD(two_sites, optim.Adagrad(0.3), RBFKernel(), 4, 2),
        "mixture": SteinVI(two_sites, guide, optim.Adam(0.03), RBFKernel(), 3, 2),
    }[kind]
    whole = fit.run(0, 50, Y, progress_bar=False)
    begin = fit.init(0, *([50] if kind == "annealed" else []), Y)
    first = fit.run(1, 30, Y, progress_bar=False, init_state=begin)
    second = fit.run(2, 20, Y, progress_bar=False, init_state=first.state)
    losses = np.concatenate([first.losses, second.losses])
    assert np.allclose(losses, whole.losses, rtol=1e-4)
    for name, value in whole.params.items():
        assert np.allclose(second.params[name], value, rtol=1e-4)


@pytest.mark.parametrize("points", [True, False])
def test_a_run_is_its_steps_in_either_mode_of_differentiation(x64, points):
    fit = SVGD(two_sites, optim.Adagrad(0.3), RBFKernel(), 3)
    if not points:
        guide = autoguide.AutoNormal(two_sites)
        fit = SteinVI(two_sites, guide, optim.Adam(0.03), RBFKernel(), 3, 2)
    result = fit.run(0, 5, Y, progress_bar=False)
    for forward in (False, True):
        state, losses = fit.init(0, Y), []
        update = jax.jit(partial(fit.update, forward_mode_differentiation=forward))
        for _ in range(5):
            state, loss = update(state, Y)
            losses.append(loss)
        assert np.allclose(losses, result.losses, rtol=1e-6)
        for name, value in fit.get_params(state).items():
            assert np.allclose(value, result.params[name], rtol=1e-6)


@pytest.mark.filterwarnings("ignore::ppl.diagnostics.findings.ApproximationWarning")
def test_a_second_run_compiles_nothing():
    guide = autoguide.AutoNormal(mean_of)

    def run(seed, y):
        point_mixture(seed, 40, model=mean_of, args=(y,))
        fit = ASVGD(mean_of, optim.Adagrad(0.3), RBFKernel(), 4)
        fit.run(seed, 40 + seed, y, progress_bar=False)
        stein = SteinVI(mean_of, guide, optim.Adam(0.03), GraphicalKernel(), 3)
        result = stein.run(seed, 40, y, progress_bar=False)
        return stein.posterior(result, y, draws=10)

    run(0, Y)
    with compilations() as compiled:
        run(1, Y + 1)
    assert compiled.programs == 0


def test_batches_and_subsampled_plates():
    rng = np.random.default_rng(0)
    y = rng.normal(1.0, 1.0, size=400).astype(np.float32)
    svgd = SVGD(mean_of, optim.Adagrad(0.2), RBFKernel(), 10)
    result = svgd.run(0, 600, y, 400, batch_size=40, average=0.5, progress_bar=False)
    m = result.params["m_auto_loc"]
    assert np.isclose(np.mean(m), y.sum() / 401, atol=0.03)

    def drawn(y):
        m = ppl.sample("m", dist.Normal(0.0, 1.0))
        with ppl.plate("i", 400, subsample_size=40) as i:
            ppl.sample("y", dist.Normal(m, 1.0), obs=y[i])

    guide = autoguide.AutoNormal(drawn)
    stein = SteinVI(drawn, guide, optim.Adam(0.02), RBFKernel(), 3, 2)
    result = stein.run(0, 800, y, average=0.5, progress_bar=False)
    assert np.isclose(np.mean(result.params["m_auto_loc"]), y.sum() / 401, atol=0.03)


@SLOW
def test_members_of_a_plate_and_sites_of_all_shapes():
    def shapes(y):
        with ppl.plate("group", 3):
            ppl.sample("level", dist.Normal(y, 1.0))
        ppl.sample("share", dist.Dirichlet(jnp.ones(3)))
        ppl.sample("corr", dist.LKJCholesky(2, 1.0))

    y = np.array([-1.0, 0.0, 1.0], np.float32)
    svgd, result = point_mixture(model=shapes, args=(y,), count=40, steps=400)
    posterior = svgd.posterior(result, y)
    assert posterior["level"].shape == (1, 40, 3)
    assert np.allclose(posterior["level"].mean((0, 1)), y, atol=0.15)
    assert np.allclose(posterior["share"].sum(-1), 1.0, atol=1e-5)
    assert np.allclose(posterior["share"].mean((0, 1)), 1 / 3, atol=0.05)


# --- results --------------------------------------------------------------------------


def test_points_are_a_posterior_each_once():
    svgd, result = point_mixture(model=two_sites, args=(Y,))
    posterior = svgd.posterior(result, Y)
    for name in "ms":
        points = np.asarray(result.params[f"{name}_auto_loc"])
        assert np.allclose(np.sort(posterior[name][0]), np.sort(points))
    assert posterior.attrs["method"] == "SVGD (AutoDelta, 20 particles)"
    assert np.isnan(posterior.attrs["pareto_k"])
    twice = svgd.posterior(result, Y, draws=40)
    assert twice["m"].shape == (1, 40)
    assert np.isclose(twice["m"].mean(), posterior["m"].mean(), atol=1e-5)
    assert "m" in str(posterior.summary())


def test_a_posterior_of_the_mixture_has_its_density():
    guide = autoguide.AutoNormal(mean_of)
    stein = SteinVI(mean_of, guide, optim.Adam(0.05), RBFKernel(), 3, 2)
    result = stein.run(0, 300, Y, progress_bar=False)
    posterior = stein.posterior(result, Y, draws=500)
    loc, scale = (np.asarray(result.params[f"m_auto_{n}"]) for n in ("loc", "scale"))
    m = posterior["m"][0]
    each = stats.norm(loc[:, None], scale[:, None]).pdf(m)
    logq = np.log(each.mean(0))
    logp = stats.norm(0, 1).logpdf(m) + stats.norm(m, 1).logpdf(Y[:, None]).sum(0)
    assert np.allclose(posterior.sample_stats["lp"][0], logp, atol=1e-4)
    assert np.isclose(posterior.attrs["elbo"], np.mean(logp - logq), atol=1e-4)


def test_predictions_of_points_and_of_mixtures():
    svgd, result = point_mixture(model=mean_of, args=(Y,), count=5)
    options = {"guide": svgd.guide, "params": result.params, "num_samples": 7}
    predictive = Predictive(mean_of, **options, batch_ndims=1, return_sites=["m"])
    told = np.asarray(predictive(0, Y)["m"])
    assert np.allclose(told, result.params["m_auto_loc"])
    assert told.shape == (7, 5)
    replicated = svgd.posterior(result, Y).predict()
    assert replicated["y"].shape == (1, 5, 4)

    guide = autoguide.AutoNormal(mean_of)
    stein = SteinVI(mean_of, guide, optim.Adam(0.05), RBFKernel(), 3, 2)
    params = stein.run(0, 100, Y, progress_bar=False).params
    names = ["m", "which"]
    predictive = MixtureGuidePredictive(
        mean_of, guide, params, stein.guide_sites, 900, names[:1]
    )
    m = np.asarray(predictive(0, Y)["m"])
    loc, scale = (np.asarray(params[f"m_auto_{n}"]) for n in ("loc", "scale"))

    def cdf(x):
        return stats.norm(loc[:, None], scale[:, None]).cdf(x).mean(0)

    assert stats.kstest(m, cdf).pvalue > 1e-3


def test_a_mixture_predicts_what_was_left_out():
    def model(y=None):
        m = ppl.sample("m", dist.Normal(0.0, 1.0))
        with ppl.plate("i", 4):
            ppl.sample("y", dist.Normal(m, 1.0), obs=y)

    guide = autoguide.AutoNormal(model)
    stein = SteinVI(model, guide, optim.Adam(0.05), RBFKernel(), 3, 2)
    params = stein.run(0, 300, Y, progress_bar=False).params
    y = MixtureGuidePredictive(model, guide, params, stein.guide_sites, 2000)(0)["y"]
    assert y.shape == (2000, 4)
    assert np.isclose(y.mean(), Y.sum() / 5, atol=0.1)
    assert np.isclose(y.std(), np.sqrt(1.2), atol=0.15)


def test_a_callback_and_a_rule_end_a_run():
    seen = []
    _, result = point_mixture(
        steps=500, callback=lambda done, losses, state: seen.append(done) or done > 60
    )
    assert seen
    assert len(result.losses) == seen[-1] < 500
