"""Incomplete gamma and beta functions in logarithms, with all their derivatives.

The prefactors are in saddle-point form, the rest is a continued fraction or a series of
a fixed number of terms, so that reverse differentiation works. They converge in some
multiple of the square root of the largest parameter: digits are lost from 1e5 on.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import gammainc, gammaincc

from ppl._typing import Array
from ppl.distributions._special import deviance, fused, log1mexp, stirling_rest

_TERMS = 200


@fused
def log_betainc(a: Array, b: Array, x: Array, y: Array) -> Array:
    """Log of the regularised incomplete beta function at `x`; `y` is `1 - x`.

    To be given both saves the digits of whichever is near one.
    """
    a, b, x, y = jnp.broadcast_arrays(a, b, x, y)
    swap = x * (a + b + 2) > a + 1  # where the fraction converges for the complement
    p, q = jnp.where(swap, b, a), jnp.where(swap, a, b)
    u, v = jnp.where(swap, y, x), jnp.where(swap, x, y)
    n = p + q
    lead = stirling_rest(n) - stirling_rest(p) - stirling_rest(q)
    lead += jnp.log(q / n) - deviance(p, n * u) - deviance(q, n * v)
    log_part = lead + jnp.log(_beta_fraction(p, q, u))
    part = jnp.where(swap, log_part, -1.0)
    return jnp.where(swap, log1mexp(jnp.maximum(-part, 0.0)), log_part)


def _beta_fraction(a: Array, b: Array, x: Array) -> Array:
    """The continued fraction of the incomplete beta function, by Lentz's method."""

    def step(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        c, d, h = state
        m = i + 1.0
        for num in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + num * d)
            c = 1 + num / c
            h = h * (c * d)
        return c, d, h

    d = 1 / (1 - (a + b) * x / (a + 1))
    return jax.lax.fori_loop(0, _TERMS, step, (jnp.ones_like(x), d, d))[2]


def _underflow(x: Array) -> float:
    """A logarithm below which probabilities are no longer normal floats."""
    return math.log(float(jnp.finfo(x.dtype).tiny)) + 20.0


@fused
def log_gammainc(a: Array, x: Array) -> Array:
    """Log of the lower regularised incomplete gamma function."""
    a, x = jnp.broadcast_arrays(a, x)
    lead = -deviance(a, x) - stirling_rest(a)
    under = (lead < _underflow(x)) & (x < a)
    near = jnp.log(gammainc(a, jnp.where(under, a, x)))
    ratio = jnp.where(under, x, 0.0)

    def step(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        term, total = state
        term = term * ratio / (a + k + 1)
        return term, total + term

    one = jnp.ones_like(x)
    total = jax.lax.fori_loop(0, 2 * _TERMS, step, (one, one))[1]
    return jnp.where(under, lead + jnp.log(total), near)


@fused
def log_gammaincc(a: Array, x: Array) -> Array:
    """Log of the upper regularised incomplete gamma function."""
    a, x = jnp.broadcast_arrays(a, x)
    lead = jnp.log(a) - deviance(a, x) - stirling_rest(a)
    under = (lead < _underflow(x)) & (x > a) & (x < jnp.inf)
    near = jnp.log(gammaincc(a, jnp.where(under, a, x)))
    deep = jnp.where(under, x, 2 * a + 2)

    def step(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        c, d, h = state
        k = i + 1.0
        num, den = -k * (k - a), deep + 2 * k + 1 - a
        d = 1 / (den + num * d)
        c = den + num / c
        return c, d, h * (c * d)

    d = 1 / (deep + 1 - a)
    c = jnp.full_like(x, jnp.finfo(x.dtype).max)
    h = jax.lax.fori_loop(0, _TERMS, step, (c, d, d))[2]
    return jnp.where(under, lead + jnp.log(h), near)
