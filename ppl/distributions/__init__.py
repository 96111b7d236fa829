"""Distributions, constraints and transforms under NumPyro's names."""

import importlib
from typing import TYPE_CHECKING, Any

from ppl.distributions import constraints, transforms
from ppl.distributions.asymmetric_laplace import (
    AsymmetricLaplace,
    AsymmetricLaplaceQuantile,
)
from ppl.distributions.bernoulli import Bernoulli, BernoulliLogits, BernoulliProbs
from ppl.distributions.beta import Beta, BetaProportion
from ppl.distributions.beta import Beta
from ppl.distributions.beta_binomial import BetaBinomial, BetaNegativeBinomial
from ppl.distributions.binomial import Binomial, BinomialLogits, BinomialProbs
from ppl.distributions.categorical import (
    Categorical,
    CategoricalLogits,
    CategoricalProbs,
)
from ppl.distributions.cauchy import Cauchy, HalfCauchy
from ppl.distributions.dagum import Dagum
from ppl.distributions.conway_maxwell_poisson import ConwayMaxwellPoisson
from ppl.distributions.cauchy import Cauchy, HalfCauchy, TruncatedCauchy
from ppl.distributions.censored import (
    IntervalCensoredDistribution,
    LeftCensoredDistribution,
    RightCensoredDistribution,
)
from ppl.distributions.delta import Delta
from ppl.distributions.dirichlet import Dirichlet
from ppl.distributions.discrete_uniform import DiscreteUniform
from ppl.distributions.discrete_weibull import DiscreteWeibull
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.ex_gaussian import ExGaussian
from ppl.distributions.exponential import Exponential
from ppl.distributions.gamma import Chi2, Gamma, InverseGamma
from ppl.distributions.extreme_value import GeneralizedExtremeValue, GeneralizedPareto
from ppl.distributions.gamma import Gamma, InverseGamma
from ppl.distributions.generalized_normal import GeneralizedNormal
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.gompertz import Gompertz
from ppl.distributions.gumbel import Gumbel
from ppl.distributions.geometric import Geometric, GeometricLogits, GeometricProbs
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.hypergeometric import Hypergeometric
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
from ppl.distributions.kumaraswamy import Kumaraswamy
from ppl.distributions.inverse_gaussian import InverseGaussian, Wald
from ppl.distributions.laplace import Laplace
from ppl.distributions.levy import Levy
from ppl.distributions.lkj import LKJCholesky
from ppl.distributions.log_uniform import LogUniform
from ppl.distributions.logistic import Logistic
from ppl.distributions.logit_normal import LogitNormal
from ppl.distributions.moyal import Moyal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.nakagami import Nakagami
from ppl.distributions.normal import HalfNormal, LogNormal, Normal
from ppl.distributions.plackett_luce import PlackettLuce
from ppl.distributions.poisson import Poisson
from ppl.distributions.power_law import (
    DoublyTruncatedPowerLaw,
    LowerTruncatedPowerLaw,
    Pareto,
)
from ppl.distributions.relaxed_bernoulli import RelaxedBernoulli, RelaxedBernoulliLogits
from ppl.distributions.soft_laplace import SoftLaplace
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
from ppl.distributions.truncated_polya_gamma import TruncatedPolyaGamma
from ppl.distributions.rice import Rice
from ppl.distributions.skew_normal import SkewNormal
from ppl.distributions.stick_breaking_weights import StickBreakingWeights
from ppl.distributions.student_t import HalfStudentT, StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.triangular import PERT, Triangular
from ppl.distributions.uniform import Uniform
from ppl.distributions.unit import Unit
from ppl.distributions.von_mises import VonMises
from ppl.distributions.weibull import Weibull

if TYPE_CHECKING:
    from ppl.distributions import flows
    from ppl.distributions.custom import CustomDist
    from ppl.distributions.foreign import (
        FlowJAXDistribution,
        SciPyDistribution,
        TFPDistribution,
        as_distribution,
    )
    from ppl.distributions.kl import kl_divergence, register_kl

# Imported when they are used first: most models need none of them.
_LATER = {
    "CustomDist": "ppl.distributions.custom",
    "FlowJAXDistribution": "ppl.distributions.foreign",
    "SciPyDistribution": "ppl.distributions.foreign",
    "TFPDistribution": "ppl.distributions.foreign",
    "as_distribution": "ppl.distributions.foreign",
    "flows": "ppl.distributions",
    "kl_divergence": "ppl.distributions.kl",
    "register_kl": "ppl.distributions.kl",
}
from ppl.distributions.zipf import Zipf

__all__ = [
    "AsymmetricLaplace",
    "AsymmetricLaplaceQuantile",
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
    "BetaProportion",
    "BetaBinomial",
    "BetaNegativeBinomial",
    "Binomial",
    "BinomialLogits",
    "BinomialProbs",
    "Categorical",
    "CategoricalLogits",
    "CategoricalProbs",
    "Cauchy",
    "CustomDist",
    "Chi2",
    "Dagum",
    "ConwayMaxwellPoisson",
    "Delta",
    "Dirichlet",
    "DirichletMultinomial",
    "DiscreteUniform",
    "DiscreteWeibull",
    "Distribution",
    "DoublyTruncatedPowerLaw",
    "ExGaussian",
    "Exponential",
    "FlowJAXDistribution",
    "Gamma",
    "Gompertz",
    "Gumbel",
    "GeneralizedExtremeValue",
    "GeneralizedNormal",
    "GeneralizedPareto",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
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
    "Kumaraswamy",
    "InverseGaussian",
    "LKJCholesky",
    "Laplace",
    "Levy",
    "LogNormal",
    "LogUniform",
    "Logistic",
    "LowerTruncatedPowerLaw",
    "LogitNormal",
    "MaskedDistribution",
    "Moyal",
    "MultivariateNormal",
    "Nakagami",
    "Normal",
    "NormalGLM",
    "Pareto",
    "Poisson",
    "PoissonLogGLM",
    "SciPyDistribution",
    "RelaxedBernoulli",
    "RelaxedBernoulliLogits",
    "SoftLaplace",
    "PERT",
    "PlackettLuce",
    "Poisson",
    "PoissonLogGLM",
    "Rice",
    "SkewNormal",
    "StickBreakingWeights",
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
    "TFPDistribution",
    "TransformedDistribution",
    "TruncatedPolyaGamma",
    "Uniform",
    "Unit",
    "as_distribution",
    "VonMises",
    "Weibull",
    "Triangular",
    "Uniform",
    "Unit",
    "Wald",
    "Zipf",
    "biject_to",
    "constraints",
    "flows",
    "kl_divergence",
    "register_kl",
    "transforms",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'ppl.distributions' has no attribute {name!r}")
    if _LATER[name] == __name__:  # a module of this package
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
