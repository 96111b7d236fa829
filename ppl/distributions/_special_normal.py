"""Tails of the normal distribution to all digits, and how two of them differ.

They rest on erfcx(x) = exp(x^2) erfc(x), which has no tail to lose: the polynomial of
(x - 3.75) / (x + 3.75) for (1 + 2x) erfcx(x) is a Chebyshev expansion as of M. Shepherd
and J. Laframboise (1981, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x").
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array
from ppl.distributions._special import HALF_LOG_2PI, in_double, log1mexp, polynomial

_SQRT_2 = math.sqrt(2.0)
_ERFCX = (
    1.2375126308378275,
    -0.14024059858554702,
    0.0035854154854644293,
    0.08227673849015102,
    -0.10880393014174886,
    0.09230432116019834,
    -0.05869339858963677,
    0.0283622774215156,
    -0.009746579558029276,
    0.0017556258324217529,
    0.0002937136655913448,
    -0.00029015397928986765,
    5.1649098892682413e-05,
    2.2383912036550705e-05,
    -1.1444146237700546e-05,
    -9.728495822111792e-07,
    1.7516376488490985e-06,
    -5.826281078791927e-08,
    -2.586685071615989e-07,
    2.428976292539749e-08,
    3.8675334242250226e-08,
    -4.3892841599263006e-09,
    -5.173990214022424e-09,
    5.457157304476597e-10,
    4.251471444815747e-10,
    -3.75315827757894e-11,
)
_FAR = 8.0  # from where on the continued fraction of the hazard is the better one
_LAST = 1e15  # a place in the tail that is as good as any further out


def _erfcx(x: Array) -> Array:
    """exp(x^2) erfc(x) for x >= 0."""
    x = jnp.minimum(x, jnp.finfo(x.dtype).max / 8)
    terms = _ERFCX if in_double(x) else _ERFCX[:21]
    return polynomial((x - 3.75) / (x + 3.75), terms) / (1 + 2 * x)


def _small_tail(v: Array) -> Array:
    """P(N > |v|)."""
    return 0.5 * jnp.exp(-0.5 * v * v) * _erfcx(jnp.abs(v) / _SQRT_2)


def hazard(v: Array) -> Array:
    """The density of a standard normal variable at `v` over P(N > v)."""
    up = v >= 0
    above = math.sqrt(2 / math.pi) / _erfcx(jnp.where(up, v, 0.0) / _SQRT_2)
    low = jnp.where(up, 0.0, v)
    density = jnp.exp(-0.5 * low * low - HALF_LOG_2PI)
    return jnp.where(up, above, density / (1 - _small_tail(low)))


def hazard_rest(v: Array) -> Array:
    """`hazard(v) - v`, about 1 / v far out."""
    far = v > _FAR
    b = jnp.where(far, v, _FAR)
    tail = b
    for k in range(11 if in_double(v) else 6, 1, -1):
        tail = b + k / tail
    near = jnp.where(far, 0.0, v)
    return jnp.where(far, 1 / tail, hazard(near) - near)


@jax.custom_jvp
def log_normal_tail(v: Array) -> Array:
    """Log P(N > v) for a standard normal variable."""
    up = v >= 0
    high, low = jnp.where(up, v, 0.0), jnp.where(up, 0.0, v)
    above = jnp.log(0.5 * _erfcx(high / _SQRT_2)) - 0.5 * high * high
    return jnp.where(up, above, jnp.log1p(-_small_tail(low)))


@log_normal_tail.defjvp
def _log_normal_tail_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (v,), (dv,) = primals, tangents
    return log_normal_tail(v), -hazard(v) * dv


@jax.custom_jvp
def log_mills(v: Array) -> Array:
    """The log of Mills' ratio, P(N > v) over the density at `v`."""
    up = v >= 0
    high, low = jnp.where(up, v, 0.0), jnp.where(up, 0.0, v)
    above = jnp.log(math.sqrt(math.pi / 2) * _erfcx(high / _SQRT_2))
    below = jnp.log1p(-_small_tail(low)) + 0.5 * low * low + HALF_LOG_2PI
    return jnp.where(up, above, below)


@log_mills.defjvp
def _log_mills_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (v,), (dv,) = primals, tangents
    return log_mills(v), -hazard_rest(v) * dv


# Below, phi is the normal density, Phi its integral and M Mills' ratio.


def log_tail_sum(w: Array, k: Array) -> Array:
    """The log of Phi(w) + phi(w) M(w + k), for k > 0."""
    v = w + k
    up = v >= 0
    wide = jnp.where(up, w, 0.0)
    above = -0.5 * wide * wide - HALF_LOG_2PI + log_mills(jnp.where(up, v, 0.0))
    below = k * (0.5 * k + w) + log_normal_tail(jnp.where(up, 0.0, v))
    return jnp.logaddexp(log_normal_tail(-w), jnp.where(up, above, below))


def log_tail_gap(w: Array, k: Array) -> Array:
    """The log of phi(w) (M(w) - M(w + k)), for k > 0; the rest of `log_tail_sum` to 1.

    Where the two ratios are close, the difference is the integral of M's slope.
    """
    w, k = jnp.broadcast_arrays(jnp.minimum(w, _LAST), k)
    deep = w < -5  # there it is nearly one, or the sum is small
    inner = jnp.where(deep, 0.0, w)
    narrow = k < 1 + jnp.maximum(inner, 0.0)

    node, weight = np.polynomial.legendre.leggauss(20)
    shape = (len(node),) + (1,) * w.ndim
    node = jnp.asarray((1 + node) / 2, w.dtype).reshape(shape)
    weight = jnp.asarray(weight / 2, w.dtype).reshape(shape)
    short = jnp.where(narrow, k, 1.0)
    v = inner + short * node
    slope = jnp.exp(log_mills(v) - log_mills(inner)) * hazard_rest(v)
    close = jnp.log(short) + jnp.log((weight * slope).sum(0))

    long = jnp.where(narrow, 1 + jnp.maximum(inner, 0.0), k)
    apart = log1mexp(log_mills(inner) - log_mills(inner + long))
    near = log_normal_tail(inner) + jnp.where(narrow, close, apart)
    rest = log_tail_sum(jnp.where(deep, w, -6.0), k)
    return jnp.where(deep, log1mexp(-rest), near)
