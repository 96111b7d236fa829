"""The host's side of a variational fit: chunks, batches, its end, what went wrong."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._counts import as_count
from ppl._errors import ArgumentError, ShapeError, warn
from ppl.arguments import Arguments
from ppl.diagnostics import NonFiniteWarning
from ppl.infer.culprits import culprits
from ppl.infer.engine.interrupt import Interrupts
from ppl.infer.svi_loop import Average, Chunk, Limits, minibatch, run_steps
from ppl.infer.svi_program import AbstractProgram, SVIState

_ROWS = 2**14  # steps of a chunk, at most
_FIRST = 64
_CHUNK_SECONDS = 0.25
_BATCH_BYTES = 2**26

Losses = np.ndarray


@dataclass(frozen=True)
class Plateau:
    """Ends a fit when the loss does not go down any more.

    Attributes:
        patience: Steps over which the mean loss is taken.
        tolerance: Ends when the mean over the last `patience` steps is not lower by
            more than this, in nats, than that over the `patience` steps before.
    """

    patience: int = 1000
    tolerance: float = 1e-2

    def __call__(self, losses: Losses) -> bool:
        """Whether to end, given all losses so far."""
        if len(losses) < 2 * self.patience:
            return False
        before, after = losses[-2 * self.patience :].reshape(2, -1).mean(1)
        return bool(before - after < self.tolerance)


@dataclass(frozen=True)
class Steps:
    """Which steps a run is to do; see `SVI.run`."""

    count: int
    batches: Iterable[Any] | None = None
    batch_size: int | None = None
    average: float = 0.0
    stop: Callable[[Losses], bool] | None = None
    callback: Callable[[int, Losses, SVIState], Any] | None = None
    visible: bool = True

    def check(self, args: tuple[Any, ...]) -> None:
        """Whether they can be done.

        Raises:
            ArgumentError: A number is out of range, or options exclude one another.
        """
        as_count("num_steps", self.count)
        if not 0 <= self.average <= 1:
            raise ArgumentError(
                f"average must be a share from 0 to 1, got {self.average}.",
                value=self.average,
            )
        if self.batch_size is not None:
            as_count("batch_size", self.batch_size)
        if self.batches is not None and (args or self.batch_size is not None):
            raise ArgumentError(
                "batches= gives all positional arguments of a step; there can be no "
                "others, and no batch_size=.",
                value=args,
                hint="Give what is the same for all steps by keyword.",
            )

    def with_example(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], Steps]:
        """The arguments of the first step, and these steps with that one put back."""
        if self.batches is None:
            return args, self
        stream = iter(self.batches)
        try:
            first = next(stream)
        except StopIteration:
            raise ArgumentError("batches= is empty.", value=self.batches) from None
        whole = itertools.chain([first], stream)
        return as_tuple(first), replace(self, batches=whole)

    def one_of(self, data: tuple[Any, ...]) -> tuple[Any, ...]:
        """Array arguments of one step, from those of the run."""
        if self.batch_size is None:
            return data
        counts = {np.shape(leaf)[:1] for leaf in data}
        if len(counts) != 1 or () in counts or self.batch_size > min(counts)[0]:
            raise ShapeError(
                f"batch_size={self.batch_size} needs arrays of as many rows each, at "
                f"least so many; theirs are {[np.shape(leaf)[:1] for leaf in data]}.",
                value=self.batch_size,
                hint="Give arrays that belong to no row by closing over them.",
            )
        return tuple(leaf[: self.batch_size] for leaf in data)


class Fitted(NamedTuple):
    """Where a run has ended.

    Attributes:
        free: Unconstrained parameters to report.
        state: The last state.
        losses: Of all steps.
    """

    free: Any
    state: SVIState
    losses: Losses


@dataclass
class _Run:
    """What the host knows between two chunks."""

    program: AbstractProgram
    transforms: Mapping[str, Any]
    steps: Steps
    state: SVIState
    average: Average | None
    before: int = 0
    losses: list[Losses] = field(default_factory=list)
    done: int = 0
    pace: float | None = None

    @property
    def params(self) -> Any:
        """Unconstrained parameters."""
        return self.program.optimizer.get_params(self.state.optim_state)

    def size(self) -> int:
        """Steps of the next chunk."""
        left = self.steps.count - self.done
        if self.pace is None:
            return min(left, _FIRST)
        most = min(left, _ROWS, 2**30 // (self.steps.batch_size or 1))
        return int(np.clip(_CHUNK_SECONDS / self.pace, 1, most))

    def limits(self, data: tuple[Any, ...], size: int) -> Limits:
        """Which steps are next."""
        late = math.ceil(self.steps.count * (1 - self.steps.average)) - self.done
        rows = (self.before + self.done) * (self.program.batch_size or 0)
        epoch, row = divmod(rows, len(data[0])) if rows else (0, 0)
        return Limits(*map(np.int32, (size, late, epoch, row)))

    def dispatch(self, given: _Given, size: int) -> Chunk:
        """Enqueue `size` steps from the present state."""
        return run_steps(
            self.program,
            self.state,
            self.average,
            self.transforms,
            given.data,
            self.limits(given.data, size),
            rows=_ROWS,
            stacked=given.stacked,
        )


def fitted(
    program: AbstractProgram,
    state: SVIState,
    transforms: Mapping[str, Any],
    data: tuple[Any, ...],
    steps: Steps,
) -> Fitted:
    """Do the steps."""
    average = None
    if steps.average:
        params = program.optimizer.get_params(state.optim_state)
        average = Average(jax.tree.map(jnp.zeros_like, params), jnp.int32(0))
    before = int(state.optim_state.step)  # a run that goes on does so in its epoch
    run = _Run(program, transforms, steps, state, average, before)
    supply = _Supply(run, data)
    with Interrupts() as interrupts, _Bar(steps) as bar:
        while given := supply.take():
            began = time.perf_counter()
            chunk = run.dispatch(given, given.size)
            supply.prepare(given.size)
            good = _received(run, chunk, given)
            run.pace = (time.perf_counter() - began) / given.size
            bar.show(run.losses[-1])
            if not good or interrupts.requested or _wants_end(run):
                break
    losses = np.concatenate(run.losses) if run.losses else np.zeros(0, np.float32)
    _tell_unfinite(losses)
    free = run.params
    if run.average is not None and int(run.average.steps):
        free = run.average.params
    return Fitted(free, run.state, losses)


def _wants_end(run: _Run) -> bool:
    """Whether a rule or the callback ends the run."""
    steps = run.steps
    if steps.stop is None and steps.callback is None:
        return False
    losses = np.concatenate(run.losses)
    ends = steps.callback is not None and steps.callback(run.done, losses, run.state)
    return ends is True or bool(steps.stop is not None and steps.stop(losses))


class _Bar:
    """A bar with the loss."""

    def __init__(self, steps: Steps):
        self.steps = steps

    def __enter__(self) -> _Bar:
        self._bar: Any = None
        if self.steps.visible:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self.steps.count, unit="step", mininterval=0.2)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, losses: Losses) -> None:
        """Count a chunk, and write its mean loss."""
        if self._bar is not None and len(losses):
            text = f"loss {float(np.mean(losses)):.6g}"
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(len(losses))


# --- data of the steps ----------------------------------------------------------------


class _Given(NamedTuple):
    """The data of a chunk.

    Attributes:
        data: Array arguments; with `stacked` those of step i are row i of each.
        size: Steps.
        stacked: See above.
    """

    data: tuple[Any, ...]
    size: int
    stacked: bool


class _Supply:
    """The data of one chunk after the other; those of batches are fetched ahead."""

    def __init__(self, run: _Run, data: tuple[Any, ...]):
        self.run, self.data = run, data
        self.stream: Iterator[Any] | None = None
        if run.steps.batches is not None:
            self.stream = iter(run.steps.batches)
            size = sum(np.asarray(leaf).nbytes for leaf in data)
            self.block = int(np.clip(_BATCH_BYTES // max(size, 1), 1, _FIRST))
            self.ahead: _Given | None = None
            self.prepare(0)

    def take(self) -> _Given | None:
        """The data of the next chunk; None when there is nothing left to do."""
        if self.stream is not None:
            return self.ahead
        size = self.run.size()
        return _Given(self.data, size, stacked=False) if size else None

    def prepare(self, running: int) -> None:
        """Fetch batches and send them on their way, while `running` steps are done."""
        if self.stream is None:
            return
        left = self.run.steps.count - self.run.done - running
        found = list(itertools.islice(self.stream, min(self.block, left)))
        self.ahead = None
        if found:
            rows = [self._leaves(batch) for batch in found]
            rows += rows[-1:] * (self.block - len(rows))  # for one shape of program
            stacked = [np.stack(leaves) for leaves in zip(*rows, strict=True)]
            sent = tuple(jax.device_put(leaf) for leaf in stacked)
            self.ahead = _Given(sent, len(found), stacked=True)

    def _leaves(self, batch: Any) -> list[np.ndarray]:
        kwargs = self.run.program.arguments.rebuild(self.data)[1]
        arguments, leaves = Arguments.of(as_tuple(batch), kwargs)
        shapes = [(np.shape(a), np.asarray(a).dtype) for a in leaves]
        first = [(np.shape(a), np.asarray(a).dtype) for a in self.data]
        if shapes == first and arguments != self.run.program.arguments:
            raise ArgumentError(
                "a batch has other parts that are no arrays than the first one.",
                value=batch,
                hint="Make what changes an array, numbers too.",
            )
        if shapes != first:
            raise ShapeError(
                f"a batch has shapes {[s for s, _ in shapes]}, the first one has "
                f"{[s for s, _ in first]}.",
                value=[s for s, _ in shapes],
                hint="All batches need the same shapes and dtypes; drop a smaller one "
                "at the end.",
            )
        return [np.asarray(leaf) for leaf in leaves]


def as_tuple(batch: Any) -> tuple[Any, ...]:
    """Positional arguments from a batch, which may be one array."""
    return tuple(batch) if isinstance(batch, tuple | list) else (batch,)


# --- what is not finite ---------------------------------------------------------------


def _received(run: _Run, chunk: Chunk, given: _Given) -> bool:
    """Take what a chunk made; where parameters are lost, what was before, and tell."""
    losses = np.asarray(chunk.losses)[: given.size]
    if bool(chunk.finite):
        run.state, run.average = chunk.state, chunk.average
        run.losses.append(losses)
        run.done += given.size
        return True
    bad = np.flatnonzero(~np.isfinite(losses))
    last = int(bad[0]) if len(bad) else given.size  # steps that were surely good
    chunk = run.dispatch(given, last)
    if not bool(chunk.finite):  # the gradient of the step before was not finite
        last -= 1
        chunk = run.dispatch(given, last)
    run.state, run.average = chunk.state, chunk.average
    run.losses.append(losses[:last])
    run.done += last
    data = given.data
    if given.stacked:
        data = jax.tree.map(lambda leaf: leaf[last], data)
    elif run.program.batch_size is not None:
        data = minibatch(data, run.program.batch_size, run.limits(data, 1), 0)
    found = culprits(run.program, run.state, run.transforms, data)
    warn(
        f"step {run.done + 1} of {run.steps.count} would lead to parameters that are "
        f"not finite, and the fit ends before it: {found}. Use a "
        "smaller step size, stable_update=True, or init_params= elsewhere.",
        NonFiniteWarning,
    )
    return False


def _tell_unfinite(losses: Losses) -> None:
    """Say how many of the losses were not finite."""
    count = int(np.sum(~np.isfinite(losses)))
    if count:
        first = int(np.flatnonzero(~np.isfinite(losses))[0]) + 1
        warn(
            f"the loss of {count} of {len(losses)} steps, first of step {first}, is "
            "not finite.",
            NonFiniteWarning,
        )
