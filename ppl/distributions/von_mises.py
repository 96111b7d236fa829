"""The von Mises distribution on the circle."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import i0e, i1e

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    as_floats,
    in_double,
    open_uniform,
    polynomial,
)
from ppl.distributions.distribution import Distribution, distribution, param

_LOG_2PI = math.log(2 * math.pi)
# 1 - I1(k) / I0(k) = sum of _SPREAD[n] / k^(n + 1), for large k
_SPREAD = (1 / 2, 1 / 8, 1 / 8, 25 / 128, 13 / 32, 1073 / 1024)


def _wrapped(angle: Array) -> Array:
    """An angle, by full turns brought from -pi to pi."""
    turned = angle - 2 * math.pi * jnp.round(angle / (2 * math.pi))
    return jnp.clip(turned, -math.pi, math.pi)


def _log_beyond(concentration: Array, distance: Array, limit: Array) -> Array:
    """Log probability of angles from `distance` on, on one side of the mean.

    Up to `limit` further, by a Gauss-Legendre rule over as much of the tail as a float
    can notice.
    """
    count, drop = (40, 38.0) if in_double(distance) else (16, 18.0)
    node, weight = np.polynomial.legendre.leggauss(count)
    shape = (count,) + (1,) * distance.ndim
    node = jnp.asarray(((1 + node) / 2).reshape(shape), distance.dtype)
    weight = jnp.asarray((weight / 2).reshape(shape), distance.dtype)

    # The log density falls by 2 k sin(u / 2) sin(d + u / 2) from d to d + u.
    room = 0.5 * drop / concentration
    half = jnp.sin(0.5 * distance)
    end = 2 * jnp.arcsin(jnp.sqrt(jnp.minimum(half * half + room, 1.0)))
    middle = jnp.sin(0.5 * (end + distance))
    part = jnp.minimum(room / jnp.where(middle > 0, middle, 1.0), 1.0)
    whole = half * half + room >= jnp.square(jnp.sin(0.5 * (distance + limit)))
    reach = jax.lax.stop_gradient(jnp.where(whole, 1.0, 2 * jnp.arcsin(part)))
    length = jnp.where(whole, limit, reach)

    u = 0.5 * length * node
    fall = 2 * concentration * jnp.sin(u) * jnp.sin(distance + u)
    total = length * (weight * jnp.exp(-fall)).sum(0)
    empty = limit <= 0
    log_total = jnp.log(jnp.where(empty, 1.0, total))
    outer = -2 * concentration * half * half - _LOG_2PI - jnp.log(i0e(concentration))
    return jnp.where(empty, -jnp.inf, outer + log_total)


def _log_cdf(loc: Array, concentration: Array, x: Array) -> Array:
    """Log of P(X <= x); `loc` is an angle from -pi to pi."""
    gap = x - loc
    size = jnp.abs(gap)
    back = size > math.pi  # more than half a turn away: seen from the other side
    apart = jnp.where(back, 2 * math.pi - size, size)
    beyond = _log_beyond(concentration, apart, math.pi - apart)
    # What one side of the density has beyond the cut at -pi and pi.
    end = math.pi - jnp.abs(loc)
    cut = _log_beyond(concentration, end, jnp.abs(loc))

    right = loc >= 0
    since = _log_beyond(concentration, jnp.where(right, end, size), x + math.pi)
    none = cut == -jnp.inf
    both = jnp.where(none, beyond, jnp.logaddexp(beyond, jnp.where(none, 0.0, cut)))
    lower = jnp.where(right & ~back, both, since)
    p, c = jnp.exp(beyond), jnp.exp(cut)
    rest = jnp.where(back, p, -p) + jnp.where(right, c, -c)
    return jnp.where(gap > 0, jnp.log1p(jnp.minimum(rest, 0.0)), lower)


def _centred(key: Key, concentration: Array, shape: Shape) -> Array:
    """Angles around zero: Best & Fisher (1979), rejection from a wrapped Cauchy.

    In half angles the hat is a Cauchy variable, and no digit is lost for a sharp peak.
    """
    k = jnp.broadcast_to(concentration, shape)
    ratio = jnp.hypot(jnp.ones_like(k), 4 * k)
    bend = ratio - 1  # the density over the hat is exp(-2 k y) (1 + bend y)
    curved = bend > 2 * k
    inverse = 0.5 / k - 1 / jnp.where(curved, bend, 1.0)
    best = jnp.where(curved, jnp.clip(inverse, 0.0, 1.0), 0.0)
    top = jnp.log1p(bend * best) - 2 * k * best

    def propose(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        i, angle, done = state
        u, v = open_uniform(jax.random.fold_in(key, i), (2, *shape))
        t = jnp.tan(math.pi * (u - 0.5)) / jnp.sqrt(ratio)
        y = t * t / (1 + t * t)
        accept = jnp.log(v) <= jnp.log1p(bend * y) - 2 * k * y - top
        new = jnp.where(accept & ~done, 2 * jnp.arctan(t), angle)
        return i + 1, new, done | accept

    start = (jnp.zeros((), jnp.uint32), jnp.zeros_like(k), ~(k > 0))
    return jax.lax.while_loop(lambda s: ~jnp.all(s[2]), propose, start)[1]


@distribution
class VonMises(Distribution):
    r"""Von Mises, the normal distribution of the circle, on angles from -pi to pi.

    Its density is $\exp(\kappa \cos(x - \mu)) / (2 \pi I_0(\kappa))$. Full turns do not
    change it: data may come from 0 to 2 pi, while draws, quantiles and `cdf` are those
    from -pi to pi. `mean` is the mean direction, and `variance` the circular one,
    $1 - I_1(\kappa) / I_0(\kappa)$.

    Args:
        loc: The mean direction $\mu$, any angle, of shape `batch_shape`.
        concentration: How sharp it is, $\kappa$; for much the variance is its inverse.
    """

    loc: ArrayLike = param(constraints.real)
    concentration: ArrayLike = param(constraints.positive)
    support = constraints.circular
    is_circular = True

    def _both(self) -> tuple[Array, Array]:
        loc, concentration = as_floats(self.loc, self.concentration)
        return _wrapped(loc), concentration

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        loc, concentration = self._both()
        return _wrapped(loc + _centred(key, concentration, self.shape(sample_shape)))

    def log_prob(self, value: ArrayLike) -> Array:
        loc, concentration, x = as_floats(self.loc, self.concentration, value)
        angle = jnp.isfinite(x)
        gap = jnp.where(angle, x, loc) - loc
        fall = 2 * concentration * jnp.square(jnp.sin(0.5 * gap))
        inside = -fall - _LOG_2PI - jnp.log(i0e(concentration))
        return jnp.where(angle, inside, jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf))

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def _seen(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        loc, concentration = self._both()
        (x,) = as_floats(value)
        return tuple(jnp.broadcast_arrays(loc, concentration, x))  # type: ignore

    def log_cdf(self, value: ArrayLike) -> Array:
        loc, concentration, x = self._seen(value)
        inside = _log_cdf(loc, concentration, jnp.clip(x, -math.pi, math.pi))
        low, high = x <= -math.pi, x >= math.pi
        return jnp.where(low, -jnp.inf, jnp.where(high, 0.0, inside))

    def log_sf(self, value: ArrayLike) -> Array:
        loc, concentration, x = self._seen(value)
        inside = _log_cdf(-loc, concentration, -jnp.clip(x, -math.pi, math.pi))
        low, high = x <= -math.pi, x >= math.pi
        return jnp.where(high, -jnp.inf, jnp.where(low, 0.0, inside))

    def icdf(self, q: ArrayLike) -> Array:
        loc, concentration = self._both()
        scale = 1 / jnp.sqrt(1 + concentration)

        def path(u: Array) -> Array:
            return jnp.clip(loc + scale * jnp.sinh(u), -math.pi, math.pi)

        return quantile_of(self, q, path)

    @property
    def mean(self) -> Array:
        return self._over_batch(self._both()[0])

    @property
    def variance(self) -> Array:
        return self._over_batch(self._spread())

    def _spread(self) -> Array:
        (k,) = as_floats(self.concentration)
        large = k > 100.0
        r = 1 / jnp.where(large, k, 100.0)
        near = jnp.where(large, 1.0, k)
        direct = 1 - i1e(near) / i0e(near)
        return jnp.where(large, r * polynomial(r, _SPREAD), direct)

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        (k,) = as_floats(self.concentration)
        return self._over_batch(_LOG_2PI + jnp.log(i0e(k)) + k * self._spread())
