"""The documentation is run: every Python block, file by file, and every link."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from ppl.diagnostics import PPLWarning

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAY_BE_MISSING = {"equinox", "flax"}
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def blocks(page: Path) -> Iterator[str]:
    """The Python blocks of a page, each moved down to the line where it stands."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield "\n" * text.count("\n", 0, found.start(1)) + found[1]


def run(page: Path, sources: list[str]) -> dict[str, object]:
    """Run blocks one after the other in one namespace, as a reader would.

    What comes before a library that is not installed has run; the rest is skipped.
    """
    namespace: dict[str, object] = {"__name__": page.stem}
    for source in sources:
        try:
            exec(compile(source, page, "exec"), namespace)
        except ModuleNotFoundError as missing:
            if missing.name not in MAY_BE_MISSING:
                raise
            pytest.skip(f"the rest of {page.name} needs {missing.name}")
    return namespace


@pytest.fixture(autouse=True)
def _as_for_a_reader(tmp_path, monkeypatch):
    """An empty folder to write to, no screen, no complaints about small examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PPLWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of ArviZ's, not ours
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page):
    sources = list(blocks(page))
    names = run(page, sources)  # which asserts what the page says
    assert len(names) > 1 or not sources


def test_the_first_model_of_the_readme_runs(capsys):
    first = next(blocks(ROOT / "README.md"))
    posterior = run(ROOT / "README.md", [first])["posterior"]
    printed = capsys.readouterr().out
    assert "theta[Choate]" in printed
    assert posterior.num_chains == 4
    assert 3 < posterior["mu"].mean() < 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = [t for t in LINK.findall(page.read_text()) if "://" not in t]
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert not missing, f"{page.name} links to {missing}"
