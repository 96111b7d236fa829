"""Data that a fit observed and that are then to be predicted: none of the guide's."""

import jax
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl.infer import SVI, Predictive, Trace_ELBO, autoguide
from ppl.optim import Adam


def yes_or_no(x, y=None):
    slope = ppl.sample("slope", dist.Normal(0, 1))
    height = ppl.sample("height", dist.Normal(0, 1))
    with ppl.plate("row", len(x)):
        ppl.sample("y", dist.Bernoulli(logits=slope * x + height), obs=y)


def in_parts(model):
    guide = autoguide.AutoGuideList(model)
    seeded = ppl.handlers.seed(model, rng_seed=0)
    guide.append(autoguide.AutoNormal(ppl.handlers.block(seeded, hide=["height"])))
    guide.append(autoguide.AutoDelta(ppl.handlers.block(seeded, hide=["slope"])))
    return guide


@pytest.mark.parametrize(
    "make",
    [
        autoguide.AutoNormal,
        autoguide.AutoDelta,
        autoguide.AutoMultivariateNormal,
        autoguide.AutoLaplaceApproximation,
        pytest.param(autoguide.AutoDAIS, marks=pytest.mark.slow),
        in_parts,
    ],
    ids=lambda make: make.__name__,
)
def test_a_guide_predicts_what_its_fit_observed(make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=100).astype(np.float32)
    y = (rng.random(100) < 1 / (1 + np.exp(-1.5 * x - 1))).astype(np.float32)
    guide = make(yes_or_no)
    svi = SVI(yes_or_no, guide, Adam(0.05), Trace_ELBO())
    params = svi.run(0, 300, x, y, progress_bar=False).params
    drawn = guide.sample_posterior(1, params, sample_shape=(4000,))

    new = np.array([-2.0, 0.0, 2.0], np.float32)  # of another length than the fit's
    predict = Predictive(yes_or_no, guide=guide, params=params, num_samples=4000)
    predicted = predict(jax.random.key(2), new)
    assert set(predicted) == {"y"}
    logits = drawn["slope"][:, None] * new + drawn["height"][:, None]
    expected = np.mean(1 / (1 + np.exp(-np.asarray(logits))), axis=0)
    error = 5 * np.sqrt(2 * 0.25 / 4000)
    assert np.allclose(np.mean(predicted["y"], axis=0), expected, atol=error)


@pytest.mark.parametrize("make", [autoguide.AutoNormal, in_parts])
def test_another_fit_may_observe_less(make):
    x = np.linspace(-1, 1, 6).astype(np.float32)

    def model(x, height=None):
        slope = ppl.sample("slope", dist.Normal(0, 1))
        height = ppl.sample("height", dist.Normal(slope, 1), obs=height)
        with ppl.plate("row", len(x)):
            ppl.sample("y", dist.Normal(slope * x + height, 1.0), obs=x)

    guide = make(model)
    svi = SVI(model, guide, Adam(0.05), Trace_ELBO())
    if make is autoguide.AutoNormal:
        svi.run(0, 20, x, 0.5, progress_bar=False)
        known = guide.prototype
        with pytest.raises(TypeError):
            svi.run(0, 20, "no data", progress_bar=False)
        assert guide.prototype is known, "a fit that did not begin changes nothing"
    params = svi.run(0, 20, x, progress_bar=False).params
    drawn = guide.sample_posterior(0, params, sample_shape=(3,))
    assert {name: value.shape for name, value in drawn.items()} == {
        "slope": (3,),
        "height": (3,),
    }
