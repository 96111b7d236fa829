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
from ppl.distributions.cauchy import Cauchy, HalfCauchy, TruncatedCauchy
from ppl.distributions.censored import (
    IntervalCensoredDistribution,
    LeftCensoredDistribution,
    RightCensoredDistribution,
)
from ppl.distributions.delta import Delta
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.expanded import ExpandedDistribution
from ppl.distributions.exponential import Exponential
from ppl.distributions.folded import FoldedDistribution
from ppl.distributions.gamma import (
    Gamma,
    HurdleGamma,
    InverseGamma,
    LeftTruncatedGamma,
    RightTruncatedGamma,
    TruncatedGamma,
    TwoSidedTruncatedGamma,
)
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.hurdle import HurdleDistribution, HurdleLogits, HurdleProbs
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.distributions.laplace import Laplace
from ppl.distributions.lkj import LKJCholesky
from ppl.distributions.mixture import Mixture, MixtureGeneral, MixtureSameFamily
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.normal import (
    HalfNormal,
    HurdleLogNormal,
    LogNormal,
    Normal,
    TruncatedNormal,
)
from ppl.distributions.poisson import HurdlePoisson, Poisson, ZeroInflatedPoisson
from ppl.distributions.student_t import StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.truncated import (
    LeftTruncatedDistribution,
    RightTruncatedDistribution,
    TruncatedDistribution,
    TwoSidedTruncatedDistribution,
)
from ppl.distributions.uniform import Uniform
from ppl.distributions.unit import Unit
from ppl.distributions.zero_inflated import (
    ZeroInflatedDistribution,
    ZeroInflatedLogits,
    ZeroInflatedProbs,
)

__all__ = [
    "TruncatedCauchy",
    "TruncatedNormal",
    "HurdleLogNormal",
    "ZeroInflatedPoisson",
    "HurdlePoisson",
    "HurdleGamma",
    "TruncatedGamma",
    "LeftTruncatedGamma",
    "RightTruncatedGamma",
    "TwoSidedTruncatedGamma",
    "LeftTruncatedDistribution",
    "RightTruncatedDistribution",
    "TwoSidedTruncatedDistribution",
    "TruncatedDistribution",
    "LeftCensoredDistribution",
    "RightCensoredDistribution",
    "IntervalCensoredDistribution",
    "FoldedDistribution",
    "ExpandedDistribution",
    "Mixture",
    "MixtureGeneral",
    "MixtureSameFamily",
    "ZeroInflatedDistribution",
    "ZeroInflatedLogits",
    "ZeroInflatedProbs",
    "HurdleDistribution",
    "HurdleLogits",
    "HurdleProbs",
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
    "Exponential",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "ImproperUniform",
    "Independent",
    "InverseGamma",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "MaskedDistribution",
    "MultivariateNormal",
    "Normal",
    "NormalGLM",
    "Poisson",
    "PoissonLogGLM",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "Unit",
    "biject_to",
    "constraints",
    "transforms",
]
