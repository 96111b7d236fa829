"""Which module each public distribution lives in, told by the modules themselves.

`python -m tests.laws.table` writes it for Python, which then imports a module when one
of its names is used first, and for type checkers, which do not run the code.
"""

import importlib
import inspect
from pathlib import Path

from ppl.distributions.distribution import Distribution

PACKAGE = "ppl.distributions"
FOLDER = Path(__file__).resolve().parents[2].joinpath(*PACKAGE.split("."))
NAMES, STUB = FOLDER / "_names.py", FOLDER / "__init__.pyi"
NAMESPACES = ("constraints", "flows", "transforms")  # public as modules
SAID = {  # what packages inside have to give
    "foreign": (
        "FlowJAXDistribution",
        "SciPyDistribution",
        "TFPDistribution",
        "as_distribution",
    ),
    "kl": ("kl_divergence", "register_kl"),
    "transforms": ("biject_to",),
}
LINE = 88


def is_family(name: str, value: object) -> bool:
    """Whether it is a class that can be made, or a function that chooses one."""
    if inspect.isclass(value):
        return issubclass(value, Distribution) and not name.startswith("Abstract")
    return inspect.isfunction(value) and name[0].isupper()


def homes() -> dict[str, str]:
    """The module of each public name, in the order of the modules."""
    files = (file.stem for file in FOLDER.glob("[a-z]*.py"))
    found = {}
    for home in sorted({*files, *SAID} - {"flows"}):
        module = importlib.import_module(f"{PACKAGE}.{home}")
        own = (
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
            and is_family(name, value)
        )
        found |= dict.fromkeys(sorted([*SAID.get(home, ()), *own]), home)
    return found


def as_module(found: dict[str, str]) -> str:
    """The map as Python."""
    title = "The module of each name, as `python -m tests.laws.table` has written it."
    lines = (f'    "{name}": "{home}",' for name, home in found.items())
    return "\n".join([f'"""{title}"""', "", "HOMES = {", *lines, "}", ""])


def as_stub(found: dict[str, str]) -> str:
    """What type checkers are to see."""
    modules = [(name, PACKAGE) for name in NAMESPACES]
    inside = [(name, f"{PACKAGE}.{home}") for name, home in found.items()]
    lines = []
    for name, module in modules + inside:
        line = f"from {module} import {name} as {name}"
        short = len(line) <= LINE
        start = f"from {module} import ("
        lines.append(line if short else f"{start}\n    {name} as {name},\n)")
    return "\n".join([*lines, ""])


def write() -> None:
    found = homes()
    NAMES.write_text(as_module(found))
    STUB.write_text(as_stub(found))
