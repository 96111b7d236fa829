"""Log probabilities of counts whose probability is itself random, without cancellation.

A count `k` and a number `r` that stands for the other part of a total (failures, or a
concentration) deviate from their means by the same gap, in opposite directions. Written
as deviances of that gap, and small remainders, the log probabilities keep their digits
in float32 when the parameters are so large that the law is nearly a simpler one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ppl._typing import Array
from ppl.distributions._special import (
    atanh_rest,
    fused,
    softplus,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions._sums import peaked_mean

_ZERO = jax.custom_derivatives.SymbolicZero


def _log_or_zero(x: Array) -> Array:
    return jnp.log(jnp.where(x > 0, x, 1.0))


def misfit(x: Array, mean: Array, gap: Array, log_ratio: Array) -> Array:
    """The deviance x log(x / mean) + mean - x.

    Args:
        x: A count or a concentration.
        mean: What it is compared with.
        gap: `mean - x`, which may be known to more digits than the two.
        log_ratio: log(mean / x), used where the two are far apart; finite for x = 0.
    """
    total = x + mean
    s = gap / jnp.where(total > 0, total, 1.0)
    near = jnp.abs(s) < 0.2
    s = jnp.where(near, s, 0.0)
    return jnp.where(
        near, s * (gap - 2 * x * s * s * atanh_rest(s)), gap - x * log_ratio
    )


def log_of_ratio(x: Array, gap: Array, log_ratio: Array) -> Array:
    """log(mean / x), from the gap where the two are near each other."""
    s = gap / (gap + 2 * x)
    near = jnp.abs(s) < 0.2
    s = jnp.where(near, s, 0.0)
    return jnp.where(near, 2 * s * (1 + s * s * atanh_rest(s)), log_ratio)


# --- negative binomial ----------------------------------------------------------------


def _of_total(
    r: Array, log_odds: Array, p: Array, q: Array, k: Array
) -> tuple[Array, Array, Array]:
    """The gap of `k` and `r` from their shares of the total; far log ratios of both."""
    n = r + k
    gap = jnp.where(p < q, k - n * p, n * q - r)
    log_n = jnp.log(n)
    log_k = log_n - softplus(-log_odds) - _log_or_zero(k)
    return gap, log_k, log_n - softplus(log_odds) - jnp.log(r)


@jax.custom_jvp
def _log_negative_binomial(
    r: Array, log_odds: Array, p: Array, q: Array, pull: Array, k: Array
) -> Array:
    del pull
    n = r + k
    gap, log_k, log_r = _of_total(r, log_odds, p, q, k)
    fit = misfit(k, n * p, -gap, log_k) + misfit(r, n * q, gap, log_r)
    rest = stirling_rest(n) - stirling_rest(r) - stirling_rest(k)
    return jnp.log(r) - jnp.log(n) + rest - fit


@partial(_log_negative_binomial.defjvp, symbolic_zeros=True)
def _log_negative_binomial_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    r, log_odds, p, q, pull, k = primals
    change = jnp.zeros_like(r)
    if not isinstance(tangents[0], _ZERO):
        n = r + k
        gap, _, log_r = _of_total(r, log_odds, p, q, k)
        slope = stirling_slope(n) - stirling_slope(r) + (k / n) / r
        change += (slope + log_of_ratio(r, gap, log_r)) * tangents[0]
    if not isinstance(tangents[1], _ZERO):
        change += (k * q - pull) * tangents[1]
    return _log_negative_binomial(*primals), change


@fused
def log_negative_binomial(
    r: Array, log_odds: Array, p: Array, q: Array, pull: Array, k: Array
) -> Array:
    """The log of Gamma(k + r) / (k! Gamma(r)) p^k q^r.

    Differentiable in `r` and `log_odds`, as which of them the others are counted.

    Args:
        r: The number of failures at which counting stops; any positive number.
        log_odds: log(p / q).
        p: The probability of a success.
        q: The probability of a failure, to all digits.
        pull: The product `r p`.
        k: The successes, whole.
    """
    args = jnp.broadcast_arrays(r, log_odds, p, q, pull, k)
    return _log_negative_binomial(*args)


# --- beta binomial --------------------------------------------------------------------


def _of_pair(
    k: Array, m: Array, a: Array, b: Array
) -> tuple[Array, Array, Array, Array]:
    """The share of the first kind, of the second, the common gap, the total."""
    total = (k + m) + (a + b)
    # The gap of the mean number of the first kind, given the shares, over `k`.
    gap = m / total * a - k / total * b
    return (a + k) / total, (b + m) / total, gap, total


@jax.custom_jvp
def _log_beta_binomial(k: Array, m: Array, a: Array, b: Array) -> Array:
    first, second, gap, total = _of_pair(k, m, a, b)
    n, s = k + m, a + b
    log_first, log_second, log_n = jnp.log(first), jnp.log(second), _log_or_zero(n)
    log_a, log_b, log_s = jnp.log(a), jnp.log(b), jnp.log(s)
    fit = misfit(k, n * first, gap, log_first + log_n - _log_or_zero(k))
    fit += misfit(m, n * second, -gap, log_second + log_n - _log_or_zero(m))
    fit += misfit(a, s * first, -gap, log_first + log_s - log_a)
    fit += misfit(b, s * second, gap, log_second + log_s - log_b)
    rest = stirling_rest(n) - stirling_rest(k) - stirling_rest(m)
    rest += stirling_rest(a + k) - stirling_rest(a) + stirling_rest(b + m)
    rest += stirling_rest(s) - stirling_rest(total) - stirling_rest(b)
    return rest + jnp.log1p(n / s) - jnp.log1p(k / a) - jnp.log1p(m / b) - fit


def _slope(x: Array, other: Array, extra: Array, s: Array, total: Array) -> Array:
    """The part of a derivative by a concentration in which no logarithm is."""
    slopes = stirling_slope(x + extra) - stirling_slope(x)
    slopes += stirling_slope(s) - stirling_slope(total)
    return slopes + (extra / (x + extra)) / x - (other / total) / s


@partial(_log_beta_binomial.defjvp, symbolic_zeros=True)
def _log_beta_binomial_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    k, m, a, b = primals
    _, dm, da, db = tangents  # `k` is a count
    first, second, gap, total = _of_pair(k, m, a, b)
    n, s = k + m, a + b
    log_b = log_of_ratio(b, gap, jnp.log(second) + jnp.log(s) - jnp.log(b))
    change = jnp.zeros_like(a)
    if not isinstance(da, _ZERO):
        log_a = log_of_ratio(a, -gap, jnp.log(first) + jnp.log(s) - jnp.log(a))
        change += (_slope(a, n, k, s, total) + log_a) * da
    if not isinstance(db, _ZERO):
        change += (_slope(b, n, m, s, total) + log_b) * db
    if not isinstance(dm, _ZERO):
        slope = stirling_slope(n) - stirling_slope(m) + stirling_slope(b + m)
        slope += 1 / total - 1 / (b + m) - stirling_slope(total)
        log_m = jnp.log(second) + _log_or_zero(n) - _log_or_zero(m)
        change += (slope + log_of_ratio(m, -gap, log_m)) * dm
    return _log_beta_binomial(*primals), change


@fused
def log_beta_binomial(k: Array, m: Array, a: Array, b: Array) -> Array:
    """The log of C(k + m, k) B(k + a, m + b) / B(a, b).

    Args:
        k: A count, by which there is no derivative.
        m: Another, or any number that is not negative.
        a: The concentration of the kind of which there are `k`.
        b: The concentration of the other kind.
    """
    return _log_beta_binomial(*jnp.broadcast_arrays(k, m, a, b))


def top_of_beta_binomial(a: Array, b: Array, n: Array) -> Array:
    """A mode, a whole float; if both ends are, that of the larger concentration."""
    peaked = a + b > 2
    inside = jnp.floor((n + 1) * ((a - 1) / jnp.where(peaked, a + b - 2, 1.0)))
    return jnp.where(peaked, jnp.clip(inside, 0.0, n), jnp.where(a > b, n, 0.0))


def mean_of_beta_binomial(function: Any, a: Array, b: Array, n: Array) -> Array:
    """The expectation of a smooth function of a beta binomial count, by a sum."""
    # With two peaks at the ends, the sum may start anywhere between.
    top = top_of_beta_binomial(a, b, n)
    top = jnp.where((a < 1) & (b < 1), jnp.floor(n / 2), top)

    def log_prob(count: Array) -> Array:
        return log_beta_binomial(count, n - count, a, b)

    return peaked_mean(log_prob, function, top, n)


# --- Dirichlet multinomial ------------------------------------------------------------


def _balance(k: Array, a: Array, n: Array, s: Array) -> tuple[Array, Array, Array]:
    """Shares of the totals `n` and `s` together, gaps, log shares."""
    total = n + s
    share = (k + a) / total
    return share, n / total * a - k / total * s, jnp.log(share)


def cost_of_category(k: Array, a: Array, n: Array, s: Array) -> Array:
    """What a category adds to minus the log probability."""
    share, gap, log_share = _balance(k, a, n, s)
    log_k = jnp.where(k > 0, log_share + _log_or_zero(n) - _log_or_zero(k), 0.0)
    fit = misfit(k, n * share, gap, log_k)
    fit += misfit(a, s * share, -gap, log_share + jnp.log(s) - jnp.log(a))
    rest = stirling_rest(k + a) - stirling_rest(k) - stirling_rest(a)
    return fit - rest + jnp.log1p(k / a)


def gain_of_totals(n: Array, s: Array) -> Array:
    """What the totals of counts and concentrations add to the log probability."""
    whole = stirling_rest(n) + stirling_rest(s) - stirling_rest(n + s)
    return whole + jnp.log1p(n / s)


@jax.custom_jvp
def log_dirichlet_multinomial(k: Array, a: Array) -> Array:
    """The log density at counts `k`, by which there is no derivative."""
    n, s = k.sum(-1, keepdims=True), a.sum(-1, keepdims=True)
    return gain_of_totals(n, s)[..., 0] - cost_of_category(k, a, n, s).sum(-1)


@log_dirichlet_multinomial.defjvp
def _log_dirichlet_multinomial_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (k, a), (_, da) = primals, tangents
    n, s = k.sum(-1, keepdims=True), a.sum(-1, keepdims=True)
    _, gap, log_share = _balance(k, a, n, s)
    slope = stirling_slope(k + a) - stirling_slope(a) + (k / (k + a)) / a
    slope += stirling_slope(s) - stirling_slope(n + s) - (n / (n + s)) / s
    slope += log_of_ratio(a, -gap, log_share + jnp.log(s) - jnp.log(a))
    return log_dirichlet_multinomial(k, a), (slope * da).sum(-1)
