from ppl.distributions import constraints as constraints
from ppl.distributions import flows as flows
from ppl.distributions import transforms as transforms
from ppl.distributions.asymmetric_laplace import AsymmetricLaplace as AsymmetricLaplace
from ppl.distributions.asymmetric_laplace import (
    AsymmetricLaplaceQuantile as AsymmetricLaplaceQuantile,
)
from ppl.distributions.bernoulli import Bernoulli as Bernoulli
from ppl.distributions.bernoulli import BernoulliLogits as BernoulliLogits
from ppl.distributions.bernoulli import BernoulliProbs as BernoulliProbs
from ppl.distributions.beta import Beta as Beta
from ppl.distributions.beta import BetaProportion as BetaProportion
from ppl.distributions.beta import GaussianCopulaBeta as GaussianCopulaBeta
from ppl.distributions.beta_binomial import BetaBinomial as BetaBinomial
from ppl.distributions.beta_binomial import BetaNegativeBinomial as BetaNegativeBinomial
from ppl.distributions.binomial import Binomial as Binomial
from ppl.distributions.binomial import BinomialLogits as BinomialLogits
from ppl.distributions.binomial import BinomialProbs as BinomialProbs
from ppl.distributions.car import CAR as CAR
from ppl.distributions.categorical import Categorical as Categorical
from ppl.distributions.categorical import CategoricalLogits as CategoricalLogits
from ppl.distributions.categorical import CategoricalProbs as CategoricalProbs
from ppl.distributions.cauchy import Cauchy as Cauchy
from ppl.distributions.cauchy import HalfCauchy as HalfCauchy
from ppl.distributions.cauchy import TruncatedCauchy as TruncatedCauchy
from ppl.distributions.censored import (
    IntervalCensoredDistribution as IntervalCensoredDistribution,
)
from ppl.distributions.censored import (
    LeftCensoredDistribution as LeftCensoredDistribution,
)
from ppl.distributions.censored import (
    RightCensoredDistribution as RightCensoredDistribution,
)
from ppl.distributions.circulant_normal import CirculantNormal as CirculantNormal
from ppl.distributions.conway_maxwell_poisson import (
    ConwayMaxwellPoisson as ConwayMaxwellPoisson,
)
from ppl.distributions.custom import CustomDist as CustomDist
from ppl.distributions.dagum import Dagum as Dagum
from ppl.distributions.delta import Delta as Delta
from ppl.distributions.dirichlet import Dirichlet as Dirichlet
from ppl.distributions.discrete_uniform import DiscreteUniform as DiscreteUniform
from ppl.distributions.discrete_weibull import DiscreteWeibull as DiscreteWeibull
from ppl.distributions.distribution import Distribution as Distribution
from ppl.distributions.distribution import Independent as Independent
from ppl.distributions.distribution import MaskedDistribution as MaskedDistribution
from ppl.distributions.euler_maruyama import EulerMaruyama as EulerMaruyama
from ppl.distributions.ex_gaussian import ExGaussian as ExGaussian
from ppl.distributions.expanded import ExpandedDistribution as ExpandedDistribution
from ppl.distributions.exponential import Exponential as Exponential
from ppl.distributions.extreme_value import (
    GeneralizedExtremeValue as GeneralizedExtremeValue,
)
from ppl.distributions.extreme_value import GeneralizedPareto as GeneralizedPareto
from ppl.distributions.folded import FoldedDistribution as FoldedDistribution
from ppl.distributions.foreign import FlowJAXDistribution as FlowJAXDistribution
from ppl.distributions.foreign import SciPyDistribution as SciPyDistribution
from ppl.distributions.foreign import TFPDistribution as TFPDistribution
from ppl.distributions.foreign import as_distribution as as_distribution
from ppl.distributions.gamma import Chi2 as Chi2
from ppl.distributions.gamma import Gamma as Gamma
from ppl.distributions.gamma import HurdleGamma as HurdleGamma
from ppl.distributions.gamma import InverseGamma as InverseGamma
from ppl.distributions.gamma import LeftTruncatedGamma as LeftTruncatedGamma
from ppl.distributions.gamma import RightTruncatedGamma as RightTruncatedGamma
from ppl.distributions.gamma import TruncatedGamma as TruncatedGamma
from ppl.distributions.gamma import TwoSidedTruncatedGamma as TwoSidedTruncatedGamma
from ppl.distributions.gaussian_copula import GaussianCopula as GaussianCopula
from ppl.distributions.gaussian_hmm import GaussianHMM as GaussianHMM
from ppl.distributions.gaussian_process import GaussianProcess as GaussianProcess
from ppl.distributions.gaussian_state_space import (
    GaussianStateSpace as GaussianStateSpace,
)
from ppl.distributions.generalized_normal import GeneralizedNormal as GeneralizedNormal
from ppl.distributions.geometric import Geometric as Geometric
from ppl.distributions.geometric import GeometricLogits as GeometricLogits
from ppl.distributions.geometric import GeometricProbs as GeometricProbs
from ppl.distributions.glm import BernoulliLogitsGLM as BernoulliLogitsGLM
from ppl.distributions.glm import NormalGLM as NormalGLM
from ppl.distributions.glm import PoissonLogGLM as PoissonLogGLM
from ppl.distributions.gompertz import Gompertz as Gompertz
from ppl.distributions.gumbel import Gumbel as Gumbel
from ppl.distributions.hmm import HMM as HMM
from ppl.distributions.hurdle import HurdleDistribution as HurdleDistribution
from ppl.distributions.hurdle import HurdleLogits as HurdleLogits
from ppl.distributions.hurdle import HurdleProbs as HurdleProbs
from ppl.distributions.hypergeometric import Hypergeometric as Hypergeometric
from ppl.distributions.improper_uniform import ImproperUniform as ImproperUniform
from ppl.distributions.inverse_gaussian import InverseGaussian as InverseGaussian
from ppl.distributions.inverse_gaussian import Wald as Wald
from ppl.distributions.inverse_wishart import InverseWishart as InverseWishart
from ppl.distributions.inverse_wishart import (
    InverseWishartCholesky as InverseWishartCholesky,
)
from ppl.distributions.kl import kl_divergence as kl_divergence
from ppl.distributions.kl import register_kl as register_kl
from ppl.distributions.kumaraswamy import Kumaraswamy as Kumaraswamy
from ppl.distributions.laplace import Laplace as Laplace
from ppl.distributions.levy import Levy as Levy
from ppl.distributions.lkj import LKJ as LKJ
from ppl.distributions.lkj import LKJCholesky as LKJCholesky
from ppl.distributions.lkj import LKJCovariance as LKJCovariance
from ppl.distributions.log_logistic import LogLogistic as LogLogistic
from ppl.distributions.log_uniform import LogUniform as LogUniform
from ppl.distributions.logistic import Logistic as Logistic
from ppl.distributions.logit_normal import LogitNormal as LogitNormal
from ppl.distributions.low_rank_multivariate_normal import (
    LowRankMultivariateNormal as LowRankMultivariateNormal,
)
from ppl.distributions.matrix_normal import MatrixNormal as MatrixNormal
from ppl.distributions.mixture import Mixture as Mixture
from ppl.distributions.mixture import MixtureGeneral as MixtureGeneral
from ppl.distributions.mixture import MixtureSameFamily as MixtureSameFamily
from ppl.distributions.moyal import Moyal as Moyal
from ppl.distributions.multinomial import DirichletMultinomial as DirichletMultinomial
from ppl.distributions.multinomial import Multinomial as Multinomial
from ppl.distributions.multinomial import MultinomialLogits as MultinomialLogits
from ppl.distributions.multinomial import MultinomialProbs as MultinomialProbs
from ppl.distributions.multivariate_normal import (
    MultivariateNormal as MultivariateNormal,
)
from ppl.distributions.multivariate_student_t import (
    MultivariateStudentT as MultivariateStudentT,
)
from ppl.distributions.nakagami import Nakagami as Nakagami
from ppl.distributions.negative_binomial import GammaPoisson as GammaPoisson
from ppl.distributions.negative_binomial import (
    HurdleNegativeBinomial2 as HurdleNegativeBinomial2,
)
from ppl.distributions.negative_binomial import NegativeBinomial as NegativeBinomial
from ppl.distributions.negative_binomial import NegativeBinomial2 as NegativeBinomial2
from ppl.distributions.negative_binomial import (
    NegativeBinomialLogits as NegativeBinomialLogits,
)
from ppl.distributions.negative_binomial import (
    NegativeBinomialProbs as NegativeBinomialProbs,
)
from ppl.distributions.negative_binomial import (
    ZeroInflatedNegativeBinomial2 as ZeroInflatedNegativeBinomial2,
)
from ppl.distributions.normal import HalfNormal as HalfNormal
from ppl.distributions.normal import HurdleLogNormal as HurdleLogNormal
from ppl.distributions.normal import LogNormal as LogNormal
from ppl.distributions.normal import Normal as Normal
from ppl.distributions.normal import TruncatedNormal as TruncatedNormal
from ppl.distributions.ordered import OrderedLogistic as OrderedLogistic
from ppl.distributions.ordered import OrderedProbit as OrderedProbit
from ppl.distributions.plackett_luce import PlackettLuce as PlackettLuce
from ppl.distributions.poisson import HurdlePoisson as HurdlePoisson
from ppl.distributions.poisson import Poisson as Poisson
from ppl.distributions.poisson import ZeroInflatedPoisson as ZeroInflatedPoisson
from ppl.distributions.power_law import (
    DoublyTruncatedPowerLaw as DoublyTruncatedPowerLaw,
)
from ppl.distributions.power_law import LowerTruncatedPowerLaw as LowerTruncatedPowerLaw
from ppl.distributions.power_law import Pareto as Pareto
from ppl.distributions.projected_normal import ProjectedNormal as ProjectedNormal
from ppl.distributions.random_walk import GaussianRandomWalk as GaussianRandomWalk
from ppl.distributions.relaxed_bernoulli import RelaxedBernoulli as RelaxedBernoulli
from ppl.distributions.relaxed_bernoulli import (
    RelaxedBernoulliLogits as RelaxedBernoulliLogits,
)
from ppl.distributions.rice import Rice as Rice
from ppl.distributions.sine_bivariate_von_mises import (
    SineBivariateVonMises as SineBivariateVonMises,
)
from ppl.distributions.sine_skewed import SineSkewed as SineSkewed
from ppl.distributions.skellam import Skellam as Skellam
from ppl.distributions.skew_normal import SkewNormal as SkewNormal
from ppl.distributions.soft_laplace import SoftLaplace as SoftLaplace
from ppl.distributions.stick_breaking_weights import (
    StickBreakingWeights as StickBreakingWeights,
)
from ppl.distributions.student_t import HalfStudentT as HalfStudentT
from ppl.distributions.student_t import StudentT as StudentT
from ppl.distributions.transformed import (
    TransformedDistribution as TransformedDistribution,
)
from ppl.distributions.transforms import biject_to as biject_to
from ppl.distributions.triangular import PERT as PERT
from ppl.distributions.triangular import Triangular as Triangular
from ppl.distributions.truncated import (
    LeftTruncatedDistribution as LeftTruncatedDistribution,
)
from ppl.distributions.truncated import (
    RightTruncatedDistribution as RightTruncatedDistribution,
)
from ppl.distributions.truncated import TruncatedDistribution as TruncatedDistribution
from ppl.distributions.truncated import (
    TwoSidedTruncatedDistribution as TwoSidedTruncatedDistribution,
)
from ppl.distributions.truncated_polya_gamma import (
    TruncatedPolyaGamma as TruncatedPolyaGamma,
)
from ppl.distributions.uniform import Uniform as Uniform
from ppl.distributions.unit import Unit as Unit
from ppl.distributions.von_mises import VonMises as VonMises
from ppl.distributions.weibull import Weibull as Weibull
from ppl.distributions.wishart import Wishart as Wishart
from ppl.distributions.wishart import WishartCholesky as WishartCholesky
from ppl.distributions.zero_inflated import (
    ZeroInflatedDistribution as ZeroInflatedDistribution,
)
from ppl.distributions.zero_inflated import ZeroInflatedLogits as ZeroInflatedLogits
from ppl.distributions.zero_inflated import ZeroInflatedProbs as ZeroInflatedProbs
from ppl.distributions.zero_sum_normal import ZeroSumNormal as ZeroSumNormal
from ppl.distributions.zipf import Zipf as Zipf
