"""Continuous distributions that NumPyro lacks, one entry each."""

from tests.laws.case import Case

CASES: tuple[Case, ...] = ()
