"""Intervene on sites: the mutilated model of causal inference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl.handlers._names import AbstractNaming
from ppl.primitives import Deterministic, Sample, Site, as_data, perform


class do(AbstractNaming):
    """Give what follows a site another value than the one that the site draws.

    The site itself is sampled and scored as before, only its descendants see the
    intervention (Pearl, *Causality*, 2009, section 3.2). Of nested interventions on one
    site the innermost holds. A name in `data` that no site of a whole run has is told
    in a warning: nothing was changed.

    Args:
        fn: The model.
        data: Intervened values by the name of a sample or deterministic site.

    Raises:
        ArgumentError: There is no `data`.
    """

    acts_on = ("sample", "deterministic")

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ):
        super().__init__(fn)
        if data is None:
            raise ArgumentError("do needs data=.")
        self.data = data

    def names(self) -> Iterable[str]:
        """The names of the values."""
        return self.data

    def handle(self, site: Site) -> Site:
        """Replace the value on the way back to the model."""
        out = perform(site)
        match site:
            case Sample() | Deterministic():
                self.meet(site)
                if site.name in self.data:
                    value = self.here(self.data[site.name], site.name)
                    value = as_data(value, site.name)
                    return replace(out, value=value)
        return out
