"""Distributions of TFP on JAX, Distrax, FlowJAX, and frozen ones of SciPy in models.

They are known by their methods, and no such package is imported. `ppl.sample` adapts
what it is given; `as_distribution` does it by hand, where the support has to be said.
"""

from ppl.distributions.foreign.adapt import as_distribution
from ppl.distributions.foreign.flowjax import FlowJAXDistribution
from ppl.distributions.foreign.frozen import SciPyDistribution
from ppl.distributions.foreign.tfp import TFPDistribution

__all__ = [
    "FlowJAXDistribution",
    "SciPyDistribution",
    "TFPDistribution",
    "as_distribution",
]
