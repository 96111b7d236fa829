"""Sequential gradients until many chains have the second moments right.

    python -m benchmarks.bias --chains 1024 [--model gaussian logistic irt brownian]
        [--samplers ChEES MAMS LAPS NUTS NumPyro] [--draws 100]
        [--peer-warmups 50 100 200] [--limit 100000]

Many chains in parallel are worth as much as they are fast to forget where they started:
what counts is how many gradients come after one another. For a sampler and a model it
is told after how many gradients, those of the warm-up included, the squared bias

    b² = max over coordinates of (estimate of E[x²] - E[x²])² / Var(x²)

is below 0.01, and stays below to the end of the run. Coordinates are unconstrained. The
estimate when every chain has made n draws is the mean over all chains and the later
half of these draws, warm-up and samples alike; but LAPS' unadjusted draws, which are no
samples, do not count. Truth is a closed form, or a long run of ppl's NUTS.

All sides begin in the same way, uniformly in (-2, 2). Each is run with warm-ups of
several lengths, and the best is told. The gradients of a draw are those that the device
does after one another: for NumPyro's NUTS (vectorized) the longest tree of all chains;
for ppl's samplers all steps of the compiled loop until the last chain has the draw,
the search for a first step size too. NumPyro's such search is not counted. Where its
trees are long, its run ends at the first draw beyond `--limit` gradients: if b² was
still large there, or has not stayed small since, more than the limit is what it took.

The target for the best of ChEES, MAMS and LAPS is a fifth of NumPyro's gradients.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ppl
from benchmarks.agreement import assert_same_density
from benchmarks.measure import machine, say, table
from benchmarks.models import PROBLEMS, Problem
from benchmarks.sides import target
from ppl.infer import LAPS, MAMS, MCMC, NUTS, ChEES
from ppl.infer.engine import driver

MODELS = ("gaussian", "logistic", "irt", "brownian")
ENOUGH = 0.01
RATIO = 0.2
OURS: dict[str, Any] = {"ChEES": ChEES, "MAMS": MAMS, "LAPS": LAPS, "NUTS": NUTS}
WARMUPS = {
    "ChEES": (15, 30, 60, 120),
    "MAMS": (15, 30, 60, 120),
    "LAPS": (1000,),
    "NUTS": (30, 60, 120),
    "NumPyro": (50, 100, 200),  # unless told otherwise
}
TRUTH_CHAINS, TRUTH_DRAWS = 64, 3000
_TOGETHER = 5  # draws of NumPyro in one call


@dataclass(frozen=True)
class Truth:
    """E[x²] and Var(x²) of each unconstrained coordinate."""

    square: np.ndarray
    variance: np.ndarray


@dataclass
class History:
    """Of a run, draw by draw.

    Attributes:
        cost: Sequential gradients until every chain has made the draw.
        square: Mean of x² over the chains, (draws, dim).
        counts: Whether the draw is one that may be used.
    """

    cost: list[int] = field(default_factory=list)
    square: list[np.ndarray] = field(default_factory=list)
    counts: list[bool] = field(default_factory=list)

    def bias(self, truth: Truth) -> np.ndarray:
        """b² at each draw."""
        uses = np.array(self.counts, float)
        sums = np.cumsum(np.array(self.square) * uses[:, None], axis=0)
        total = np.cumsum(uses)
        found = np.full(len(uses), np.inf)
        first = int(np.argmax(uses))  # draws before are none
        for i in range(first, len(uses)):
            half = first + (i - first) // 2
            before = (sums[half - 1], total[half - 1]) if half else (0.0, 0.0)
            mean = (sums[i] - before[0]) / max(total[i] - before[1], 1)
            error = (mean - truth.square) ** 2 / truth.variance
            found[i] = np.nan_to_num(error, nan=np.inf).max()
        return found

    def gradients(self, truth: Truth) -> float:
        """After which b² is small for good; infinite if it never is."""
        large = np.flatnonzero(self.bias(truth) >= ENOUGH)
        after = int(large[-1]) + 1 if len(large) else 0
        return float(self.cost[after]) if after < len(self.cost) else np.inf


# --- ppl ------------------------------------------------------------------------------


@contextmanager
def recorded() -> Iterator[History]:
    """The draws of all runs of the driver meanwhile."""
    history, steps = History(), [1]  # the starting points take a gradient
    original = driver.Collector.take
    begun: dict[int, tuple[int, np.ndarray]] = {}

    def take(self: driver.Collector, buffer: Any) -> int:
        done = np.asarray(buffer.done)[: int(np.asarray(buffer.steps).max())]
        if self.counted:
            key = id(self)
            if key not in begun:
                begun.clear()
                begun[key] = len(history.cost), self.counts.copy()
            offset, counts = begun[key]
            _note(history, buffer, done, offset + counts, steps[0])
            begun[key] = offset, counts + done.sum(0)
            adjusted = bool(np.asarray(getattr(self.run.kernel, "adjusted", True)))
            missing = len(history.cost) - len(history.counts)
            history.counts += [adjusted] * missing
        steps[0] += len(done)
        return original(self, buffer)

    driver.Collector.take = take
    try:
        yield history
    finally:
        driver.Collector.take = original


def _note(
    history: History, buffer: Any, done: np.ndarray, count: np.ndarray, steps: int
) -> None:
    """Add what a chunk emitted, of chains that had `count` draws before."""
    rows, chains = np.nonzero(done)
    if not len(rows):
        return
    numbers = count[chains] + np.cumsum(done, axis=0)[rows, chains] - 1
    position = np.asarray(buffer.position)
    for number in np.unique(numbers):
        while number >= len(history.cost):
            history.cost.append(0)
            history.square.append(np.zeros(position.shape[1]))
        own = numbers == number
        squares = position[rows[own], :, chains[own]].astype(np.float64) ** 2
        history.cost[number] = steps + int(rows[own].max()) + 1
        history.square[number] += squares.sum(0) / position.shape[2]


def run_ppl(name: str, problem: Problem, chains: int, warmup: int, draws: int):
    """The history of one of ppl's samplers."""
    sampler = OURS[name](problem.write(ppl))
    mcmc = MCMC(
        sampler,
        num_warmup=warmup,
        num_samples=draws,
        num_chains=chains,
        progress_bar=False,
    )
    with recorded() as history, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mcmc.run(warmup, *problem.data())
    return history


# --- NumPyro --------------------------------------------------------------------------


def run_numpyro(
    problem: Problem, chains: int, warmup: int, draws: int, limit: float = np.inf
) -> History:
    """The history of NumPyro's NUTS, to about so many gradients."""
    import numpyro
    from numpyro import infer

    args, layout = problem.data(), target(problem).layout
    kernel = infer.NUTS(problem.write(numpyro))
    keys = jax.random.split(jax.random.PRNGKey(warmup), chains)
    state = kernel.init(keys, warmup, None, args, {})
    names = [entry.name for entry in layout.entries]

    def draw(state: Any, _: None) -> tuple[Any, Any]:
        state = kernel.sample(state, args, {})
        squares = [
            (state.z[n].reshape(chains, -1).astype(jnp.float32) ** 2).mean(0)
            for n in names
        ]
        return state, (state.num_steps.max(), jnp.concatenate(squares))

    loop = jax.jit(lambda s: jax.lax.scan(draw, s, None, length=_TOGETHER))
    history, total = History(), 1
    while len(history.cost) < warmup + draws and total <= limit:
        state, found = loop(state)
        steps, squares = jax.tree.map(np.asarray, found)
        history.cost += [int(c) for c in total + np.cumsum(steps, dtype=np.int64)]
        history.square += list(squares.astype(np.float64))
        total = history.cost[-1]
    history.counts = [True] * len(history.cost)
    return history


# --- truth and report -----------------------------------------------------------------


def truth_of(name: str) -> Truth:
    """In closed form, or from a long run."""
    problem = PROBLEMS[name]
    if name == "gaussian":
        variance = np.diag(np.linalg.inv(problem.data()[0].astype(np.float64)))
        return Truth(variance, 2 * variance**2)
    mcmc = MCMC(
        NUTS(problem.write(ppl)),
        num_warmup=500,
        num_samples=TRUTH_DRAWS,
        num_chains=TRUTH_CHAINS,
        progress_bar=False,
    )
    sums = np.zeros((2, target(problem).layout.size))
    count = [0]
    original = driver.MemorySink.write

    def write(self: Any, finished: Any) -> None:
        if not self.wants_vectors:  # samples, and not warm-up
            squares = finished.position.astype(np.float64) ** 2
            sums[0] += squares.sum(0)
            sums[1] += (squares**2).sum(0)
            count[0] += len(squares)
        original(self, finished)

    driver.MemorySink.write = write
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mcmc.run(12345, *problem.data())
    finally:
        driver.MemorySink.write = original
    square, fourth = sums / count[0]
    return Truth(square, fourth - square**2)


def measure(name: str, args: argparse.Namespace) -> str:
    """The table of one model."""
    problem, chains, draws = PROBLEMS[name], args.chains, args.draws
    warmups = {**WARMUPS, "NumPyro": tuple(args.peer_warmups)}
    truth = truth_of(name)
    say(f"{problem.title}: truth is known")
    rows, best = [], {}
    for sampler in args.samplers:
        found = {}
        for warmup in warmups[sampler]:
            if sampler == "NumPyro":
                history = run_numpyro(problem, chains, warmup, draws, args.limit)
            else:
                history = run_ppl(sampler, problem, chains, warmup, draws)
            found[warmup] = history.gradients(truth)
            last = history.bias(truth)[-1]
            say(
                f"{problem.title}: {sampler}, warm-up {warmup}: {found[warmup]:.0f} of "
                f"{history.cost[-1]} gradients, b² {last:.1e} at the end"
            )
        warmup = min(found, key=lambda w: found[w])
        best[sampler] = found[warmup]
        rows.append((sampler, warmup, found[warmup]))
    peer = best.get("NumPyro", np.nan)
    shown = [(*row, row[2] / peer) for row in rows]
    title = f"{problem.title}, {chains} chains"
    head = (title, "warm-up", f"gradients until b² < {ENOUGH}", "÷ NumPyro")
    return table(head, shown)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=list(MODELS))
    parser.add_argument("--samplers", nargs="+", choices=WARMUPS, default=list(WARMUPS))
    parser.add_argument("--chains", type=int, default=1024)
    parser.add_argument("--draws", type=int, default=100, help="after the warm-up")
    lengths = list(WARMUPS["NumPyro"])
    parser.add_argument("--peer-warmups", nargs="+", type=int, default=lengths)
    parser.add_argument("--limit", type=float, default=100_000, help="for NumPyro")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    jax.config.update("jax_default_matmul_precision", "highest")
    print(f"{machine()}; target: ratio ≤ {RATIO}")
    for name in args.model:
        if "NumPyro" in args.samplers:
            assert_same_density(PROBLEMS[name])
        found = measure(name, args)
        print("", found, sep="\n", flush=True)


if __name__ == "__main__":
    main()
