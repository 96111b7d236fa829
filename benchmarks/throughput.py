"""Effective draws per second of the sampling phase, and where the time goes.

    python -m benchmarks.throughput --chains 4 128 512 --model eight logistic
        [--draws 1000] [--repeats 3] [--centred] [--blackjax] [--ess-chains 512]

All sides have the same density (checked first), float32, the same chains, warm-up and
draws, and run on the same device, a CPU or a GPU, with matrix products in the highest
precision. Each warms up in its own way and compiles; then they draw in turns, several
times, and only that is timed: see `benchmarks.sides` for what exactly. Effective sample
sizes are ArviZ's for all, bulk and tail, the least over the constrained values of all
latent sites and over their squares. They cost much more than the sampling, so at most
`--ess-chains` chains are looked at and the figure is scaled up.

How to read the rows (medians over the repeats):

- *bulk*, *tail ESS per second*: what counts. The ratio is ppl over NumPyro; with
  `--blackjax` there is one for each of the peers.
- *bulk*, *tail ESS per gradient*: over all leapfrogs of all chains; no clock in it.
- *leapfrogs per draw*: gradients of the average chain; about equal, or else the sides
  have adapted differently, which *acceptance* and *step size* show: all aim at 0.8.
- *sequential ÷ mean leapfrogs*: what the device does after one another over what the
  average chain needs, so 1 is perfect. NumPyro's vectorized chains wait in every draw
  for the one with the longest tree; ppl's wait only at the end. On a GPU, steps of a
  chunk that nobody needs count as well.
- *µs per sequential leapfrog*: a gradient of all chains, with all bookkeeping.
- *wall ÷ gradients*: seconds over those that the gradients of the average chain would
  take in a bare batched loop (`jax.vmap(value_and_grad)`); what is above 1 is waiting
  and bookkeeping.
- *R-hat*, *divergences*: a side that is above 1.01 has not converged, and its figures
  mean nothing; they are shown with a mark all the same.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from benchmarks.agreement import assert_same_density
from benchmarks.measure import compilations, machine, median, say, table
from benchmarks.models import PROBLEMS
from benchmarks.sides import (
    PPL,
    BareGradient,
    BlackJAX,
    NumPyro,
    Sampled,
    Side,
    Size,
    Values,
)

RHAT = 1.01
ESS_TARGETS = {("eight", 512): 4.0, ("logistic", 512): 2.0}
WALL_TARGETS = {("logistic", 512): 1.5}
IMBALANCE_TARGETS = {128: 1.15}


@dataclass
class Figures:
    """Of one side, a number for each repeat.

    Attributes:
        side: Whose they are.
        bulk, tail: Least effective sample sizes.
        rhat: Largest R-hat.
        bare: Seconds of one bare gradient of all chains, measured beside each run.
        runs: The runs, without their draws.
    """

    side: Side
    bulk: list[float] = field(default_factory=list)
    tail: list[float] = field(default_factory=list)
    rhat: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    runs: list[Sampled] = field(default_factory=list)

    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    def per_second(self, sizes: list[float]) -> float:
        pairs = zip(sizes, self.runs, strict=True)
        return median(size / run.seconds for size, run in pairs)

    def per_gradient(self, sizes: list[float]) -> float:
        pairs = zip(sizes, self.runs, strict=True)
        return median(size / run.leapfrogs.sum() for size, run in pairs)

    def wall_over_gradients(self) -> float:
        pairs = zip(self.runs, self.bare, strict=True)
        return median(run.seconds / (run.per_chain * bare) for run, bare in pairs)


def scalars(values: Values, chains: int) -> Iterator[np.ndarray]:
    """Draws (chains, draws) of each scalar, of at most so many chains."""
    for value in values.values():
        flat = np.asarray(value[:chains], np.float64).reshape(
            *value[:chains].shape[:2], -1
        )
        yield from np.moveaxis(flat, -1, 0)


def efficiency(sampled: Sampled, most_chains: int) -> tuple[float, float, float]:
    """Least bulk and tail ESS of all chains, and largest R-hat, by ArviZ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz as az

        bulk, tail, rhat = [], [], []
        for draws in scalars(sampled.values, most_chains):
            rhat.append(float(az.rhat(draws)))
            for values in (draws, draws**2):
                bulk.append(float(az.ess(values, method="bulk")))
                tail.append(float(az.ess(values, method="tail")))
    chains = len(sampled.leapfrogs)
    scale = chains / min(chains, most_chains)
    return min(bulk) * scale, min(tail) * scale, max(rhat)


def measure(
    name: str, size: Size, sides: list[type[Side]], repeats: int, most_chains: int
) -> list[Figures]:
    """Warm up and compile all sides, then run them in turns."""
    problem = PROBLEMS[name]
    found = []
    for make in sides:
        found.append(Figures(make(problem, size)))
        say(f"{problem.title}, {size.chains} chains: {found[-1].side.name} is warm")
    bare = BareGradient(problem, size.chains)
    for repeat in range(repeats):
        for figures in found:
            with compilations() as compiled:
                sampled = figures.side.sample(10 + repeat)
            figures.bare.append(bare.seconds())
            bulk, tail, rhat = efficiency(sampled, most_chains)
            figures.bulk.append(bulk)
            figures.tail.append(tail)
            figures.rhat.append(rhat)
            figures.runs.append(replace(sampled, values={}))
            note = f", {compiled.programs} compiled" if compiled.programs else ""
            say(
                f"{problem.title}, {size.chains} chains: {figures.side.name} "
                f"{sampled.seconds:.3f} s, bulk ESS {bulk:,.0f}{note}"
            )
    return found


def report(name: str, size: Size, found: list[Figures]) -> str:
    """The table of one model and number of chains."""
    ess = ESS_TARGETS.get((name, size.chains))
    wall = WALL_TARGETS.get((name, size.chains))
    imbalance = IMBALANCE_TARGETS.get(size.chains)

    def row(title, value, *, ratio=False, target=""):
        values = [value(figures) for figures in found]
        quotients = [values[0] / peer if ratio else "" for peer in values[1:]]
        return (title, *values, *quotients, target)

    def rhat(figures: Figures) -> str:
        worst = max(figures.rhat)
        return f"{worst:.4f}" + " (not converged)" * (worst > RHAT)

    rows = [
        row(
            "bulk ESS per second",
            lambda f: f.per_second(f.bulk),
            ratio=True,
            target=f"ratio ≥ {ess:.0f}" if ess else "",
        ),
        row("tail ESS per second", lambda f: f.per_second(f.tail), ratio=True),
        row("bulk ESS per gradient", lambda f: f.per_gradient(f.bulk), ratio=True),
        row("tail ESS per gradient", lambda f: f.per_gradient(f.tail), ratio=True),
        row("sampling, seconds", lambda f: f.seconds(), ratio=True),
        row("bulk ESS", lambda f: median(f.bulk), ratio=True),
        row("tail ESS", lambda f: median(f.tail), ratio=True),
        row(
            "leapfrogs per draw",
            lambda f: median(r.per_chain / size.draws for r in f.runs),
            ratio=True,
        ),
        row(
            "sequential ÷ mean leapfrogs",
            lambda f: median(r.imbalance for r in f.runs),
            target=f"ppl ≤ {imbalance}" if imbalance else "",
        ),
        row(
            "µs per sequential leapfrog",
            lambda f: median(r.seconds / r.sequential for r in f.runs) * 1e6,
            ratio=True,
        ),
        row("µs of a bare gradient", lambda f: median(f.bare) * 1e6),
        row(
            "wall ÷ gradients",
            lambda f: f.wall_over_gradients(),
            target=f"ppl ≤ {wall}" if wall else "",
        ),
        row("acceptance", lambda f: median(r.acceptance for r in f.runs)),
        row("step size", lambda f: f.side.step_size),
        row("warm-up leapfrogs per chain", lambda f: f.side.warmup_leapfrogs),
        row("largest R-hat", rhat),
        row("divergences", lambda f: sum(r.divergences for r in f.runs)),
    ]
    title = f"{PROBLEMS[name].title}, {size.chains} chains"
    names = [f.side.name for f in found]
    ratios = [f"÷ {name.split()[0]}" for name in names[1:]]
    return table((title, *names, *ratios, "target"), rows)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = ["eight", "logistic"]
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=default)
    parser.add_argument("--chains", nargs="+", type=int, default=[4, 128, 512])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--centred", action="store_true", help="eight schools in their centred form too"
    )
    parser.add_argument("--blackjax", action="store_true", help="measure BlackJAX too")
    parser.add_argument(
        "--ess-chains", type=int, default=512, help="chains that ESS looks at, at most"
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    names = [*args.model, *["eight_centred"] * args.centred]
    jax.config.update("jax_default_matmul_precision", "highest")
    print(f"{machine()}; {args.repeats} repeats of {args.warmup} + {args.draws} draws")
    sides: list[type[Side]] = [PPL, NumPyro, *[BlackJAX] * args.blackjax]
    for name in dict.fromkeys(names):
        assert_same_density(PROBLEMS[name])
        for chains in args.chains:
            size = Size(chains, args.warmup, args.draws)
            found = measure(name, size, sides, args.repeats, args.ess_chains)
            print("", report(name, size, found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
