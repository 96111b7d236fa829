"""Many chains, short runs: nested R-hat, and groups that begin at one point."""

import warnings

import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, ArgumentTypeError, ShapeError
from ppl.diagnostics import (
    ConvergenceWarning,
    DivergenceWarning,
    PPLWarning,
    diagnose,
    nested_rhat,
    summarise,
)
from ppl.infer import MCMC, NUTS
from ppl.posterior import Posterior
from tests.infer.models import SIGMA, Y, eight_schools, gaussian

FOUR = np.array([[-1.0, 1, -1, 1]]) + np.array([[0.0], [2], [4], [6]])


def by_hand(draws, ids):
    """Equations 4 to 8 of the paper, chain by chain, for one scalar."""
    names = np.unique(ids)
    means = draws.mean(axis=1)
    centres = [means[ids == k].mean() for k in names]
    within = []
    for k in names:
        chains = draws[ids == k]
        between = means[ids == k].var(ddof=1) if len(chains) > 1 else 0.0
        inside = chains.var(axis=1, ddof=1).mean() if draws.shape[1] > 1 else 0.0
        within.append(between + inside)
    return np.sqrt(1 + np.var(centres, ddof=1) / np.mean(within))


def test_public_values():
    assert nested_rhat(FOUR, [1, 1, 2, 2]) == pytest.approx(np.sqrt(17 / 5), rel=1e-14)
    assert nested_rhat(FOUR[:, :1], [1, 1, 2, 2]) == pytest.approx(np.sqrt(5))


@pytest.mark.parametrize("length", [1, 2, 3, 20])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_nested_rhat_is_that_of_the_paper(length, size):
    if length * size == 1:
        return
    rng = np.random.default_rng(length)
    draws = rng.normal(size=(12, length, 2, 3)).astype(np.float32) + 1e3
    ids = rng.permutation(np.repeat(np.arange(12 // size), size))
    ours = nested_rhat(draws, ids)
    assert ours.shape == (2, 3)
    for at in np.ndindex(2, 3):
        one = draws[(..., *at)].astype(np.float64)
        assert ours[at] == pytest.approx(by_hand(one, ids), rel=1e-10)


def test_nested_rhat_is_that_of_arviz():
    array_stats = pytest.importorskip("arviz_stats.base.array").array_stats
    draws = np.random.default_rng(0).normal(size=(12, 20))
    ids = np.arange(12) % 4
    theirs = array_stats.rhat_nested(draws, superchain_ids=ids, method="identity")
    assert nested_rhat(draws, ids) == pytest.approx(float(theirs), rel=1e-12)


def test_nested_rhat_where_there_is_none():
    draws = np.stack([FOUR, np.ones((4, 4)), FOUR], axis=-1)
    draws[1, 2, 2] = np.nan
    assert np.isnan(nested_rhat(draws, list("aabb"))).tolist() == [
        False,
        True,
        True,
    ]
    assert np.isnan(nested_rhat(np.ones((4, 0)), [0, 0, 1, 1]))
    apart = np.repeat([0.0, 1.0], 2)[:, None] * np.ones((4, 5))
    assert nested_rhat(apart, [0, 0, 1, 1]) == np.inf


@pytest.mark.parametrize(
    ("shape", "ids", "kind", "words"),
    [
        ((4, 9), [0, 0, 0, 0], ArgumentError, "name 1 superchain; there must be two"),
        ((4, 9), [0, 0, 0, 1], ArgumentError, "have from 1 to 3 chains; all must"),
        ((4, 9), [0, 0, 1], ShapeError, r"shape \(3,\), but there are 4 chains"),
        ((4, 9), 2, ShapeError, r"shape \(\), but there are 4 chains. Give one id"),
        ((4, 1), [0, 1, 2, 3], ShapeError, "one draw in each superchain"),
        ((9,), [0, 1], ShapeError, "no chain and draw"),
    ],
)
def test_bad_superchains(shape, ids, kind, words):
    with pytest.raises(kind, match=words):
        nested_rhat(np.zeros(shape), ids)


# --- what a run is judged by ----------------------------------------------------------


def ar1(rng, shape, rho):
    draws = rng.normal(size=shape)
    for i in range(1, shape[1]):
        draws[:, i] = rho * draws[:, i - 1] + np.sqrt(1 - rho**2) * draws[:, i]
    return draws


def categories(draws, count):
    posterior = Posterior({"x": draws}, attrs={"superchains": count})
    return {f.category for f in diagnose(posterior)} - {None}


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize(
    ("count", "chains", "length"),
    [(16, 512, 20), (128, 512, 20), (32, 512, 1), (8, 64, 50), (8, 64, 150)],
)
def test_short_chains_that_forgot_their_start_are_fine(count, chains, length, rho):
    for seed in range(20):
        draws = ar1(np.random.default_rng(seed), (chains, length, 6), rho)
        draws[..., 3:] = np.exp(draws[..., 3:])
        assert not categories(draws, count)


@pytest.mark.parametrize(("count", "length"), [(16, 20), (128, 20), (16, 1), (128, 4)])
def test_short_chains_that_remember_their_start_are_not(count, length):
    rng = np.random.default_rng(1)
    starts = np.repeat(rng.normal(size=(count, 1, 1)), 512 // count, axis=0)
    draws = ar1(rng, (512, length, 2), 0.5) + [0, 1] * starts
    posterior = Posterior({"x": draws}, attrs={"superchains": count})
    (finding,) = (f for f in posterior.findings if f.category)
    assert finding.category is ConvergenceWarning
    assert "where they began in 1 of 2 scalars: x[1] (nested R-hat 1." in str(finding)


def test_modes_that_superchains_do_not_leave():
    rng = np.random.default_rng(2)
    modes = np.repeat([-3.0, 3, 3, -3], 8)[:, None]
    assert categories(modes + rng.normal(size=(32, 20)), 4) == {ConvergenceWarning}


def test_long_chains_are_judged_as_ever():
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(8, 1000))
    assert not categories(draws, 4)
    apart = draws + np.arange(8)[:, None] % 2  # within superchains, which R-hat sees
    assert ConvergenceWarning in categories(apart, 4)


def test_the_table_has_a_column():
    draws = np.random.default_rng(4).normal(size=(32, 20, 3))
    posterior = Posterior({"x": draws, "y": draws[..., 0]}, attrs={"superchains": 4})
    table = posterior.summary()
    expected = nested_rhat(draws, np.repeat(np.arange(4), 8))
    np.testing.assert_allclose(table["x"]["nested_r_hat"], expected)
    assert table["y"]["nested_r_hat"] == pytest.approx(expected[0])
    assert table.columns[:-1] == summarise({"x": draws}).columns
    assert f"{expected[2]:.3f}" in str(table)
    assert "nested_r_hat" in table.html()
    assert list(table.to_pandas().columns)[-1] == "nested_r_hat"
    assert "nested_r_hat" not in Posterior({"x": draws}).summary().columns
    one_left = Posterior({"x": draws[:1]}, attrs={"superchains": 4})
    assert "nested_r_hat" not in one_left.summary().columns


# --- runs -----------------------------------------------------------------------------


def test_chains_of_a_superchain_begin_at_one_point():
    sampler = NUTS(gaussian, step_size=1e-6, adapt_step_size=False, max_tree_depth=1)
    options = {"chains": 12, "warmup": 0, "draws": 2, "seed": 0, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PPLWarning)
        first = ppl.fit(sampler, np.ones(3), superchains=3, **options)["m"][:, 0]
        alone = ppl.fit(sampler, np.ones(3), **options)["m"][:, 0]
    points = first.reshape(3, 4)
    assert np.ptp(points, axis=1).max() < 1e-4
    assert np.ptp(points[:, 0]) > 0.01
    np.testing.assert_allclose(points[:, 0], alone[:3], atol=1e-4)
    assert len(np.unique(points)) > 3  # and then each goes its own way


def test_many_short_chains_are_silent_if_healthy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DivergenceWarning)
        for model, data in [(gaussian, (np.ones(5),)), (eight_schools, (Y, SIGMA))]:
            posterior = ppl.fit(
                NUTS(model, target_accept_prob=0.95),
                *data,
                chains=512,
                draws=20,
                warmup=200,
                superchains=16,
                seed=1,
                progress=False,
            )
            assert posterior.attrs["superchains"] == 16
            assert posterior.superchains.shape == (16, 32)
            assert (posterior.summary().numbers[:, -1] < 1.02).all()


def two_modes():
    x = ppl.sample("x", dist.Normal(0.0, 10.0))
    ppl.factor("far", -0.5 * ((abs(x) - 8.0) / 0.2) ** 2)


def test_a_run_that_has_not_converged_warns():
    options = {"chains": 512, "draws": 20, "superchains": 16, "progress": False}
    with pytest.warns(ConvergenceWarning, match="remember where they began"):
        posterior = ppl.fit(two_modes, warmup=200, seed=0, **options)
    assert posterior.summary()["x"]["nested_r_hat"] > 2
    assert posterior.to_datatree().attrs["superchains"] == 16


def test_mcmc_has_superchains_too():
    mcmc = MCMC(
        NUTS(gaussian),
        num_warmup=50,
        num_samples=10,
        num_chains=8,
        superchains=4,
        progress_bar=False,
    )
    mcmc.run(0, np.ones(5), init_params={"m": np.arange(4.0)})
    assert mcmc.posterior.attrs["superchains"] == 4
    assert "nested_r_hat" in mcmc.posterior.summary().columns


@pytest.mark.parametrize(
    ("count", "kind", "words"),
    [
        (3, ArgumentError, "superchains = 3 does not divide the number of chains, 8"),
        (1, ArgumentError, "superchains must be >= 2, got 1"),
        (16, ArgumentError, "superchains = 16 does not divide"),
        (2.0, ArgumentTypeError, "superchains must be an int, got 2.0"),
        (True, ArgumentTypeError, "superchains must be an int, got True"),
    ],
)
def test_bad_numbers_of_superchains(count, kind, words):
    with pytest.raises(kind, match=words) as caught:
        ppl.fit(gaussian, np.ones(3), chains=8, superchains=count, progress=False)
    assert caught.value.value == count


# --- divergent draws ------------------------------------------------------------------


def test_divergent_draws_by_site():
    rng = np.random.default_rng(5)
    samples = {"x": rng.normal(size=(4, 50)), "y": rng.normal(size=(4, 50, 3))}
    diverging = rng.random((4, 50)) < 0.1
    found = Posterior(samples, {"diverging": diverging}).divergences
    assert found.count == diverging.sum() == len(found.chain)
    assert list(found) == ["x", "y"]
    np.testing.assert_array_equal(found["y"], samples["y"][found.chain, found.draw])
    assert np.all(diverging[found.chain, found.draw])
    assert repr(found) == f"<Divergences: {found.count} draws; x, y>"
    with pytest.raises(KeyError, match="z"):
        found["z"]
    none = Posterior(samples).divergences
    assert none.count == 0
    assert none["y"].shape == (0, 3)
