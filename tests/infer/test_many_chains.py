"""Samplers for many chains: right on known posteriors, and clear about bad settings."""

import inspect
import warnings

import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError
from ppl.infer import LAPS, MAMS, MCMC, ChEES
from tests.infer.models import SIGMA, Y, eight_schools, gaussian

# Mean and MCSE of eight schools from a million draws of Stan, see test_fit.py.
SCHOOLS = {"mu": (4.41, 0.03, 3.31), "tau": (3.60, 0.03, 3.20)}
MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[4.0, 1.5, 0.0], [1.5, 1.0, 0.03], [0.0, 0.03, 0.01]])

SAMPLERS = [ChEES, MAMS, LAPS]
every = pytest.mark.parametrize("sampler", SAMPLERS)


def correlated():
    ppl.sample("x", dist.MultivariateNormal(MEAN, covariance_matrix=COVARIANCE))


def quiet_fit(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ppl.fit(*args, progress=False, **kwargs)


def error_of(values, truth):
    """How many standard errors the mean of (chains, draws) is off; chains are alike."""
    means = np.asarray(values, np.float64).mean(axis=1)
    return (means.mean() - truth) / (means.std(ddof=1) / np.sqrt(len(means)))


@every
@pytest.mark.parametrize("chains", [64, 256])
def test_correlated_normal(sampler, chains):
    posterior = quiet_fit(
        sampler(correlated), chains=chains, warmup=150, draws=150, seed=chains
    )
    for i, (mean, variance) in enumerate(zip(MEAN, np.diag(COVARIANCE), strict=True)):
        x = posterior["x"][..., i]
        assert abs(error_of(x, mean)) < 4.5
        assert abs(error_of((x - mean) ** 2, variance)) < 4.5
        assert x.std() == pytest.approx(np.sqrt(variance), rel=0.05)


@every
@pytest.mark.parametrize("chains", [64, 256])
def test_eight_schools(sampler, chains):
    posterior = quiet_fit(
        sampler(eight_schools), Y, SIGMA, chains=chains, warmup=200, draws=400, seed=1
    )
    for name, (mean, mcse, sd) in SCHOOLS.items():
        values = posterior[name]
        own = values.mean(1).std(ddof=1) / np.sqrt(chains)
        assert abs(values.mean() - mean) < 4.5 * np.hypot(own, mcse)
        assert values.std() == pytest.approx(sd, rel=0.05)
    assert posterior.sample_stats["diverging"].mean() < 0.001
    assert posterior.attrs["sampler"] == sampler.__name__


@every
def test_mcmc_runs_them_and_goes_on(sampler):
    mcmc = MCMC(
        sampler(correlated),
        num_warmup=60,
        num_samples=20,
        num_chains=64,
        progress_bar=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mcmc.run(0, extra_fields=("energy", "num_steps", "accept_prob"))
    assert mcmc.get_samples()["x"].shape == (64 * 20, 3)
    fields = mcmc.get_extra_fields()
    assert set(fields) == {"diverging", "energy", "num_steps", "accept_prob"}
    assert all(np.isfinite(v).all() for v in fields.values())


BAD_SETTINGS = [
    ({"step_size": 0.0}, "step_size must be > 0, got 0"),
    ({"target_accept_prob": 1.5}, r"target_accept_prob must be in \(0, 1\)"),
    ({"trajectory_length": -1.0}, "trajectory_length must be > 0, got -1"),
    ({"inverse_mass_matrix": np.eye(3)}, "(?s)not a vector.*Give its diagonal"),
]


@pytest.mark.parametrize(
    ("sampler", "settings", "message"),
    [
        (sampler, settings, message)
        for sampler in SAMPLERS
        for settings, message in BAD_SETTINGS
        if set(settings) <= set(inspect.signature(sampler).parameters)
    ],
)
def test_bad_settings(sampler, settings, message):
    with pytest.raises(ArgumentError, match=message):
        sampler(correlated, **settings)


def test_given_settings_stay():
    sampler = ChEES(
        correlated,
        step_size=0.3,
        inverse_mass_matrix=COVARIANCE,
        trajectory_length=2.0,
        adapt_step_size=False,
        adapt_mass_matrix=False,
    )
    posterior = quiet_fit(sampler, chains=64, warmup=20, draws=40, seed=0)
    stats = posterior.sample_stats
    assert stats["step_size"] == pytest.approx(0.3)
    assert 1 <= stats["n_steps"].min() <= stats["n_steps"].max() <= 7
    assert (np.ptp(stats["n_steps"], axis=0) == 0).all()  # alike in all chains
    assert abs(error_of(posterior["x"][..., 0], MEAN[0])) < 4.5


def test_one_chain_is_enough_for_chees():
    posterior = quiet_fit(
        ChEES(gaussian), np.ones(9), chains=1, warmup=300, draws=2000, seed=0
    )
    assert posterior["m"].mean() == pytest.approx(0.9, abs=0.05)


def test_microcanonical_dynamics_need_two_coordinates():
    with pytest.raises(ArgumentError, match="(?s)needs 2 unconstrained.*NUTS"):
        quiet_fit(MAMS(gaussian), np.ones(9))


def test_few_chains_are_not_enough_for_laps():
    with pytest.raises(ArgumentError, match="(?s)64 chains or more, got 63.*chains=64"):
        quiet_fit(LAPS(correlated), chains=63)


def test_only_adjusted_draws_of_laps_are_samples():
    posterior = quiet_fit(
        LAPS(correlated), chains=64, warmup=400, draws=50, seed=0, keep_warmup=True
    )
    warmup = posterior.warmup_sample_stats
    single = (warmup["n_steps"] == 1).all(axis=0)
    first = int(np.argmin(single))  # where trajectories become longer than a step
    assert 20 <= first < 320
    error, rate = warmup["energy"][:, :first], warmup["acceptance_rate"][:, :first]
    assert rate.min() < 0.9
    moved = (np.diff(posterior.warmup_samples["x"][:, :first], axis=1) != 0).any(-1)
    assert moved[error[:, 1:] < 100].all()
    assert posterior.warmup_samples["x"].shape[1] < 400  # it ends by itself
    stats = posterior.sample_stats
    assert 0.8 < stats["acceptance_rate"].mean() < 0.97
    stayed = (np.diff(posterior["x"], axis=1) == 0).all(-1)
    assert 0.03 < stayed.mean() < 0.2
