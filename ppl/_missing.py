"""Vectors and arrays of which some coordinates are missing: what is known of the rest.

Of independent coordinates each is by itself. A normal vector is split exactly, into the
marginal law of what is observed and the conditional law of what is missing. Of any
other law on the reals the missing coordinates are unknowns, and the density of the
completed value says how likely they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import jax.numpy as jnp

from ppl._errors import ArgumentTypeError, ModelError
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import lower_times, product, solve_lower
from ppl.distributions._linalg import solve_lower_columns as solve_columns
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    distribution,
    param,
)
from ppl.distributions.low_rank_multivariate_normal import LowRankMultivariateNormal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.transforms.base import bare
from ppl.distributions.unit import Unit

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_UNIT_DENSITY = 1 / math.sqrt(2 * math.pi)  # a normal of this scale has it at its mean

Seen = Callable[[Array], tuple[Distribution, Array]]


def split(
    name: str, fn: Distribution, given: Array, mask: Array
) -> tuple[Distribution, Seen]:
    """A law for all coordinates, of which the missing ones count, and what is observed.

    Args:
        name: Of the site.
        fn: The law of a value.
        given: The value, with anything where it is missing.
        mask: Where it is observed, of the same shape.

    Returns:
        The law to draw from; from the completed value, what is observed: law and value.

    Raises:
        ModelError: The coordinates depend on each other and are not on the reals.
    """
    match fn:
        case Independent(base_dist=base) if not base.event_dim:
            seen = jnp.where(mask, given, fn.support.feasible_like(given))
            own = fn.reinterpreted_batch_ndims
            return fn, lambda _: (Independent(base.mask(mask), own), seen)
        case Independent(base_dist=base):
            own = fn.reinterpreted_batch_ndims
            law, seen_of = split(name, base, given, mask)

            def wrapped(value: Array) -> tuple[Distribution, Array]:
                inner, seen = seen_of(value)
                return Independent(inner, own), seen

            return Independent(law, own), wrapped
        case MultivariateNormal():
            return _split_normal(fn.loc, jnp.asarray(fn.scale_tril), given, mask)
        case LowRankMultivariateNormal():
            diagonal = jnp.sqrt(jnp.asarray(fn.cov_diag))[..., None]
            wide = jnp.broadcast_shapes(fn.cov_factor.shape[:-2], diagonal.shape[:-2])
            parts = fn.cov_factor, diagonal * jnp.eye(diagonal.shape[-2])
            parts = [jnp.broadcast_to(p, (*wide, *p.shape[-2:])) for p in parts]
            return _split_normal(fn.loc, jnp.concatenate(parts, -1), given, mask)
    if bare(fn.support) != constraints.real:
        raise ModelError(
            f"obs_mask has the shape of the value, {jnp.shape(mask)}, but single "
            f"coordinates of a {type(fn).__name__} cannot be missing: each "
            f"{fn.support.rule}.",
            site=name,
            value=jnp.shape(mask),
            hint="Give obs_mask the batch shape, so that values are there or missing "
            "as a whole.",
        )
    return _Unknown(mask, fn.event_dim), lambda v: _as_term(fn.log_prob(v))


def _as_term(log_factor: Array) -> tuple[Distribution, Array]:
    return Unit(log_factor), jnp.zeros((*log_factor.shape, 0), log_factor.dtype)


def _split_normal(
    loc: Any, factor: Array, given: Array, mask: Array
) -> tuple[Distribution, Seen]:
    """A normal vector `loc + T e` with T of shape (..., n, p), n <= p."""
    padding = jnp.where(mask, 0.0, _UNIT_DENSITY).astype(factor.dtype)
    known = jnp.where(mask[..., None], factor, 0.0)
    unknown = jnp.where(mask[..., None], 0.0, factor)
    marginal = _lower(known, padding)
    seen, mean = jnp.where(mask, given, 0.0), jnp.where(mask, loc, 0.0)
    # What e is given the data: W' L^-1 r on average, and of covariance I - W' W.
    weights = solve_columns(marginal, known)
    turned = jnp.swapaxes(weights, -2, -1)
    noise = lower_times(turned, solve_lower(marginal, seen - mean))
    left = unknown - product(product(unknown, turned), weights)
    spread = jnp.where(mask, jnp.sqrt(jnp.square(factor).sum(-1)), 0.0)
    conditional = MultivariateNormal(
        loc + lower_times(unknown, noise),
        scale_tril=_lower(left, spread),
        validate_args=False,
    )
    observed = MultivariateNormal(mean, scale_tril=marginal, validate_args=False)
    return conditional, lambda _: (observed, seen)


def _lower(factor: Array, diagonal: Array) -> Array:
    """The Cholesky factor of `T T' + D^2`, without that product."""
    square = diagonal[..., None] * jnp.eye(diagonal.shape[-1], dtype=factor.dtype)
    wide = jnp.broadcast_shapes(factor.shape[:-2], square.shape[:-2])
    parts = [jnp.broadcast_to(p, (*wide, *p.shape[-2:])) for p in (factor, square)]
    tall = jnp.swapaxes(jnp.concatenate(parts, -1), -2, -1)
    upper = jnp.linalg.qr(tall, mode="r")
    signs = jnp.where(jnp.diagonal(upper, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return jnp.swapaxes(upper * signs[..., None], -2, -1)


@distribution
class _Unknown(Distribution):
    """Values of which some coordinates have any law that other terms give them.

    Where `known` is True they are standard normal and of no use.
    """

    known: ArrayLike = param(constraints.boolean)
    _event_dim: int = static(default=1)

    @property
    def support(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, self._event_dim)

    @property
    def batch_shape(self) -> Shape:
        return jnp.shape(self.known)[: -self._event_dim]

    @property
    def event_shape(self) -> Shape:
        return jnp.shape(self.known)[-self._event_dim :]

    def sample(self, key: Key, sample_shape: Shape = ()) -> NoReturn:
        raise ArgumentTypeError(
            "the missing coordinates of an observed value cannot be drawn: only of "
            "normal vectors and independent coordinates is it known how.",
            hint="Fit the model; NUTS needs the density only. To draw, give the site "
            "`…_unobserved` values, as those of the posterior.",
        )

    def log_prob(self, value: ArrayLike) -> Array:
        terms = jnp.where(self.known, -0.5 * jnp.square(value) - _HALF_LOG_2PI, 0.0)
        return terms.sum(tuple(range(-self._event_dim, 0)))

    def expand(self, batch_shape: Shape) -> _Unknown:
        known = jnp.broadcast_to(self.known, (*batch_shape, *self.event_shape))
        return replace(self, known=known)
