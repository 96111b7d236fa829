"""A point mass."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ppl._errors import ShapeError
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, as_parameter, known
from ppl.distributions.constraints import Constraint, namespace, shape_of
from ppl.distributions.distribution import Distribution, distribution


@distribution
class Delta(Distribution):
    """All mass at one point, whose log density may be set.

    Args:
        v: The point, shape `(..., *event)`; integers stay integers.
        log_density: The log density at that point, shape `(...)`.
        event_dim: How many rightmost dims of `v` belong to one point.
    """

    v: ArrayLike = 0.0
    log_density: ArrayLike = 0.0
    event_dim: int = static(default=0)  # type: ignore[assignment]
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        v = as_parameter(self.v, constraints.boolean)  # of any dtype
        log_density = as_parameter(self.log_density, constraints.real)
        object.__setattr__(self, "v", v)
        object.__setattr__(self, "log_density", log_density)
        if len(shape_of(v)) < self.event_dim:
            raise ShapeError(
                f"Delta: v of shape {shape_of(v)} has fewer than event_dim = "
                f"{self.event_dim} dims.",
                value=self.event_dim,
            )
        super()._prepare(validate_args)

    @property
    def support(self) -> Constraint:
        if self.event_dim == 0:
            return constraints.real
        return constraints.independent(constraints.real, self.event_dim)

    @property
    def batch_shape(self) -> Shape:
        shape = shape_of(self.v)
        batch = shape[: len(shape) - self.event_dim]
        return tuple(np.broadcast_shapes(batch, shape_of(self.log_density)))

    @property
    def event_shape(self) -> Shape:
        shape = shape_of(self.v)
        return shape[len(shape) - self.event_dim :]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        del key
        return jnp.broadcast_to(self.v, self.shape(sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        at = jnp.asarray(value == self.v).all(tuple(range(-self.event_dim, 0)))
        return jnp.where(at, self.log_density, -jnp.inf)

    def cdf(self, value: ArrayLike) -> Array:
        self._need_numbers("cdf")
        return jnp.where(value < self.v, 0.0, 1.0)

    def icdf(self, q: ArrayLike) -> Array:
        self._need_numbers("icdf")
        return jnp.where(jnp.isnan(q), jnp.nan, self.v)

    def _need_numbers(self, what: str) -> None:
        if self.event_dim:
            raise TypeError(f"Delta has no {what} for event_dim = {self.event_dim}")

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.v, self.shape())

    @property
    def variance(self) -> Array:
        return jnp.zeros(self.shape(), jnp.result_type(float, self.v))

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        """Minus the log density, which the only value always has."""
        return -jnp.broadcast_to(self.log_density, self.batch_shape)

    def expand(self, batch_shape: Shape) -> Delta:
        batch_shape = tuple(batch_shape)
        v = namespace(self.v).broadcast_to(self.v, batch_shape + self.event_shape)
        xp = namespace(self.log_density)
        return replace(
            self, v=v, log_density=xp.broadcast_to(self.log_density, batch_shape)
        )

    def parameter_checks(self) -> list[ParameterCheck]:
        value = known(self.log_density)
        number = ~namespace(value).isnan(value)
        return [ParameterCheck("log_density", value, number, "must not be NaN")]
