"""Keep draws in the host's memory."""

from __future__ import annotations

import numpy as np

from ppl.infer.engine.sinks.base import AbstractSink


class MemorySink(AbstractSink):
    """Arrays of the final size on the host, filled as draws come.

    Attributes:
        position: Draws, (chains, draws, dim).
        statistics: Numbers of each draw, (chains, draws, count).
    """

    def __init__(self, chains: int, draws: int, dim: int, count: int, dtype: np.dtype):
        self.position = np.empty((chains, draws, dim), dtype)
        self.statistics = np.empty((chains, draws, count), dtype)

    @property
    def capacity(self) -> int:
        return self.position.shape[1]

    def write(
        self,
        chain: np.ndarray,
        draw: np.ndarray,
        position: np.ndarray,
        statistics: np.ndarray,
    ) -> None:
        self.position[chain, draw] = position
        self.statistics[chain, draw] = statistics

    @classmethod
    def joined(cls, parts: list[MemorySink]) -> MemorySink:
        """Several sinks of the same chains, one after the other."""
        new = object.__new__(cls)
        new.position = np.concatenate([p.position for p in parts], axis=1)
        new.statistics = np.concatenate([p.statistics for p in parts], axis=1)
        return new

    def after(self, first: int) -> MemorySink:
        """A copy of the draws from number `first` on."""
        new = object.__new__(type(self))
        new.position = self.position[:, first:].copy()
        new.statistics = self.statistics[:, first:].copy()
        return new
