"""Effective draws per gradient over many seeds, and what divergences do to step sizes.

    python -m benchmarks.seeds --model horseshoe eight_centred [--seeds 12]
        [--tolls 0 4] [--chains 4] [--draws 1000]

Of posteriors with narrow places a single fit says little: a chain that is caught in one
spoils it, and which fit that happens to is chance. So each model is fitted with several
seeds, once as it is and once with another toll: how much more acceptance a share of
divergences asks for (`OwnRates.TOLL`; with 0 divergences change nothing). Effective
sizes are the least over the scalars of all latent sites and over their squares.
Nothing here needs a quiet machine.
"""

from __future__ import annotations

import argparse
import warnings
from typing import NamedTuple

import numpy as np

import ppl
from benchmarks.measure import machine, say, table
from benchmarks.models import PROBLEMS, Problem
from benchmarks.sides import Sampled
from benchmarks.throughput import efficiency
from ppl.infer import NUTS
from ppl.infer.engine.adapt._step_size import OwnRates


class Fit(NamedTuple):
    """Of one seed.

    Attributes:
        bulk, tail: Least effective sample sizes.
        rhat: Largest R-hat.
        gradients: Of all chains together.
        divergences: Draws that diverged.
        acceptance: Mean acceptance probability.
    """

    bulk: float
    tail: float
    rhat: float
    gradients: float
    divergences: float
    acceptance: float


def fitted(problem: Problem, seed: int, chains: int, draws: int) -> Fit:
    """What one fit is worth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of R-hat and divergences: they are shown
        posterior = ppl.fit(
            NUTS(problem.write(ppl)),
            *problem.data(),
            seed=seed,
            chains=chains,
            warmup=draws,
            draws=draws,
            progress=False,
        )
    told = posterior.sample_stats
    names = (n for n in posterior if n not in posterior.deterministic)
    values = {name: posterior[name] for name in names}
    sampled = Sampled(0.0, values, told["n_steps"], 0, 0, 0.0)
    return Fit(
        *efficiency(sampled, chains),
        float(told["n_steps"].sum()),
        float(told["diverging"].sum()),
        float(told["acceptance_rate"].mean()),
    )


def measure(name: str, tolls: list[float], args: argparse.Namespace) -> str:
    """The table of one model."""
    rows, usual = [], OwnRates.TOLL
    for toll in tolls:
        OwnRates.TOLL = toll
        problem = PROBLEMS[name]
        fits = [
            fitted(problem, seed, args.chains, args.draws) for seed in range(args.seeds)
        ]
        OwnRates.TOLL = usual
        middle = Fit(*np.median(fits, axis=0))
        least = Fit(*np.min(fits, axis=0))
        per = 1000 / middle.gradients
        rows.append(
            (
                f"toll {toll:g}",
                *(middle.bulk, least.bulk, middle.tail, least.tail),
                *(middle.bulk * per, middle.tail * per),
                *(f"{middle.rhat:.4f}", middle.divergences, middle.acceptance),
            )
        )
        say(f"{problem.title}: {rows[-1]}")
    head = ("bulk ESS", "least", "tail ESS", "least", "bulk / 1000 gradients", "tail")
    title = f"{PROBLEMS[name].title}, {args.chains} chains, {args.seeds} seeds"
    return table((title, *head, "R-hat", "divergences", "acceptance"), rows)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=["horseshoe"])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--tolls", nargs="+", type=float, default=[0, OwnRates.TOLL])
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--draws", type=int, default=1000, help="warm-up as long")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    print(f"{machine()}; {args.draws} + {args.draws} draws; medians over the seeds")
    for name in args.model:
        print("", measure(name, args.tolls, args), sep="\n", flush=True)


if __name__ == "__main__":
    main()
