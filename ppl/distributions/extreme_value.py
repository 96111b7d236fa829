"""The generalised extreme value and the generalised Pareto distribution."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._extremes import ExtremeSupport, bent, straight
from ppl.distributions._special import (
    as_floats,
    clip_real,
    log1mexp,
    polynomial,
)
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution, param

_EULER = 0.57721566490153286


def _zeta(k: int) -> float:
    """Riemann's zeta function, by the formula of Euler and Maclaurin."""
    n = 100
    head = sum(j**-k for j in range(n - 1, 0, -1))
    ends = n ** (1 - k) / (k - 1) + n**-k / 2 + k * n ** (-k - 1) / 12
    return head + ends - k * (k + 1) * (k + 2) * n ** (-k - 3) / 720


# lgamma(1 - c) / c, and (lgamma(1 - 2c) - 2 lgamma(1 - c)) / c^2, as powers of c
_LOG_GAMMA = (_EULER, *(_zeta(k) / k for k in range(2, 27)))
_LOG_RATIO = tuple(_zeta(k) * (2.0**k - 2) / k for k in range(2, 27))
_SERIES = 0.1


def _relative_expm1(x: Array) -> Array:
    """(exp(x) - 1) / x."""
    return jnp.where(x == 0, 1.0, jnp.expm1(x) / jnp.where(x == 0, 1.0, x))


def _inside(c: Array, z: Array) -> Array:
    """Draws that were rounded to the end of the support, moved in by a few floats."""
    most = (1 - 8 * jnp.finfo(z.dtype).eps) / jnp.where(c == 0, 1.0, jnp.abs(c))
    most = jax.lax.stop_gradient(most)
    z = jnp.where(c > 0, jnp.maximum(z, -most), z)
    return jnp.where(c < 0, jnp.minimum(z, most), z)


class AbstractExtreme(Distribution):
    """What both have in common."""

    loc: ArrayLike
    scale: ArrayLike
    concentration: ArrayLike

    def _standard(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Shape, place (harmless beyond the shape's end), and what is beyond it."""
        c, z = as_floats(self.concentration, (value - self.loc) / self.scale)
        c, z = jnp.broadcast_arrays(c, z)
        beyond = c * z <= -1
        return c, jnp.where(beyond, 0.0, z), beyond

    def _at_end(self, value: ArrayLike) -> Array:
        """The log density beyond the support, and its limit at the upper end."""
        c, z = as_floats(self.concentration, (value - self.loc) / self.scale)
        limit = jnp.where(c < -1, jnp.inf, -jnp.log(self.scale))
        return jnp.where((c * z == -1) & (c <= -1), limit, -jnp.inf)

    def _from_standard(self, z: Array) -> Array:
        return clip_real(self.loc + self.scale * z)


# --- the two families -----------------------------------------------------------------


@distribution
class GeneralizedExtremeValue(AbstractExtreme):
    r"""Generalised extreme value: the limit of maxima of many variables.

    With $y = \log(1 + \xi z) / \xi$ (z where $\xi = 0$, the Gumbel distribution) the
    cdf is $\exp(-\exp(-y))$. SciPy's shape is $-\xi$. The support ends at
    $\mu - \sigma / \xi$, below for positive $\xi$ (Fréchet), above for negative
    (Weibull).

    Args:
        loc: The place, of shape `batch_shape`.
        scale: The scale.
        concentration: The shape $\xi$; moments from order $1 / \xi$ on are infinite.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    concentration: ArrayLike = param(constraints.real, default=0.0)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return ExtremeSupport(self.loc, self.scale, self.concentration)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        y = jax.random.gumbel(key, self.shape(sample_shape))
        (c,) = as_floats(self.concentration)
        return self._from_standard(_inside(c, bent(c, y)))

    def log_prob(self, value: ArrayLike) -> Array:
        c, z, beyond = self._standard(value)
        y = straight(c, z)
        inside = -(1 + c) * y - jnp.exp(-y) - jnp.log(self.scale)
        return jnp.where(beyond, self._at_end(value), inside)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        c, z, beyond = self._standard(value)
        return jnp.where(
            beyond, jnp.where(c > 0, -jnp.inf, 0.0), -jnp.exp(-straight(c, z))
        )

    def log_sf(self, value: ArrayLike) -> Array:
        c, z, beyond = self._standard(value)
        y = straight(c, z)
        far = y > 15
        t = jnp.exp(-y)
        inside = jnp.where(far, -y - 0.5 * t, log1mexp(jnp.where(far, 1.0, t)))
        return jnp.where(beyond, jnp.where(c > 0, 0.0, -jnp.inf), inside)

    def icdf(self, q: ArrayLike) -> Array:
        c, q = as_floats(self.concentration, q)
        return self.loc + self.scale * bent(c, -jnp.log(-jnp.log(q)))

    def _log_gamma(self, c: Array) -> Array:
        """Log of the gamma function at 1 - c, over c."""
        near = jnp.abs(c) < _SERIES
        far = jnp.where(near, 0.5, c)
        series = polynomial(jnp.where(near, c, 0.0), _LOG_GAMMA)
        return jnp.where(near, series, jax.lax.lgamma(1 - far) / far)

    @property
    def mean(self) -> Array:
        (c,) = as_floats(self.concentration)
        slope = self._log_gamma(jnp.where(c < 1, c, 0.0))
        mean = self.loc + self.scale * slope * _relative_expm1(c * slope)
        return self._over_batch(jnp.where(c < 1, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        (c,) = as_floats(self.concentration)
        inside = c < 0.5
        c = jnp.where(inside, c, 0.0)
        slope, near = self._log_gamma(c), jnp.abs(c) < _SERIES
        far = jnp.where(near, 0.25, c)
        bend = jax.lax.lgamma(1 - 2 * far) - 2 * jax.lax.lgamma(1 - far)
        series = polynomial(jnp.where(near, c, 0.0), _LOG_RATIO)
        bend = jnp.where(near, series, bend / far / far)
        standard = jnp.exp(2 * c * slope) * bend * _relative_expm1(c * c * bend)
        variance = jnp.square(self.scale) * standard
        return self._over_batch(jnp.where(inside, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        """The mode: the end of the support for a shape of at most -1."""
        (c,) = as_floats(self.concentration)
        inside = c > -1
        log = jnp.log1p(jnp.where(inside, c, 0.0))
        peak = -log * _relative_expm1(-c * log)
        z = jnp.where(inside, peak, -1 / jnp.where(inside, 1.0, c))
        return self._over_batch(self.loc + self.scale * z)

    def entropy(self) -> Array:
        (c,) = as_floats(self.concentration)
        return self._over_batch(jnp.log(self.scale) + _EULER * (1 + c) + 1)


@distribution
class GeneralizedPareto(AbstractExtreme):
    r"""Generalised Pareto: the limit of what exceeds a high threshold.

    With $y = \log(1 + \xi z) / \xi$ (z where $\xi = 0$, the exponential distribution)
    the probability of more is $\exp(-y)$. The support begins at `loc` and, for negative
    $\xi$, ends at $\mu - \sigma / \xi$.

    Args:
        loc: The lower end, of shape `batch_shape`.
        scale: The scale.
        concentration: The shape $\xi$; moments from order $1 / \xi$ on are infinite.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    concentration: ArrayLike = param(constraints.real, default=0.0)
    has_rsample = True

    @property
    def support(self) -> Constraint:
        return ExtremeSupport(self.loc, self.scale, self.concentration, above=True)

    def _standard(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        c, z, beyond = super()._standard(value)
        return c, jnp.where(z < 0, 0.0, z), beyond

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        y = jax.random.exponential(key, self.shape(sample_shape))
        (c,) = as_floats(self.concentration)
        return self._from_standard(_inside(c, bent(c, y)))

    def log_prob(self, value: ArrayLike) -> Array:
        c, z, beyond = self._standard(value)
        inside = -(1 + c) * straight(c, z) - jnp.log(self.scale)
        inside = jnp.where(beyond, self._at_end(value), inside)
        return jnp.where(value < self.loc, -jnp.inf, inside)

    def cdf(self, value: ArrayLike) -> Array:
        return -jnp.expm1(self.log_sf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        c, z, beyond = self._standard(value)
        y = jnp.where(beyond, 1.0, straight(c, z))
        inside = jnp.where(y > 0, log1mexp(jnp.where(y > 0, y, 1.0)), -jnp.inf)
        return jnp.where(beyond & (c < 0) & (value > self.loc), 0.0, inside)

    def log_sf(self, value: ArrayLike) -> Array:
        c, z, beyond = self._standard(value)
        inside = -straight(c, z)
        return jnp.where(beyond & (c < 0), -jnp.inf, inside)

    def icdf(self, q: ArrayLike) -> Array:
        c, q = as_floats(self.concentration, q)
        return self.loc + self.scale * bent(c, -jnp.log1p(-q))

    @property
    def mean(self) -> Array:
        (c,) = as_floats(self.concentration)
        mean = self.loc + self.scale / jnp.where(c < 1, 1 - c, 1.0)
        return self._over_batch(jnp.where(c < 1, mean, jnp.inf))

    @property
    def variance(self) -> Array:
        (c,) = as_floats(self.concentration)
        safe = jnp.where(c < 0.5, c, 0.0)
        variance = jnp.square(self.scale / (1 - safe)) / (1 - 2 * safe)
        return self._over_batch(jnp.where(c < 0.5, variance, jnp.inf))

    @property
    def mode(self) -> Array:
        """The lower end; the upper one for a shape below -1."""
        (c,) = as_floats(self.concentration)
        rising = c < -1
        z = jnp.where(rising, -1 / jnp.where(rising, c, 1.0), 0.0)
        return self._over_batch(self.loc + self.scale * z)

    def entropy(self) -> Array:
        (c,) = as_floats(self.concentration)
        return self._over_batch(jnp.log(self.scale) + 1 + c)
