"""The support of extremes, which their shape ends, and the map of the line onto it."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._special import as_floats, atanh_rest, polynomial
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.transforms import biject_to
from ppl.distributions.transforms.monotone import AbstractMonotoneTransform

_EXP = tuple(1 / math.factorial(k + 1) for k in range(14))  # of (exp(x) - 1) / x


@jax.custom_jvp
def straight(c: Array, z: Array) -> Array:
    """log(1 + c z) / c, which is z where c is zero."""
    w = c * z
    flat = w == 0
    return z * jnp.where(flat, 1.0, jnp.log1p(w) / jnp.where(flat, 1.0, w))


@straight.defjvp
def _straight_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (c, z), (dc, dz) = primals, tangents
    w = c * z
    near = (w > -0.3) & (w < 0.4)
    v = jnp.where(near, w, 0.0)
    rest = 2 * v * atanh_rest(v / (2 + v)) / jnp.square(2 + v)
    close = z * (z * ((1 / (1 + v) + rest) / (2 + v)))
    by = jnp.where(near, 1.0, c)
    far = (jnp.log1p(w) - w / (1 + w)) / by / by
    return straight(c, z), dz / (1 + w) - jnp.where(near, close, far) * dc


def bent(c: Array, y: Array) -> Array:
    """(exp(c y) - 1) / c, the inverse of `straight`."""
    ended = jnp.isinf(y)
    w = c * jnp.where(ended, 0.0, y)
    near = (jnp.abs(w) < 0.5) & (~ended | (c == 0))
    by, v = jnp.where(near, 1.0, c), jnp.where(near, w, 0.0)
    far = jnp.expm1(jnp.where(near, 0.0, by * jnp.where(near, 0.0, y))) / by
    return jnp.where(near, y * polynomial(v, _EXP), far)


@pytree
class ExtremeSupport(Constraint):
    """Finite numbers not beyond loc - scale / shape, the end on the shape's side.

    `above` says that they are not below `loc` either.
    """

    loc: ArrayLike
    scale: ArrayLike
    concentration: ArrayLike
    above: bool = static(default=False)

    @property
    def rule(self) -> str:
        lower = "not be below loc and " if self.above else ""
        return f"must {lower}not be beyond loc - scale / concentration"

    def __call__(self, value: ArrayLike) -> Any:
        c, z = as_floats(self.concentration, (value - self.loc) / self.scale)
        inside = (c * z >= -1) & jnp.isfinite(z)
        return inside & (z >= 0) if self.above else inside

    def feasible_like(self, prototype: ArrayLike) -> Any:
        c, loc, scale = as_floats(self.concentration, self.loc, self.scale)
        away = 0.5 * scale / (1 + jnp.abs(c)) if self.above else 0.0 * scale * c
        value = loc + away
        shape = jnp.broadcast_shapes(value.shape, shape_of(prototype))
        return jnp.broadcast_to(value, shape)


@pytree
class ExtremeTransform(AbstractMonotoneTransform):
    """`loc + scale (exp(c y) - 1) / c` with y = x, or y = exp(x) if `above`."""

    loc: ArrayLike
    scale: ArrayLike
    concentration: ArrayLike
    above: bool = static(default=False)

    @property
    def codomain(self) -> Constraint:
        return ExtremeSupport(self.loc, self.scale, self.concentration, self.above)

    whole_codomain: Any = constraints.dependent

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        c, x, loc, scale = as_floats(self.concentration, x, self.loc, self.scale)
        y = jnp.exp(x) if self.above else x
        log_det = c * y + jnp.log(scale) + (x if self.above else 0.0)
        value = loc + scale * bent(c, y)
        return value, jnp.broadcast_to(log_det, value.shape)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        c, value, loc, scale = as_floats(self.concentration, y, self.loc, self.scale)
        y = straight(*jnp.broadcast_arrays(c, (value - loc) / scale))
        x = jnp.log(y) if self.above else y
        return x, -(c * y + jnp.log(scale) + (x if self.above else 0.0))

    def forward_shape(self, shape: Shape) -> Shape:
        own = map(shape_of, (self.loc, self.scale, self.concentration))
        return jnp.broadcast_shapes(shape, *own)

    inverse_shape = forward_shape


@biject_to.register(ExtremeSupport)
def _onto(support: ExtremeSupport) -> ExtremeTransform:
    return ExtremeTransform(
        support.loc, support.scale, support.concentration, support.above
    )
