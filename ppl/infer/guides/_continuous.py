"""Guides with one distribution for the unconstrained values of all sites together."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ppl._errors import ModelError
from ppl._sites import Sample
from ppl._typing import Array
from ppl.distributions import constraints
from ppl.distributions.distribution import Distribution
from ppl.distributions.normal import Normal
from ppl.distributions.transforms import Transform, biject_to
from ppl.infer.guides._place import Place
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import AutoGuide
from ppl.primitives import param, sample


class Declared(NamedTuple):
    """A param of a guide.

    Attributes:
        init: Its initial value, or a function of a random key that gives it.
        constraint: What it must satisfy.
    """

    init: Any
    constraint: Any = constraints.real


class AutoContinuous(AutoGuide):
    """A guide of the vector of all unconstrained values, which is of any law.

    The vector, in the order of the model's sites, is the auxiliary site
    `_{prefix}_latent`; its params are `{prefix}_loc` and the like. All latent sites
    must be there in every step, so their plates are not subsampled.
    """

    @property
    def latent_dim(self) -> int:
        """The length of the vector."""
        return self._known().density.layout.size

    @abstractmethod
    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        """The params, by the end of their names."""

    @abstractmethod
    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        """From draws of `get_base_dist()` to the vector, given what a fit has found."""

    @abstractmethod
    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Distribution:
        """The law of the vector, given the params."""

    def get_posterior(self, params: Mapping[str, Any]) -> Distribution:
        """The law of the vector, (latent_dim,), given what a fit has found."""
        return self._law(self._known(), params)

    def get_base_dist(self) -> Distribution:
        """Standard normal noise, (latent_dim,)."""
        return Normal(jnp.zeros(self.latent_dim), 1.0).to_event(1)

    def unpack_latent(self, flat: Array) -> dict[str, Array]:
        """The unconstrained value of each site, from the vector."""
        return self._known().density.layout.split(flat)

    def constrain(self, flat: Array) -> dict[str, Array]:
        """Values of the sites, (n, *shape), from vectors, (n, latent_dim)."""
        prototype = self._known()

        def one(flat: Array) -> dict[str, Array]:
            return prototype.constrained(prototype.density.layout.split(flat))

        return jax.vmap(one)(flat)

    def _begun(self, prototype: Prototype) -> dict[str, Array]:
        check_whole(self, prototype)
        return prototype.density.layout.split(self._latent(prototype))

    def _latent(self, prototype: Prototype) -> Array:
        """Perform the params and the vector."""
        found = {}
        for what, (init, constraint) in self._declared(prototype).items():
            name = self._called(what)
            found[name] = param(name, init, constraint=constraint)
        name, infer = f"_{self.prefix}_latent", {"is_auxiliary": True}
        return sample(name, self._performed(prototype, found), infer=infer)

    def _performed(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> Distribution:
        """The law of the vector in a run; performs what else it depends on."""
        return self._law(prototype, params)

    def _at(self, site: Sample, begun: dict[str, Array], place: Place) -> Array:
        bijector = biject_to(site.fn.support)
        event_dim = bijector.domain.event_dim + site.fn.event_dim
        event_dim -= bijector.codomain.event_dim
        return place.fixed(site, place.taken(begun[site.name], site, event_dim))

    def _called(self, what: str) -> str:
        """The name of a param."""
        return f"{self.prefix}_{what}"

    def _beginning(self, prototype: Prototype) -> Any:
        """A function that gives the vector to begin at; its argument is not used."""
        initial = self._initial(prototype)

        def vector(_: Any) -> Array:
            values = initial()
            parts = [values[entry.name].reshape(-1) for entry in prototype.entries]
            return jnp.concatenate(parts)

        return vector


class AbstractGaussian(AutoContinuous):
    """A guide whose vector is normal."""

    def _moments(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> tuple[Array, Array]:
        """Mean and variance of the vector."""
        law = self._law(prototype, params)
        return law.mean, law.variance

    def median(
        self, params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        prototype = self._fitted(params, args, kwargs)
        mean, _ = self._moments(prototype, params)
        return prototype.constrained(prototype.density.layout.split(mean))

    def quantiles(
        self, params: Mapping[str, Any], quantiles: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        prototype = self._fitted(params, args, kwargs)
        mean, variance = self._moments(prototype, params)
        spread = jnp.sqrt(variance)

        def free_at(z: Array) -> dict[str, Array]:
            return prototype.density.layout.split(mean + z * spread)

        return prototype.quantiles(quantiles, free_at)


def check_whole(guide: AutoGuide, prototype: Prototype) -> None:
    """Whether all members of all latent sites are in every step.

    Raises:
        ModelError: A plate around a latent site is subsampled.
    """
    for entry in prototype.entries:
        site = prototype.sites[entry.name]
        for frame in site.plates:
            if frame.subsample_size < frame.size:
                raise ModelError(
                    f"is in plate '{frame.name}', of whose {frame.size} members a step "
                    f"has {frame.subsample_size}, and {type(guide).__name__} is for "
                    "all unconstrained values together.",
                    site=site.name,
                    value=(frame.size, frame.subsample_size),
                    hint="Use AutoNormal, which has params for every member.",
                )
