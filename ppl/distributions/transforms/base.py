"""What a transform is: a bijection that gives value and log-determinant together."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import AbstractByValue, Constraint


class Transform(AbstractByValue):
    """A bijection from `domain` to `codomain`; subclasses are frozen pytrees and final.

    A subclass defines `forward_and_log_det` and `inverse_and_log_det`; the rest is
    derived. Log-determinants have the batch shape: the event dims are summed. Where
    the domain or codomain is a surface (simplex, symmetric matrices), the determinant
    is that of the map between free coordinates: all but the last, or one triangle. A
    transform that says so (`ZeroSumTransform`) compares areas of surfaces instead.
    """

    domain: Any = constraints.real
    codomain: Any = constraints.real

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        """`y = f(x)` and `log |det df/dx|`, the latter of the batch shape of `x`."""
        raise TypeError(f"{type(self).__name__} has no forward map")

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        """`x = f^-1(y)` and `log |det dx/dy|`, the latter of the batch shape of `y`."""
        raise TypeError(f"{type(self).__name__} has no inverse")

    def __call__(self, x: ArrayLike) -> Array:
        """`f(x)`."""
        return self.forward_and_log_det(x)[0]

    def _inverse(self, y: ArrayLike) -> Array:
        return self.inverse_and_log_det(y)[0]

    @property
    def inv(self) -> Transform:
        """The inverse, as a transform."""
        return InverseTransform(self)

    def call_with_intermediates(self, x: ArrayLike) -> tuple[Array, Array]:
        """`f(x)`, with what `log_abs_det_jacobian` would otherwise compute again."""
        return self.forward_and_log_det(x)

    def log_abs_det_jacobian(
        self, x: ArrayLike, y: ArrayLike, intermediates: Any = None
    ) -> Array:
        """`log |det df/dx|` at `x`; give `intermediates` if there are any."""
        del y
        return (
            self.forward_and_log_det(x)[1] if intermediates is None else intermediates
        )

    def forward_shape(self, shape: Shape) -> Shape:
        """The shape of `f(x)` for `x` of `shape`."""
        return shape

    def inverse_shape(self, shape: Shape) -> Shape:
        """The shape of `f^-1(y)` for `y` of `shape`."""
        return shape

    @property
    def sign(self) -> Any:
        """1 where the transform of a number increases, -1 where it decreases."""
        raise TypeError(f"{type(self).__name__} is not monotone in one number")

    def image(self, support: Constraint) -> Constraint:
        """The set onto which `support` is mapped; `dependent` if that is not known."""
        extra = support.event_dim - self.domain.event_dim
        if bare(support) == bare(self.domain):
            return with_event_dims(self.codomain, extra)
        return with_event_dims(
            constraints.dependent, self.codomain.event_dim + max(extra, 0)
        )


def with_event_dims(constraint: Constraint, extra: int) -> Constraint:
    """`constraint` with `extra` more batch dims counted as event dims, if positive."""
    return constraints.independent(constraint, extra) if extra > 0 else constraint


def bare(constraint: Constraint) -> Constraint:
    """`constraint` without the event dims that were only counted in."""
    while isinstance(constraint, constraints.IndependentConstraint):
        constraint = constraint.base
    return constraint


def as_float(x: ArrayLike) -> Array:
    """`x` as a JAX array of floats."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float)


def clamp(x: Array, low: Any, high: Any) -> Array:
    """`x` between two bounds, with gradient zero (never NaN) where a bound holds."""
    if isinstance(low, jax.Array) or isinstance(high, jax.Array):
        return jnp.where(x <= low, low, jnp.where(x >= high, high, x))
    if np.ndim(low) == np.ndim(high) == 0:
        return jax.lax.clamp(np.asarray(low, x.dtype), x, np.asarray(high, x.dtype))
    return jnp.clip(x, np.asarray(low, x.dtype), np.asarray(high, x.dtype))


def sum_rightmost(x: Array, ndims: int) -> Array:
    """Sum over the `ndims` rightmost dims."""
    return x.sum(tuple(range(-ndims, 0))) if ndims > 0 else x


@pytree
class InverseTransform(Transform):
    """A transform turned around: `t.inv`."""

    base: Transform

    @property
    def domain(self) -> Constraint:
        return self.base.codomain

    @property
    def codomain(self) -> Constraint:
        return self.base.domain

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        return self.base.inverse_and_log_det(x)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        return self.base.forward_and_log_det(y)

    @property
    def inv(self) -> Transform:
        return self.base

    @property
    def sign(self) -> Any:
        return self.base.sign

    def forward_shape(self, shape: Shape) -> Shape:
        return self.base.inverse_shape(shape)

    def inverse_shape(self, shape: Shape) -> Shape:
        return self.base.forward_shape(shape)


@pytree
class IndependentTransform(Transform):
    """A transform whose rightmost batch dims count as event dims."""

    base: Transform
    reinterpreted_batch_ndims: int = static(default=1)

    @property
    def domain(self) -> Constraint:
        return with_event_dims(self.base.domain, self.reinterpreted_batch_ndims)

    @property
    def codomain(self) -> Constraint:
        return with_event_dims(self.base.codomain, self.reinterpreted_batch_ndims)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y, log_det = self.base.forward_and_log_det(x)
        return y, sum_rightmost(log_det, self.reinterpreted_batch_ndims)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        x, log_det = self.base.inverse_and_log_det(y)
        return x, sum_rightmost(log_det, self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Shape) -> Shape:
        return self.base.forward_shape(shape)

    def inverse_shape(self, shape: Shape) -> Shape:
        return self.base.inverse_shape(shape)

    def image(self, support: Constraint) -> Constraint:
        return self.base.image(support)


@pytree
class ComposeTransform(Transform):
    """Transforms one after the other, the first of `parts` first.

    A part with fewer event dims than the whole acts on each of them independently.
    """

    parts: tuple[Transform, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))

    def domain_dims(self) -> int:
        """How many event dims the whole takes."""
        needed = 0  # event dims that the parts from here on need
        for part in reversed(self.parts):
            inside, outside = part.domain.event_dim, part.codomain.event_dim
            needed = max(needed + inside - outside, inside)
        return needed

    def codomain_dims(self) -> int:
        """How many event dims the whole gives."""
        made = 0  # event dims that the parts up to here make
        for part in self.parts:
            inside, outside = part.domain.event_dim, part.codomain.event_dim
            made = max(made + outside - inside, outside)
        return made

    @property
    def domain(self) -> Constraint:
        first = self.parts[0].domain if self.parts else constraints.real
        return with_event_dims(first, self.domain_dims() - first.event_dim)

    @property
    def codomain(self) -> Constraint:
        return self.image(self.domain)

    def image(self, support: Constraint) -> Constraint:
        for part in self.parts:
            support = part.image(support)
        return support

    def __call__(self, x: ArrayLike) -> Array:
        y = as_float(x)
        for part in self.parts:
            y = part(y)
        return y

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        event_dim = self.domain_dims()
        y, total = as_float(x), None
        for part in self.parts:
            y, log_det = part.forward_and_log_det(y)
            log_det = sum_rightmost(log_det, event_dim - part.domain.event_dim)
            total = log_det if total is None else total + log_det
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return y, jnp.zeros(y.shape, y.dtype) if total is None else total

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        event_dim = self.codomain_dims()
        x, total = as_float(y), None
        for part in reversed(self.parts):
            x, log_det = part.inverse_and_log_det(x)
            log_det = sum_rightmost(log_det, event_dim - part.codomain.event_dim)
            total = log_det if total is None else total + log_det
            event_dim += part.domain.event_dim - part.codomain.event_dim
        return x, jnp.zeros(x.shape, x.dtype) if total is None else total

    def forward_shape(self, shape: Shape) -> Shape:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Shape) -> Shape:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    @property
    def sign(self) -> Any:
        sign: Any = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign
