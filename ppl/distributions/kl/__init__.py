"""Kullback-Leibler divergences between distributions, in closed form.

`kl_divergence(p, q)` looks up the formula for the two families. A formula for another
pair is added with `@register_kl(P, Q)`; it then holds for their subclasses too.
"""

from ppl.distributions.kl import (
    continuous,
    discrete,
    joint,
    moments,
    univariate,
    wrapped,
)
from ppl.distributions.kl.dispatch import kl_divergence, register_kl

__all__ = [
    "continuous",
    "discrete",
    "joint",
    "kl_divergence",
    "moments",
    "register_kl",
    "univariate",
    "wrapped",
]
