"""Distributions, constraints and transforms under NumPyro's names."""

import importlib
from typing import TYPE_CHECKING, Any

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
from ppl.distributions.exponential import Exponential
from ppl.distributions.gamma import Gamma, InverseGamma
from ppl.distributions.glm import BernoulliLogitsGLM, NormalGLM, PoissonLogGLM
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.distributions.laplace import Laplace
from ppl.distributions.lkj import LKJCholesky
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.normal import HalfNormal, LogNormal, Normal
from ppl.distributions.poisson import Poisson
from ppl.distributions.student_t import StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import biject_to
from ppl.distributions.uniform import Uniform
from ppl.distributions.unit import Unit

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
    "CustomDist",
    "Delta",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "FlowJAXDistribution",
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
    "SciPyDistribution",
    "StudentT",
    "TFPDistribution",
    "TransformedDistribution",
    "Uniform",
    "Unit",
    "as_distribution",
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
