"""Points by Stein's method: exact moments, modes, steps by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

import ppl
import ppl.distributions as dist
from ppl import optim
from ppl.contrib.einstein import IMQKernel, LinearKernel, RandomFeatureKernel, RBFKernel
from ppl.infer import ASVGD, SVGD, SVI, SteinVI, Trace_ELBO, autoguide
from ppl.infer.stein.base import direction
from tests.infer.stein import (
    COVARIANCE,
    MEAN,
    Y,
    bimodal,
    mean_of,
    normal,
    point_mixture,
    two_sites,
)

SLOW = pytest.mark.slow


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "spread"),
    [
        (RBFKernel(), 0.53),
        (IMQKernel(), 0.74),
        (RBFKernel("vector"), 0.97),
        (LinearKernel(), 1.0),
    ],
    ids=str,
)
def test_spreads_in_ten_coordinates_are_those_that_the_docs_tell(kernel, spread):
    def ten():
        ppl.sample("x", dist.Normal(0.0, 1.0).expand([10]).to_event(1))

    svgd = SVGD(ten, optim.Adagrad(0.5), kernel, num_stein_particles=50)
    points = svgd.posterior(svgd.run(0, 2000, progress_bar=False))["x"][0]
    assert np.isclose(points.std(0).mean(), spread, atol=0.01)
