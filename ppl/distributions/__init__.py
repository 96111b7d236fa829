"""Distributions, constraints and transforms under NumPyro's names."""

from ppl.distributions import constraints, transforms
from ppl.distributions.bernoulli import Bernoulli, BernoulliLogits, BernoulliProbs
from ppl.distributions.beta import Beta
from ppl.distributions.beta_binomial import BetaBinomial, BetaNegativeBinomial
from ppl.distributions.binomial import Binomial, BinomialLogits, BinomialProbs
from ppl.distributions.categorical import (
    Categorical,
    CategoricalLogits,
    CategoricalProbs,
)
from ppl.distributions.cauchy import Cauchy, HalfCauchy
from ppl.distributions.conway_maxwell_poisson import ConwayMaxwellPoisson
from ppl.distributions.delta import Delta
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.discrete_uniform import DiscreteUniform
from ppl.distributions.discrete_weibull import DiscreteWeibull
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.exponential import Exponential
from ppl.distributions.gamma import Gamma, InverseGamma
from ppl.distributions.geometric import Geometric, GeometricLogits, GeometricProbs
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.hypergeometric import Hypergeometric
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.distributions.laplace import Laplace
from ppl.distributions.lkj import LKJCholesky
from ppl.distributions.multinomial import (
    DirichletMultinomial,
    Multinomial,
    MultinomialLogits,
    MultinomialProbs,
)
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.negative_binomial import (
    GammaPoisson,
    NegativeBinomial,
    NegativeBinomial2,
    NegativeBinomialLogits,
    NegativeBinomialProbs,
)
from ppl.distributions.normal import HalfNormal, LogNormal, Normal
from ppl.distributions.ordered import OrderedLogistic, OrderedProbit
from ppl.distributions.poisson import Poisson
from ppl.distributions.skellam import Skellam
from ppl.distributions.student_t import StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.uniform import Uniform
from ppl.distributions.unit import Unit
from ppl.distributions.zipf import Zipf

__all__ = [
    "Bernoulli",
    "BernoulliLogits",
    "BernoulliLogitsGLM",
    "BernoulliProbs",
    "Beta",
    "BetaBinomial",
    "BetaNegativeBinomial",
    "Binomial",
    "BinomialLogits",
    "BinomialProbs",
    "Categorical",
    "CategoricalLogits",
    "CategoricalProbs",
    "Cauchy",
    "ConwayMaxwellPoisson",
    "Delta",
    "Dirichlet",
    "DirichletMultinomial",
    "DiscreteUniform",
    "DiscreteWeibull",
    "Distribution",
    "Exponential",
    "Gamma",
    "GammaPoisson",
    "Geometric",
    "GeometricLogits",
    "GeometricProbs",
    "HalfCauchy",
    "HalfNormal",
    "Hypergeometric",
    "ImproperUniform",
    "Independent",
    "InverseGamma",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "MaskedDistribution",
    "Multinomial",
    "MultinomialLogits",
    "MultinomialProbs",
    "MultivariateNormal",
    "NegativeBinomial",
    "NegativeBinomial2",
    "NegativeBinomialLogits",
    "NegativeBinomialProbs",
    "Normal",
    "NormalGLM",
    "OrderedLogistic",
    "OrderedProbit",
    "Poisson",
    "PoissonLogGLM",
    "Skellam",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "Unit",
    "Zipf",
    "biject_to",
    "constraints",
    "transforms",
]
