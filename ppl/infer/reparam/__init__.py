"""Reparameterisations: other variables in the place of sites that are hard to sample.

Each is a strategy for `ppl.handlers.reparam`; `auto` chooses them from the model.
"""

from ppl.infer.reparam.auto import AutoReparam, auto
from ppl.infer.reparam.base import Reparam
from ppl.infer.reparam.directions import CircularReparam, ProjectedNormalReparam
from ppl.infer.reparam.loc_scale import LocScaleReparam
from ppl.infer.reparam.neutra import NeuTraReparam, TransformingGuide
from ppl.infer.reparam.transformed import (
    DiscreteCosineReparam,
    ExplicitReparam,
    HaarReparam,
    TransformReparam,
    UnitJacobianReparam,
)

__all__ = [
    "AutoReparam",
    "CircularReparam",
    "DiscreteCosineReparam",
    "ExplicitReparam",
    "HaarReparam",
    "LocScaleReparam",
    "NeuTraReparam",
    "ProjectedNormalReparam",
    "Reparam",
    "TransformReparam",
    "TransformingGuide",
    "UnitJacobianReparam",
    "auto",
]
