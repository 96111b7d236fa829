"""The page of distributions says what the code has."""

from tests.laws import table


def test_the_page_is_true():
    assert table.PAGE.read_text() == table.page(), "run python -m tests.laws.table"
