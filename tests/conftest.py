"""What all tests share: one compilation cache, real data if there are any, float64."""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
_BETWEEN_CLEARANCES = 200
_tests = itertools.count(1)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ppl-tests"

# JAX reads these when it is imported, so they come before every such import. Most of
# the time of a first run goes into compiling: fresh clones share what was compiled.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# A first example compiles, so time limits mean nothing; and a push fails for its own
# faults only, so the examples are the same every time.
settings.register_profile("ppl", deadline=None, derandomize=True)
settings.load_profile("ppl")

pytest.register_assert_rewrite("tests.laws")  # shared checks explain themselves too


def pytest_configure(config: pytest.Config) -> None:
    """Make the cache private to its user, and forget what a month has not seen."""
    if hasattr(config, "workerinput"):  # the workers leave that to the one in charge
        return
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    last_month = time.time() - 30 * 24 * 3600
    for entry in CACHE.iterdir():
        if entry.is_file() and entry.stat().st_mtime < last_month:
            entry.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and reference posteriors beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared` beside the checkout, which is not here")
    return folder


@pytest.fixture
def x64() -> Iterator[None]:
    """Compute in float64 while the test runs."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(autouse=True)
def programs_are_given_back() -> Iterator[None]:
    """Thousands of tests compile more programs than fit into memory."""
    yield
    if next(_tests) % _BETWEEN_CLEARANCES == 0:
        import jax

        jax.clear_caches()


@pytest.fixture(autouse=True)
def no_handler_is_left():
    """Whatever a test does, afterwards no handler is active and checks are on."""
    yield
    from ppl import _sites
    from ppl.distributions._parameters import CHECK_AT_CONSTRUCTION

    assert not _sites._STACK.get(), "a handler was entered and never left"
    assert CHECK_AT_CONSTRUCTION.get(), "construction checks were left off"
