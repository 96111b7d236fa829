"""Mean field: a normal distribution for every unconstrained coordinate by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from ppl._sites import Sample, perform
from ppl._typing import Array, Model
from ppl.distributions import constraints
from ppl.distributions.normal import Normal
from ppl.distributions.transforms import IdentityTransform, biject_to
from ppl.infer.guides._place import Place
from ppl.infer.guides._prototype import Prototype, spread
from ppl.infer.guides.base import AutoGuide, check_scale
from ppl.infer.initialization import init_to_uniform
from ppl.primitives import param


class _Params(NamedTuple):
    """Of all sites, unconstrained, by name.

    Attributes:
        loc: Means.
        scale: Standard deviations.
    """

    loc: dict[str, Array]
    scale: dict[str, Array]


class AutoNormal(AutoGuide):
    """A normal distribution for every unconstrained coordinate (mean-field ADVI).

    Kucukelbir, Tran, Ranganath, Gelman, Blei, JMLR 2017. Its params are
    `{site}_auto_loc` and `{site}_auto_scale`, for all members of subsampled plates.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        init_scale: Standard deviations to begin with.
        create_plates: See `AutoGuide`.
        forward_mode_differentiation: See `AutoGuide`.
    """

    scale_constraint = constraints.softplus_positive

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        init_scale: float = 0.1,
        create_plates: Any = None,
        forward_mode_differentiation: bool = False,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            create_plates=create_plates,
            forward_mode_differentiation=forward_mode_differentiation,
            init_scale=check_scale(init_scale),
        )

    def _begun(self, prototype: Prototype) -> _Params:
        initial = self._initial(prototype)
        found = _Params({}, {})
        for entry in prototype.entries:
            name, shape = entry.name, prototype.full_shape(entry.name)

            def loc(_: Any, name: str = name, shape: Any = shape) -> Array:
                return spread(initial()[name], shape)

            scale = jnp.full(shape, self.options["init_scale"])
            found.loc[name] = param(self._named(name, "loc"), loc)
            found.scale[name] = param(
                self._named(name, "scale"), scale, constraint=self.scale_constraint
            )
        return found

    def _at(self, site: Sample, begun: _Params, place: Place) -> Array:
        bijector = biject_to(site.fn.support)
        loc, scale = begun.loc[site.name], begun.scale[site.name]
        event_dim = bijector.domain.event_dim + site.fn.event_dim
        event_dim -= bijector.codomain.event_dim
        loc = place.taken(loc, site, event_dim)
        scale = place.taken(scale, site, event_dim)
        fn = Normal(loc, scale).to_event(event_dim)
        if isinstance(bijector, IdentityTransform):
            return perform(place.own(site, site.name, fn)).value
        free = place.own(site, self._named(site.name, "free"), fn, is_auxiliary=True)
        return place.fixed(site, perform(free).value)

    def median(
        self, params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        prototype = self._fitted(params, args, kwargs)
        return prototype.constrained(self._free(prototype, params, 0.0))

    def quantiles(
        self, params: Mapping[str, Any], quantiles: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        prototype = self._fitted(params, args, kwargs)

        def free_at(z: Array) -> dict[str, Array]:
            return self._free(prototype, params, z)

        return prototype.quantiles(quantiles, free_at)

    def _free(
        self, prototype: Prototype, params: Mapping[str, Any], z: Any
    ) -> dict[str, Array]:
        """Unconstrained values, `z` standard deviations above the means."""
        found = {}
        for entry in prototype.entries:
            loc, scale = (
                params[self._named(entry.name, what)] for what in ("loc", "scale")
            )
            found[entry.name] = loc + z * jnp.asarray(scale)
        return found
