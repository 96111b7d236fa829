"""The page of distributions and the stub for type checkers say what the code has."""

import ast
import importlib
from pathlib import Path

import ppl.distributions as dist
from tests.laws import table


def test_the_page_is_true():
    assert table.PAGE.read_text() == table.page(), "run python -m tests.laws.table"


def test_type_checkers_see_what_there_is():
    stub = Path(dist.__file__).with_suffix(".pyi")
    told = {
        (name.name, node.module)
        for node in ast.parse(stub.read_text()).body
        for name in node.names
    }
    assert sorted(name for name, _ in told) == dist.__all__
    for name, module in told:
        home = importlib.import_module(module)
        assert getattr(dist, name) is getattr(home, name)
    assert set(dist.__all__) <= set(dir(dist))
