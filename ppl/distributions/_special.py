"""Special functions that keep their digits in float32, with cheap exact gradients.

Densities with large parameters are written in the saddle-point form of C. Loader (2000,
"Fast and accurate computation of binomial probabilities"): a difference of log gamma
functions loses all digits in float32, a deviance and a small remainder lose none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, xlogy

from ppl._typing import Array, ArrayLike

F = TypeVar("F", bound=Callable[..., Any])
LOG_2 = math.log(2.0)
LOG_PI = math.log(math.pi)
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

# lgamma(x + 1) = x log x - x + log(2 pi x) / 2 + sum of _STIRLING[k] / x^(2k + 1)
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_RESTS = (0.0, *(math.lgamma(k + 1) - k * math.log(k) + k for k in range(1, 20)))
# lgamma(h + 1/2) - lgamma(h) - log(h) / 2 = sum of _HALF_STEP[k] / h^(2k + 1)
_HALF_STEP = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432, 691 / 180224)


def fused(fn: F) -> F:
    """One compiled call when run eagerly, and no trace of itself inside other code."""
    return jax.jit(fn, inline=True)  # type: ignore[return-value]


def as_floats(*values: ArrayLike) -> tuple[Array, ...]:
    """The values as arrays of one float type, in which integers take part."""
    dtype = jnp.result_type(float, *values)
    return tuple(jnp.asarray(v, dtype) for v in values)


def polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    """The sum of `coefficients[k] x^k`."""
    total = jnp.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def in_double(x: Array) -> bool:
    """Whether the float type has more digits than float32."""
    return jnp.finfo(x.dtype).nmant > 30


def is_whole(value: ArrayLike) -> Any:
    """Whether each value is an integer; True at once for what has an integer type."""
    if not jnp.issubdtype(jnp.result_type(value), jnp.inexact):
        return True
    return jnp.floor(value) == value


# --- logistic -------------------------------------------------------------------------


@jax.custom_jvp
def _softplus(x: Array) -> Array:
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@_softplus.defjvp
def _softplus_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return _softplus(x), jax.lax.logistic(x) * dx


softplus = fused(_softplus)  # log(1 + exp(x))


@fused
def log1mexp(x: Array) -> Array:
    """log(1 - exp(-x)) for positive `x`."""
    near = x < LOG_2
    small = jnp.log(-jnp.expm1(-jnp.where(near, x, 1.0)))
    return jnp.where(near, small, jnp.log1p(-jnp.exp(-jnp.where(near, 1.0, x))))


def two_shares(logits: Array) -> tuple[Array, Array]:
    """The logistic function of a logit and of its negative, both to all digits."""
    e = jnp.exp(-jnp.abs(logits))
    large = 1 / (1 + e)
    small = e * large
    up = logits >= 0
    return jnp.where(up, large, small), jnp.where(up, small, large)


# --- heavy tails ----------------------------------------------------------------------


@jax.custom_jvp
def _log1p_square(w: Array) -> Array:
    half = jnp.finfo(w.dtype).maxexp // 2
    far = jnp.abs(w) > 2.0 ** (half - 1)  # there w^2 would overflow
    root = jnp.where(far, w * 2.0 ** -(half + 1), w)
    inside = jnp.log1p(jnp.where(far, root * root - 1, root * root))
    return jnp.where(far, inside + 2 * (half + 1) * LOG_2, inside)


@_log1p_square.defjvp
def _log1p_square_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (w,), (dw,) = primals, tangents
    far = jnp.abs(w) > 1  # there w^2 might overflow
    inner, outer = jnp.where(far, 1.0, w), jnp.where(far, w, 1.0)
    den = jnp.where(far, outer + 1 / outer, 1 + inner * inner)
    return _log1p_square(w), 2 * inner / den * dw


log1p_square = fused(_log1p_square)  # log(1 + w^2), for every w that a float can hold


# --- saddle-point parts ---------------------------------------------------------------


def log_ratio(x: Array, mean: Array) -> Array:
    """log(x / mean), where the two are nearly equal and where the ratio is no float."""
    near = jnp.abs(x - mean) < 0.5 * mean
    close = jnp.log1p(jnp.where(near, (x - mean) / mean, 0.0))
    limits, ratio = jnp.finfo(x.dtype), x / mean
    lift = limits.maxexp // 2
    lift = jnp.where(ratio < limits.tiny, lift, jnp.where(ratio > limits.max, -lift, 0))
    lifted = jnp.exp2(lift.astype(x.dtype)) * x / mean
    far = jnp.log(jnp.where(near, 1.0, lifted)) - lift * LOG_2
    return jnp.where(near, close, far)


def atanh_rest(s: Array) -> Array:
    """(atanh(s) / s - 1) / s^2 for abs(s) < 0.2."""
    terms = 11 if in_double(s) else 5
    return polynomial(s * s, tuple(1 / (2 * k + 3) for k in range(terms)))


def deviance_near(x: Array, mean: Array) -> tuple[Array, Array]:
    """The deviance as a series, and where it holds: the two within a factor 1.5."""
    gap, total = mean - x, mean + x
    s = gap / jnp.where(total == 0, 1.0, total)
    return s * (gap - 2 * x * s * s * atanh_rest(s)), jnp.abs(s) < 0.2


@jax.custom_jvp
def _deviance(x: Array, mean: Array) -> Array:
    series, near = deviance_near(x, mean)
    limits = jnp.finfo(x.dtype)
    lift = limits.maxexp // 2
    deep = mean * 2.0**lift < x  # there the ratio might underflow
    ratio = jnp.where(deep, mean * 2.0**lift, mean) / jnp.where(x == 0, 1.0, x)
    log_ratio = jnp.log(jnp.minimum(ratio, limits.max))
    log_ratio = jnp.where(deep, log_ratio - lift * LOG_2, log_ratio)
    return jnp.where(near, series, (mean - x) - x * log_ratio)


@partial(_deviance.defjvp, symbolic_zeros=True)
def _deviance_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x, mean), (dx, dmean) = primals, tangents
    change = jnp.zeros_like(x)
    if not isinstance(dmean, jax.custom_derivatives.SymbolicZero):
        change += jnp.where(x == 0, 1.0, (mean - x) / mean) * dmean
    if not isinstance(dx, jax.custom_derivatives.SymbolicZero):
        change += log_ratio(x, mean) * dx
    return _deviance(x, mean), change


@fused
def deviance(x: ArrayLike, mean: ArrayLike) -> Array:
    """The deviance x log(x / mean) + mean - x, accurate where the two nearly agree.

    A Poisson log density is `-deviance(x, rate) - stirling_rest(x)`.
    """
    x, mean = as_floats(x, mean)
    return _deviance(*jnp.broadcast_arrays(x, mean))


@fused
def stirling_slope(x: Array) -> Array:
    """digamma(x + 1) - log(x), the derivative of `stirling_rest`."""
    large = x > 10
    s, b = jnp.where(large, 1.0, x), jnp.where(large, x, 10.0)
    r = 1 / b
    series = polynomial(r * r, tuple(-(2 * k + 1) * c for k, c in enumerate(_STIRLING)))
    return jnp.where(large, r * (0.5 + r * series), digamma(s + 1) - jnp.log(s))


@jax.custom_jvp
def _stirling_rest(x: Array) -> Array:
    large = x > 10
    s, b = jnp.where(large, 1.0, jnp.maximum(x, 0)), jnp.where(large, x, 10.0)
    r = 1 / b
    terms = _STIRLING if in_double(x) else _STIRLING[:3]
    series = HALF_LOG_2PI + 0.5 * jnp.log(b) + r * polynomial(r * r, terms)
    return jnp.where(large, series, jax.lax.lgamma(s + 1) - xlogy(s, s) + s)


@partial(_stirling_rest.defjvp, symbolic_zeros=True)
def _stirling_rest_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    if isinstance(dx, jax.custom_derivatives.SymbolicZero):
        return _stirling_rest(x), jnp.zeros_like(x)
    return _stirling_rest(x), stirling_slope(x) * dx


@fused
def stirling_rest(x: ArrayLike) -> Array:
    """lgamma(x + 1) - x log x + x for x >= 0: zero at 0, then about log(2 pi x) / 2."""
    return _stirling_rest(*as_floats(x))


@jax.custom_jvp
def stirling_rest_of_counts(x: Array) -> Array:
    """`stirling_rest` of whole numbers, without a log gamma function.

    Small ones are rounded correctly: they come in thousands, and errors would add up.
    """
    small = x < len(_RESTS)
    b = jnp.where(small, 10.0, x)
    r = 1 / b
    terms = _STIRLING if in_double(x) else _STIRLING[:3]
    series = HALF_LOG_2PI + 0.5 * jnp.log(b) + r * polynomial(r * r, terms)
    index = jnp.where(small, x, 0).astype(int)
    return jnp.where(small, jnp.asarray(_RESTS, x.dtype)[index], series)


@partial(stirling_rest_of_counts.defjvp, symbolic_zeros=True)
def _stirling_rest_of_counts_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    if isinstance(dx, jax.custom_derivatives.SymbolicZero):
        return stirling_rest_of_counts(x), jnp.zeros_like(x)
    return stirling_rest_of_counts(x), stirling_slope(x) * dx


@fused
def half_step(h: Array) -> Array:
    """lgamma(h + 1/2) - lgamma(h) - log(h) / 2 for h > 0; goes to zero as -1/(8h)."""
    cut = 16.0 if in_double(h) else 4.0
    large = h > cut
    s, r = jnp.where(large, 1.0, h), 1 / jnp.where(large, h, cut)
    small = jax.lax.lgamma(s + 0.5) - jax.lax.lgamma(s) - 0.5 * jnp.log(s)
    return jnp.where(large, r * polynomial(r * r, _HALF_STEP), small)


def half_step_slope(h: Array) -> Array:
    """The derivative of `half_step`: digamma(h + 1/2) - digamma(h) - 1/(2h)."""
    return jax.jvp(half_step, (h,), (jnp.ones_like(h),))[1]


def log_beta(a: ArrayLike, b: ArrayLike) -> Array:
    """Log of the beta function, also for large arguments."""
    a, b = as_floats(a, b)
    n = a + b
    rest = stirling_rest(a) + stirling_rest(b) - stirling_rest(n)
    large = jnp.log(n) - jnp.log(a) - jnp.log(b) + rest
    return large - a * jnp.log1p(b / a) - b * jnp.log1p(a / b)


# --- samples --------------------------------------------------------------------------


def open_uniform(key: Array, shape: tuple[int, ...]) -> Array:
    """Uniform draws from the open unit interval: midpoints of a grid of floats."""
    u = jax.random.uniform(key, shape)
    return u + 0.5 * jnp.finfo(u.dtype).eps


# Draws that under- or overflow stop where a density can still divide them by a scale.
_ROOM = 2.0**12


def clip_positive(x: Array) -> Array:
    """Keep draws inside (0, inf) where they would under- or overflow."""
    limits = jnp.finfo(x.dtype)
    return jnp.clip(x, limits.tiny * _ROOM, limits.max / _ROOM)


def clip_real(x: Array) -> Array:
    """Keep draws finite where they would overflow."""
    most = jnp.finfo(x.dtype).max / _ROOM
    return jnp.clip(x, -most, most)


def clip_unit(x: Array) -> Array:
    """Keep draws inside (0, 1) where they would be rounded to a bound."""
    limits = jnp.finfo(x.dtype)
    return jnp.clip(x, limits.tiny, 1 - limits.epsneg)
