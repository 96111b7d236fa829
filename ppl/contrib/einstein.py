"""Stein variational inference under NumPyro's dotted name; see `ppl.infer`."""

from ppl.infer.stein.base import SteinKernel
from ppl.infer.stein.composed import (
    GraphicalKernel,
    MixtureKernel,
    ProbabilityProductKernel,
    RadialGaussNewtonKernel,
)
from ppl.infer.stein.kernels import (
    IMQKernel,
    LinearKernel,
    RandomFeatureKernel,
    RBFKernel,
)
from ppl.infer.stein.loss import SteinLoss
from ppl.infer.stein.mixture import MixtureGuidePredictive
from ppl.infer.stein.stein_vi import ASVGD, SVGD, SteinVI

__all__ = [
    "ASVGD",
    "SVGD",
    "GraphicalKernel",
    "IMQKernel",
    "LinearKernel",
    "MixtureGuidePredictive",
    "MixtureKernel",
    "ProbabilityProductKernel",
    "RBFKernel",
    "RadialGaussNewtonKernel",
    "RandomFeatureKernel",
    "SteinKernel",
    "SteinLoss",
    "SteinVI",
]
