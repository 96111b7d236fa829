"""What families of angles share: the Bessel function, exact draws, wrapping."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import i0e, i1e

from ppl._typing import Array, Key, Shape
from ppl.distributions._special import open_uniform


def wrapped(angle: Array) -> Array:
    """An angle in [-pi, pi]."""
    turns = jnp.round(angle / (2 * math.pi))
    return jnp.clip(angle - 2 * math.pi * turns, -math.pi, math.pi)


@jax.custom_jvp
def log_i0e(x: Array) -> Array:
    """log(I0(x) exp(-x)) for x >= 0."""
    return jnp.log(i0e(x))


@log_i0e.defjvp
def _log_i0e_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return log_i0e(x), (bessel_ratio(x) - 1) * dx


def bessel_ratio(x: Array) -> Array:
    """I1(x) / I0(x)."""
    return i1e(x) / i0e(x)


def draw_angles(
    key: Key, log_density: Callable[[Array], Array], centre: Array, shape: Shape
) -> Array:
    r"""Exact draws of angles $\theta$ whose log density is $g(\sin^2(\theta / 2))$.

    By rejection from a wrapped Cauchy distribution, whose density is proportional to
    $1 / (w^2 + (1 - w^2) s)$ in $s = \sin^2(\theta / 2)$. For concave `g` the ratio is
    log-concave in `s`, and the best `w` has its maximum at the `s` for which
    $w^2 = s / (1 - s)$. With linear `g` this is the method of D. J. Best, N. I. Fisher
    (1979, "Efficient simulation of the von Mises distribution").

    Args:
        key: For the draws.
        log_density: The function `g`, concave, of arrays of `shape`.
        centre: The `s` at which `g(s) + log(s (1 - s)) / 2` is largest.
        shape: Of the draws.
    """
    w = jnp.sqrt(centre / (1 - centre))
    top = log_density(centre) + jnp.log(2 * centre)

    def propose(key: Key) -> tuple[Array, Array]:
        key_angle, key_accept = jax.random.split(key)
        # The tangent of half the angle is a Cauchy variable: exact for small angles.
        u = open_uniform(key_angle, shape) - 0.5
        tangent = w * jnp.tan(math.pi * u)
        s = jnp.square(tangent) / (1 + jnp.square(tangent))
        s = jnp.where(jnp.abs(tangent) > 1e9, 1.0, s)
        ratio = log_density(s) + jnp.log(w * w * (1 - s) + s) - top
        accept = jnp.log(open_uniform(key_accept, shape)) < ratio
        return 2 * jnp.arctan(tangent), accept

    def again(state: tuple[Key, Array, Array]) -> tuple[Key, Array, Array]:
        key, angle, done = state
        key, now = jax.random.split(key)
        new, accept = propose(now)
        return key, jnp.where(done, angle, new), done | accept

    start = (key, *propose(jax.random.fold_in(key, 1)))
    return jax.lax.while_loop(lambda state: ~state[2].all(), again, start)[1]


def von_mises_centre(concentration: Array) -> Array:
    """The `centre` of `draw_angles` for `g(s) = -2 concentration s`."""
    k = 4 * concentration
    return 2 / (k + 2 + jnp.sqrt(4 * k * concentration + 4))
