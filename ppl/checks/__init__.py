"""The model check before every run: what is wrong, by site, in words."""

from ppl.checks._check import check
from ppl.checks._flow import ImproperPosteriorWarning
from ppl.checks._model import checked
from ppl.checks._report import Finding, Report
from ppl.checks._resolution import ResolutionWarning
from ppl.checks._starts import diagnose_start
from ppl.checks._structure import EmptyDataWarning, check_structure
from ppl.checks._values import check_values

__all__ = [
    "EmptyDataWarning",
    "Finding",
    "ImproperPosteriorWarning",
    "Report",
    "ResolutionWarning",
    "check",
    "check_structure",
    "check_values",
    "checked",
    "diagnose_start",
]
