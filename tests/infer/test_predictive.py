"""Predictive draws: analytic moments, seeded traces, guides."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl import predicting
from ppl._errors import (
    ModelError,
)
from ppl.handlers import seed, trace
from ppl.infer import SVI, Predictive, Trace_ELBO, autoguide, log_likelihood
from ppl.optim import Adam
from ppl.predicting import DoubtfulDrawsWarning, PriorDrawsWarning
from tests.infer.models import X, draws, regression

# --- what is drawn --------------------------------------------------------------------


def test_prior_draws_are_seeded_traces():
    found = Predictive(regression, num_samples=7)(3, X)
    assert list(found) == ["slope", "noise", "line", "y"]
    for i in range(7):
        key = jax.random.fold_in(jax.random.PRNGKey(3), i)
        sites = trace(seed(regression, key)).get_trace(X)
        for name, values in found.items():
            np.testing.assert_allclose(
                values[i], sites[name]["value"], rtol=1e-5, atol=1e-6
            )


def test_draw_i_depends_on_the_key_and_i_alone():
    few = Predictive(regression, num_samples=3)(3, X)
    many = Predictive(regression, num_samples=11)(3, X)
    np.testing.assert_allclose(few["y"], many["y"][:3], rtol=1e-5)
    assert not np.allclose(few["y"], Predictive(regression, num_samples=3)(4, X)["y"])


def test_predictive_moments_of_a_conjugate_model():
    """y ~ N(m, s²), m ~ N(0, 1): given data, new y has mean E[m|y], var V[m|y] + s²."""
    y, s = np.array([1.0, 2.0, 0.5, 1.5]), 0.7
    variance = 1 / (1 + len(y) / s**2)
    mean = variance * y.sum() / s**2

    def model(y=None):
        m = ppl.sample("m", dist.Normal(0, 1))
        ppl.sample("y", dist.Normal(m, s), obs=y)

    n = 40_000
    m = mean + np.sqrt(variance) * np.random.default_rng(1).normal(size=n)
    new = np.asarray(Predictive(model, {"m": m})(0)["y"], np.float64)
    total = variance + s**2
    assert abs(new.mean() - mean) < 4 * np.sqrt(total / n)
    assert abs(new.var() - total) < 4 * total * np.sqrt(2 / n)
    assert st.kstest(new, st.norm(mean, np.sqrt(total)).cdf).pvalue > 1e-3


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_blocks_change_nothing_but_rounding(batch_size):
    def elementwise(y=None):
        m = ppl.sample("m", dist.Gamma(2, 1))
        with ppl.plate("n", 4):
            ppl.sample("y", dist.StudentT(3, jnp.exp(m), 1.0), obs=y)
            ppl.sample("k", dist.Poisson(m))

    samples = {"m": np.linspace(0.1, 3, 13).astype(np.float32)}
    whole = Predictive(elementwise, samples)(0)
    blocks = Predictive(elementwise, samples, batch_size=batch_size)(0)
    for name, values in whole.items():
        assert isinstance(blocks[name], np.ndarray)
        np.testing.assert_allclose(blocks[name], values, rtol=3e-7)
    np.testing.assert_array_equal(blocks["k"], whole["k"])


def test_large_results_come_in_blocks_by_themselves(monkeypatch):
    whole = Predictive(regression, draws(10))(0, X)
    monkeypatch.setattr(predicting, "_BLOCK_BYTES", 3 * 8 * 4)  # three draws
    blocks = Predictive(regression, draws(10))(0, X)
    assert isinstance(blocks["y"], jax.Array)
    np.testing.assert_allclose(blocks["y"], whole["y"], rtol=1e-5)
    parallel = Predictive(regression, draws(10), parallel=True)(0, X)
    np.testing.assert_array_equal(parallel["y"], whole["y"])


def test_new_data_of_the_same_shape_compile_nothing():
    runs = []

    def model(x, y=None):
        runs.append(1)
        return regression(x, y)

    first = Predictive(model, draws(10))(0, X)
    before = predicting._compiled._cache_size()
    traced = len(runs)
    second = Predictive(model, draws(10, seed=5))(1, X + 1)
    assert predicting._compiled._cache_size() == before
    assert len(runs) == traced + 1  # the abstract look, and no compilation
    assert not np.allclose(first["line"], second["line"])


def test_a_model_whose_globals_have_changed_is_another_program():
    about = {"sd": np.float32(1.0)}

    def model():
        ppl.sample("y", dist.Normal(0.0, about["sd"]))

    small = Predictive(model, num_samples=5)(0)["y"]
    about["sd"] = np.float32(100.0)
    np.testing.assert_allclose(
        Predictive(model, num_samples=5)(0)["y"], 100 * small, rtol=1e-5
    )


@pytest.mark.parametrize("batch_shape", [(), (6,), (2, 3)])
def test_batches_of_any_rank(batch_shape):
    samples = draws(*batch_shape)
    found = Predictive(regression, samples, batch_ndims=len(batch_shape))(0, X)
    assert found["y"].shape == (*batch_shape, 4)
    np.testing.assert_allclose(found["line"], samples["slope"] @ X.T, rtol=1e-4)
    terms = log_likelihood(
        regression, samples, X, np.ones(4), batch_ndims=len(batch_shape)
    )
    assert terms["y"].shape == (*batch_shape, 4)


def test_return_sites_and_observed_sites():
    y = np.arange(4.0)
    samples = draws(5)
    assert list(Predictive(regression, samples)(0, X)) == ["line", "y"]
    observed = Predictive(regression, samples)(0, X, y)
    np.testing.assert_array_equal(observed["y"], np.tile(y, (5, 1)))
    some = Predictive(regression, samples, return_sites=["noise", "row"])(0, X)
    np.testing.assert_array_equal(some["noise"], samples["noise"])
    np.testing.assert_array_equal(some["row"], np.tile(np.arange(4), (5, 1)))


def test_deterministic_draws_are_computed_anew_unless_asked_for():
    samples = draws(5) | {"line": np.full((5, 4), 7.0, np.float32)}
    anew = Predictive(regression, samples)(0, X)["line"]
    np.testing.assert_allclose(anew, samples["slope"] @ X.T, rtol=1e-4)
    for option in ({"condition_deterministic": True}, {"exclude_deterministic": False}):
        given = Predictive(regression, samples, **option)(0, X)
        np.testing.assert_array_equal(given["line"], samples["line"])
        assert abs(float(given["y"].mean()) - 7) < 3
    # Stale values of other shapes do no harm where they are not asked for.
    assert Predictive(regression, samples)(0, X[:2])["y"].shape == (5, 2)


def test_factors_are_no_predictions():
    def model():
        x = ppl.sample("x", dist.Normal(0, 1))
        ppl.factor("bonus", -x)

    assert list(Predictive(model, num_samples=3)(0)) == ["x"]


def test_missing_latents_are_told_once_and_not_silently():
    with pytest.warns(
        PriorDrawsWarning, match="'noise' has no posterior draws"
    ) as said:
        found = Predictive(regression, {"slope": draws(5)["slope"]})(0, X)
    assert len(said) == 1
    assert said[0].filename == __file__
    assert list(found) == ["noise", "line", "y"]
    meant = Predictive(
        regression, {"slope": draws(5)["slope"]}, return_sites=["noise", "y"]
    )
    assert list(meant(0, X)) == ["noise", "y"]


@pytest.mark.parametrize("batch_size", [None, 4])
def test_draws_outside_of_their_support_are_counted(batch_size):
    samples = draws(10)
    samples["noise"][[2, 5, 9]] = -1.0
    words = "'noise': 3 of 10 given draws are outside"
    with pytest.warns(DoubtfulDrawsWarning, match=words) as said:
        Predictive(regression, samples, batch_size=batch_size)(0, X)
    assert len(said) == 1
    with pytest.warns(DoubtfulDrawsWarning) as said:
        log_likelihood(regression, samples, X, np.ones(4))
    assert [("NaN" in str(w.message)) for w in said] == [False, True]


def test_predictions_that_are_no_numbers_are_counted():
    def model(spread, y=None):
        m = ppl.sample("m", dist.Normal(0, 1))
        ppl.sample("y", dist.StudentT(3, m, jnp.sqrt(spread)), obs=y)

    with pytest.warns(DoubtfulDrawsWarning, match="'y': 5 of 5 draws have NaN"):
        Predictive(model, num_samples=5)(0, np.float32(-1))
    gaps = Predictive(regression, draws(10))(0, X, np.full(4, np.nan))
    assert np.isnan(gaps["y"]).all()  # observed, and nothing to tell


def test_a_missing_latent_that_nothing_depends_on_is_a_prediction():
    def chain(y=None):
        top = ppl.sample("top", dist.Normal(0, 1))
        middle = ppl.sample("middle", dist.Normal(top, 1))
        ppl.sample("y", dist.Normal(middle, 1), obs=y)

    found = Predictive(chain, {"middle": np.zeros(3, np.float32)})(0)
    assert list(found) == ["top", "y"]


def test_functions_that_sites_share_make_no_dependence():
    both = jax.jit(lambda a, b: (2 * a, 2 * b))

    def model(y=None):
        loc, last = both(
            ppl.sample("loc", dist.Normal(0, 1)), ppl.sample("last", dist.Normal(0, 1))
        )
        ppl.deterministic("twice", last)
        ppl.sample("y", dist.Normal(loc, 1), obs=y)

    found = Predictive(model, {"loc": np.zeros(3, np.float32)})(0)
    np.testing.assert_array_equal(found["twice"], 2 * found["last"])
    with pytest.warns(PriorDrawsWarning, match="site 'loc' has no posterior draws"):
        Predictive(model, {"last": np.zeros(3, np.float32)})(0)


def test_models_that_look_at_their_data():
    def model(group, y=None):
        size = int(np.max(group)) + 1
        effect = ppl.sample("effect", dist.Normal(0, 1).expand([size]))
        ppl.sample("y", dist.Normal(effect[group], 1), obs=y)

    with pytest.warns(match="argument 0: they are compiled in"):
        found = Predictive(model, num_samples=3)(0, np.array([0, 2, 1, 2]))
    assert found["effect"].shape == (3, 3)
    assert found["y"].shape == (3, 4)


def test_inside_jit_and_vmap():
    samples = draws(5)
    plain = Predictive(regression, samples)(0, X)["y"]

    @jax.jit
    def compiled(key, x, samples):
        return Predictive(regression, samples)(key, x)["y"]

    key = jax.random.PRNGKey(0)
    np.testing.assert_allclose(compiled(key, X, samples), plain, rtol=1e-4)
    closed = jax.jit(lambda x: Predictive(lambda: regression(x), samples)(0)["y"])
    np.testing.assert_allclose(closed(X), plain, rtol=1e-4)
    mapped = jax.vmap(compiled, (0, None, None))(jnp.stack([key, key]), X, samples)
    np.testing.assert_allclose(mapped[1], plain, rtol=1e-4)


def test_typed_keys():
    typed = Predictive(regression, draws(5))(jax.random.key(0), X)
    np.testing.assert_array_equal(
        typed["y"], Predictive(regression, draws(5))(0, X)["y"]
    )


# --- guides ---------------------------------------------------------------------------


def guide(x, y=None):
    loc = ppl.param("loc", jnp.zeros(3))
    spread = ppl.param("spread", 1.0, constraint=dist.constraints.positive)
    ppl.sample("slope", dist.Normal(loc, spread).to_event(1))
    ppl.sample("noise", dist.LogNormal(0.0, 0.1))


PARAMS = {"loc": jnp.array([1.0, -2.0, 3.0]), "spread": jnp.array(0.01)}


def test_a_guide_gives_the_latent_values():
    predictive = Predictive(regression, guide=guide, params=PARAMS, num_samples=500)
    found = predictive(0, X)
    assert list(found) == ["line", "y"]
    assert found["y"].shape == (500, 4)
    np.testing.assert_allclose(
        found["line"].mean(0), X @ PARAMS["loc"], rtol=0.01, atol=0.01
    )
    residual = np.asarray(found["y"] - found["line"])
    assert abs(residual.std() - np.sqrt(np.exp(2 * 0.1**2))) < 0.05


def test_a_batch_of_guide_parameters():
    batch = {k: jnp.stack([v, 2 * v]) for k, v in PARAMS.items()}
    found = Predictive(
        regression, guide=guide, params=batch, num_samples=50, batch_ndims=1
    )(0, X)
    assert found["y"].shape == (50, 2, 4)
    for i in range(2):
        np.testing.assert_allclose(
            found["line"][:, i].mean(0), X @ batch["loc"][i], rtol=0.05, atol=0.02
        )


def test_params_of_a_model_and_auxiliary_sites_of_a_guide():
    def model():
        level = ppl.param("level", 0.0)
        z = ppl.sample("z", dist.Normal(0, 1))
        ppl.sample("y", dist.Normal(level + z, 0.1))

    found = Predictive(model, params={"level": 100.0}, num_samples=20)(0)
    assert abs(found["y"].mean() - 100) < 2

    def around(marked):
        infer = {"is_auxiliary": True} if marked else None
        both = ppl.sample("_both", dist.Normal(50, 0.1), infer=infer)
        ppl.sample("z", dist.Delta(both))

    found = Predictive(model, guide=partial(around, True), num_samples=20)(0)
    assert abs(found["y"].mean() - 50) < 1
    with pytest.raises(ModelError, match=r"'_both'.*is_auxiliary"):
        Predictive(model, guide=partial(around, False), num_samples=20)(0)


@pytest.mark.parametrize("name", ["AutoNormal", "AutoMultivariateNormal", "AutoDelta"])
def test_what_a_made_guide_was_not_fitted_to_comes_from_the_model(name):
    """Observations that are left out are predicted, and not guided."""

    def model(x, y=None):
        slope = ppl.sample("slope", dist.Normal(0.0, 1.0))
        with ppl.plate("i", len(x)):
            ppl.sample("y", dist.Bernoulli(logits=slope * x), obs=y)

    x = np.linspace(-2, 2, 7).astype(np.float32)
    guide = getattr(autoguide, name)(model)
    svi = SVI(model, guide, Adam(0.1), Trace_ELBO())
    seen = (x > 0).astype(np.float32)
    params = svi.run(0, 50, x, seen, progress_bar=False).params
    new = np.array([-30.0, 30.0], np.float32)
    predictive = Predictive(model, guide=guide, params=params, num_samples=40)
    found = predictive(1, new)
    assert {n: v.shape for n, v in found.items()} == {"y": (40, 2)}
    asked = Predictive(
        model, guide=guide, params=params, num_samples=40, return_sites=["slope", "y"]
    )(1, new)
    assert np.array_equal(asked["y"], found["y"])
    likely = (np.asarray(asked["slope"])[:, None] * new) > 0
    assert np.mean(likely == asked["y"]) > 0.95
