"""The source obeys its laws, and each law catches what it is there for."""

import graphlib
import re
import subprocess
from collections.abc import Iterable

import pytest

from tests.structure import (
    AROUND,
    PPL,
    ROOT,
    Module,
    files_are_short,
    functions_are_short,
    functions_import_only_what_is_optional,
    imports,
    imports_only_downwards,
    jax_stays_public,
    mistakes_are_named,
    modules_open_with_a_sentence,
    siblings_stay_apart,
    signatures_are_short,
)

LAWS = [
    imports_only_downwards,
    siblings_stay_apart,
    functions_import_only_what_is_optional,
    files_are_short,
    functions_are_short,
    signatures_are_short,
    jax_stays_public,
    mistakes_are_named,
    modules_open_with_a_sentence,
]
LAWS_AROUND = [files_are_short, jax_stays_public]  # for tests, benchmarks, examples

OFFENDERS = [
    (imports_only_downwards, "ppl.novelty", ""),
    (imports_only_downwards, "ppl._errors", "import ppl.handlers"),
    (imports_only_downwards, "ppl.distributions.gumbel", "from ppl import sample"),
    (imports_only_downwards, "ppl.handlers.scope", "import ppl.handlers"),
    (imports_only_downwards, "ppl.handlers.scope", "from ..infer import mcmc"),
    (imports_only_downwards, "ppl.primitives", "import ppl.infer.engine.driver"),
    (imports_only_downwards, "ppl.infer.engine.driver", "import ppl.target"),
    (siblings_stay_apart, "ppl.distributions.gamma", "from .beta import Beta"),
    (siblings_stay_apart, "ppl.infer.engine.sinks.zarr", "from .memory import Memory"),
    (functions_import_only_what_is_optional, "ppl.x", "def f():\n import ppl.target"),
    (functions_import_only_what_is_optional, "ppl.x", "import arviz as az"),
    (files_are_short, "ppl.x", "\n" * 401),
    (functions_are_short, "ppl.x", "def f():\n" + " 1\n" * 61),
    (signatures_are_short, "ppl.x", "def f(a, b, c, d, e, f, g): ..."),
    (jax_stays_public, "ppl.x", "from jax._src import core"),
    (jax_stays_public, "ppl.x", "import jax\njax._src.core"),
    (mistakes_are_named, "ppl.x", "assert True"),
    (mistakes_are_named, "ppl.x", "raise NotImplementedError"),
    (modules_open_with_a_sentence, "ppl.x", "import jax"),
    (modules_open_with_a_sentence, "ppl.x", '"""Utilities"""'),
]


def listed(offences: Iterable[str]) -> str:
    return "\n  ".join(["", *offences])


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_ppl_obeys(law):
    offences = [offence for module in PPL.values() for offence in law(module)]
    assert not offences, listed(offences)


@pytest.mark.parametrize("law", LAWS_AROUND, ids=lambda law: law.__name__)
def test_what_is_around_ppl_obeys(law):
    offences = [offence for module in AROUND.values() for offence in law(module)]
    assert not offences, listed(offences)


@pytest.mark.parametrize(
    ("law", "name", "source"), OFFENDERS, ids=[law.__name__ for law, *_ in OFFENDERS]
)
def test_laws_have_teeth(law, name, source):
    path = name.replace(".", "/") + ".py"
    assert list(law(Module(path, name, source)))


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules of which each imports the next and the last the first, if there are."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_circles_are_found():
    assert circle({"a": {"b"}, "b": {"a"}})
    assert not circle({"a": {"b"}, "b": set()})


def test_modules_do_not_import_in_circles():
    graph = {
        name: {target for _, target in imports(module, PPL) if target in PPL} - {name}
        for name, module in PPL.items()
    }
    assert not circle(graph), " imports ".join(circle(graph))


def test_text_names_no_place_on_a_machine():
    """A path that exists on one machine only is wrong on every other."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("needs git and a checkout to know which files are the project's")
    place = re.compile(
        r"(?<![\w.])/(?:work|farm|root|home|Users)/[\w.]|bash[_]jobs|/[.]library\b"
    )
    offences = []
    for name in filter(None, result.stdout.split("\0")):
        try:
            lines = (ROOT / name).read_text().splitlines()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # not text, or removed and not yet committed
        for i, line in enumerate(lines, 1):
            if place.search(line):
                offences.append(f"{name}:{i}: {line}")
    assert not offences, listed(offences)
