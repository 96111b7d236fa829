"""Put a prefix in front of every site name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ppl._pytree import replace
from ppl.primitives import (
    Deterministic,
    Handler,
    Mutable,
    ObservedRequest,
    Param,
    PlateEntry,
    Sample,
    Site,
    perform,
)


class scope(Handler):
    """Rename each site `name` to `prefix/name`, so that a model can be used twice.

    The caller sees its own names again: the site that comes back carries the name that
    it was performed with.

    Args:
        fn: The model.
        prefix: What to put in front.
        divider: What to put between.
        hide_types: Types of sites that keep their names.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        prefix: str = "",
        divider: str = "/",
        *,
        hide_types: Sequence[str] | None = None,
    ):
        super().__init__(fn)
        self.prefix = prefix
        self.divider = divider
        self.hide_types = tuple(hide_types or ())

    def _renamed(self, name: str) -> str:
        return f"{self.prefix}{self.divider}{name}"

    def handle(self, site: Site) -> Site:
        """Prefix the name of the site and of the plates that are inside this scope."""
        if site.type in self.hide_types:
            return perform(site)
        match site:
            case Sample() | Param() | Mutable() | Deterministic() | PlateEntry():
                plates = site.plates
                if "plate" not in self.hide_types:
                    plates = tuple(
                        replace(f, name=self._renamed(f.name)) for f in site.plates
                    )
                name = self._renamed(site.name)
                outer = perform(replace(site, name=name, plates=plates))
                around = outer.plates[: len(outer.plates) - len(plates)]
                own = (*around, *site.plates)
                return replace(outer, name=site.name, plates=own)
            case ObservedRequest() if "sample" not in self.hide_types:
                return perform(replace(site, name=self._renamed(site.name)))
        return perform(site)
