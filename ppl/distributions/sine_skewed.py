"""Skewed distributions of angles."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._circular import wrapped
from ppl.distributions._factors import same_size
from ppl.distributions._parameters import ParameterCheck, as_parameter, known
from ppl.distributions._special import as_floats
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class SineSkewed(Distribution):
    r"""A symmetric distribution of angles times $1 + \sum_i s_i \sin(x_i - \mu_i)$.

    (J. Ameijeiras-Alonso, C. Ley, 2022, "Sine-skewed toroidal distributions and their
    application in protein bioinformatics".)

    Full turns do not change the density, if they do not change that of the base.

    Args:
        base_dist: Symmetric about its `mean` $\mu$, with event shape `(n,)`.
        skewness: The numbers $s$, shape `(..., n)`; their absolute values sum to at
            most one.
        validate_args: False skips the check of the parameters.
    """

    base_dist: Distribution
    skewness: ArrayLike = param(constraints.real_vector)
    support = constraints.independent(constraints.circular, 1)
    is_circular = True

    def __init__(
        self,
        base_dist: Distribution,
        skewness: ArrayLike,
        *,
        validate_args: bool | None = None,
    ):
        skewness = as_parameter(skewness, constraints.real_vector)
        if base_dist.event_dim != 1 or not shape_of(skewness):
            raise ArgumentError(
                "SineSkewed needs a base of vectors and a vector of skewness, got "
                f"event shape {base_dist.event_shape} and shape {shape_of(skewness)}.",
                value=base_dist,
                hint="Give the base an event dim, as in base.expand([1]).to_event(1).",
            )
        same_size(
            "SineSkewed",
            base_dist=base_dist.event_shape[0],
            skewness=shape_of(skewness)[-1],
        )
        batch = jnp.broadcast_shapes(base_dist.batch_shape, shape_of(skewness)[:-1])
        self._set(
            base_dist=base_dist.expand(batch),
            skewness=skewness,
            validate_args=validate_args,
        )

    @property
    def batch_shape(self) -> Shape:
        return self.base_dist.batch_shape

    @property
    def event_shape(self) -> Shape:
        return self.base_dist.event_shape

    def expand(self, batch_shape: Shape) -> SineSkewed:
        shape = (*batch_shape, *self.event_shape)
        over = constraints.namespace(self.skewness).broadcast_to
        return replace(
            self,
            base_dist=self.base_dist.expand(tuple(batch_shape)),
            skewness=over(self.skewness, shape),
        )

    def parameter_checks(self) -> list[ParameterCheck]:
        skewness = known(self.skewness)
        size = abs(constraints.namespace(skewness).asarray(skewness)).sum(-1)
        rule = "absolute values must sum to at most 1"
        return [
            *super().parameter_checks(),
            ParameterCheck("skewness", skewness, size <= 1 + 1e-6, rule),
        ]

    def check_parameters(self, site: str | None = None) -> None:
        self.base_dist.check_parameters(site)
        super().check_parameters(site)

    def _tilt(self, value: Array) -> Array:
        (skewness,) = as_floats(self.skewness)
        return (skewness * jnp.sin(value - self.base_dist.mean)).sum(-1)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_base, key_side = jax.random.split(key)
        value = self.base_dist.sample(key_base, sample_shape)
        tilt = self._tilt(value)
        u = jax.random.uniform(key_side, tilt.shape, minval=-1.0)
        # A draw and its mirror image share their mass as 1 + tilt to 1 - tilt.
        mirrored = wrapped(2 * self.base_dist.mean - value)
        return jnp.where((u <= tilt)[..., None], value, mirrored)

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        tilt = self._tilt(value)
        some = tilt > -1
        skew = jnp.where(some, jnp.log1p(jnp.where(some, tilt, 0.0)), -jnp.inf)
        return self.base_dist.log_prob(value) + skew

    @property
    def mean(self) -> Array:
        """The centre of the base, which is not the expectation."""
        return self.base_dist.mean
