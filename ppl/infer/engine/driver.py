"""The host loop: the same compiled chunk over and over, and people in between.

Between two chunks everything happens that a person wants: draws go to the sink, the bar
moves, Ctrl-C is heard, the kernel is adapted. What a chain draws does not depend on
where the chunks are cut, so none of this changes a draw.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import numpy as np

from ppl._errors import ArgumentError, EngineError
from ppl.infer.engine.adapt.base import AbstractAdaptation, Drawn, step_size
from ppl.infer.engine.chunk import Buffer, chunk_program
from ppl.infer.engine.progress import Progress
from ppl.infer.engine.run import Run, Surplus
from ppl.infer.engine.sinks.base import AbstractSink, Finished
from ppl.infer.engine.sinks.memory import MemorySink

_IDLE_CHUNKS = 3  # a chunk may do nothing while room or numbers are on their way


def dispatch(run: Run, num_draws: int) -> Buffer:
    """Enqueue one chunk, which ends early when all chains have `num_draws` draws."""
    program = chunk_program(run.has_large_sums, run.has_large_products)
    run.state, run.randomness, buffer = program(
        run.kernel,
        run.target,
        run.state,
        run.randomness,
        np.int32(num_draws),
        np.int32(run.limit),
        rows=run.rows,
        early_exit=run.early_exit,
        mesh=run.mesh,
    )
    return buffer


class Collector:
    """Puts the emitted draws of chunks into a sink, in each chain's own order."""

    def __init__(
        self,
        run: Run,
        sink: AbstractSink,
        progress: Progress,
        *,
        thinning: int = 1,
        counted: bool = True,
    ):
        """Begin a phase; draws that are not `counted` are single steps, for trial."""
        self.run = run
        self.names = run.kernel.statistics
        self.counts = np.zeros(run.chains, np.int64)
        self.sink = sink
        self.progress = progress
        self.thinning = thinning
        self.counted = counted
        if run.surplus is not None:
            self._take_surplus(run.surplus)

    def _take_surplus(self, surplus: Surplus) -> None:
        if surplus.thinning != self.thinning:
            raise ArgumentError(
                f"the run was interrupted with thinning {surplus.thinning}; it "
                f"cannot go on with thinning {self.thinning}.",
                value=self.thinning,
            )
        kept = surplus.counts // self.thinning
        if kept.max() > self.sink.capacity:
            raise ArgumentError(
                f"the run was interrupted with chains up to {kept.max()} draws ahead; "
                f"going on takes at least as many draws, not {self.sink.capacity}.",
                value=self.sink.capacity,
            )
        chains = np.repeat(np.arange(len(kept)), kept)
        draws = np.concatenate([np.arange(n) for n in kept])
        self.counts = surplus.counts.copy()
        at = chains, draws
        positions, statistics = surplus.sink.position[at], surplus.sink.statistics[at]
        self.sink.write(Finished(*at, positions, statistics))
        self.run.surplus = None

    def close(self, sink: MemorySink) -> int:
        """Leave the run after the last draw that every chain has.

        Args:
            sink: The sink, whose draws beyond that become the run's surplus.

        Returns:
            How many draws every chain has, after thinning.
        """
        kept = int(self.counts.min()) // self.thinning
        self.run.draws += kept * self.thinning
        ahead = self.counts - kept * self.thinning
        if ahead.any():
            self.run.surplus = Surplus(ahead, sink.after(kept), self.thinning)
        return kept

    def take(self, buffer: Buffer) -> int:
        """Wait for a chunk and write what it emitted; returns the steps it took."""
        steps = int(np.asarray(buffer.steps).max())
        done = np.asarray(buffer.done)[:steps]
        rows, chains = np.nonzero(done)
        if rows.size == 0:
            return steps
        order = np.cumsum(done, axis=0)[rows, chains] - 1
        draws = self.counts[chains] + order
        self.counts += done.sum(axis=0)
        statistics = np.asarray(buffer.statistics)[rows, :, chains]
        if self.run.base:
            for name, sign in self.run.kernel.absolute.items():
                statistics[:, self.names.index(name)] += sign * self.run.base
        named = dict(zip(self.names, statistics.T, strict=True))
        if self.counted:
            self.progress.add(
                rows.size, int(named["diverging"].sum()), int(named["n_steps"].sum())
            )
        if self.thinning > 1:
            kept = (draws + 1) % self.thinning == 0
            rows, chains, statistics = rows[kept], chains[kept], statistics[kept]
            draws = (draws[kept] + 1) // self.thinning - 1
        wanted = buffer.vectors if self.sink.wants_vectors else ()
        position, *vectors = (
            np.asarray(whole)[rows, :, chains] for whole in (buffer.position, *wanted)
        )
        self.sink.write(Finished(chains, draws, position, statistics, tuple(vectors)))
        return steps


def advance(
    run: Run,
    num_draws: int,
    collector: Collector,
    *,
    ahead: bool = True,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Have every chain finish `num_draws` more draws.

    Args:
        run: The run, which is changed.
        num_draws: Draws per chain.
        collector: Where the draws go.
        ahead: Keep the device busy with the next chunk while the host reads the last.
        stop: Asked after each chunk; True ends the phase there.

    Returns:
        Whether all chains finished; if not, `stop` said so.
    """
    goal = run.draws + num_draws
    pending, idle = dispatch(run, goal), 0
    began = time.perf_counter()
    while True:
        following = dispatch(run, goal) if ahead else None
        steps = collector.take(pending)
        now = time.perf_counter()
        run.pace, began = (now - began) / max(steps, 1), now
        if collector.counted and not run.kernel.has_room(
            int(np.asarray(pending.room).max())
        ):
            need = int(np.asarray((following or pending).room).max())
            run.kernel, run.state = run.kernel.with_room(run.state, need)
        if (collector.counts >= num_draws).all() or stop():
            if following is not None:
                collector.take(following)
            return bool((collector.counts >= num_draws).all())
        idle = 0 if steps else idle + 1
        if idle > _IDLE_CHUNKS:
            raise EngineError(
                "no chain can move, though draws are missing.",
                hint="Close the collector of a phase before the next one begins.",
            )
        pending = following or dispatch(run, goal)


def evaluate(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate the starting points of a new run.

    Returns:
        Log densities (chains,) and gradients (chains, dim).
    """
    dispatch(run, run.draws)
    logp, gradient = map(np.asarray, run.kernel.evaluation(run.state))
    run.lower(float(np.mean(logp)))
    return logp, gradient.T


def warm_up(
    run: Run,
    adaptation: AbstractAdaptation,
    num_warmup: int,
    progress: Progress,
    *,
    blocks: list[MemorySink] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Adapt the run's kernel over `num_warmup` draws of every chain.

    Args:
        run: The run, which is changed.
        adaptation: How to adapt.
        num_warmup: Draws that count.
        progress: The bar.
        blocks: Gets the draws that count, round by round, if anyone wants them.
        stop: Asked after each chunk; True ends the warm-up there.

    Returns:
        Whether it came to its end.
    """
    gradient = np.asarray(run.kernel.evaluation(run.state)[1]).T
    a, run.kernel = adaptation.init(run.kernel, num_warmup, gradient)
    while (ask := adaptation.request(a, run.kernel)) is not None:
        kernel, run.kernel = run.kernel, ask.kernel
        if ask.sources is not None:
            move_chains(run, ask.sources)
        progress.step_size = step_size(run.kernel)
        part = memory_sink(run, ask.draws, vectors=True)
        collector = Collector(run, part, progress, counted=ask.counted)
        finished = advance(run, ask.draws, collector, ahead=False, stop=stop)
        collector.close(part)
        if not finished or stop():
            return False
        if ask.counted:
            kernel = run.kernel  # it may have been given room
            if blocks is not None:
                blocks.append(part)
        named = {n: part.statistics[..., i] for i, n in enumerate(kernel.statistics)}
        vectors = dict(zip(kernel.vectors, part.vectors, strict=True))
        run.lower(float(np.mean(named["lp"][:, -1], dtype=np.float64)))
        a, run.kernel = adaptation.update(
            a, kernel, Drawn(part.position, named, vectors)
        )
    progress.step_size = step_size(run.kernel)
    return True


def move_chains(run: Run, sources: np.ndarray) -> None:
    """Put each chain in the place of another, `sources` (chains,), or its own.

    All chains must have the same number of draws.
    """
    run.state = jax.tree.map(lambda leaf: np.asarray(leaf)[..., sources], run.state)
    run.moved += int(np.sum(sources != np.arange(len(sources))))


def memory_sink(run: Run, draws: int, *, vectors: bool = False) -> MemorySink:
    """A sink for that many draws of each chain, with the kernel's `vectors` or not."""
    count, kinds = len(run.kernel.statistics), len(run.kernel.vectors) * vectors
    dtype = np.dtype(run.randomness.bank.dtype)
    return MemorySink(run.chains, draws, run.dim, count, dtype, kinds)
