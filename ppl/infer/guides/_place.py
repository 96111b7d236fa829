"""Where in its model a guide is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from ppl._sites import Sample, perform
from ppl._typing import Array
from ppl.distributions.delta import Delta
from ppl.distributions.transforms import biject_to


class Place(ABC):
    """Where in its model a guide is: finds what belongs to a site there."""

    @abstractmethod
    def taken(self, full: Any, site: Sample, event_dim: int) -> Array:
        """Of an array for all steps of loops and members of plates, those in use."""

    @abstractmethod
    def here(self, value: Any, name: str) -> Any:
        """Of an array for all steps of loops, that in use."""

    @staticmethod
    def own(site: Sample, name: str, fn: Any, **infer: Any) -> Sample:
        """A statement of the guide in the place of a site of the model."""
        scale = math.prod(f.size / f.subsample_size for f in site.plates)
        return Sample(
            name,
            plates=site.plates,
            line=site.line,
            fn=fn,
            scale=None if scale == 1 else scale,
            mask=site.mask,
            infer=infer,
        )

    @classmethod
    def fixed(cls, site: Sample, free: Array) -> Array:
        """Perform the site at an unconstrained value; gives the constrained one.

        What `free` has for a density is performed elsewhere; this is the Jacobian's.
        """
        value, log_det = biject_to(site.fn.support).forward_and_log_det(free)
        fn = Delta(value, -log_det, event_dim=site.fn.event_dim)
        return perform(cls.own(site, site.name, fn)).value
