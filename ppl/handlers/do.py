"""Intervene on sites: the mutilated model of causal inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl.primitives import Handler, Sample, Site, as_data, perform


class do(Handler):
    """Give what follows a site another value than the one that the site draws.

    The site itself is sampled and scored as before, only its descendants see the
    intervention (Pearl, *Causality*, 2009, section 3.2). Of nested interventions on one
    site the innermost holds.

    Args:
        fn: The model.
        data: Intervened values by site name.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ):
        super().__init__(fn)
        if data is None:
            raise ArgumentError("do needs data=.")
        self.data = data

    def handle(self, site: Site) -> Site:
        """Replace the value on the way back to the model."""
        out = perform(site)
        match site:
            case Sample() if site.name in self.data:
                value = self.here(self.data[site.name], site.name)
                value = as_data(value, site.name)
                return replace(out, value=value)
        return out
