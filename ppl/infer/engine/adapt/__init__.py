"""Adaptation: from draws to new kernel values."""

from ppl.infer.engine.adapt.base import AbstractAdaptation
from ppl.infer.engine.adapt.chees import ChEES
from ppl.infer.engine.adapt.laps import LAPS
from ppl.infer.engine.adapt.mams import MAMS
from ppl.infer.engine.adapt.windows import Windows

__all__ = ["LAPS", "MAMS", "AbstractAdaptation", "ChEES", "Windows"]
