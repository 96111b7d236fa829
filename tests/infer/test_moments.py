"""Runs that keep sums: the same numbers as from all draws, in bounded memory."""

import os
import signal
import time
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError
from ppl.diagnostics import (
    ConvergenceWarning,
    DivergenceWarning,
    EnergyWarning,
    LowESSWarning,
    StuckChainWarning,
    TreeDepthWarning,
    ebfmi,
)
from ppl.infer import HMC, NUTS, streaming
from ppl.infer.engine import driver, run
from ppl.infer.engine.kernels import hmc as kernels
from ppl.moments import Moments
from tests.infer.models import SIGMA, Y, eight_schools, eight_schools_centred, gaussian


def quiet_fit(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ppl.fit(*args, progress=False, **kwargs)


def pair(model, *args, **kwargs):
    """The same run with all draws and with sums."""
    draws = quiet_fit(model, *args, **kwargs)
    return draws, quiet_fit(model, *args, collect="moments", **kwargs)


@pytest.fixture(scope="module")
def both():
    hasty = NUTS(eight_schools_centred, target_accept_prob=0.5)
    return pair(hasty, Y, SIGMA, seed=1, warmup=200, draws=600)


@pytest.fixture(scope="module")
def groups():
    options = {"chains": 64, "superchains": 8, "warmup": 150, "draws": 50}
    return pair(eight_schools, Y, SIGMA, seed=1, **options)


@pytest.mark.parametrize("which", ["both", "groups"])
def test_means_and_variances_are_those_of_all_draws(which, request):
    posterior, moments = request.getfixturevalue(which)
    assert list(moments.mean) == list(posterior)
    for name, draws in posterior.items():
        exact = draws.astype(np.float64)
        np.testing.assert_allclose(moments.mean[name], exact.mean((0, 1)), 1e-6)
        np.testing.assert_allclose(
            moments.variance[name], exact.var((0, 1), ddof=1), 1e-6
        )
    for name, values in posterior.sample_stats.items():
        means = values.astype(np.float64).mean(axis=1)
        np.testing.assert_allclose(moments.sample_stats[name], means, 1e-9)
    size = f"{posterior.num_chains} chains × {posterior.num_draws} draws"
    assert repr(moments).startswith(f"<Moments: {size}; mu, tau")
    assert {**moments.attrs, "sampling_time": 0} == {
        **posterior.attrs,
        "sampling_time": 0,
    }


@pytest.mark.parametrize("which", ["both", "groups"])
def test_the_table_is_that_of_a_posterior(which, request):
    posterior, moments = request.getfixturevalue(which)
    theirs, ours = posterior.summary(prob=0.8), moments.summary(prob=0.8)
    assert ours.columns == theirs.columns
    assert ours.labels == theirs.labels
    for i, column in enumerate(ours.columns):
        if column in ("mean", "sd", "10%", "90%", "ess_tail", "nested_r_hat"):
            np.testing.assert_allclose(ours.numbers[:, i], theirs.numbers[:, i], 1e-6)
    ess = ours.columns.index("ess_bulk")
    ratio = np.median(ours.numbers[:, ess] / theirs.numbers[:, ess])
    if which == "groups":  # the chains of the other mix too slowly to compare
        assert 0.5 < ratio < 2
    few = moments.summary(["tau", "mu"])
    assert few.labels == ("tau", "mu")
    assert few["tau"]["mean"] == pytest.approx(moments.mean["tau"])
    with pytest.raises(KeyError, match="Did you mean 'tau'"):
        moments.summary("taw")
    if which == "groups":
        names = moments.summary(exclude_deterministic=True).shapes
        assert list(names) == ["mu", "tau", "z"]
        assert "theta[Choate]" in str(ours)


def test_html(both):
    html = both[1]._repr_html_()
    assert "Moments: 4 chains × 600 draws" in html
    assert "seed 1" in html
    assert "diverged" in html
    assert "tau" in html


def test_divergent_draws_are_those_of_the_posterior(both):
    posterior, moments = both
    ours, theirs = moments.divergences, posterior.divergences
    assert ours.count == theirs.count > 0
    order = np.lexsort((ours.draw, ours.chain))
    np.testing.assert_array_equal(ours.chain[order], theirs.chain)
    np.testing.assert_array_equal(ours.draw[order], theirs.draw)
    for name in posterior:
        np.testing.assert_array_equal(ours[name][order], theirs[name])
        assert ours[name].dtype == posterior[name].dtype


def test_findings_are_those_of_the_posterior(both, groups):
    for posterior, moments in (both, groups):
        ours = {f.category for f in moments.findings}
        theirs = {f.category for f in posterior.findings}
        assert ours ^ theirs <= {LowESSWarning, ConvergenceWarning}  # near the bound
    found = {f.category: f for f in both[1].findings}
    same = {f.category: f for f in both[0].findings}
    assert str(found[DivergenceWarning]) == str(same[DivergenceWarning])
    energies = ebfmi(both[0].sample_stats["energy"])
    np.testing.assert_allclose(both[1]._energies(), energies, 1e-6)


def test_quantiles_come_from_thinned_draws(monkeypatch):
    monkeypatch.setattr(streaming, "THINNED_NUMBERS", 4 * 500 * 8)
    y = np.linspace(-1.0, 3.0, 9)
    posterior, moments = pair(gaussian, y, seed=3, warmup=200, draws=4000)
    thinned = moments.thinned
    every = thinned.attrs["thinning"]
    assert every > 1
    assert moments.attrs["thinning"] == 1
    np.testing.assert_array_equal(thinned["m"], posterior["m"][:, every - 1 :: every])
    assert moments.to_datatree()["posterior"]["m"].shape == thinned["m"].shape
    row, low = moments.summary()["m"], np.quantile(posterior["m"], 0.05)
    error = row["sd"] / np.sqrt(row["ess_tail"])
    assert abs(row["5%"] - low) < 5 * error
    mean, sd = y.sum() / 10, 10**-0.5
    assert abs(row["mean"] - mean) < 5 * row["mcse_mean"]
    assert row["sd"] == pytest.approx(sd, rel=0.05)


def test_memory_does_not_grow_with_the_draws(monkeypatch):
    width = 1 + len(kernels.HMC.statistics)
    monkeypatch.setattr(streaming, "THINNED_NUMBERS", 2 * 100 * width)
    sampler = HMC(gaussian, num_steps=1, step_size=0.5, adapt_step_size=False)
    options = {"chains": 2, "warmup": 0, "collect": "moments", "seed": 0}
    sizes = set()
    for draws in (1000, 50_000):
        moments = quiet_fit(sampler, np.ones(3), draws=draws, **options)
        assert moments.num_draws == draws
        sizes.add(moments.nbytes)
    assert len(sizes) == 1
    assert sizes.pop() < 50_000


def test_chains_begin_where_those_of_a_run_with_sums_ended():
    options = {"seed": 0, "warmup": 100, "draws": 50, "collect": "moments"}
    first = quiet_fit(gaussian, np.ones(5), chains=8, superchains=4, **options)
    again = quiet_fit(gaussian, np.ones(5), warm_start=first, **options)
    same = quiet_fit(gaussian, np.ones(5), warm_start=first.thinned, **options)
    assert again.mean["m"] == same.mean["m"]
    groups = {"chains": 8, "superchains": 2}
    more = quiet_fit(gaussian, np.ones(5), warm_start=first, **groups, **options)
    assert more.summary()["m"]["nested_r_hat"] < 1.1


def test_float64(x64):
    moments = quiet_fit(
        gaussian, np.ones(5), seed=0, warmup=50, draws=50, collect="moments"
    )
    assert moments.thinned["m"].dtype == np.float64
    exact = moments.thinned["m"]
    assert moments.mean["m"] == pytest.approx(exact.mean(), rel=1e-13)


def test_thinning_comes_before_the_sums():
    options = {"seed": 4, "warmup": 100, "draws": 200, "thinning": 3}
    posterior, moments = pair(gaussian, np.ones(3), **options)
    assert moments.num_draws == posterior.num_draws == 66
    assert moments.mean["m"] == pytest.approx(posterior["m"].astype(float).mean())


def kinds():
    """Whole numbers, flags, and a constant, beside a latent site."""
    x = ppl.sample("x", dist.Normal(0.0, 1.0))
    ppl.deterministic("sign", x > 0)
    ppl.deterministic("floor", jnp.floor(x).astype(int))
    ppl.deterministic("one", np.float32(0.1))


def test_sites_of_all_kinds():
    posterior, moments = pair(kinds, seed=5, warmup=100, draws=200, chains=3)
    for name, draws in posterior.items():
        exact = draws.astype(np.float64).mean()
        assert moments.mean[name] == pytest.approx(exact, rel=1e-6)
        assert moments.thinned[name].dtype == draws.dtype
    assert moments.variance["one"] == 0
    assert str(moments.summary()).splitlines()


# --- warnings -------------------------------------------------------------------------


def two_modes():
    x = ppl.sample("x", dist.Normal(0.0, 10.0))
    ppl.factor("far", -0.5 * ((abs(x) - 8.0) / 0.2) ** 2)


def test_healthy_run_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            moments = ppl.fit(
                gaussian, np.ones(5), seed=seed, progress=False, collect="moments"
            )
            assert isinstance(moments, Moments)


def categories(*args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ppl.fit(*args, progress=False, collect="moments", **kwargs)
    return {w.category for w in caught}


def test_chains_in_different_modes_warn():
    assert ConvergenceWarning in categories(two_modes, seed=0, chains=16, draws=200)
    short = {"chains": 64, "superchains": 8, "warmup": 200, "draws": 20}
    assert ConvergenceWarning in categories(two_modes, seed=0, **short)


def test_what_else_is_noticed():
    still = {"step_size": 1e-9, "adapt_step_size": False, "adapt_mass_matrix": False}
    stuck = HMC(gaussian, num_steps=1, **still)
    options = {"warmup": 0, "draws": 200, "seed": 0}
    assert StuckChainWarning in categories(stuck, np.full(3, 2.0**20), **options)
    slow = NUTS(gaussian, max_tree_depth=2, **{**still, "step_size": 1e-3})
    found = categories(slow, np.ones(3), **options)
    assert {TreeDepthWarning, LowESSWarning} <= found
    assert EnergyWarning not in found


# --- interrupts and mistakes ----------------------------------------------------------


def interrupt_after(draws, monkeypatch):
    """Send SIGINT once, when each chain has so many of its 2000 draws."""
    take, sent = driver.Collector.take, []

    def watched(self, buffer):
        steps = take(self, buffer)
        if not sent and self.sink.capacity == 2000 and self.counts.min() >= draws:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        return steps

    monkeypatch.setattr(driver.Collector, "take", watched)
    monkeypatch.setattr(run, "_CHUNK_SECONDS", 0.0)  # look after every step


def test_interrupted_run_keeps_what_came(monkeypatch):
    interrupt_after(60, monkeypatch)
    options = {"seed": 7, "warmup": 150, "chains": 16}
    moments = quiet_fit(
        eight_schools, Y, SIGMA, collect="moments", draws=2000, **options
    )
    monkeypatch.undo()
    assert moments.attrs["interrupted"] is True
    lengths = moments._moments.lengths
    assert 60 <= lengths.min() < 2000
    assert "interrupted" in moments._repr_html_()
    words = f"Interrupted: chains have {lengths.min()} to {lengths.max()} draws."
    assert words in [f.message for f in moments.findings]
    whole = quiet_fit(eight_schools, Y, SIGMA, draws=int(lengths.max()), **options)
    mu = [whole["mu"][c, :n].astype(float).mean() for c, n in enumerate(lengths)]
    assert moments.mean["mu"] == pytest.approx(np.mean(mu), rel=1e-5)
    kept = moments.thinned.num_draws
    np.testing.assert_array_equal(moments.thinned["mu"], whole["mu"][:, :kept])
    assert kept == lengths.min()


def test_interrupt_before_a_thinned_draw(monkeypatch):
    monkeypatch.setattr(streaming, "THINNED_NUMBERS", 1)
    interrupt_after(5, monkeypatch)
    moments = quiet_fit(
        HMC(gaussian, num_steps=1),
        np.ones(3),
        collect="moments",
        draws=2000,
        warmup=20,
        seed=0,
    )
    assert moments.thinned["m"].shape == (4, 0)
    row = moments.summary()["m"]
    assert np.isfinite(row["mean"])
    assert np.isnan(row["5%"])


def test_only_some_things_can_be_collected():
    with pytest.raises(ArgumentError, match="must be one of .* got 'momentum'") as info:
        ppl.fit(gaussian, np.ones(3), collect="momentum")
    assert info.value.value == "momentum"
