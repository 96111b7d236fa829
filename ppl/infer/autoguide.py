"""Guides that are made from a model, under NumPyro's names."""

from ppl.infer.guides._continuous import AutoContinuous
from ppl.infer.guides.base import AutoGuide
from ppl.infer.guides.delta import AutoDelta
from ppl.infer.guides.gaussian import (
    AutoDiagonalNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
)
from ppl.infer.guides.normal import AutoNormal

__all__ = [
    "AutoContinuous",
    "AutoDelta",
    "AutoDiagonalNormal",
    "AutoGuide",
    "AutoLowRankMultivariateNormal",
    "AutoMultivariateNormal",
    "AutoNormal",
]
