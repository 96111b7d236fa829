"""Results that read as a mapping from site to values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ppl._errors import unknown_name


class AbstractBySite(Mapping[str, np.ndarray]):
    """A mapping from site to values, which are in `samples`."""

    samples: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.samples:
            raise unknown_name("site", name, self.samples)
        return self.samples[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __contains__(self, name: object) -> bool:
        return name in self.samples

    # Two results are the same only if they are one: arrays have no single truth value.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class AbstractDraws(AbstractBySite):
    """A mapping from site to draws, (chain, draw, *shape)."""

    def stack(self, name: str) -> np.ndarray:
        """The draws of all chains after one another, (chain * draw, *shape)."""
        draws = self[name]
        chains, count, *shape = draws.shape
        return draws.reshape(chains * count, *shape)
