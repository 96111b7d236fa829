"""Mistakes that people make, each with the error that it must get."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ppl._errors import PPLError
from ppl.checks import checked


@dataclass(frozen=True)
class Mistake:
    """What somebody does, and how the error must read.

    `number` is the mistake's place in a list of 68 that NumPyro 0.22 was tried with.
    """

    number: int
    make: Callable[[], Any]
    error: type[PPLError]
    words: tuple[str, ...]
    site: str | None
    bare: bool

    def __str__(self) -> str:
        return f"{self.number:02}-{self.make.__name__}"


class Table(list[Mistake]):
    """A table of mistakes; its method decorates the functions that make them."""

    def expect(
        self,
        number: int,
        error: type[PPLError],
        *words: str,
        site: str | None = None,
        bare: bool = False,
    ) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """`words` must be in the message; `bare` errors tell no value and no remedy."""

        def add(make: Callable[[], Any]) -> Callable[[], Any]:
            self.append(Mistake(number, make, error, words, site, bare))
            return make

        return add


def check(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The model check, as it comes before every run."""
    return checked(model, args, kwargs)


def assert_named(mistake: Mistake) -> None:
    """The law: the error has the right class and site, and tells what and where."""
    with pytest.raises(mistake.error) as caught:
        mistake.make()
    message = str(caught.value)
    missing = [word for word in mistake.words if word not in message]
    assert not missing, f"{missing} not in: {message}"
    assert caught.value.site == mistake.site
    if mistake.site is not None:
        assert f"site '{mistake.site}'" in message
    assert mistake.bare or caught.value.value is not None or caught.value.hint
    assert "Traced<" not in message, message
    assert "Tracer" not in message, message
    assert len(message) < 1500
