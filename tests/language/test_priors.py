"""Shrinkage priors: what their coefficients are made of, and what they imply."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl
import ppl.distributions as dist
from ppl import priors
from ppl._errors import ArgumentError
from ppl.handlers import seed, substitute, trace
from ppl.target import trace_model


def coefficients(prior, values, **settings):
    """The coefficients for given values of the free sites."""
    model = substitute(lambda: prior("b", 3, **settings), data=values)
    return np.asarray(trace(seed(model, 0)).get_trace()["b"].value)


def many(prior, size, draws, **settings):
    """Prior draws of every site."""

    def one(key):
        sites = trace(seed(lambda: prior("b", size, **settings), key)).get_trace()
        return {name: site.value for name, site in sites.items()}

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), draws))


def test_horseshoe_is_its_formula():
    values = {
        "b_global": 0.3,
        "b_local": np.array([0.01, 1.0, 1e3]),
        "b_slab": 4.0,
        "b_z": np.array([1.0, -2.0, 0.5]),
    }
    lam, tau, c2 = values["b_local"], 0.3, 4.0
    width = np.sqrt(c2 * lam**2 / (c2 + tau**2 * lam**2)) * tau
    got = coefficients(priors.RegularizedHorseshoe, values)
    np.testing.assert_allclose(got, values["b_z"] * width, rtol=1e-6)


def test_a_free_coefficient_of_the_horseshoe_has_the_slab_as_prior():
    settings = {"global_scale": 1e6, "slab_scale": 2.0, "slab_df": 4.0}
    draws = many(priors.RegularizedHorseshoe, 1, 20_000, **settings)["b"][:, 0]
    assert stats.kstest(np.asarray(draws), stats.t(4, scale=2).cdf).pvalue > 1e-6


def test_scale_of_the_horseshoe_follows_the_expected_number():
    assert priors.horseshoe_scale(5, 105, 100, 2.0) == pytest.approx(0.01)
    with pytest.raises(ArgumentError, match="below size = 5"):
        priors.horseshoe_scale(5, 5, 100)


def test_r2d2_is_its_formula():
    values = {
        "b_r2": 0.8,
        "b_share": np.array([0.5, 0.3, 0.2]),
        "b_z": np.array([1.0, -2.0, 0.5]),
    }
    scales = np.array([1.0, 2.0, 10.0])
    got = coefficients(priors.R2D2, values, noise_scale=3.0, predictor_scale=scales)
    width = np.sqrt(9 * values["b_share"] * 0.8 / (1 - 0.8)) / scales
    np.testing.assert_allclose(got, values["b_z"] * width, rtol=1e-6)


def test_r2d2_implies_its_prior_of_r_squared():
    settings = {"mean_r2": 0.4, "precision_r2": 5.0, "noise_scale": 2.0}
    draws = many(priors.R2D2, 6, 20_000, **settings)
    explained = jnp.sum(jnp.square(draws["b"] / draws["b_z"]), -1)
    r2 = np.asarray(explained / (explained + 4.0))
    assert stats.kstest(r2, stats.beta(2, 3).cdf).pvalue > 1e-6
    unit = np.asarray(draws["b_z"]).ravel()
    assert unit.var() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("prior", [priors.RegularizedHorseshoe, priors.R2D2])
def test_priors_work_in_a_model(prior):
    x = np.random.default_rng(0).normal(size=(20, 4))

    def model(x, y=None):
        noise = ppl.sample("noise", dist.HalfNormal(1.0))
        weights = prior("b", x.shape[1])
        with ppl.plate("rows", len(x)):
            ppl.sample("y", dist.Normal(x @ weights, noise), obs=y)

    density = trace_model(model, (x, x[:, 0]), {}).density
    size = sum(np.prod(e.free_shape, dtype=int) for e in density.layout.entries)
    for point in (np.zeros(size), np.full(size, 20.0), np.full(size, -20.0)):
        logp, gradient = density.value_and_grad(jnp.asarray(point, jnp.float32))
        assert np.isfinite(logp)
        assert np.isfinite(gradient).all()
    with pytest.raises(ArgumentError, match="integer >= 1"):
        seed(lambda: prior("b", 0), 0)()
