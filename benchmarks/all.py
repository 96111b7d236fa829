"""All benchmarks after one another, each in a process of its own.

    python -m benchmarks.all [--write] [--only cold_start rerun throughput hlo ...]

With `--write` the figures go into docs/benchmarks.md, in the place of each command and,
for those that run on an accelerator too, of the device (CPU or GPU). The machine should
have nothing else to do: all of it takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import say

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
COMMANDS = (
    "cold_start",
    "rerun",
    "throughput",
    "warmup",
    "svi",
    "dadvi",
    "hlo",
    "distributions",
)
DEVICES = ("cpu", "gpu")
GPU_ARGUMENTS = {"throughput": ["--chains", "1024", "4096"]}


def place(command: str, device: str) -> str:
    """The name of a command's place in the page."""
    return f"{command} {device}" if command == "throughput" else command


def places() -> list[str]:
    """The names of all places in the page."""
    return list(dict.fromkeys(place(c, d) for c in COMMANDS for d in DEVICES))


def filled(page: str, name: str, figures: str) -> str:
    """The page with other figures in one place.

    Raises:
        ValueError: It has no such place.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the page has no place from {begin} to {end}")
    return f"{head}{begin}\n\n{figures.strip()}\n\n{end}{tail}"


def device() -> str:
    """JAX's device, asked in another process so that this one does not hold it."""
    code = "import jax; print(jax.default_backend())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else "cpu"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write to {PAGE.name}")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    args = parser.parse_args(argv)
    where = device()
    for command in args.only:
        say(f"--- {command}")
        more = GPU_ARGUMENTS.get(command, []) if where == "gpu" else []
        line = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{command}", *more]
        done = subprocess.run(line, stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        if done.returncode:
            raise SystemExit(f"{command} failed")
        if args.write:
            page = filled(PAGE.read_text(), place(command, where), done.stdout)
            PAGE.write_text(page)


if __name__ == "__main__":
    main()
