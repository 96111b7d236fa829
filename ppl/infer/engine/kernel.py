"""What a kernel is: a state machine that steps a batch of chains.

Arrays of the engine have the chains as their last axis: positions are (dim, chains). On
a CPU that makes masks and dot products run along the vector unit, on a GPU it makes
memory accesses coalesce.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import jax

from ppl._typing import Array
from ppl.infer.engine.randomness import Randomness


class Target(Protocol):
    """A log density of a flat vector, with its gradient."""

    def value_and_grad(self, position: Array) -> tuple[Array, Array]:
        """Log density and gradient at `position` of shape (dim,)."""
        ...


def batch_value_and_grad(target: Target, positions: Array) -> tuple[Array, Array]:
    """Log densities (chains,) and gradients (dim, chains) at (dim, chains) positions."""
    return jax.vmap(target.value_and_grad, in_axes=1, out_axes=(0, 1))(positions)


class Emitted(NamedTuple):
    """What one step gives away.

    Attributes:
        done: Which chains finished a draw, bool (chains,).
        position: Their draws, (dim, chains); anything where not done.
        statistics: Numbers by name, (count, chains), in the order of the kernel's
            `statistics`.
    """

    done: Array
    position: Array
    statistics: Array


class AbstractKernel(ABC):
    """A Markov kernel in small steps, at most one gradient each.

    Subclasses are frozen pytrees whose leaves are settings (step size, metric), so that
    adapting means a new value and the compiled program stays.
    """

    statistics: tuple[str, ...]

    @abstractmethod
    def init(self, positions: Array) -> Any:
        """A state whose first step evaluates the target at `positions`."""

    @abstractmethod
    def step(
        self, randomness: Randomness, target: Target, state: Any, num_draws: Array
    ) -> tuple[Any, Emitted]:
        """One step of every chain that has not finished its first `num_draws` draws.

        The state has a field `draw`, int32 (chains,): draws finished so far.
        """
