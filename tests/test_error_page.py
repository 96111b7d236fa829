"""The page of errors says what the tests get, and no mistake is left out."""

from tests import error_page

WRITE = "run make tables"


def test_the_page_is_true():
    assert error_page.PAGE.read_text() == error_page.page(), WRITE


def test_every_mistake_is_told_in_words():
    found = error_page.rows()
    assert {number for number, *_ in found} == set(range(1, error_page.COUNT + 1))
    for number, name, kind, message in found:
        if kind not in ("accepted", "not here yet"):
            assert len(message) > 30, (number, name)
        assert "Tracer" not in message, (number, name)
        assert "jaxlib" not in message, (number, name)
