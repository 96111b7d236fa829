"""From a model to a posterior: right, reproducible, interruptible, compiled once."""

import os
import signal
import threading
import time
import warnings

import jax
import numpy as np
import pytest

import ppl
from ppl.diagnostics import DivergenceWarning
from ppl.infer import HMC, MCMC, NUTS, init_to_value, starting
from ppl.infer.engine import driver, run
from tests.infer.models import SIGMA, Y, eight_schools, eight_schools_centred, gaussian

# Mean and MCSE of eight schools for mu ~ Normal(0, 5), tau ~ HalfCauchy(5), from a
# million draws of Stan and from posteriordb, which agree within half an MCSE.
TRUTH = {"mu": (4.41, 0.03, 3.31), "tau": (3.60, 0.03, 3.20)}


def quiet_fit(*args, **kwargs):
    """`ppl.fit` without its bar and its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ppl.fit(*args, progress=False, **kwargs)


def check_eight_schools(posterior):
    table = posterior.summary()
    for name, (mean, mcse, sd) in TRUTH.items():
        row = table[name]
        error = np.hypot(row["mcse_mean"], mcse)
        assert abs(row["mean"] - mean) < 5 * error, (name, row)
        assert row["sd"] == pytest.approx(sd, rel=0.07)
        assert row["r_hat"] < 1.01


def test_eight_schools_float32():
    posterior = quiet_fit(eight_schools, Y, SIGMA, seed=1, draws=2500)
    assert posterior["mu"].dtype == np.float32
    check_eight_schools(posterior)


def test_eight_schools_float64(x64):
    posterior = quiet_fit(eight_schools, Y, SIGMA, seed=2, draws=2500)
    assert posterior["mu"].dtype == np.float64
    check_eight_schools(posterior)


@pytest.mark.parametrize("sampler", [NUTS, HMC])
@pytest.mark.parametrize("dense", [False, True])
def test_conjugate_posterior(sampler, dense):
    y = np.linspace(-1.0, 3.0, 9)
    posterior = quiet_fit(sampler(gaussian, dense_mass=dense), y, seed=3, chains=16)
    mean, sd = y.sum() / 10, 10**-0.5
    row = posterior.summary()["m"]
    assert abs(row["mean"] - mean) < 5 * row["mcse_mean"]
    assert row["sd"] == pytest.approx(sd, rel=0.05)


def test_centred_form_warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ppl.fit(eight_schools_centred, Y, SIGMA, seed=0, progress=False)
    assert DivergenceWarning in {w.category for w in caught}


def test_healthy_run_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(5):
            posterior = ppl.fit(gaussian, np.ones(5), seed=seed, progress=False)
            assert posterior.findings == []


# --- the same draws, bit for bit ------------------------------------------------------


def same(a, b):
    return all(np.array_equal(a[k], b[k]) for k in a) and all(
        np.array_equal(a.sample_stats[k], b.sample_stats[k]) for k in a.sample_stats
    )


@pytest.fixture(scope="module")
def reference():
    return quiet_fit(eight_schools, Y, SIGMA, seed=7, warmup=150, draws=200)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunk_length_changes_nothing(reference, chunk):
    again = quiet_fit(
        eight_schools, Y, SIGMA, seed=7, warmup=150, draws=200, chunk=chunk
    )
    assert same(reference, again)


def test_progress_bar_changes_nothing(reference, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"seed": 7, "warmup": 150, "draws": 200, "progress": True}
        again = ppl.fit(eight_schools, Y, SIGMA, **options)
    assert same(reference, again)
    bar = capsys.readouterr().err
    for word in ("sample", "divergences", "step size", "leapfrogs/s", "1400/1400"):
        assert word in bar


def test_loop_of_fixed_length_changes_nothing(reference, monkeypatch):
    """Accelerators run every step of a chunk; the draws are those of the early exit."""
    start = starting.start

    def fixed(*args, **kwargs):
        begun = start(*args, **kwargs)
        begun.early_exit, begun.rows = False, 32
        return begun

    monkeypatch.setattr(starting, "start", fixed)
    again = quiet_fit(eight_schools, Y, SIGMA, seed=7, warmup=150, draws=200)
    assert same(reference, again)


def test_checkpoint_slots_change_nothing(reference, monkeypatch):
    """A kernel that begins with one checkpoint slot grows and draws the same."""
    make = NUTS.kernel

    def small(self, dim, chains, dtype):
        kernel = make(self, dim, chains, dtype)
        return ppl._pytree.replace(kernel, levels=1, few_levels=1)

    monkeypatch.setattr(NUTS, "kernel", small)
    again = quiet_fit(eight_schools, Y, SIGMA, seed=7, warmup=150, draws=200)
    assert same(reference, again)


def run_mcmc(draws, state=None, chains=4, **kwargs):
    mcmc = MCMC(
        NUTS(eight_schools),
        num_warmup=150,
        num_samples=draws,
        num_chains=chains,
        progress_bar=False,
        **kwargs,
    )
    mcmc.post_warmup_state = state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mcmc.run(7, Y, SIGMA)
    return mcmc


def test_continued_run_is_one_long_run(reference):
    first = run_mcmc(120)
    second = run_mcmc(80, first.last_state)
    third = run_mcmc(80, first.last_state)  # a state can be used more than once
    for name in ("mu", "tau", "theta"):
        parts = [first.posterior[name], second.posterior[name]]
        assert np.array_equal(np.concatenate(parts, axis=1), reference[name])
        assert np.array_equal(second.posterior[name], third.posterior[name])


def test_chains_do_not_depend_on_their_number():
    """At fixed settings the draws of a chain are the same among 1, 4, 64 chains."""
    draws = {}
    for chains in (1, 4, 64):
        sampler = NUTS(
            eight_schools, step_size=0.4, adapt_step_size=False, adapt_mass_matrix=False
        )
        posterior = quiet_fit(
            sampler, Y, SIGMA, seed=11, chains=chains, warmup=0, draws=50
        )
        draws[chains] = np.concatenate([posterior["mu"], posterior["tau"]], axis=1)
    for chains in (4, 64):
        np.testing.assert_allclose(draws[chains][:1], draws[1], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(draws[64][:4], draws[4], rtol=2e-3, atol=2e-3)


def test_seeds_differ_and_keys_work():
    a = quiet_fit(gaussian, np.ones(3), seed=0, warmup=50, draws=20)
    b = quiet_fit(gaussian, np.ones(3), seed=1, warmup=50, draws=20)
    c = quiet_fit(gaussian, np.ones(3), seed=jax.random.key(0), warmup=50, draws=20)
    d = quiet_fit(gaussian, np.ones(3), seed=jax.random.PRNGKey(0), warmup=50, draws=20)
    assert not np.array_equal(a["m"], b["m"])
    assert np.array_equal(c["m"], d["m"])
    fresh = quiet_fit(gaussian, np.ones(3), warmup=50, draws=20)
    again = quiet_fit(
        gaussian, np.ones(3), seed=fresh.attrs["seed"], warmup=50, draws=20
    )
    assert np.array_equal(fresh["m"], again["m"])


@pytest.mark.parametrize("thinning", [2, 7])
def test_thinning_keeps_every_kth(reference, thinning):
    thin = quiet_fit(
        eight_schools, Y, SIGMA, seed=7, warmup=150, draws=200, thinning=thinning
    )
    kept = reference["mu"][:, thinning - 1 :: thinning]
    assert np.array_equal(thin["mu"], kept)


# --- interrupts -----------------------------------------------------------------------


def interrupt_when(monkeypatch, condition):
    """Send SIGINT to this process when the collector satisfies `condition`, once."""
    take = driver.Collector.take
    sent = []

    def watched(self, buffer):
        steps = take(self, buffer)
        if not sent and condition(self):
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        return steps

    monkeypatch.setattr(driver.Collector, "take", watched)


@pytest.mark.parametrize("thinning", [1, 3])
def test_interrupted_run_keeps_what_is_finished(monkeypatch, reference, thinning):
    interrupt_when(
        monkeypatch, lambda c: c.sink.capacity >= 60 and c.counts.min() >= 50
    )
    monkeypatch.setattr(run, "_CHUNK_SECONDS", 0.0)  # look after every step
    first = run_mcmc(200, thinning=thinning)
    posterior = first.posterior
    kept = posterior.num_draws
    assert posterior.attrs["interrupted"] is True
    assert 50 // thinning <= kept < 200 // thinning
    expected = reference["mu"][:, thinning - 1 :: thinning]
    assert np.array_equal(posterior["mu"], expected[:, :kept])
    assert not np.isnan(posterior["mu"]).any()

    rest = run_mcmc(200 - kept * thinning, first.last_state, thinning=thinning)
    assert np.array_equal(rest.posterior["mu"], expected[:, kept:])
    assert rest.posterior.attrs["interrupted"] is False


def test_interrupt_in_warmup_raises(monkeypatch):
    interrupt_when(monkeypatch, lambda c: True)
    with pytest.raises(KeyboardInterrupt, match="warm-up"):
        run_mcmc(10)


def test_signal_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    run_mcmc(5)
    assert signal.getsignal(signal.SIGINT) is before


def test_runs_in_threads():
    results = {}

    def work(seed):
        results[seed] = quiet_fit(gaussian, np.ones(4), seed=seed, warmup=50, draws=30)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, posterior in results.items():
        alone = quiet_fit(gaussian, np.ones(4), seed=seed, warmup=50, draws=30)
        assert np.array_equal(posterior["m"], alone["m"])


# --- compiled once --------------------------------------------------------------------


@pytest.fixture
def compilations():
    """Counts compilations while the test runs."""
    counted = []
    listening = [True]

    def listen(name, seconds, **kwargs):
        del seconds, kwargs
        if listening[0] and "backend_compile" in name:
            counted.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counted
    listening[0] = False


def test_second_fit_compiles_nothing(compilations):
    quiet_fit(eight_schools, Y, SIGMA, seed=0, warmup=60, draws=30)
    counted = len(compilations)
    quiet_fit(eight_schools, Y, SIGMA, seed=1, warmup=60, draws=40)
    quiet_fit(eight_schools, Y + 3, SIGMA * 2, seed=2, warmup=80, draws=40)
    constrained = 1  # another number of draws is another shape for `constrain`
    assert len(compilations) - counted <= constrained
    counted = len(compilations)
    quiet_fit(eight_schools, Y + 5, SIGMA, seed=3, warmup=60, draws=40)
    assert len(compilations) == counted


def test_changed_globals_are_seen():
    """A model that closes over data is compiled anew when these have changed."""
    held = {"y": np.zeros(20)}

    def model():
        m = ppl.sample("m", ppl.distributions.Normal(0, 10))
        ppl.sample("y", ppl.distributions.Normal(m, 1).expand([20]), obs=held["y"])

    low = quiet_fit(model, seed=0, warmup=100, draws=100)["m"].mean()
    held["y"] = np.full(20, 9.0)
    high = quiet_fit(model, seed=0, warmup=100, draws=100)["m"].mean()
    assert abs(low) < 0.5
    assert abs(high - 9) < 0.5


# --- the face of MCMC -----------------------------------------------------------------


def test_numpyro_face(capsys):
    mcmc = MCMC(
        NUTS(eight_schools, init_strategy=init_to_value(values={"mu": 1.0})),
        num_warmup=80,
        num_samples=40,
        num_chains=3,
        chain_method="vectorized",
        progress_bar=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mcmc.warmup(jax.random.PRNGKey(0), Y, SIGMA)
        assert mcmc.post_warmup_state is not None
        mcmc.run(1, Y, SIGMA, extra_fields=("potential_energy", "num_steps", "lp"))
    samples = mcmc.get_samples()
    assert samples["theta"].shape == (120, 8)
    assert mcmc.get_samples(group_by_chain=True)["theta"].shape == (3, 40, 8)
    extra = mcmc.get_extra_fields()
    assert set(extra) == {"potential_energy", "num_steps", "lp", "diverging"}
    np.testing.assert_allclose(extra["potential_energy"], -extra["lp"])
    mcmc.print_summary()
    printed = capsys.readouterr().out
    assert "n_eff" in printed
    assert "Number of divergences" in printed
    assert "theta" not in printed
    assert set(mcmc.posterior.sample_stats) == {
        "lp",
        "energy",
        "diverging",
        "acceptance_rate",
        "step_size",
        "tree_depth",
        "n_steps",
        "reached_max_treedepth",
    }


def test_lp_is_the_log_density():
    posterior = quiet_fit(eight_schools, Y, SIGMA, seed=0, warmup=100, draws=50)
    mu, tau, z = (posterior[k].astype(np.float64) for k in ("mu", "tau", "z"))
    from scipy import stats

    theta = mu[..., None] + tau[..., None] * z
    expected = stats.norm(0, 5).logpdf(mu) + stats.halfcauchy(0, 5).logpdf(tau)
    expected += np.log(tau)  # the Jacobian of tau = exp(x)
    expected += stats.norm(0, 1).logpdf(z).sum(-1)
    expected += stats.norm(theta, SIGMA).logpdf(Y).sum(-1)
    np.testing.assert_allclose(posterior.sample_stats["lp"], expected, atol=2e-4)


def test_warmup_draws_can_be_kept():
    posterior = quiet_fit(
        eight_schools, Y, SIGMA, seed=7, warmup=150, draws=200, keep_warmup=True
    )
    assert posterior.warmup_samples["mu"].shape == (4, 150)
    assert posterior.warmup_sample_stats["lp"].shape == (4, 150)
