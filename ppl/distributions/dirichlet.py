"""The Dirichlet distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import (
    as_floats,
    clip_unit,
    deviance,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


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
        x, a = as_floats(value, self.concentration)
        total = a.sum(-1, keepdims=True)
        mean, log_a = total * x, jnp.log(a)
        edge, near = x == 0, jnp.abs(mean - a) < 0.5 * a
        log_x = jnp.log(jnp.where(edge, 1.0, x))

        far = a * (log_x + jnp.log(total) - log_a) + a - mean
        terms = jnp.where(near, -deviance(a, jnp.where(near, mean, a)), far)
        terms = terms - log_x + log_a - stirling_rest(a)
        on_edge = jnp.where(a == 1, 0.0, jnp.where(a < 1, jnp.inf, -jnp.inf))
        log_prob = (terms + jnp.where(edge, on_edge, 0.0)).sum(-1)
        log_prob += (stirling_rest(total) - jnp.log(total))[..., 0]
        return jnp.where(self.support(x), log_prob, -jnp.inf)

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
