"""Point estimates: all mass at one value of every site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from ppl._sites import Sample, perform
from ppl._typing import Array, Model
from ppl.distributions.delta import Delta
from ppl.distributions.transforms import biject_to
from ppl.infer.guides._place import Place
from ppl.infer.guides._prototype import Prototype, spread
from ppl.infer.guides.base import AutoGuide
from ppl.infer.initialization import init_to_median
from ppl.primitives import param


class AutoDelta(AutoGuide):
    """A point mass at each latent site, so that the fit is a posterior mode (MAP).

    The mode is that of the density of the constrained values, without Jacobians. Params
    are `{site}_auto_loc`, constrained.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        create_plates: See `AutoGuide`.
        forward_mode_differentiation: See `AutoGuide`.
    """

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_median,
        create_plates: Any = None,
        forward_mode_differentiation: bool = False,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            create_plates=create_plates,
            forward_mode_differentiation=forward_mode_differentiation,
        )

    def _begun(self, prototype: Prototype) -> dict[str, Array]:
        initial = self._initial(prototype)
        sites: dict[str, Any] = prototype.at(
            initial()
        )  # for supports, which may be computed
        found = {}
        for entry in prototype.entries:
            name, support = entry.name, sites[entry.name].fn.support

            def loc(_: Any, name: str = name, support: Any = support) -> Array:
                free = spread(initial()[name], prototype.full_shape(name))
                return biject_to(support)(free)

            found[name] = param(self._named(name, "loc"), loc, constraint=support)
        return found

    def _at(self, site: Sample, begun: dict[str, Array], place: Place) -> Array:
        event_dim = site.fn.event_dim
        value = place.taken(begun[site.name], site, event_dim)
        fn = Delta(value, event_dim=event_dim)
        return perform(place.own(site, site.name, fn)).value

    def median(
        self, params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        """The values by site."""
        entries = self._fitted(params, args, kwargs).entries
        names = [entry.name for entry in entries]
        return {name: jnp.asarray(params[self._named(name, "loc")]) for name in names}
