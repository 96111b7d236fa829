"""Variables without an edge in the place of angles and directions."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid

from ppl import distributions as dist
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.distribution import Distribution, distribution
from ppl.distributions.transforms.base import bare
from ppl.infer.reparam.base import (
    AbstractAround,
    Reparam,
    does_not_fit,
    must_be_latent,
    unwrapped,
)
from ppl.primitives import sample

_TURN = 2 * math.pi
_SPREAD = 2 * _TURN  # of the logistic variable that says how many turns are made
_LOG_WIDTH = math.log(-math.expm1(-_TURN / _SPREAD))


class ProjectedNormalReparam(Reparam):
    """Sample a standard normal vector, `{name}_normal`; the site is its direction.

    Raises:
        ModelError: The site is observed, or is no `ProjectedNormal`.
    """

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_normal`, add the mean, and divide by the length."""
        must_be_latent(self, name, obs)
        base, wrap = unwrapped(fn)
        if not isinstance(base, dist.ProjectedNormal):
            raise does_not_fit(
                self,
                name,
                base,
                "is for ProjectedNormal",
                "Take the site out of the config of reparam.",
            )
        mean = jnp.asarray(base.concentration)
        standard = dist.Normal(jnp.zeros(mean.shape), 1.0).to_event(1)
        vector = mean + sample(f"{name}_normal", wrap(standard))
        # A length of zero has probability zero, but a start may have it.
        square = jnp.square(vector).sum(-1, keepdims=True)
        none = square == 0
        first = jnp.zeros(vector.shape).at[..., 0].set(1.0)
        safe = jnp.where(none, first, vector)
        length = jnp.sqrt(jnp.where(none, 1.0, square))
        return None, safe / length


class CircularReparam(Reparam):
    """Sample an angle that may make full turns, `{name}_unwrapped`, and wrap it.

    There is no edge at -pi and pi then, where a chain would have to turn back. The
    density of the unwrapped angle is that of the site times smooth weights that sum to
    one over the turns, so that the site's own distribution is left exactly. Chains may
    settle in different turns, about which the site does not care: judge them by it, and
    not by the unwrapped angle.

    Raises:
        ModelError: The site is observed, or its support is not the circle.
    """

    def __call__(
        self, name: str, fn: Any, obs: Array | None
    ) -> tuple[Any, Array | None]:
        """Sample `{name}_unwrapped`, and wrap it to the angles from -pi to pi."""
        must_be_latent(self, name, obs)
        base, wrap = unwrapped(fn)
        if bare(base.support) != constraints.circular:
            raise does_not_fit(
                self,
                name,
                base,
                "is for angles from -pi to pi",
                "Take the site out of the config of reparam.",
            )
        return None, _wrapped(sample(f"{name}_unwrapped", wrap(_Unwrapped(base))))


def _wrapped(angle: ArrayLike) -> Array:
    return jnp.remainder(angle + math.pi, _TURN) - math.pi


@distribution
class _Unwrapped(AbstractAround):
    r"""An angle on the whole line.

    Its density is $p(x) (F(x + \pi) - F(x - \pi))$ with that of the wrapped angle, $p$,
    and the distribution function $F$ of a logistic variable: over full turns the
    differences of $F$ sum to one.
    """

    base_dist: Distribution

    @property
    def support(self) -> constraints.Constraint:
        count = self.base_dist.event_dim
        return constraints.independent(constraints.real, count) if count else _REAL

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_angle, key_turns = jax.random.split(key)
        angle = self.base_dist.sample(key_angle, sample_shape)
        place = _SPREAD * jax.random.logistic(key_turns, self.shape(sample_shape))
        return place + _wrapped(angle - place)

    def log_prob(self, value: ArrayLike) -> Array:
        ahead, behind = (value + math.pi) / _SPREAD, (value - math.pi) / _SPREAD
        log_weight = log_sigmoid(ahead) + log_sigmoid(-behind) + _LOG_WIDTH
        dims = tuple(range(-self.event_dim, 0))
        return self.base_dist.log_prob(_wrapped(value)) + log_weight.sum(dims)

    def expand(self, batch_shape: Shape) -> _Unwrapped:
        return replace(self, base_dist=self.base_dist.expand(batch_shape))


_REAL = constraints.real
