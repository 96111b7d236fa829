"""Fits of models with loops and gaps, against normal posteriors in closed form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import ppl
import ppl.distributions as dist
from ppl.infer import SVI, Trace_ELBO, autoguide
from ppl.optim import Adam

STEPS = 12
SERIES = np.cumsum(np.random.default_rng(3).normal(size=STEPS))
NOISE = 0.5


def chained(y):
    """An AR(2) whose states are latent, written with a loop."""

    def step(before, seen):
        last, older = before
        state = ppl.sample("state", dist.Normal(0.9 * last - 0.2 * older, 1.0))
        ppl.sample("y", dist.Normal(state, NOISE), obs=seen)
        return (state, last), None

    ppl.control.scan(step, (0.0, 0.0), y)


def chained_posterior():
    """Mean and covariance of the states."""
    lagged = np.eye(STEPS) - 0.9 * np.eye(STEPS, k=-1) + 0.2 * np.eye(STEPS, k=-2)
    precision = lagged.T @ lagged + np.eye(STEPS) / NOISE**2
    return np.linalg.solve(precision, SERIES / NOISE**2), np.linalg.inv(precision)


def fitted(model, guide, *data, steps=6000):
    svi = SVI(model, guide, Adam(_falling), Trace_ELBO(num_particles=8))
    result = svi.run(0, steps, *data, progress_bar=False, average=0.3)
    return guide.sample_posterior(1, result.params, sample_shape=(4000,))


def _falling(step):
    return 0.03 * 0.9995**step


@pytest.mark.parametrize("kind", ["AutoMultivariateNormal", "AutoNormal"])
def test_states_of_a_loop_are_found(x64, kind):
    draws = fitted(chained, getattr(autoguide, kind)(chained), SERIES)["state"]
    mean, covariance = chained_posterior()
    sd = np.sqrt(np.diag(covariance))
    assert_allclose(draws.mean(0), mean, atol=0.08 * sd.max())
    if kind == "AutoNormal":  # mean field finds the conditional spreads
        sd = np.diag(np.linalg.inv(covariance)) ** -0.5
    assert_allclose(draws.std(0), sd, rtol=0.08)


def test_what_is_missing_is_fitted_too(x64):
    there = np.arange(STEPS) % 3 != 1

    def gaps(y):
        level = ppl.sample("level", dist.Normal(0.0, 10.0))
        with ppl.plate("row", STEPS):
            ppl.sample("y", dist.Normal(level, 1.0), obs=y, obs_mask=there)

    y = np.where(there, SERIES, np.nan)
    draws = fitted(gaps, autoguide.AutoMultivariateNormal(gaps), y)
    precision = there.sum() + 0.01
    mean, sd = SERIES[there].sum() / precision, precision**-0.5
    assert_allclose(draws["level"].mean(), mean, atol=0.08 * sd)
    assert_allclose(draws["level"].std(), sd, rtol=0.08)
    missing = np.asarray(draws["y_unobserved"])[:, ~there]
    assert_allclose(missing.mean(0), mean, atol=0.1)
    assert_allclose(missing.std(0), np.hypot(1.0, sd), rtol=0.08)
