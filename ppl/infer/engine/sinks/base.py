"""What a sink is: where finished draws go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np


class Finished(NamedTuple):
    """Draws that chains have finished, n of them, in any order of chains.

    Attributes:
        chain: Their chains, (n,).
        draw: Their numbers within the chain, from 0, (n,).
        position: (n, dim).
        statistics: (n, count).
        vectors: The kernel's other vectors, (n, dim) each; none if nobody wants them.
    """

    chain: np.ndarray
    draw: np.ndarray
    position: np.ndarray
    statistics: np.ndarray
    vectors: tuple[np.ndarray, ...] = ()


class AbstractSink(ABC):
    """Takes finished draws, chunk by chunk."""

    wants_vectors = False

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many draws of each chain it takes."""

    @abstractmethod
    def write(self, finished: Finished) -> None:
        """Take some draws."""
