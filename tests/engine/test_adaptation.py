"""Metrics found from draws and gradients, and when warm-up trusts them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from ppl.infer.engine import driver
from ppl.infer.engine.adapt import Windows, _metric
from ppl.infer.engine.adapt._step_size import OwnRates, Relief
from ppl.infer.engine.adapt.windows import schedule
from ppl.infer.engine.kernels import NUTS
from ppl.infer.engine.metric import Blocks, Dense, Diagonal, LowRank, metric_from
from ppl.infer.engine.progress import Progress
from ppl.infer.engine.run import start
from tests.engine import targets as t


def covariance(dim: int, rng: np.random.Generator, spread: float = 4.0) -> np.ndarray:
    """With principal axes in random directions and scales over `spread` decades."""
    axes, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return (axes * np.logspace(-spread / 2, spread / 2, dim)) @ axes.T


def normal_draws(
    cov: np.ndarray, rng: np.random.Generator, chains: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws and gradients of a centred normal, (chains, n, dim)."""
    x = rng.multivariate_normal(np.zeros(len(cov)), cov, (chains, n), method="eigh")
    return x, -np.linalg.solve(cov, x[..., None])[..., 0]


# --- estimates ------------------------------------------------------------------------


def test_scales_of_independent_normals_are_exact_after_two_draws():
    rng = np.random.default_rng(0)
    scales = np.logspace(-3, 3, 7)
    found = _metric.moves(*normal_draws(np.diag(scales**2), rng, 1, 2))
    np.testing.assert_allclose(_metric.diagonal(found, np.ones(7)), scales, rtol=1e-6)


def test_covariance_of_a_normal_is_nearly_exact():
    """A sample covariance of 80 draws in 8 dimensions is off by a third."""
    rng = np.random.default_rng(1)
    cov = covariance(8, rng)
    found = _metric.moves(*normal_draws(cov, rng, 4, 20))
    factor = _metric.spectral(found, _metric.diagonal(found, np.ones(8))).factor()
    # directions within a factor of two of round are left alone
    inner = np.linalg.solve(factor, np.linalg.solve(factor, cov).T)
    values = np.linalg.eigvalsh(inner)
    assert values.min() > 0.45
    assert values.max() < 2.2


def test_few_strong_directions_among_many_coordinates():
    rng = np.random.default_rng(2)
    dim = 200
    axes, _ = np.linalg.qr(rng.normal(size=(dim, 2)))
    cov = np.eye(dim) + (axes * [99.0, -0.99]) @ axes.T
    position, gradient = normal_draws(cov, rng, 4, 30)
    shape = _metric.spectral(_metric.moves(position, gradient), np.ones(dim))
    factor = shape.factor()
    inner = np.linalg.solve(factor, np.linalg.solve(factor, cov).T)
    values = np.linalg.eigvalsh(inner)
    assert values.max() / values.min() < 300  # of 10,000, from fewer draws than dims
    assert abs(shape.vectors.T @ axes).max(axis=0) == pytest.approx(1, abs=0.05)


def test_chains_that_lie_apart_are_taken_about_their_own_means():
    rng = np.random.default_rng(3)
    cov = np.diag([1.0, 4.0])
    position, gradient = normal_draws(cov, rng, 4, 50)
    shifted = position + np.arange(4)[:, None, None] * 100.0
    found = _metric.moves(shifted, gradient)
    scale = _metric.diagonal(found, np.ones(2))
    np.testing.assert_allclose(scale, [1, 2], rtol=0.1)


def test_what_does_not_move_or_is_not_finite_keeps_its_scale():
    position, gradient = np.zeros((2, 5, 2)), np.ones((2, 5, 2))
    position[..., 1] = np.arange(5.0)
    gradient[..., 1] = -np.arange(5.0)
    gradient[0, 0, 1] = np.nan
    found = _metric.moves(position, gradient)
    assert _metric.diagonal(found, np.array([7.0, 3.0]))[0] == 7.0
    assert np.isfinite(_metric.spectral(found, np.ones(2)).factor()).all()


def test_gains_are_confirmed_by_the_other_chains_or_not_at_all():
    rng = np.random.default_rng(4)
    cov = covariance(6, rng, spread=3.0)
    scale = np.sqrt(np.diag(cov))
    real = _metric.confirmed_gain(*normal_draws(cov, rng, 4, 50))
    round_ = _metric.confirmed_gain(*normal_draws(np.diag(scale**2), rng, 4, 50))
    chance = _metric.confirmed_gain(
        rng.normal(size=(4, 8, 6)), rng.normal(size=(4, 8, 6))
    )
    assert real > 3
    assert round_ == pytest.approx(1, abs=0.2)
    assert chance < 2


def test_first_scales_come_from_the_size_of_gradients():
    gradient = np.array([[0.01, 100.0, 0.0], [-0.01, -100.0, 0.0]])
    np.testing.assert_allclose(_metric.first_scale(gradient), [10, 0.1, 1])


# --- metrics as maps ------------------------------------------------------------------


def metrics() -> dict[str, object]:
    rng = np.random.default_rng(5)
    axes, _ = np.linalg.qr(rng.normal(size=(6, 2)))
    factor = np.linalg.cholesky(covariance(3, rng, 2.0))
    return {
        "diagonal": metric_from(np.arange(1.0, 7.0), np.dtype(np.float64)),
        "dense": metric_from(covariance(6, rng, 2.0), np.dtype(np.float64)),
        "low-rank": LowRank(np.arange(1.0, 7.0), axes, np.array([4.0, -0.7])),
        "blocks": Blocks(np.arange(1.0, 7.0), (factor,), ((4, 0, 2),)),
    }


@pytest.mark.parametrize("name", list(metrics()))
def test_push_and_pull_are_adjoint_factors_of_the_inverse_mass_matrix(x64, name):
    metric = metrics()[name]
    eye = jnp.eye(6)
    factor, transposed = np.asarray(metric.push(eye)), np.asarray(metric.pull(eye))
    np.testing.assert_allclose(transposed, factor.T, atol=1e-12)
    whole = np.asarray(metric.inverse_mass_matrix)
    whole = np.diag(whole) if whole.ndim == 1 else whole
    np.testing.assert_allclose(whole, factor @ factor.T, atol=1e-10)
    assert np.linalg.eigvalsh(whole).min() > 0


# --- the schedule ---------------------------------------------------------------------


@pytest.mark.parametrize("num_warmup", [0, 1, 19, 20, 50, 225, 600, 1000, 5000])
@pytest.mark.parametrize("chains", [1, 4, 64, 1024])
def test_windows_fill_the_warm_up_and_shrink_with_chains(num_warmup, chains):
    windows = schedule(num_warmup, chains)
    assert sum(windows) == num_warmup
    assert all(w > 0 for w in windows)
    if num_warmup >= 225:
        assert windows[0] == (10 if chains <= 16 else 3)
        assert windows[-2] > windows[0]
        assert min(0.02 * num_warmup, 49) < windows[-1] <= max(50, 400 / chains)


def test_one_chain_that_gets_nowhere_holds_the_step_size_back():
    healthy, slow, stuck = OwnRates(), OwnRates(), OwnRates()
    for _ in range(30):
        slow = slow.update(np.array([0.9, 0.95, 0.9, 0.45]), 1)
        healthy = healthy.update(np.array([0.8, 0.75, 0.85, 0.8]), 1)
        stuck = stuck.update(np.array([0.9, 0.95, 0.9, 0.1]), 1)
    assert healthy.bound() > slow.bound() > 0.8
    assert stuck.bound() < 0.65
    assert stuck.update(np.array([0.9, 0.9, 0.9, np.nan]), 1).bound() < stuck.bound()


def test_a_few_of_many_chains_in_narrow_places_do_not():
    rates = np.full(512, 0.8)
    rates[:5] = 0.2
    some = OwnRates().update(rates, 1)
    for _ in range(30):
        some = some.update(rates, 1)
    assert some.bound() > 1
    rates[:5] = 0.0
    for _ in range(100):
        some = some.update(rates, 1)
    assert some.bound() < 0.5, "they get nowhere at all"
    assert some.bound(relieved=True) > 1, "but with smaller steps they will"
    rates[:20] = 0.0
    for _ in range(100):
        some = some.update(rates, 1)
    assert some.bound(relieved=True) < 0.5, "many do"


def test_divergences_ask_for_more_acceptance_up_to_a_bound():
    rates = np.full(4, 0.8)
    never, some, many = OwnRates(), OwnRates(), OwnRates()
    for _ in range(200):
        never, some, many = (
            own.update(rates, 1, share)
            for own, share in ((never, 0.0), (some, 0.01), (many, 0.5))
        )
    assert never.toll(0.8) == 0
    assert 0.02 < some.toll(0.8) < 0.1
    np.testing.assert_allclose(many.toll(0.8), 0.15)
    assert many.toll(0.99) == 0, "what a user asks for is not lowered"


def test_of_many_chains_one_that_gets_nowhere_takes_smaller_steps_until_it_moves():
    rates, relief = np.full(64, 0.8), Relief(np.ones(64))
    rates[3] = 0.0
    for _ in range(20):
        relief = relief.update(rates, 1, 0.8)
    assert relief.factor[3] == pytest.approx(2.0**-5)
    assert np.flatnonzero(~relief.common) == [3]
    rates[3] = 0.5
    after = relief.update(rates, 1, 0.8)
    assert after.factor[3] == relief.factor[3], "it moves"
    rates[3] = 0.9
    for _ in range(20):
        relief = relief.update(rates, 1, 0.8)
    assert relief.common.all(), "it is out"
    assert 0.01 < relief.settled().factor[3] < 0.5, "but only just"
    assert relief.settled().settled().factor[3] == relief.settled().factor[3]


def test_no_chain_is_relieved_where_all_go_nowhere_or_there_are_few():
    nowhere = Relief(np.ones(64)).update(np.zeros(64), 10, 0.8)
    assert nowhere.common.all()
    few = Relief(np.ones(4)).update(np.array([0.0, 0.9, 0.9, 0.9]), 10, 0.8)
    assert few.common.all()


# --- whole warm-ups -------------------------------------------------------------------


def warmed_up(target: t.ExactTarget, adaptation: Windows, chains: int, draws: int):
    """The kernel after a warm-up from dispersed starting points."""
    kernel = NUTS(np.float32(1), Diagonal(np.ones(target.dim, np.float32)), np.int32(8))
    rng = np.random.default_rng(6)
    starts = rng.uniform(-2, 2, (chains, target.dim)).astype(np.float32)
    run = start(kernel, target, starts, (1, 2))
    driver.evaluate(run)
    driver.warm_up(run, adaptation, draws, Progress(0, visible=False))
    return run.kernel


@pytest.mark.parametrize(
    ("correlation", "structure", "kind"),
    [
        (0.995, "auto", Dense),
        (0.3, "auto", Diagonal),
        (0.995, "diagonal", Diagonal),
        (0.3, "dense", Dense),
    ],
)
def test_the_metric_is_structured_where_it_pays(correlation, structure, kind):
    target = t.Correlated(jnp.float32(correlation))
    kernel = warmed_up(target, Windows(structure=structure), 8, 200)
    assert type(kernel.metric) is kind
    if correlation > 0.9 and kind is Dense:
        whole = np.asarray(kernel.metric.inverse_mass_matrix)
        off = whole[0, 1] / np.sqrt(whole[0, 0] * whole[1, 1])
        assert off == pytest.approx(correlation, abs=0.003)


def test_blocks_are_dense_inside_and_diagonal_outside():
    target = t.Correlated(jnp.float32(0.99))
    kernel = warmed_up(target, Windows(blocks=((0, 1),)), 8, 200)
    assert type(kernel.metric) is Blocks
    whole = np.asarray(kernel.metric.inverse_mass_matrix)
    assert whole[0, 1] / np.sqrt(whole[0, 0] * whole[1, 1]) > 0.97


def test_a_short_warm_up_of_many_chains_is_enough():
    """64 chains, 60 draws each: scales over three decades, known within a quarter."""
    scales = np.array([0.01, 1.0, 10.0], np.float32)
    kernel = warmed_up(t.Normal(jnp.asarray(scales)), Windows(), 64, 60)
    found = np.sqrt(np.asarray(kernel.metric.inverse_mass_matrix))
    np.testing.assert_allclose(found, scales, rtol=0.25)
