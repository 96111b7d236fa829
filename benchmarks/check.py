"""What the complete model check costs, and what a trace of many sites does.

    python -m benchmarks.check [--repeats 5] [--sites 300]

For each model of the benchmarks, in one process in which JAX has been used before: the
seconds of the first `ppl.check`, which compiles some small programs for this model, and
the best of some repeats with other data of the same shapes, which compile nothing.

Then a model of so many normal sites: milliseconds of `trace(seed(model))`, which draws
each site by a JAX call of its own, and of `trace(substitute(model, values))`, which is
the language alone; ppl beside NumPyro, if that is here.

Read: a repeated check takes at most 0.3 s. A draw outside of `jit` costs JAX some 100
microseconds, which is nearly all of the seeded trace, for both.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

from benchmarks.measure import machine, table
from benchmarks.models import PROBLEMS, Problem, shuffled


def best(run: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def check_times(problem: Problem, repeats: int) -> tuple[float, float, int]:
    """Seconds of the first check and of the best later one; pieces of advice."""
    import ppl

    model, data = problem.write(ppl), problem.data()
    began = time.perf_counter()
    report = ppl.check(model, *data)
    first = time.perf_counter() - began
    others = [shuffled(data, seed) for seed in range(repeats)]
    again = best(lambda: ppl.check(model, *others.pop()), repeats)
    return first, again, len(report.advice)


def trace_times(language: str, sites: int, repeats: int) -> tuple[float, float]:
    """Milliseconds of a seeded and of a substituted trace."""
    lang = importlib.import_module(language)
    dist = importlib.import_module(f"{language}.distributions")
    handlers = importlib.import_module(f"{language}.handlers")
    names = [f"x{i}" for i in range(sites)]

    def model() -> None:
        for name in names:
            lang.sample(name, dist.Normal(0.0, 1.0))

    seeded = handlers.trace(handlers.seed(model, 0))
    given = handlers.trace(handlers.substitute(model, dict.fromkeys(names, 0.0)))
    times = []
    for traced in (seeded, given):
        traced.get_trace()
        times.append(1e3 * best(traced.get_trace, repeats))
    return times[0], times[1]


def languages() -> list[str]:
    """NumPyro too, where it is installed."""
    found = importlib.util.find_spec("numpyro")
    return ["ppl", "numpyro"] if found else ["ppl"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sites", type=int, default=300)
    args = parser.parse_args(argv)
    import jax

    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
    print(f"{machine()}\n")
    rows = [
        (PROBLEMS[name].title, *check_times(PROBLEMS[name], args.repeats))
        for name in args.model
    ]
    print(table(("model", "first check, s", "again, s", "advice"), rows))
    rows = [
        (language, *trace_times(language, args.sites, args.repeats))
        for language in languages()
    ]
    print(f"\n{args.sites} sites")
    print(table(("language", "seeded trace, ms", "substituted, ms"), rows))


if __name__ == "__main__":
    main()
