"""Transforms of numbers; they act elementwise, and all but the identity are monotone.

None of them returns a boundary point of its codomain for a finite argument, and none
has a NaN in its gradient: a value that would round to the boundary stops before it.
The log-determinant is that of the exact map even there: a density keeps its slope.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentTypeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, namespace, shape_of
from ppl.distributions.transforms.base import (
    Transform,
    as_float,
    clamp,
    sum_rightmost,
)
from ppl.distributions.transforms.monotone import AbstractMonotoneTransform


def _log(value: ArrayLike) -> Any:
    """The logarithm, of a Python number as a Python number."""
    if isinstance(value, float | int):
        return math.log(value) if value > 0 else -math.inf
    return namespace(value).log(value)


def _log_logistic_slope(x: Array) -> Array:
    """Log of the derivative of the logistic function."""
    far = -jax.lax.abs(x)
    return far - 2.0 * jax.lax.log1p(jax.lax.exp(far))


def log_logistic(x: Array) -> Array:
    """Log of the logistic function."""
    return jnp.minimum(x, 0) - jax.lax.log1p(jax.lax.exp(-jax.lax.abs(x)))


def log_softplus(x: Array) -> Array:
    """Log of log(1 + exp(x))."""
    low = x < -20.0  # there it is x - exp(x) / 2 to all digits
    inner = jnp.where(low, 0.0, x)
    return jnp.where(low, x, jnp.log(-log_logistic(-inner)))


@functools.cache
def _exp_limits(dtype: Any) -> tuple[float, float]:
    """Between these, `exp` is neither infinite nor subnormal."""
    info = jnp.finfo(dtype)
    return 0.999 * math.log(info.tiny), 0.999 * math.log(info.max)


def exp_in_range(x: Array, terms: int = 1) -> Array:
    """`exp(x)`, kept within the normal numbers, with gradient zero beyond.

    A sum of `terms` such values does not overflow.
    """
    low, high = _exp_limits(x.dtype)
    return jax.lax.exp(clamp(x, low, high - math.log(terms)))


def _past(bound: ArrayLike, sign: int, dtype: Any) -> Any:
    """The next number of `dtype` above (sign 1) or below (sign -1) a bound."""
    xp = namespace(bound)
    bound = xp.asarray(bound, dtype)
    tiny = xp.asarray(jnp.finfo(dtype).tiny, dtype)
    if xp is jnp:
        bound = jax.lax.stop_gradient(bound)  # nextafter has no derivative
    beyond = xp.nextafter(bound, xp.asarray(sign * np.inf, dtype))
    return xp.where(abs(bound) < tiny, sign * tiny, beyond)


@pytree
class IdentityTransform(Transform):
    """`y = x`, on any domain."""

    domain: Constraint = constraints.real

    @property
    def codomain(self) -> Constraint:
        return self.domain

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        batch = x.shape[: x.ndim - self.domain.event_dim]
        return x, jax.lax.full(batch, 0.0, x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        return self.forward_and_log_det(y)

    @property
    def inv(self) -> Transform:
        return self

    @property
    def sign(self) -> Any:
        return 1

    def image(self, support: Constraint) -> Constraint:
        return support


@pytree
class AbsTransform(Transform):
    """`y = |x|`, which is no bijection: it has no inverse and no log-determinant."""

    codomain = constraints.nonnegative

    def __call__(self, x: ArrayLike) -> Array:
        return jnp.abs(as_float(x))

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        raise ArgumentTypeError(
            "AbsTransform is no bijection: two arguments have one absolute value, so "
            "it has no log-determinant and no density follows from it.",
            hint="Use a distribution of absolute values, such as HalfNormal.",
        )

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        return self.forward_and_log_det(y)

    def call_with_intermediates(self, x: ArrayLike) -> tuple[Array, Any]:
        return self(x), None


@pytree
class ExpTransform(AbstractMonotoneTransform):
    """`y = exp(x)`, kept within the normal numbers."""

    domain: Constraint = constraints.real
    whole_codomain = constraints.positive

    @property
    def codomain(self) -> Constraint:
        return self.image(self.domain)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        return exp_in_range(x), sum_rightmost(x, self.domain.event_dim)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        x = jnp.log(as_float(y))
        return x, sum_rightmost(-x, self.domain.event_dim)

    def _at(self, bound: ArrayLike) -> ArrayLike:
        return namespace(bound).exp(bound)


@pytree
class AffineTransform(AbstractMonotoneTransform):
    """`y = loc + scale * x`."""

    loc: ArrayLike
    scale: ArrayLike
    domain: Constraint = constraints.real

    @property
    def codomain(self) -> Constraint:
        return self.image(self.domain)

    def _log_scale(self, y: Array) -> Array:
        scale = self.scale
        log = _log(abs(scale))
        full = jnp.broadcast_to(jnp.asarray(log, y.dtype), y.shape)
        return sum_rightmost(full, self.domain.event_dim)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y = self.loc + self.scale * as_float(x)
        return y, self._log_scale(y)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        x = (as_float(y) - self.loc) / self.scale
        return x, -self._log_scale(x)

    def _at(self, bound: ArrayLike) -> ArrayLike:
        return self.loc + self.scale * bound

    @property
    def sign(self) -> Any:
        return namespace(self.scale).sign(self.scale)

    def forward_shape(self, shape: Shape) -> Shape:
        return np.broadcast_shapes(shape, shape_of(self.loc), shape_of(self.scale))

    inverse_shape = forward_shape


@pytree
class SigmoidTransform(AbstractMonotoneTransform):
    """`y = 1 / (1 + exp(-x))`."""

    codomain = whole_codomain = constraints.unit_interval

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        info = jnp.finfo(x.dtype)
        y = clamp(jax.lax.logistic(x), info.tiny, 1.0 - info.epsneg)
        return y, _log_logistic_slope(x)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        log_y, log_rest = jnp.log(y), jnp.log1p(-y)
        return log_y - log_rest, -log_y - log_rest


@pytree
class IntervalTransform(AbstractMonotoneTransform):
    """`y = low + (high - low) / (1 + exp(-x))`."""

    low: ArrayLike
    high: ArrayLike

    @property
    def codomain(self) -> Constraint:
        return constraints.interval(self.low, self.high)

    whole_codomain = codomain

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        width = self.high - self.low
        y = self.low + width * jax.lax.logistic(x)
        y = clamp(y, _past(self.low, 1, y.dtype), _past(self.high, -1, y.dtype))
        return y, _log(width) + _log_logistic_slope(x)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        above, below = jnp.log(y - self.low), jnp.log(self.high - y)
        return above - below, _log(self.high - self.low) - above - below

    def forward_shape(self, shape: Shape) -> Shape:
        return np.broadcast_shapes(shape, shape_of(self.low), shape_of(self.high))

    inverse_shape = forward_shape


@pytree
class HalfLineTransform(AbstractMonotoneTransform):
    """`y = bound + exp(x)`, or `bound - exp(x)` if `direction` is -1."""

    bound: ArrayLike
    direction: int = static(default=1)

    @property
    def codomain(self) -> Constraint:
        if self.direction > 0:
            return constraints.greater_than(self.bound)
        return constraints.less_than(self.bound)

    whole_codomain = codomain

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        away = exp_in_range(x)
        y = self.bound + away if self.direction > 0 else self.bound - away
        nearest, top = (
            _past(self.bound, self.direction, y.dtype),
            jnp.finfo(y.dtype).max,
        )
        y = clamp(y, nearest, top) if self.direction > 0 else clamp(y, -top, nearest)
        return y, jnp.broadcast_to(x, y.shape)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        x = jnp.log(y - self.bound if self.direction > 0 else self.bound - y)
        return x, -x

    @property
    def sign(self) -> Any:
        return self.direction

    def forward_shape(self, shape: Shape) -> Shape:
        return np.broadcast_shapes(shape, shape_of(self.bound))

    inverse_shape = forward_shape


@pytree
class SoftplusTransform(AbstractMonotoneTransform):
    """`y = log(1 + exp(x))`."""

    codomain = whole_codomain = constraints.positive

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        info = jnp.finfo(x.dtype)
        return clamp(-log_logistic(-x), info.tiny, info.max), log_logistic(x)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        log_det = -jnp.log(-jnp.expm1(-y))
        return y - log_det, log_det


@pytree
class PowerTransform(AbstractMonotoneTransform):
    """`y = x ** exponent`, on positive numbers."""

    exponent: ArrayLike
    domain = codomain = constraints.positive
    whole_domain = whole_codomain = constraints.positive

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        log_det = _log(abs(self.exponent)) + (self.exponent - 1.0) * jnp.log(x)
        return x**self.exponent, log_det

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        x = as_float(y) ** (1.0 / self.exponent)
        return x, -(_log(abs(self.exponent)) + (self.exponent - 1.0) * jnp.log(x))

    @property
    def sign(self) -> Any:
        return namespace(self.exponent).sign(self.exponent)

    def forward_shape(self, shape: Shape) -> Shape:
        return np.broadcast_shapes(shape, shape_of(self.exponent))

    inverse_shape = forward_shape
