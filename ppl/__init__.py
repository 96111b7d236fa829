"""Probabilistic programming on JAX: models are functions, chains run in parallel."""

from ppl import diagnostics, distributions, handlers, infer
from ppl._version import __version__
from ppl.checks import checked
from ppl.control import plate, plate_stack
from ppl.infer.fit import fit
from ppl.posterior import Posterior
from ppl.primitives import (
    deterministic,
    factor,
    get_mask,
    param,
    prng_key,
    sample,
    subsample,
)

__all__ = [
    "__version__",
    "Posterior",
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
    "prng_key",
    "sample",
    "subsample",
]
