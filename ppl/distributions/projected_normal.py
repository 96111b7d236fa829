"""The projected normal distribution of directions."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import HALF_LOG_2PI, as_floats, in_double
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param

_TURN = -0.5  # below, the ratios are computed from above


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_moment(n: int, t: Array) -> Array:
    r"""The log of $I_n(t) = \int_0^\infty r^{n - 1} e^{-(r - t)^2 / 2} dr$.

    Integrals by parts give $I_{n + 1} = t I_n + (n - 1) I_{n - 1}$, in which nothing
    cancels for positive t. For negative t the $I_n$ are its minimal solution, so that
    the ratios of neighbours are computed downwards (W. Gautschi, 1967, "Computational
    aspects of three-term recurrence relations").
    """
    log_first = log_ndtr(t) + HALF_LOG_2PI
    if n == 1:
        return log_first
    up = jnp.maximum(t, _TURN)
    before, last = jnp.exp(HALF_LOG_2PI) * ndtr(up), jnp.exp(-0.5 * up * up)
    last = last + up * before
    down = jnp.minimum(t, _TURN)
    terms = (700 if in_double(t) else 120) + n
    ratio = 0.5 * (down + jnp.sqrt(down * down + 4 * terms))

    def lower(i: Array, ratio: Array) -> Array:
        return (terms - 1 - i) / (ratio - down)

    ratio = jax.lax.fori_loop(0, terms - n, lower, ratio)
    log_ratios = jnp.zeros_like(t)
    for k in range(n - 1, 0, -1):
        ratio = k / (ratio - down)
        log_ratios = log_ratios + jnp.log(ratio)
        if k < n - 1:
            before, last = last, up * last + (n - 1 - k) * before
    return jnp.where(t > _TURN, jnp.log(last), log_first + log_ratios)


@_log_moment.defjvp
def _log_moment_jvp(n: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (t,), (dt,) = primals, tangents
    value = _log_moment(n, t)
    if n == 1:
        return value, jnp.exp(-0.5 * t * t - value) * dt
    return value, (n - 1) * jnp.exp(_log_moment(n - 1, t) - value) * dt


@distribution
class ProjectedNormal(Distribution):
    r"""The direction of a vector that is normal about a mean, with unit covariance.

    (D. Hernandez-Stumpfhauser, F. J. Breidt, M. J. van der Woerd, 2017, "The general
    projected normal distribution of arbitrary dimension".)

    Args:
        concentration: The mean of the vector, shape `(..., n)`; its length says how
            concentrated the directions are.
    """

    concentration: ArrayLike = param(constraints.real_vector)
    support = constraints.sphere
    has_rsample = True

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.concentration)[-1:]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return _direction(self.concentration + eps)

    def log_prob(self, value: ArrayLike) -> Array:
        (value, mean) = as_floats(value, self.concentration)
        inside = self.support(value)
        first = jnp.eye(value.shape[-1], dtype=value.dtype)[0]
        x = _direction(jnp.where(inside[..., None], value, first))
        along = (mean * x).sum(-1)
        across = jnp.square(mean - along[..., None] * x).sum(-1)
        n = value.shape[-1]
        log_prob = _log_moment(n, along) - 0.5 * across - n * HALF_LOG_2PI
        return jnp.where(inside, log_prob, -jnp.inf)

    @property
    def mean(self) -> Array:
        """The mean direction, which is not the expectation: that lies inside."""
        return self.mode

    @property
    def mode(self) -> Array:
        """The direction of highest density; some direction if all have the same."""
        (mean,) = as_floats(self.concentration)
        first = jnp.eye(mean.shape[-1], dtype=mean.dtype)[0]
        centred = (mean == 0).all(-1, keepdims=True)
        return _direction(jnp.where(centred, first, mean))


def _direction(vector: Array) -> Array:
    """A vector over its length."""
    size = jnp.abs(vector).max(-1, keepdims=True)
    scaled = vector / jax.lax.stop_gradient(jnp.where(size > 0, size, 1.0))
    return scaled / jnp.sqrt(jnp.square(scaled).sum(-1, keepdims=True))
