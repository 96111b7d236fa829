"""The file that joins models and engine: check, start, warm up, sample, label."""

from __future__ import annotations

import dataclasses
import inspect
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ppl._counts import as_count
from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl._version import __version__
from ppl.checks import checked
from ppl.infer._cache import enable_compilation_cache
from ppl.infer.adapted import Adapted
from ppl.infer.engine import driver
from ppl.infer.engine.driver import Collector
from ppl.infer.engine.interrupt import Interrupts
from ppl.infer.engine.progress import Progress
from ppl.infer.engine.run import Run
from ppl.infer.engine.sinks import MemorySink
from ppl.infer.samplers import AbstractSampler
from ppl.infer.seeding import Words
from ppl.infer.starting import started
from ppl.posterior import Posterior
from ppl.target import LogDensity, Traced, constrain

Values: TypeAlias = dict[str, np.ndarray]

_CONSTRAIN_BYTES = 64 * 2**20
_CALLED = {
    "num_warmup": "num_warmup (warmup)",
    "num_samples": "num_samples (draws)",
    "num_chains": "num_chains (chains)",
    "thinning": "thinning",
    "superchains": "superchains",
}


@dataclass(frozen=True)
class Settings:
    """What a run is asked for.

    Attributes:
        num_warmup: Warm-up draws of each chain.
        num_samples: Draws of each chain after it, before thinning.
        num_chains: Chains.
        thinning: Keep every so many-th draw.
        progress: Whether to show a bar.
        parallel: Whether to spread chains over all devices.
        chunk: Steps between two looks of the host; changes no draw.
        superchains: In how many groups chains begin at one point, or None.
        choice: Why it is this sampler.
    """

    num_warmup: int
    num_samples: int
    num_chains: int
    thinning: int = 1
    progress: bool = True
    parallel: bool = True
    chunk: int | None = None
    superchains: int | None = None
    choice: str = "given"

    def __post_init__(self):
        counts = {"num_warmup": 0, "num_samples": 1, "num_chains": 1, "thinning": 1}
        if self.superchains is not None:
            counts["superchains"] = 2
        for name, least in counts.items():
            value = as_count(_CALLED[name], getattr(self, name), least)
            object.__setattr__(self, name, value)
        if self.num_samples < self.thinning:
            raise ArgumentError(
                f"thinning {self.thinning} > num_samples {self.num_samples}: no draw "
                "would be kept.",
                value=self.thinning,
            )
        if self.superchains and self.num_chains % self.superchains:
            raise ArgumentError(
                f"superchains = {self.superchains} does not divide the number of "
                f"chains, {self.num_chains}.",
                value=self.superchains,
                hint="Superchains have the same number of chains, such as 16 of 32 "
                "among 512.",
            )


@dataclass
class Session:
    """A model with its data on the way to a posterior.

    Attributes:
        traced: The model's sites and target.
        sampler: Settings of the kernel.
        settings: What was asked for.
        seed: Of all random numbers.
        run: The engine's state.
        warmup: Draws of the warm-up, if they are kept.
        warm: Whether it began with what an earlier run has found.
        timings: Seconds by phase.
    """

    traced: Traced
    sampler: AbstractSampler
    settings: Settings
    seed: Words
    run: Run
    warmup: list[MemorySink] | None = None
    warm: bool = False
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def density(self) -> LogDensity:
        """The target."""
        return self.traced.density

    def warm_up(self, progress: Progress, interrupts: Interrupts) -> None:
        """Adapt the kernel."""
        began = time.perf_counter()
        finished = driver.warm_up(
            self.run,
            self.sampler.adaptation(self.density.layout, warm=self.warm),
            self.settings.num_warmup,
            progress,
            blocks=self.warmup,
            stop=lambda: interrupts.requested,
        )
        self.run.kernel = self.sampler.after_warmup(self.run.kernel)
        self.timings["warmup"] = time.perf_counter() - began
        if not finished:
            raise KeyboardInterrupt(
                "interrupted during warm-up: there are no draws yet"
            )

    def sample(self, progress: Progress, interrupts: Interrupts) -> Posterior:
        """Draw, and label the draws; an interrupted run keeps what all chains have."""
        run, s = self.run, self.settings
        progress.enter("sample")
        began = time.perf_counter()
        sink = driver.memory_sink(run, s.num_samples // s.thinning)
        collector = Collector(run, sink, progress, thinning=s.thinning)
        finished = driver.advance(
            run, s.num_samples, collector, stop=lambda: interrupts.requested
        )
        self.timings["sampling"] = time.perf_counter() - began
        kept = collector.close(sink)
        if kept == 0 and not finished:
            raise KeyboardInterrupt("interrupted before every chain had a draw")
        return self.posterior(sink, kept, interrupted=not finished)

    def warmup_posterior(self) -> Posterior:
        """The draws of the warm-up as if they were samples."""
        sink = MemorySink.joined(self.warmup or [])
        self.warmup, self.timings["sampling"] = None, 0.0
        return self.posterior(sink, sink.capacity, interrupted=False)

    def posterior(self, sink: MemorySink, kept: int, *, interrupted: bool) -> Posterior:
        """Constrain and label draws."""
        density = self.density
        warmup = MemorySink.joined(self.warmup) if self.warmup else None
        samples, observed = constrained(density, sink.position[:, :kept])
        first = self.timings.get("warmup", 0.0)
        return Posterior(
            **labelled(self.traced, samples, observed),
            sample_stats=self.statistics(sink.statistics[:, :kept]),
            warmup_samples=in_order(
                self.traced, constrained(density, warmup.position)[0]
            )
            if warmup
            else {},
            warmup_sample_stats=self.statistics(warmup.statistics) if warmup else {},
            adapted=Adapted.of(self.run, sink.position[:, kept - 1], density.layout)
            if kept
            else None,
            attrs={
                "inference_library": "ppl",
                "inference_library_version": __version__,
                "sampler": type(self.sampler).__name__,
                "sampler_choice": self.settings.choice,
                "seed": self.seed[0] + (self.seed[1] << 32),
                "tuning_steps": self.settings.num_warmup,
                "thinning": self.settings.thinning,
                "sampling_time": first + self.timings["sampling"],
                "interrupted": interrupted,
                "chains_moved": self.run.moved,
            }
            | ({"superchains": s} if (s := self.settings.superchains) else {}),
        )

    def statistics(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Statistics under ArviZ's names, (…) each, from numbers (…, count)."""
        kernel = self.run.kernel
        named = {n: values[..., i] for i, n in enumerate(kernel.statistics)}
        named["diverging"] = named["diverging"] > 0
        named["n_steps"] = named["n_steps"].astype(np.int64)
        step = np.mean(np.asarray(kernel.step_size, values.dtype))
        named["step_size"] = np.broadcast_to(step, named["lp"].shape)
        if (depth := self.sampler.max_tree_depth) is not None:
            named["tree_depth"] = named["tree_depth"].astype(np.int64)
            named["reached_max_treedepth"] = named["tree_depth"] >= depth
        return named


def open_session(
    sampler: AbstractSampler,
    settings: Settings,
    seed: Words,
    data: tuple[tuple[Any, ...], dict[str, Any]],
    *,
    init_params: Mapping[str, Any] | None = None,
    warm_start: Adapted | None = None,
    resume: Callable[[Traced], Run] | None = None,
) -> Session:
    """Check a model with its data, and start its chains.

    Args:
        sampler: The sampler.
        settings: What is asked for.
        seed: Of all random numbers.
        data: Positional and keyword arguments of the model.
        init_params: Unconstrained starting values by site.
        warm_start: What an earlier run has found, to begin with.
        resume: Gives the run to go on with instead of starting one.
    """
    enable_compilation_cache()
    traced = checked(sampler.model, *data)
    if sampler.forward_mode:
        traced = _differentiated_forward(traced)
    if resume is not None:
        run = resume(traced)
    else:
        run = started(
            sampler,
            traced.density,
            settings.num_chains,
            seed,
            init_params=init_params,
            warm_start=warm_start,
            superchains=settings.superchains,
            parallel=settings.parallel,
            chunk=settings.chunk,
        )
    warm = warm_start is not None
    return Session(traced, sampler, settings, seed, run, warm=warm)


def _differentiated_forward(traced: Traced) -> Traced:
    density = traced.density
    spec = dataclasses.replace(density.spec, forward_mode=True)
    return dataclasses.replace(traced, density=replace(density, spec=spec))


def in_order(traced: Traced, draws: Values) -> Values:
    """Draws by site in the order of the model."""
    return {name: draws[name] for name in traced.sites if name in draws}


def labelled(traced: Traced, draws: Values, observed: Values) -> dict[str, Any]:
    """What a `Posterior` is told of its draws.

    Args:
        traced: The model.
        draws: By site, (chains, draws, *shape).
        observed: Observed values by site.
    """
    infos, plates = traced.sites, traced.plates.values()
    return {
        "samples": in_order(traced, draws),
        "dims": {name: info.dims for name, info in infos.items()},
        "coords": {
            p.name: np.asarray(p.coords) for p in plates if p.coords is not None
        },
        "observed_data": observed,
        "constant_data": _constant_data(traced.density, observed),
        "deterministic": frozenset(
            name for name, info in infos.items() if info.type == "deterministic"
        ),
        "density": traced.density,
    }


def constrained(density: LogDensity, positions: np.ndarray) -> tuple[Values, Values]:
    """Draws by site at positions (chains, draws, dim), in blocks; observed values."""
    chains, draws, dim = positions.shape
    flat = np.ascontiguousarray(positions).reshape(-1, dim)
    block = max(1, min(len(flat), _CONSTRAIN_BYTES // (flat.itemsize * max(dim, 1))))
    parts, observed = [], {}
    for begin in range(0, max(1, len(flat)), block):
        part = flat[begin : begin + block]
        short = block - len(part)  # padded, so that one program serves all blocks
        how = "edge" if len(part) else "constant"
        whole = np.pad(part, ((0, short), (0, 0)), how) if short else part
        values, observed = constrain(density, whole)
        parts.append({k: np.asarray(v)[: len(part)] for k, v in values.items()})
    joined = {
        name: np.concatenate([p[name] for p in parts])
        if len(parts) > 1
        else parts[0][name]
        for name in parts[0]
    }
    shaped = {k: v.reshape((chains, draws, *v.shape[1:])) for k, v in joined.items()}
    return shaped, {name: np.asarray(value) for name, value in observed.items()}


def _constant_data(
    density: LogDensity, observed: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Array arguments of the model by parameter name, but for observed values."""
    arguments = density.spec.arguments
    try:
        signature = inspect.signature(density.spec.model)
        parameters = list(signature.parameters)
    except (TypeError, ValueError):
        parameters = []
    named = {}
    for name, value in zip(arguments.names, density.data, strict=True):
        place = name.removeprefix("argument ")
        if place.isdigit() and int(place) < len(parameters):
            name = parameters[int(place)]
        value = np.asarray(value)
        same = (
            v.shape == value.shape and np.allclose(v, value) for v in observed.values()
        )
        if not any(same):
            named[re.sub(r"[\[\]'\"]+", ".", name).strip(".")] = value
    return named
