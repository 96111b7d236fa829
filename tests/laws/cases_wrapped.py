"""Distributions made from others: truncated, censored, mixed, one entry each."""

from tests.laws.case import Case

CASES: tuple[Case, ...] = ()
