"""What an adaptation is: rounds of draws, and what is learned from them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ppl.infer.engine.kernel import AbstractKernel


class Round(NamedTuple):
    """Draws that every chain makes under one kernel.

    Attributes:
        kernel: The kernel to use.
        draws: How many draws of each chain.
        counted: Whether they count towards the warm-up asked for.
        sources: The chain in whose place each begins, (chains,); None for its own.
    """

    kernel: AbstractKernel
    draws: int
    counted: bool
    sources: np.ndarray | None = None


class Drawn(NamedTuple):
    """What a round has brought, on the host.

    Attributes:
        position: Draws, (chains, n, dim).
        statistics: By name, (chains, n) each.
        vectors: By name, (chains, n, dim) each.
    """

    position: np.ndarray
    statistics: Mapping[str, np.ndarray]
    vectors: Mapping[str, np.ndarray]


class AbstractAdaptation(ABC):
    """A way to find a kernel's settings while it draws.

    Rounds end when every chain has made their draws, so what is learned does not depend
    on how the run is cut into chunks. States are values; nothing is mutated.
    """

    @abstractmethod
    def init(
        self, kernel: AbstractKernel, num_warmup: int, gradient: np.ndarray
    ) -> tuple[Any, AbstractKernel]:
        """The state before the first draw, and the kernel to begin with.

        Args:
            kernel: As the user has set it.
            num_warmup: Draws of each chain that count.
            gradient: At the starting points, (chains, dim).
        """

    @abstractmethod
    def request(self, a: Any, kernel: AbstractKernel) -> Round | None:
        """The next round, or None when the warm-up is over."""

    @abstractmethod
    def update(
        self, a: Any, kernel: AbstractKernel, drawn: Drawn
    ) -> tuple[Any, AbstractKernel]:
        """Learn from a round; `kernel` is the one before it was requested."""


def dtype_of(kernel: AbstractKernel) -> np.dtype:
    """The floating type of a kernel's settings."""
    return np.dtype(kernel.step_size.dtype)


def step_size(kernel: AbstractKernel) -> float:
    """The mean step size of a kernel."""
    return float(np.mean(np.asarray(kernel.step_size)))


def with_step_size(
    kernel: AbstractKernel, step_size: float | np.ndarray
) -> AbstractKernel:
    """The kernel with another step size; chains that had their own all get it."""
    shape = np.broadcast_shapes(np.shape(step_size), np.shape(kernel.step_size))
    new = np.full(shape, step_size, dtype_of(kernel))
    return dataclasses.replace(kernel, step_size=new)  # type: ignore[type-var]
