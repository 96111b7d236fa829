"""Record every site that a model performs."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ppl._recording import check_recordable
from ppl.primitives import (
    Deterministic,
    Handler,
    Mutable,
    Param,
    PlateEntry,
    Sample,
    Site,
    perform,
)


class trace(Handler):
    """Record sites by name, in order: `trace(model).get_trace(*args)`.

    Entering gives the dict that is being filled. Two sites of one name are an error; a
    plate or a `param` may be met again, and a `mutable` keeps its holder.

    Raises:
        DuplicateSiteError: A second site has a name that is taken.
    """

    starts_anew = True

    def start(self) -> OrderedDict[str, Site]:
        """Begin with no sites; gives the dict of them."""
        self.sites: OrderedDict[str, Site] = OrderedDict()
        return self.sites

    def handle(self, site: Site) -> Site:
        """Record what comes back from the outer handlers."""
        match site:
            case Mutable(name=name) if isinstance(self.sites.get(name), Mutable):
                return self.sites[name]
        out = perform(site)
        match out:
            case Sample() | Deterministic() | Param() | PlateEntry() | Mutable():
                self._record(out)
        return out

    def gathered(self) -> Any:
        """The sites of one step."""
        return self.sites

    def absorb(self, gathered: Any) -> None:
        """Record the sites of all steps."""
        for site in gathered.values():
            self._record(site)

    def _record(self, site: Site) -> None:
        check_recordable(self.sites.get(site.name), site, self)
        self.sites[site.name] = site

    def get_trace(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Site]:
        """Run the model and return its sites by name."""
        with self as sites:
            self.wrapped(*args, **kwargs)
        return sites
