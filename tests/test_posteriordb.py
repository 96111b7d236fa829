"""Real posteriors with known answers: a few on every push, all of them when slow."""

import numpy as np
import pytest

from benchmarks.posteriordb import __main__ as command
from benchmarks.posteriordb.fits import Figures, Fitted, components, figures, fit
from benchmarks.posteriordb.posteriors import (
    ENTRIES,
    Entry,
    home,
    problem,
    reference,
    stored,
)
from benchmarks.sides import Size

CHEAP = ("earnings-logearn_interaction", "arK-arK")


@pytest.fixture
def folder():
    folder = home()
    if not stored(folder):
        pytest.skip(f"the posteriors are not here: {folder}")
    return folder


@pytest.mark.parametrize("name", CHEAP)
def test_few_draws_agree(name, folder, x64):
    fitted = fit(problem(name, folder), Size(chains=4, warmup=300, draws=500), 0)
    found = figures(fitted, reference(name, folder))
    assert found.z < 5
    assert found.error < 0.15
    assert 0.85 < found.ratios[0] <= found.ratios[1] < 1.15
    assert found.rhat < 1.05
    assert found.ess > 400


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES)
def test_agrees(name, folder, x64):
    good, row = command.check(name, folder, Size(8, 1000, command.DRAWS), seed=0)
    assert good, row


@pytest.mark.parametrize("name", CHEAP)
def test_both_languages_have_the_same_density(name, folder):
    pytest.importorskip("numpyro")
    from benchmarks.agreement import assert_same_density

    assert_same_density(problem(name, folder))


def test_components_are_numbered_from_one():
    values = {"beta": np.zeros((2, 3, 2)), "sigma": np.ones((2, 3))}
    assert [name for name, _ in components(values)] == ["beta[1]", "beta[2]", "sigma"]


def exact(shift: float = 0.0, *, warned: bool = False) -> Figures:
    draws = np.random.default_rng(0).normal(size=(8, 1000))
    fitted = Fitted(1.0, {"x": draws + shift}, np.ones((8, 1000)), 0, warned)
    return figures(fitted, {"x": {"mean": 0.0, "sd": 1.0, "mcse": 0.01}})


def test_a_verdict_says_what_is_wrong():
    entry = Entry(lambda lang: lambda: None, lambda d: ())
    assert exact().verdict(entry) == (True, "agrees")
    assert exact(0.2).verdict(entry) == (False, "FAILS: z, mean")
    assert 0.5 < exact().per_gradient < 1.5


def test_what_nobody_can_sample_must_warn():
    entry = Entry(lambda lang: lambda: None, lambda d: (), warns=True)
    assert exact(warned=True).verdict(entry) == (True, "warns, as it should")
    assert not exact().verdict(entry)[0]


def test_a_component_of_the_reference_must_be_there():
    fitted = Fitted(1.0, {"y": np.zeros((4, 10))}, np.ones((4, 10)), 0)
    with pytest.raises(KeyError, match="x"):
        figures(fitted, {"x": {"mean": 0.0, "sd": 1.0, "mcse": 0.01}})


def test_without_the_folder_the_command_says_so(tmp_path, capsys):
    command.main(["--folder", str(tmp_path)])
    assert "not here" in capsys.readouterr().out


def test_the_command_explains_itself(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--help"])
    assert end.value.code == 0
    assert "Real posteriors" in capsys.readouterr().out
