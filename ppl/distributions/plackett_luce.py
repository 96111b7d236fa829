"""The Plackett-Luce distribution of rankings."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import as_floats
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param

_MOST = 8  # items of which all rankings are listed: 40320
_MOST_OF_SETS = 12  # items of which all sets are: 4096


@pytree
class Permutation(Constraint):
    """Vectors that hold each of the integers from 0 to `size - 1` once."""

    size: int = static(default=2)
    event_dim = 1
    is_discrete = True

    @property
    def rule(self) -> str:
        return f"must hold each of 0, ..., {self.size - 1} once"

    def __call__(self, value: ArrayLike) -> Any:
        xp = constraints.namespace(value)
        value = xp.asarray(value)
        if value.shape[-1:] != (self.size,):
            return xp.zeros(value.shape[:-1], bool)
        return (xp.sort(value, axis=-1) == np.arange(self.size)).all(-1)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        order = jnp.arange(self.size, dtype=jnp.result_type(int))
        return jnp.broadcast_to(order, shape_of(prototype))


@distribution
class PlackettLuce(Distribution):
    r"""Plackett-Luce: rankings that are drawn item by item without replacement.

    A value holds the items from the first place to the last; the first is item i with
    probability $\propto e^{s_i}$, and so on among those that are left. Draws sort
    $s_i$ plus Gumbel noise (J. Yellott 1977, "The relationship between Luce's choice
    axiom, Thurstone's theory of comparative judgment, and the double exponential
    distribution"), which is exact.

    Args:
        logits: The log strengths $s$ of the items, shape `(..., K)`.
    """

    logits: ArrayLike = param(constraints.real_vector)

    @property
    def support(self) -> Constraint:
        return Permutation(*self.event_shape)

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        return self.event_shape[0] <= _MOST

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.logits)[-1:]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        noise = jax.random.gumbel(key, self.shape(sample_shape))
        order = jnp.argsort(-(self.logits + noise), axis=-1)
        return order.astype(jnp.result_type(int))

    def log_prob(self, value: ArrayLike) -> Array:
        logits, value = as_floats(self.logits)[0], jnp.asarray(value)
        size = logits.shape[-1]
        inside = self.support(value)
        order = jnp.where(inside[..., None], value, jnp.arange(size)).astype(int)
        batch = jnp.broadcast_shapes(order.shape[:-1], logits.shape[:-1])
        order = jnp.broadcast_to(order, (*batch, size))
        logits = jnp.broadcast_to(logits, (*batch, size))
        ranked = jnp.take_along_axis(logits, order, axis=-1)
        # Each place: the item's strength over that of all that are left.
        rest = jax.lax.cumlogsumexp(ranked, axis=ranked.ndim - 1, reverse=True)
        return jnp.where(inside, (ranked - rest).sum(-1), -jnp.inf)

    @property
    def mode(self) -> Array:
        order = jnp.argsort(-jnp.asarray(self.logits), axis=-1)
        return order.astype(jnp.result_type(int))

    def _sets(self) -> tuple[Array, Array]:
        """Of each set of items: how likely they are the first; logs of who follows.

        Shapes (sets, ...) and (sets, ..., K); a set is the bits of its number.
        """
        size = self.event_shape[0]
        if size > _MOST_OF_SETS:
            raise ArgumentTypeError(
                f"PlackettLuce of {size} items has no entropy: it is a sum "
                f"over all sets of items, of which {_MOST_OF_SETS} have 4096.",
                value=size,
                hint="Estimate it: -d.log_prob(d.sample(key, (n,))).mean().",
            )
        (logits,) = as_floats(self.logits)
        number, bits = np.arange(2**size - 1), 2 ** np.arange(size)
        left = (number[:, None] & bits) == 0  # the set of all has no follower
        apart = left.reshape(len(number), *(1,) * len(self.batch_shape), size)
        log_next = jax.nn.log_softmax(jnp.where(apart, logits, -jnp.inf))
        follows = jnp.moveaxis(jnp.exp(log_next), -1, 1)
        chance = jnp.zeros(log_next.shape[:-1], logits.dtype).at[0].set(1.0)
        for count in range(size - 1):
            here = number[(~left).sum(1) == count]
            more = chance[here][:, None] * follows[here]
            chance = chance.at[here[:, None] | bits].add(more)
        return chance, log_next

    def entropy(self) -> Array:
        """The entropy, by a sum over all sets of up to 12 items."""
        chance, log_next = self._sets()
        some = log_next > -jnp.inf
        log_next = jnp.where(some, log_next, 0.0)
        each = jnp.where(some, jnp.exp(log_next) * log_next, 0.0).sum(-1)
        return -(chance * each).sum(0)

    def enumerate_support(self, expand: bool = True) -> Array:
        size = self.event_shape[0]
        if size > _MOST:
            raise ArgumentError(
                f"the rankings of {size} items are too many to list; at most {_MOST}.",
                value=size,
            )
        values = jnp.asarray(list(permutations(range(size))), jnp.result_type(int))
        batch = self.batch_shape
        values = values.reshape((-1, *(1,) * len(batch), size))
        shape = (len(values), *batch, size)
        return jnp.broadcast_to(values, shape) if expand else values
