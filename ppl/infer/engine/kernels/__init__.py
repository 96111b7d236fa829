"""Kernels, one a file."""

from ppl.infer.engine.kernels.chees import ChEES
from ppl.infer.engine.kernels.hmc import HMC
from ppl.infer.engine.kernels.mams import MAMS
from ppl.infer.engine.kernels.nuts import NUTS

__all__ = ["HMC", "MAMS", "NUTS", "ChEES"]
