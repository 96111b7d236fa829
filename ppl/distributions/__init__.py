"""Distributions, constraints and transforms under NumPyro's names."""

from ppl.distributions import constraints, transforms
from ppl.distributions.bernoulli import Bernoulli, BernoulliLogits, BernoulliProbs
from ppl.distributions.beta import Beta
from ppl.distributions.binomial import Binomial, BinomialLogits, BinomialProbs
from ppl.distributions.categorical import (
    Categorical,
    CategoricalLogits,
    CategoricalProbs,
)
from ppl.distributions.cauchy import Cauchy, HalfCauchy
from ppl.distributions.delta import Delta
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.ex_gaussian import ExGaussian
from ppl.distributions.exponential import Exponential
from ppl.distributions.extreme_value import GeneralizedExtremeValue, GeneralizedPareto
from ppl.distributions.gamma import Gamma, InverseGamma
from ppl.distributions.generalized_normal import GeneralizedNormal
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.distributions.inverse_gaussian import InverseGaussian, Wald
from ppl.distributions.laplace import Laplace
from ppl.distributions.lkj import LKJCholesky
from ppl.distributions.logit_normal import LogitNormal
from ppl.distributions.moyal import Moyal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.nakagami import Nakagami
from ppl.distributions.normal import HalfNormal, LogNormal, Normal
from ppl.distributions.plackett_luce import PlackettLuce
from ppl.distributions.poisson import Poisson
from ppl.distributions.rice import Rice
from ppl.distributions.skew_normal import SkewNormal
from ppl.distributions.stick_breaking_weights import StickBreakingWeights
from ppl.distributions.student_t import HalfStudentT, StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.triangular import PERT, Triangular
from ppl.distributions.uniform import Uniform
from ppl.distributions.unit import Unit

__all__ = [
    "Bernoulli",
    "BernoulliLogits",
    "BernoulliLogitsGLM",
    "BernoulliProbs",
    "Beta",
    "Binomial",
    "BinomialLogits",
    "BinomialProbs",
    "Categorical",
    "CategoricalLogits",
    "CategoricalProbs",
    "Cauchy",
    "Delta",
    "Dirichlet",
    "Distribution",
    "ExGaussian",
    "Exponential",
    "Gamma",
    "GeneralizedExtremeValue",
    "GeneralizedNormal",
    "GeneralizedPareto",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "ImproperUniform",
    "Independent",
    "InverseGamma",
    "InverseGaussian",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogitNormal",
    "MaskedDistribution",
    "Moyal",
    "MultivariateNormal",
    "Nakagami",
    "Normal",
    "NormalGLM",
    "PERT",
    "PlackettLuce",
    "Poisson",
    "PoissonLogGLM",
    "Rice",
    "SkewNormal",
    "StickBreakingWeights",
    "StudentT",
    "TransformedDistribution",
    "Triangular",
    "Uniform",
    "Unit",
    "Wald",
    "biject_to",
    "constraints",
    "transforms",
]
