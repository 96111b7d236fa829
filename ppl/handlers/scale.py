"""Multiply the log density of every site inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl._typing import ArrayLike
from ppl.primitives import Handler, Sample, Site, perform


class scale(Handler):
    """Multiply log densities by a positive `scale`; nested scales multiply.

    Raises:
        ArgumentError: `scale` is concrete and not positive.
    """

    def __init__(self, fn: Callable[..., Any] | None = None, scale: ArrayLike = 1.0):
        super().__init__(fn)
        concrete = not isinstance(scale, Tracer)
        if concrete and not np.all(np.asarray(scale) > 0):
            raise ArgumentError(f"scale must be > 0, got {scale!r}.", value=scale)
        self.scale = scale

    def handle(self, site: Site) -> Site:
        """Multiply the site's scale."""
        match site:
            case Sample():
                new = self.scale if site.scale is None else self.scale * site.scale
                site = replace(site, scale=new)
        return perform(site)
