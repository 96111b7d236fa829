"""What a run warns of: nothing when it is healthy, the right thing when it is not."""

from collections import Counter

import numpy as np
import pytest

from ppl.diagnostics import (
    ConvergenceWarning,
    DivergenceWarning,
    EnergyWarning,
    LowESSWarning,
    NonFiniteWarning,
    PPLWarning,
    StuckChainWarning,
    TreeDepthWarning,
    diagnose,
    warn_findings,
)
from ppl.posterior import Posterior
from tests.results import categories, schools, with_samples, with_stats


def message(posterior, category):
    (finding,) = (f for f in diagnose(posterior) if f.category is category)
    return str(finding)


def test_a_healthy_run_is_silent():
    """Under 1% false alarms; none in some 450 runs of many sizes, seeds fixed."""
    sizes = [(4, 1000), (4, 250), (4, 100), (2, 500), (1, 1000), (16, 100), (64, 100)]
    alarms = Counter()
    for size in sizes:
        for seed in range(100 if np.prod(size) <= 1000 else 20):
            rng = np.random.default_rng([seed, *size])
            alarms.update(categories(schools(rng, *size)))
    assert not alarms


@pytest.mark.parametrize("rho", [-0.5, 0.4])
def test_a_healthy_run_of_dependent_draws_is_silent(rho):
    for seed in range(10):
        draws = np.random.default_rng(seed).normal(size=(4, 1000, 30))
        for i in range(1, 1000):
            draws[:, i] = rho * draws[:, i - 1] + np.sqrt(1 - rho**2) * draws[:, i]
        assert categories(Posterior({"x": draws})) == set()


@pytest.mark.parametrize("chains", [64, 256])
def test_many_short_chains_of_dependent_draws_are_healthy(chains):
    for seed in range(5):
        draws = np.random.default_rng(seed).normal(size=(chains, 100, 5))
        for i in range(1, 100):
            draws[:, i] = 0.4 * draws[:, i - 1] + np.sqrt(0.84) * draws[:, i]
        assert categories(Posterior({"x": draws})) == set()
        draws[: chains // 4] += 0.6  # a quarter of them elsewhere
        assert ConvergenceWarning in categories(Posterior({"x": draws}))


def test_divergences():
    posterior = schools()
    diverging = posterior["tau"] < np.quantile(posterior["tau"], 0.01)
    diverging[2:] = False
    posterior = with_stats(diverging=diverging)
    assert categories(posterior) == {DivergenceWarning}
    text = message(posterior, DivergenceWarning)
    count = diverging.sum()
    share = 100 * diverging.mean()
    assert f"{count} of 4000 draws ({share:.2g}%) diverged, in 2 of 4 chains" in text
    assert "gather at small tau" in text
    assert "target_accept_prob" in text


def test_tree_depth():
    reached = np.zeros((4, 1000), bool)
    reached[3, :60] = True
    posterior = with_stats(reached_max_treedepth=reached)
    assert categories(posterior) == {TreeDepthWarning}
    text = message(posterior, TreeDepthWarning)
    assert "60 of 4000 draws (1.5%) reached" in text
    assert "in chain 3" in text
    reached[3, 5:] = False
    assert categories(with_stats(reached_max_treedepth=reached)) == set()


def test_chains_that_disagree():
    theta = schools()["theta"].copy()
    theta[0, :, 0] += 3
    theta[1, :, 4] *= 3
    posterior = with_samples(theta=theta)
    assert ConvergenceWarning in categories(posterior)
    text = message(posterior, ConvergenceWarning)
    assert "disagree about 2 of 14 scalars: theta[Choate] (R-hat 1." in text
    assert "theta[<Hotchkiss> & Co]" in text


def test_chains_in_different_modes_are_no_excuse_for_themselves():
    rng = np.random.default_rng(2)
    for chains, draws in [(4, 1000), (4, 100), (64, 100)]:
        modes = rng.choice([-3.0, 3.0], (chains, 1))
        modes[:2, 0] = [-3, 3]
        posterior = Posterior({"x": modes + rng.normal(size=(chains, draws))})
        assert ConvergenceWarning in categories(posterior)


def test_few_effective_draws():
    slow = np.random.default_rng(3).normal(size=(4, 1000))
    for i in range(1, 1000):
        slow[:, i] = 0.97 * slow[:, i - 1] + 0.24 * slow[:, i]
    posterior = with_samples(tau=slow)
    assert LowESSWarning in categories(posterior)
    text = message(posterior, LowESSWarning)
    assert "1 of 14 scalars have fewer than 400 effective draws: tau (" in text
    assert "ESS" in text


def test_slow_chains_are_no_excuse_for_a_high_rhat():
    slow = np.random.default_rng(8).normal(size=(4, 1000)).cumsum(axis=1) / 30
    assert {ConvergenceWarning, LowESSWarning} <= categories(Posterior({"x": slow}))


def test_low_energy_fraction():
    energy = np.random.default_rng(4).normal(size=(4, 1000))
    energy[1] = np.cumsum(energy[1])
    posterior = with_stats(energy=energy)
    assert categories(posterior) == {EnergyWarning}
    assert "below 0.3 in chain 1" in message(posterior, EnergyWarning)


def test_stuck_chains():
    samples = {k: v.copy() for k, v in schools().samples.items()}
    for name in ("mu", "tau", "theta"):
        samples[name][2] = samples[name][2, :1]
    posterior = schools(samples=samples)
    assert StuckChainWarning in categories(posterior)
    assert "in chain 2" in message(posterior, StuckChainWarning)
    still = Posterior({"x": np.ones((4, 1000)), "y": np.zeros((4, 1000, 2))})
    assert "all chains" in message(still, StuckChainWarning)
    alone = {k: samples[k] if k == "mu" else v for k, v in schools().samples.items()}
    assert StuckChainWarning not in categories(schools(samples=alone))


def test_draws_that_are_no_numbers():
    theta = schools()["theta"].copy()
    theta[0, 5, 1] = np.nan
    theta[3, 7, 2] = np.inf
    posterior = with_samples(theta=theta)
    assert categories(posterior) == {NonFiniteWarning}
    assert "theta (2 of 20000 values)" in message(posterior, NonFiniteWarning)
    assert "nan" in str(posterior.summary("theta"))


def test_short_runs_get_notes_and_no_warnings():
    for chains, draws in [(4, 50), (1, 10), (2, 3), (1, 1)]:
        posterior = schools(np.random.default_rng(5), chains, draws)
        (finding,) = diagnose(posterior)
        assert finding.category is None
        assert "too few to check" in finding.message
    notes = diagnose(schools(np.random.default_rng(5), 1, 1000))
    assert [n.category for n in notes] == [None, None]
    assert "one chain" in notes[0].message
    warn_findings(notes)


def test_warnings_point_at_the_caller():
    posterior = with_stats(energy=np.cumsum(np.ones((4, 1000)), axis=1))
    with pytest.warns(PPLWarning, match="E-BFMI") as caught:
        warn_findings(posterior.findings)
    assert len(caught) == len(posterior.findings) == 1
    assert caught[0].filename == __file__


def test_categories_can_be_silenced_together():
    for category in (DivergenceWarning, StuckChainWarning, NonFiniteWarning):
        assert issubclass(category, PPLWarning)
    assert issubclass(PPLWarning, UserWarning)
