"""Which sites to reparameterise, from the structure of the model."""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from ppl import distributions as dist
from ppl._errors import ArgumentError, ModelError
from ppl._flow import labelled, members
from ppl._typing import Array, Model
from ppl.distributions.constraints import shape_of
from ppl.handlers import seed
from ppl.infer.reparam.base import Reparam, unwrapped
from ppl.infer.reparam.directions import ProjectedNormalReparam
from ppl.infer.reparam.loc_scale import VECTORS, LocScaleReparam, is_loc_scale
from ppl.infer.reparam.transformed import TransformReparam
from ppl.primitives import Sample
from ppl.visiting import Visit, placeholder


class AutoReparam:
    """Choose strategies by what depends on what: `reparam(model, config=auto())`.

    The model is traced, and a latent site is reparameterised if its location, scale or
    `scale_tril` is computed from other latent sites, unless its data are `strong`:
    LocScaleReparam takes them out of it. A transformed distribution whose transform or
    base is computed from latent sites gets TransformReparam, and a `ProjectedNormal`
    always ProjectedNormalReparam.

    Why: where data say little of a site, it is known mainly through its prior, and
    moves with the location and scale there; without these it is nearly independent of
    them. Where data say much, it is known through the data, and the site without
    location and scale moves with them instead. For normal models the borderline is
    where both say as much (O. Papaspiliopoulos, G. Roberts, M. Sköld, 2007, "A general
    framework for the parametrization of hierarchical models"); with a learned centring
    between both M. I. Gorinova, D. Moore and M. D. Hoffman (2020) find the same. How
    much the data say is not known before a run, only how many there are: counted are
    the observed values at sites whose distributions are computed from this one, for
    each of its elements, on average. Taking out too much costs time, and too little
    can make what is estimated wrong, so many are asked for.

    Args:
        centered: The centring of what is chosen, see `LocScaleReparam`; None learns it.
        strong: From how many observed values for each element on a site stays as it is.

    Raises:
        ArgumentError: `strong` is not positive, or `centered` is not in [0, 1].
        ModelError: It is used in a `with` statement, where there is no whole model.
    """

    def __init__(self, *, centered: float | None = 0.0, strong: float = 50):
        if not strong > 0:
            raise ArgumentError(
                f"strong must be > 0, got {strong!r}.",
                value=strong,
                hint="strong=float('inf') takes all locations and scales out.",
            )
        self.strong = strong
        self.loc_scale = LocScaleReparam(centered)

    def __call__(self, site: Any) -> Any:
        """Refuse to judge a site without its model."""
        raise ModelError(
            "auto() must look at the whole model.",
            site=getattr(site, "name", None),
            hint="Wrap the model: ppl.handlers.reparam(model, config=auto()).",
        )

    def for_model(
        self, model: Model, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Callable[[Any], Reparam | None]:
        """The config for one model and its arguments."""
        chosen = self.choose(model, *args, **kwargs)
        return lambda site: chosen.get(site.name)

    def choose(self, model: Model, *args: Any, **kwargs: Any) -> dict[str, Reparam]:
        """The strategies by name of the site, for a look at what is chosen."""
        # In an empty context no handler around this call sees the sites.
        nodes = contextvars.Context().run(_look_at, model, args, kwargs)
        chosen = {name: self._strategy(node, nodes) for name, node in nodes.items()}
        return {name: made for name, made in chosen.items() if made is not None}

    def _strategy(self, node: _Node, nodes: dict[str, _Node]) -> Reparam | None:
        if node.is_observed:
            return None
        if node.family is dist.ProjectedNormal:
            return ProjectedNormalReparam()
        transformed = node.family is dist.TransformedDistribution
        parents = node.parents if transformed else node.loc_scale_parents
        if not parents or _data_for_each(node, nodes) >= self.strong:
            return None
        if transformed:
            return TransformReparam()
        if not node.is_loc_scale:
            return None
        return LocScaleReparam(0) if node.family in VECTORS else self.loc_scale


auto = AutoReparam


@dataclass(frozen=True)
class _Node:
    """A sample site, and the latent sites that its parameters are computed from."""

    name: str
    family: type
    size: int
    is_observed: bool
    is_loc_scale: bool
    parents: frozenset[str]
    loc_scale_parents: frozenset[str]


def _data_for_each(node: _Node, nodes: dict[str, _Node]) -> float:
    """Observed values that depend on a site, over the number of its elements."""
    data = (n for n in nodes.values() if n.is_observed and node.name in n.parents)
    return sum(n.size for n in data) / max(node.size, 1)


def _look_at(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, _Node]:
    """Trace the model twice: for the shapes of latent values, and what they lead to."""
    latent: dict[str, jax.ShapeDtypeStruct] = {}

    def shape_of_each() -> None:
        def value_of(site: Sample, visited: Visit) -> Array:
            value = placeholder(site)
            visited.note(site)
            return value

        with seed(rng_seed=0), Visit(value_of) as visited:
            model(*args, **kwargs)
        for name in visited.notes:
            value = visited.sites[name].value
            latent[name] = jax.ShapeDtypeStruct(value.shape, value.dtype)

    jax.eval_shape(shape_of_each)
    sites: dict[str, Sample] = {}

    def parameters(values: dict[str, Array]) -> dict[str, tuple[Any, Any]]:
        def value_of(site: Sample, visited: Visit) -> Array:
            return visited.here(values[site.name], site.name)

        with seed(rng_seed=0), Visit(value_of) as visited:
            model(*args, **kwargs)
        found = {n: s for n, s in visited.sites.items() if isinstance(s, Sample)}
        sites.update(found)
        return {name: _parameters(site.fn) for name, site in found.items()}

    program, out = jax.make_jaxpr(parameters, return_shape=True)(latent)
    found = labelled(program.jaxpr, program.jaxpr.invars)
    sources = (frozenset(members(reach.any, sorted(latent))) for reach in found)
    owners = jax.tree.map(lambda _: next(sources), out)
    return {name: _node(site, *owners[name]) for name, site in sites.items()}


def _parameters(fn: Any) -> tuple[list[Any], list[Any]]:
    """All arrays in a distribution; and those that are its location and scale."""
    base, _ = unwrapped(fn)
    named = (getattr(base, name, None) for name in ("loc", "scale", "scale_tril"))
    return jax.tree.leaves(fn), [value for value in named if value is not None]


def _node(site: Sample, every: list[Any], loc_scale: list[Any]) -> _Node:
    base, _ = unwrapped(site.fn)
    return _Node(
        name=site.name,
        family=type(base),
        size=math.prod(shape_of(site.value)),
        is_observed=site.is_observed,
        is_loc_scale=is_loc_scale(base),
        parents=frozenset().union(*every),
        loc_scale_parents=frozenset().union(*loc_scale),
    )
