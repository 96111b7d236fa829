"""The examples run, in small, as a reader would run them, and show what they claim."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {
    "eight_schools": ("trace", "forest", "energy", "funnel"),
    "logistic_regression": ("predictions", "forest", "energy", "rank"),
    "breast_cancer": ("guides",),
    "digits_vae": ("images", "loss"),
    "diabetes_bnn": ("intervals",),
    "million_rows": ("shops",),
    "funnel_guides": ("checks",),
}
# Smaller than for a reader; `make slow` runs them whole.
IN_SMALL = {
    "eight_schools": ("--seed", "1", "--draws", "300"),
    "logistic_regression": ("--seed", "1", "--draws", "300"),
    "breast_cancer": ("--draws", "500", "--steps", "2500"),
    "digits_vae": ("--epochs", "60"),
    "diabetes_bnn": ("--folds", "4", "--steps", "1500"),
    "million_rows": (
        *("--rows", "300000", "--batch", "2000"),
        *("--passes", "12", "--draws", "600"),
    ),
    "funnel_guides": ("--steps", "800"),
}
WHOLE = [pytest.param("whole", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What an example prints and the folder of its pictures; each runs once."""
    results = {}

    def show(name, size="small"):
        if (name, size) not in results:
            out = tmp_path_factory.mktemp(name)
            script = ROOT / "examples" / f"{name}.py"
            options = ["--out", out, *(IN_SMALL[name] if size == "small" else ())]
            done = subprocess.run(
                [sys.executable, script, *options],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            assert done.returncode == 0, done.stderr
            assert "Warning" not in done.stderr  # nor anyone else's
            results[name, size] = (done.stdout, out)
        return results[name, size]

    return show


def numbers(printed, label):
    """The numbers of the line that begins with a label, and nan for `nan`."""
    line = re.search(rf"^ *{re.escape(label)}(.*)$", printed, re.M)
    assert line, f"no line {label!r} in {printed}"
    return [float(n) for n in re.findall(r"-?\d+\.\d+|nan", line[1])]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_show_something(shown, name):
    from matplotlib.image import imread

    out = shown(name)[1]
    names = {f"{name}_{kind}.png" for kind in PICTURES[name]}
    assert {path.name for path in out.iterdir()} == names
    for path in out.iterdir():
        pixels = imread(path)[..., :3]
        height, width = pixels.shape[:2]
        assert 300 < height < 1500, path.name
        assert 500 < width < 2000, path.name
        ink = (pixels < 0.9).any(axis=-1)
        assert 0.01 < ink.mean() < 0.8, path.name
        assert ink.any(axis=0).mean() > 0.5, path.name  # across the whole picture


def test_eight_schools_warns_of_the_centred_form(shown):
    printed = shown("eight_schools")[0]
    centred, non_centred = printed.split("\nNon-centred\n")
    assert re.search(r"(Convergence|LowESS|Energy)Warning: ", centred)
    assert "theta[St. Paul's]" in non_centred
    smallest = re.search(
        r"smallest tau is ([\d.]+), that of the centred form ([\d.]+)",
        " ".join(printed.split()),
    )
    assert float(smallest[1]) < float(smallest[2][:-1])


def test_logistic_regression_predicts(shown):
    printed = shown("logistic_regression")[0]
    assert "beta[worst concave points]" in printed
    scores = dict(re.findall(r"^  (accuracy|log score|AUC) +(\S+)$", printed, re.M))
    assert float(scores["accuracy"]) > 0.9
    assert float(scores["AUC"]) > 0.95
    assert -0.3 < float(scores["log score"]) < 0


@pytest.mark.parametrize("size", ["small", *WHOLE])
def test_full_rank_is_as_good_as_nuts_on_breast_cancer(shown, size):
    printed = shown("breast_cancer", size)[0]
    _, mean, least, greatest, k, _ = numbers(printed, "full rank")
    noise = 0.06 if size == "small" else 0.0  # of the shorter run of NUTS
    assert mean < 0.1 + noise
    assert 0.9 - noise < least
    assert greatest < 1.1 + noise
    assert k < 0.7
    assert numbers(printed, "mean field")[2] < 0.6  # what the picture shows
    assert numbers(printed, "mean field")[4] > 0.7
    assert "mean field: SVI (AutoNormal) is not near the posterior" in printed
    for name in ("NUTS", "mean field", "full rank", "Laplace", "DADVI"):
        assert numbers(printed, name)[-1] > -0.15


@pytest.mark.parametrize("size", ["small", *WHOLE])
def test_digits_survive_eight_numbers(shown, size):
    printed = shown("digits_vae", size)[0]
    (plain,) = numbers(printed, "independent pixels")
    (bound,) = numbers(printed, "lower bound")
    (tight,) = numbers(printed, "with 200 weighted draws")
    gain, read = (4, 0.45) if size == "small" else (6.5, 0.7)
    assert plain + gain < bound < tight < bound + 1.5
    assert numbers(printed, "after 8 numbers")[0] > read
    assert numbers(printed, "as written")[0] > 0.85


@pytest.mark.parametrize("size", ["small", *WHOLE])
def test_intervals_of_the_network_are_calibrated(shown, size):
    printed = shown("diabetes_bnn", size)[0]
    assert f"{136 if size == 'small' else 442} patients" in printed
    for level in (0.5, 0.9):
        share, chance = numbers(printed, f"within their {level:.0%} interval")
        assert abs(share - level) < 2.6 * chance
    network = numbers(printed, "root mean square error, network")[0]
    line = numbers(printed, "root mean square error, least squares")[0]
    assert network < 1.05 * line


@pytest.mark.parametrize("size", ["small", *WHOLE])
def test_a_million_rows_give_what_their_counts_give(shown, size):
    printed = shown("million_rows", size)[0]
    small = size == "small"
    assert ("300,000 rows" if small else "1,000,000 rows") in printed
    begin, end = map(int, re.search(r"(\d+) MB, (\d+) MB", printed).groups())
    assert end - begin < 60  # of the 180 MB that the passes of the whole are
    for site, error in (("base", 0.08), ("effect", 0.14)):
        mean, least, greatest, off, inside = numbers(printed, site)
        assert mean < (0.3 if small else 0.2)
        assert 0.7 < least < greatest < 1.35
        assert off < (error if small else error / 1.6)
        assert 0.82 < inside < 0.97  # 90% of 200: ± 2.1%


@pytest.mark.parametrize("size", ["small", *WHOLE])
def test_checks_tell_a_poor_guide_from_a_good_one(shown, size):
    printed = shown("funnel_guides", size)[0]
    poor, k, _ = numbers(printed, "mean field")[:3]
    good, _, spread = numbers(printed, "flow")[:3]
    assert poor < -0.5 < -0.05 < good < 0.03
    assert k > 0.65  # 0.72, near the limit
    assert 0.9 < spread < 1.1
