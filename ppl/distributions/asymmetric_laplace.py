"""The asymmetric Laplace distribution, by asymmetry or by quantile."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import as_floats
from ppl.distributions.distribution import Distribution, distribution, param


class AbstractAsymmetricLaplace(Distribution):
    """Two exponentials back to back, whose rates the final classes give."""

    loc: ArrayLike
    support = constraints.real
    has_rsample = True

    def _rates(self) -> tuple[Array, Array]:
        """The rates at which the density falls to the left and to the right."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def _shares(self) -> tuple[Array, Array]:
        """The probabilities of the two sides."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def _log_width(self) -> Array:
        """Minus the log of the highest density."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        left, right = self._rates()
        eps = jax.random.exponential(key, (2, *self.shape(sample_shape)))
        return self.loc + (eps[0] / right - eps[1] / left)

    def _log_sides(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """Which side, and the logs of the two tails as continued to all values."""
        (gap,) = as_floats(value - self.loc)
        (left, right), (below, above) = self._rates(), self._shares()
        low = gap < 0
        lower = jnp.log(below) + left * jnp.where(low, gap, 0.0)
        upper = jnp.log(above) - right * jnp.where(low, 0.0, gap)
        return low, lower, upper

    def log_prob(self, value: ArrayLike) -> Array:
        (gap,) = as_floats(value - self.loc)
        left, right = self._rates()
        return jnp.where(gap < 0, left * gap, -right * gap) - self._log_width()

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        low, lower, upper = self._log_sides(value)
        return jnp.where(low, lower, jnp.log1p(-jnp.exp(upper)))

    def log_sf(self, value: ArrayLike) -> Array:
        low, lower, upper = self._log_sides(value)
        return jnp.where(low, jnp.log1p(-jnp.exp(lower)), upper)

    def icdf(self, q: ArrayLike) -> Array:
        (q,) = as_floats(q)
        (left, right), (below, above) = self._rates(), self._shares()
        low = q < below
        down = jnp.log(jnp.where(low, q, below) / below) / left
        up = jnp.log(jnp.where(low, above, 1 - q) / above) / right
        return self.loc + jnp.where(low, down, -up)

    @property
    def mean(self) -> Array:
        left, right = self._rates()
        return self._over_batch(self.loc + (1 / right - 1 / left))

    @property
    def variance(self) -> Array:
        left, right = self._rates()
        return self._over_batch(1 / jnp.square(left) + 1 / jnp.square(right))

    @property
    def mode(self) -> Array:
        return self._over_batch(self.loc)

    def entropy(self) -> Array:
        return self._over_batch(1 + self._log_width())


@distribution
class AsymmetricLaplace(AbstractAsymmetricLaplace):
    """Asymmetric Laplace, by the asymmetry of its sides.

    Left of `loc` the mean distance from it is `scale * asymmetry`, right of it
    `scale / asymmetry`.

    Args:
        loc: The mode, of shape `batch_shape`.
        scale: The geometric mean of the scales of both sides.
        asymmetry: The square root of their ratio, left to right.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    asymmetry: ArrayLike = param(constraints.positive, default=1.0)

    def _rates(self) -> tuple[Array, Array]:
        scale, k = as_floats(self.scale, self.asymmetry)
        return 1 / (scale * k), k / scale

    def _shares(self) -> tuple[Array, Array]:
        (k,) = as_floats(self.asymmetry)
        return k / (k + 1 / k), (1 / k) / (k + 1 / k)

    def _log_width(self) -> Array:
        scale, k = as_floats(self.scale, self.asymmetry)
        return jnp.log(scale) + jnp.log(k + 1 / k)


@distribution
class AsymmetricLaplaceQuantile(AbstractAsymmetricLaplace):
    """Asymmetric Laplace, by the quantile at which its mode is.

    Its log density is minus the check loss of quantile regression, over `scale`.

    Args:
        loc: The mode, which is also the quantile, of shape `batch_shape`.
        scale: The harmonic mean of the scales of both sides, halved: with quantile
            0.5 the mean distance from `loc` is `2 * scale`.
        quantile: The probability of values below `loc`.
    """

    loc: ArrayLike = param(constraints.real, default=0.0)
    scale: ArrayLike = param(constraints.positive, default=1.0)
    quantile: ArrayLike = param(constraints.open_interval(0.0, 1.0), default=0.5)

    def _rates(self) -> tuple[Array, Array]:
        scale, below = as_floats(self.scale, self.quantile)
        return (1 - below) / scale, below / scale

    def _shares(self) -> tuple[Array, Array]:
        (below,) = as_floats(self.quantile)
        return below, 1 - below

    def _log_width(self) -> Array:
        scale, below = as_floats(self.scale, self.quantile)
        return jnp.log(scale) - jnp.log(below) - jnp.log1p(-below)
