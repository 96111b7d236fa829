"""Probabilistic programming on JAX: models are functions, chains run in parallel."""

import importlib
from typing import TYPE_CHECKING, Any

from ppl import distributions, handlers
from ppl._errors import PPLError
from ppl._platform import enable_x64, set_host_device_count, set_platform
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
    from ppl import contrib, diagnostics, infer, priors, util
    from ppl.checks import check, checked
    from ppl.contrib.module import module, random_module
    from ppl.infer.fit import fit
    from ppl.infer.inspect import render_model
    from ppl.moments import Moments
    from ppl.posterior import Posterior

# Inference is imported when it is used first: models alone need half of the package.
_LATER = {
    "Moments": "ppl.moments",
    "Posterior": "ppl.posterior",
    "check": "ppl.checks",
    "checked": "ppl.checks",
    "contrib": "ppl.contrib",
    "diagnostics": "ppl.diagnostics",
    "fit": "ppl.infer.fit",
    "infer": "ppl.infer",
    "module": "ppl.contrib.module",
    "priors": "ppl.priors",
    "random_module": "ppl.contrib.module",
    "render_model": "ppl.infer.inspect",
    "util": "ppl.util",
}

__all__ = [
    "Moments",
    "PPLError",
    "Posterior",
    "__version__",
    "check",
    "checked",
    "contrib",
    "deterministic",
    "diagnostics",
    "distributions",
    "enable_x64",
    "factor",
    "fit",
    "get_mask",
    "handlers",
    "infer",
    "module",
    "param",
    "plate",
    "plate_stack",
    "priors",
    "prng_key",
    "random_module",
    "render_model",
    "sample",
    "set_host_device_count",
    "set_platform",
    "subsample",
    "util",
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
