"""What the handlers share that hold something by the names of sites."""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from ppl._errors import PPLWarning, warn
from ppl.primitives import Handler, Site

_DIGITS = re.compile(r"\d+")


class UnmetNameWarning(PPLWarning):
    """A handler holds something for a name that no site of the run had."""


class AbstractNaming(Handler, ABC):
    """A handler that tells, once, which of its names a whole run has not met.

    Attributes:
        acts_on: The types of sites that it does something to.
        lists_more: Whether it is usual to hold more names than a model has. Then only
            those are told that look like a misspelt site for which there is nothing.
    """

    acts_on: ClassVar[tuple[str, ...]] = ("sample",)
    lists_more: ClassVar[bool] = False

    def __init__(self, fn: Any = None):
        super().__init__(fn)
        self.told: set[str] = set()  # by any run

    @abstractmethod
    def names(self) -> Iterable[str]:
        """The names that something is held for."""

    def start(self) -> Any:
        """Begin with no site met."""
        self.met: dict[str, str] = {}
        self.open: set[str] = set()
        return self

    def meet(self, site: Site, *, is_open: bool = True) -> None:
        """Remember the name and type of a site, and whether it may be meant."""
        if self.met.get(site.name) not in self.acts_on:
            self.met[site.name] = site.type
        if is_open:
            self.open.add(site.name)

    def end(self) -> None:
        """Tell of the names that were not met."""
        known = {name for name, kind in self.met.items() if kind in self.acts_on}
        names = set(self.names())
        for name in sorted(names - known - self.told):
            if self.lists_more:
                near = _misspelt(name, self.open - names)
            else:
                near = difflib.get_close_matches(name, sorted(known), 1, 0.5)
            if near or not self.lists_more:
                self.told.add(name)
                self._tell(name, near)

    def _tell(self, name: str, near: list[str]) -> None:
        what, met = type(self).__name__, self.met.get(name)
        why = "which no site of the run has: nothing came of it."
        if met:
            kinds = " and ".join(self.acts_on)
            why = f"which is a {met} site here, and acts on {kinds} sites only."
        then = f" Did you mean '{near[0]}'?" if near else ""
        warn(f"{what} was given '{name}', {why}{then}", UnmetNameWarning)


def _misspelt(name: str, known: Iterable[str]) -> list[str]:
    """The known name that is most like it; one with another number is another thing."""
    plain = _DIGITS.sub("", name)
    known = sorted(other for other in known if _DIGITS.sub("", other) != plain)
    return difflib.get_close_matches(name, known, 1, 0.75)
