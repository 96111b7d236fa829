"""Continuous distributions that NumPyro has too, one entry each."""

from tests.laws.case import Case

CASES: tuple[Case, ...] = ()
