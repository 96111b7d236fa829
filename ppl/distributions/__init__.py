"""Distributions, constraints and transforms under NumPyro's names."""

from ppl.distributions import constraints, transforms
from ppl.distributions.delta import Delta
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.distributions.lkj import LKJCholesky
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.normal import Normal
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.unit import Unit

__all__ = [
    "Delta",
    "Dirichlet",
    "Distribution",
    "ImproperUniform",
    "Independent",
    "LKJCholesky",
    "MaskedDistribution",
    "MultivariateNormal",
    "Normal",
    "TransformedDistribution",
    "Unit",
    "biject_to",
    "constraints",
    "transforms",
]
