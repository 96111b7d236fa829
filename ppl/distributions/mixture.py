"""Finite mixtures, of one family or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import replace
from ppl._typing import Array, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._mixing import AbstractMixture, hull
from ppl.distributions._parameters import ParameterCheck
from ppl.distributions._wrapping import (
    aligned,
    ends_of,
)
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution, distribution


@distribution
class MixtureSameFamily(AbstractMixture):
    """A mixture of the members of one batch.

    Args:
        mixing_distribution: A `Categorical` over the components.
        component_distribution: The components along its last batch dim.
    """

    mixing_distribution: Any
    component_distribution: Any

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        del validate_args  # the parts have been checked
        self._check_mixing()
        component = self.component_distribution
        shape = component.batch_shape
        if not shape or shape[-1] != self.mixture_size:
            raise ShapeError(
                f"MixtureSameFamily: the mixing distribution has {self.mixture_size} "
                "categories, so the last batch dim of the components must have that "
                f"size; their batch shape is {shape}.",
                value=shape,
            )
        rank = len(self.batch_shape)
        mixing = aligned(self.mixing_distribution, rank)
        object.__setattr__(self, "mixing_distribution", mixing)
        object.__setattr__(self, "component_distribution", aligned(component, rank + 1))

    @property
    def batch_shape(self) -> Shape:
        component = self.component_distribution.batch_shape[:-1]
        mixing = self.mixing_distribution.batch_shape
        return tuple(np.broadcast_shapes(component, mixing))

    @property
    def event_shape(self) -> Shape:
        return self.component_distribution.event_shape

    @property
    def is_discrete(self) -> bool:
        return self.component_distribution.is_discrete

    @property
    def support(self) -> Constraint:
        support = self.component_distribution.support
        if self.event_shape or all(np.ndim(e) == 0 for e in ends_of(support)):
            return support

        def reduce(ends: Sequence[Any], how: str) -> Any:
            return getattr(ends[0], how)(-1) if np.ndim(ends[0]) else ends[0]

        return hull([support], reduce)

    def _each(self, method: str, value: Array) -> Array:
        value = jnp.expand_dims(value, self.mixture_dim)
        return getattr(self.component_distribution, method)(value)

    def _moments_of_components(self, name: str) -> Array:
        return getattr(self.component_distribution, name)

    def component_sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        wide = (*self.batch_shape, self.mixture_size)
        return self.component_distribution.expand(wide).sample(key, sample_shape)

    def expand(self, batch_shape: Shape) -> MixtureSameFamily:
        wide = (*batch_shape, self.mixture_size)
        return replace(
            self,
            mixing_distribution=self.mixing_distribution.expand(batch_shape),
            component_distribution=self.component_distribution.expand(wide),
        )

    def parameter_checks(self) -> list[ParameterCheck]:
        parts = (self.mixing_distribution, self.component_distribution)
        return [check for part in parts for check in part.parameter_checks()]

    def check_parameters(self, site: str | None = None) -> None:
        self.mixing_distribution.check_parameters(site)
        self.component_distribution.check_parameters(site)


@distribution
class MixtureGeneral(AbstractMixture):
    """A mixture of distributions of any families.

    Args:
        mixing_distribution: A `Categorical` over the components.
        component_distributions: The components, all of one event shape.
        support: The support of the whole; if not given, the smallest interval that
            holds the supports of all components.
    """

    mixing_distribution: Any
    component_distributions: tuple[Any, ...]
    _support: Constraint | None

    def __init__(
        self,
        mixing_distribution: Distribution,
        component_distributions: Sequence[Distribution],
        *,
        support: Constraint | None = None,
        validate_args: bool | None = None,
    ):
        self._set(
            mixing_distribution=mixing_distribution,
            component_distributions=tuple(component_distributions),
            _support=support,
            validate_args=validate_args,
        )

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        del validate_args  # the parts have been checked
        self._check_mixing()
        parts = self.component_distributions
        if len(parts) != self.mixture_size:
            raise ArgumentError(
                f"MixtureGeneral: {len(parts)} components, but the mixing distribution "
                f"has {self.mixture_size} categories.",
                value=parts,
            )
        kinds = {(part.event_shape, part.is_discrete) for part in parts}
        if len(kinds) > 1:
            raise ArgumentError(
                "MixtureGeneral: all components must have one event shape, and all be "
                f"discrete or none; got {sorted(map(str, kinds))}.",
                value=parts,
            )
        if self._support is None and self.event_shape:
            supports = [part.support for part in parts]
            if any(support != supports[0] for support in supports):
                raise ArgumentError(
                    "MixtureGeneral: the components have different supports.",
                    hint="Give the support of the whole as `support=`.",
                )
        rank = len(self.batch_shape)
        mixing = aligned(self.mixing_distribution, rank)
        object.__setattr__(self, "mixing_distribution", mixing)
        parts = tuple(aligned(part, rank) for part in parts)
        object.__setattr__(self, "component_distributions", parts)

    @property
    def batch_shape(self) -> Shape:
        shapes = [part.batch_shape for part in self.component_distributions]
        mixing = self.mixing_distribution.batch_shape
        return tuple(np.broadcast_shapes(mixing, *shapes))

    @property
    def event_shape(self) -> Shape:
        return self.component_distributions[0].event_shape

    @property
    def is_discrete(self) -> bool:
        return self.component_distributions[0].is_discrete

    @property
    def support(self) -> Constraint:
        if self._support is not None:
            return self._support
        supports = [part.support for part in self.component_distributions]
        if self.event_shape:
            return supports[0]

        def reduce(ends: Sequence[Any], how: str) -> Any:
            xp = constraints.namespace(*ends)
            both = xp.minimum if how == "min" else xp.maximum
            result = ends[0]
            for end in ends[1:]:
                result = both(result, end)
            return result

        return hull(supports, reduce)

    def _each(self, method: str, value: Array) -> Array:
        return self._stacked(
            [getattr(part, method)(value) for part in self.component_distributions], -1
        )

    def _moments_of_components(self, name: str) -> Array:
        values = [getattr(part, name) for part in self.component_distributions]
        return self._stacked(values, self.mixture_dim)

    def _stacked(self, values: Sequence[Array], axis: int) -> Array:
        return jnp.stack(jnp.broadcast_arrays(*values), axis)

    def component_sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        parts = self.component_distributions
        keys = jax.random.split(key, len(parts))
        draws = [
            part.expand(self.batch_shape).sample(k, sample_shape)
            for part, k in zip(parts, keys, strict=True)
        ]
        return jnp.stack(draws, self.mixture_dim)

    def expand(self, batch_shape: Shape) -> MixtureGeneral:
        parts = (part.expand(batch_shape) for part in self.component_distributions)
        return replace(
            self,
            mixing_distribution=self.mixing_distribution.expand(batch_shape),
            component_distributions=tuple(parts),
        )

    def parameter_checks(self) -> list[ParameterCheck]:
        parts = (self.mixing_distribution, *self.component_distributions)
        return [check for part in parts for check in part.parameter_checks()]

    def check_parameters(self, site: str | None = None) -> None:
        for part in (self.mixing_distribution, *self.component_distributions):
            part.check_parameters(site)


def Mixture(
    mixing_distribution: Distribution,
    component_distributions: Distribution | Sequence[Distribution],
    *,
    validate_args: bool | None = None,
) -> MixtureSameFamily | MixtureGeneral:
    """A finite mixture, of a batch of one family or of a list of distributions.

    Args:
        mixing_distribution: A `Categorical` over the components.
        component_distributions: One distribution with the components along its last
            batch dim, or a list of distributions.
        validate_args: Whether to check the parameters now.
    """
    if isinstance(component_distributions, Distribution):
        return MixtureSameFamily(
            mixing_distribution,
            component_distributions,
            validate_args=validate_args,  # type: ignore
        )
    return MixtureGeneral(
        mixing_distribution, component_distributions, validate_args=validate_args
    )
