"""Distributions of transformed variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution
from ppl.distributions.transforms.base import (
    ComposeTransform,
    Transform,
    bare,
    sum_rightmost,
    with_event_dims,
)
from ppl.distributions.transforms.monotone import AbstractMonotoneTransform
from ppl.distributions.transforms.scalar import AffineTransform

# What the parameters of elementwise transforms are called.
_ELEMENTWISE = ("loc", "scale", "low", "high", "bound", "exponent")


@distribution
class TransformedDistribution(Distribution):
    """The distribution of `y = f(x)` where `x` follows another distribution.

    Its shapes follow from those of the base and of the transforms: a transform with
    parameters of shape `(3,)` makes three independent variables out of a scalar base.
    The support is what the transforms make of the base's support.

    Args:
        base_distribution: The distribution of `x`; continuous.
        transforms: A transform, or several, the first of which is applied first.
    """

    base_dist: Distribution
    transforms: tuple[Transform, ...]

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        *,
        validate_args: bool | None = None,
    ):
        if isinstance(transforms, Transform):
            transforms = [transforms]
        for transform in transforms:
            if not isinstance(transform, Transform):
                raise ArgumentError(
                    f"TransformedDistribution: {transform!r} is not a transform.",
                    value=transform,
                )
        if base_distribution.is_discrete:
            raise ArgumentError(
                "TransformedDistribution needs a continuous base, but "
                f"{type(base_distribution).__name__} is discrete.",
                value=base_distribution,
                hint="Transform the value with `deterministic` instead.",
            )
        chain = ComposeTransform(tuple(transforms))
        base = _fitted(base_distribution, chain)
        parts = _of_equal_rank(base, chain.parts)
        self._set(base_dist=base, transforms=parts, validate_args=validate_args)

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        del validate_args  # the base has been checked

    @property
    def _chain(self) -> ComposeTransform:
        return ComposeTransform(self.transforms)

    @property
    def _extra_dims(self) -> int:
        """Event dims of the base over which the transforms act independently."""
        return self.base_dist.event_dim - self._chain.domain_dims()

    @property
    def support(self) -> Constraint:
        image = self._chain.image(self.base_dist.support)
        return with_event_dims(image, self._event_dim - image.event_dim)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def _event_dim(self) -> int:
        chain = self._chain
        return self.base_dist.event_dim + chain.codomain_dims() - chain.domain_dims()

    @property
    def batch_shape(self) -> Shape:
        shape = self._chain.forward_shape(self.base_dist.shape())
        return shape[: len(shape) - self._event_dim]

    @property
    def event_shape(self) -> Shape:
        shape = self._chain.forward_shape(self.base_dist.shape())
        return shape[len(shape) - self._event_dim :]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        base = self.base_dist.expand(self.batch_shape)
        return self._chain(base.sample(key, sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        support = self.support
        if isinstance(bare(support), constraints.Real | constraints.Dependent):
            return self._density(value)
        inside = support(value)
        event = inside.reshape(inside.shape + (1,) * support.event_dim)
        safe = jnp.where(event, value, support.feasible_like(value))
        return jnp.where(inside, self._density(safe), -jnp.inf)

    def _density(self, value: ArrayLike) -> Array:
        x, log_det = self._chain.inverse_and_log_det(value)
        return self.base_dist.log_prob(x) + sum_rightmost(log_det, self._extra_dims)

    def cdf(self, value: ArrayLike) -> Array:
        value, support = jnp.asarray(value), self.support
        rising = jnp.asarray(self._chain.sign) > 0
        inside = support(value)
        inner = support.feasible_like(value)
        below = self.base_dist.cdf(self._chain.inv(jnp.where(inside, value, inner)))
        within = jnp.where(rising, below, 1.0 - below)
        outside = jnp.where(value > inner, 1.0, jnp.where(value < inner, 0.0, jnp.nan))
        return jnp.where(inside, within, outside)

    def icdf(self, q: ArrayLike) -> Array:
        q = jnp.asarray(q)
        rising = jnp.asarray(self._chain.sign) > 0
        return self._chain(self.base_dist.icdf(jnp.where(rising, q, 1.0 - q)))

    def _scale(self) -> Any:
        """The product of the scales, if all transforms are affine."""
        scale: Any = 1.0
        for part in self.transforms:
            if not isinstance(part, AffineTransform):
                raise TypeError("TransformedDistribution has no closed-form moments")
            scale = scale * part.scale
        return scale

    @property
    def mean(self) -> Array:
        self._scale()
        shape = self.batch_shape + self.event_shape
        return jnp.broadcast_to(self._chain(self.base_dist.mean), shape)

    @property
    def variance(self) -> Array:
        shape = self.batch_shape + self.event_shape
        return jnp.broadcast_to(self._scale() ** 2 * self.base_dist.variance, shape)

    def expand(self, batch_shape: Shape) -> TransformedDistribution:
        return replace(self, base_dist=self.base_dist.expand(batch_shape))

    def parameter_checks(self) -> list[ParameterCheck]:
        return self.base_dist.parameter_checks()

    def check_parameters(self, site: str | None = None) -> None:
        self.base_dist.check_parameters(site)


def _fitted(base: Distribution, chain: ComposeTransform) -> Distribution:
    """`base` with the batch and event dims that the transforms ask for."""
    shape, needed = base.shape(), chain.domain_dims()
    if len(shape) < needed:
        raise ShapeError(
            f"TransformedDistribution: the transforms act on values of {needed} dims, "
            f"but {type(base).__name__} has batch shape {base.batch_shape} and event "
            f"shape {base.event_shape}.",
            hint="Expand it, as in base.expand([n]).",
        )
    wanted = chain.inverse_shape(chain.forward_shape(shape))
    batch = wanted[: len(wanted) - base.event_dim]
    if batch + base.event_shape != wanted:
        raise ShapeError(
            "TransformedDistribution: the transforms need values of event shape "
            f"{wanted[len(batch) :]}, but {type(base).__name__} has {base.event_shape}."
        )
    return base.expand(batch).to_event(max(needed - base.event_dim, 0))


def _of_equal_rank(
    base: Distribution, parts: tuple[Transform, ...]
) -> tuple[Transform, ...]:
    """Elementwise transforms, their parameters with as many dims as the values.

    Like the parameters of a family, so that a mapped axis goes in front of all.
    """
    floats = [
        leaf
        for leaf in jax.tree.leaves((base, parts))
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    dtype, shape, result = jnp.result_type(*floats, 0.0), base.shape(), []
    for part in parts:
        shape = part.forward_shape(shape)
        if isinstance(part, AbstractMonotoneTransform):
            part = _raised(part, len(shape), dtype)
        result.append(part)
    return tuple(result)


def _raised(part: Transform, rank: int, dtype: Any) -> Transform:
    changes = {}
    for name in _ELEMENTWISE:
        value = getattr(part, name, None)
        if isinstance(value, float | int) and not isinstance(value, np.generic):
            value = np.asarray(value, dtype)
        if isinstance(value, jax.Array | np.ndarray | np.generic) and value.ndim < rank:
            shape = (1,) * (rank - value.ndim) + value.shape
            changes[name] = value.reshape(shape)
    return replace(part, **changes) if changes else part
