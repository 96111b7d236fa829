"""Guides that are made from a model, under NumPyro's names."""

from ppl.infer.guides._continuous import AutoContinuous
from ppl.infer.guides.base import AutoGuide
from ppl.infer.guides.batched import (
    AutoBatchedLowRankMultivariateNormal,
    AutoBatchedMultivariateNormal,
)
from ppl.infer.guides.continuous_flow import AutoContinuousFlow
from ppl.infer.guides.dais import AutoDAIS, AutoSurrogateLikelihoodDAIS
from ppl.infer.guides.delta import AutoDelta
from ppl.infer.guides.flows import (
    AutoBNAFNormal,
    AutoIAFNormal,
    AutoSplineCouplingNormal,
)
from ppl.infer.guides.gaussian import (
    AutoDiagonalNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
)
from ppl.infer.guides.guide_list import AutoGuideList
from ppl.infer.guides.laplace import AutoLaplaceApproximation
from ppl.infer.guides.normal import AutoNormal
from ppl.infer.guides.semi_dais import AutoSemiDAIS

__all__ = [
    "AutoBNAFNormal",
    "AutoBatchedLowRankMultivariateNormal",
    "AutoBatchedMultivariateNormal",
    "AutoContinuous",
    "AutoContinuousFlow",
    "AutoDAIS",
    "AutoDelta",
    "AutoDiagonalNormal",
    "AutoGuide",
    "AutoGuideList",
    "AutoIAFNormal",
    "AutoLaplaceApproximation",
    "AutoLowRankMultivariateNormal",
    "AutoMultivariateNormal",
    "AutoNormal",
    "AutoSemiDAIS",
    "AutoSplineCouplingNormal",
    "AutoSurrogateLikelihoodDAIS",
]
