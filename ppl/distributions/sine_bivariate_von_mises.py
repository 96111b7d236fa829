"""The sine model of two dependent angles."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._circular import (
    draw_angles,
    log_i0e,
    von_mises_centre,
    wrapped,
)
from ppl.distributions._parameters import as_parameter, one_of
from ppl.distributions._special import as_floats
from ppl.distributions.distribution import Distribution, distribution, param

_NODES = 512  # of the normaliser: enough for concentrations up to about 10,000


@distribution
class SineBivariateVonMises(Distribution):
    r"""The sine model: von Mises distributions of two angles, coupled.

    The log density is $\kappa_1 \cos a + \kappa_2 \cos b + \lambda \sin a \sin b$ up to
    a constant, where $a = \phi - \mu_1$ and $b = \psi - \mu_2$. It has one mode while
    $\lambda^2 \le \kappa_1 \kappa_2$, else two. With two, and for concentrations above
    10,000, the normaliser loses digits and draws take long. (H. Singh, V. Hnizdo, E.
    Demchuk, 2002, "Probabilistic model for two dependent circular variables".)

    Full turns do not change it; draws are angles from -pi to pi.

    Args:
        phi_loc: The centre $\mu_1$, in [-pi, pi], shape `(...)`.
        psi_loc: The centre $\mu_2$.
        phi_concentration: Positive, $\kappa_1$.
        psi_concentration: Positive, $\kappa_2$.
        correlation: The number $\lambda$.
        weighted_correlation: Instead, $\lambda / \sqrt{\kappa_1 \kappa_2}$.
        validate_args: False skips the check of the parameters.
    """

    phi_loc: ArrayLike = param(constraints.circular)
    psi_loc: ArrayLike = param(constraints.circular)
    phi_concentration: ArrayLike = param(constraints.positive)
    psi_concentration: ArrayLike = param(constraints.positive)
    correlation: ArrayLike = param(constraints.real)
    support = constraints.independent(constraints.circular, 1)
    is_circular = True

    def __init__(
        self,
        phi_loc: ArrayLike,
        psi_loc: ArrayLike,
        phi_concentration: ArrayLike,
        psi_concentration: ArrayLike,
        correlation: ArrayLike | None = None,
        weighted_correlation: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        given = {
            "correlation": correlation,
            "weighted_correlation": weighted_correlation,
        }
        if one_of("SineBivariateVonMises", **given) == "weighted_correlation":
            real = constraints.real
            first = as_parameter(phi_concentration, real)
            second = as_parameter(psi_concentration, real)
            xp = constraints.namespace(first, second)
            scale = xp.sqrt(first * second)
            correlation = as_parameter(weighted_correlation, real) * scale
        self._set(
            phi_loc=phi_loc,
            psi_loc=psi_loc,
            phi_concentration=phi_concentration,
            psi_concentration=psi_concentration,
            correlation=correlation,
            validate_args=validate_args,
        )

    @property
    def event_shape(self) -> Shape:
        return (2,)

    def _floats(self) -> tuple[Array, ...]:
        return as_floats(
            self.phi_concentration, self.psi_concentration, self.correlation
        )

    def _log_marginal(self, s: Array) -> Array:
        """Of the first angle, where `s` is its sin^2(a / 2); zero at the centre.

        The second angle is integrated out, which gives a Bessel function. Concave.
        """
        first, second, correlation = self._floats()
        square = 4 * jnp.square(correlation) * s * (1 - s)
        total = jnp.sqrt(jnp.square(second) + square)
        beyond = square / (total + second)  # total - second
        return -2 * first * s + beyond + log_i0e(total) - log_i0e(second)

    def _log_normaliser(self) -> Array:
        """Of the density over its value at the centre."""
        first, second, _ = self._floats()
        # By the midpoint rule, exact to many digits for a smooth periodic function;
        # a map of the circle onto itself puts the points where the mass is.
        middle = (np.arange(_NODES) + 0.5) * (math.pi / _NODES)
        shape = (_NODES,) + (1,) * len(self.batch_shape)
        half = jnp.asarray(np.tan(0.5 * middle).reshape(shape), first.dtype)
        slope = self._slope(jnp.zeros(self.batch_shape, first.dtype))
        w = jax.lax.rsqrt(1 + jnp.maximum(-slope, 0.0) / 1000)
        w = jax.lax.stop_gradient(w)
        tangent = w * half
        s = jnp.square(tangent) / (1 + jnp.square(tangent))
        log_stretch = jnp.log(w * (1 + jnp.square(half)) / (1 + jnp.square(tangent)))
        terms = jax.nn.logsumexp(self._log_marginal(s) + log_stretch, axis=0)
        return terms + math.log(4 * math.pi**2 / _NODES) + log_i0e(second)

    def _slope(self, s: Array) -> Array:
        """The derivative of `_log_marginal`."""
        return jax.jvp(self._log_marginal, (s,), (jnp.ones_like(s),))[1]

    def log_prob(self, value: ArrayLike) -> Array:
        (value, phi, psi) = as_floats(value, self.phi_loc, self.psi_loc)
        angles = jnp.isfinite(value).all(-1)
        value = jnp.where(angles[..., None], value, 0.0)
        first, second, correlation = self._floats()
        a, b = value[..., 0] - phi, value[..., 1] - psi
        cosines = first * jnp.square(jnp.sin(0.5 * a))
        cosines = cosines + second * jnp.square(jnp.sin(0.5 * b))
        together = correlation * jnp.sin(a) * jnp.sin(b)
        log_prob = together - 2 * cosines - self._log_normaliser()
        return jnp.where(angles, log_prob, -jnp.inf)

    def _centre(self) -> Array:
        """Where `_log_marginal(s) + log(s (1 - s)) / 2` is largest, by bisection."""
        (first, *_) = self._floats()
        size = jnp.zeros(self.batch_shape, first.dtype)
        most = 0.5 * math.log(float(jnp.finfo(first.dtype).max))

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = 0.5 * (low + high)
            s = jax.nn.sigmoid(middle)
            rising = 2 * s * (1 - s) * self._slope(s) + (1 - 2 * s) > 0
            return jnp.where(rising, middle, low), jnp.where(rising, high, middle)

        ends = jax.lax.fori_loop(0, 40, halve, (size - most, size + most))
        return jnp.clip(jax.nn.sigmoid(ends[0]), 1e-30, 0.999999)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_first, key_second = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        _, second, correlation = self._floats()
        centre = jnp.broadcast_to(self._centre(), shape)
        a = draw_angles(key_first, self._log_marginal, centre, shape)
        # Given the first, the second angle has a von Mises distribution.
        pull = correlation * jnp.sin(a)
        total = jnp.sqrt(jnp.square(second) + jnp.square(pull))
        centre = von_mises_centre(total)
        b = draw_angles(key_second, lambda s: -2 * total * s, centre, shape)
        b = b + jnp.arctan2(pull, second)
        both = jnp.stack([a + self.phi_loc, b + self.psi_loc], axis=-1)
        return wrapped(both)

    @property
    def mean(self) -> Array:
        """The circular means, which are the centres."""
        phi, psi = jnp.broadcast_arrays(*as_floats(self.phi_loc, self.psi_loc))
        return jnp.broadcast_to(jnp.stack([phi, psi], axis=-1), self.shape())
