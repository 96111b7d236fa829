"""A second fit in the same process: a new seed, and new data of the same shapes.

    python -m benchmarks.rerun [--model eight logistic] [--repeats 5]

4 chains of 1000 + 1000 draws, over and over in one process. The first fit compiles and
is not counted. Then fits alternate, ppl and NumPyro, new seed and new data. Counted are
the programs that JAX compiles (`jax.monitoring`; one read from disk would count too),
the seconds that this takes with tracing and lowering, and the whole call.

For ppl, `over the sampling` is the wall time of `ppl.fit` less the time that the chains
themselves took (`posterior.attrs["sampling_time"]`): the model check, the starting
points, constraining and labelling the draws, and the warnings. NumPyro does not tell
its sampling apart; the seconds of compiling are what comes on top of it at least.

NumPyro runs in the way that is fastest here, found in uncounted runs for each kind
separately: a new `MCMC` object or the same again, `jit_model_args` on or off. A way
that raises is left out. Chains are vectorized; `--sequential` tries the same with
chains in sequence, which compile once per chain and take two to three times as long.
("parallel" would need the processor to pose as several devices, for both.) No cache on
disk is used.

With `--alone` there is no NumPyro: beside it, the time over the sampling is longer.

Read: `programs` must be 0 for ppl, and the overhead at most 20 ms. The ratio of whole
calls is ppl over NumPyro, smaller is better.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.measure import compilations, machine, median, say, table
from benchmarks.models import PROBLEMS, Data, Problem, shuffled

TARGET = 0.020
KINDS = ("new seed", "new data")
Fit = Callable[[int, Data], float]
Settings = dict[str, int]


class Way(NamedTuple):
    """How NumPyro is asked to run again."""

    chain_method: str
    same_object: bool
    jit_model_args: bool

    def __str__(self) -> str:
        words = "same MCMC" if self.same_object else "new MCMC"
        return f"{self.chain_method}, {words}{', jit_model_args' * self.jit_model_args}"


WAYS = [
    Way(method, *way)
    for method in ("vectorized", "sequential")
    for way in ((False, False), (True, False), (True, True))
]


class Again(NamedTuple):
    """One fit that is not the first.

    Attributes:
        wall: Seconds of the whole call.
        programs: Programs compiled.
        compiling: Seconds of that, with tracing and lowering.
        over: Seconds over the sampling itself; nan if that is not known.
    """

    wall: float
    programs: int
    compiling: float
    over: float


Found = dict[str, dict[str, list[Again]]]


def timed(fit: Fit, seed: int, data: Data) -> Again:
    """Run a fit, which returns the seconds of its sampling.

    What was compiled before is millions of objects, which Python's collector would walk
    through at any time: it does so before.
    """
    gc.collect()
    gc.freeze()
    with compilations() as found:
        began = time.perf_counter()
        sampling = fit(seed, data)
        wall = time.perf_counter() - began
    return Again(wall, found.programs, found.seconds(), wall - sampling)


def ppl_fit(problem: Problem, **settings: Any) -> Fit:
    import ppl

    model = problem.write(ppl)

    def fit(seed: int, data: Data) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a few divergences
            posterior = ppl.fit(model, *data, seed=seed, progress=False, **settings)
        return float(posterior.attrs["sampling_time"])

    return fit


def numpyro_fit(
    problem: Problem, way: Way, *, chains: int, warmup: int, draws: int
) -> Fit:
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS

    def made() -> MCMC:
        return MCMC(
            NUTS(problem.write(numpyro)),
            num_warmup=warmup,
            num_samples=draws,
            num_chains=chains,
            chain_method=way.chain_method,
            jit_model_args=way.jit_model_args,
            progress_bar=False,
        )

    same = made()

    def fit(seed: int, data: Data) -> float:
        mcmc = same if way.same_object else made()
        mcmc.run(jax.random.PRNGKey(seed), *data)
        jax.block_until_ready(mcmc.get_samples())
        return float("nan")

    return fit


def changed(data: Data, kind: str, repeat: int) -> Data:
    return shuffled(data, repeat) if kind == "new data" else data


def fastest_ways(problem: Problem, settings: Settings) -> dict[str, tuple[Way, Fit]]:
    """NumPyro's settings whose second fit is fastest, for each kind."""
    data = problem.data()
    best: dict[str, tuple[float, Way, Fit]] = {}
    for way in WAYS:
        fit = numpyro_fit(problem, way, **settings)
        first = timed(fit, 0, data)
        say(f"{problem.title}, NumPyro {way}, first: {first.wall:.1f} s")
        for kind in KINDS:
            try:
                again = timed(fit, 1, changed(data, kind, 1000))
            except ValueError as error:  # 0.22: vectorized chains, same MCMC, new data
                say(f"{problem.title}, NumPyro {way}, {kind} fails: {error}")
                continue
            say(f"{problem.title}, NumPyro {way}, {kind}: {again.wall:.1f} s")
            if kind not in best or again.wall < best[kind][0]:
                best[kind] = again.wall, way, fit
    return {kind: (way, fit) for kind, (_, way, fit) in best.items()}


def measure(
    problem: Problem, settings: Settings, repeats: int, *, alone: bool = False
) -> tuple[Found, dict[str, Way]]:
    """First fits, then `repeats` more of each kind, alternating unless `alone`."""
    data = problem.data()
    ours = ppl_fit(problem, **settings)
    first = timed(ours, 0, data)
    say(f"{problem.title}, ppl, first: {first.wall:.1f} s")
    peers = {} if alone else fastest_ways(problem, settings)
    sides = ("ppl",) if alone else ("ppl", "NumPyro")
    found: Found = {kind: {side: [] for side in sides} for kind in KINDS}
    for repeat in range(repeats):
        for kind in KINDS:
            new = changed(data, kind, repeat)
            for side in sides:
                fit = ours if side == "ppl" else peers[kind][1]
                again = timed(fit, 2 + repeat, new)
                found[kind][side].append(again)
                say(f"{problem.title}, {side}, {kind}: {again.wall:.2f} s")
    return found, {kind: way for kind, (way, _) in peers.items()}


def report(problem: Problem, found: Found, ways: dict[str, Way]) -> str:
    rows = []
    for kind, sides in found.items():
        walls = {side: median(f.wall for f in fits) for side, fits in sides.items()}
        for side, fits in sides.items():
            rows.append(
                (
                    kind,
                    side if side == "ppl" else f"{side} ({ways[kind]})",
                    max(f.programs for f in fits),
                    median(f.compiling for f in fits),
                    median(f.over for f in fits) * 1000,
                    walls[side],
                    walls["ppl"] / walls["NumPyro"]
                    if side == "ppl" and "NumPyro" in walls
                    else "",
                )
            )
    over = f"over the sampling, ms (≤ {TARGET * 1000:.0f})"
    head = (problem.title, "language", "programs", "compiling, s", over)
    return table((*head, "whole call, s", "ratio"), rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = ["eight", "logistic"]
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=default)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument(
        "--draws", type=int, default=1000, help="of the warm-up as well"
    )
    parser.add_argument(
        "--alone", action="store_true", help="without NumPyro in the process"
    )
    args = parser.parse_args(argv)
    os.environ["PPL_COMPILATION_CACHE"] = "off"
    settings = {"chains": args.chains, "warmup": args.draws, "draws": args.draws}
    size = f"{args.chains} × ({args.draws} + {args.draws}) draws"
    print(f"{machine()}; {args.repeats} repeats of {size}")
    for name in args.model:
        problem = PROBLEMS[name]
        found, ways = measure(problem, settings, args.repeats, alone=args.alone)
        print("", report(problem, found, ways), sep="\n")


if __name__ == "__main__":
    main()
