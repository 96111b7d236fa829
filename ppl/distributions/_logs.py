"""Logarithms of quotients, of survival and of truncated exponentials, to all digits."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike
from ppl.distributions._special import LOG_2, as_floats, fused, log1mexp, polynomial

EULER = 0.5772156649015329
_FAR = 60.0  # exp(-60) is nothing beside one, but still a float32

# log((1 - exp(-c)) / c) + c / 2 = sum of _BEND[k] c^(2k + 2), by Bernoulli numbers
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730)
_BEND = tuple(
    b / (2 * (k + 1) * math.factorial(2 * (k + 1))) for k, b in enumerate(_BERNOULLI)
)


@jax.custom_jvp
def _log_quotient(x: Array, y: Array) -> Array:
    near = jnp.abs(x - y) < 0.5 * y
    close = jnp.log1p(jnp.where(near, (x - y) / y, 0.0))
    quotient = x / y
    held = (quotient > 1e-30) & (quotient < 1e30)
    middle = jnp.log(jnp.where(held, quotient, 1.0))
    apart = jnp.log(x) - jnp.log(y)
    return jnp.where(near, close, jnp.where(held, middle, apart))


@_log_quotient.defjvp
def _log_quotient_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x, y), (dx, dy) = primals, tangents
    return _log_quotient(x, y), dx / x - dy / y


def log_quotient(x: ArrayLike, y: ArrayLike) -> Array:
    """log(x / y) of positive numbers: near each other, or too far for a quotient."""
    return _log_quotient(*jnp.broadcast_arrays(*as_floats(x, y)))


@jax.custom_jvp
def _log_cosh(z: Array) -> Array:
    size = jnp.abs(z)
    return size + jnp.log1p(jnp.exp(-2 * size)) - LOG_2


@_log_cosh.defjvp
def _log_cosh_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (z,), (dz,) = primals, tangents
    return _log_cosh(z), jnp.tanh(z) * dz


log_cosh = fused(_log_cosh)


def log1mexpexp(t: Array) -> Array:
    """log(1 - exp(-exp(t))): the lower tail, where exp(t) is a cumulative hazard."""
    low = t < -_FAR
    return jnp.where(low, t, log1mexp(jnp.exp(jnp.clip(t, -_FAR, 10.0))))


def log_truncated(rate: Array, length: Array) -> Array:
    """Log of the integral of exp(-rate d) for d from 0 to `length`; both nonnegative.

    No digits are lost as the rate goes to zero, nor derivatives by it.
    """
    c = rate * length
    small = c < 0.5
    s = jnp.where(small, c, 0.0)
    series = jnp.log(length) - 0.5 * s + s * s * polynomial(s * s, _BEND)
    safe_rate, safe = jnp.where(small, 1.0, rate), jnp.where(small, 1.0, c)
    return jnp.where(small, series, log1mexp(safe) - jnp.log(safe_rate))


def mean_truncated(rate: Array, length: Array) -> Array:
    """The mean distance under that exponential."""
    c = rate * length
    small = c < 0.5
    s, safe = jnp.where(small, c, 0.0), jnp.where(small, 1.0, c)
    slopes = tuple(2 * (k + 1) * b for k, b in enumerate(_BEND))
    series = 0.5 - s * polynomial(s * s, slopes)
    return length * jnp.where(small, series, 1 / safe - 1 / jnp.expm1(safe))


def just_above(x: Array, bound: ArrayLike) -> Array:
    """`x`, or the next float above `bound` where rounding has brought it there."""
    bound = jnp.broadcast_to(jnp.asarray(bound, x.dtype), x.shape)
    bound = jax.lax.stop_gradient(bound)
    following = jnp.maximum(
        jnp.nextafter(bound, jnp.inf), bound + jnp.finfo(x.dtype).tiny
    )
    return jnp.where(x > bound, x, following)
