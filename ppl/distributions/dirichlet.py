"""The Dirichlet distribution."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import log_of_ratio, misfit
from ppl.distributions._special import (
    as_floats,
    clip_unit,
    fused,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param

# Concentrations are not broadcast to the values before what they cost alone is known:
# one vector of them often serves for many values.


def _compared(a: Array, x: Array) -> tuple[Array, Array, Array, Array]:
    """The total, what is expected of each, its gap to `a`, their far log ratio."""
    total = a.sum(-1, keepdims=True)
    mean = total * x
    return total, mean, mean - a, jnp.log(x) + (jnp.log(total) - jnp.log(a))


@jax.custom_jvp
def _log_density(a: Array, x: Array) -> Array:
    edge = x == 0
    x = jnp.where(edge, 1.0, x)
    total, mean, gap, far = _compared(a, x)
    own = jnp.log(a) - stirling_rest(a)
    inside = own - jnp.log(x) - misfit(a, mean, gap, far)
    on_edge = jnp.where(a < 1, jnp.inf, jnp.where(a == 1, jnp.log(total), -jnp.inf))
    whole = stirling_rest(total) - jnp.log(total)
    return jnp.where(edge, on_edge, inside).sum(-1) + whole[..., 0]


@partial(_log_density.defjvp, symbolic_zeros=True)
def _log_density_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, x), (da, dx) = primals, tangents
    out = _log_density(a, x)
    x = jnp.where(x == 0, 1.0, x)
    total, _, gap, far = _compared(a, x)
    change = jnp.zeros_like(gap)
    if not isinstance(da, SymbolicZero):
        own = stirling_slope(total) - 1 / total - stirling_slope(a) + 1 / a
        change += (log_of_ratio(a, gap, far) + own) * da
    if not isinstance(dx, SymbolicZero):
        change += ((a - 1) / x - total) * dx
    return out, change.sum(-1)


@fused
def _log_prob(a: ArrayLike, value: ArrayLike) -> Array:
    return _log_density(*as_floats(a, value))


@distribution
class Dirichlet(Distribution):
    r"""Dirichlet, with density $\propto \prod_k x_k^{\alpha_k - 1}$ on the simplex.

    The density is taken with respect to the first `K - 1` components. It is computed as
    a sum of deviances, which keeps its digits for large concentrations; a value is
    judged by its direction, so that its sum need only be one up to rounding.

    Args:
        concentration: Positive, shape `(..., K)`.
    """

    concentration: ArrayLike = param(constraints.independent(constraints.positive, 1))
    support = constraints.simplex
    has_rsample = True

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.concentration)[-1:]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        # In logarithms, since small concentrations underflow otherwise.
        shape = self.shape(sample_shape)
        log_gamma = jax.random.loggamma(key, jnp.asarray(self.concentration), shape)
        return clip_unit(jax.nn.softmax(log_gamma, axis=-1))

    def log_prob(self, value: ArrayLike) -> Array:
        log_prob = _log_prob(self.concentration, value)
        return jnp.where(self.support(value), log_prob, -jnp.inf)

    @property
    def mean(self) -> Array:
        a = jnp.asarray(self.concentration)
        return a / a.sum(-1, keepdims=True)

    @property
    def variance(self) -> Array:
        a = jnp.asarray(self.concentration)
        total = a.sum(-1, keepdims=True)
        return a * (total - a) / (total**2 * (total + 1))

    @property
    def mode(self) -> Array:
        """The mode; on an edge or in a corner where the density has no peak inside."""
        (a,) = as_floats(self.concentration)
        excess = jnp.maximum(a - 1, 0.0)
        total = excess.sum(-1, keepdims=True)
        corner = jax.nn.one_hot(a.argmax(-1), a.shape[-1], dtype=a.dtype)
        return jnp.where(total > 0, excess / jnp.where(total > 0, total, 1.0), corner)

    def entropy(self) -> Array:
        (a,) = as_floats(self.concentration)
        size, total = a.shape[-1], a.sum(-1)
        whole = (total - size) * (stirling_slope(total) - 1 / total)
        whole = whole - stirling_rest(total) - (size - 1) * jnp.log(total)
        parts = stirling_rest(a) - (a - 1) * (stirling_slope(a) - 1 / a)
        return whole + parts.sum(-1)
