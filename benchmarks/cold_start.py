"""A whole job in a fresh process: from its start to a printed summary, cold and warm.

    python -m benchmarks.cold_start [--runs 3]

The job is eight schools (non-centred), 4 chains of 1000 + 1000 draws, in the way that
is natural in each language: `ppl.fit` and `posterior.summary()` here, `MCMC.run`,
`arviz.from_numpyro` and `arviz.summary` there; both tables have the same columns, and
neither shows a progress bar. *Cold* means that nothing has been compiled before: an
empty cache folder for ppl, which then also pays for filling it, and no cache for
NumPyro. *Warm* means that the same job has run before with JAX's compilation cache on,
and with no lower limit on what it keeps, for NumPyro too (it has none by default).

NumPyro runs with the `chain_method` that is fastest here, found in an uncounted first
round, for cold and warm jobs separately. Jobs alternate: ppl cold, NumPyro cold, ppl
warm, NumPyro warm, and again. Modules have been imported once before, so files are in
the system's cache and compiled to bytecode.

Read the ratios, ppl over NumPyro, smaller is better: seconds depend on the machine. The
second table says where the time goes; `compile` is tracing, lowering and compiling (or
reading from disk), and the other stages are without it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import machine, median, say, table
from benchmarks.stages import Stages, run_job

OURS, PEER = "benchmarks.job_ppl", "benchmarks.job_numpyro"
METHODS = ("vectorized", "sequential", "parallel")
KINDS = ("cold", "warm")
TARGETS = {"cold": 0.4, "warm": 0.25}
IMPORT_TARGET = 0.15
Times = dict[str, dict[str, list[Stages]]]


def run_ours(folder: Path) -> Stages:
    return run_job(OURS, [], {"PPL_COMPILATION_CACHE": str(folder)})


def run_peer(method: str, folder: Path | None) -> Stages:
    settings = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    if folder is not None:
        settings = {
            "JAX_COMPILATION_CACHE_DIR": str(folder),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return run_job(PEER, ["--method", method], settings)


def fastest_methods(methods: Sequence[str], folder: Path) -> dict[str, str]:
    """Run each method twice, filling its cache; the fastest one, cold and warm."""
    seconds: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    for method in methods:
        for kind in KINDS:
            stages = run_peer(method, folder / method)
            seconds[kind][method] = stages["whole job"]
            say(f"NumPyro {method}, {kind}: {stages['whole job']:.1f} s")
    return {kind: min(found, key=found.__getitem__) for kind, found in seconds.items()}


def measure(runs: int, methods: Sequence[str]) -> tuple[Times, dict[str, str]]:
    times: Times = {side: {kind: [] for kind in KINDS} for side in ("ppl", "NumPyro")}
    with tempfile.TemporaryDirectory(prefix="ppl-cold-start-") as name:
        folder = Path(name)
        once = "import ppl, numpyro, arviz"
        subprocess.run([sys.executable, "-W", "ignore", "-c", once], check=True)
        best = fastest_methods(methods, folder)
        for run in range(runs):
            for kind in KINDS:
                ours = run_ours(folder / f"ppl-{run}")
                warm = folder / best[kind] if kind == "warm" else None
                peer = run_peer(best[kind], warm)
                times["ppl"][kind].append(ours)
                times["NumPyro"][kind].append(peer)
                say(
                    f"run {run + 1} {kind}: ppl {ours['whole job']:.2f} s, "
                    f"NumPyro {peer['whole job']:.2f} s"
                )
    return times, best


def whole_jobs(times: Times, best: dict[str, str]) -> str:
    rows = []
    for kind in KINDS:
        for word, pick in (("median", median), ("fastest", min)):
            ours, peer = (
                pick(stages["whole job"] for stages in times[side][kind])
                for side in ("ppl", "NumPyro")
            )
            target = f"≤ {TARGETS[kind]}" if word == "median" else ""
            rows.append((f"{kind}, {word}", ours, peer, ours / peer, target))
    cost = min(s["import ppl"] for kind in KINDS for s in times["ppl"][kind])
    rows.append(("import over jax", cost, "", "", f"≤ {IMPORT_TARGET} s"))
    methods = ", ".join(f"{kind}: {best[kind]}" for kind in KINDS)
    head = ("whole job, seconds", "ppl", f"NumPyro ({methods})", "ratio", "target")
    return table(head, rows)


def where_it_goes(times: Times) -> str:
    """Medians of the stages of both jobs, beside one another."""
    rows = []
    for side, by_kind in times.items():
        names = [n for n in by_kind["cold"][0] if n not in ("whole job", "compile")]
        names.insert(-1, "compile")
        for name in names:
            values = (median(s[name] for s in by_kind[kind]) for kind in KINDS)
            rows.append((side, name, *values))
    return table(("job", "stage", "cold", "warm"), rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=list(METHODS),
        help="of NumPyro, the fastest of which is taken",
    )
    args = parser.parse_args(argv)
    before = machine(devices=False)
    times, best = measure(args.runs, args.methods)
    print(f"{before}; {args.runs} runs\n")
    print(whole_jobs(times, best), where_it_goes(times), sep="\n\n")


if __name__ == "__main__":
    main()
