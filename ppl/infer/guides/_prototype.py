"""What a guide knows of its model: sites, shapes, the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl._sites import PlateFrame, Site, only
from ppl._typing import Array, Shape
from ppl.distributions.transforms import biject_to
from ppl.handlers.substitute import fill
from ppl.layout import Entry, SiteInfo
from ppl.target import LogDensity


@dataclass(frozen=True)
class Prototype:
    """What a guide knows of its model.

    Attributes:
        density: The target, with the layout of the latent sites.
        sites: What the trace tells of each site.
        params: Names of the model's own params.
        plates: Its plates, by name.
    """

    density: LogDensity
    sites: Mapping[str, SiteInfo]
    params: tuple[str, ...]
    plates: Mapping[str, PlateFrame]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The latent sites."""
        return self.density.layout.entries

    def fixed(self, params: Mapping[str, Any]) -> Prototype:
        """The same with the values of the model's own params that are among these."""
        own = {name: params[name] for name in self.params if name in params}
        if not own:
            return self
        spec = self.density.spec
        spec = dataclasses.replace(spec, model=fill(spec.model, data=own))
        return dataclasses.replace(self, density=replace(self.density, spec=spec))

    def at(self, free: Mapping[str, Array]) -> dict[str, Site]:
        """All sites, with these unconstrained values."""
        with only(()):  # for a guide runs among other handlers
            return self.density.at_values(free)[1]

    def constrained(self, free: Mapping[str, Array]) -> dict[str, Array]:
        """Constrained values by site, of all members of the plates around.

        Args:
            free: Unconstrained values, of the shapes that `full_shape` tells.

        Raises:
            ArgumentError: Members of a plate that is subsampled have other supports.
        """
        part = {e.name: _cut(free[e.name], e.free_shape) for e in self.entries}
        found: dict[str, Array] = {}
        sites: dict[str, Any] = self.at(part)
        for name, value in part.items():
            found[name] = sites[name].value
            if value.shape != jnp.shape(free[name]):
                support = _common(sites[name].fn.support, name)
                found[name] = biject_to(support)(free[name])
        return found

    def quantiles(
        self, quantiles: Any, free_at: Callable[[Array], Mapping[str, Array]]
    ) -> dict[str, Array]:
        """Constrained quantiles by site, (*shape of quantiles, *shape).

        Args:
            quantiles: Probabilities, any shape.
            free_at: From a standard normal quantile, (), to unconstrained values.

        Raises:
            ArgumentError: They are not in (0, 1).
        """
        probs = np.asarray(quantiles, float)
        if not ((probs > 0) & (probs < 1)).all():
            raise ArgumentError(
                f"quantiles must be in (0, 1), got {quantiles}.", value=quantiles
            )
        z = jax.scipy.special.ndtri(jnp.asarray(probs.reshape(-1), float))
        flat = jax.vmap(lambda z: self.constrained(free_at(z)))(z)
        return jax.tree.map(lambda a: a.reshape(*probs.shape, *a.shape[1:]), flat)

    def full_shape(self, name: str) -> Shape:
        """Of the unconstrained value, for all members of the plates around."""
        site = self.sites[name]
        shape = list(next(e.free_shape for e in self.entries if e.name == name))
        for frame in site.plates:
            shape[len(site.shape) - site.event_dim + frame.dim] = frame.size
        return tuple(shape)


def _cut(value: Array, shape: Shape) -> Array:
    """The first entries along every dim."""
    return value[tuple(slice(n) for n in shape)]


def _common(support: Any, name: str) -> Any:
    """A support that is the same for all members of a plate, as one of scalars."""

    def first(leaf: Any) -> Any:
        values = np.ravel(leaf) if not isinstance(leaf, Tracer) else leaf
        if jnp.size(leaf) == 1:
            return jnp.reshape(leaf, ())
        if isinstance(leaf, Tracer) or (values != values[0]).any():
            raise ArgumentError(
                "its support differs between the members of a plate, of which only "
                "some are in use.",
                site=name,
                hint="Take draws of those in use: guide.sample_posterior(...).",
            )
        return values[0]

    return jax.tree.map(first, support)


def spread(value: Array, shape: Shape) -> Array:
    """The value repeated along its dims up to `shape`, and cut there."""
    times = [-(-new // old) for new, old in zip(shape, value.shape, strict=True)]
    return _cut(jnp.tile(value, times), shape)
