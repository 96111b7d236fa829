"""Distributions, constraints and transforms under NumPyro's names.

A module is imported when one of its names is used first: most models need few. Where
each lives `python -m tests.laws.table` has written down: in `_names.py` for Python, in
`__init__.pyi` for type checkers.
"""

import importlib
from typing import Any

from ppl.distributions._names import HOMES

__all__ = sorted([*HOMES, "constraints", "flows", "transforms"])  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ppl.distributions' has no attribute {name!r}")
    home = HOMES.get(name)
    module = importlib.import_module(f"{__name__}.{home or name}")
    found = getattr(module, name) if home else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
