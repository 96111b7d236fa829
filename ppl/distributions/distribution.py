"""What a distribution is: a pytree of parameters with a density and, mostly, a sampler.

A family is one class: its fields are declared with `param(constraint)`, its shapes are
derived from the fields, and nothing is registered by hand. A vmapped or scanned
distribution is right by construction, because there is no stored shape to go stale.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ArgumentTypeError, ShapeError
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import (
    AbstractParametrised,
    ParameterCheck,
    checks_deferred,
    distribution,
    param,
)
from ppl.distributions.constraints import Constraint, shape_of

__all__ = [
    "Distribution",
    "Independent",
    "MaskedDistribution",
    "checks_deferred",
    "distribution",
    "param",
]

_SMALL = 1024  # entries of a parameter that may be a constant of a compiled program


def sum_less(terms: Array, base: ArrayLike) -> Array:
    """The sum of `terms` less `base`, with digits that the sum itself has not."""
    return jnp.sum(terms - base / max(terms.size, 1))


class Distribution(AbstractParametrised):
    """A probability distribution over arrays of shape `batch_shape + event_shape`.

    A family defines `support`, `log_prob` and, where it can, `sample`, `cdf`, `icdf`,
    `mean`, `variance`, `entropy`. Methods broadcast as NumPy does.
    """

    support: Any  # a Constraint, or a property that returns one
    has_rsample: bool = False  # sampling is differentiable in every parameter
    has_enumerate_support: bool = False
    is_circular: bool = False  # full turns leave the density of a value as it is

    # --- shapes -----------------------------------------------------------------------

    @property
    def event_shape(self) -> Shape:
        """Shape of one draw of one member."""
        return ()

    @property
    def event_dim(self) -> int:
        """Number of dims of one draw."""
        return len(self.event_shape)

    @property
    def is_discrete(self) -> bool:
        """Whether the support is countable."""
        return self.support.is_discrete

    def shape(self, sample_shape: Shape = ()) -> Shape:
        """Shape of `sample(key, sample_shape)`."""
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    # --- what a family defines --------------------------------------------------------

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """Draws of shape `sample_shape + batch_shape + event_shape`."""
        raise ArgumentTypeError(
            f"{type(self).__name__} has no sampler.",
            hint="Give the site a value (condition, obs=) or another prior.",
        )

    def log_prob(self, value: ArrayLike) -> Array:
        """Log density of `value`, shape broadcast over batch dims; -inf outside."""
        raise TypeError(f"{type(self).__name__} has no density")

    def log_prob_less(self, value: ArrayLike, base: ArrayLike) -> Array:
        """The sum of `log_prob` over the batch, less `base`, which is about as large.

        What is left is small, and has digits that the sum of a million terms in float32
        has not.
        """
        return sum_less(self.log_prob(value), base)

    def cdf(self, value: ArrayLike) -> Array:
        """P(X <= value)."""
        raise TypeError(f"{type(self).__name__} has no cdf")

    def log_cdf(self, value: ArrayLike) -> Array:
        """Log of `cdf`; families write it so that it is right far into the tail."""
        return jnp.log(self.cdf(value))

    def log_sf(self, value: ArrayLike) -> Array:
        """Log of P(X > value), likewise."""
        return jnp.log1p(-self.cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        """`log_cdf` and `log_sf`; where one sum or rule gives both, it is here."""
        return self.log_cdf(value), self.log_sf(value)

    def icdf(self, q: ArrayLike) -> Array:
        """The quantile function: the smallest value with `cdf(value) >= q`."""
        raise TypeError(f"{type(self).__name__} has no icdf")

    @property
    def mean(self) -> Array:
        """Expectation, of shape `batch_shape + event_shape`."""
        raise TypeError(f"{type(self).__name__} has no closed-form mean")

    @property
    def variance(self) -> Array:
        """Marginal variances, of shape `batch_shape + event_shape`."""
        raise TypeError(f"{type(self).__name__} has no closed-form variance")

    @property
    def mode(self) -> Array:
        """A value of highest density, of shape `batch_shape + event_shape`."""
        raise TypeError(f"{type(self).__name__} has no closed-form mode")

    def entropy(self) -> Array:
        """Entropy in nats, of shape `batch_shape`."""
        raise TypeError(f"{type(self).__name__} has no closed-form entropy")

    def enumerate_support(self, expand: bool = True) -> Array:
        """All values of a finite support, stacked along a new leading dim."""
        raise TypeError(f"{type(self).__name__} has no enumerable support")

    def rsample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """Draws that are differentiable in the parameters."""
        if not self.has_rsample:
            raise TypeError(f"{type(self).__name__} has no reparameterised sampler")
        return self.sample(key, sample_shape)

    def _over_batch(self, value: ArrayLike) -> Array:
        """`value`, broadcast to the batch shape."""
        return jnp.broadcast_to(value, self.batch_shape)

    def _listed(self, count: int, *, expand: bool) -> Array:
        """The integers below `count`, along a new leading dim."""
        batch = self.batch_shape
        values = jnp.arange(count).reshape((count,) + (1,) * len(batch))
        return jnp.broadcast_to(values, (count, *batch)) if expand else values

    # --- wrapping ---------------------------------------------------------------------

    def expand(self, batch_shape: Shape) -> Any:
        """The same distribution with its batch broadcast to `batch_shape`."""
        batch_shape = tuple(batch_shape)
        if batch_shape == self.batch_shape:
            return self
        changes = {}
        for name, constraint in self.parameter_constraints().items():
            value = getattr(self, name)
            shape = shape_of(value)
            new = batch_shape + shape[len(shape) - constraint.event_dim :]
            if math.prod(new) > _SMALL and not isinstance(value, jax.Array):
                # As a NumPy array it would become a large constant in compiled code.
                self.check_parameters()
                value = jnp.asarray(value)
            changes[name] = constraints.namespace(value).broadcast_to(value, new)
        return replace(self, **changes)

    def expand_by(self, sample_shape: Shape) -> Any:
        """The same distribution with `sample_shape` put before its batch."""
        return self.expand((*sample_shape, *self.batch_shape))

    def to_event(self, reinterpreted_batch_ndims: int | None = None) -> Any:
        """Count the rightmost batch dims (all if None) as event dims."""
        n = reinterpreted_batch_ndims
        n = len(self.batch_shape) if n is None else n
        return Independent(self, n) if n else self

    def mask(self, mask: Any) -> Any:
        """Log density zero where `mask` (broadcast over the batch) is False."""
        return self if mask is True else MaskedDistribution(self, mask)


@distribution
class Independent(Distribution):
    """A distribution whose `n` rightmost batch dims count as event dims."""

    base_dist: Distribution
    reinterpreted_batch_ndims: int = static(default=1)

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        del validate_args  # the base has been checked
        n, batch = self.reinterpreted_batch_ndims, self.base_dist.batch_shape
        if not 0 <= n <= len(batch):
            raise ShapeError(
                f"to_event({n}) needs at least {n} batch dims, but "
                f"{type(self.base_dist).__name__} has batch shape {batch}.",
                value=n,
            )

    @property
    def support(self) -> Constraint:
        n = self.reinterpreted_batch_ndims
        return constraints.IndependentConstraint(self.base_dist.support, n)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def batch_shape(self) -> Shape:
        batch = self.base_dist.batch_shape
        return batch[: len(batch) - self.reinterpreted_batch_ndims]

    @property
    def event_shape(self) -> Shape:
        batch = self.base_dist.batch_shape
        own = batch[len(batch) - self.reinterpreted_batch_ndims :]
        return own + self.base_dist.event_shape

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.base_dist.sample(key, sample_shape)

    def _sum(self, terms: Array) -> Array:
        return terms.sum(tuple(range(-self.reinterpreted_batch_ndims, 0)))

    def log_prob(self, value: ArrayLike) -> Array:
        return self._sum(self.base_dist.log_prob(value))

    def entropy(self) -> Array:
        return self._sum(self.base_dist.entropy())

    @property
    def mean(self) -> Array:
        return self.base_dist.mean

    @property
    def variance(self) -> Array:
        return self.base_dist.variance

    @property
    def mode(self) -> Array:
        return self.base_dist.mode

    def expand(self, batch_shape: Shape) -> Independent:
        batch = self.base_dist.batch_shape
        own = batch[len(batch) - self.reinterpreted_batch_ndims :]
        return replace(self, base_dist=self.base_dist.expand((*batch_shape, *own)))

    def parameter_checks(self) -> list[ParameterCheck]:
        return self.base_dist.parameter_checks()

    def check_parameters(self, site: str | None = None) -> None:
        self.base_dist.check_parameters(site)


@distribution
class MaskedDistribution(Distribution):
    """A distribution whose log density is zero where `mask` is False."""

    base_dist: Distribution
    _mask: Any

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        del validate_args
        mask = self._mask
        if not isinstance(mask, bool) and getattr(mask, "dtype", None) != np.bool_:
            raise ArgumentError(f"a mask must be boolean, got {mask!r}.", value=mask)
        # Of equal rank, as the parameters of a family: see `_align`.
        rank = max(len(shape_of(mask)), len(self.base_dist.batch_shape))
        if lacking := rank - len(shape_of(mask)):
            mask = np.asarray(mask) if isinstance(mask, bool) else mask
            mask = mask.reshape((1,) * lacking + mask.shape)
            object.__setattr__(self, "_mask", mask)
        if lacking := rank - len(self.base_dist.batch_shape):
            base = self.base_dist.expand((1,) * lacking + self.base_dist.batch_shape)
            object.__setattr__(self, "base_dist", base)

    @property
    def support(self) -> Constraint:
        return self.base_dist.support

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_enumerate_support

    @property
    def batch_shape(self) -> Shape:
        return tuple(
            np.broadcast_shapes(shape_of(self._mask), self.base_dist.batch_shape)
        )

    @property
    def event_shape(self) -> Shape:
        return self.base_dist.event_shape

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return self.base_dist.expand(self.batch_shape).sample(key, sample_shape)

    def _feasible(self, value: ArrayLike) -> Array:
        """The value, feasible where masked, so that no NaN enters the gradient."""
        mask = jnp.asarray(self._mask)
        event = mask.reshape(mask.shape + (1,) * self.event_dim)
        return jnp.where(event, value, self.support.feasible_like(value))

    def log_prob(self, value: ArrayLike) -> Array:
        return jnp.where(
            jnp.asarray(self._mask), self.base_dist.log_prob(self._feasible(value)), 0.0
        )

    def log_prob_less(self, value: ArrayLike, base: ArrayLike) -> Array:
        mask = jnp.asarray(self._mask)
        if mask.size != 1:
            return sum_less(self.log_prob(value), base)
        # All or nothing: the base may know how to keep its digits.
        rest = self.base_dist.log_prob_less(self._feasible(value), base)
        return jnp.where(mask.reshape(()), rest, -jnp.asarray(base, rest.dtype))

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.base_dist.mean, self.shape())

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(self.base_dist.variance, self.shape())

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.base_dist.mode, self.shape())

    def entropy(self) -> Array:
        """Minus the expected log density, which is zero where masked."""
        return jnp.where(jnp.asarray(self._mask), self.base_dist.entropy(), 0.0)

    def enumerate_support(self, expand: bool = True) -> Array:
        return self.base_dist.enumerate_support(expand)

    def expand(self, batch_shape: Shape) -> MaskedDistribution:
        mask = self._mask
        if not isinstance(mask, bool):
            mask = constraints.namespace(mask).broadcast_to(mask, tuple(batch_shape))
        return replace(self, base_dist=self.base_dist.expand(batch_shape), _mask=mask)

    def parameter_checks(self) -> list[ParameterCheck]:
        return self.base_dist.parameter_checks()

    def check_parameters(self, site: str | None = None) -> None:
        self.base_dist.check_parameters(site)
