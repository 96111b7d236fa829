"""What a kernel is: a state machine that steps a batch of chains.

Arrays of the engine have the chains as their last axis: positions are (dim, chains). On
a CPU that makes masks and dot products run along the vector unit, on a GPU it makes
memory accesses coalesce.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array
from ppl.infer.engine.randomness import Randomness

MAX_ENERGY_ERROR = 1000.0
"""A trajectory whose energy has grown by more diverges (Stan's threshold)."""

_FEW_DIMS = 16

T = TypeVar("T")


class Target(Protocol):
    """A log density of a flat vector, with its gradient."""

    def value_and_grad(self, position: Array) -> tuple[Array, Array]:
        """Log density and gradient at `position` of shape (dim,)."""
        ...


@runtime_checkable
class BatchTarget(Protocol):
    """A target that knows a better way for all chains at once than `jax.vmap`."""

    def batch_value_and_grad(self, positions: Array) -> tuple[Array, Array]:
        """Log densities (chains,) and gradients, (dim, chains) like the positions."""
        ...


@runtime_checkable
class LowerableTarget(Protocol):
    """A target that may be told a number to take from its log density.

    Of a million rows in float32 that leaves digits which energies need.

    Attributes:
        base: What is taken.
    """

    base: Any

    def lowered(self, base: float) -> Any:
        """The target with another base, or itself if it has no need of one."""
        ...


def batch_value_and_grad(target: Target, positions: Array) -> tuple[Array, Array]:
    """Log densities (chains,) and gradients, (dim, chains) like the positions."""
    if isinstance(target, BatchTarget):
        return target.batch_value_and_grad(positions)
    return jax.vmap(target.value_and_grad, in_axes=1, out_axes=(0, 1))(positions)


def where(mask: Array, new: T, old: T) -> T:
    """Leaf by leaf, `new` for the chains in `mask` and `old` for the others."""
    return jax.tree.map(lambda a, b: jnp.where(mask, a, b), new, old)


def dot(a: Array, b: Array) -> Array:
    """Dot products over the last axis but one: (…, dim, chains) to (…, chains)."""
    return (a * b).sum(-2)


def dots(*pairs: tuple[Array, Array]) -> tuple[Array, ...]:
    """Several dot products of one shape, see `dot`.

    In few dimensions one pass makes them all: on CPUs XLA hands each plain sum to a
    library with a thread pool of its own, whose overhead is larger than the sum.
    """
    products = tuple(a * b for a, b in pairs)
    axis = products[0].ndim - 2
    if products[0].shape[axis] > _FEW_DIMS:
        return tuple(p.sum(axis) for p in products)
    zeros = tuple(np.zeros((), p.dtype) for p in products)

    def add(x: tuple[Array, ...], y: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(a + b for a, b in zip(x, y, strict=True))

    return tuple(jax.lax.reduce(products, zeros, add, (axis,)))


class Emitted(NamedTuple):
    """What one step gives away.

    Attributes:
        done: Which chains finished a draw, bool (chains,).
        position: Their draws, (dim, chains); anything where not done.
        statistics: Numbers by name, (count, chains), in the order of the kernel's
            `statistics`.
        vectors: What adaptation learns from besides, (dim, chains) each, in the order
            of the kernel's `vectors`.
    """

    done: Array
    position: Array
    statistics: Array
    vectors: tuple[Array, ...]


class AbstractKernel(ABC):
    """A Markov kernel in small steps, at most one gradient each.

    Subclasses are frozen pytrees whose leaves are settings (step size, metric), so that
    adapting means a new value and the compiled program stays.
    """

    statistics: tuple[str, ...]
    vectors: tuple[str, ...] = ("gradient",)
    absolute: Mapping[str, int] = MappingProxyType({"lp": 1, "energy": -1})
    """Statistics that have the log density in them, and with which sign."""
    step_size: Any
    metric: Any

    @abstractmethod
    def init(self, positions: np.ndarray) -> Any:
        """A state whose first step evaluates the target at `positions`, (dim, chains).

        Made of NumPy arrays: making it compiles nothing.
        """

    @abstractmethod
    def single_step(self, step_size: Any) -> AbstractKernel:
        """The kernel with trajectories of one step, which is to have that size."""

    def on_the_way(self) -> AbstractKernel:
        """The kernel for chains that come from afar, where long trajectories waste."""
        return self

    def room(self, state: Any) -> Array:
        """How much room the most demanding chain needs, int32 ()."""
        return jnp.zeros((), jnp.int32)

    def has_room(self, need: int) -> bool:
        """Whether the kernel has just the room for that, and none to waste."""
        return True

    def with_room(self, state: Any, need: int) -> tuple[AbstractKernel, Any]:
        """The kernel and its state with room for that."""
        return self, state

    @abstractmethod
    def evaluation(self, state: Any) -> tuple[Array, Array]:
        """Log densities (chains,) and gradients (dim, chains) of a new state."""

    def lowered(self, state: Any, by: float) -> Any:
        """The state, between two draws, of a target lowered by a number.

        None if the kernel does not know how; then no target is lowered.
        """
        return None

    @abstractmethod
    def alive(self, randomness: Randomness, state: Any, num_draws: Array) -> Array:
        """Which chains move in the next step, bool (chains,)."""

    @abstractmethod
    def busy(self, randomness: Randomness, state: Any, num_draws: Array) -> Array:
        """Which chains have anything left to do, moving or emitting, bool (chains,)."""

    @abstractmethod
    def step(
        self, randomness: Randomness, target: Target, state: Any, num_draws: Array
    ) -> tuple[Any, Emitted]:
        """One step of every chain that has not finished its first `num_draws` draws.

        A chain whose starting point is yet to be evaluated moves in any case.

        What a chain draws depends on the randomness and its own state only, never on
        where the other chains are. The state has a field `draw`, int32 (chains,): draws
        finished so far.
        """
