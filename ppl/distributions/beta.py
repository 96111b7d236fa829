"""The beta distribution, and beta variables that are coupled."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._copula import AbstractGaussianCopula, check_sizes
from ppl.distributions._factors import factor_given
from ppl.distributions._parameters import as_parameter
from ppl.distributions._quantiles import quantile_of
from ppl.distributions._special import (
    as_floats,
    clip_unit,
    deviance,
    fused,
    log_ratio,
    stirling_rest,
    stirling_slope,
)
from ppl.distributions._special_tails import log_beta_tails
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import (
    Distribution,
    checks_deferred,
    distribution,
    param,
)


@jax.custom_jvp
def _log_density(a: Array, b: Array, x: Array) -> Array:
    # A binomial probability: of a - 1 and b - 1 events, or of a or b if below one.
    flat_a, flat_b = a >= 1, b >= 1
    at_end = (~flat_a & (x == 0)) | (~flat_b & (x == 1))
    x = jnp.where(at_end, 0.5, x)
    k, m = jnp.where(flat_a, a - 1, a), jnp.where(flat_b, b - 1, b)
    n = k + m
    both = jnp.where(flat_a & flat_b, jnp.log1p(n), -jnp.log(n))
    outer = jnp.where(flat_a == flat_b, both, 0.0)
    outer += jnp.where(flat_a, 0.0, jnp.log(a) - jnp.log(x))
    outer += jnp.where(flat_b, 0.0, jnp.log(b) - jnp.log1p(-x))
    rest = stirling_rest(n) - stirling_rest(k) - stirling_rest(m)
    inside = outer + rest - deviance(k, n * x) - deviance(m, n * (1 - x))
    return jnp.where(at_end, jnp.inf, inside)


@partial(_log_density.defjvp, symbolic_zeros=True)
def _log_density_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (a, b, x), (da, db, dx) = primals, tangents
    n, y = a + b, 1 - x
    change = jnp.zeros_like(x)
    zero = jax.custom_derivatives.SymbolicZero
    if not isinstance(dx, zero):
        left = jnp.where(a == 1, 0.0, (a - 1) / jnp.where(a == 1, 1.0, x))
        right = jnp.where(b == 1, 0.0, (b - 1) / jnp.where(b == 1, 1.0, y))
        change += (left - right) * dx
    if not isinstance(da, zero):
        psi = stirling_slope(n) - stirling_slope(a) + (b / n) / a
        change += (log_ratio(n * x, a) + psi) * da
    if not isinstance(db, zero):
        psi = stirling_slope(n) - stirling_slope(b) + (a / n) / b
        change += (log_ratio(n * y, b) + psi) * db
    return _log_density(a, b, x), change


@fused
def _beta_log_prob(a: ArrayLike, b: ArrayLike, value: ArrayLike) -> Array:
    a, b, x = jnp.broadcast_arrays(*as_floats(a, b, value))
    outside = (x < 0) | (x > 1)
    inside = _log_density(a, b, jnp.where(outside, 0.5, x))
    return jnp.where(outside, -jnp.inf, inside)


class AbstractBeta(Distribution):
    """What the two have in common; `_powers` gives the powers of x and 1 - x."""

    support = constraints.unit_interval
    has_rsample = True

    def _powers(self) -> tuple[Array, Array]:
        """Each plus one."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        a, b = self._powers()
        return clip_unit(jax.random.beta(key, a, b, self.shape(sample_shape)))

    def log_prob(self, value: ArrayLike) -> Array:
        return _beta_log_prob(*self._powers(), value)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        (a, b), (x,) = self._powers(), as_floats(value)
        inside = clip_unit(x)
        lower, upper = log_beta_tails(a, b, inside, 1 - inside)
        lower = jnp.where(x <= 0, -jnp.inf, jnp.where(x >= 1, 0.0, lower))
        upper = jnp.where(x >= 1, -jnp.inf, jnp.where(x <= 0, 0.0, upper))
        return lower, upper

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        return quantile_of(self, q, jax.nn.sigmoid)

    @property
    def variance(self) -> Array:
        a, b = self._powers()
        n = a + b
        return self._over_batch((a / n) * (b / n) / (n + 1))

    @property
    def mode(self) -> Array:
        """The mode; NaN where no single one is, both concentrations being at most 1."""
        a, b = self._powers()
        peaked = (a > 1) | (b > 1)
        inside = (a - 1) / jnp.where(peaked, a + b - 2, 1.0)
        inside = jnp.where(a <= 1, 0.0, jnp.where(b <= 1, 1.0, inside))
        return self._over_batch(jnp.where(peaked, inside, jnp.nan))

    def entropy(self) -> Array:
        a, b = self._powers()
        n = a + b

        def excess(c: Array) -> Array:  # digamma(c) - log(c)
            return stirling_slope(c) - 1 / c

        log_beta = stirling_rest(a) + stirling_rest(b) - stirling_rest(n)
        log_beta += jnp.log(n) - jnp.log(a) - jnp.log(b)
        shares = jnp.log(a / n) + jnp.log(b / n)
        slopes = (n - 2) * excess(n) - (a - 1) * excess(a) - (b - 1) * excess(b)
        return log_beta + shares + slopes


@distribution
class Beta(AbstractBeta):
    """Beta, on the unit interval.

    At 0 and 1 the density is its limit, infinite for a concentration below one. Draws
    that would be rounded to 0 or 1 become the nearest float inside.

    Args:
        concentration1: The power of x plus one, of shape `batch_shape`.
        concentration0: The power of 1 - x plus one.
    """

    concentration1: ArrayLike = param(constraints.positive)
    concentration0: ArrayLike = param(constraints.positive)

    def _powers(self) -> tuple[Array, Array]:
        a, b = as_floats(self.concentration1, self.concentration0)
        return a, b

    @property
    def mean(self) -> Array:
        a, b = self.concentration1, self.concentration0
        return self._over_batch(a / (a + b))


@distribution
class BetaProportion(AbstractBeta):
    """Beta, by its mean.

    Args:
        mean: The mean, inside (0, 1), of shape `batch_shape`.
        concentration: How sharp it is: the sum of the two concentrations of `Beta`.
    """

    mean: ArrayLike = param(constraints.open_interval(0.0, 1.0), default=0.5)  # type: ignore[assignment]
    concentration: ArrayLike = param(constraints.positive, default=1.0)

    def __init__(
        self,
        mean: ArrayLike,
        concentration: ArrayLike,
        *,
        validate_args: bool | None = None,
    ):
        # The defaults of the fields only hide the property of the base class.
        self._set(mean=mean, concentration=concentration, validate_args=validate_args)
        if shape_of(self.mean) != self.batch_shape:
            object.__setattr__(self, "mean", self._over_batch(self.mean))

    def _powers(self) -> tuple[Array, Array]:
        mean, total = as_floats(self.mean, self.concentration)
        return mean * total, (1 - mean) * total


@distribution
class GaussianCopulaBeta(AbstractGaussianCopula):
    """Beta variables with the dependence of a multivariate normal vector.

    Args:
        concentration1: Positive, the power of `x` plus one, shape `(..., n)`.
        concentration0: Positive, the power of `1 - x` plus one.
        correlation_matrix: Of the normal scores, shape `(..., n, n)`.
        correlation_cholesky: Its lower Cholesky factor, instead.
        validate_args: False skips the check of the parameters.
    """

    concentration1: ArrayLike = param(constraints.independent(constraints.positive, 1))
    concentration0: ArrayLike = param(constraints.independent(constraints.positive, 1))
    correlation_cholesky: ArrayLike = param(constraints.corr_cholesky)
    has_rsample = True

    def __init__(
        self,
        concentration1: ArrayLike,
        concentration0: ArrayLike,
        correlation_matrix: ArrayLike | None = None,
        correlation_cholesky: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        given = {
            "correlation_matrix": correlation_matrix,
            "correlation_cholesky": correlation_cholesky,
        }
        family, check = "GaussianCopulaBeta", validate_args is not False
        tril = factor_given(family, given, "", check=check)[1]
        first, second = (
            as_parameter(c, constraints.positive)
            for c in (concentration1, concentration0)
        )
        shape = np.broadcast_shapes(shape_of(first), shape_of(second))
        check_sizes(family, shape, tril)
        own = shape[-1:]
        first, second = (
            constraints.namespace(c).broadcast_to(c, (*shape_of(c)[:-1], *own))
            for c in (first, second)
        )
        self._set(
            concentration1=first,
            concentration0=second,
            correlation_cholesky=tril,
            validate_args=validate_args,
        )

    @property
    def _marginal(self) -> Beta:
        shape = (*self.batch_shape, *shape_of(self.concentration1)[-1:])
        first, second = self.concentration1, self.concentration0
        with checks_deferred():
            return Beta(first, second).expand(shape)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return clip_unit(super().sample(key, sample_shape))
