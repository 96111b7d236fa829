"""Distributions, constraints and transforms under NumPyro's names.

A module is imported when one of its names is used first: most models need few. What
type checkers see is in `__init__.pyi`.
"""

import importlib
from typing import Any

_NAMES = {
    "asymmetric_laplace": "AsymmetricLaplace AsymmetricLaplaceQuantile",
    "bernoulli": "Bernoulli BernoulliLogits BernoulliProbs",
    "beta": "Beta BetaProportion GaussianCopulaBeta",
    "beta_binomial": "BetaBinomial BetaNegativeBinomial",
    "binomial": "Binomial BinomialLogits BinomialProbs",
    "car": "CAR",
    "categorical": "Categorical CategoricalLogits CategoricalProbs",
    "cauchy": "Cauchy HalfCauchy TruncatedCauchy",
    "censored": (
        "IntervalCensoredDistribution LeftCensoredDistribution "
        "RightCensoredDistribution"
    ),
    "circulant_normal": "CirculantNormal",
    "conway_maxwell_poisson": "ConwayMaxwellPoisson",
    "custom": "CustomDist",
    "dagum": "Dagum",
    "delta": "Delta",
    "dirichlet": "Dirichlet",
    "discrete_uniform": "DiscreteUniform",
    "discrete_weibull": "DiscreteWeibull",
    "distribution": "Distribution Independent MaskedDistribution",
    "euler_maruyama": "EulerMaruyama",
    "ex_gaussian": "ExGaussian",
    "expanded": "ExpandedDistribution",
    "exponential": "Exponential",
    "extreme_value": "GeneralizedExtremeValue GeneralizedPareto",
    "folded": "FoldedDistribution",
    "foreign": "FlowJAXDistribution SciPyDistribution TFPDistribution as_distribution",
    "gamma": (
        "Chi2 Gamma HurdleGamma InverseGamma LeftTruncatedGamma "
        "RightTruncatedGamma TruncatedGamma TwoSidedTruncatedGamma"
    ),
    "gaussian_copula": "GaussianCopula",
    "gaussian_hmm": "GaussianHMM",
    "gaussian_process": "GaussianProcess",
    "gaussian_state_space": "GaussianStateSpace",
    "generalized_normal": "GeneralizedNormal",
    "geometric": "Geometric GeometricLogits GeometricProbs",
    "glm": "BernoulliLogitsGLM NormalGLM PoissonLogGLM",
    "gompertz": "Gompertz",
    "gumbel": "Gumbel",
    "hmm": "HMM",
    "hurdle": "HurdleDistribution HurdleLogits HurdleProbs",
    "hypergeometric": "Hypergeometric",
    "improper_uniform": "ImproperUniform",
    "inverse_gaussian": "InverseGaussian Wald",
    "inverse_wishart": "InverseWishart InverseWishartCholesky",
    "kl": "kl_divergence register_kl",
    "kumaraswamy": "Kumaraswamy",
    "laplace": "Laplace",
    "levy": "Levy",
    "lkj": "LKJ LKJCholesky LKJCovariance",
    "log_uniform": "LogUniform",
    "logistic": "Logistic",
    "logit_normal": "LogitNormal",
    "low_rank_multivariate_normal": "LowRankMultivariateNormal",
    "matrix_normal": "MatrixNormal",
    "mixture": "Mixture MixtureGeneral MixtureSameFamily",
    "moyal": "Moyal",
    "multinomial": (
        "DirichletMultinomial Multinomial MultinomialLogits MultinomialProbs"
    ),
    "multivariate_normal": "MultivariateNormal",
    "multivariate_student_t": "MultivariateStudentT",
    "nakagami": "Nakagami",
    "negative_binomial": (
        "GammaPoisson HurdleNegativeBinomial2 NegativeBinomial NegativeBinomial2 "
        "NegativeBinomialLogits NegativeBinomialProbs "
        "ZeroInflatedNegativeBinomial2"
    ),
    "normal": "HalfNormal HurdleLogNormal LogNormal Normal TruncatedNormal",
    "ordered": "OrderedLogistic OrderedProbit",
    "plackett_luce": "PlackettLuce",
    "poisson": "HurdlePoisson Poisson ZeroInflatedPoisson",
    "power_law": "DoublyTruncatedPowerLaw LowerTruncatedPowerLaw Pareto",
    "projected_normal": "ProjectedNormal",
    "random_walk": "GaussianRandomWalk",
    "relaxed_bernoulli": "RelaxedBernoulli RelaxedBernoulliLogits",
    "rice": "Rice",
    "sine_bivariate_von_mises": "SineBivariateVonMises",
    "sine_skewed": "SineSkewed",
    "skellam": "Skellam",
    "skew_normal": "SkewNormal",
    "soft_laplace": "SoftLaplace",
    "stick_breaking_weights": "StickBreakingWeights",
    "student_t": "HalfStudentT StudentT",
    "transformed": "TransformedDistribution",
    "transforms": "biject_to",
    "triangular": "PERT Triangular",
    "truncated": (
        "LeftTruncatedDistribution RightTruncatedDistribution "
        "TruncatedDistribution TwoSidedTruncatedDistribution"
    ),
    "truncated_polya_gamma": "TruncatedPolyaGamma",
    "uniform": "Uniform",
    "unit": "Unit",
    "von_mises": "VonMises",
    "weibull": "Weibull",
    "wishart": "Wishart WishartCholesky",
    "zero_inflated": "ZeroInflatedDistribution ZeroInflatedLogits ZeroInflatedProbs",
    "zero_sum_normal": "ZeroSumNormal",
    "zipf": "Zipf",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = sorted([*_HOMES, "constraints", "flows", "transforms"])  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ppl.distributions' has no attribute {name!r}")
    home = _HOMES.get(name)
    module = importlib.import_module(f"{__name__}.{home or name}")
    found = getattr(module, name) if home else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
