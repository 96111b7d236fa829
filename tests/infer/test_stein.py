"""Fits by Stein's method: exact moments, modes, mixtures, runs, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl import optim
from ppl.contrib.einstein import (
    GraphicalKernel,
    IMQKernel,
    LinearKernel,
    MixtureGuidePredictive,
    ProbabilityProductKernel,
    RandomFeatureKernel,
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
from ppl.infer.stein.base import direction

MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[1.0, 0.6], [0.6, 0.8]])
Y = np.array([0.5, 1.5, -0.3, 2.0], np.float32)


def normal():
    ppl.sample("z", dist.MultivariateNormal(jnp.array(MEAN), jnp.array(COVARIANCE)))


def mean_of(y, size=None):
    m = ppl.sample("m", dist.Normal(0.0, 1.0))
    with ppl.plate("i", size or len(y), subsample_size=len(y)):
        ppl.sample("y", dist.Normal(m, 1.0), obs=y)


def two_sites(y):
    m = ppl.sample("m", dist.Normal(0.0, 1.0))
    s = ppl.sample("s", dist.Gamma(3.0, 2.0))
    ppl.sample("y", dist.Normal(m, s).expand([len(y)]), obs=y)


TWO = dist.MixtureSameFamily(
    dist.Categorical(jnp.array([0.5, 0.5])), dist.Normal(jnp.array([-4.0, 4.0]), 1.0)
)


def bimodal():
    ppl.sample("x", TWO)


def point_mixture(seed=0, steps=300, count=20, kernel=None, model=normal, **kwargs):
    svgd = SVGD(model, optim.Adagrad(0.5), kernel or RBFKernel(), count)
    args = kwargs.pop("args", ())
    return svgd, svgd.run(seed, steps, *args, progress_bar=False, **kwargs)


def same(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


# --- points ---------------------------------------------------------------------------


def test_a_linear_kernel_gives_exact_moments(x64):
    """Liu & Wang 2018: at rest mean and covariance are those of the normal target."""
    svgd = SVGD(normal, optax.sgd(0.05), LinearKernel(), 6)
    result = svgd.run(0, 4000, progress_bar=False)
    z = result.params["z_auto_loc"]
    assert np.allclose(z.mean(0), MEAN, atol=1e-6)
    assert np.allclose(np.cov(z.T, bias=True), COVARIANCE, atol=1e-6)


@pytest.mark.parametrize(
    "kernel",
    [RBFKernel(), RBFKernel("vector"), IMQKernel(), RandomFeatureKernel()],
    ids=lambda kernel: f"{type(kernel).__name__} {kernel.mode}",
)
def test_points_have_the_moments_of_the_target(kernel):
    _, result = point_mixture(steps=800, count=60, kernel=kernel)
    z = result.params["z_auto_loc"]
    assert np.allclose(z.mean(0), MEAN, atol=0.15)
    assert np.allclose(np.cov(z.T), COVARIANCE, atol=0.25)


def test_points_of_a_positive_site_are_draws_of_it():
    """The target is the density of where the points move, with its Jacobian."""

    def positive():
        ppl.sample("s", dist.Gamma(3.0, 2.0))

    _, result = point_mixture(model=positive, steps=800, count=100)
    s = np.asarray(result.params["s_auto_loc"])
    law = stats.gamma(3.0, scale=0.5)
    assert abs(s.mean() - law.mean()) < 0.05
    assert abs(s.std() - law.std()) < 0.1
    assert stats.kstest(s, law.cdf).statistic < 0.06


def test_steps_are_those_by_hand(x64):
    svgd = SVGD(two_sites, optax.sgd(0.1), RBFKernel(), 5)
    state = svgd.init(0, Y)
    for _ in range(3):
        params = svgd.get_params(state)
        m, s = (np.asarray(params[f"{n}_auto_loc"]) for n in "ms")
        x = np.stack([m, np.log(s)], 1)

        def logp(x):
            s = jnp.exp(x[1])
            terms = dist.Normal(x[0], s).log_prob(Y).sum(), x[1]
            prior = dist.Normal(0, 1).log_prob(x[0]), dist.Gamma(3.0, 2.0).log_prob(s)
            return sum((*terms, *prior))

        values, scores = jax.vmap(jax.value_and_grad(logp))(jnp.asarray(x))
        kernel = RBFKernel().compute(None, jnp.asarray(x), {}, None)
        new = x + 0.1 * direction(kernel, "norm", jnp.asarray(x), scores)
        told = svgd.evaluate(state, Y)
        state, loss = svgd.update(state, Y)
        assert np.allclose([told, loss], -values.mean())
        params = svgd.get_params(state)
        assert np.allclose(params["m_auto_loc"], new[:, 0])
        assert np.allclose(np.log(params["s_auto_loc"]), new[:, 1])


def test_one_point_goes_to_the_mode_as_a_point_guide_does(x64):
    guide = autoguide.AutoDelta(mean_of)
    svi = SVI(mean_of, guide, optim.Adam(0.05), Trace_ELBO())
    svgd = SVGD(mean_of, optim.Adam(0.05), RBFKernel(), 1)
    begin = {"m_auto_loc": np.array(3.0)}
    one = svi.run(0, 50, Y, progress_bar=False, init_params=begin)
    begin = {"m_auto_loc": np.array([3.0])}
    other = svgd.run(0, 50, Y, progress_bar=False, init_params=begin)
    assert np.allclose(one.losses, other.losses)
    assert np.allclose(one.params["m_auto_loc"], other.params["m_auto_loc"][0])
    last = svgd.run(0, 500, Y, progress_bar=False, init_params=begin).params
    assert np.isclose(last["m_auto_loc"][0], Y.sum() / 5, atol=1e-4)


def test_without_repulsion_all_go_to_the_mode():
    guide = autoguide.AutoDelta(mean_of)
    options = {"num_stein_particles": 5, "num_elbo_particles": 1}
    spread = {}
    for heat in (0.0, 1.0):
        stein = SteinVI(
            mean_of,
            guide,
            optim.Adagrad(0.3),
            RBFKernel(),
            repulsion_temperature=heat,
            **options,
        )
        m = stein.run(0, 500, Y, progress_bar=False).params["m_auto_loc"]
        spread[heat] = float(np.std(m))
        assert np.isclose(np.mean(m), Y.sum() / 5, atol=0.05)
    assert spread[0.0] < 1e-3
    assert spread[1.0] > 0.2


def test_annealing_rises_in_cycles(x64):
    """The attraction is (t / T)^p of whole; at the end of a cycle it is whole."""
    svgd = SVGD(mean_of, optax.sgd(0.1), RBFKernel(), 4)
    slow = ASVGD(mean_of, optax.sgd(0.1), RBFKernel(), 4, 2, 3.0)
    begin = {"m_auto_loc": np.array([0.0, 0.5, 1.0, 2.5])}
    x = jnp.asarray(begin["m_auto_loc"])[:, None]
    kernel = RBFKernel().compute(None, x, {}, None)
    scores = Y.sum() - 5 * x
    state = slow.init(0, 8, Y, init_params=begin)
    places = []
    for step in range(8):
        moved, _ = slow.update(state._replace(optim_state=state.optim_state), Y)
        share = ((step % 4 + 1) / 4) ** 3
        new = x + 0.1 * direction(kernel, "norm", x, share * scores)
        places.append(slow.get_params(moved)["m_auto_loc"])
        assert np.allclose(places[-1], new[:, 0])
        state = moved._replace(optim_state=state.optim_state)  # from the same place
    whole, _ = svgd.update(svgd.init(0, Y, init_params=begin), Y)
    assert np.allclose(places[3], svgd.get_params(whole)["m_auto_loc"])


def test_annealing_finds_both_modes():
    begin = {"x_auto_loc": np.linspace(-5.0, -3.0, 20, dtype=np.float32)}
    found = {}
    for kind in (SVGD, ASVGD):
        fit = kind(bimodal, optim.Adagrad(0.5), RBFKernel(), 20)
        result = fit.run(0, 1000, progress_bar=False, init_params=begin)
        found[kind] = np.mean(np.asarray(result.params["x_auto_loc"]) > 0)
    assert found[SVGD] < 0.2
    assert 0.2 < found[ASVGD] < 0.8


# --- mixtures -------------------------------------------------------------------------

GUIDES = {
    "AutoNormal": autoguide.AutoNormal,
    "AutoMultivariateNormal": autoguide.AutoMultivariateNormal,
    "AutoIAFNormal": autoguide.AutoIAFNormal,
    "AutoDAIS": autoguide.AutoDAIS,
}


@pytest.mark.parametrize("name", GUIDES)
def test_a_mixture_of_equal_guides_is_one_guide(x64, name):
    guide = GUIDES[name](two_sites)
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
    for told, truth in zip((values, slopes), jax.value_and_grad(exact)(free)):
        error = told.std(0) / np.sqrt(len(told))
        assert (np.abs(told.mean(0) - truth) < 4 * error).all()
        assert (error < 0.02).all()


def test_a_mixture_has_two_modes_and_one_guide_has_not():
    elbo = {}
    for count in (1, 4):
        guide = autoguide.AutoNormal(bimodal, init_loc_fn=init_to_uniform(radius=6.0))
        stein = SteinVI(bimodal, guide, optim.Adam(0.05), RBFKernel(), count, 5)
        result = stein.run(3, 1500, progress_bar=False)
        posterior = stein.posterior(result, draws=4000)
        elbo[count] = posterior.attrs["elbo"]
    assert np.isclose(elbo[1], -np.log(2), atol=0.05)  # the evidence is 1, of a half
    assert elbo[4] > -0.15
    x = posterior["x"]
    assert 0.2 < np.mean(x > 0) < 0.8
    assert abs(x.std() - np.sqrt(17)) < 0.5
    assert posterior.attrs["pareto_k"] < 0.7


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
    assert not compiled


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
    predictive = Predictive(
        mean_of, guide=svgd.guide, params=result.params, num_samples=7, batch_ndims=1
    )
    drawn = predictive(0, np.zeros(0, np.float32), 3)
    del drawn  # what it gives is Predictive's; here it only has to run
    guide = autoguide.AutoNormal(two_sites)
    stein = SteinVI(two_sites, guide, optim.Adam(0.05), RBFKernel(), 3, 2)
    result = stein.run(0, 300, Y, progress_bar=False)
    draws = MixtureGuidePredictive(
        two_sites,
        guide,
        result.params,
        stein.guide_sites,
        num_samples=600,
        return_sites=["m", "s", "mixture_assignments"],
    )
    del draws
    predictive = MixtureGuidePredictive(
        two_sites, guide, result.params, stein.guide_sites, 600, ["m", "s"]
    )
    found = predictive(0, Y)
    assert found["m"].shape == (600,)
    assert np.isclose(found["m"].mean(), np.mean(result.params["m_auto_loc"]), atol=0.1)


def test_a_callback_and_a_rule_end_a_run():
    seen = []
    _, result = point_mixture(
        steps=500, callback=lambda done, losses, state: seen.append(done) or done > 60
    )
    assert seen
    assert len(result.losses) == seen[-1] < 500
