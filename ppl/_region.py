"""Parts of a model that JAX traces by themselves, as handlers see them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from ppl._errors import PPLError
from ppl._typing import Key


@dataclass(frozen=True, eq=False)
class LoopAxis:
    """The axis that a loop puts in front of its sites; each loop has its own.

    Attributes:
        what: The construct.
        size: Number of steps.
        name: In labelled results, if it was given one.
        coords: Labels of the steps, likewise.
    """

    what: str
    size: int
    name: str | None = None
    coords: Any = None


class AbstractRegion(ABC):
    """A part of a model that JAX traces by itself, in one of its runs.

    A loop's body or a branch, and what every handler needs to know of it.
    """

    repeats: ClassVar[bool] = True  # it may run more than once

    @abstractmethod
    def take(self, value: Any, name: str) -> Any:
        """The part of `value`, of site `name` in the whole region, for this run."""

    def fold(self, key: Key) -> Key:
        """A key for this run of the region."""
        return key

    def lacks(self, value: Any) -> bool:
        """Whether `value` is for the first runs only."""
        del value
        return False

    def take_first(self, value: Any, name: str) -> tuple[Any, Any]:
        """The part of such a value for this run, and whether there is one."""
        return self.take(value, name), True

    def refusal(self, site: Any) -> PPLError | None:
        """The error for recording `site`, if no one knows how often it is performed."""
        del site
        return None
