"""What a sink is: where finished draws go."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class AbstractSink(ABC):
    """Takes finished draws, chunk by chunk, in any order of chains."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many draws of each chain it takes."""

    @abstractmethod
    def write(
        self,
        chain: np.ndarray,
        draw: np.ndarray,
        position: np.ndarray,
        statistics: np.ndarray,
    ) -> None:
        """Take n draws.

        Args:
            chain: Their chains, (n,).
            draw: Their numbers within the chain, from 0, (n,).
            position: (n, dim).
            statistics: (n, count).
        """
