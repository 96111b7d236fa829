"""Where the time of a whole job goes: marks that the job sets, read by the parent.

A job is a fresh process. It calls `mark` as each stage ends and `report` at its end;
the parent knows when it started the process, so that Python's own start counts too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from benchmarks.measure import Compilations

BEGAN = "PPL_BENCHMARK_BEGAN"

Stages = dict[str, float]


class Marks:
    """The stages of this process so far, with the time that compiling took in each."""

    def __init__(self):
        self.ends: list[tuple[str, float]] = [
            ("", float(os.environ.get(BEGAN, time.time())))
        ]
        self.compilations = Compilations()

    def mark(self, stage: str) -> None:
        """End a stage here."""
        self.ends.append((stage, time.time()))

    def listen(self) -> None:
        """Count compilations from here on; JAX is imported by now."""
        import jax

        jax.monitoring.register_event_duration_secs_listener(self.compilations.add)

    def mark_around(
        self, owner: Any, name: str, *, before: str = "", after: str = ""
    ) -> None:
        """Have a function of the library end a stage as it starts or returns."""
        original: Callable[..., Any] = getattr(owner, name)

        def marked(*args: Any, **kwargs: Any) -> Any:
            if before:
                self.mark(before)
            result = original(*args, **kwargs)
            if after:
                self.mark(after)
            return result

        setattr(owner, name, marked)

    def report(self) -> None:
        """Print the seconds of each stage without compiling, and of compiling."""
        stages: Stages = {}
        compiling = 0.0
        pairs = zip(self.ends[:-1], self.ends[1:], strict=True)
        for (_, begin), (stage, end) in pairs:
            inside = self.compilations.seconds(begin, end)
            compiling += inside
            stages[stage] = stages.get(stage, 0.0) + end - begin - inside
        stages["compile"] = compiling
        stages["whole job"] = self.ends[-1][1] - self.ends[0][1]
        stages["programs"] = self.compilations.programs
        print(json.dumps(stages))


def run_job(
    module: str, arguments: Sequence[str], settings: Mapping[str, str]
) -> Stages:
    """Run a job in a fresh process, with the given settings of the cache alone.

    Raises:
        RuntimeError: It failed; the message is its output.
    """
    theirs = (
        "JAX_COMPILATION_CACHE",
        "JAX_PERSISTENT_CACHE",
        "PPL_COMPILATION_CACHE",
        "PYTHONDONTWRITEBYTECODE",  # installed packages have theirs; so should ours
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
    environment |= {**settings, BEGAN: str(time.time())}
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    with suppress(IndexError, json.JSONDecodeError):
        if done.returncode == 0:
            return json.loads(lines[-1])
    raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
