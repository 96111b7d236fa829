"""Values of which only a bound may be known."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ppl._errors import ShapeError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._between import log_between, log_sum
from ppl.distributions._wrapping import AbstractWrapper, tails_at
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param


class AbstractCensored(AbstractWrapper):
    """What the censored of one side have in common."""

    censored: Any

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """Draws of the variable itself, as if nothing were censored."""
        return self._base.sample(key, sample_shape)

    def _observed(self, value: ArrayLike) -> Array:
        """The log density, of something harmless where the value is but a bound."""
        inner = self.support.feasible_like(value)
        return self.base_dist.log_prob(jnp.where(self._mask, inner, value))

    @property
    def _mask(self) -> Array:
        return jnp.asarray(self.censored, bool)


@distribution
class LeftCensoredDistribution(AbstractCensored):
    """Likelihood of values some of which are only known not to be exceeded.

    Where censored, the log density is log P(X <= value), else that of the base.

    Args:
        base_dist: The distribution of the variable itself, which needs a cdf.
        censored: True (or 1) where the value is an upper bound only.
    """

    base_dist: Distribution
    censored: ArrayLike = param(constraints.boolean, default=False)

    def log_prob(self, value: ArrayLike) -> Array:
        bound = tails_at(self.base_dist, value).log_cdf
        return jnp.where(self._mask, bound, self._observed(value))


@distribution
class RightCensoredDistribution(AbstractCensored):
    """Likelihood of values some of which are only known to be exceeded.

    Where censored, the log density is log P(X > value), else that of the base.

    Args:
        base_dist: The distribution of the variable itself, which needs a cdf.
        censored: True (or 1) where the value is a lower bound only.
    """

    base_dist: Distribution
    censored: ArrayLike = param(constraints.boolean, default=False)

    def log_prob(self, value: ArrayLike) -> Array:
        bound = tails_at(self.base_dist, value).log_sf
        return jnp.where(self._mask, bound, self._observed(value))


@distribution
class IntervalCensoredDistribution(AbstractWrapper):
    """Likelihood of values that are only known to lie in (or outside of) an interval.

    A value is a pair, `(lower, upper)`, along the last axis. Its log density is that of

    - the base at `lower`, if the two are equal and neither side is censored;
    - lower < X <= upper, if neither side is censored;
    - X <= upper, if the left side is censored (`lower` is ignored);
    - X > lower, if the right side is censored (`upper` is ignored);
    - X <= lower or X > upper, if both are.

    Args:
        base_dist: The distribution of the variable itself, which needs a cdf.
        left_censored: True (or 1) where there is no lower bound.
        right_censored: True (or 1) where there is no upper bound.
    """

    base_dist: Distribution
    left_censored: ArrayLike = param(constraints.boolean)
    right_censored: ArrayLike = param(constraints.boolean)

    @property
    def event_shape(self) -> Shape:
        return (2,)

    @property
    def support(self) -> Constraint:
        return constraints.independent(constraints.dependent, 1)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """Draws of the variable itself, each as an interval of no length."""
        x = self._base.sample(key, sample_shape)
        return jnp.stack([x, x], -1)

    def log_prob(self, value: ArrayLike) -> Array:
        value = jnp.asarray(value)
        if value.ndim == 0 or value.shape[-1] != 2:
            raise ShapeError(
                "IntervalCensoredDistribution: a value is a pair (lower, upper) along "
                f"the last axis, got shape {value.shape}.",
                value=value.shape,
            )
        lower, upper, base = value[..., 0], value[..., 1], self.base_dist
        left = jnp.asarray(self.left_censored, bool)
        right = jnp.asarray(self.right_censored, bool)
        point = (lower == upper) & ~left & ~right
        inner = base.support.feasible_like(lower)
        at = base.log_prob(jnp.where(point, lower, inner))
        below, above = tails_at(base, lower), tails_at(base, upper)
        outside = log_sum(jnp.stack([below.log_cdf, above.log_sf], -1))
        start = jnp.floor(lower) + 1 if base.is_discrete else lower
        between = log_between(base, start, upper)
        one = jnp.where(left, above.log_cdf, below.log_sf)
        two = jnp.where(left, outside, jnp.where(point, at, between))
        return jnp.where(left == right, two, one)
