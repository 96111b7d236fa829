"""A distribution of nothing that carries a log factor."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, known
from ppl.distributions.constraints import namespace
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class Unit(Distribution):
    """The one value of event shape `(0,)`, with the log density `log_factor`.

    Args:
        log_factor: Any number but NaN or plus infinity, shape `(...)`.
    """

    log_factor: ArrayLike = param(constraints.real)
    support = constraints.real_vector

    @property
    def event_shape(self) -> Shape:
        return (0,)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        del key
        return jnp.zeros(self.shape(sample_shape))

    def log_prob(self, value: ArrayLike) -> Array:
        batch = np.broadcast_shapes(jnp.shape(value)[:-1], self.batch_shape)
        return jnp.broadcast_to(self.log_factor, batch)

    def parameter_checks(self) -> list[ParameterCheck]:
        value = known(self.log_factor)
        below = namespace(value).less(value, np.inf)  # minus infinity is a rejection
        rule = "must be a number below infinity"
        return [ParameterCheck("log_factor", value, below, rule)]
