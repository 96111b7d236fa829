"""What guides and objectives estimate: densities by probes, masses, scores left out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import ppl
import ppl.distributions as dist
from ppl.infer import RenyiELBO, Trace_ELBO
from ppl.infer.autoguide import AutoDAIS, AutoNormal
from tests.infer.guides import ANNEALED, bound_at, guided, made, moved
from tests.infer.objectives import assert_unbiased, estimates

Y = np.array([0.4, -0.3, 1.1])


def conjugate(y):
    """Three means and what is seen of them."""
    with ppl.plate("i", 3):
        a = ppl.sample("a", dist.Normal(0.5, 1.0))
        b = ppl.sample("b", dist.Normal(0.0, 0.7))
        ppl.sample("y", dist.Normal(a + b, 0.5), obs=y)


def test_log_densities_with_a_probe_are_right_in_the_mean():
    rough = {"hidden_dims": (8,), "num_steps": 3}
    exact = made("AutoContinuousFlow", conjugate, **rough)
    probed = made("AutoContinuousFlow", conjugate, divergence="hutchinson", **rough)
    params = moved(exact, Y)
    exact.setup(Y)

    @jax.jit
    @jax.vmap
    def off(key):
        site = guided(probed, params, Y, key=key)["_auto_latent"]
        truth = exact.get_posterior(params).log_prob(site.value)
        return site.log_prob() - truth

    errors = np.asarray(off(jax.random.split(jax.random.key(0), 4000)))
    assert errors.std() > 0.01
    assert abs(errors.mean()) < 5 * errors.std() / np.sqrt(4000) + 1e-3


@pytest.mark.parametrize("name", ANNEALED)
def test_masses_and_step_sizes_are_in_the_same_units(name, x64):
    """Four times the mass is as heavy as half the step size is short."""
    guide = made(name, conjugate, Y, eta_init=0.08, eta_max=0.3)
    params = {**moved(guide, Y, size=0.1), "auto_eta_coeff": 0.05}
    params["auto_mass_matrix"] = jnp.ones(6)
    heavy = {n: 2.0 * params[n] for n in ("auto_eta0", "auto_eta_coeff")}
    heavy["auto_mass_matrix"] = 4.0 * jnp.ones(6)
    sites = guided(guide, params, Y)
    noise = {n: sites[n].value for n in ("auto_z_0", "auto_momentum")}
    bound = bound_at(conjugate, guide, params, Y, **noise)
    same = bound_at(conjugate, guide, {**params, **heavy}, Y, **noise)
    assert_allclose(same, bound, rtol=1e-12)
    only = bound_at(
        conjugate, guide, {**params, "auto_mass_matrix": 4.0 * jnp.ones(6)}, Y, **noise
    )
    assert abs(only - bound) > 0.01


# --- estimators without the score ---------------------------------------------------


def normal_model(y):
    mean = ppl.sample("m", dist.Normal(ppl.param("prior", 0.2), 1.0))
    with ppl.plate("i", len(y)):
        ppl.sample("y", dist.Normal(mean, 1.0), obs=y)


def stretched():
    """The support depends on a param, and so does what the guide makes of its draw."""
    end = ppl.param("end", 2.0)
    ppl.sample("u", dist.Uniform(0.0, end))
    ppl.factor("f", -0.5 * end**2)
    ppl.sample("y", dist.Normal(ppl.sample("m", dist.Normal()), 1.0), obs=0.7)


def computing():
    """A guide with a factor and a computed value; both depend on its params."""
    slope = ppl.param("slope", 1.3)
    noise = ppl.sample("noise", dist.Normal(0.2, 1.0), infer={"is_auxiliary": True})
    ppl.sample("m", dist.Delta(slope * noise, log_density=-jnp.log(slope)))
    ppl.sample("u", dist.Kumaraswamy(ppl.param("a", 2.0), 3.0))
    ppl.factor("extra", 0.1 * slope * noise**2)


@pytest.mark.parametrize("of_series", [False, True])
@pytest.mark.parametrize("which", ["annealed", "computed supports", "computed values"])
def test_only_the_score_of_draws_is_left_out(which, of_series, x64):
    """Factors, annealing and what is computed from draws keep their derivatives."""
    data, model = (), stretched
    if which == "annealed":
        data, model = (Y,), normal_model
        guide = AutoDAIS(model, K=3, eta_init=0.2, eta_max=0.5, init_scale=0.6)
    elif which == "computed supports":
        guide = AutoNormal(model, init_scale=0.5)
    else:
        guide = computing
    params = moved(guide, *data, size=0.1) | {"prior": 0.2, "end": jnp.array(1.5)}
    if of_series:
        plain, other = RenyiELBO(0.0, 3), RenyiELBO(0.0, 3, estimator="dreg")
    else:
        plain, other = Trace_ELBO(), Trace_ELBO(estimator="stl")
    values, slopes = estimates(plain, model, guide, params, data, 4000)
    others, found = estimates(other, model, guide, params, data, 4000)
    assert np.allclose(values, others)
    for name in slopes:
        assert_unbiased(found[name] - slopes[name], jnp.zeros_like(slopes[name][0]))
