"""What guides find: conjugate posteriors, bent ones, all members of plates, parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import minimize

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl.handlers import seed, substitute
from ppl.infer import autoguide, init_to_value
from ppl.infer.elbo import Trace_ELBO
from ppl.infer.reparam import NeuTraReparam
from ppl.infer.svi import SVI
from tests.infer.guides import (
    FLOWS,
    bound_at,
    free_vector,
    log_weights,
    made,
    moved,
    some,
    started,
)

X = np.array([[1.0, 0.2], [0.5, -1.0], [-0.7, 0.9], [1.2, 0.4]], np.float32)
Y = np.array([1.3, 0.1, 0.4, 2.2])
FULL = ["AutoMultivariateNormal", "AutoLowRankMultivariateNormal"]
BATCHED = [f"AutoBatched{name.removeprefix('Auto')}" for name in FULL]


def regression(y):
    a = ppl.sample("a", dist.Normal(0.0, 1.0))
    b = ppl.sample("b", dist.Normal(jnp.zeros(2), 2.0).to_event(1))
    ppl.sample("y", dist.Normal(a + X @ b, 0.5), obs=y)


def exact():
    """Mean and precision of the posterior of (a, b), by the normal equations."""
    design = np.column_stack([np.ones(4), X])
    precision = np.diag([1.0, 0.25, 0.25]) + design.T @ design / 0.25
    return np.linalg.solve(precision, design.T @ Y / 0.25), precision


def slopes(y):
    """For each of two members an intercept and a slope, of which sums are seen."""
    with ppl.plate("i", 2):
        a = ppl.sample("a", dist.Normal(0.0, 1.0))
        b = ppl.sample("b", dist.Normal(0.0, 2.0))
        ppl.sample("y", dist.Normal(a + b, 0.5), obs=y[0])
        ppl.sample("z", dist.Normal(a - 0.3 * b, 0.5), obs=y[1])


def exact_slopes():
    """Mean and precision of (a1, a2, b1, b2)."""
    design = np.kron(np.array([[1.0, 1.0], [1.0, -0.3]]), np.eye(2))
    precision = np.diag([1.0, 1.0, 0.25, 0.25]) + design.T @ design / 0.25
    return np.linalg.solve(precision, design.T @ Y / 0.25), precision


def best(guide, model, data, of_noise):
    """Params at the largest bound, which is exact: the log densities are quadratic.

    Their means over normal noise are those over points on its axes, at the square root
    of the dimension.
    """
    values, constraints = started(guide, data)
    guide.setup(data)
    start, back = free_vector(values, constraints)
    size = guide.prototype.density.layout.size
    points = np.sqrt(size) * np.concatenate([np.eye(size), -np.eye(size)])

    @jax.jit
    @jax.value_and_grad
    def loss(flat):
        params = back(flat)

        def one(noise):
            given = of_noise(params, noise)
            return bound_at(model, guide, params, data, **given)

        return -jax.vmap(one)(jnp.asarray(points)).mean()

    found = minimize(loss, np.asarray(start), jac=True, method="BFGS")
    return back(jnp.asarray(found.x))


@pytest.mark.parametrize("name", ["AutoDiagonalNormal", *FULL, *BATCHED])
def test_normal_guides_recover_normal_posteriors(name, x64):
    model, data, truth = regression, Y, exact
    if name in BATCHED:
        model, data, truth = slopes, Y.reshape(2, 2), exact_slopes
    options = {"rank": 2} if "LowRank" in name else {}
    guide = made(name, model, **options)

    def of_noise(params, noise):
        return {"_auto_latent": guide.get_transform(params)(noise)}

    params = best(guide, model, data, of_noise)
    transform, (mean, precision) = guide.get_transform(params), truth()
    root = jax.jacfwd(transform)(jnp.zeros(len(mean)))
    covariance = np.linalg.inv(precision)
    if name == "AutoDiagonalNormal":  # its best variances are those given the others
        covariance = np.diag(1.0 / np.diag(precision))
    assert_allclose(transform(jnp.zeros(len(mean))), mean, atol=1e-4)
    assert_allclose(root @ root.T, covariance, atol=1e-4)
    median = np.concatenate([np.ravel(v) for v in guide.median(params).values()])
    assert_allclose(median, mean, atol=1e-4)


def test_auto_normal_and_laplace_recover_them_too(x64):
    mean, precision = exact()
    guide = autoguide.AutoNormal(regression)

    def of_noise(params, noise):
        parts = {"a": noise[0], "b": noise[1:]}
        return {
            n: params[f"{n}_auto_loc"] + e * params[f"{n}_auto_scale"]
            for n, e in parts.items()
        }

    params = best(guide, regression, Y, of_noise)
    locs, scales = (
        np.concatenate([np.ravel(params[f"{n}_auto_{what}"]) for n in ("a", "b")])
        for what in ("loc", "scale")
    )
    assert_allclose(locs, mean, atol=1e-4)
    assert_allclose(scales, 1.0 / np.sqrt(np.diag(precision)), atol=1e-4)
    guide = autoguide.AutoLaplaceApproximation(regression)
    params = best(guide, regression, Y, lambda params, noise: {})
    posterior = guide.get_posterior(params)
    assert_allclose(posterior.mean, mean, atol=1e-4)
    assert_allclose(posterior.covariance_matrix, np.linalg.inv(precision), rtol=1e-9)
    guide = autoguide.AutoDelta(regression)
    params = best(guide, regression, Y, lambda params, noise: {})
    assert_allclose(guide.median(params)["b"], mean[1:], atol=1e-4)


# --- bent posteriors ------------------------------------------------------------------


def banana():
    """Its evidence is one, so a loss is a divergence."""
    x = ppl.sample("x", dist.Normal(0.0, 1.0))
    ppl.sample("y", dist.Normal(x**2, 0.3))


def funnel():
    v = ppl.sample("v", dist.Normal(0.0, 1.5))
    ppl.sample("z", dist.Normal(jnp.zeros(2), jnp.exp(0.5 * v)).to_event(1))


def divergence(model, guide, steps, rate=5e-3):
    """From the guide, after some steps, to the model."""
    svi = SVI(model, guide, ppl.optim.Adam(rate), Trace_ELBO(num_particles=8))
    found = svi.run(0, steps, progress_bar=False)
    return -log_weights(model, guide, found.params, count=2000).mean()


def test_a_flow_beats_mean_field():
    options = {"num_flows": 2, "hidden_dims": (16,), "init_scale": 0.5}
    flow = autoguide.AutoSplineCouplingNormal(banana, **options)
    plain = divergence(banana, autoguide.AutoDiagonalNormal(banana), 1000, 1e-2)
    assert -0.05 < divergence(banana, flow, 1000, 1e-2) < 0.5 * plain
    flow = autoguide.AutoContinuousFlow(banana, num_steps=4, init_scale=0.5)
    assert -0.05 < divergence(banana, flow, 1000, 1e-2) < 0.6 * plain


@pytest.mark.slow
def test_a_fit_by_probes_beats_mean_field_and_is_judged_exactly():
    probed, exact = (
        autoguide.AutoContinuousFlow(banana, divergence=d, init_scale=0.5)
        for d in ("hutchinson", "exact")
    )
    plain = divergence(banana, autoguide.AutoDiagonalNormal(banana), 2000)
    svi = SVI(banana, probed, ppl.optim.Adam(5e-3), Trace_ELBO(num_particles=8))
    found = svi.run(0, 2000, progress_bar=False)
    off = -log_weights(banana, exact, found.params, count=2000).mean()
    assert -0.05 < off < 0.7 * plain
    posterior = SVI(banana, exact, ppl.optim.Adam(1.0), Trace_ELBO()).posterior(found)
    assert posterior.attrs["pareto_k"] < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("model", [banana, funnel])
def test_every_flow_beats_mean_field(name, model):
    plain = divergence(model, autoguide.AutoDiagonalNormal(model), 4000)
    flow = divergence(model, made(name, model, init_scale=0.5), 4000)
    assert -0.05 < flow < 0.6 * plain


# --- plates, loops, second runs -------------------------------------------------------


def members(y):
    with ppl.plate("rows", 12, subsample_size=4):
        x = ppl.sample("x", dist.Normal(0.0, 1.0))
        positive = ppl.sample("s", dist.HalfNormal(1.0))
        mean = x + 0.0 * positive
        ppl.sample("y", dist.Normal(mean, 0.5), obs=ppl.subsample(y, event_dim=0))


@pytest.mark.parametrize("name", ["AutoNormal", "AutoDelta"])
def test_all_members_of_a_subsampled_plate_are_fitted(name):
    y = np.linspace(-2.0, 2.0, 12)
    guide = made(name, members)
    svi = SVI(members, guide, ppl.optim.Adam(2e-2), Trace_ELBO())
    found = svi.run(0, 3000, y, progress_bar=False, average=0.3)
    median = guide.median(found.params)
    assert median["x"].shape == median["s"].shape == (12,)
    assert_allclose(median["x"], 0.8 * y, atol=0.1)
    assert (median["s"] > 0).all()
    some = np.array([7, 0, 3, 11])
    with substitute(data={"rows": some}):
        draws = guide.sample_posterior(0, found.params, sample_shape=(500,))
    assert draws["x"].shape == (500, 4)
    assert_allclose(draws["x"].mean(0), median["x"][some], atol=0.12)
    if name == "AutoNormal":
        ends = guide.quantiles(found.params, [0.16, 0.84])["x"]
        assert_allclose(ends[1] - ends[0], 2 * np.sqrt(0.2), rtol=0.15)


def walk(y):
    def step(level, seen):
        level = ppl.sample("level", dist.Normal(level, 0.5))
        ppl.sample("y", dist.Normal(level, 0.4), obs=seen)
        return level, None

    ppl.control.scan(step, 0.0, y)


@pytest.mark.parametrize("name", ["AutoNormal", "AutoMultivariateNormal", "AutoDAIS"])
def test_sites_in_loops(name, x64):
    y = np.array([0.2, -0.1, 0.5])
    times = np.arange(1, 4)
    covariance = 0.25 * np.minimum.outer(times, times) + 0.16 * np.eye(3)
    evidence = stats.multivariate_normal(np.zeros(3), covariance).logpdf(y)
    where = init_to_value(values={"level": y})
    guide = made(name, walk, y, init_loc_fn=where, init_scale=0.5)
    params = moved(guide, y, size=0.03)
    weights = np.exp(log_weights(walk, guide, params, y, count=3000) - evidence)
    z = (weights.mean() - 1) / (weights.std() / np.sqrt(len(weights)))
    assert abs(z) < 5
    guide.setup(y)
    draws = guide.sample_posterior(0, params, sample_shape=(7,))
    assert draws["level"].shape == (7, 3)


@pytest.mark.parametrize("name", ["AutoMultivariateNormal", "AutoSplineCouplingNormal"])
def test_equal_guides_compile_nothing_in_a_second_run(name):
    def once(data):
        guide = made(name, regression)
        svi = SVI(regression, guide, ppl.optim.Adam(1e-2), Trace_ELBO())
        found = svi.run(0, 50, data, progress_bar=False)
        return guide.sample_posterior(1, found.params, sample_shape=(10,))

    first = once(jnp.asarray(Y))
    with compilations() as seen:
        second = once(jnp.asarray(Y + 1.0))
    assert seen.programs == 0
    assert not np.allclose(first["a"], second["a"])


@some("AutoSplineCouplingNormal", later=["AutoContinuousFlow"])
def test_a_flow_serves_neutra(name):
    guide = made(name, regression)
    params = moved(guide, Y)
    guide.setup(Y)
    neutra = NeuTraReparam(guide, params)
    noise = np.random.default_rng(0).normal(size=(5, 3))
    values = neutra.transform_sample(noise)
    assert {n: v.shape for n, v in values.items()} == {"a": (5,), "b": (5, 2)}
    sites = seed(neutra.reparam(regression), rng_seed=0)
    assert sites(Y) is None
