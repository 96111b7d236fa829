"""Logistic regression of many rows: the time of a leapfrog of one chain.

    python -m benchmarks.covtype [--rows 581012] [--columns 55] [--chains 16]
        [--depth 4] [--draws 2] [--repeats 3]

The data have the shape of COVTYPE (Blackard & Dean 1999), the usual large example, and
are simulated: 10 standardised columns, the others indicators of which most are rare,
and an intercept, which is one of the columns counted. All sides have the same density
(checked first, on the first 20,000 rows) and run in float32.

Step size and tree depth are fixed, and the step so small that no trajectory turns: each
draw is a full tree, 2^depth - 1 leapfrogs of every chain for every side, which is
checked. The sides draw in turns and what is left is their time for the same work:

- *ppl, GLM*: `BernoulliLogitsGLM`, which walks over blocks of rows.
- *ppl, rows*: `Bernoulli(logits=x @ beta + intercept)` in a plate.
- *NumPyro*: the same model in NumPyro, chains vectorized and one after another.

What was found on two busy Zen 5 cores, 290,000 rows, 16 chains: of 26 ms for a gradient
the two products take about 19, at some 50 to 60 billion operations a second; the
exponential and the division of each predictor take most of the rest, and reading `x`
does not limit. NumPyro's products are as large, so on a CPU the ratio cannot come near
the target unless the products themselves become faster. Tried without gain: other
shapes of the products, columns filled up to 56 or 64, `x` transposed in blocks, other
ways to write the logistic. Blocks of 0.5 to 2 MiB differ by less than the noise, larger
ones are slower: 49, 62, 90 ms for all rows with 1, 4, 8 MiB. Chains come first and rows
last in every block: with chains last, `jax.vmap` transposes back and forth, 90 ms
instead of 29. One logarithm for 64 rows instead of one a row took a prototype from 50
to 60 ms down to 24.
"""

from __future__ import annotations

import argparse
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ppl
from benchmarks.agreement import TOLERANCE, compare
from benchmarks.measure import machine, median, say, table
from benchmarks.models import Data, Model, Problem
from benchmarks.sides import BareGradient, leapfrogs
from ppl.infer import MCMC, NUTS

TARGET = 0.25  # of NumPyro's time, whichever of its ways is faster
STEP_SIZE = 1e-5  # the posterior is some 3e-3 wide: no trajectory turns
CHECKED_ROWS = 20_000
STANDARDISED = 10


@cache
def simulated(rows: int, columns: int, seed: int = 0) -> Data:
    """A matrix without the column of ones, and outcomes of which half are ones."""
    rng = np.random.default_rng(seed)
    smooth = min(STANDARDISED, columns - 1)
    share = rng.uniform(0.001, 0.2, columns - 1 - smooth).astype(np.float32)
    x = np.empty((rows, columns - 1), np.float32)
    x[:, :smooth] = rng.standard_normal((rows, smooth), np.float32)
    x[:, smooth:] = rng.random((rows, len(share)), np.float32) < share
    predictor = x @ rng.normal(0, 0.5, columns - 1).astype(np.float32)
    predictor -= np.median(predictor)
    y = rng.random(rows, np.float32) < 1 / (1 + np.exp(-predictor))
    return x, y.astype(np.int32)


def by_rows(lang: Any) -> Model:
    """The model in either language."""
    dist = lang.distributions

    def model(x, y):
        rows, columns = x.shape
        intercept = lang.sample("intercept", dist.Normal(0.0, 5.0))
        beta = lang.sample("beta", dist.Normal(0.0, 1.0).expand([columns]).to_event(1))
        with lang.plate("rows", rows):
            lang.sample("y", dist.Bernoulli(logits=x @ beta + intercept), obs=y)

    return model


def at_once(lang: Any) -> Model:
    """The same; in ppl, all rows as one statement."""
    if lang is not ppl:
        return by_rows(lang)
    dist = lang.distributions

    def model(x, y):
        columns = x.shape[1]
        intercept = lang.sample("intercept", dist.Normal(0.0, 5.0))
        beta = lang.sample("beta", dist.Normal(0.0, 1.0).expand([columns]).to_event(1))
        lang.sample("y", dist.BernoulliLogitsGLM(x, intercept, beta), obs=y)

    return model


def problem(write: Callable[[Any], Model], rows: int, columns: int) -> Problem:
    """The model with its data, at most so many rows."""
    return Problem("COVTYPE's shape", cache(write), partial(simulated, rows, columns))


def assert_same_density(rows: int, columns: int) -> None:
    """Compare both ways of writing it with NumPyro's.

    Raises:
        AssertionError: The densities differ by more than a constant.
    """
    for write in (at_once, by_rows):
        found = compare(problem(write, min(rows, CHECKED_ROWS), columns))
        if not found.holds:
            raise AssertionError(
                f"{write.__name__}: not one density, {found}, {TOLERANCE} allowed"
            )


class Side(ABC):
    """A sampler that is compiled and draws full trees.

    Attributes:
        name: For tables.
    """

    name: str

    @abstractmethod
    def sample(self, seed: int) -> tuple[float, int]:
        """Seconds, and leapfrogs of all chains together."""


class PPL(Side):
    """This library, with either model."""

    def __init__(self, name: str, problem: Problem, args: argparse.Namespace):
        self.name, self.data = f"ppl, {name}", problem.data()
        sampler = NUTS(
            problem.write(ppl),
            step_size=STEP_SIZE,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            max_tree_depth=args.depth,
            init_strategy=ppl.infer.init_to_value(values=start(args.columns)),
        )
        self.mcmc = MCMC(
            sampler,
            num_warmup=0,
            num_samples=args.draws,
            num_chains=args.chains,
            progress_bar=False,
        )
        self.sample(0)

    def sample(self, seed: int) -> tuple[float, int]:
        with warnings.catch_warnings(), leapfrogs() as found:
            warnings.simplefilter("ignore")  # two draws: nothing has converged
            self.mcmc.run(seed, *self.data)
        return float(self.mcmc.posterior.attrs["sampling_time"]), sum(found)


class NumPyro(Side):
    """The peer, with its chains vectorized or one after another."""

    def __init__(self, method: str, problem: Problem, args: argparse.Namespace):
        import numpyro
        from numpyro import infer

        self.name, self.chains = f"NumPyro, {method}", args.chains
        self.data = tuple(jnp.asarray(a) for a in problem.data())
        kernel = infer.NUTS(
            problem.write(numpyro),
            step_size=STEP_SIZE,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            max_tree_depth=args.depth,
            init_strategy=infer.init_to_value(values=start(args.columns)),
        )
        vectorized = method == "vectorized"
        keys = jax.random.split(jax.random.PRNGKey(0), args.chains)
        first = keys if vectorized else keys[0]
        state = kernel.init(first, 0, None, self.data, {})
        if not vectorized:
            state = jax.tree.map(lambda a: jnp.stack([a] * args.chains), state)
        self.state = state

        def loop(state: Any, data: Any) -> Any:
            def draw(state: Any, _: None) -> tuple[Any, Any]:
                state = kernel.sample(state, data, {})
                return state, state.num_steps

            return jax.lax.scan(draw, state, None, length=args.draws)[1]

        def one_by_one(states: Any, data: Any) -> Any:
            return jax.lax.map(lambda state: loop(state, data), states)

        self.loop = jax.jit(loop if vectorized else one_by_one)
        self.sample(0)

    def sample(self, seed: int) -> tuple[float, int]:
        keys = jax.random.split(jax.random.PRNGKey(seed), self.chains)
        state = jax.block_until_ready(self.state._replace(rng_key=keys))
        began = time.perf_counter()
        steps = jax.block_until_ready(self.loop(state, self.data))
        return time.perf_counter() - began, int(np.sum(steps))


def start(columns: int) -> dict[str, Any]:
    """Where all chains begin; a leapfrog costs the same everywhere."""
    return {"intercept": jnp.zeros(()), "beta": jnp.zeros(columns - 1)}


def measure(args: argparse.Namespace) -> dict[str, list[float]]:
    """Microseconds per leapfrog and chain of each side, a number for each repeat."""
    glm, rows = (problem(w, args.rows, args.columns) for w in (at_once, by_rows))
    makers: list[Callable[[], Side]] = [
        lambda: PPL("GLM", glm, args),
        lambda: PPL("rows", rows, args),
        lambda: NumPyro("vectorized", rows, args),
        lambda: NumPyro("sequential", rows, args),
    ]
    sides = []
    for make in makers:
        sides.append(make())
        say(f"{sides[-1].name} is compiled")
    expected = args.chains * args.draws * (2**args.depth - 1)
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for repeat in range(args.repeats):
        for side in sides:
            seconds, steps = side.sample(1 + repeat)
            if steps != expected:
                raise AssertionError(
                    f"{side.name}: {steps} leapfrogs, not {expected}: not the same work"
                )
            found[side.name].append(seconds / steps * 1e6)
            say(f"{side.name}: {seconds:.2f} s")
    for name, which in (("GLM", glm), ("rows", rows)):
        bare = BareGradient(which, args.chains, count=3)
        bare.density = jax.device_put(bare.density)  # not copied at every call
        seconds = [bare.seconds(1) for _ in range(args.repeats)]
        found[f"bare gradient, {name}"] = [s / args.chains * 1e6 for s in seconds]
    return found


def report(args: argparse.Namespace, found: dict[str, list[float]]) -> str:
    """The table: times, and ratios to the faster of NumPyro's ways."""
    middle = {name: median(values) for name, values in found.items()}
    peer = min(value for name, value in middle.items() if name.startswith("NumPyro"))
    rows = [
        (
            name,
            value,
            f"{min(found[name]):,.0f} to {max(found[name]):,.0f}",
            value / peer,
            f"≤ {TARGET}" if name == "ppl, GLM" else "",
        )
        for name, value in middle.items()
    ]
    title = f"{args.rows:,} × {args.columns}, {args.chains} chains"
    head = (title, "µs per leapfrog and chain", "range", "over NumPyro", "target")
    return table(head, rows)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=581_012)
    parser.add_argument("--columns", type=int, default=55, help="with the intercept")
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--depth", type=int, default=4, help="of each tree")
    parser.add_argument("--draws", type=int, default=2, help="of each chain")
    parser.add_argument("--repeats", type=int, default=3)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    jax.config.update("jax_default_matmul_precision", "highest")
    assert_same_density(args.rows, args.columns)
    print(f"{machine()}; {args.repeats} repeats of {args.draws} draws")
    print("", report(args, measure(args)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
