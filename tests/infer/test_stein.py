"""Fits by Stein's method: exact moments, modes, mixtures, runs, what is refused."""

import math

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
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    ShapeError,
    SupportError,
    UnknownNameError,
)
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
    init_to_value,
)
from ppl.infer.stein.base import direction
from ppl.infer.svi_run import NonFiniteWarning
from ppl.primitives import mutable

MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[1.0, 0.6], [0.6, 0.8]])
SLOW = pytest.mark.slow
Y = np.array([0.5, 1.5, -0.3, 2.0], np.float32)


def normal():
    factor = jnp.array([[1.0, 0.0], [0.6, math.sqrt(0.44)]])
    ppl.sample("z", dist.MultivariateNormal(jnp.array([1.0, -2.0]), scale_tril=factor))


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
    [RBFKernel(), IMQKernel(), pytest.param(RandomFeatureKernel(), marks=SLOW)],
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


@SLOW
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


def test_a_callback_and_a_rule_end_a_run():
    seen = []
    _, result = point_mixture(
        steps=500, callback=lambda done, losses, state: seen.append(done) or done > 60
    )
    assert seen
    assert len(result.losses) == seen[-1] < 500


# --- what is refused, and what is told ------------------------------------------------


def made(model=mean_of, optimizer=None, kernel=None, count=3, **options):
    guide = options.pop("guide", None) or autoguide.AutoNormal(model)
    optimizer = optimizer or optim.Adam(0.05)
    return SteinVI(model, guide, optimizer, kernel or RBFKernel(), count, **options)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: made(count=0), ArgumentError, "num_stein_particles must be >= 1"),
        (lambda: made(count=2.5), ArgumentTypeError, "num_stein_particles must be an"),
        (
            lambda: made(num_elbo_particles=0),
            ArgumentError,
            "num_elbo_particles must be >= 1",
        ),
        (
            lambda: made(repulsion_temperature=-1.0),
            ArgumentError,
            "repulsion_temperature must be >= 0",
        ),
        (lambda: made(loss_temperature=np.inf), ArgumentError, "loss_temperature"),
        (lambda: made(kernel=RBFKernel), ArgumentTypeError, "kernel_fn must be a kern"),
        (lambda: made(optimizer="adam"), ArgumentTypeError, "optim must be an optimis"),
        (
            lambda: made(optimizer=optim.Minimize()),
            ArgumentTypeError,
            "optim must make single steps",
        ),
        (
            lambda: made(non_mixture_guide_params_fn="loc"),
            ArgumentTypeError,
            "non_mixture_guide_params_fn must be a function",
        ),
        (
            lambda: SVGD(mean_of, optim.Adam(0.1), RBFKernel(), 0),
            ArgumentError,
            "num_stein_particles",
        ),
        (
            lambda: SVGD(mean_of, optim.Adam(0.1), "rbf"),
            ArgumentTypeError,
            "kernel_fn must be a kernel of Stein's method, got 'rbf'",
        ),
        (
            lambda: ASVGD(mean_of, optim.Adam(0.1), RBFKernel(), 5, 0),
            ArgumentError,
            "num_cycles must be >= 1",
        ),
        (lambda: SteinLoss(0, 1), ArgumentError, "elbo_num_particles must be >= 1"),
        (
            lambda: made().posterior({"m_auto_loc": np.zeros(3)}, Y),
            ArgumentError,
            "has not been begun",
        ),
    ],
)
def test_what_is_wrong_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def discrete(y):
    k = ppl.sample("k", dist.Bernoulli(0.3))
    ppl.sample("y", dist.Normal(k, 1.0).expand([len(y)]), obs=y)


def whole(y):
    ppl.sample("k", dist.Delta(ppl.param("at", lambda key: jnp.int32(1))))


def strange(y):
    loc = ppl.param("loc", jax.random.normal)
    ppl.sample("w", dist.Normal(loc, 1.0))


def fixed(y):
    ppl.sample("m", dist.Normal(ppl.param("loc", 0.5), 1.0))


def bare(y):
    ppl.sample("m", dist.Normal(0.5, 1.0))


def kept(y):
    count = mutable("count", {"n": jnp.zeros(())})
    count["n"] = count["n"] + 1.0
    mean_of(y)


@pytest.mark.parametrize(
    ("options", "given", "error", "words"),
    [
        ({"guide": strange}, {}, ModelError, "'w'.*in the guide.*not in the model"),
        ({"guide": fixed}, {}, ArgumentError, "'loc'.*begin at the same place"),
        ({"guide": bare}, {}, ArgumentError, "no param of the guide"),
        ({"model": discrete}, {}, ModelError, "'k'.*is discrete"),
        ({"model": discrete, "guide": whole}, {}, ModelError, "'at'.*dtype int32"),
        (
            {"model": kept, "guide": autoguide.AutoNormal(mean_of)},
            {},
            ModelError,
            "'count'.*mutable",
        ),
        (
            {"non_mixture_guide_params_fn": lambda name: True},
            {},
            ArgumentError,
            "exclude fewer",
        ),
        ({}, {"m_auto_loc": 1.0}, ShapeError, r"'m_auto_loc'.*shape \(\).*3 particles"),
        ({}, {"m_auto_lok": np.zeros(3)}, UnknownNameError, "'m_auto_lok'"),
        (
            {},
            {"m_auto_scale": np.array([1.0, -1.0, 1.0])},
            SupportError,
            "'m_auto_scale'.*outside of its constraint",
        ),
        (
            {"kernel": GraphicalKernel(local_kernel_fns={"m": RBFKernel()})},
            {},
            UnknownNameError,
            "'m'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, given, error, words):
    with pytest.raises(error, match=words):
        made(**options).run(0, 5, Y, progress_bar=False, init_params=given)


def test_points_that_begin_at_one_place_are_refused():
    begin = {"init_loc_fn": init_to_value(values={"m": 1.0})}
    svgd = SVGD(mean_of, optim.Adam(0.1), RBFKernel(), 3, begin)
    with pytest.raises(ArgumentError, match="begin at the same place") as error:
        svgd.run(0, 5, Y, progress_bar=False)
    assert error.value.site == "m_auto_loc"
    SVGD(mean_of, optim.Adam(0.1), RBFKernel(), 1, begin).init(0, Y)


@pytest.mark.parametrize("points", [True, False])
def test_what_is_not_finite_is_told_by_site(points):
    def far(y):
        x = ppl.sample("x", dist.Normal(0.0, 1.0))
        ppl.factor("edge", jnp.sqrt(x + 6.0))

    if points:
        svgd = SVGD(far, optim.Adam(0.1), RBFKernel(), 3)
        begin = {"x_auto_loc": np.array([2.0, -8.0, 3.0])}
    else:
        svgd = made(far)
        begin = {
            "x_auto_loc": np.array([20.0, -10.0, 30.0]),
            "x_auto_scale": np.array([0.1, 0.1, 0.1]),
        }
    with pytest.warns(NonFiniteWarning, match="of particle 1, site 'edge'"):
        result = svgd.run(0, 5, 1.0, progress_bar=False, init_params=begin)
    assert len(result.losses) == 0
    assert np.isclose(result.params["x_auto_loc"][1], begin["x_auto_loc"][1])


def test_steps_that_are_not_finite_can_be_left_out():
    def narrow(y):
        x = ppl.sample("x", dist.Normal(0.0, 1.0))
        ppl.factor("edge", jnp.where(x > 0.5, jnp.nan, 0.0) * x)

    svgd = SVGD(narrow, optim.SGD(0.3), RBFKernel(), 3)
    begin = {"x_auto_loc": np.array([0.1, 0.2, 0.3])}
    options = {"init_params": begin, "progress_bar": False, "stable_update": True}
    with pytest.warns(NonFiniteWarning, match="not finite"):
        result = svgd.run(0, 20, 0.0, **options)
    assert np.isfinite(result.params["x_auto_loc"]).all()
