"""Log likelihoods, bad inputs, and the same draws as NumPyro's in shape."""

import warnings

import jax
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    ShapeError,
    UnknownNameError,
)
from ppl.handlers import condition, mask, scale
from ppl.infer import Predictive, log_likelihood
from tests.infer.models import X, draws, regression

# --- log likelihoods ------------------------------------------------------------------


def test_log_likelihood_is_scipys():
    y, samples = np.arange(4.0), draws(9)
    found = log_likelihood(regression, samples, X, y)
    assert list(found) == ["y"]
    truth = st.norm(samples["slope"] @ X.T, samples["noise"][:, None]).logpdf(y)
    np.testing.assert_allclose(found["y"], truth, rtol=1e-4)
    parallel = log_likelihood(regression, samples, X, y, parallel=True)
    np.testing.assert_array_equal(parallel["y"], found["y"])


def test_masks_count_and_scales_do_not():
    y, samples = np.arange(4.0), draws(9)
    plain = log_likelihood(regression, samples, X, y)["y"]
    kept = np.array([True, False, True, True])

    def changed(x, y):
        slope = ppl.sample("slope", dist.Normal(0, 1).expand([3]).to_event(1))
        noise = ppl.sample("noise", dist.HalfNormal(1))
        with scale(scale=5.0), mask(mask=kept), ppl.plate("row", len(x)):
            ppl.sample("y", dist.Normal(x @ slope, noise), obs=y)

    masked = log_likelihood(changed, samples, X, y)["y"]
    np.testing.assert_allclose(masked, np.where(kept, plain, 0), rtol=1e-6)


def test_conditioned_models():
    observed = condition(regression, data={"y": np.arange(4.0)})
    samples = draws(3)
    np.testing.assert_array_equal(
        log_likelihood(observed, samples, X)["y"],
        log_likelihood(regression, samples, X, np.arange(4.0))["y"],
    )


# --- what is refused ------------------------------------------------------------------


def with_draws(**more):
    return draws(10) | more


def improper():
    ppl.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))


BAD = {
    "mistyped": (
        UnknownNameError,
        r"'slop'.*Did you mean 'slope'\?",
        lambda: Predictive(regression, with_draws(slop=np.ones(10)))(0, X),
    ),
    "event shape": (
        ShapeError,
        r"'slope'.*\(10, 4\).*\(3,\)",
        lambda: Predictive(regression, with_draws(slope=np.ones((10, 4))))(0, X),
    ),
    "scalar for a vector": (
        ShapeError,
        r"'slope'.*\(10,\).*\(3,\)",
        lambda: Predictive(regression, with_draws(slope=np.ones(10)))(0, X),
    ),
    "vector for a scalar": (
        ShapeError,
        r"'noise'.*\(10, 4\).*\(\)",
        lambda: Predictive(regression, with_draws(noise=np.ones((10, 4))))(0, X),
    ),
    "draws by chain": (
        ShapeError,
        "batch_ndims=2",
        lambda: Predictive(regression, draws(4, 10))(0, X),
    ),
    "improper prior": (
        ModelError,
        "site 'x': ImproperUniform cannot be sampled from",
        lambda: Predictive(improper, num_samples=3)(0),
    ),
    "differing numbers": (
        ShapeError,
        r"'noise': has \(9,\) draws, and site 'slope' has \(10,\)",
        lambda: Predictive(regression, with_draws(noise=np.ones(9))),
    ),
    "no draws": (
        ShapeError,
        "there are no draws",
        lambda: Predictive(regression, draws(0)),
    ),
    "batch_ndims": (
        ShapeError,
        r"'noise'.*\(10,\).*batch_ndims=2",
        lambda: Predictive(regression, draws(10), batch_ndims=2),
    ),
    "batch_ndims < 0": (
        ArgumentError,
        "batch_ndims",
        lambda: Predictive(regression, draws(10), batch_ndims=-1),
    ),
    "unknown return_sites": (
        UnknownNameError,
        r"return_sites 'lin'.*Did you mean 'line'\?",
        lambda: Predictive(regression, num_samples=2, return_sites=["lin"])(0, X),
    ),
    "no key": (
        ArgumentTypeError,
        "rng_key must be an int or a JAX random key, got None",
        lambda: Predictive(regression, num_samples=2)(None, X),
    ),
    "no number": (
        ArgumentError,
        "num_samples",
        lambda: Predictive(regression),
    ),
    "num_samples 0": (
        ArgumentError,
        "num_samples must be >= 1",
        lambda: Predictive(regression, num_samples=0),
    ),
    "batch_size 1.5": (
        ArgumentTypeError,
        "batch_size must be an int",
        lambda: Predictive(regression, num_samples=3, batch_size=1.5),
    ),
    "enumeration": (
        ArgumentError,
        "enumeration",
        lambda: Predictive(regression, num_samples=2, infer_discrete=True),
    ),
    "both options": (
        ArgumentError,
        "give one",
        lambda: Predictive(
            regression,
            num_samples=2,
            condition_deterministic=True,
            exclude_deterministic=True,
        ),
    ),
    "no model": (
        ArgumentTypeError,
        "callable model",
        lambda: Predictive(draws(10), regression),
    ),
    "no dict": (
        ArgumentTypeError,
        "posterior_samples must be a dict",
        lambda: Predictive(regression, np.ones(3)),
    ),
    "no draws for a density": (
        ModelError,
        "'noise'.*has no value in the given draws",
        lambda: log_likelihood(regression, {"slope": np.ones((10, 3))}, X, np.ones(4)),
    ),
    "mistyped for a density": (
        UnknownNameError,
        "Did you mean 'noise'",
        lambda: log_likelihood(regression, with_draws(nois=np.ones(10)), X, np.ones(4)),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_inputs_are_named(case):
    error, words, attempt = BAD[case]
    with pytest.raises(error, match=words):
        attempt()


def test_num_samples_beside_draws():
    with pytest.warns(match="num_samples=7, but posterior_samples have 10"):
        assert Predictive(regression, draws(10), num_samples=7).num_samples == 10


# --- NumPyro --------------------------------------------------------------------------


def theirs(x, y=None):
    numpyro = pytest.importorskip("numpyro")
    d = numpyro.distributions
    slope = numpyro.sample("slope", d.Normal(0, 1).expand([3]).to_event(1))
    noise = numpyro.sample("noise", d.HalfNormal(1))
    line = numpyro.deterministic("line", x @ slope)
    with numpyro.plate("row", len(x)):
        return numpyro.sample("y", d.Normal(line, noise), obs=y)


SETTINGS = {
    "prior": ({"num_samples": 6}, {}),
    "posterior": ({}, draws(6)),
    "deterministic": ({}, draws(6) | {"line": np.ones((6, 4), np.float32)}),
    "named": ({"return_sites": ["noise", "y"]}, draws(6)),
    "single": ({"batch_ndims": 0}, draws()),
    "chains": ({"batch_ndims": 2}, draws(2, 3)),
    "nothing but a number": ({"num_samples": 6, "batch_ndims": 2}, {}),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_sites_and_shapes_are_numpyros(setting):
    peer = pytest.importorskip("numpyro.infer")
    options, samples = SETTINGS[setting]
    mine = Predictive(regression, samples or None, **options)(jax.random.PRNGKey(0), X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = peer.Predictive(theirs, samples or None, **options)
        found = other(jax.random.PRNGKey(0), X)
    assert {k: v.shape for k, v in mine.items()} == {
        k: v.shape for k, v in found.items()
    }
    if "line" in found and "slope" in samples:
        np.testing.assert_allclose(mine["line"], found["line"], rtol=1e-4)


def test_log_likelihood_is_numpyros():
    peer = pytest.importorskip("numpyro.infer")
    y = np.arange(4.0, dtype=np.float32)
    mine = log_likelihood(regression, draws(2, 3), X, y, batch_ndims=2)
    found = peer.log_likelihood(theirs, draws(2, 3), X, y, batch_ndims=2)
    assert set(mine) == set(found)
    np.testing.assert_allclose(mine["y"], found["y"], rtol=1e-4)
