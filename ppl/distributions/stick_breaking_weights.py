"""Weights of a truncated stick-breaking process."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import as_floats, clip_unit
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class StickBreakingWeights(Distribution):
    r"""The first weights of a Dirichlet process, the last one taking what remains.

    $w_k = v_k \prod_{j < k} (1 - v_j)$ with $v_k \sim \mathrm{Beta}(1, \alpha)$ and
    $v_K = 1$: the truncated GEM distribution of H. Ishwaran and L. James (2001, "Gibbs
    sampling methods for stick-breaking priors"). The density is taken with respect to
    the first `K - 1` weights. Weights that would underflow stop near the smallest
    float.

    Args:
        concentration: The concentration $\alpha$, of shape `batch_shape`; the larger,
            the more weights matter.
        num_weights: How many weights there are, K; the event shape is `(K,)`.
    """

    concentration: ArrayLike = param(constraints.positive)
    num_weights: int = static(default=2)
    support = constraints.simplex
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        count = self.num_weights
        if not isinstance(count, int) or count < 1:
            raise ArgumentError(
                "StickBreakingWeights.num_weights must be an integer >= 1, got "
                f"{count!r}.",
                value=count,
            )
        super()._prepare(validate_args)

    @property
    def event_shape(self) -> Shape:
        return (self.num_weights,)

    def _alpha(self) -> Array:
        """The concentration, with a dim for the event."""
        return as_floats(self.concentration)[0][..., None]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        # The logarithm of what each break leaves is exponential.
        batch = (*sample_shape, *self.batch_shape)
        wait = jax.random.exponential(key, (*batch, self.num_weights - 1))
        left = -wait / self._alpha()
        none = jnp.zeros((*batch, 1), left.dtype)
        before = jnp.concatenate([none, jnp.cumsum(left, -1)], -1)
        broken = jnp.concatenate([-jnp.expm1(left), none + 1], -1)
        return clip_unit(jnp.exp(before) * broken)

    def log_prob(self, value: ArrayLike) -> Array:
        w, alpha = as_floats(value, self.concentration)
        inside = self.support(w)
        size = w.shape[-1]
        w = jnp.where(inside[..., None], w, 1 / size)
        # What remains before each break; its sum from the end has no cancellation.
        remains = jnp.cumsum(w[..., ::-1], -1)[..., ::-1]
        last = w[..., -1]
        at_edge = last <= 0
        end = (alpha - 1) * jnp.log(jnp.where(at_edge, 1.0, last))
        edge = jnp.where(alpha == 1, 0.0, jnp.where(alpha < 1, jnp.inf, -jnp.inf))
        end = jnp.where(at_edge & (size > 1), edge, end)
        middle = remains[..., 1:-1]
        middle = jnp.log(jnp.where(middle > 0, middle, jnp.finfo(w.dtype).tiny)).sum(-1)
        log_prob = (size - 1) * jnp.log(alpha) + end - middle
        return jnp.where(inside, log_prob, -jnp.inf)

    def _moment(self, first: Array, rest: Array) -> Array:
        """Products of one moment of a break and of what the others leave."""
        k = jnp.arange(self.num_weights)
        last = k == self.num_weights - 1
        return jnp.where(last, 1.0, first) * rest**k

    @property
    def mean(self) -> Array:
        alpha = self._alpha()
        return self._moment(1 / (1 + alpha), alpha / (1 + alpha))

    @property
    def variance(self) -> Array:
        alpha = self._alpha()
        square = self._moment(2 / ((1 + alpha) * (2 + alpha)), alpha / (2 + alpha))
        return square - jnp.square(self.mean)

    def entropy(self) -> Array:
        (alpha,) = as_floats(self.concentration)
        breaks = self.num_weights - 1
        slopes = (alpha - 1 - 0.5 * (breaks - 1)) / alpha
        return self._over_batch(breaks * (slopes - jnp.log(alpha)))
