"""Distributions that put extra mass, or all of a given mass, on zero."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp

from ppl._typing import Array, ArrayLike
from ppl.distributions._special import as_floats, softplus, two_shares
from ppl.distributions._wrapping import AbstractWrapper


def surprise(log_p: Array) -> Array:
    """What an outcome of this log probability adds to an entropy."""
    some = log_p != -jnp.inf
    log_p = jnp.where(some, log_p, 0.0)
    return jnp.where(some, -jnp.exp(log_p) * log_p, 0.0)


class Gate(NamedTuple):
    """The probabilities of shut and open, and their logarithms.

    The logarithms are only taken where they are asked for, so that a gate that is
    surely open or shut has no infinite derivative where it does not matter.
    """

    shut: Array
    open: Array
    logits: Array | None = None

    def log_shut(self, asked: ArrayLike = True) -> Array:
        """Log of the probability of shut, 0 where not asked."""
        if self.logits is not None:
            return jnp.where(asked, -softplus(-self.logits), 0.0)
        return jnp.log(jnp.where(asked, self.shut, 1.0))

    def log_open(self, asked: ArrayLike = True) -> Array:
        """Log of the probability of open, 0 where not asked."""
        if self.logits is not None:
            return jnp.where(asked, -softplus(self.logits), 0.0)
        return jnp.log1p(-jnp.where(asked, self.shut, 0.0))

    def entropy(self) -> Array:
        """Of whether it is open or shut."""
        shut = surprise(self.log_shut(self.shut > 0))
        return shut + surprise(self.log_open(self.open > 0))

    def log_either(self, log_p: Array) -> Array:
        """Log of P(shut) + P(open) p, whichever of the two is zero."""
        if self.logits is not None:
            return jnp.logaddexp(self.log_shut(), self.log_open() + log_p)
        # So written that neither a logarithm of zero nor its slope is met.
        strong = self.shut > jnp.exp(log_p)
        shut = jnp.where(strong, self.shut, 1.0)
        below = jnp.where(strong, log_p, -1.0)
        lifted = jnp.log(shut) + jnp.log1p((1 - shut) * jnp.exp(below - jnp.log(shut)))
        log_p = jnp.where(strong, -1.0, log_p)
        most = 0.9 * math.log(float(jnp.finfo(log_p.dtype).max))
        extra = jnp.where(strong, 0.0, self.shut)
        lowered = log_p + jnp.log1p(extra * jnp.expm1(jnp.minimum(-log_p, most)))
        return jnp.where(strong, lifted, lowered)


class AbstractGated(AbstractWrapper):
    """A base behind a gate, which is given by its probability or log odds."""

    @property
    def _gate(self) -> Gate:
        """The gate, as floats."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def cdf(self, value: ArrayLike) -> Array:
        return jnp.exp(self.log_cdf(value))


class AbstractGatedByProbs(AbstractGated):
    """A gate that is shut with a given probability."""

    gate: Any

    @property
    def _gate(self) -> Gate:
        (shut,) = as_floats(self.gate)
        return Gate(shut, 1 - shut)


class AbstractGatedByLogits(AbstractGated):
    """A gate whose log odds of being shut are given."""

    gate_logits: Any

    @property
    def gate(self) -> Array:
        """The probability of a shut gate."""
        return self._gate.shut

    @property
    def _gate(self) -> Gate:
        (logits,) = as_floats(self.gate_logits)
        return Gate(*two_shares(logits), logits)
