"""Chains spread over the devices of one machine: how much faster two are than one.

    python -m benchmarks.devices [--chains 64] [--draws 4000] [--repeats 3]

Each job is a process of its own, in which a CPU poses as one or two devices; they take
turns. Only sampling is timed, after an uncounted run. Read: the ratio of one device's
seconds to those of two, at best 2; with nothing else to do for the machine, at least
1.6. On two devices, chains are spread by `shard_map`: no device waits inside a chunk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import warnings

from benchmarks.measure import machine, median, say, table
from benchmarks.models import PROBLEMS

FLAG = "--xla_force_host_platform_device_count"
TARGET = 1.6


def job(name: str, chains: int, draws: int) -> None:
    """Print the seconds of sampling in this process, once compiled."""
    import ppl

    problem = PROBLEMS[name]
    model, data = problem.write(ppl), problem.data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = ppl.fit(
            model, *data, chains=chains, draws=draws, seed=0, progress=False
        )
        again = ppl.fit(
            model,
            *data,
            chains=chains,
            draws=draws,
            seed=1,
            progress=False,
            warm_start=first,
            warmup=0,
        )
    print(float(again.attrs["sampling_time"]))


def seconds(devices: int, name: str, chains: int, draws: int) -> float:
    code = f"from benchmarks.devices import job; job({name!r}, {chains}, {draws})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "XLA_FLAGS": f"{FLAG}={devices}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--model", nargs="+", choices=PROBLEMS, default=["eight", "logistic"]
    )
    parser.add_argument("--chains", type=int, default=64)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args(argv)
    print(f"{machine(devices=False)}; {args.repeats} repeats\n")
    rows = []
    for name in args.model:
        found: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(args.repeats):
            for devices, times in found.items():
                times.append(seconds(devices, name, args.chains, args.draws))
                say(f"{name}, {devices} devices: {times[-1]:.3f} s")
        one, two = (median(found[devices]) for devices in (1, 2))
        rows.append((PROBLEMS[name].title, one, two, one / two, f"≥ {TARGET}"))
    head = (f"{args.chains} chains, seconds", "1 device", "2 devices", "ratio")
    print(table((*head, "target"), rows))


if __name__ == "__main__":
    main()
