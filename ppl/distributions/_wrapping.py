"""What distributions made from another one have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck
from ppl.distributions._special import log1mexp
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution


class Tails(NamedTuple):
    """Log of P(X <= x) and log of P(X > x)."""

    log_cdf: Array
    log_sf: Array

    def polished(self) -> Tails:
        """The same, the larger probability made from the smaller one."""
        low = self.log_cdf < self.log_sf
        small = jnp.where(low, self.log_cdf, self.log_sf)
        large = log1mexp(jnp.where(small < 0, -small, 1.0))
        large = jnp.where(small < 0, large, -jnp.inf)
        return Tails(jnp.where(low, small, large), jnp.where(low, large, small))


def need_number(family: str, base: Any) -> None:
    """Refuse what is not a distribution of single numbers."""
    if not isinstance(base, Distribution):
        raise ArgumentTypeError(
            f"{family} needs a distribution, got {base!r}.", value=base
        )
    if base.event_shape:
        raise ArgumentError(
            f"{family} needs a base of single numbers, but {type(base).__name__} has "
            f"event shape {base.event_shape}.",
            value=base,
        )


def ends_of(support: Constraint) -> tuple[Any, Any]:
    """The lower and the upper bound of a set of numbers; None where there is none."""
    while isinstance(support, constraints.IndependentConstraint):
        support = support.base
    if isinstance(support, constraints.Boolean):
        return 0, 1
    return getattr(support, "lower_bound", None), getattr(support, "upper_bound", None)


def between_ends(low: Any, high: Any, *, discrete: bool) -> Constraint:
    """All (whole) numbers between two bounds, both included; either may be None."""
    if discrete:
        if high is not None:
            return constraints.integer_interval(0 if low is None else low, high)
        return constraints.integer_greater_than(low)
    if low is None and high is None:
        return constraints.real
    if high is None:
        return constraints.greater_than_eq(low)
    if low is None:
        return constraints.less_than_eq(high)
    return constraints.interval(low, high)


def listed_between(low: Any, high: Any, batch: Shape, *, expand: bool) -> Array:
    """The whole numbers from `low` to `high`, which must be known and all equal."""
    if isinstance(low, Tracer) or isinstance(high, Tracer):
        raise ArgumentError(
            "a support can be listed only if its ends are known.",
            hint="Do not pass them through jit or vmap.",
        )
    low, high = np.asarray(low), np.asarray(high)
    if low.min() != low.max() or high.min() != high.max():
        raise ArgumentError(
            "a support can be listed only if it is the same for the whole batch; its "
            f"ends go from {low.min()} to {low.max()} and {high.min()} to {high.max()}."
        )
    values = jnp.arange(int(low.min()), int(high.max()) + 1)
    values = values.reshape((-1,) + (1,) * len(batch))
    return jnp.broadcast_to(values, (len(values), *batch)) if expand else values


def aligned(base: Any, rank: int) -> Any:
    """`base` with leading batch dims of length one, up to `rank` of them.

    A mapped axis goes in front of every leaf; only leaves of equal rank still
    broadcast as they did inside the map.
    """
    lacking = rank - len(base.batch_shape)
    return base.expand((1,) * lacking + base.batch_shape) if lacking > 0 else base


class AbstractWrapper(Distribution):
    """A distribution of single numbers made from another one, with parameters added."""

    base_dist: Any

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        need_number(type(self).__name__, self.base_dist)
        super()._prepare(validate_args)
        base = aligned(self.base_dist, len(self.batch_shape))
        object.__setattr__(self, "base_dist", base)

    @property
    def support(self) -> Constraint:
        return self.base_dist.support

    @property
    def is_discrete(self) -> bool:
        return self.base_dist.is_discrete

    @property
    def batch_shape(self) -> Shape:
        own, base = super().batch_shape, self.base_dist.batch_shape
        return tuple(np.broadcast_shapes(own, base))

    def expand(self, batch_shape: Shape) -> Any:
        batch_shape = tuple(batch_shape)
        if batch_shape == self.batch_shape:
            return self
        base = self.base_dist.expand(batch_shape)
        return replace(super().expand(batch_shape), base_dist=base)

    def parameter_checks(self) -> list[ParameterCheck]:
        return [*self.base_dist.parameter_checks(), *super().parameter_checks()]

    def check_parameters(self, site: str | None = None) -> None:
        self.base_dist.check_parameters(site)  # so that an error names the base
        super().check_parameters(site)

    @property
    def _base(self) -> Any:
        """The base, of the batch shape of the whole."""
        return self.base_dist.expand(self.batch_shape)


def tails_at(base: Any, x: ArrayLike) -> Tails:
    """Both log tail probabilities of `base`, at whatever number `x`.

    Outside the support, and at its ends, they are set: no gradient passes there.
    """
    x = jnp.asarray(x)
    support = base.support
    low, high = ends_of(support)
    if base.is_discrete:
        x = jnp.floor(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x
        inside = jnp.ones(x.shape, bool) if low is None else x >= low
    else:
        inside = jnp.isfinite(x) if low is None else (x > low) & jnp.isfinite(x)
    inside = inside if high is None else inside & (x < high)
    inner = support.feasible_like(jnp.broadcast_to(x, _joint(x, low, high)))
    safe = jnp.where(inside, x, inner)
    up, down = x >= inner, x < inner
    sure = jnp.where(up, 0.0, jnp.where(down, -jnp.inf, jnp.nan))
    none = jnp.where(up, -jnp.inf, jnp.where(down, 0.0, jnp.nan))
    below, above = base.log_tails(safe)
    return Tails(jnp.where(inside, below, sure), jnp.where(inside, above, none))


def _joint(*values: Any) -> Shape:
    shapes = [shape_of(v) for v in values if v is not None]
    return tuple(np.broadcast_shapes(*shapes))
