"""What mixtures of one family and of several have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions._between import log_sum
from ppl.distributions._search import count_quantile, log_quantile
from ppl.distributions._wrapping import (
    Tails,
    between_ends,
    ends_of,
    listed_between,
)
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution


class AbstractMixture(Distribution):
    """What both have in common: results for all components have an axis for them."""

    mixing_distribution: Any

    # --- what a subclass says of its components -------------------------------------

    def _each(self, method: str, value: Array) -> Array:
        """A method of all components at one value, along a new last axis."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def _moments_of_components(self, name: str) -> Array:
        """A property of all components, along an axis in front of the event."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def component_sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """A draw of every component, along an axis in front of the event."""
        raise TypeError(f"{type(self).__name__} is abstract")

    # --- what follows from it ---------------------------------------------------------

    @property
    def mixture_size(self) -> int:
        """The number of components."""
        table = getattr(self.mixing_distribution, self._given_weights)
        return shape_of(table)[-1]

    @property
    def mixture_dim(self) -> int:
        """The axis of the components in what has one value for each."""
        return -self.event_dim - 1

    @property
    def _given_weights(self) -> str:
        given = type(self.mixing_distribution).parameter_constraints()
        return "logits" if "logits" in given else "probs"

    def _mix(self, terms: Array) -> Array:
        """Log of the weighted sum of exponentials over the last axis."""
        (weights,) = _floats(getattr(self.mixing_distribution, self._given_weights))
        if self._given_weights == "probs":
            return log_sum(terms, jnp.broadcast_to(weights, _joint(terms, weights)))
        return log_sum(terms + weights) - log_sum(weights)

    @property
    def component_mean(self) -> Array:
        """The means of the components."""
        return self._moments_of_components("mean")

    @property
    def component_variance(self) -> Array:
        """The variances of the components."""
        return self._moments_of_components("variance")

    def component_log_probs(self, value: ArrayLike) -> Array:
        """Log of weight times density of each component, along a new last axis."""
        mixing = self.mixing_distribution
        (logits,) = _floats(mixing.logits)
        return self._each("log_prob", jnp.asarray(value)) + jax.nn.log_softmax(logits)

    def component_cdf(self, value: ArrayLike) -> Array:
        """P(X <= value) of each component, along a new last axis."""
        return self._each("cdf", jnp.asarray(value))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_which, key_draw = jax.random.split(key)
        mixing = self.mixing_distribution.expand(self.batch_shape)
        which = mixing.sample(key_which, sample_shape)
        draws = self.component_sample(key_draw, sample_shape)
        which = which.reshape(which.shape + (1,) * (self.event_dim + 1))
        chosen = jnp.take_along_axis(draws, which, self.mixture_dim)
        return chosen.squeeze(self.mixture_dim)

    def log_prob(self, value: ArrayLike) -> Array:
        return self._mix(self._each("log_prob", jnp.asarray(value)))

    def log_tails(self, value: ArrayLike) -> Tails:
        """The logarithms of the probabilities below and above."""
        value = jnp.asarray(value)
        both = (self._mix(self._each(n, value)) for n in ("log_cdf", "log_sf"))
        return Tails(*(jnp.minimum(t, 0.0) for t in both))

    def cdf(self, value: ArrayLike) -> Array:
        (weights,) = _floats(self.mixing_distribution.probs)
        return (weights * self.component_cdf(value)).sum(-1)

    def log_cdf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_cdf

    def log_sf(self, value: ArrayLike) -> Array:
        return self.log_tails(value).log_sf

    def icdf(self, q: ArrayLike) -> Array:
        """By search between the quantiles of the components."""
        each = self._each("icdf", jnp.asarray(q))
        used = self.mixing_distribution.probs > 0
        if self.is_discrete:
            top = jnp.iinfo(each.dtype).max
            low = jnp.where(used, each, top).min(-1)
            high = jnp.where(used, each, -top).max(-1)
            return count_quantile(self, q, low, high)
        slack = 8 * jnp.finfo(each.dtype).eps * jnp.abs(each)
        slack = jnp.where(jnp.isfinite(each), slack, 0.0)
        low = jnp.where(used, each - slack, jnp.inf).min(-1)
        high = jnp.where(used, each + slack, -jnp.inf).max(-1)
        return log_quantile(self, q, low, high)

    @property
    def _weights(self) -> Array:
        """The weights, with event dims to multiply what has one value for each."""
        (weights,) = _floats(self.mixing_distribution.probs)
        return weights.reshape(weights.shape + (1,) * self.event_dim)

    @property
    def mean(self) -> Array:
        terms = self._weights * self.component_mean
        return jnp.broadcast_to(terms.sum(self.mixture_dim), self.shape())

    @property
    def variance(self) -> Array:
        means = self.component_mean
        mean = (self._weights * means).sum(self.mixture_dim, keepdims=True)
        terms = self._weights * (self.component_variance + jnp.square(means - mean))
        return jnp.broadcast_to(terms.sum(self.mixture_dim), self.shape())

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        finite = all(end is not None for end in ends_of(self.support))
        return self.is_discrete and not self.event_shape and finite

    def enumerate_support(self, expand: bool = True) -> Array:
        if not self.has_enumerate_support:
            return super().enumerate_support(expand)
        return listed_between(*ends_of(self.support), self.batch_shape, expand=expand)

    def _check_mixing(self) -> None:
        mixing = self.mixing_distribution
        table = isinstance(mixing, Distribution) and mixing.has_enumerate_support
        if not table or not hasattr(mixing, "logits") or mixing.event_shape:
            raise ArgumentError(
                f"{type(self).__name__}: the mixing distribution must be a Categorical,"
                f" got {mixing!r}.",
                value=mixing,
            )
        probs = shape_of(self.mixing_distribution.probs)
        if probs == mixing.batch_shape:
            raise ArgumentError(
                f"{type(self).__name__}: the mixing distribution must be a Categorical,"
                f" got {type(mixing).__name__}.",
                value=mixing,
            )


def _floats(*values: Any) -> tuple[Array, ...]:
    return tuple(jnp.asarray(v, jnp.result_type(float, v)) for v in values)


def _joint(*values: Any) -> Shape:
    return tuple(np.broadcast_shapes(*map(shape_of, values)))


def hull(supports: Sequence[Constraint], reduce: Any) -> Constraint:
    """The smallest interval that holds all supports; `reduce` joins their bounds."""
    lows, highs = zip(*map(ends_of, supports), strict=True)
    low = None if any(v is None for v in lows) else reduce(lows, "min")
    high = None if any(v is None for v in highs) else reduce(highs, "max")
    discrete = supports[0].is_discrete
    if discrete and low is None:
        raise ArgumentError("a mixture of these counts needs `support=`.")
    return between_ends(low, high, discrete=discrete)
