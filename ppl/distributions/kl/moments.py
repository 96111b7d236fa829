r"""Divergences that need no more of `p` than its entropy and a moment or two.

For some families $\log q(x)$ is a sum of moments of `x`: then $-H(p) - E_p[\log q(x)]$
is known for every `p` whose entropy and moments are.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike
from ppl.distributions._gates import AbstractGated
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions._wrapping import ends_of
from ppl.distributions.discrete_uniform import DiscreteUniform
from ppl.distributions.distribution import Distribution, MaskedDistribution
from ppl.distributions.exponential import Exponential
from ppl.distributions.geometric import AbstractGeometric
from ppl.distributions.kl.dispatch import no_formula, register_kl
from ppl.distributions.normal import Normal
from ppl.distributions.uniform import Uniform


def _entropy(p: Distribution, q: Distribution, *, discrete: bool) -> Array:
    """The entropy of `p`, if it is of the kind of `q` and a plain density."""
    odd = isinstance(p, AbstractGated) and not p.is_discrete  # has mass at zero, too
    if odd or isinstance(p, MaskedDistribution) or p.is_discrete is not discrete:
        raise no_formula(p, q)
    if p.is_circular:  # its moments are those of directions
        raise no_formula(p, q)
    try:
        return p.entropy()
    except TypeError as error:
        raise no_formula(p, q) from error


def _inside(p: Distribution, low: ArrayLike, high: ArrayLike) -> Array:
    """Whether the support of `p` lies between two bounds."""
    first, last = ends_of(p.support)
    first = -jnp.inf if first is None else first
    last = jnp.inf if last is None else last
    return (jnp.asarray(first) >= low) & (jnp.asarray(last) <= high)


def _finite(inside: Any, value: Array) -> Array:
    """A divergence, infinite where `p` leaves the support or a moment is infinite."""
    return jnp.where(inside & ~jnp.isnan(value), value, jnp.inf)


@register_kl(Distribution, Normal)
def _any_normal(p: Distribution, q: Normal) -> Array:
    entropy = _entropy(p, q, discrete=False)
    mean, variance, loc, scale = as_floats(p.mean, p.variance, q.loc, q.scale)
    squares = variance / jnp.square(scale) + jnp.square((mean - loc) / scale)
    cost = HALF_LOG_2PI + jnp.log(scale) + 0.5 * squares
    return _finite(jnp.isfinite(variance), cost - entropy)


@register_kl(Distribution, Exponential)
def _any_exponential(p: Distribution, q: Exponential) -> Array:
    entropy = _entropy(p, q, discrete=False)
    mean, rate = as_floats(p.mean, q.rate)
    return _finite(_inside(p, 0.0, jnp.inf), rate * mean - jnp.log(rate) - entropy)


@register_kl(Distribution, Uniform)
def _any_uniform(p: Distribution, q: Uniform) -> Array:
    entropy = _entropy(p, q, discrete=False)
    (width,) = as_floats(q.high - q.low)
    return _finite(_inside(p, q.low, q.high), jnp.log(width) - entropy)


@register_kl(Distribution, AbstractGeometric)
def _any_geometric(p: Distribution, q: AbstractGeometric) -> Array:
    entropy = _entropy(p, q, discrete=True)
    (mean,) = as_floats(p.mean)
    yes, no = q._shares()
    some = (mean > 0) & (no > 0)
    failures = mean * jnp.log(jnp.where(some, no, 1.0))
    cost = -jnp.log(yes) - jnp.where((mean > 0) & (no == 0), -jnp.inf, failures)
    return _finite(_inside(p, 0, math.inf), cost - entropy)


@register_kl(Distribution, DiscreteUniform)
def _any_discrete_uniform(p: Distribution, q: DiscreteUniform) -> Array:
    entropy = _entropy(p, q, discrete=True)
    low, high = as_floats(q.low, q.high)
    return _finite(_inside(p, q.low, q.high), jnp.log1p(high - low) - entropy)
