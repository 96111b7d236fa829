"""The distributions that the laws judge: one tuple of all cases."""

from tests.laws import (
    cases_continuous,
    cases_core,
    cases_discrete,
    cases_extremes,
    cases_wrapped,
)
from tests.laws.case import Case, rising

CASES = (
    *cases_core.CASES,
    *cases_continuous.CASES,
    *cases_extremes.CASES,
    *cases_discrete.CASES,
    *cases_wrapped.CASES,
)

__all__ = ["CASES", "Case", "rising"]
