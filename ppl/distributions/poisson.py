"""The Poisson distribution."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._counts import poisson
from ppl.distributions._parameters import known
from ppl.distributions._quantiles import count_quantile_of
from ppl.distributions._special import (
    as_floats,
    deviance,
    fused,
    is_whole,
    stirling_rest_of_counts,
)
from ppl.distributions._special_tails import log_gamma_tails
from ppl.distributions._sums import bell_entropy
from ppl.distributions.distribution import Distribution, distribution, param
from ppl.distributions.hurdle import HurdleProbs
from ppl.distributions.zero_inflated import ZeroInflatedProbs


@fused
def _log_prob(rate: ArrayLike, value: ArrayLike) -> Array:
    outside = (value < 0) | ~jnp.asarray(is_whole(value))
    rate, count = as_floats(rate, jnp.where(outside, 0, value))
    # The remainder has no parameter in it: no gradient, and the same at every step.
    inside = -stirling_rest_of_counts(count) - deviance(count, rate)
    return jnp.where(outside, -jnp.inf, inside)


@distribution
class Poisson(Distribution):
    """Poisson counts.

    Draws are integers and so stop at the largest one, 2^31 - 1 unless 64-bit types are
    enabled; a concrete rate for which that could happen is refused.

    Args:
        rate: The mean, of shape `batch_shape`; zero means that the count is zero.
        is_sparse: Taken for NumPyro's sake; the density is the same and as fast.
    """

    rate: ArrayLike = param(constraints.nonnegative)
    is_sparse: bool = static(default=False, kw_only=True)
    support = constraints.nonnegative_integer

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        rate = known(self.rate)
        if not isinstance(rate, Tracer):
            largest = float(np.max(rate, initial=0.0))
            bound = jnp.iinfo(jnp.result_type(int)).max
            if largest + 10 * largest**0.5 > bound:
                raise ArgumentError(
                    f"draws of Poisson(rate={largest:g}) do not fit an integer of at "
                    f"most {bound}.",
                    value=largest,
                    hint="Allow larger ones: jax.config.update('jax_enable_x64', "
                    "True).",
                )
        return poisson(key, self.rate, self.shape(sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self.rate, value)

    def log_tails(self, value: ArrayLike) -> tuple[Array, Array]:
        rate, value = as_floats(self.rate, value)
        count = jnp.floor(value)
        more, fewer = log_gamma_tails(jnp.maximum(count, 0.0) + 1, rate)
        outside = count < 0
        return jnp.where(outside, -jnp.inf, fewer), jnp.where(outside, 0.0, more)

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[0]

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value)[1]

    def icdf(self, q: ArrayLike) -> Array:
        """The quantiles; the largest integer for q = 1."""
        rate, q = as_floats(self.rate, q)
        most = jnp.iinfo(jnp.result_type(int)).max
        high = jnp.minimum(rate + 12 * jnp.sqrt(rate) + 50, float(most))
        return jnp.where(q >= 1, most, count_quantile_of(self, q, high))

    @property
    def mean(self) -> Array:
        return self._over_batch(self.rate)

    @property
    def variance(self) -> Array:
        return self._over_batch(self.rate)

    @property
    def mode(self) -> Array:
        return self._over_batch(jnp.floor(self.rate).astype(jnp.result_type(int)))

    def entropy(self) -> Array:
        """The entropy, by an accurate sum."""
        (rate,) = as_floats(self.rate)
        return bell_entropy(self.log_prob, rate, rate)


def ZeroInflatedPoisson(
    gate: ArrayLike, rate: ArrayLike = 1.0, *, validate_args: bool | None = None
) -> ZeroInflatedProbs:
    """Poisson counts that are replaced by zero with some probability.

    Args:
        gate: The probability of an extra zero, of shape `batch_shape`.
        rate: The mean of the other counts.
        validate_args: Whether to check the parameters now.
    """
    base = Poisson(rate, validate_args=validate_args)  # type: ignore
    return ZeroInflatedProbs(base, gate, validate_args=validate_args)  # type: ignore


def HurdlePoisson(
    gate: ArrayLike, rate: ArrayLike = 1.0, *, validate_args: bool | None = None
) -> HurdleProbs:
    """Zero with some probability, else a Poisson count given that it is not zero.

    Args:
        gate: The probability of zero, of shape `batch_shape`.
        rate: The mean of the Poisson count, its own zeros included.
        validate_args: Whether to check the parameters now.
    """
    base = Poisson(rate, validate_args=validate_args)  # type: ignore
    return HurdleProbs(base, gate, validate_args=validate_args)  # type: ignore
