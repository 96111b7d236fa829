"""Sums instead of draws: what they tell is what NumPy and ArviZ tell from all draws."""

import numpy as np
import pytest

from ppl import diagnostics
from ppl._arviz import import_arviz
from ppl.diagnostics.batches import BatchMoments
from ppl.infer.engine.sinks import MemorySink, MomentsSink
from ppl.infer.engine.sinks.base import Finished

SHAPES = [(4, 1000), (4, 101), (1, 64), (3, 4), (7, 5), (2, 1), (64, 50), (3000, 7)]


def streamed(draws, *, every=1, step=997, flags=None, seed=0, planned=None, keep=None):
    """A sink that got `draws` (chain, draw, scalar), chains running apart.

    With `planned` draws of each chain, of which those come that are in the array; with
    `keep` draws of each chain at most in the thinned part.
    """
    chains, length, scalars = draws.shape
    planned = planned or length
    every = -(-planned // keep) if keep else every
    thinned = MemorySink(chains, planned // every, scalars, 2, draws.dtype)
    sink = MomentsSink(
        (chains, planned),
        np.zeros(scalars, draws.dtype),
        scalars,
        lambda positions: positions.astype(np.float64),
        lambda numbers: {"diverging": numbers[:, 0], "energy": numbers[:, 1]},
        thinned=thinned,
        every=every,
    )
    flags = np.zeros((chains, length)) if flags is None else flags
    rng = np.random.default_rng(seed)
    late = np.arange(length) + min(20, length) * rng.random((chains, 1))
    chain, draw = np.unravel_index(np.argsort(late, axis=None), (chains, length))
    for begin in range(0, len(chain), step):
        at = chain[begin : begin + step], draw[begin : begin + step]
        numbers = np.stack([flags[at], draws[at][:, 0]], axis=1)
        sink.write(Finished(*at, draws[at], numbers))
    sink.flush()
    return sink, thinned


def ar1(rng, shape, rho):
    draws = rng.normal(size=shape)
    for i in range(1, shape[1]):
        draws[:, i] = rho * draws[:, i - 1] + np.sqrt(1 - rho**2) * draws[:, i]
    return draws


@pytest.fixture(scope="module")
def arviz():
    return import_arviz()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("step", [1, 997, 10**6])
def test_means_and_variances_are_those_of_all_draws(shape, step):
    draws = np.random.default_rng(1).normal(3, 2, (*shape, 3))
    if np.prod(shape) / step > 5000:
        return
    found = BatchMoments(streamed(draws, step=step)[0].sums)
    np.testing.assert_allclose(found.mean, draws.mean((0, 1)), 1e-12)
    np.testing.assert_allclose(found.variance, draws.var((0, 1), ddof=1), 1e-12)
    np.testing.assert_allclose(found.chain_means, draws.mean(1), 1e-12)
    if shape[1] > 1:
        np.testing.assert_allclose(found.chain_variances, draws.var(1, ddof=1), 1e-10)


def test_float32_draws_far_from_zero():
    draws = np.random.default_rng(2).normal(1e6, 1, (4, 5000, 2)).astype(np.float32)
    found = BatchMoments(streamed(draws)[0].sums)
    exact = draws.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean((0, 1)), 1e-13)
    np.testing.assert_allclose(found.variance, exact.var((0, 1), ddof=1), 1e-6)


@pytest.mark.parametrize("shape", [s for s in SHAPES if s[0] > 1 and s[1] > 3])
def test_rhat_is_arvizs_of_split_chains(arviz, shape):
    draws = ar1(np.random.default_rng(3), (*shape, 2), 0.7)
    ours = BatchMoments(streamed(draws)[0].sums).r_hat
    theirs = [float(arviz.rhat(draws[..., i], method="split")) for i in range(2)]
    np.testing.assert_allclose(ours, theirs, 1e-10)


def test_rhat_needs_chains_and_draws():
    for shape in [(1, 100), (4, 3), (4, 1)]:
        sums = streamed(np.ones((*shape, 2)))[0].sums
        assert np.isnan(BatchMoments(sums).r_hat).all()


@pytest.mark.parametrize("shape", [(8, 1), (8, 2), (8, 21)])
def test_nested_rhat_is_that_of_the_draws(shape):
    draws = np.random.default_rng(4).normal(size=(*shape, 3))
    members = np.arange(8).reshape(4, 2)
    ours = BatchMoments(streamed(draws)[0].sums).nested(members).r_hat
    np.testing.assert_allclose(ours, diagnostics.nested_rhat(draws, np.arange(8) // 2))


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(4, 4000), (64, 1000), (512, 400), (1, 10000)])
def test_ess_is_near_arvizs_and_the_truth(arviz, shape, rho):
    draws = ar1(np.random.default_rng(5), (*shape, 20), rho)
    ours = BatchMoments(streamed(draws)[0].sums).ess
    expected = np.prod(shape) * (1 - rho) / (1 + rho)
    assert np.mean(ours) == pytest.approx(expected, rel=0.1)
    theirs = [float(arviz.ess(draws[..., i], method="mean")) for i in range(20)]
    if shape[0] < 512:  # of short halves ArviZ's estimate itself is off
        assert np.mean(ours / theirs) == pytest.approx(1, rel=0.12)
        if shape[0] > 1:  # one chain has too few batches for that
            assert np.mean(np.abs(ours / theirs - 1) < 0.3) >= 0.85


def test_ess_of_many_short_chains_comes_from_their_means():
    """The variance of the mean of 20 draws is known exactly, start and end included."""
    rho, length = 0.8, 20
    draws = ar1(np.random.default_rng(6), (1024, length, 20), rho)
    lags = np.arange(1, length)
    time = 1 + 2 * np.sum((1 - lags / length) * rho**lags)
    found = BatchMoments(streamed(draws)[0].sums)
    assert np.mean(found.ess) == pytest.approx(1024 * length / time, rel=0.05)


def test_ess_of_chains_that_disagree_is_small():
    draws = np.random.default_rng(7).normal(size=(4, 1000, 5))
    draws += 3 * np.arange(4)[:, None, None]
    assert (BatchMoments(streamed(draws)[0].sums).ess < 10).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (3, 3), (5, 2)])
def test_few_draws_do_no_harm(shape):
    with np.errstate(all="raise"):
        found = BatchMoments(streamed(np.ones((*shape, 2)))[0].sums)
        assert (found.mean == 1).all()
        assert found.ess.shape == found.r_hat.shape == (2,)


def test_constants_and_what_is_not_finite():
    draws = np.random.default_rng(8).normal(size=(3, 100, 4))
    draws[..., 0] = 0.1
    draws[2, 0, 1] = np.nan
    draws[1, 5, 2] = np.inf
    sink, _ = streamed(draws)
    found = BatchMoments(sink.sums)
    assert found.mean[0] == 0.1
    assert found.variance[0] == 0
    assert found.ess[0] == 300
    assert sink.sums.wrong.tolist() == [0, 1, 1, 0]
    assert not np.isfinite(found.mean[1:3]).any()
    assert np.isfinite(found.ess[3])


@pytest.mark.parametrize("every", [1, 3, 10])
def test_thinned_draws_are_every_kth(every):
    draws = np.random.default_rng(9).normal(size=(5, 100, 2))
    _, thinned = streamed(draws, every=every)
    np.testing.assert_array_equal(thinned.position, draws[:, every - 1 :: every])


def test_divergent_draws_and_statistics():
    rng = np.random.default_rng(10)
    draws = rng.normal(size=(4, 5000, 2))
    flags = (rng.random((4, 5000)) < 0.1).astype(float)
    sink, _ = streamed(draws, flags=flags)
    found, sums = sink.divergent, sink.statistics["diverging"]
    assert len(found.chain) == 1000
    assert flags[found.chain, found.draw].all()
    np.testing.assert_array_equal(found.values, draws[found.chain, found.draw])
    np.testing.assert_array_equal(sums.first + 5000 * sums.origin, flags.sum(1))
    energy = sink.statistics["energy"]
    np.testing.assert_allclose(
        energy.origin + energy.first / 5000, draws[..., 0].mean(1)
    )
    ratio = energy.steps / (energy.second - energy.first**2 / 5000)
    np.testing.assert_allclose(ratio, diagnostics.ebfmi(draws[..., 0]), 1e-3)


def test_memory_does_not_grow_with_the_draws():
    sizes = set()
    for length in (1000, 50_000):
        draws = np.random.default_rng(11).normal(size=(40, length, 5))
        sink, thinned = streamed(draws, step=10**5, keep=100)
        sizes.add((sink.sums.first.nbytes, sink.statistics["energy"].first.nbytes))
        sizes.add((thinned.position.nbytes, thinned.statistics.nbytes))
        assert sink.nbytes < 40 * 64 * 5 * 8 * 3 + 2**24
    assert len(sizes) == 2


@pytest.mark.parametrize("came", [3, 40, 75])
def test_what_came_of_an_unfinished_run_counts(came):
    draws = ar1(np.random.default_rng(12), (4, came, 3), 0.5)
    sink, thinned = streamed(draws, planned=100, every=2)
    found = BatchMoments(sink.sums)
    np.testing.assert_allclose(found.mean, draws.mean((0, 1)), 1e-12)
    np.testing.assert_allclose(found.variance, draws.var((0, 1), ddof=1), 1e-12)
    expected = draws[:, 1::2]
    np.testing.assert_array_equal(thinned.position[:, : came // 2], expected)
    if came > 3:
        half = diagnostics.split_gelman_rubin(draws)
        np.testing.assert_allclose(found.r_hat, half, rtol=0.02)
        assert (found.ess > 4).all()


def test_chains_of_different_lengths_count_alike():
    rng = np.random.default_rng(13)
    sink, _ = streamed(rng.normal(size=(2, 40, 1)), planned=100)
    more = rng.normal(5, 1, size=20)
    at = np.zeros(20, np.int64), np.arange(40, 60)
    before = BatchMoments(sink.sums).chain_means.copy()
    sink.write(Finished(*at, more[:, None], np.zeros((20, 2))))
    sink.flush()
    found = BatchMoments(sink.sums)
    assert found.lengths.tolist() == [60, 40]
    first = (before[0] * 40 + more.sum()) / 60
    np.testing.assert_allclose(found.mean, (first + before[1]) / 2)
