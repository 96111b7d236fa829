"""Discrete distributions, one entry each."""

from tests.laws.case import Case

CASES: tuple[Case, ...] = ()
