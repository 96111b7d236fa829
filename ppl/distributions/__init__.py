"""Distributions, constraints and transforms under NumPyro's names."""

from ppl.distributions import constraints
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.normal import Normal

__all__ = [
    "Distribution",
    "Independent",
    "MaskedDistribution",
    "Normal",
    "constraints",
]
