"""What the complete model check costs, and what a trace of many sites does.

    python -m benchmarks.check [--repeats 5] [--sites 300]

All of it is the work of one thread, and is given in seconds of the processor, which are
those of the clock where nobody else computes.

For each model of the benchmarks, in one process in which JAX has been used before: the
seconds of `ppl.check` of a model met first, with all caches cleared, which traces some
small programs, and of repeats with other data of the same shapes, which do not. Of each
the best of some repeats.

Then a model of so many normal sites, ppl and NumPyro, if that is here, in turns, and of
each the best: milliseconds of

- `trace(seed(model))`, which draws each site by JAX calls of its own;
- `trace(substitute(model, values))`, the language alone;
- the same with values that JAX traces, each the mean of the next: what `jit` and `grad`
  of a model wait for;
- a trace of the gradient of its log density, most of which is JAX's own time.

Read: a check takes at most 0.3 s, a trace with values 3 ms.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

from benchmarks.measure import machine, table
from benchmarks.models import PROBLEMS, Problem, shuffled


def best(
    run: Callable[[], Any], repeats: int, before: Callable[[], Any] = lambda: None
) -> float:
    """Processor seconds of the fastest of some runs, each after `before`, untimed."""
    times = []
    for _ in range(repeats):
        before()
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def check_times(problem: Problem, repeats: int) -> tuple[float, float, int]:
    """Seconds of a check of a new model and of a later one; pieces of advice."""
    import jax

    import ppl
    from ppl.checks import _model

    def forget() -> None:
        jax.clear_caches()
        _model._verified.clear()

    model, data = problem.write(ppl), problem.data()
    report = ppl.check(model, *data)
    first = best(lambda: ppl.check(model, *data), repeats, forget)
    others = [shuffled(data, seed) for seed in range(repeats)]
    again = best(lambda: ppl.check(model, *others.pop()), repeats)
    return first, again, len(report.advice)


def trace_times(language: str, sites: int, repeats: int) -> tuple[float, ...]:
    """Milliseconds of four kinds of traces: see above."""
    import jax

    lang = importlib.import_module(language)
    dist = importlib.import_module(f"{language}.distributions")
    handlers = importlib.import_module(f"{language}.handlers")
    names = [f"x{i}" for i in range(sites)]

    def model() -> None:
        for name in names:
            lang.sample(name, dist.Normal(0.0, 1.0))

    def walk() -> None:
        place = 0.0
        for name in names:
            place = lang.sample(name, dist.Normal(place, 1.0))

    def substituted() -> None:
        def run(values: Any) -> float:
            handlers.trace(handlers.substitute(walk, values)).get_trace()
            return 0.0

        jax.make_jaxpr(run)(values)

    def differentiated() -> None:
        density = importlib.import_module(f"{language}.infer.util").log_density

        def run(values: Any) -> Any:
            return density(walk, (), {}, values)[0]

        jax.make_jaxpr(jax.grad(run))(values)

    values = dict.fromkeys(names, 0.0)
    seeded = handlers.trace(handlers.seed(model, 0)).get_trace
    given = handlers.trace(handlers.substitute(model, values)).get_trace
    times = []
    for traced in (seeded, given, substituted, differentiated):
        traced()
        times.append(1e3 * best(traced, repeats))
    return tuple(times)


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
    found: dict[str, tuple[float, ...]] = {}
    for _ in range(args.repeats):
        for language in languages():
            times = trace_times(language, args.sites, args.repeats)
            found[language] = tuple(map(min, times, found.get(language, times)))
    print(f"\n{args.sites} sites, ms")
    heads = ("language", "seeded", "substituted", "in a JAX trace", "gradient traced")
    print(table(heads, [(language, *times) for language, times in found.items()]))


if __name__ == "__main__":
    main()
