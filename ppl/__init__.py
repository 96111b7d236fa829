"""Probabilistic programming on JAX: models are functions, chains run in parallel."""

import importlib
from typing import TYPE_CHECKING, Any

from ppl import distributions, handlers
from ppl._errors import PPLError
from ppl._version import __version__
from ppl.control import plate, plate_stack
from ppl.primitives import (
    deterministic,
    factor,
    get_mask,
    param,
    prng_key,
    sample,
    subsample,
)

if TYPE_CHECKING:
    from ppl import diagnostics, infer, priors
    from ppl.checks import check, checked
    from ppl.infer.fit import fit
    from ppl.moments import Moments
    from ppl.posterior import Posterior

# Inference is imported when it is used first: models alone need half of the package.
_LATER = {
    "Moments": "ppl.moments",
    "Posterior": "ppl.posterior",
    "check": "ppl.checks",
    "checked": "ppl.checks",
    "diagnostics": "ppl.diagnostics",
    "fit": "ppl.infer.fit",
    "infer": "ppl.infer",
    "priors": "ppl.priors",
}

__all__ = [
    "Moments",
    "PPLError",
    "Posterior",
    "__version__",
    "check",
    "checked",
    "deterministic",
    "diagnostics",
    "distributions",
    "factor",
    "fit",
    "get_mask",
    "handlers",
    "infer",
    "param",
    "plate",
    "plate_stack",
    "priors",
    "prng_key",
    "sample",
    "subsample",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'ppl' has no attribute {name!r}")
    module = importlib.import_module(_LATER[name])
    value = module if module.__name__ == f"ppl.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
