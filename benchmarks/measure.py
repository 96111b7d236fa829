"""What all benchmarks share: counting compilations, the machine in words, tables."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

TRACE = "/jax/core/compile/jaxpr_trace_duration"
LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"


@dataclass
class Compilations:
    """What JAX has said of its compilations; a program read from disk counts as well.

    Attributes:
        count: Events by name.
        spans: When each began and ended, by `time.time()`.
    """

    count: Counter[str] = field(default_factory=Counter)
    spans: list[tuple[float, float]] = field(default_factory=list)

    def add(self, name: str, seconds: float, **_: Any) -> None:
        """Note one event."""
        if name in (TRACE, LOWER, COMPILE):
            now = time.time()
            self.count[name] += 1
            self.spans.append((now - seconds, now))

    @property
    def programs(self) -> int:
        """How many programs were compiled, or read from disk."""
        return self.count[COMPILE]

    def seconds(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """Time spent tracing, lowering and compiling from `begin` to `end`.

        Events lie within one another, so their durations do not add up: this is the
        length of their union.
        """
        total, reached = 0.0, begin
        for start, stop in sorted(self.spans):
            total += max(0.0, min(stop, end) - max(start, reached))
            reached = max(reached, min(stop, end))
        return total


@contextmanager
def compilations() -> Iterator[Compilations]:
    """Count the compilations of a block."""
    import jax

    found = Compilations()
    jax.monitoring.register_event_duration_secs_listener(found.add)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(found.add)


def median(values: Iterable[float]) -> float:
    """The median, nan of nothing."""
    values = list(values)
    return statistics.median(values) if values else float("nan")


def number(value: Any) -> str:
    """A number with three figures or so; words stay as they are."""
    if not isinstance(value, int | float):
        return str(value)
    if value != value:
        return "–"
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table, its columns padded so that it reads well in a terminal too."""
    cells = [list(head), *([number(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell whoever waits how far it is; results go to stdout, this does not."""
    print(text, file=sys.stderr, flush=True)


def machine(*, devices: bool = True) -> str:
    """The machine and the versions in one line; `devices` needs JAX to be imported."""
    names = ("jax", "jaxlib", "numpyro", "arviz", "numpy")
    parts = [
        f"{_processor()}, {_cores()} cores, load {os.getloadavg()[0]:.1f}",
        f"Python {platform.python_version()}",
        *(f"{name} {_version(name)}" for name in names),
    ]
    if devices:
        import jax

        parts.insert(1, f"{jax.device_count()} × {jax.devices()[0].device_kind}")
    return ", ".join(parts)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
