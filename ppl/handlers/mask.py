"""Switch off the log density of sites, elementwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ppl._errors import ArgumentError
from ppl.primitives import Handler, MaskRequest, Sample, Site, perform


class mask(Handler):
    """Zero log densities where `mask` (broadcast over the batch) is False.

    Raises:
        ArgumentError: `mask` is not boolean.
    """

    def __init__(self, fn: Callable[..., Any] | None = None, mask: Any = True):  # noqa: FBT002
        super().__init__(fn)
        if not isinstance(mask, bool) and getattr(mask, "dtype", None) != np.bool_:
            raise ArgumentError(f"mask must be boolean, got {mask!r}.", value=mask)
        self.mask = mask

    def handle(self, site: Site) -> Site:
        """Combine the site's mask with this one."""
        match site:
            case Sample():
                new = self.mask if site.mask is None else self.mask & site.mask
                site = dataclasses.replace(site, mask=new)
            case MaskRequest():
                new = self.mask if site.value is None else self.mask & site.value
                site = dataclasses.replace(site, value=new)
        return perform(site)
