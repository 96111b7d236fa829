"""Fitted guides as posteriors: exact ones, poor ones, points, subsamples."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl._errors import ArgumentError
from ppl.diagnostics import ApproximationWarning
from ppl.infer.autoguide import AutoDelta, AutoNormal
from ppl.infer.elbo import Trace_ELBO
from ppl.infer.svi import SVI
from tests.infer.models import SIGMA, Y, eight_schools

pytestmark = pytest.mark.filterwarnings("error")


def svi_of(model, guide, rate=0.02, particles=1):
    loss = Trace_ELBO(num_particles=particles)
    return SVI(model, guide, ppl.optim.Adam(rate), loss)


def conjugate(y):
    m = ppl.sample("m", dist.Normal(0, 1))
    s = ppl.param("s", 1.0, constraint=dist.constraints.positive)
    ppl.deterministic("twice", 2 * m)
    with ppl.plate("i", len(y)):
        ppl.sample("y", dist.Normal(m, s), obs=y)


def guide(y):
    del y
    loc, scale = ppl.param("loc", 0.0), ppl.param("scale", 1.0)
    ppl.sample("m", dist.Normal(loc, scale))


DATA = np.array([0.5, 1.5, 2.0], np.float32)
EXACT = {"s": 1.0, "loc": 1.0, "scale": 0.5}  # of the conjugate posterior


def test_exact_guide_gives_the_evidence():
    """Params may be given by hand; those of the model count too."""
    svi = svi_of(conjugate, guide)
    posterior = svi.posterior(EXACT, DATA, draws=4000, seed=1)
    known = multivariate_normal(np.zeros(3), np.eye(3) + 1).logpdf(DATA)
    assert posterior.attrs["log_evidence"] == pytest.approx(known, abs=1e-4)
    assert posterior.attrs["elbo"] == pytest.approx(known, abs=1e-4)
    assert posterior["m"].mean() == pytest.approx(1.0, abs=0.03)
    assert posterior["m"].std() == pytest.approx(0.5, abs=0.03)
    assert posterior["twice"] == pytest.approx(2 * posterior["m"])
    assert posterior.observed_data["y"] == pytest.approx(DATA)
    assert posterior.findings == []


def test_params_of_the_model_are_in_predictions():
    svi = svi_of(conjugate, guide)
    with pytest.warns(ApproximationWarning):
        posterior = svi.posterior({**EXACT, "s": 100.0}, DATA, seed=0, draws=2000)
    assert posterior.predict(seed=0)["y"].std() == pytest.approx(100, rel=0.1)


def test_poor_guide_is_told_and_put_right():
    svi = svi_of(conjugate, guide)
    narrow = {**EXACT, "scale": 0.12}
    with pytest.warns(ApproximationWarning, match=r"SVI \(guide\) is not near") as seen:
        svi.posterior(narrow, DATA, seed=0, draws=4000)
    assert seen[0].filename == __file__
    wide = {**EXACT, "scale": 1.0, "loc": 1.5}
    posterior = svi.posterior(wide, DATA, seed=0, draws=2000, resample=True)
    assert posterior["m"].mean() == pytest.approx(1.0, abs=0.05)
    assert posterior["m"].std() == pytest.approx(0.5, abs=0.05)


@pytest.fixture(scope="module")
def schools():
    svi = svi_of(eight_schools, AutoNormal(eight_schools), particles=8)
    return svi, svi.run(0, 2000, Y, SIGMA, progress_bar=False)


@pytest.mark.filterwarnings("ignore::ppl.diagnostics.ApproximationWarning")
def unjudged(svi, *args, **options):
    """The posterior of a fit without the warning that the guide is poor, if it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return svi.posterior(*args, **options)


def test_fitted_guide_is_a_posterior_like_any_other(schools):
    svi, result = schools
    posterior = unjudged(svi, result, Y, SIGMA, draws=500, seed=5)
    assert list(posterior.samples) == ["mu", "tau", "z", "theta"]
    assert posterior.dims["theta"] == ("school",)
    theta = posterior["mu"] + posterior["tau"] * posterior["z"][..., 0]
    assert posterior["theta"][..., 0] == pytest.approx(theta, rel=1e-4, abs=1e-4)
    assert posterior["mu"].mean() == pytest.approx(4.4, abs=1)
    assert posterior.attrs["method"] == "SVI (AutoNormal)"
    assert posterior.predict(seed=0)["y"].shape == (1, 500, 8)
    assert posterior.adapted.positions.shape == (256, 10)
    assert posterior.adapted.inverse_mass_matrix.shape == (10, 10)
    loss = result.losses[-200:].mean()
    assert posterior.attrs["elbo"] == pytest.approx(-loss, abs=0.3)
    with compilations() as compiled:
        other = unjudged(svi, result, Y + 1, SIGMA, draws=500, seed=6)
    assert compiled.programs == 0
    assert not np.array_equal(other["mu"], posterior["mu"])


def test_points_are_not_judged():
    svi = svi_of(conjugate, AutoDelta(conjugate))
    posterior = svi.posterior({"m_auto_loc": 0.7, "s": 1.0}, DATA, draws=20)
    assert np.isnan(posterior.attrs["pareto_k"])
    assert posterior.adapted is None
    assert posterior["m"] == pytest.approx(np.full((1, 20), 0.7))
    (note,) = posterior.findings
    assert note.category is None
    assert "some latent value is a point" in note.message


def test_subsamples_are_not_judged():
    def rows(y):
        m = ppl.sample("m", dist.Normal(0, 1))
        with ppl.plate("i", 8, subsample_size=4) as i:
            ppl.sample("y", dist.Normal(m, 1), obs=y[i])

    svi = svi_of(rows, guide_of_rows)
    posterior = svi.posterior({"loc": 1.0}, Y, draws=50)
    assert np.isnan(posterior.attrs["pareto_k"])
    assert np.ptp(posterior.sample_stats["log_weight"]) == 0


def guide_of_rows(y):
    del y
    ppl.sample("m", dist.Normal(ppl.param("loc", 0.0), 0.5))


def test_discrete_sites_of_a_guide():
    """Probability 3/4 of either model, known from Bayes' rule."""

    def coin():
        z = ppl.sample("z", dist.Bernoulli(0.5))
        ppl.factor("f", jnp.where(z == 1, jnp.log(3.0), 0.0))

    def toss():
        ppl.sample("z", dist.Bernoulli(0.75))

    posterior = svi_of(coin, toss).posterior({}, draws=4000, seed=0)
    assert posterior["z"].mean() == pytest.approx(0.75, abs=0.03)
    assert posterior.attrs["log_evidence"] == pytest.approx(np.log(2), abs=1e-5)


def test_bad_number_of_draws():
    with pytest.raises(ArgumentError, match="draws must be >= 1"):
        svi_of(conjugate, guide).posterior(EXACT, DATA, draws=0)
