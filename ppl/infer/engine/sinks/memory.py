"""Keep draws in the host's memory."""

from __future__ import annotations

import numpy as np

from ppl.infer.engine.sinks.base import AbstractSink, Finished


class MemorySink(AbstractSink):
    """Arrays of the final size on the host, filled as draws come.

    Attributes:
        position: Draws, (chains, draws, dim).
        statistics: Numbers of each draw, (chains, draws, count).
        vectors: The kernel's other vectors of each draw, (chains, draws, dim) each.
    """

    def __init__(
        self,
        chains: int,
        draws: int,
        dim: int,
        count: int,
        dtype: np.dtype,
        vectors: int = 0,
    ):
        def room(size: int) -> np.ndarray:
            return np.empty((chains, draws, size), dtype)

        self.position, self.statistics = room(dim), room(count)
        self.vectors = tuple(room(dim) for _ in range(vectors))
        self.wants_vectors = vectors > 0

    @property
    def capacity(self) -> int:
        return self.position.shape[1]

    def write(self, finished: Finished) -> None:
        at = finished.chain, finished.draw
        self.position[at] = finished.position
        self.statistics[at] = finished.statistics
        for whole, part in zip(self.vectors, finished.vectors, strict=True):
            whole[at] = part

    @classmethod
    def joined(cls, parts: list[MemorySink]) -> MemorySink:
        """The draws of several sinks of the same chains, one after the other."""
        new = object.__new__(cls)
        new.position = np.concatenate([p.position for p in parts], axis=1)
        new.statistics = np.concatenate([p.statistics for p in parts], axis=1)
        new.vectors, new.wants_vectors = (), False
        return new

    def after(self, first: int) -> MemorySink:
        """A copy of the draws from number `first` on."""
        new = object.__new__(type(self))
        new.position = self.position[:, first:].copy()
        new.statistics = self.statistics[:, first:].copy()
        new.vectors, new.wants_vectors = (), False
        return new
