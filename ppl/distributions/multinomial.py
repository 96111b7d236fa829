"""Multinomial counts, with given probabilities or with Dirichlet distributed ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._compound_counts import (
    cost_of_category,
    gain_of_totals,
    log_dirichlet_multinomial,
    mean_of_beta_binomial,
    misfit,
)
from ppl.distributions._counts import binomial
from ppl.distributions._parameters import ParameterCheck, known, one_of
from ppl.distributions._special import (
    as_floats,
    deviance,
    fused,
    is_whole,
    stirling_rest,
)
from ppl.distributions._sums import bell_mean
from ppl.distributions._tables import checks_of_logits, checks_of_probs
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _counts(total: ArrayLike, value: ArrayLike) -> tuple[Array, Array]:
    """The counts as floats, and what lies outside the support (it becomes zero)."""
    value = jnp.asarray(value)
    whole = ((value >= 0) & is_whole(value)).all(-1)
    outside = ~(whole & (value.sum(-1) == total))
    (count,) = as_floats(jnp.where(outside[..., None], 0, value))
    return count, outside


def _log(x: Array) -> Array:
    return jnp.log(jnp.where(x > 0, x, 1.0))


def _log_probability(p: Array) -> Array:
    return jnp.where(p > 0, _log(p), -jnp.inf)


# --- density --------------------------------------------------------------------------


@jax.custom_jvp
def _log_multinomial(k: Array, p: Array, log_p: Array) -> Array:
    n = k.sum(-1, keepdims=True)
    mean = n * p
    log_ratio = jnp.where(k > 0, log_p + _log(n) - _log(k), 0.0)
    terms = misfit(k, mean, mean - k, log_ratio) + stirling_rest(k)
    return stirling_rest(n[..., 0]) - terms.sum(-1)


@_log_multinomial.defjvp
def _log_multinomial_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    k = primals[0]
    change = jnp.where(k > 0, k * jnp.where(k > 0, tangents[2], 0.0), 0.0)
    return _log_multinomial(*primals), change.sum(-1)


@fused
def _log_prob(
    total: ArrayLike, p: ArrayLike, log_p: ArrayLike, value: ArrayLike
) -> Array:
    count, outside = _counts(total, value)
    args = jnp.broadcast_arrays(*as_floats(count, p, log_p))
    return jnp.where(outside, -jnp.inf, _log_multinomial(*args))


# --- draws ----------------------------------------------------------------------------


def _shares_of_rest(log_p: Array) -> tuple[Array, Array]:
    """The share of each category among itself and those after it; the complement."""
    weight = jnp.exp(log_p - log_p.max(-1, keepdims=True))
    upto_end = jnp.flip(jnp.cumsum(jnp.flip(weight, -1), -1), -1)
    later = jnp.concatenate([upto_end[..., 1:], jnp.zeros_like(weight[..., :1])], -1)
    total = weight + later
    some = jnp.where(total > 0, total, 1.0)
    return weight / some, jnp.where(total > 0, later / some, 1.0)


def _draw(key: Key, total: ArrayLike, log_p: Array, shape: Shape) -> Array:
    """One category after the other, each binomial given those before it.

    Args:
        key: A random key.
        total: The number of trials.
        log_p: Logs of the probabilities, up to a constant.
        shape: The shape of the draws, without the categories.
    """
    total = jnp.broadcast_to(jnp.asarray(total).astype(jnp.result_type(int)), shape)
    p, q = (jnp.moveaxis(v, -1, 0)[:-1] for v in _shares_of_rest(log_p))

    def step(left: Array, at: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        key, p, q = at
        count = binomial(key, left, p, q, shape)
        return left - count, count

    keys = jax.random.split(key, len(p))
    left, counts = jax.lax.scan(step, total, (keys, p, q))
    return jnp.moveaxis(jnp.concatenate([counts, left[None]]), 0, -1)


# --- modes ----------------------------------------------------------------------------


def _most_likely(total: ArrayLike, weight: Array) -> Array:
    """The counts of this total that make the product of weight^k / k! largest.

    One trial after the other goes where weight / (k + 1) is largest, as seats to
    parties (V. D'Hondt, 1882). Nobody gets less than the share rounded down, so that
    few are left to give away. Weights sum to one.
    """
    whole = jnp.result_type(int)
    total = jnp.asarray(total)[..., None]
    share = total * weight
    start = jnp.floor(share - 4 * jnp.finfo(weight.dtype).eps * share)
    counts = jnp.maximum(start, 0.0).astype(whole)

    def left(counts: Array) -> Array:
        return total.astype(whole) - counts.sum(-1, keepdims=True)

    def step(counts: Array) -> Array:
        best = (weight / (counts + 1)).argmax(-1)
        one = jax.nn.one_hot(best, weight.shape[-1], dtype=whole)
        return counts + jnp.where(left(counts) > 0, one, 0)

    return jax.lax.while_loop(lambda counts: (left(counts) > 0).any(), step, counts)


# --- the distributions ----------------------------------------------------------------


class AbstractMultinomial(Distribution):
    """What both have in common; `_shares` are the probabilities and their logs."""

    total_count: ArrayLike

    def _shares(self) -> tuple[Array, Array]:
        raise TypeError(f"{type(self).__name__} is abstract")

    @property
    def support(self) -> Constraint:
        return constraints.multinomial(self.total_count)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        shape = (*sample_shape, *self.batch_shape)
        return _draw(key, self.total_count, self._shares()[1], shape)

    def log_prob(self, value: ArrayLike) -> Array:
        return _log_prob(self.total_count, *self._shares(), value)

    def _over_events(self, value: Array) -> Array:
        return jnp.broadcast_to(value, self.shape())

    @property
    def mean(self) -> Array:
        n = jnp.asarray(self.total_count)[..., None]
        return self._over_events(n * self._shares()[0])

    @property
    def variance(self) -> Array:
        n, p = jnp.asarray(self.total_count)[..., None], self._shares()[0]
        return self._over_events(n * p * (1 - p))

    @property
    def mode(self) -> Array:
        """A mode, in one step for each of a few trials."""
        p = jax.lax.stop_gradient(self._shares()[0])
        return _most_likely(self.total_count, self._over_events(p))

    def entropy(self) -> Array:
        """The entropy, by accurate sums over the binomial counts of the categories."""
        (n,) = as_floats(self.total_count)
        p, log_p = self._shares()
        n, p, log_p = jnp.broadcast_arrays(n[..., None], p, log_p)
        pair = jnp.stack([p, 1 - p], -1)
        log_pair = jnp.stack([log_p, _log(1 - p)], -1)

        def log_prob(count: Array) -> Array:
            outside = (count < 0) | (count > n) | ((count < n) & (p == 1))
            count = jnp.where(outside, 0.0, count)
            both = jnp.stack(jnp.broadcast_arrays(count, n - count), -1)
            args = jnp.broadcast_arrays(both, pair, log_pair)
            return jnp.where(outside, -jnp.inf, _log_multinomial(*args))

        def cost(count: Array) -> Array:
            return stirling_rest(count) + deviance(count, n * p)

        costs = bell_mean(log_prob, cost, n * p, n * p * (1 - p))
        costs = jnp.where((p > 0) & (n > 0), costs, 0.0).sum(-1)
        return costs - stirling_rest(n[..., 0])


@distribution
class MultinomialProbs(AbstractMultinomial):
    """Multinomial, by the probabilities of its categories.

    The density is that of the probabilities divided by their sum.

    Args:
        probs: Probabilities that sum to one, of shape `batch_shape + (categories,)`.
        total_count: The number of trials, of shape `batch_shape`.
        total_count_max: Taken for NumPyro's sake; draws need no such bound.
    """

    probs: ArrayLike = param(constraints.simplex)
    total_count: ArrayLike = param(constraints.nonnegative_integer, default=1)
    total_count_max: int | None = static(default=None, kw_only=True)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.probs)[-1:]

    @property
    def logits(self) -> Array:
        """The logarithms of the probabilities."""
        return self._shares()[1]

    def _shares(self) -> tuple[Array, Array]:
        (probs,) = as_floats(self.probs)
        p = probs / probs.sum(-1, keepdims=True)
        return p, _log_probability(p)

    def parameter_checks(self) -> list[ParameterCheck]:
        others = [c for c in super().parameter_checks() if c.name != "probs"]
        return [*checks_of_probs(known(self.probs)), *others]


@distribution
class MultinomialLogits(AbstractMultinomial):
    """Multinomial, by the logs of the probabilities of its categories.

    Args:
        logits: Log weights of shape `batch_shape + (categories,)`; -inf is impossible.
        total_count: The number of trials, of shape `batch_shape`.
        total_count_max: Taken for NumPyro's sake; draws need no such bound.
    """

    logits: ArrayLike = param(constraints.real_vector)
    total_count: ArrayLike = param(constraints.nonnegative_integer, default=1)
    total_count_max: int | None = static(default=None, kw_only=True)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.logits)[-1:]

    @property
    def probs(self) -> Array:
        """The probabilities."""
        return self._shares()[0]

    def _shares(self) -> tuple[Array, Array]:
        (logits,) = as_floats(self.logits)
        return jax.nn.softmax(logits), jax.nn.log_softmax(logits)

    def parameter_checks(self) -> list[ParameterCheck]:
        others = [c for c in super().parameter_checks() if c.name != "logits"]
        return [*checks_of_logits(known(self.logits)), *others]


@distribution
class DirichletMultinomial(Distribution):
    """Multinomial counts whose probabilities have a Dirichlet distribution.

    Args:
        concentration: Positive, of shape `batch_shape + (categories,)`.
        total_count: The number of trials, of shape `batch_shape`.
        total_count_max: Taken for NumPyro's sake; draws need no such bound.
    """

    concentration: ArrayLike = param(constraints.independent(constraints.positive, 1))
    total_count: ArrayLike = param(constraints.nonnegative_integer, default=1)
    total_count_max: int | None = static(default=None, kw_only=True)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.concentration)[-1:]

    @property
    def support(self) -> Constraint:
        return constraints.multinomial(self.total_count)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_shares, key_counts = jax.random.split(key)
        shape = self.shape(sample_shape)
        (a,) = as_floats(self.concentration)
        log_p = jax.random.loggamma(key_shares, a, shape)
        return _draw(key_counts, self.total_count, log_p, shape[:-1])

    def log_prob(self, value: ArrayLike) -> Array:
        count, outside = _counts(self.total_count, value)
        args = jnp.broadcast_arrays(*as_floats(count, self.concentration))
        return jnp.where(outside, -jnp.inf, log_dirichlet_multinomial(*args))

    def _moments(self) -> tuple[Array, Array]:
        (a,) = as_floats(self.concentration)
        n, s = jnp.asarray(self.total_count)[..., None], a.sum(-1, keepdims=True)
        mean = n * (a / s)
        spread = mean * ((s - a) / s) * ((n + s) / (1 + s))
        return jnp.broadcast_to(mean, self.shape()), spread

    @property
    def mean(self) -> Array:
        return self._moments()[0]

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(self._moments()[1], self.shape())

    @property
    def mode(self) -> Array:
        """A mode; all in one category if no concentration exceeds one.

        A trial more changes the probability by a factor of 1 + (a - 1) / (k + 1), so
        only concentrations above one get any, as a multinomial of weights a - 1 would.
        """
        (a,) = as_floats(jax.lax.stop_gradient(self.concentration))
        a = jnp.broadcast_to(a, self.shape())
        excess = jnp.maximum(a - 1, 0.0)
        whole = excess.sum(-1, keepdims=True)
        corner = jax.nn.one_hot(a.argmax(-1), a.shape[-1], dtype=a.dtype)
        some = whole > 0
        weight = jnp.where(some, excess / jnp.where(some, whole, 1.0), corner)
        return _most_likely(self.total_count, weight)

    def entropy(self) -> Array:
        """The entropy, by accurate sums over the beta binomial counts of categories."""
        a, n = as_floats(self.concentration, self.total_count)
        if a.shape[-1] == 1:
            return jnp.zeros(self.batch_shape, a.dtype)
        n, a = jnp.broadcast_arrays(n[..., None], a)
        none = jnp.zeros_like(a[..., :1])
        before = jnp.concatenate([none, jnp.cumsum(a, -1)[..., :-1]], -1)
        after = jnp.flip(jnp.cumsum(jnp.flip(a, -1), -1), -1)
        others = before + jnp.concatenate([after[..., 1:], none], -1)
        s = a.sum(-1, keepdims=True)
        costs = mean_of_beta_binomial(
            lambda k: cost_of_category(k, a, n, s), a, others, n
        )
        return costs.sum(-1) - gain_of_totals(n[..., 0], s[..., 0])


def Multinomial(
    total_count: ArrayLike = 1,
    probs: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    total_count_max: int | None = None,
    validate_args: bool | None = None,
) -> MultinomialProbs | MultinomialLogits:
    """Multinomial, the counts of categories, by exactly one of `probs` and `logits`.

    Args:
        total_count: The number of trials, of shape `batch_shape`.
        probs: Probabilities that sum to one, of shape `batch_shape + (categories,)`.
        logits: Their logarithms, up to a constant.
        total_count_max: Taken for NumPyro's sake; draws need no such bound.
        validate_args: Whether to check the parameters now.
    """
    given: dict[str, Any] = {
        "total_count_max": total_count_max,
        "validate_args": validate_args,
    }
    if one_of("Multinomial", probs=probs, logits=logits) == "probs":
        return MultinomialProbs(probs, total_count, **given)
    return MultinomialLogits(logits, total_count, **given)
