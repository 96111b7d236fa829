"""The benchmarks: that they still run, and the facts among them that need no clock."""

import jax
import numpy as np
import pytest

import ppl
from benchmarks import all as everything
from benchmarks import (
    bias,
    check,
    cold_start,
    covtype,
    dadvi,
    hlo,
    mean_field,
    rerun,
    seeds,
    svi,
    throughput,
)
from benchmarks.measure import Compilations, compilations, number, table
from benchmarks.models import PROBLEMS, shuffled
from benchmarks.sides import PPL, BareGradient, BlackJAX, Sampled, Size, target
from ppl.infer.engine.adapt._step_size import OwnRates


@pytest.mark.parametrize("name", PROBLEMS)
def test_both_languages_have_the_same_density(name):
    pytest.importorskip("numpyro")
    from benchmarks.agreement import assert_same_density

    assert_same_density(PROBLEMS[name])


def test_regressions_of_many_rows_have_the_same_density():
    pytest.importorskip("numpyro")
    covtype.assert_same_density(rows=3000, columns=14)


def test_a_chunk_has_one_gradient():
    found = hlo.compile_chunk(4)
    assert (found.in_jaxpr, found.in_program) == (1, 1)
    assert found.in_optimised >= 1
    assert sum(found.kernels.values()) > 0


@pytest.mark.parametrize("name", ["eight", "logistic"])
def test_a_second_fit_compiles_nothing(name):
    problem = PROBLEMS[name]
    data = problem.data()
    fit = rerun.ppl_fit(problem, chains=4, warmup=150, draws=50)
    rerun.timed(fit, 0, data)
    for seed, new in ((1, data), (0, shuffled(data, 0))):
        again = rerun.timed(fit, seed, new)
        assert again.programs == 0
        assert again.over < again.wall


def test_a_repeated_check_is_cheap():
    """A generous limit: the figure to keep is 0.3 s, and it takes a tenth of that."""
    _, again, advice = check.check_times(PROBLEMS["eight_centred"], repeats=3)
    assert again < 0.3
    assert advice == 1
    assert all(time < 1000 for time in check.trace_times("ppl", 50, repeats=1))


def test_shuffled_data_differ_in_the_outcome_alone():
    data = PROBLEMS["logistic"].data()
    new = shuffled(data, 0)
    assert np.array_equal(new[0], data[0])
    assert not np.array_equal(new[1], data[1])
    assert np.array_equal(np.sort(new[1]), np.sort(data[1]))


def test_sampling_is_timed_and_counted():
    side = PPL(PROBLEMS["eight"], Size(chains=8, warmup=50, draws=40))
    with compilations() as compiled:
        sampled = side.sample(3)
    assert compiled.programs == 0
    assert sampled.seconds > 0
    assert set(sampled.values) == {"mu", "tau", "eta"}
    assert sampled.leapfrogs.shape == (8, 40)
    assert 1 <= sampled.imbalance < 3
    assert 0.5 < sampled.acceptance < 1
    assert side.warmup_leapfrogs > 50
    assert BareGradient(PROBLEMS["eight"], 8, count=2).seconds(1) > 0


def test_fits_are_reported_by_the_fastest_run():
    names = ("first run", "second run", "step", "bare step", "epoch")
    ours = [dict.fromkeys(names, value) for value in (3.0, 2.0)]
    peer = [{name: 4.0 for name in names if "step" not in name}]
    report = svi.report({"ppl": ours, "NumPyro": peer}).splitlines()
    ratios = [line.split("|")[4].strip() for line in report[2:]]
    assert ratios == ["0.5", "0.5", "1", "0.5"]


def test_a_bare_scan_is_the_same_fit():
    """Else nothing could be compared: it reaches the same bound."""
    (_, _, _), losses = svi.bare_scan(4000)()
    side = svi.Side("ppl")
    model = side.schools
    guide = side.guides.AutoNormal(model)
    fit = side.svi.SVI(model, guide, side.optim.Adam(0.01), side.svi.Trace_ELBO())
    data = np.array(svi.SIGMA), np.array(svi.Y)
    ours = fit.run(0, 4000, *data, progress_bar=False).losses
    late = np.asarray(losses)[-1000:], ours[-1000:]
    error = np.hypot(*(np.std(one) / np.sqrt(100) for one in late))
    assert abs(np.mean(late[0]) - np.mean(late[1])) < 4 * error + 0.05


# --- the mean field -------------------------------------------------------------------


@pytest.mark.parametrize("name", mean_field.EXPECTED)
def test_bounds_are_the_means_over_many_draws(name):
    """At a point that is not the highest, by ppl's density in float64."""
    dim = target(PROBLEMS[name]).layout.size
    rng = np.random.default_rng(0)
    mean, scale = 0.1 * rng.normal(size=dim), np.exp(0.2 * rng.normal(size=dim) - 2)
    noise = rng.normal(size=(4000, dim))
    with jax.enable_x64(True):
        density = target(PROBLEMS[name])
        logp = np.asarray(jax.jit(jax.vmap(density))(mean + scale * noise))
    logq = (
        -0.5 * (noise**2).sum(1) - np.log(scale).sum() - 0.5 * dim * np.log(2 * np.pi)
    )
    best = mean_field.optimum(name)
    bound = best.highest - best.lost(mean, scale)
    assert abs((logp - logq).mean() - bound) < 5 * (logp - logq).std() / np.sqrt(4000)
    assert best.lost(best.mean, best.scale) == pytest.approx(0, abs=1e-6)
    for factor in (0.99, 1.01):
        assert best.lost(best.mean, best.scale * factor) > 1e-4
        assert best.lost(best.mean + (factor - 1) * best.scale, best.scale) > 1e-5
    assert best.errors(best.mean + best.scale, 2 * best.scale) == pytest.approx(
        (1, np.log(2))
    )


@pytest.mark.filterwarnings("ignore:DADVI is not near")
def test_deterministic_advi_is_as_accurate_as_is_asked_for():
    for name in ("eight", "logistic"):
        best, problem = mean_field.optimum(name), PROBLEMS[name]
        for seed in range(3):
            found = ppl.infer.dadvi(
                problem.write(ppl), *problem.data(), seed=seed, covariance="mean_field"
            )
            fit = dadvi.fitted(found, best.names)
            assert best.lost(*fit) < dadvi.LOST
            assert max(best.errors(*fit)) < dadvi.OFF


def test_fits_by_adam_are_read_as_those_of_dadvi_are():
    best = mean_field.optimum("eight")
    run = dadvi.calls("Adam, ppl", "eight", dadvi.Schedule(0.1, 500))
    mean, scale = dadvi.fitted(run(0), best.names)
    assert mean.shape == scale.shape == best.mean.shape
    assert best.lost(mean, scale) < 4 * dadvi.LOST
    schedule = dadvi.Schedule(0.5, 10)
    assert schedule(0) == 0.5
    assert schedule(10) == pytest.approx(0.005)


def test_times_of_fits_are_the_fastest_and_errors_the_worst():
    names = ("first", "again", "less", "lost", "mean", "scale")
    ours = [dict.fromkeys(names, value) for value in (1.0, 2.0)]
    peer = [dict.fromkeys(names, 4.0)]
    times = {"DADVI": ours, "Adam, ppl": peer}
    *_, own, _, ratio = dadvi.report("eight", dadvi.Schedule(0.1, 500), times).split(
        "\n"
    )
    assert [c.strip() for c in own.split("|")[2:-1]] == ["1"] * 3 + ["2"] * 3
    assert [c.strip() for c in ratio.split("|")[2:5]] == ["0.25"] * 3


# --- throughput and bias --------------------------------------------------------------


def test_every_peer_has_a_ratio():
    def figures(name, seconds):
        side = BlackJAX.__new__(BlackJAX)
        side.name, side.step_size, side.warmup_leapfrogs = name, 0.1, 10.0
        run = Sampled(seconds, {}, np.full((4, 100), 5), 500, 0, 0.8)
        lists = [100.0], [80.0], [1.0], [1e-6], [run]
        return throughput.Figures(side, *lists)

    found = [figures("ppl", 1.0), figures("NumPyro (vectorized)", 2.0)]
    found.append(figures("BlackJAX (sequential)", 4.0))
    head, _, *rows = throughput.report("eight", Size(4, 1, 100), found).split("\n")
    cells = {
        row.split("|")[1].strip(): [c.strip() for c in row.split("|")[5:7]]
        for row in (head, *rows)
    }
    assert cells["eight schools, 4 chains"] == ["÷ NumPyro", "÷ BlackJAX"]
    assert cells["bulk ESS per second"] == ["2", "4"]
    assert cells["tail ESS per gradient"] == ["1", "1"]
    assert found[0].per_gradient([100.0]) == 100 / 2000


@pytest.mark.slow
def test_blackjax_samples_the_same_posterior():
    pytest.importorskip("blackjax")
    side = BlackJAX(PROBLEMS["eight"], Size(4, 300, 300))
    sampled = side.sample(3)
    assert sampled.values["eta"].shape == (4, 300, 8)
    assert sampled.leapfrogs.shape == (4, 300)
    assert sampled.values["mu"].mean() == pytest.approx(4.4, abs=0.8)
    total = sampled.leapfrogs.sum()
    assert total / 4 <= sampled.sequential <= total


@pytest.mark.slow
def test_a_run_of_the_peer_ends_at_the_limit():
    pytest.importorskip("numpyro")
    history = bias.run_numpyro(PROBLEMS["eight"], 4, 20, 20, limit=1)
    assert len(history.cost) == len(history.square) == len(history.counts) == 5
    assert (np.diff(history.cost) >= 1).all()


def test_efficiency_of_independent_draws_is_their_number():
    pytest.importorskip("arviz")
    draws = np.random.default_rng(0).normal(size=(8, 500, 2))
    sampled = throughput.Sampled(1.0, {"x": draws}, np.ones((8, 500)), 500, 0, 0.8)
    for most in (8, 4):
        bulk, tail, rhat = throughput.efficiency(sampled, most)
        assert 3000 < bulk < 5000
        assert 3000 < tail < 5000
        assert rhat < 1.01


def test_bias_is_that_of_the_later_half_of_the_draws():
    truth = bias.Truth(np.array([1.0]), np.array([2.0]))
    squares = [np.array([v]) for v in (9.0, 5.0, 1.0, 1.0, 1.0, 1.0)]
    history = bias.History([3, 6, 9, 12, 15, 18], squares, [True] * 6)
    expected = np.array([32, 18, 2, 8 / 9, 0, 0])
    np.testing.assert_allclose(history.bias(truth)[[0, 4, 5]], expected[[0, 4, 5]])
    assert history.gradients(truth) == 15
    history.counts[:2] = [False, False]
    assert history.gradients(truth) == 9


def test_gradients_of_a_run_are_counted_one_after_another():
    history = bias.run_ppl("MAMS", PROBLEMS["eight"], 64, warmup=20, draws=10)
    assert len(history.cost) == 30
    assert (np.diff(history.cost) >= 1).all()
    assert np.isfinite(history.square).all()
    late = bias.run_ppl("LAPS", PROBLEMS["eight"], 64, warmup=100, draws=10)
    assert not late.counts[0]
    assert all(late.counts[-10:])


def test_compilations_within_one_another_count_once():
    found = Compilations(spans=[(0.0, 3.0), (1.0, 2.0), (5.0, 6.0)])
    assert found.seconds() == 4.0
    assert found.seconds(2.5, 5.5) == 1.0


def test_numbers_and_tables_read_well():
    assert number(12345.6) == "12,346"
    assert number(float("nan")) == "–"
    assert number(0.01234) == "0.0123"
    lines = table(("a", "b"), [("x", 1), ("long", 2.5)]).splitlines()
    assert lines[2] == "| x    | 1   |"
    assert len(set(map(len, lines))) == 1


COMMANDS = [
    *(bias, check, cold_start, covtype, dadvi, hlo, rerun, svi, throughput),
    everything,
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_explain_themselves(command, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    assert end.value.code == 0
    assert command.__doc__.partition("\n")[0][:20] in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["--no-such-option"])


def test_figures_are_written_between_their_markers():
    page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n"
    filled = everything.filled(page, "x", "| new |")
    assert filled == "a\n<!-- begin x -->\n\n| new |\n\n<!-- end x -->\nb\n"
    assert everything.filled(filled, "x", "| new |") == filled
    with pytest.raises(ValueError, match="begin y"):
        everything.filled(page, "y", "")


def test_the_page_has_a_place_for_every_command():
    page = everything.PAGE.read_text()
    for name in everything.places():
        assert f"<!-- begin {name} -->" in page
        assert f"<!-- end {name} -->" in page


def test_seeds_are_compared_with_and_without_a_toll(capsys):
    seeds.main(["--model", "eight", "--seeds", "2", "--draws", "50"])
    told = capsys.readouterr().out
    assert "| toll 0 " in told
    assert "| toll 4 " in told
    assert OwnRates.TOLL == 4
