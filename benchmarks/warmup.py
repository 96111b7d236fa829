"""What a warm-up of many chains costs, and what it is worth afterwards.

    python -m benchmarks.warmup [--chains 64] [--model eight logistic irt radon
        horseshoe] [--draws 500]

`ppl` warms up for as many draws as `ppl.fit` would choose for that many chains, NumPyro
for 1000. Counted are leapfrogs of the average chain, nothing is timed. Afterwards both
draw as often; effective draws (bulk, of values and squares, the least of all) are
divided by the leapfrogs that they took.

The target for the cost is a quarter of NumPyro's, at no fewer effective draws per
gradient.
"""

from __future__ import annotations

import argparse

import jax

import ppl
from benchmarks.agreement import assert_same_density
from benchmarks.measure import machine, say, table
from benchmarks.models import PROBLEMS
from benchmarks.sides import PPL, NumPyro, Side, Size
from benchmarks.throughput import efficiency
from ppl.infer import NUTS

MODELS = ("eight", "logistic", "irt", "radon", "horseshoe")
PEER_WARMUP = 1000
TARGET = 0.25
HEAD = (
    *("model", "warm-up", "leapfrogs of a chain", "NumPyro", "ratio"),
    *("ESS per gradient", "NumPyro", "ratio", "largest R-hat", "NumPyro"),
)


def worth(side: Side) -> tuple[float, float]:
    """Effective draws per gradient after the warm-up, and the largest R-hat."""
    sampled = side.sample(10)
    bulk, _, rhat = efficiency(sampled, 512)
    return bulk / sampled.leapfrogs.sum(), rhat


def compare(name: str, chains: int, draws: int) -> tuple[object, ...]:
    """The row of a model."""
    problem = PROBLEMS[name]
    length = NUTS(problem.write(ppl)).default_warmup(chains)
    ours = PPL(problem, Size(chains, length, draws))
    peer = NumPyro(problem, Size(chains, PEER_WARMUP, draws))
    cost = ours.warmup_leapfrogs, peer.warmup_leapfrogs
    (ess, rhat), (peer_ess, peer_rhat) = worth(ours), worth(peer)
    say(f"{problem.title}: {cost[0]:,.0f} and {cost[1]:,.0f} leapfrogs")
    return (
        *(problem.title, length, *map(round, cost), cost[0] / cost[1]),
        *(ess, peer_ess, ess / peer_ess, f"{rhat:.4f}", f"{peer_rhat:.4f}"),
    )


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", choices=PROBLEMS, default=list(MODELS))
    parser.add_argument("--chains", type=int, default=64)
    parser.add_argument("--draws", type=int, default=500)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    jax.config.update("jax_default_matmul_precision", "highest")
    rows = []
    for name in args.model:
        assert_same_density(PROBLEMS[name])
        rows.append(compare(name, args.chains, args.draws))
    print(f"{machine()}; {args.chains} chains; target: ratio of cost ≤ {TARGET}", "")
    print(table(HEAD, rows), flush=True)


if __name__ == "__main__":
    main()
