"""Distributions restricted to an interval, whatever the base and however rare that is.

Every probability is a difference of log tails taken where both are small, so that a
normal far out in its tail keeps its digits in float32. Draws and quantiles are found by
search in those logarithms.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._between import Restricted
from ppl.distributions._expectation import Quadrature
from ppl.distributions._gates import surprise
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions._search import count_between, count_quantile, log_quantile
from ppl.distributions._special import open_uniform
from ppl.distributions._wrapping import (
    AbstractWrapper,
    Tails,
    between_ends,
    ends_of,
    listed_between,
)
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param

_MOST_TERMS = 4096  # of a sum for the moments of counts


class AbstractTruncated(AbstractWrapper):
    """What all have in common; `_bounds` are the two that were given, or None."""

    @property
    def _bounds(self) -> tuple[Any, Any]:
        raise TypeError(f"{type(self).__name__} is abstract")

    @property
    def _ends(self) -> tuple[Any, Any]:
        """The bounds, and those that the base has anyway."""
        low, high = self._bounds
        least, greatest = ends_of(self.base_dist.support)
        if self.is_discrete:
            whole = jnp.result_type(int)
            low = None if low is None else _whole(jnp.ceil, low, whole)
            high = None if high is None else _whole(jnp.floor, high, whole)
        if low is None or least is None:
            low = least if low is None else low
        else:
            low = constraints.namespace(low, least).maximum(low, least)
        if high is None or greatest is None:
            high = greatest if high is None else high
        else:
            high = constraints.namespace(high, greatest).minimum(high, greatest)
        return low, high

    @property
    def _is_open(self) -> bool:
        return any(end is None for end in self._ends)

    @property
    def support(self) -> Constraint:
        return between_ends(*self._ends, discrete=self.is_discrete)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return not self.is_discrete

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        return self.is_discrete and not self._is_open

    def enumerate_support(self, expand: bool = True) -> Array:
        if not self.has_enumerate_support:
            return super().enumerate_support(expand)
        return listed_between(*self._ends, self.batch_shape, expand=expand)

    # --- densities and tails ----------------------------------------------------------

    @property
    def _known(self) -> Restricted:
        """All that is known before a value is given."""
        return Restricted.of(self.base_dist, *self._bounds, self.support)

    def log_prob(self, value: ArrayLike) -> Array:
        return self._known.log_prob(value)

    def log_tails(self, value: ArrayLike) -> Tails:
        """The logarithms of the probabilities below and above."""
        return self._known.log_tails(value)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_cdf

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_sf

    def icdf(self, q: ArrayLike) -> Array:
        low, high = self._ends
        if self.is_discrete:
            most = jnp.iinfo(jnp.result_type(int)).max
            return count_quantile(
                self._known,
                q,
                0 if low is None else low,
                most if high is None else high,
            )
        first = -jnp.inf if low is None else low
        return log_quantile(self._known, q, first, jnp.inf if high is None else high)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        u = open_uniform(key, self.shape(sample_shape))
        low, high = self._ends
        if self.is_discrete:
            most = jnp.iinfo(jnp.result_type(int)).max
            high = most if high is None else high
            return count_between(self._known, u, 0 if low is None else low, high)
        x = self.icdf(u)
        # The bound may be the nearest float to a draw, and one of an open base, too.
        if high is None:
            x = jnp.maximum(x, _next(low, jnp.inf))
        elif low is None:
            x = jnp.minimum(x, _next(high, -jnp.inf))
        return x

    # --- moments ----------------------------------------------------------------------

    def _heavy(self, moment: Array) -> Array | bool:
        """Whether a moment that the base lacks is lacking here, too."""
        return self._is_open and ~jnp.isfinite(moment)

    @property
    def mean(self) -> Array:
        """By quadrature or, for counts, a sum."""
        if self.is_discrete:
            return _centered(*self._masses())[0]
        sign = 1.0 if self._ends[1] is None else -1.0
        heavy = self._heavy(self._base.mean)
        return jnp.where(heavy, sign * jnp.inf, self._quadrature().mean())

    @property
    def variance(self) -> Array:
        """By quadrature or, for counts, a sum."""
        if self.is_discrete:
            return _centered(*self._masses())[1]
        heavy = self._heavy(self._base.variance)
        return jnp.where(heavy, jnp.inf, self._quadrature().variance())

    @property
    def mode(self) -> Array:
        """The nearest value to the mode of the base, which must have only one peak."""
        low, high = self._ends
        return self._over_batch(jnp.clip(self.base_dist.mode, low, high))

    def entropy(self) -> Array:
        """By quadrature or, for counts, a sum."""
        if self.is_discrete:
            return surprise(self._masses()[1]).sum(0)
        return self._quadrature().entropy()

    def _quadrature(self) -> Quadrature:
        return Quadrature(self._known, *self._ends)

    def _masses(self) -> tuple[Array, Array]:
        """Counts and their log probabilities; NaN where there are too many of them."""
        q = jnp.finfo(jnp.result_type(float)).epsneg / 4
        low = self._ends[0]
        low = 0 if low is None else low
        most = jnp.iinfo(jnp.result_type(int)).max
        high = most if self._ends[1] is None else self._ends[1]
        this = self._known
        first = count_between(this, jnp.asarray(q), low, high)
        last = first + (_MOST_TERMS - 1)
        values = first + jnp.arange(_MOST_TERMS).reshape((-1,) + (1,) * first.ndim)
        log_mass = this.log_prob(values)
        enough = this.log_tails(last).log_sf < jnp.log(1e-6)
        return values, jnp.where(enough, log_mass, jnp.nan)


def _whole(rounding: Any, bound: Any, dtype: Any) -> Any:
    """A bound as a whole number; by NumPy where it is known."""
    xp = constraints.namespace(bound)
    return getattr(xp, rounding.__name__)(xp.asarray(bound)).astype(dtype)


def _next(bound: Any, direction: float) -> Array:
    """The nearest normal float to an open bound."""
    bound = jax.lax.stop_gradient(jnp.asarray(bound, jnp.result_type(float, bound)))
    tiny = jnp.copysign(jnp.finfo(bound.dtype).tiny, direction)
    near = jnp.nextafter(bound, jnp.asarray(direction, bound.dtype))
    return jnp.where(bound == 0, tiny, near)


def _centered(values: Array, log_mass: Array) -> tuple[Array, Array]:
    """Mean and variance of counts."""
    mass = jnp.exp(log_mass)
    start = values[0]
    steps = (values - start).astype(mass.dtype)
    mean = (mass * steps).sum(0)
    return start + mean, (mass * jnp.square(steps - mean)).sum(0)


@distribution
class LeftTruncatedDistribution(AbstractTruncated):
    """A distribution given that it is not below a bound.

    Args:
        base_dist: Any distribution of numbers with a cdf.
        low: The bound, of shape `batch_shape`.
    """

    base_dist: Distribution
    low: ArrayLike = param(constraints.real, default=0.0)

    @property
    def _bounds(self) -> tuple[Any, Any]:
        return self.low, None


@distribution
class RightTruncatedDistribution(AbstractTruncated):
    """A distribution given that it does not exceed a bound.

    Args:
        base_dist: Any distribution of numbers with a cdf.
        high: The bound, of shape `batch_shape`.
    """

    base_dist: Distribution
    high: ArrayLike = param(constraints.real, default=0.0)

    @property
    def _bounds(self) -> tuple[Any, Any]:
        return None, self.high


@distribution
class TwoSidedTruncatedDistribution(AbstractTruncated):
    """A distribution given that it lies between two bounds, both included.

    Args:
        base_dist: Any distribution of numbers with a cdf.
        low: The lower bound, of shape `batch_shape`.
        high: The upper bound, above `low`; for counts it may equal it.
    """

    base_dist: Distribution
    low: ArrayLike = param(constraints.real, default=0.0)
    high: ArrayLike = param(constraints.real, default=1.0)

    @property
    def _bounds(self) -> tuple[Any, Any]:
        return self.low, self.high

    def parameter_checks(self) -> list[ParameterCheck]:
        low, high = known(self.low), known(self.high)
        low, high = constraints.namespace(low, high).broadcast_arrays(low, high)
        if self.is_discrete:
            order = ParameterCheck("low", low, low <= high, "low must be <= high")
        else:
            order = ParameterCheck("low", low, low < high, "low must be < high")
        return [*super().parameter_checks(), order]


def TruncatedDistribution(
    base_dist: Distribution,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    validate_args: bool | None = None,
) -> Distribution:
    """A distribution restricted to an interval; the base itself if no bound is given.

    Args:
        base_dist: Any distribution of numbers with a cdf; counts are truncated, too.
        low: The lower bound, of shape `batch_shape`.
        high: The upper bound.
        validate_args: Whether to check the parameters now.
    """
    if low is None and high is None:
        return base_dist
    if high is None:
        return LeftTruncatedDistribution(base_dist, low, validate_args=validate_args)  # type: ignore
    if low is None:
        return RightTruncatedDistribution(base_dist, high, validate_args=validate_args)  # type: ignore
    return TwoSidedTruncatedDistribution(
        base_dist,
        low,
        high,
        validate_args=validate_args,  # type: ignore
    )
