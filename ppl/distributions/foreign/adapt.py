"""How a distribution of another package is recognised: by its methods."""

from __future__ import annotations

from typing import Any

from ppl._errors import ArgumentTypeError
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution
from ppl.distributions.foreign.flowjax import FlowJAXDistribution, FlowJAXLike
from ppl.distributions.foreign.frozen import (
    SciPyDensity,
    SciPyDistribution,
    SciPyMass,
)
from ppl.distributions.foreign.tfp import DistraxLike, TFPDistribution, TFPLike


def as_distribution(fn: Any, support: Constraint | None = None) -> Distribution:
    """`fn` as a distribution that models can use.

    Args:
        fn: A distribution of TFP on JAX, of Distrax, of FlowJAX, or a frozen one of
            SciPy, of which only the log density is used, and which has no gradient.
        support: The set of its values. By default that of TFP's default bijector, for
            FlowJAX all real arrays, for SciPy what `fn.support()` says; Distrax does
            not tell.

    Raises:
        ArgumentTypeError: It is none of these.
    """
    if isinstance(fn, Distribution):
        return fn
    if isinstance(fn, TFPLike | DistraxLike):
        return TFPDistribution(fn, support)
    if isinstance(fn, FlowJAXLike):
        return FlowJAXDistribution(fn, support)
    if isinstance(fn, SciPyDensity | SciPyMass):
        return SciPyDistribution(fn, support)
    raise ArgumentTypeError(
        f"needs a distribution, got {type(fn).__name__}.",
        value=fn,
        hint="Write sample(name, ppl.distributions.Normal(0.0, 1.0)).",
    )
