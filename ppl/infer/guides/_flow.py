"""What guides that bend normal noise by networks have in common."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ppl._counts import as_count
from ppl._errors import ModelError
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.distribution import Distribution, distribution
from ppl.distributions.normal import Normal
from ppl.distributions.transforms import (
    AffineTransform,
    ComposeTransform,
    PermuteTransform,
    Transform,
)
from ppl.infer.guides._continuous import AutoContinuous, Declared
from ppl.infer.guides._prototype import Prototype


@distribution
class Pushed(Distribution):
    """The law of what a transform makes of draws of a vector.

    It remembers the last draw, with its density, for inverting a flow is slow.
    """

    base_dist: Distribution
    transform: ComposeTransform
    support = constraints.real_vector
    has_rsample = True

    @property
    def batch_shape(self) -> Shape:
        return ()

    @property
    def event_shape(self) -> Shape:
        return self.base_dist.event_shape

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        noise = self.base_dist.sample(key, sample_shape)
        value, log_det = self.transform.forward_and_log_det(noise)
        drawn = value, self.base_dist.log_prob(noise) - log_det
        object.__setattr__(self, "_drawn", drawn)
        return value

    def log_prob(self, value: ArrayLike) -> Array:
        drawn = self.__dict__.get("_drawn")
        if drawn is not None and drawn[0] is value:
            return drawn[1]
        noise, log_det = self.transform.inverse_and_log_det(value)
        return self.base_dist.log_prob(noise) + log_det


class AbstractFlow(AutoContinuous):
    """A guide whose vector is normal noise, bent by networks, then scaled and shifted.

    Its params are those of the networks, and `auto_loc` and `auto_scale`,
    (latent_dim,), which are applied last.
    """

    network_name = "arn"
    least_dim = 2

    @abstractmethod
    def _network(self, size: int, key: Key) -> Any:
        """One network with initial weights, for vectors of that size."""

    @abstractmethod
    def _bend(self, network: Any, size: int) -> Transform:
        """What a network makes of a vector."""

    def _order(self, size: int) -> np.ndarray:
        """How elements change places from one network to the next."""
        return np.arange(size)[::-1]

    def _names(self) -> list[str]:
        count = self.options.get("num_flows", 1)
        return [f"{self.network_name}__{i}$params" for i in range(count)]

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        size = prototype.density.layout.size
        if size < self.least_dim:
            raise ModelError(
                f"the model has {size} unconstrained value, and {type(self).__name__} "
                f"needs {self.least_dim}: there is nothing to make others from.",
                value=size,
                hint="Use AutoBNAFNormal or AutoDiagonalNormal.",
            )
        network = functools.partial(self._network, size)
        scale = jnp.full(size, self.options["init_scale"])
        return {
            **{name: Declared(network) for name in self._names()},
            "loc": Declared(self._beginning(prototype)),
            "scale": Declared(scale, constraints.softplus_positive),
        }

    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Pushed:
        base = Normal(jnp.zeros(prototype.density.layout.size), 1.0).to_event(1)
        return Pushed(base, self.get_transform(params))

    def get_transform(self, params: Mapping[str, Any]) -> ComposeTransform:
        loc, scale = (jnp.asarray(params[self._called(n)]) for n in ("loc", "scale"))
        parts: list[Transform] = []
        for name in self._names():
            if parts:
                parts.append(PermuteTransform(self._order(len(loc))))
            parts.append(self._bend(params[self._called(name)], len(loc)))
        return ComposeTransform((*parts, AffineTransform(loc, scale)))


def lengths(name: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """Lengths of hidden layers, each a count."""
    return tuple(as_count(f"each of {name}", size) for size in sizes)
