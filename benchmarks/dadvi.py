"""Deterministic ADVI against stochastic gradients, to the same accuracy.

    python -m benchmarks.dadvi [--runs 3] [--model eight logistic radon]

Both look for the mean-field normal nearest to the posterior. How near a fit has come is
known without noise: `benchmarks.mean_field` computes the evidence lower bound and where
it is highest. A fit is good enough where it loses at most 0.05 nats, no mean is off by
more than 0.15 standard deviations, and no standard deviation by more than 15 %.

- *DADVI* is `ppl.infer.dadvi` as it is, with nothing to choose, once with its mean
  field as the covariance, once with that of linear response (its default). These are
  whole calls: model check, start, fit, draws, their importance.
- *Adam* is `SVI(…).run` with `AutoNormal` and `Trace_ELBO`, in both languages. A step
  size that stays the same never gets there, so it falls by a factor of 100; where it
  begins and how many steps there are is what was cheapest of a grid, of all pairs that
  are good enough for five seeds. Nobody knows that before, and finding it is not
  counted: it is the best case. These calls end with the parameters.

Each run is a process of its own, in turns; modules are imported and JAX has been used
before the clock starts, and there is no cache on disk. *First* is the first call,
*again* a call with another seed, and *less compiling* that without the time for which
JAX traced and compiled (NumPyro does so in each call, ppl only in the first). NumPy has
one thread for linear algebra, in all: on a busy machine more of them wait for another.
The accuracy told is that of the worst of all fits that were timed.

Read the ratios, of the fastest runs: the target is a third of Adam's time.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import compilations, machine, say, table
from benchmarks.models import PROBLEMS

MODELS = ("eight", "logistic", "radon")
SIDES = ("DADVI", "DADVI, linear response", "Adam, ppl", "Adam, NumPyro")
LOST, OFF = 0.05, 0.15
RATES = (0.3, 0.1, 0.03, 0.01)
STEPS = (250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
FALL = 0.01
SEEDS = range(100, 105)  # others than are timed
TARGET = "≤ 0.333"
POSITIVE = ("tau", "spread", "noise")
Fit = tuple[np.ndarray, np.ndarray]
Times = dict[str, float]


@dataclass(frozen=True)
class Schedule:
    """A step size that falls, and for how many steps.

    Attributes:
        rate: Where it begins.
        steps: How many there are.
    """

    rate: float
    steps: int

    def __call__(self, step: Any) -> Any:
        return self.rate * FALL ** (step / self.steps)


def stochastic(package: str, model: Any, schedule: Any) -> Any:
    """The fit by Adam in a language, before its first step."""
    names = ("infer", "optim", "infer.autoguide")
    infer, optim, guides = (importlib.import_module(f"{package}.{n}") for n in names)
    guide = guides.AutoNormal(model)
    return infer.SVI(model, guide, optim.Adam(schedule), infer.Trace_ELBO())


def calls(side: str, name: str, schedule: Schedule) -> Callable[[int], Any]:
    """What is timed: a whole fit with a seed."""
    import jax

    language = "numpyro" if side == "Adam, NumPyro" else "ppl"
    problem = PROBLEMS[name]
    model = problem.write(importlib.import_module(language))
    data = problem.data()

    def adam(seed: int) -> Any:
        svi, key = stochastic(language, model, schedule), jax.random.PRNGKey(seed)
        return svi.run(key, schedule.steps, *data, progress_bar=False).params

    def dadvi(seed: int) -> Any:
        from ppl.infer import dadvi

        kind = "linear_response" if "response" in side else "mean_field"
        return dadvi(model, *data, seed=seed, covariance=kind)

    return adam if side.startswith("Adam") else dadvi


def fitted(found: Any, names: list[str]) -> Fit:
    """Means and standard deviations of a fit, both (dim,), in the order of `names`."""
    if isinstance(found, dict):
        parts = (
            [np.ravel(found[f"{n}_auto_{kind}"]) for n in names]
            for kind in ("loc", "scale")
        )
        mean, scale = (np.concatenate(part).astype(float) for part in parts)
        return mean, scale
    draws = {n: np.asarray(found[n][0], float) for n in names}  # balanced: no noise
    free = [np.log(v) if n in POSITIVE else v for n, v in draws.items()]
    flat = np.concatenate([v.reshape(len(v), -1) for v in free], axis=1)
    return flat.mean(axis=0), flat.std(axis=0)


def job(side: str, name: str, schedule: Schedule, repeats: int = 3) -> Times:
    """The times of one side in this process, and how far off the worst fit was."""
    import warnings

    import jax

    from benchmarks.mean_field import optimum

    warnings.simplefilter("ignore")  # of a mean field that is not near the posterior
    run = calls(side, name, schedule)
    jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
    fits, times, less = [], [], []
    for seed in range(repeats + 1):
        with compilations() as compiled:
            began = time.perf_counter()
            fits.append(jax.block_until_ready(run(seed)))
            times.append(time.perf_counter() - began)
        less.append(times[-1] - compiled.seconds())
    best = optimum(name)
    found = [fitted(fit, best.names) for fit in fits]
    errors = np.array([(best.lost(*fit), *best.errors(*fit)) for fit in found])
    lost, of_mean, of_scale = errors.max(axis=0)
    return {
        "first": times[0],
        "again": min(times[1:]),
        "less": min(less[1:]),
        "lost": float(lost),
        "mean": float(of_mean),
        "scale": float(of_scale),
    }


def cheapest(name: str) -> Schedule:
    """The fewest steps of Adam that are good enough for all seeds.

    Raises:
        ValueError: None of the grid are.
    """
    import jax

    import ppl
    from benchmarks.mean_field import optimum

    best, problem = optimum(name), PROBLEMS[name]
    model, data = problem.write(ppl), problem.data()

    @jax.jit
    def run(key: Any, rate: Any, steps: Any) -> Any:
        svi = stochastic("ppl", model, Schedule(rate, steps))
        state = svi.init(key, *data)
        state = jax.lax.fori_loop(0, steps, lambda _, s: svi.update(s, *data)[0], state)
        return svi.get_params(state)

    for steps in STEPS:
        for rate in RATES:
            for seed in SEEDS:
                params = run(jax.random.PRNGKey(seed), rate, steps)
                fit = fitted(params, best.names)
                if best.lost(*fit) > LOST or max(best.errors(*fit)) > OFF:
                    break
            else:
                return Schedule(rate, steps)
    raise ValueError(f"no schedule of the grid is good enough for {name}")


def in_process(side: str, name: str, schedule: Schedule) -> Times:
    """The times of one side, from a process of its own."""
    line = [sys.executable, "-W", "ignore", "-m", "benchmarks.dadvi", "--job", side]
    line += ["--model", name, "--schedule", str(schedule.rate), str(schedule.steps)]
    settings = {"JAX_ENABLE_COMPILATION_CACHE": "false", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        line,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **settings},
    )
    return json.loads(done.stdout.splitlines()[-1])


def report(name: str, schedule: Schedule, times: dict[str, list[Times]]) -> str:
    """The table of a model: the fastest runs, the worst fits."""
    best = {
        side: {
            key: (max if key in ("lost", "mean", "scale") else min)(t[key] for t in own)
            for key in own[0]
        }
        for side, own in times.items()
    }
    title = PROBLEMS[name].title
    keys = ("first", "again", "less", "lost", "mean", "scale")
    rows: list[tuple[Any, ...]] = []
    for side, found in best.items():
        if "response" in side:  # its covariance is no mean field
            found["lost"] = found["scale"] = float("nan")
        rows.append((side, *(found[key] for key in keys)))
    peers = [side for side in best if side.startswith("Adam")]
    for side in (s for s in best if s not in peers):
        for peer in peers:
            ratios = (best[side][key] / best[peer][key] for key in keys[:3])
            rows.append((f"{side} ÷ {peer} ({TARGET})", *ratios, "", "", ""))
    step = f"Adam: {schedule.steps:,} steps from {schedule.rate}"
    head = (f"{title}; {step}", "first, s", "again, s", "less compiling, s")
    return table((*head, "nats lost", "worst mean, sd", "worst log sd"), rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--job", choices=SIDES, help="one side, here; JSON")
    parser.add_argument(
        "--schedule", nargs=2, type=float, help="Adam's rate and steps, not searched"
    )
    args = parser.parse_args(argv)
    given = args.schedule and Schedule(args.schedule[0], int(args.schedule[1]))
    if args.job:
        print(json.dumps(job(args.job, args.model[0], given)))
        return
    print(f"{machine(devices=False)}; {args.runs} runs")
    for name in args.model:
        schedule = given or cheapest(name)
        say(f"{name}: {schedule}")
        times: dict[str, list[Times]] = {side: [] for side in SIDES}
        for run in range(args.runs):
            for side, found in times.items():
                found.append(in_process(side, name, schedule))
                say(f"{name}, run {run + 1}, {side}: {found[-1]}")
        print("", report(name, schedule, times), sep="\n", flush=True)


if __name__ == "__main__":
    main()
