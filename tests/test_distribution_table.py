"""The page of distributions, the stub and the map of names say what the code has."""

import importlib

import ppl.distributions as dist
from tests.laws import names, table

WRITE = "run python -m tests.laws.table"


def test_the_page_is_true():
    assert table.PAGE.read_text() == table.page(), WRITE


def test_names_are_where_they_are_said_to_be():
    found = names.homes()
    assert names.as_module(found) == names.NAMES.read_text(), WRITE
    assert names.as_stub(found) == names.STUB.read_text(), WRITE
    assert dist.__all__ == sorted([*found, *names.NAMESPACES])
    for name, module in found.items():
        home = importlib.import_module(f"{names.PACKAGE}.{module}")
        assert getattr(dist, name) is getattr(home, name)
    assert set(dist.__all__) <= set(dir(dist))
