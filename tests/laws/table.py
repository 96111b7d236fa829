"""The table of docs/distributions.md: what each distribution has, told by the code.

python -m tests.laws.table     # writes it, and which name lives in which module
"""

import importlib
import inspect
from pathlib import Path
from typing import Any

from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution
from tests.laws import names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "distributions.md"
BEGIN, END = "<!-- begin table -->", "<!-- end table -->"
HAS = ("cdf", "icdf", "mean", "variance", "mode", "entropy", "enumerate_support")


def public() -> dict[str, Any]:
    """What the modules have now, whatever is written down."""
    return {
        name: getattr(importlib.import_module(f"{names.PACKAGE}.{home}"), name)
        for name, home in names.homes().items()
    }


def families() -> dict[str, type[Distribution]]:
    """All public classes that are distributions, by name."""
    return {
        name: value
        for name, value in sorted(public().items())
        if inspect.isclass(value) and value is not Distribution
    }


def factories() -> list[str]:
    """Public functions that return a distribution of one class or another."""
    return sorted(
        n for n, f in public().items() if inspect.isfunction(f) and n[0].isupper()
    )


def has(cls: type[Distribution], method: str) -> bool:
    """Whether a class says more than that there is none."""
    return getattr(cls, method) is not getattr(Distribution, method)


def parameters(cls: type[Distribution]) -> str:
    """The arguments of a family as one writes them."""
    words = []
    for name, one in inspect.signature(cls).parameters.items():
        if name == "validate_args":
            continue
        plain = one.default is inspect.Parameter.empty or one.default is None
        words.append(name if plain else f"{name}={one.default}")
    return ", ".join(words)


def support(cls: type[Distribution]) -> str:
    """The support, if it does not depend on the parameters."""
    found = inspect.getattr_static(cls, "support", None)
    if not isinstance(found, Constraint):
        return "depends"
    named = (n for n in constraints.__all__ if n.islower())
    known = {repr(getattr(constraints, n)): n for n in named}
    base = getattr(found, "base", found)
    each = "" if base is found else "vector of "
    return known.get(repr(found)) or each + known.get(repr(base), str(base))


def table() -> str:
    """The Markdown table, and the counts beneath it."""
    lines = [
        "| name | parameters | support | " + " | ".join(HAS) + " |",
        "|" + "---|" * (3 + len(HAS)),
    ]
    known = families()
    for name, cls in known.items():
        marks = " | ".join("•" if has(cls, method) else "" for method in HAS)
        lines.append(f"| {name} | `{parameters(cls)}` | {support(cls)} | {marks} |")
    counts = ", ".join(
        f"{sum(has(cls, method) for cls in known.values())} with `{method}`"
        for method in HAS
    )
    lines += ["", f"{len(known)} classes: {counts}."]
    lines += ["", f"Functions that choose among them: {', '.join(factories())}."]
    return "\n".join(lines)


def page() -> str:
    """The page with the table as the code has it now."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    names.write()
    PAGE.write_text(page())
