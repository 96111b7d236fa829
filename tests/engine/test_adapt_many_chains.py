"""What warm-ups of many chains learn from: each estimate where its value is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from ppl.infer.engine.adapt import _pooled, chees, laps, mams
from ppl.infer.engine.adapt.base import Drawn
from ppl.infer.engine.kernels._trajectory import steps_for, van_der_corput
from ppl.infer.engine.metric import Dense, Diagonal

RNG = np.random.default_rng(0)


def test_van_der_corput_mirrors_binary_digits():
    found = van_der_corput(jnp.arange(7))
    expected = [1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    many = np.sort(van_der_corput(jnp.arange(2**12 - 1)))
    np.testing.assert_allclose(many, np.arange(1, 2**12) / 2**12, atol=1e-6)


def test_trajectories_have_a_step_at_least_and_a_bound():
    steps = steps_for(jnp.array([0.0, 0.1, 1.05, 1e9]), 0.5)
    assert steps.tolist() == [1, 1, 3, 1024]


@pytest.mark.parametrize(("num_warmup", "chains"), [(500, 4), (50, 1024), (3, 64)])
def test_rounds_fill_the_warmup_and_end_at_windows(num_warmup, chains):
    pool = _pooled.Pool.begin(num_warmup, chains)
    seen = []
    while pool.done < num_warmup:
        size = pool.next_round
        draws = np.zeros((chains, size, 2))
        pool = pool.added(Drawn(draws, {}, {"gradient": draws}))
        seen.append(pool.done)
        assert 2 * pool.draws()[0].shape[1] >= pool.done
    assert seen[-1] == num_warmup
    assert set(pool.ends) <= set(seen)
    assert all(end <= 0.8 * num_warmup for end in pool.ends)


def test_longest_axis_is_not_made_by_chance():
    white = RNG.normal(size=(64, 4, 100))
    assert _pooled.longest(Diagonal(jnp.ones(100)), white) == pytest.approx(1, abs=0.2)
    along = np.ones(100) / 10
    long = white + 4 * RNG.normal(size=(64, 4, 1)) * along
    assert _pooled.longest(Diagonal(jnp.ones(100)), long) == pytest.approx(4, rel=0.15)
    half = Dense(2 * jnp.eye(100))
    assert _pooled.longest(half, long) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("chains", [8, 256])
def test_slowness_of_an_autoregression(chains):
    r = np.array([0.0, 0.5, 0.9])
    x = [RNG.normal(size=(chains, 3))]
    for _ in range(4000 // chains):
        x.append(r * x[-1] + np.sqrt(1 - r**2) * RNG.normal(size=(chains, 3)))
    found = mams.slowness(np.stack(x, axis=1))
    assert found == pytest.approx(19, rel=0.5)


def test_slowness_does_not_take_chance_for_correlation():
    assert mams.slowness(RNG.normal(size=(64, 3, 500))) < 1.6


def normal_transition(time, chains=4000):
    """Exact oscillation of a standard normal in 5 dims, as a round of one draw."""
    x, p = RNG.normal(size=(2, chains, 5))
    end = x * np.cos(time) + p * np.sin(time)
    momentum = p * np.cos(time) - x * np.sin(time)
    vectors = {"proposal": end[:, None], "momentum": momentum[:, None]}
    statistics = {"acceptance_rate": np.ones((chains, 1))}
    return x, Drawn(end[:, None], statistics, vectors)


@pytest.mark.parametrize(("time", "sign"), [(0.5, 1), (1.2, 1), (2.0, -1), (3.0, -1)])
def test_chees_climbs_to_a_quarter_of_a_period(time, sign):
    """Of a standard normal in d dims it is d sin(time)²."""
    last, drawn = normal_transition(time)
    metric, times = Diagonal(jnp.ones(5)), np.full((len(last), 1), time)
    slope = chees.derivative(metric, drawn, last, np.zeros(5), times)
    assert np.sign(slope) == sign
    expected = time * 5 * np.sin(2 * time)
    assert slope == pytest.approx(expected, rel=0.25, abs=0.5)


def test_harmonic_mean_minds_the_worst_but_not_one_alone():
    def mean(rates, diverging=0.0):
        rates = np.array(rates)[:, None]
        off = np.full_like(rates, diverging)
        statistics = {"acceptance_rate": rates, "diverging": off}
        return chees.harmonic_mean(Drawn(rates, statistics, {}))

    assert mean([0.5, 1.0]) == pytest.approx(2 / 3)
    assert mean([0.0] + [1.0] * 99) > 0.8
    assert mean([1.0], diverging=1.0) == 0.0


def test_virial_bias_is_that_of_the_variance():
    x = RNG.normal(size=(20_000, 4))
    assert laps.virial_bias(x, -x) < 1e-3
    assert laps.virial_bias(1.1 * x, -1.1 * x) == pytest.approx(0.21**2, rel=0.2)
    assert laps.virial_bias(x, np.full_like(x, np.nan)) == np.inf


def test_wanted_energy_error_grows_with_the_bias():
    biases = np.logspace(-6, 0, 20)
    errors = [laps.wanted(b) for b in biases]
    assert (np.diff(errors) > 0).all()
    assert errors[0] == pytest.approx(4 * (0.025e-6) ** 1.5, rel=1e-3)
    assert laps.wanted(1e9) == laps.wanted(1.0)


@pytest.mark.parametrize("start", [1e-3, 1.0, 50.0])
def test_bisection_finds_the_acceptance(start):
    search = laps.Bisection(start)
    while not search.over:
        search = search.update(np.exp(-search.step_size / 10), 0.9)
    assert np.exp(-search.step_size / 10) == pytest.approx(0.9, abs=0.03)


def test_moments_settle_when_they_stand_still():
    def history(means):
        return tuple(laps.Moments(np.array([m, 0.0]), np.ones(2)) for m in means)

    assert not laps.settled(history(np.zeros(19)), 256)
    assert laps.settled(history(np.zeros(40)), 256)
    assert not laps.settled(history(np.linspace(0, 3, 40)), 256)
    assert laps.settled(history(3 * np.exp(-np.arange(60) / 5)), 256)
