"""Run a model with the values of another trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl.primitives import Handler, PlateEntry, Sample, Site, perform


class replay(Handler):
    """Reuse the values of the latent sites (and subsample indices) of `trace`.

    Args:
        fn: The model.
        trace: Sites by name, from `trace(...).get_trace()`.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        trace: Mapping[str, Site] | None = None,
    ):
        super().__init__(fn)
        if trace is None:
            raise ArgumentError("replay needs trace=.")
        self.trace = trace

    def handle(self, site: Site) -> Site:
        """Give the site the value that it has in the trace."""
        match site:
            case PlateEntry() if site.subsample_size >= site.size:
                return perform(site)  # all of its members, in every step of a loop
            case Sample(is_observed=False) | PlateEntry():
                recorded = self.trace.get(site.name)
                if recorded is not None and recorded.type == site.type:
                    value = self.here(recorded.value, site.name)
                    site = replace(site, value=value)
        return perform(site)
