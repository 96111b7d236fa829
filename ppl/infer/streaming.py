"""Runs that keep sums instead of draws, for chains and draws beyond all memory."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from ppl._errors import ArgumentError
from ppl.diagnostics.divergences import Divergences
from ppl.infer.engine import driver
from ppl.infer.engine.driver import Collector
from ppl.infer.engine.interrupt import Interrupts
from ppl.infer.engine.progress import Progress
from ppl.infer.engine.sinks import MemorySink, MomentsSink
from ppl.infer.sampling import Session
from ppl.moments import Moments
from ppl.posterior import Posterior
from ppl.target import constrain

THINNED_NUMBERS = 2**23


def check_collect(collect: str) -> None:
    """Refuse what nobody can collect."""
    known = ("draws", "moments")
    if collect not in known:
        raise ArgumentError(
            f"collect must be one of {known}, got {collect!r}.",
            value=collect,
            hint='"draws" keeps all draws, "moments" sums and few of the draws.',
        )


def sample_moments(
    session: Session, progress: Progress, interrupts: Interrupts
) -> Moments:
    """Draw, and keep sums; an interrupted run keeps what came."""
    run, s = session.run, session.settings
    progress.enter("sample")
    began = time.perf_counter()
    shapes = _shapes(session)
    sink, thinned, every = _sinks(session, shapes)
    collector = Collector(run, sink, progress, thinning=s.thinning)
    finished = driver.advance(
        run, s.num_samples, collector, stop=lambda: interrupts.requested
    )
    sink.flush()
    session.timings["sampling"] = time.perf_counter() - began
    kept = int(collector.counts.min()) // s.thinning
    if kept == 0:
        raise KeyboardInterrupt("interrupted before every chain had a draw")
    posterior = session.posterior(thinned, kept // every, interrupted=not finished)
    attrs = {**posterior.attrs, "thinning": s.thinning * every}
    return Moments(
        sums=sink.sums,
        statistics=sink.statistics,
        shapes=shapes,
        thinned=dataclasses.replace(posterior, attrs=attrs),
        divergences=_divergences(sink, shapes, posterior),
        attrs=posterior.attrs,
    )


def _shapes(session: Session) -> dict[str, tuple[int, ...]]:
    """Shapes of all sites that have draws, in the order of the model."""
    free = {entry.name for entry in session.density.layout.entries}
    return {
        name: tuple(info.shape)
        for name, info in session.traced.sites.items()
        if name in free or info.type == "deterministic"
    }


def _sinks(
    session: Session, shapes: dict[str, tuple[int, ...]]
) -> tuple[MomentsSink, MemorySink, int]:
    """Where draws go, where every so many-th goes, and the so many."""
    run, density = session.run, session.density
    draws = session.settings.num_samples // session.settings.thinning
    scalars = sum(int(np.prod(shape)) for shape in shapes.values())
    width = max(scalars, run.dim + len(run.kernel.statistics))
    every = max(1, -(-draws // max(1, THINNED_NUMBERS // (run.chains * width))))
    thinned = driver.memory_sink(run, draws // every)

    def transform(positions: np.ndarray) -> np.ndarray:
        values, _ = constrain(density, positions)
        rows = [np.asarray(values[name], np.float64) for name in shapes]
        return np.concatenate([r.reshape(len(r), -1) for r in rows], axis=1)

    sink = MomentsSink(
        (run.chains, draws),
        np.zeros(run.dim, run.randomness.bank.dtype),
        scalars,
        transform,
        session.statistics,
        thinned=thinned,
        every=every,
    )
    return sink, thinned, every


def _divergences(
    sink: MomentsSink, shapes: dict[str, tuple[int, ...]], posterior: Posterior
) -> Divergences:
    """The divergent draws that were kept, by site."""
    found, total = sink.divergent, sink.statistics["diverging"]
    lengths = sink.sums.counts.sum(axis=0)
    count = int(np.rint(np.sum(total.first + total.origin * lengths)))
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]
    values = {
        name: part.reshape(-1, *shape).astype(posterior.samples[name].dtype)
        for (name, shape), part in zip(
            shapes.items(), np.split(found.values, ends, axis=1), strict=True
        )
    }
    return Divergences(values, chain=found.chain, draw=found.draw, count=count)
