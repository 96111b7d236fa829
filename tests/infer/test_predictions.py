"""What a posterior predicts, its pointwise log likelihood, and both in ArviZ."""

import pickle
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl._arviz import import_arviz
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    ShapeError,
    UnknownNameError,
)
from ppl.infer import MCMC, NUTS, Predictive, log_likelihood
from ppl.posterior import Posterior
from ppl.predicting import PriorDrawsWarning
from tests.infer.models import SCHOOLS, SIGMA, Y, eight_schools


def regression(x, group, y=None):
    slope = ppl.sample("slope", dist.Normal(0, 1))
    with ppl.plate("group", int(max(2, jnp.size(group) // 4))):
        level = ppl.sample("level", dist.Normal(0, 1))
    with ppl.plate("row", len(x)):
        line = ppl.deterministic("line", slope * x + level[group])
        ppl.sample("y", dist.Normal(line, 0.5), obs=y)
    ppl.factor("nudge", -(slope**2))


X = np.linspace(-1, 1, 8)
GROUP = np.repeat([0, 1], 4)


@pytest.fixture(scope="module")
def fits():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schools = ppl.fit(
            eight_schools, Y, SIGMA, seed=1, draws=250, warmup=200, progress=False
        )
        lines = ppl.fit(
            *(regression, X, GROUP, 2 * X + GROUP),
            **{"seed": 2, "draws": 100, "warmup": 200, "progress": False},
        )
    return schools, lines


@pytest.fixture(scope="module")
def schools(fits):
    return fits[0]


@pytest.fixture(scope="module")
def lines(fits):
    return fits[1]


# --- predictions ----------------------------------------------------------------------


def test_without_arguments_the_data_are_replicated(schools):
    found = schools.predict()
    assert list(found) == ["theta", "y"]
    assert found["y"].shape == (4, 250, 8)
    assert found.dims["y"] == ("school",)
    assert list(found.coords["school"]) == SCHOOLS
    np.testing.assert_allclose(found["theta"], schools["theta"], rtol=1e-4, atol=1e-4)
    z = (found["y"] - schools["theta"]) / SIGMA
    assert st.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert "y (4, 250, 8)" in repr(found)
    assert found.stack("y").shape == (1000, 8)


def test_none_as_observations_and_new_arguments(schools):
    same = schools.predict(None, SIGMA)
    np.testing.assert_array_equal(same["y"], schools.predict()["y"])
    narrow = schools.predict(None, SIGMA / 1e6)
    np.testing.assert_allclose(narrow["y"], schools["theta"], atol=1e-3)


def test_seeds(schools):
    one = schools.predict(seed=1)["y"]
    np.testing.assert_array_equal(one, schools.predict(seed=1)["y"])
    assert not np.allclose(one, schools.predict(seed=2)["y"])
    np.testing.assert_array_equal(one, schools.predict()["y"])  # the seed of the run
    blocks = schools.predict(seed=1, batch_size=300)["y"]
    np.testing.assert_allclose(blocks, one, rtol=1e-5, atol=1e-5)


def test_it_is_predictive_with_the_same_draws(schools):
    latent = {k: schools.stack(k) for k in ("mu", "tau", "z")}
    truth = Predictive(eight_schools, latent)(7, None, SIGMA)
    found = schools.predict(None, SIGMA, seed=7)
    np.testing.assert_allclose(found.stack("y"), truth["y"], rtol=1e-5, atol=1e-5)


def test_new_rows_and_chosen_sites(lines):
    new = lines.predict(np.array([0.5, 2.0, 3.0]), np.array([0, 1, 1]))
    assert new["y"].shape == (4, 100, 3)
    expected = lines["slope"][..., None] * [0.5, 2, 3] + lines["level"][..., [0, 1, 1]]
    np.testing.assert_allclose(new["line"], expected, rtol=1e-4, atol=1e-5)
    only = lines.predict(X, GROUP, return_sites="line")
    assert list(only) == ["line"]
    assert list(lines.predict(return_sites=["y", "slope"])) == ["y", "slope"]


def test_unseen_groups_come_from_their_prior_when_asked(lines):
    x, group = np.zeros(12), np.repeat([0, 1, 2], 4)
    with pytest.raises(ShapeError, match=r"'level'.*\(400, 2\).*\(3,\)"):
        lines.predict(x, group)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = lines.predict(x, group, redraw="level")
    assert new["level"].shape == (4, 100, 3)
    assert st.kstest(new["level"].ravel(), "norm").pvalue > 1e-3


def test_prior_draws(schools):
    prior = schools.predict_prior(400, seed=3)
    assert list(prior) == ["mu", "tau", "z", "theta", "y"]
    assert prior["y"].shape == (1, 400, 8)
    assert st.kstest(prior.stack("mu"), st.norm(0, 5).cdf).pvalue > 1e-3
    theta = prior["mu"][..., None] + prior["tau"][..., None] * prior["z"]
    np.testing.assert_allclose(prior["theta"], theta, rtol=1e-3, atol=1e-3)


def test_a_changed_model_does_not_draw_from_the_prior_unnoticed():
    def model(x=None, y=None):
        mu = ppl.sample("mu", dist.Normal(0, 1))
        extra = ppl.sample("extra", dist.Normal(0, 1)) if x is not None else 0.0
        ppl.sample("y", dist.Normal(mu + extra, 1), obs=y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posterior = ppl.fit(
            model, y=np.float32(1.0), seed=0, draws=20, warmup=50, progress=False
        )
    with pytest.warns(PriorDrawsWarning, match="'extra' has no posterior draws"):
        posterior.predict(np.float32(1.0))


def test_what_cannot_be_predicted(schools, lines):
    with pytest.raises(ArgumentError, match="nothing to predict.*Pass None"):
        schools.predict(Y, SIGMA)
    with pytest.raises(UnknownNameError, match="Did you mean 'theta'"):
        schools.predict(return_sites="teta")
    with pytest.raises(UnknownNameError, match="redraw 'levl'.*Did you mean 'level'"):
        lines.predict(redraw=["levl"])
    with pytest.raises(ArgumentError, match="batch_size must be >= 1, got 0"):
        schools.predict(batch_size=0)
    with pytest.raises(ArgumentTypeError, match="draws must be an int, got 1.5"):
        schools.predict_prior(1.5)
    bare = Posterior({"x": np.zeros((1, 10))})
    for attempt in (bare.predict, bare.log_likelihood, bare.predict_prior):
        with pytest.raises(ModelError, match="does not know its model"):
            attempt()


def test_pickles_leave_the_model_out(schools):
    again = pickle.loads(pickle.dumps(schools))
    np.testing.assert_array_equal(again["mu"], schools["mu"])
    assert again.density is None


# --- log likelihood -------------------------------------------------------------------


def test_log_likelihood_is_pointwise_and_scipys(schools, lines):
    found = schools.log_likelihood()
    assert list(found) == ["y"]
    assert found.dims["y"] == ("school",)
    truth = st.norm(schools["theta"], SIGMA).logpdf(Y)
    np.testing.assert_allclose(found["y"], truth, rtol=1e-4)
    named = log_likelihood(
        eight_schools, {k: schools[k] for k in schools}, Y, SIGMA, batch_ndims=2
    )
    np.testing.assert_allclose(found["y"], named["y"], rtol=1e-5)
    blocks = schools.log_likelihood(batch_size=77)
    np.testing.assert_allclose(blocks["y"], found["y"], rtol=1e-5)
    assert list(lines.log_likelihood()) == ["y"]  # what a factor adds is no datum


def test_events_have_one_log_likelihood():
    def model(y):
        loc = ppl.sample("loc", dist.Normal(0, 1).expand([2]).to_event(1))
        with ppl.plate("row", len(y), coords=["a", "b", "c"]):
            ppl.sample("y", dist.Normal(loc, 1).to_event(1), obs=y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posterior = ppl.fit(
            model, np.ones((3, 2)), seed=0, draws=20, warmup=50, progress=False
        )
    found = posterior.log_likelihood()
    assert found["y"].shape == (4, 20, 3)
    tree = posterior.to_datatree(log_likelihood=found, posterior_predictive=True)
    assert tree["log_likelihood"]["y"].dims == ("chain", "draw", "row")
    assert tree["posterior_predictive"]["y"].dims == (
        *("chain", "draw", "row"),
        "y_dim_1",
    )
    assert list(tree["log_likelihood"]["row"].values) == ["a", "b", "c"]


# --- ArviZ ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arviz():
    return import_arviz()


def test_groups_are_there_when_asked_for(schools):
    extra = {"posterior_predictive", "log_likelihood", "prior", "prior_predictive"}
    assert not extra & set(schools.to_datatree().children)
    new = schools.predict(None, SIGMA)
    tree = schools.to_datatree(
        posterior_predictive=True, log_likelihood=True, prior=30, predictions=new
    )
    assert (extra | {"predictions"}) <= set(tree.children)
    assert set(tree["prior"].data_vars) == {"mu", "tau", "z", "theta"}
    assert set(tree["prior_predictive"].data_vars) == {"y"}
    assert tree["prior"].sizes["draw"] == 30
    np.testing.assert_array_equal(tree["predictions"]["y"], new["y"])
    for group in ("posterior_predictive", "log_likelihood", "predictions"):
        assert tree[group]["y"].dims == ("chain", "draw", "school")
        assert list(tree[group]["school"].values) == SCHOOLS
    assert schools.to_datatree(prior=True)["prior"].sizes["draw"] == 1000
    alone = new.to_datatree()
    assert list(alone.children) == ["predictions"]


def test_predictions_of_other_sizes_have_their_own_labels(lines):
    new = lines.predict(np.array([0.5, 2.0, 3.0]), np.array([0, 1, 1]))
    tree = lines.to_datatree(predictions=new)
    assert tree["predictions"].sizes["row"] == 3
    assert tree["observed_data"].sizes["row"] == 8


def test_loo_is_arvizs_on_numpyros_log_likelihood(schools, arviz):
    numpyro = pytest.importorskip("numpyro")
    d = numpyro.distributions

    def theirs(y, sigma):
        mu = numpyro.sample("mu", d.Normal(0, 5))
        tau = numpyro.sample("tau", d.HalfCauchy(5))
        with numpyro.plate("school", 8):
            z = numpyro.sample("z", d.Normal(0, 1))
            numpyro.sample("y", d.Normal(mu + tau * z, sigma), obs=y)

    latent = {k: schools[k] for k in ("mu", "tau", "z")}
    terms = numpyro.infer.log_likelihood(theirs, latent, Y, SIGMA, batch_ndims=2)
    other = arviz.from_dict(
        posterior=latent, log_likelihood={"y": np.asarray(terms["y"])}
    )
    options = {"pointwise": True, "reff": 1.0}  # which is else that of all variables
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few draws
        mine = arviz.loo(schools.to_arviz(log_likelihood=True), **options)
        truth = arviz.loo(other, **options)
    np.testing.assert_allclose(mine.elpd_loo, truth.elpd_loo, rtol=1e-5)
    np.testing.assert_allclose(mine.loo_i.values, truth.loo_i.values, rtol=1e-4)
    np.testing.assert_allclose(mine.p_loo, truth.p_loo, atol=1e-3)


def test_posterior_predictive_check_can_be_drawn(schools, arviz, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    import matplotlib.pyplot as plt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = schools.to_arviz(posterior_predictive=True)
        axes = arviz.plot_ppc(data, num_pp_samples=5, random_seed=0)
        (axis,) = np.ravel(axes)
    lines = [np.asarray(line.get_ydata()) for line in axis.lines]
    drawn = [heights for heights in lines if len(heights)]  # others are for the legend
    assert len(drawn) >= 1 + 1, "the data and the mean of the predictions"
    assert all(np.isfinite(heights).all() for heights in drawn)
    labels = axis.get_legend_handles_labels()[1]
    assert {"Observed", "Posterior predictive mean"} <= set(labels)
    plt.close("all")


def test_mcmc_results_predict_too():
    mcmc = MCMC(
        NUTS(eight_schools),
        num_warmup=100,
        num_samples=50,
        num_chains=2,
        progress_bar=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mcmc.run(0, Y, SIGMA)
    assert mcmc.posterior.predict(None, SIGMA)["y"].shape == (2, 50, 8)
    flat = Predictive(eight_schools, mcmc.get_samples())(1, None, SIGMA)
    grouped = mcmc.get_samples(group_by_chain=True)
    chains = Predictive(eight_schools, grouped, batch_ndims=2)(1, None, SIGMA)
    np.testing.assert_array_equal(chains["y"].reshape(100, 8), flat["y"])
