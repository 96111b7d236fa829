"""The draws whose trajectories diverged: where the sampler could not go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ppl.diagnostics._by_site import AbstractBySite


@dataclass(frozen=True, eq=False, repr=False)
class Divergences(AbstractBySite):
    """Divergent draws, a mapping from site to their values, (n, *event).

    What they have in common tells what to reparameterise.

    Attributes:
        samples: The values by site.
        chain: The chain of each, (n,).
        draw: Its number among the draws of its chain, (n,).
        count: How many diverged; more than n, if not all of them were kept.
    """

    samples: Mapping[str, np.ndarray]
    chain: np.ndarray
    draw: np.ndarray
    count: int

    def __repr__(self) -> str:
        kept = f"{len(self.chain)} kept of " if len(self.chain) < self.count else ""
        return f"<Divergences: {kept}{self.count} draws; {', '.join(self.samples)}>"
