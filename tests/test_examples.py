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
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What an example prints and the folder of its pictures; each runs once."""
    results = {}

    def show(name):
        if name not in results:
            out = tmp_path_factory.mktemp(name)
            script = ROOT / "examples" / f"{name}.py"
            options = ["--out", out, "--seed", "1", "--draws", "300"]
            done = subprocess.run(
                [sys.executable, script, *options],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            assert done.returncode == 0, done.stderr
            assert "Warning" not in done.stderr  # nor anyone else's
            results[name] = (done.stdout, out)
        return results[name]

    return show


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
