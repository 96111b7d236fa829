"""Real posteriors: fitted, checked against long runs, compared with the peer.

    python -m benchmarks.posteriordb [NAME ...] [--chains 8] [--warmup 1000]
        [--draws 1500] [--seed 1] [--peer] [--float32] [--folder FOLDER]

The posteriors come from posteriordb; the folder `shared/posteriordb` beside the
checkout has their data, and means and standard deviations from 10,000 nearly
independent draws.
Another folder is named by `--folder` or by PPL_POSTERIORDB. Each is fitted by `ppl.fit`
with its usual settings, in float64 unless told otherwise, and must agree in every
component:

- *z*: difference of means over the standard errors of both, below 5;
- *error*: the same in standard deviations, below 0.15;
- *sd*: ratio of standard deviations, from 0.93 to 1.07;
- *R-hat* at most 1.01, *ESS* (bulk, of the values and of their squares) at least 4000.

Nobody can sample the centred eight schools; there a fit that warns is right. If a
posterior fails, so does the command.

With `--peer` both libraries then fit each posterior again, 4 chains of 1000 + 1000
draws from the same density (checked at draws of ours), NumPyro with its usual NUTS,
vectorized, and a dense metric for diamonds, which are strongly correlated; the *ratio*
is that of least ESS per gradient of the sampling phase. A side whose R-hat is above
1.01 is marked with an asterisk: its figures mean little.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jax
import numpy as np

from benchmarks.agreement import assert_same_density
from benchmarks.measure import machine, median, number, say, table
from benchmarks.posteriordb.fits import MOST_RHAT, Figures, figures, fit, fit_peer
from benchmarks.posteriordb.posteriors import (
    ENTRIES,
    home,
    problem,
    reference,
    stored,
)
from benchmarks.sides import Size

DRAWS = 1500
PEER = Size(chains=4, warmup=1000, draws=1000)
HEAD = (
    *("posterior", "worst z", "error, sd", "sd ratios", "R-hat", "ESS", "divergences"),
    *("leapfrogs per draw", "ESS per gradient", "seconds", "verdict"),
)
PEER_HEAD = (
    *("posterior", "ESS per gradient", "NumPyro", "ratio", "leapfrogs per draw"),
    *("NumPyro", "divergences", "NumPyro", "seconds", "NumPyro"),
)

Row = tuple[object, ...]


def check(name: str, folder: Path, size: Size, seed: int) -> tuple[bool, Row]:
    """Fit one posterior and compare: whether it is right, and its row."""
    try:
        fitted = fit(problem(name, folder), size, seed)
        found = figures(fitted, reference(name, folder))
    except Exception as error:  # noqa: BLE001 - one must not hide the others
        say(f"{name}: {error!r}")
        words = f"FAILS: {type(error).__name__}"
        return False, (name, *[""] * (len(HEAD) - 2), words)
    good, words = found.verdict(ENTRIES[name])
    low, high = found.ratios
    row = (
        *(name, found.z, found.error, f"{low:.3f}–{high:.3f}", f"{found.rhat:.4f}"),
        *(round(found.ess), fitted.divergences, found.leapfrogs, found.per_gradient),
        *(fitted.seconds, words),
    )
    return good, row


def against_peer(name: str, folder: Path, seed: int) -> tuple[float, Row]:
    """The ratio of one posterior, nan where a side has broken, and its row."""
    target, wanted = problem(name, folder), reference(name, folder)
    dense = ENTRIES[name].peer_dense
    try:
        fits = fit(target, PEER, seed), fit_peer(target, PEER, seed, dense=dense)
        sides = [figures(fitted, wanted) for fitted in fits]
        draws = sides[0].fitted.values
        few = {
            k: v[:, :: PEER.draws // 5].reshape(-1, *v.shape[2:])
            for k, v in draws.items()
        }
        assert_same_density(target, few)
    except Exception as error:  # noqa: BLE001 - one must not hide the others
        say(f"{name}: {error!r}")
        return float("nan"), (name, *[""] * (len(PEER_HEAD) - 2), type(error).__name__)
    ours, theirs = sides
    ratio = ours.per_gradient / theirs.per_gradient
    row = (
        *(name, marked(ours), marked(theirs), ratio, ours.leapfrogs, theirs.leapfrogs),
        *(ours.fitted.divergences, theirs.fitted.divergences),
        *(ours.fitted.seconds, theirs.fitted.seconds),
    )
    return ratio, row


def marked(found: Figures) -> str:
    """ESS per gradient, with an asterisk if the chains do not agree."""
    return number(found.per_gradient) + "*" * (not found.rhat <= MOST_RHAT)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.posteriordb",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, help=f"of each chain; usually {DRAWS}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peer", action="store_true", help="compare with NumPyro too")
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--folder", help="of the posteriors")
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = arguments()
    args = parser.parse_args(argv)
    folder = home(args.folder)
    if not (here := stored(folder)):
        print(f"The posteriors are not here: {folder}")
        return
    if unknown := set(args.names or here) - set(ENTRIES) & set(here):
        parser.error(f"no such posterior: {', '.join(sorted(unknown))}")
    names = args.names or here

    jax.config.update("jax_enable_x64", not args.float32)
    rows, good = [], True
    for name in names:
        draws = args.draws or ENTRIES[name].draws or DRAWS
        fine, row = check(
            name, folder, Size(args.chains, args.warmup, draws), args.seed
        )
        good &= fine
        rows.append(row)
        say(f"{name}: {row[-1]}")
    dtype = "float32" if args.float32 else "float64"
    print(f"{machine()}; {dtype}, {args.chains} chains, warm-up of {args.warmup} draws")
    print("", table(HEAD, rows), sep="\n", flush=True)

    if args.peer:
        found = [against_peer(name, folder, args.seed) for name in names]
        ratios = [ratio for ratio, _ in found if np.isfinite(ratio)]
        print("", table(PEER_HEAD, [row for _, row in found]), sep="\n")
        print(f"\nMedian ratio of {len(ratios)}: {median(ratios):.2f}", flush=True)
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
