"""Switch off the log density of sites, elementwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import replace
from ppl.primitives import Handler, MaskRequest, Sample, Site, perform


class mask(Handler):
    """Zero log densities where `mask` is False; nested masks must all be True.

    The mask broadcasts with the batch of each site: one that is wider makes as many
    independent variables of the site.

    Raises:
        ArgumentError: `mask` is not boolean.
        ShapeError: It does not broadcast with the batch of a site.
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
                site = replace(site, mask=new, fn=self._widened(site))
            case MaskRequest():
                new = self.mask if site.value is None else self.mask & site.value
                site = replace(site, value=new)
        return perform(site)

    def _widened(self, site: Sample) -> Any:
        batch, shape = site.fn.batch_shape, np.shape(self.mask)
        try:
            both = np.broadcast_shapes(batch, shape)
            if self.regions and both != batch:
                raise ValueError  # as many variables in each step: nobody means that
            return site.fn.expand(both)
        except ValueError:
            raise ShapeError(
                f"a mask of shape {shape} does not broadcast with batch shape {batch}.",
                site=site.name,
                value=shape,
            ) from None
