"""Absolute values of random numbers."""

from __future__ import annotations

import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._between import log_between, log_sum
from ppl.distributions._expectation import Quadrature
from ppl.distributions._search import log_quantile
from ppl.distributions._special import clip_positive
from ppl.distributions._wrapping import AbstractWrapper, Tails, tails_at
from ppl.distributions.distribution import Distribution, distribution


@distribution
class FoldedDistribution(AbstractWrapper):
    """The absolute value of another variable.

    The density is the sum of the base's on both sides of zero. Where both are very
    small, so that their logarithms are large, its slope near zero loses digits.

    Args:
        base_dist: A continuous distribution of numbers; for all but draws and the
            density it needs a cdf.
    """

    base_dist: Distribution
    support = constraints.positive  # type: ignore[assignment]

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        super()._prepare(validate_args)
        if self.base_dist.is_discrete:
            raise ArgumentError(
                "FoldedDistribution needs a continuous base, but "
                f"{type(self.base_dist).__name__} is discrete.",
                value=self.base_dist,
            )

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        return clip_positive(jnp.abs(self.base_dist.sample(key, sample_shape)))

    def log_prob(self, value: ArrayLike) -> Array:
        value = jnp.asarray(value)
        outside = value < 0
        x = jnp.where(outside, 1.0, value)
        both = [self.base_dist.log_prob(v) for v in (x, -x)]
        return jnp.where(outside, -jnp.inf, log_sum(jnp.stack(both, -1)))

    def log_tails(self, value: ArrayLike) -> Tails:
        """The logarithms of the probabilities below and above."""
        value = jnp.asarray(value, jnp.result_type(float, value))
        outside = value <= 0
        x = jnp.where(outside, 1.0, value)
        below, above = tails_at(self.base_dist, -x), tails_at(self.base_dist, x)
        rest = log_sum(jnp.stack([below.log_cdf, above.log_sf], -1))
        inside = Tails(log_between(self.base_dist, -x, x), jnp.minimum(rest, 0.0))
        inside = inside.polished()
        return Tails(
            jnp.where(outside, -jnp.inf, inside.log_cdf),
            jnp.where(outside, 0.0, inside.log_sf),
        )

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_cdf

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_sf

    def icdf(self, q: ArrayLike) -> Array:
        return log_quantile(self, q, 0.0, jnp.inf)

    def _quadrature(self) -> Quadrature:
        return Quadrature(self, 0.0, None)

    @property
    def mean(self) -> Array:
        """By quadrature."""
        finite = jnp.isfinite(self.base_dist.mean)
        return jnp.where(finite, self._quadrature().mean(), jnp.inf)

    @property
    def variance(self) -> Array:
        """By quadrature."""
        finite = jnp.isfinite(self.base_dist.variance)
        return jnp.where(finite, self._quadrature().variance(), jnp.inf)

    def entropy(self) -> Array:
        """By quadrature."""
        return self._quadrature().entropy()
