"""Record every site that a model performs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ppl._errors import DuplicateSiteError
from ppl.primitives import (
    Deterministic,
    Handler,
    Param,
    PlateEntry,
    Sample,
    Site,
    perform,
)


class trace(Handler):
    """Record sites by name, in order: `trace(model).get_trace(*args)`.

    Entering gives the dict that is being filled. Two sites of one name are an error; a
    plate or a `param` may be met again.

    Raises:
        DuplicateSiteError: A second site has a name that is taken.
    """

    def __init__(self, fn: Callable[..., Any] | None = None):
        super().__init__(fn)
        self.sites: OrderedDict[str, Site] = OrderedDict()

    def __enter__(self) -> OrderedDict[str, Site]:
        super().__enter__()
        self.sites = OrderedDict()
        return self.sites

    def handle(self, site: Site) -> Site:
        """Record what comes back from the outer handlers."""
        out = perform(site)
        match out:
            case Sample() | Deterministic() | Param() | PlateEntry():
                self._record(out)
        return out

    def _record(self, site: Site) -> None:
        first = self.sites.get(site.name)
        again = isinstance(site, PlateEntry | Param) and type(first) is type(site)
        if first is not None and not again:
            raise DuplicateSiteError(
                f"at {site.line} is already defined at {first.line}.",
                site=site.name,
                value=site.name,
                hint="Site names must be unique; ppl.handlers.scope adds a prefix.",
            )
        self.sites[site.name] = site

    def get_trace(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Site]:
        """Run the model and return its sites by name."""
        fresh = type(self)(self.fn)
        with fresh as sites:
            self.fn(*args, **kwargs)  # type: ignore[misc]
        return sites
