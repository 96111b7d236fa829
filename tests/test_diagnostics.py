"""Diagnostics against ArviZ, against closed forms, and against laws of their own."""

import time
import warnings

import numpy as np
import pytest
from scipy.fft import next_fast_len

from ppl import diagnostics
from ppl._arviz import import_arviz
from ppl._errors import ArgumentError, ShapeError
from ppl.diagnostics import classic, estimates
from ppl.diagnostics._columns import COLUMNS, site_columns
from ppl.diagnostics._ess import ess_and_time, fast_length
from ppl.diagnostics.table import summarise

OF_QUANTILES = ["ess_tail", "ess_quantile", "mcse_quantile"]
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 41, 50, 101, 250, 333]


def ar1(rng, shape, rho):
    """Stationary chains of unit variance along axis 1."""
    draws = rng.normal(size=shape)
    for i in range(1, shape[1]):
        draws[:, i] = rho * draws[:, i - 1] + np.sqrt(1 - rho**2) * draws[:, i]
    return draws


def awkward(index):
    """One of ten kinds of draws, of random shape."""
    rng = np.random.default_rng(index)
    shape = rng.choice([1, 2, 3, 4, 7]), rng.choice(LENGTHS)
    draws = rng.normal(size=shape)
    match index % 10:
        case 1:
            draws = rng.integers(0, 3, shape).astype(float)
        case 2:
            draws = np.round(draws, 1)
        case 3:
            draws = np.full(shape, float(rng.integers(-3, 4)))
        case 4:
            draws[0, -1] = np.nan
        case 5:
            draws = np.cumsum(draws, axis=1)
        case 6:
            draws = ar1(rng, shape, -0.8)
        case 7:
            draws = rng.standard_cauchy(shape)
        case 8:
            draws = rng.poisson(0.3, shape).astype(float)
        case 9:
            draws = 1e6 + 1e-3 * draws + 1e-3 * np.arange(shape[0])[:, None]
    return draws


@pytest.fixture(scope="module")
def arviz():
    return import_arviz()


def quietly(function, *args, **kwargs):
    """ArviZ divides zero by zero for constants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*args, **kwargs))


def is_rounded_otherwise(arviz, draws):
    """Whether quantiles are draws, to which ArviZ 1 rounds otherwise than 0.23."""
    return not arviz.__version__.startswith("0.") and draws.size % 20 == 1


@pytest.mark.parametrize("index", range(200))
def test_estimates_are_those_of_arviz(arviz, index):
    draws = awkward(index)
    tails = {"method": "tail", "prob": (0.05, 0.95)}  # the default of ArviZ 0.23
    theirs = {
        "ess_bulk": quietly(arviz.ess, draws, method="bulk"),
        "ess_tail": quietly(arviz.ess, draws, **tails),
        "ess_mean": quietly(arviz.ess, draws, method="mean"),
        "rhat": quietly(arviz.rhat, draws, method="rank"),
        "mcse_mean": quietly(arviz.mcse, draws, method="mean"),
        "mcse_sd": quietly(arviz.mcse, draws, method="sd"),
    }
    for prob in (0.05, 0.3):
        theirs["ess_quantile", prob] = quietly(
            arviz.ess, draws, method="quantile", prob=prob
        )
        theirs["mcse_quantile", prob] = quietly(
            arviz.mcse, draws, method="quantile", prob=prob
        )
    for name, value in theirs.items():
        function, *prob = (name,) if isinstance(name, str) else name
        if is_rounded_otherwise(arviz, draws) and function in OF_QUANTILES:
            continue
        ours = getattr(diagnostics, function)(draws, *prob)
        np.testing.assert_allclose(ours, value, 1e-10, 1e-10, err_msg=function)


def test_ebfmi_is_that_of_arviz(arviz):
    if not arviz.__version__.startswith("0."):
        pytest.skip("ArviZ 1 takes no bare arrays here")
    energy = np.random.default_rng(0).normal(size=(4, 101)).cumsum(axis=1)
    np.testing.assert_allclose(diagnostics.ebfmi(energy), arviz.bfmi(energy), 1e-12)


@pytest.mark.parametrize("length", [1, 3, 4, 7, 100])
def test_scalars_do_not_touch_each_other(length):
    rng = np.random.default_rng(length)
    draws = rng.normal(size=(3, length, 2, 5))
    draws[0, 0, 1, 2] = np.nan
    draws[..., 0, 3] = np.round(draws[..., 0, 3])
    draws[..., 1, 4] = 7.0
    for name in ("ess_bulk", "ess_tail", "ess_mean", "rhat", "mcse_mean", "mcse_sd"):
        function = getattr(diagnostics, name)
        whole = function(draws)
        single = [[function(draws[..., i, j]) for j in range(5)] for i in range(2)]
        np.testing.assert_allclose(whole, single, 1e-12, err_msg=name)
        assert np.isnan(whole[1, 2])


@pytest.mark.parametrize("length", [2, 5, 8, 101])
def test_table_columns_are_the_estimates(length):
    rng = np.random.default_rng(length)
    samples = {"a": rng.normal(size=(4, length)), "b": rng.normal(size=(4, length, 3))}
    samples["b"][0, 0, 1] = np.nan
    for name, columns in site_columns(samples, samples).items():
        ours = dict(zip(COLUMNS, columns, strict=True))
        draws = samples[name]
        shape = (-1,)
        for column, value in {
            "mean": draws.mean(axis=(0, 1)),
            "sd": draws.std(axis=(0, 1), ddof=1),
            "low": np.quantile(draws, 0.05, axis=(0, 1)),
            "high": np.quantile(draws, 0.95, axis=(0, 1)),
            "mcse_mean": diagnostics.mcse_mean(draws),
            "ess_bulk": diagnostics.ess_bulk(draws),
            "ess_tail": diagnostics.ess_tail(draws),
            "r_hat": diagnostics.rhat(draws),
        }.items():
            np.testing.assert_allclose(
                ours[column], np.reshape(value, shape), 1e-10, err_msg=column
            )


def test_blocks_and_threads_change_nothing():
    rng = np.random.default_rng(3)
    samples = {
        "wide": rng.normal(size=(4, 100, 1000)),
        "scalar": rng.normal(size=(4, 100)),
        "long": rng.normal(size=(4, 100, 700)),
        "none": rng.normal(size=(4, 100, 0)),
    }
    columns = site_columns(samples, samples)
    for name, draws in samples.items():
        alone = np.reshape(diagnostics.ess_bulk(draws), -1)
        np.testing.assert_allclose(columns[name][COLUMNS.index("ess_bulk")], alone)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.3, 0.6, 0.9])
def test_ess_of_ar1_has_its_closed_form(rho):
    draws = ar1(np.random.default_rng(1), (16, 4000, 20), rho)
    expected = 16 * 4000 * (1 - rho) / (1 + rho)
    for ess in (diagnostics.ess_mean, diagnostics.ess_bulk):
        assert np.mean(ess(draws)) == pytest.approx(expected, rel=0.05)
    assert np.mean(diagnostics.effective_sample_size(draws)) == pytest.approx(
        expected, rel=0.05
    )
    error = np.mean(diagnostics.mcse_mean(draws))
    assert error == pytest.approx(expected**-0.5, rel=0.05)


def test_time_within_chains_ignores_what_they_differ_by():
    draws = np.moveaxis(ar1(np.random.default_rng(1), (8, 2000, 10), 0.5), 2, 0)
    apart = draws + 10 * np.arange(8)[:, None]
    size, time_within = ess_and_time(apart)
    assert time_within.mean() == pytest.approx(3, rel=0.1)
    assert (size < 20).all()


@pytest.mark.parametrize("name", ["ess_bulk", "ess_tail", "rhat"])
def test_rank_statistics_do_not_know_the_scale(name):
    rng = np.random.default_rng(5)
    draws = ar1(rng, (4, 300, 6), 0.4)
    function = getattr(diagnostics, name)
    plain = function(draws)
    np.testing.assert_allclose(function(1024.0 * draws - 3.0), plain, 1e-9)
    np.testing.assert_allclose(function(draws[::-1]), plain, 1e-9)
    if name != "rhat":  # folding is about the median, not its image
        np.testing.assert_allclose(function(draws**3), plain, 1e-9)


def test_errors_scale_with_the_draws():
    draws = ar1(np.random.default_rng(5), (4, 300, 6), 0.4)
    for error in (diagnostics.mcse_mean, diagnostics.mcse_sd):
        np.testing.assert_allclose(error(-8.0 * draws), 8.0 * error(draws), 1e-9)
    np.testing.assert_allclose(
        diagnostics.mcse_quantile(8.0 * draws, 0.2),
        8.0 * diagnostics.mcse_quantile(draws, 0.2),
        1e-9,
    )


@pytest.mark.parametrize("prob", [0.1, 0.5, 0.8])
def test_mcse_of_a_quantile_covers_its_error(prob):
    rng = np.random.default_rng(6)
    draws = rng.random((4, 250, 400))
    errors = np.quantile(draws, prob, axis=(0, 1)) - prob
    ratio = errors.std() / np.mean(diagnostics.mcse_quantile(draws, prob))
    assert ratio == pytest.approx(1, abs=0.15)


def test_rhat_sees_place_spread_and_drift():
    rng = np.random.default_rng(7)
    healthy = rng.normal(size=(4, 1000))
    one = np.arange(4)[:, None] == 0
    assert diagnostics.rhat(healthy) < 1.01
    assert diagnostics.rhat(healthy + one) > 1.05
    assert diagnostics.rhat(healthy * (1 + 2 * one)) > 1.05
    assert diagnostics.rhat(healthy + np.linspace(0, 2, 1000)) > 1.05
    assert diagnostics.rhat(np.broadcast_to(np.arange(4.0)[:, None], (4, 50))) > 1e6


def test_draws_may_be_infinite():
    draws = np.random.default_rng(8).normal(size=(4, 100))
    draws[0, 3] = np.inf
    assert np.isfinite(diagnostics.rhat(draws))
    assert np.isfinite(diagnostics.ess_bulk(draws))
    assert np.isnan(diagnostics.ess_mean(draws))


def test_float32_is_computed_in_float64():
    draws = np.random.default_rng(9).normal(3, 1, (4, 200, 3)).astype(np.float32)
    for name in ("ess_bulk", "ess_tail", "ess_mean", "rhat", "mcse_mean", "mcse_sd"):
        function = getattr(diagnostics, name)
        np.testing.assert_array_equal(function(draws), function(draws.astype(float)))
        assert function(draws).dtype == np.float64


def test_events_without_scalars_give_nothing():
    assert diagnostics.rhat(np.zeros((4, 100, 0))).shape == (0,)
    assert diagnostics.ess_bulk(np.zeros((4, 0, 2))).shape == (2,)


def test_draws_without_chains_are_refused():
    with pytest.raises(ShapeError, match=r"\(10,\) have no chain and draw"):
        diagnostics.rhat(np.zeros(10))
    with pytest.raises(ShapeError, match="at least 2 chains of 2 draws"):
        diagnostics.gelman_rubin(np.zeros((1, 10)))


def test_many_chains_and_many_scalars_are_fast():
    """Loose bounds, ten times what it takes on one free core; the best try counts."""
    rng = np.random.default_rng(10)
    for chains, tries, bound in [(4, 5, 0.1), (512, 2, 10)]:
        draws = rng.normal(size=(chains, 1000, 10))
        best = np.inf
        for _ in range(tries):
            start = time.perf_counter()
            summarise({"x": draws})
            best = min(best, time.perf_counter() - start)
        assert best < bound


def test_lengths_of_transforms_have_small_factors():
    for length in [*range(1, 300), 1999, 4001, 123_457]:
        assert fast_length(length) == next_fast_len(length, real=True)


# --- NumPyro's names ------------------------------------------------------------------


@pytest.fixture(scope="module")
def numpyro():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("numpyro.diagnostics")


@pytest.mark.parametrize("shape", [(4, 100), (1, 51, 2), (3, 4), (2, 333, 2, 2)])
def test_numpyros_names_have_numpyros_meaning(numpyro, shape):
    draws = np.random.default_rng(shape[1]).normal(size=shape).cumsum(axis=1)
    for bias in (True, False):
        for name in ("autocovariance", "autocorrelation"):
            ours = getattr(diagnostics, name)(draws, axis=1, bias=bias)
            theirs = getattr(numpyro, name)(draws, axis=1, bias=bias)
            np.testing.assert_allclose(ours, theirs, 1e-8, 1e-8)
    np.testing.assert_allclose(
        diagnostics.effective_sample_size(draws), numpyro.effective_sample_size(draws)
    )
    np.testing.assert_allclose(
        diagnostics.split_gelman_rubin(draws), numpyro.split_gelman_rubin(draws)
    )
    for prob in (0.5, 0.9):
        for axis in (0, 1):
            np.testing.assert_array_equal(
                diagnostics.hpdi(draws, prob, axis), numpyro.hpdi(draws, prob, axis)
            )
    if shape[0] > 1:
        np.testing.assert_allclose(
            diagnostics.gelman_rubin(draws), numpyro.gelman_rubin(draws)
        )


def test_summary_is_numpyros(numpyro, capsys):
    rng = np.random.default_rng(11)
    samples = {"mu": rng.normal(size=(4, 50)), "theta": rng.normal(size=(4, 50, 2, 2))}
    for prob in (0.9, 0.5):
        ours = diagnostics.summary(samples, prob)
        theirs = numpyro.summary(samples, prob)
        assert {k: list(v) for k, v in ours.items()} == {
            k: list(v) for k, v in theirs.items()
        }
        for name, columns in theirs.items():
            for column, value in columns.items():
                np.testing.assert_allclose(ours[name][column], value, 1e-8)
    diagnostics.print_summary(samples)
    ours = capsys.readouterr().out
    numpyro.print_summary(samples)
    assert ours.split() == capsys.readouterr().out.split()


def test_summary_takes_any_tree_and_draws_without_chains():
    draws = np.random.default_rng(12).normal(size=(50, 2))
    named = diagnostics.summary({"x": draws}, group_by_chain=False)["x"]
    bare = diagnostics.summary([draws], group_by_chain=False)["Param:0"]
    assert list(named) == ["mean", "std", "median", "5.0%", "95.0%", "n_eff", "r_hat"]
    np.testing.assert_array_equal(named["median"], bare["median"])
    assert named["mean"].shape == (2,)


def test_classic_summary_of_few_draws_has_gaps(capsys):
    table = classic.summary({"x": np.zeros((2, 3))})
    assert np.isnan(table["x"]["r_hat"])
    classic.print_summary({})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("prob", [0, 1, 90])
def test_prob_is_a_share(prob):
    with pytest.raises(ArgumentError, match="share of an interval"):
        summarise({"x": np.zeros((4, 10))}, prob)


def test_public_names_exist():
    for name in diagnostics.__all__:
        assert hasattr(diagnostics, name)
    assert estimates.rhat is diagnostics.rhat
