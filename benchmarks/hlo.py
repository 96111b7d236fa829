"""What the compiled program of a run is made of, and how long it takes to compile.

    python -m benchmarks.hlo [--chains 4 128 512] [--text FILE]

One chunk of eight schools is compiled, the only program that a fit runs besides the one
that constrains the draws; no cache is used. In the model stands a marker: a cube root,
which nothing else in the program uses and which a gradient evaluates once, so that its
copies are the copies of the gradient. It is counted

- in the jaxpr and in the program that is handed to XLA: 1, or else sampling carries a
  gradient more than it needs, and compiles that much longer;
- in the optimised program: more than 1 means that XLA repeats a part of the gradient in
  several of its loops.

*Kernels per step* are the fusions, calls and library calls in the body of the loop over
leapfrogs: each costs some time to start, however small it is, and on a GPU a launch.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ppl
from benchmarks.measure import machine, table
from benchmarks.models import PROBLEMS
from ppl.infer import NUTS
from ppl.infer.engine.chunk import chunk_program
from ppl.infer.engine.run import start
from ppl.target import trace_model

MARKER = "cbrt"
KERNELS = (
    "fusion",
    "call",
    "custom-call",
    "dot",
    "convolution",
    "while",
    "conditional",
)
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|true_computation|false_computation)=%?([\w.\-]+)"
    r"|(?:branch_computations|called_computations)=\{([^}]*)\}"
)
_BODY = re.compile(r" while\(.*body=%?([\w.\-]+)")
_OPCODE = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = (?:\([^=]*\)|\S+) ([\w\-]+)\(")


@dataclass(frozen=True)
class Compiled:
    """Figures of one compiled chunk.

    Attributes:
        in_jaxpr: Markers in the jaxpr.
        in_program: Markers in what XLA is given.
        in_optimised: Markers in what XLA has made of it.
        kernels: Instructions of the step that start a kernel, by opcode.
        tracing, lowering, compiling: Seconds.
        megabytes: Of temporary memory.
        text: The optimised program.
    """

    in_jaxpr: int
    in_program: int
    in_optimised: int
    kernels: Counter[str]
    tracing: float
    lowering: float
    compiling: float
    megabytes: float
    text: str


def marked_model(errors: Any, effects: Any) -> None:
    """Eight schools with the marker in its density."""
    mu = ppl.sample("mu", ppl.distributions.Normal(0.0, 5.0))
    tau = ppl.sample("tau", ppl.distributions.HalfCauchy(5.0))
    with ppl.plate("school", effects.shape[0]):
        eta = ppl.sample("eta", ppl.distributions.Normal(0.0, 1.0))
        theta = mu + tau * eta
        ppl.sample("y", ppl.distributions.Normal(theta, errors), obs=effects)
    ppl.factor("marker", 0.01 * jnp.cbrt(mu))


def chunk_arguments(chains: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the program that a fit of the marked model would run."""
    density = trace_model(marked_model, PROBLEMS["eight"].data(), {}).density
    layout = density.layout
    kernel = NUTS(marked_model).kernel(layout, chains, np.dtype(np.float32))
    positions = np.zeros((chains, layout.size), np.float32)
    run = start(kernel, density, positions, (0, 0))
    state = (run.kernel, run.target, run.state, run.randomness)
    numbers = (np.int32(1), np.int32(run.rows))
    early_exit = jax.default_backend() == "cpu"
    return (*state, *numbers), {"rows": run.rows, "early_exit": early_exit}


def compile_chunk(chains: int) -> Compiled:
    """Trace, lower and compile one chunk, without any cache on disk."""
    positional, named = chunk_arguments(chains)
    enabled = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        times = [time.perf_counter()]
        traced = chunk_program(False, False).trace(*positional, **named)
        times.append(time.perf_counter())
        lowered = traced.lower()
        times.append(time.perf_counter())
        compiled = lowered.compile()
        times.append(time.perf_counter())
    finally:
        jax.config.update("jax_enable_compilation_cache", enabled)
    text = compiled.as_text() or ""
    memory = compiled.memory_analysis()
    return Compiled(
        count_in_jaxpr(traced.jaxpr.jaxpr),
        len(re.findall(rf"\.{MARKER}\b", lowered.as_text())),
        count_in_program(text),
        kernels_per_step(text),
        *(later - earlier for earlier, later in zip(times, times[1:], strict=False)),
        getattr(memory, "temp_size_in_bytes", 0) / 2**20,
        text,
    )


def count_in_jaxpr(jaxpr: Any) -> int:
    """Markers in a jaxpr and in all that it contains."""
    total = 0
    for equation in jaxpr.eqns:
        total += equation.primitive.name == MARKER
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "jaxpr")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                total += count_in_jaxpr(inner)
    return total


def computations(text: str) -> dict[str, list[str]]:
    """The lines of each computation of an HLO module, by name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if start := _COMPUTATION.match(line):
            lines = found.setdefault(start[1], [])
        else:
            lines.append(line)
    return found


def count_in_program(text: str) -> int:
    """Markers in an HLO module."""
    return sum(opcode(line) == MARKER for line in text.splitlines())


def opcode(line: str) -> str:
    """The opcode of an instruction, or nothing."""
    found = _OPCODE.match(line)
    return found[1] if found else ""


def called(lines: list[str]) -> set[str]:
    """Names of the computations that the lines refer to."""
    pairs = (pair for line in lines for pair in _CALLED.findall(line))
    return {
        name.strip().lstrip("%")
        for one, many in pairs
        for name in (one, *many.split(","))
    } - {""}


def kernels_per_step(text: str) -> Counter[str]:
    """What starts a kernel in the body of the innermost loop that holds the marker."""
    parts = computations(text)

    def holds_marker(name: str, seen: frozenset[str] = frozenset()) -> bool:
        lines = parts.get(name, [])
        if any(opcode(line) == MARKER for line in lines):
            return True
        inner = called(lines) - seen
        return any(holds_marker(n, seen | inner) for n in inner)

    bodies = {m[1] for lines in parts.values() for m in map(_BODY.search, lines) if m}
    bodies = {name for name in bodies if holds_marker(name)}
    if not bodies:
        return Counter()
    step = min(bodies, key=lambda name: len(called(parts[name]) & bodies))
    opcodes = Counter(opcode(line) for line in parts[step])
    return Counter({name: n for name, n in opcodes.items() if name in KERNELS})


def report(found: dict[int, Compiled]) -> str:
    rows = [
        ("gradients in the jaxpr (1)", *(c.in_jaxpr for c in found.values())),
        ("gradients given to XLA (1)", *(c.in_program for c in found.values())),
        ("markers when optimised", *(c.in_optimised for c in found.values())),
        ("kernels per step", *(sum(c.kernels.values()) for c in found.values())),
        *(
            (f"… {name}", *(c.kernels[name] for c in found.values()))
            for name in KERNELS
            if any(c.kernels[name] for c in found.values())
        ),
        ("tracing, s", *(c.tracing for c in found.values())),
        ("lowering, s", *(c.lowering for c in found.values())),
        ("compiling, s", *(c.compiling for c in found.values())),
        ("temporary memory, MiB", *(c.megabytes for c in found.values())),
    ]
    head = ("chunk of eight schools", *(f"{chains} chains" for chains in found))
    return table(head, rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chains", nargs="+", type=int, default=[4, 128, 512])
    parser.add_argument("--text", type=Path, help="write the last program there")
    args = parser.parse_args(argv)
    compile_chunk(2)  # what JAX sets up once is nobody's cost
    found = {chains: compile_chunk(chains) for chains in args.chains}
    print(f"{machine()}\n\n{report(found)}")
    if args.text:
        args.text.write_text(found[args.chains[-1]].text)


if __name__ == "__main__":
    main()
