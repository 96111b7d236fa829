"""A second fit in the same process: with a new seed, and with new data of the same shapes.

    python -m benchmarks.rerun [--model eight logistic] [--repeats 5]

4 chains of 1000 + 1000 draws, over and over in one process. The first fit compiles and
is not counted. Then fits alternate, ppl and NumPyro, new seed and new data. Counted are
the programs that JAX compiles (`jax.monitoring`; one read from disk counts as well), the
seconds that this takes with tracing and lowering, and the whole call.

For ppl, `over the sampling` is the wall time of `ppl.fit` less the time that the chains
themselves took (`posterior.attrs["sampling_time"]`): the model check, the starting
points, constraining and labelling the draws, and the warnings. NumPyro does not tell its
sampling apart; its row has the seconds of compiling instead, which come on top of it.

NumPyro's `MCMC` object is made once and its `run` is called again, with vectorized
chains and `jit_model_args=True`, which is its way to keep programs for new data. No
cache on disk is used.

Read: `programs` must be 0 for ppl, and the overhead at most 20 ms. The ratio of whole
calls is ppl over NumPyro, smaller is better.
"""

from __future__ import annotations

import argparse
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


def timed(fit: Fit, seed: int, data: Data) -> Again:
    """Run a fit, which returns the seconds of its sampling."""
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


def numpyro_fit(problem: Problem, *, chains: int, warmup: int, draws: int) -> Fit:
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS

    mcmc = MCMC(
        NUTS(problem.write(numpyro)),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        jit_model_args=True,
        progress_bar=False,
    )

    def fit(seed: int, data: Data) -> float:
        mcmc.run(jax.random.PRNGKey(seed), *data)
        jax.block_until_ready(mcmc.get_samples())
        return float("nan")

    return fit


def measure(
    fits: dict[str, Fit], problem: Problem, repeats: int
) -> dict[tuple[str, str], list[Again]]:
    """First fits, then `repeats` more of each kind, alternating."""
    data, found = problem.data(), {(side, kind): [] for side in fits for kind in KINDS}
    for side, fit in fits.items():
        first = timed(fit, 0, data)
        say(f"{problem.title}, {side}, first: {first.wall:.1f} s")
    for repeat in range(repeats):
        for kind in KINDS:
            for side, fit in fits.items():
                new = shuffled(data, repeat) if kind == "new data" else data
                again = timed(fit, 1 + repeat, new)
                found[side, kind].append(again)
                say(f"{problem.title}, {side}, {kind}: {again}")
    return found


def report(problem: Problem, found: dict[tuple[str, str], list[Again]]) -> str:
    rows = []
    for kind in KINDS:
        walls = {
            s: median(a.wall for a in v) for (s, k), v in found.items() if k == kind
        }
        for (side, its), fits in found.items():
            if its != kind:
                continue
            over = median(f.over for f in fits) * 1000
            rows.append(
                (
                    kind,
                    side,
                    max(f.programs for f in fits),
                    median(f.compiling for f in fits),
                    over,
                    median(f.wall for f in fits),
                    walls["ppl"] / walls["NumPyro"] if side == "ppl" else "",
                )
            )
    head = (
        *(problem.title, "language", "programs", "compiling, s"),
        *(f"over the sampling, ms (≤ {TARGET * 1000:.0f})", "whole call, s", "ratio"),
    )
    return table(head, rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    choices = ("eight", "logistic")
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=list(choices))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument(
        "--draws", type=int, default=1000, help="and as many of warm-up"
    )
    args = parser.parse_args(argv)
    os.environ["PPL_COMPILATION_CACHE"] = "off"
    print(f"{machine()}; {args.repeats} repeats")
    settings = {"chains": args.chains, "warmup": args.draws, "draws": args.draws}
    for name in args.model:
        problem = PROBLEMS[name]
        fits = {
            "ppl": ppl_fit(problem, **settings),
            "NumPyro": numpyro_fit(problem, **settings),
        }
        print("", report(problem, measure(fits, problem, args.repeats)), sep="\n")


if __name__ == "__main__":
    main()
