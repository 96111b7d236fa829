"""The kinds of warnings about a result, and how they reach its reader."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from ppl._errors import PPLWarning


class DivergenceWarning(PPLWarning):
    """Trajectories left the region where the integrator is stable."""


class TreeDepthWarning(PPLWarning):
    """Trajectories were cut before they turned."""


class ConvergenceWarning(PPLWarning):
    """Chains disagree."""


class LowESSWarning(PPLWarning):
    """Draws depend on each other so much that few count."""


class EnergyWarning(PPLWarning):
    """Chains wander slowly through the energies."""


class StuckChainWarning(PPLWarning):
    """A chain never moved."""


class NonFiniteWarning(PPLWarning):
    """Draws, or the steps of a fit, are infinite or not numbers."""


class ApproximationWarning(PPLWarning):
    """An approximation is not near the posterior, or was not found."""


@dataclass(frozen=True)
class Finding:
    """Something that was noticed in a result.

    Attributes:
        category: The warning it deserves; None for a mere note.
        message: What it is, with numbers and names.
        hint: What to do about it.
    """

    category: type[PPLWarning] | None
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def warn_findings(findings: Iterable[Finding]) -> None:
    """Warn of each finding that deserves it, once, at the line that called `ppl`."""
    for finding in findings:
        if finding.category is not None:
            warnings.warn(str(finding), finding.category, stacklevel=_caller_level())


def _caller_level() -> int:
    """How many frames above the function that asks the first one outside `ppl` is."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == "ppl":
        frame, level = frame.f_back, level + 1
    return level
