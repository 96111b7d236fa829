"""Ordered categories: a latent variable between cutpoints."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import (
    HALF_LOG_2PI,
    as_floats,
    fused,
    log1mexp,
    softplus,
)
from ppl.distributions._tables import moments, pick, quantiles
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


class _Step(NamedTuple):
    """Where the latent variable is for a category, relative to the predictor."""

    upper: Array
    lower: Array
    gap: Array  # to all digits; one at the ends
    last: Array
    first: Array


def _step(predictor: ArrayLike, cutpoints: ArrayLike, value: ArrayLike) -> _Step:
    predictor, cutpoints = as_floats(predictor, cutpoints)
    most = cutpoints.shape[-1]
    value = jnp.clip(jnp.asarray(value), 0, most)
    first, last = value == 0, value == most
    above, _ = pick(cutpoints, jnp.minimum(value, most - 1))
    below, _ = pick(cutpoints, jnp.maximum(value - 1, 0))
    gap = jnp.where(first | last, 1.0, above - below)
    return _Step(above - predictor, below - predictor, gap, last, first)


# --- the logistic and the normal latent variable --------------------------------------


@fused
def _log_between_logistic(upper: Array, lower: Array, gap: Array) -> Array:
    return log1mexp(gap) - softplus(-upper) - softplus(lower)


@fused
def _log_between_normal(upper: Array, lower: Array, gap: Array) -> Array:
    middle = 0.5 * upper + 0.5 * lower
    narrow = gap * (1 + jnp.abs(middle)) < 2
    # Narrow: the mean density by a Gauss-Legendre rule.
    m, g = jnp.where(narrow, middle, 0.0), jnp.where(narrow, gap, 1.0)
    total = jnp.zeros_like(m)
    for node, weight in zip(*np.polynomial.legendre.leggauss(10), strict=True):
        t = 0.5 * float(node) * g
        total += 0.5 * float(weight) * jnp.exp(-t * (m + 0.5 * t))
    close = jnp.log(g) + jnp.log(total) - 0.5 * m * m - HALF_LOG_2PI
    # Wide: a difference of tails, on the side where they are small.
    high = jnp.where(narrow, 1.0, jnp.where(middle > 0, -lower, upper))
    low = jnp.where(narrow, -1.0, jnp.where(middle > 0, -upper, lower))
    log_high = log_ndtr(high)
    wide = log_high + log1mexp(log_high - log_ndtr(low))
    return jnp.where(narrow, close, wide)


class AbstractOrdered(Distribution):
    """What both have in common: a latent variable that is symmetric about 0."""

    predictor: ArrayLike
    cutpoints: ArrayLike
    has_enumerate_support = True

    def _log_below(self, x: Array) -> Array:
        raise TypeError(f"{type(self).__name__} is abstract")

    def _log_between(self, step: _Step) -> Array:
        raise TypeError(f"{type(self).__name__} is abstract")

    @property
    def support(self) -> Constraint:
        return constraints.integer_interval(0, shape_of(self.cutpoints)[-1])

    def log_prob(self, value: ArrayLike) -> Array:
        inside = self.support(value)
        step = _step(self.predictor, self.cutpoints, jnp.where(inside, value, 0))
        ends = jnp.where(step.first, step.upper, -step.lower)
        at_end = step.first | step.last
        lower = jnp.where(at_end, step.upper - 1, step.lower)
        between = self._log_between(step._replace(lower=lower))
        log_prob = jnp.where(at_end, self._log_below(ends), between)
        return jnp.where(inside, log_prob, -jnp.inf)

    def _cut(self, value: ArrayLike) -> tuple[Array, Array, Array]:
        """The cutpoint above the value; and whether the value is beyond the ends."""
        (value,) = as_floats(value)
        value = jnp.floor(value)
        step = _step(self.predictor, self.cutpoints, value)
        return step.upper, value < 0, value >= shape_of(self.cutpoints)[-1]

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))

    def log_cdf(self, value: ArrayLike) -> Array:
        cut, below, above = self._cut(value)
        inside = jnp.where(above, 0.0, self._log_below(cut))
        return jnp.where(below, -jnp.inf, inside)

    def log_sf(self, value: ArrayLike) -> Array:
        cut, below, above = self._cut(value)
        inside = jnp.where(above, -jnp.inf, self._log_below(-cut))
        return jnp.where(below, 0.0, inside)

    @property
    def _logits(self) -> Array:
        count = shape_of(self.cutpoints)[-1] + 1
        index = jnp.arange(count).reshape((count,) + (1,) * len(self.batch_shape))
        return jnp.moveaxis(self.log_prob(index), 0, -1)

    @property
    def probs(self) -> Array:
        """The probabilities of the categories, along a new last dim."""
        return jnp.exp(self._logits)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        shape = self.shape(sample_shape)
        return jax.random.categorical(key, self._logits, shape=shape, mode="high")

    def icdf(self, q: ArrayLike) -> Array:
        return quantiles(self.probs, q)

    @property
    def mean(self) -> Array:
        return moments(self.probs)[0]

    @property
    def variance(self) -> Array:
        return moments(self.probs)[1]

    @property
    def mode(self) -> Array:
        return jnp.argmax(self._logits, -1).astype(jnp.result_type(int))

    def entropy(self) -> Array:
        logits = self._logits
        finite = jnp.where(logits > -jnp.inf, logits, 0.0)
        return -(jnp.exp(logits) * finite).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Array:
        return self._listed(shape_of(self.cutpoints)[-1] + 1, expand=expand)


@distribution
class OrderedLogistic(AbstractOrdered):
    """Ordered categories of a logistic variable around a predictor.

    The probability of a category above the first `k` is the logistic function of
    `predictor - cutpoints[k - 1]`.

    Args:
        predictor: The median of the latent variable, of shape `batch_shape`.
        cutpoints: Where it passes from one category to the next: increasing, of shape
            `batch_shape + (categories - 1,)`.
    """

    predictor: ArrayLike = param(constraints.real)
    cutpoints: ArrayLike = param(constraints.ordered_vector)

    def _log_below(self, x: Array) -> Array:
        return -softplus(-x)

    def _log_between(self, step: _Step) -> Array:
        return _log_between_logistic(step.upper, step.lower, step.gap)


@distribution
class OrderedProbit(AbstractOrdered):
    """Ordered categories of a normal variable of variance one around a predictor.

    Args:
        predictor: The mean of the latent variable, of shape `batch_shape`.
        cutpoints: Where it passes from one category to the next: increasing, of shape
            `batch_shape + (categories - 1,)`.
    """

    predictor: ArrayLike = param(constraints.real)
    cutpoints: ArrayLike = param(constraints.ordered_vector)

    def _log_below(self, x: Array) -> Array:
        return log_ndtr(x)

    def _log_between(self, step: _Step) -> Array:
        return _log_between_normal(step.upper, step.lower, step.gap)
