"""A run: everything that continues it, and how it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ppl.infer.engine.kernel import AbstractKernel, LowerableTarget, Target
from ppl.infer.engine.randomness import Randomness, chain_keys
from ppl.infer.engine.sinks.memory import MemorySink

_BUFFER_BYTES = 8 * 2**20
_BANK_BYTES = 8 * 2**20
_CHUNK_SECONDS = 0.25
_FIRST_STEPS = 32
_LARGE_PRODUCT = 2**20  # multiplications from which on threads are worth while
_LARGE_SUM = 128  # terms, likewise


@dataclass(frozen=True)
class Surplus:
    """Draws of the chains that were ahead when a run was interrupted.

    Attributes:
        counts: How many each chain has, before thinning, (chains,).
        sink: The draws that thinning kept; a chain's rows beyond its own are void.
        thinning: The thinning they were kept with.
    """

    counts: np.ndarray
    sink: MemorySink
    thinning: int


@dataclass
class Run:
    """The whole state of a run: with the kernel and the target, all that continues it.

    Attributes:
        kernel: Present settings.
        target: The log density.
        state: The kernel's state of all chains.
        randomness: Where the chains' random numbers come from.
        draws: Draws that every chain has finished, warm-up included.
        rows: Capacity of a chunk, in steps.
        early_exit: Whether a chunk ends when no chain has anything left to do.
        chunk: Steps per chunk, at most `rows`, or None to go by time; changes no draw.
        mesh: Devices that the chains are spread over, or None for one.
        product: Multiplications of the target's largest matrix product, for one chain.
        observed: Values that the target has observed, of which it takes sums.
        lowerable: Whether the target can take a base from its log density.
        base: What it takes.
        moved: Chains that warm-up has taken from a place without mass to another's.
        pace: Seconds per step, as last seen.
        surplus: Draws that some chains have beyond `draws`, after an interrupt.
    """

    kernel: AbstractKernel
    target: Target
    state: Any
    randomness: Randomness
    rows: int
    early_exit: bool = True
    draws: int = 0
    chunk: int | None = None
    mesh: Mesh | None = None
    product: int = 0
    observed: int = 0
    lowerable: bool = False
    base: float = 0.0
    moved: int = 0
    pace: float | None = None
    surplus: Surplus | None = None

    @property
    def chains(self) -> int:
        """Number of chains."""
        return self.randomness.bank.shape[2]

    @property
    def limit(self) -> int:
        """Steps of the next chunk."""
        if self.chunk is not None:
            return min(self.rows, self.chunk)
        if self.pace is None:
            return min(self.rows, _FIRST_STEPS)
        return int(np.clip(_CHUNK_SECONDS / self.pace, 1, self.rows))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.randomness.bank.shape[1]

    def lower(self, base: float) -> None:
        """Have the target take `base` from its log density, if it can use that.

        All chains must have the same number of draws.
        """
        if not (self.lowerable and np.isfinite(base)):
            return
        target = self.target.lowered(base)  # type: ignore[attr-defined]
        new = float(np.asarray(target.base))
        state = self.kernel.lowered(self.state, new - self.base)
        if state is not None:
            self.state, self.target = state, placed(target, self.mesh)
            self.base = new

    @property
    def has_large_sums(self) -> bool:
        """Whether the target takes sums worth threads."""
        return self.observed > _LARGE_SUM

    @property
    def has_large_products(self) -> bool:
        """Whether the target or the metric takes a matrix product worth threads."""
        metric = max(np.size(leaf) for leaf in jax.tree.leaves(self.kernel.metric))
        return max(self.product, metric) * self.chains >= _LARGE_PRODUCT


def start(
    kernel: AbstractKernel,
    target: Target,
    positions: np.ndarray,
    seed: tuple[int, int],
    *,
    chunk: int | None = None,
    mesh: Mesh | None = None,
) -> Run:
    """A run at the given starting points, which are yet to be evaluated.

    Args:
        kernel: The kernel's first settings.
        target: The log density.
        positions: Starting points, (chains, dim).
        seed: Two 32-bit words.
        chunk: Steps per chunk; by default as many as the buffer holds.
        mesh: Devices to spread the chains over; their number divides that of chains.
    """
    chains, dim = positions.shape
    itemsize = positions.dtype.itemsize
    width = dim * (1 + len(kernel.vectors)) + len(kernel.statistics)
    rows = _BUFFER_BYTES // (itemsize * chains * width)
    early_exit = jax.default_backend() == "cpu"
    rows = int(np.clip(rows, 16, 1024 if early_exit else chunk or _FIRST_STEPS))
    bank = int(np.clip(_BANK_BYTES // (itemsize * chains * dim), 8, 512))
    words = np.array(seed, np.uint32)
    randomness = Randomness(
        seed=words,
        keys=chain_keys(words, np.arange(chains)),
        base=np.full(chains, -bank, np.int32),
        bank=np.zeros((bank, dim, chains), positions.dtype),
    )
    state = kernel.init(np.ascontiguousarray(positions.T))
    own, lowerable = target, False
    if isinstance(own, LowerableTarget):
        target = own.lowered(0.0)  # of the type that later ones have
        lowerable = target is not own
    return Run(
        kernel,
        placed(target, mesh),
        state,
        randomness,
        rows,
        early_exit,
        chunk=chunk,
        mesh=mesh,
        product=getattr(target, "largest_product", 0),
        observed=getattr(target, "observed", 0),
        lowerable=lowerable,
    )


def placed(target: Target, mesh: Mesh | None) -> Target:
    """The target on all devices, once, and not with every chunk."""
    return jax.device_put(target, mesh and NamedSharding(mesh, PartitionSpec()))
