"""Hide sites from the outer handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ppl._pytree import replace
from ppl.handlers._names import AbstractNaming
from ppl.primitives import (
    Deterministic,
    Mutable,
    ObservedRequest,
    Param,
    PlateEntry,
    Sample,
    Site,
    perform,
)


class block(AbstractNaming):
    """Do the default action of hidden sites here, so that no outer handler sees them.

    Without options everything is hidden. `hide` and `expose` may hold more names than
    the model has; one that looks like a misspelt site is told in a warning.

    Args:
        fn: The model.
        hide_fn: A predicate of the site: hide where True.
        hide: Names to hide.
        expose_types: Types of sites ("sample", "param", …) that stay visible.
        expose: Names that stay visible; the rest is hidden.
    """

    acts_on = ("sample", "param", "mutable", "deterministic", "plate")
    lists_more = True

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        hide_fn: Callable[[Site], bool] | None = None,
        hide: Sequence[str] | None = None,
        expose_types: Sequence[str] | None = None,
        expose: Sequence[str] | None = None,
    ):
        super().__init__(fn)
        self.hide_fn = hide_fn
        self.hide = hide
        self.expose_types = expose_types
        self.expose = expose

    def names(self) -> Iterable[str]:
        """The names in the lists."""
        return {*(self.hide or ()), *(self.expose or ())}

    def handle(self, site: Site) -> Site:
        """Resolve the site here if it is hidden."""
        match site:
            case Sample() | Param() | Mutable() | Deterministic() | PlateEntry():
                self.meet(site)
                if self._hidden(site):
                    return site.resolve()
            case ObservedRequest(site=asked):
                if self._hidden(replace(asked, name=site.name)):
                    return site
        return perform(site)

    def _hidden(self, site: Site) -> bool:
        if self.hide_fn is not None:
            return bool(self.hide_fn(site))
        if self.hide is not None:
            return site.name in self.hide
        if self.expose_types is not None:
            return site.type not in self.expose_types
        if self.expose is not None:
            return site.name not in self.expose
        return True
