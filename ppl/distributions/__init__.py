"""Distributions, constraints and transforms under NumPyro's names."""

from ppl.distributions import constraints, transforms
from ppl.distributions.bernoulli import Bernoulli, BernoulliLogits, BernoulliProbs
from ppl.distributions.beta import Beta, GaussianCopulaBeta
from ppl.distributions.binomial import Binomial, BinomialLogits, BinomialProbs
from ppl.distributions.car import CAR
from ppl.distributions.categorical import (
    Categorical,
    CategoricalLogits,
    CategoricalProbs,
)
from ppl.distributions.cauchy import Cauchy, HalfCauchy
from ppl.distributions.circulant_normal import CirculantNormal
from ppl.distributions.delta import Delta
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.euler_maruyama import EulerMaruyama
from ppl.distributions.exponential import Exponential
from ppl.distributions.gamma import Gamma, InverseGamma
from ppl.distributions.gaussian_copula import GaussianCopula
from ppl.distributions.gaussian_hmm import GaussianHMM
from ppl.distributions.gaussian_process import GaussianProcess
from ppl.distributions.gaussian_state_space import GaussianStateSpace
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.hmm import HMM
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.distributions.inverse_wishart import InverseWishart, InverseWishartCholesky
from ppl.distributions.laplace import Laplace
from ppl.distributions.lkj import LKJ, LKJCholesky, LKJCovariance
from ppl.distributions.low_rank_multivariate_normal import LowRankMultivariateNormal
from ppl.distributions.matrix_normal import MatrixNormal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.multivariate_student_t import MultivariateStudentT
from ppl.distributions.normal import HalfNormal, LogNormal, Normal
from ppl.distributions.poisson import Poisson
from ppl.distributions.projected_normal import ProjectedNormal
from ppl.distributions.random_walk import GaussianRandomWalk
from ppl.distributions.sine_bivariate_von_mises import SineBivariateVonMises
from ppl.distributions.sine_skewed import SineSkewed
from ppl.distributions.student_t import StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.uniform import Uniform
from ppl.distributions.unit import Unit
from ppl.distributions.wishart import Wishart, WishartCholesky
from ppl.distributions.zero_sum_normal import ZeroSumNormal

__all__ = [
    "Bernoulli",
    "BernoulliLogits",
    "BernoulliLogitsGLM",
    "BernoulliProbs",
    "Beta",
    "Binomial",
    "BinomialLogits",
    "BinomialProbs",
    "CAR",
    "Categorical",
    "CategoricalLogits",
    "CategoricalProbs",
    "Cauchy",
    "CirculantNormal",
    "Delta",
    "Dirichlet",
    "Distribution",
    "EulerMaruyama",
    "Exponential",
    "Gamma",
    "GaussianCopula",
    "GaussianCopulaBeta",
    "GaussianHMM",
    "GaussianProcess",
    "GaussianRandomWalk",
    "GaussianStateSpace",
    "HMM",
    "HalfCauchy",
    "HalfNormal",
    "ImproperUniform",
    "Independent",
    "InverseGamma",
    "InverseWishart",
    "InverseWishartCholesky",
    "LKJ",
    "LKJCholesky",
    "LKJCovariance",
    "Laplace",
    "LogNormal",
    "LowRankMultivariateNormal",
    "MaskedDistribution",
    "MatrixNormal",
    "MultivariateNormal",
    "MultivariateStudentT",
    "Normal",
    "NormalGLM",
    "Poisson",
    "PoissonLogGLM",
    "ProjectedNormal",
    "SineBivariateVonMises",
    "SineSkewed",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "Unit",
    "Wishart",
    "WishartCholesky",
    "ZeroSumNormal",
    "biject_to",
    "constraints",
    "transforms",
]
