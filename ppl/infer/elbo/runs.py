"""Runs of guide and model, one with the values of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from ppl._errors import ModelError, ShapeError
from ppl._sites import Handler, Mutable, PlateEntry, Sample, Site, perform
from ppl._typing import Array, Key, Model
from ppl.distributions.constraints import shape_of
from ppl.distributions.delta import Delta
from ppl.handlers.replay import replay
from ppl.handlers.seed import mix_in_name, seeded_quickly
from ppl.handlers.substitute import fill
from ppl.handlers.trace import trace

Sites = Mapping[str, Site]


class Pair(NamedTuple):
    """One run of guide and model: the sites of each, by name.

    Attributes:
        model: Its latent sites have the guide's values.
        guide: The guide's.
    """

    model: Sites
    guide: Sites

    def mutable_state(self) -> dict[str, Any]:
        """What the runs left in the holders of `mutable` sites."""
        both = {**self.guide, **self.model}
        return {n: site.value for n, site in both.items() if isinstance(site, Mutable)}


@dataclass(frozen=True)
class Runs:
    """A guide and a model, ready to be run once, or again with the same randomness.

    Attributes:
        rng_key: A JAX key.
        params: Constrained values of param sites, and values of mutable ones.
        model: The model.
        guide: The guide.
        args: Arguments of both.
        kwargs: Keyword arguments of both.
    """

    rng_key: Key
    params: Mapping[str, Any]
    model: Model
    guide: Model
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def guided(self, params: Mapping[str, Any] | None = None) -> Sites:
        """The sites of the guide, with other params if they are given."""
        seeded = seeded_quickly(self.guide, self.rng_key)
        data = self.params if params is None else params
        run = trace(fill(seeded, data=data))
        return run.get_trace(*self.args, **self.kwargs)

    def modelled(self, guide: Sites) -> Sites:
        """The sites of the model, with the guide's values."""
        fitting = _Fitting(self.model, guide)
        seeded = seeded_quickly(fitting, mix_in_name(self.rng_key, "model"))
        replayed = fill(replay(seeded, trace=guide), data=self.params)
        return trace(replayed).get_trace(*self.args, **self.kwargs)

    def pair(self) -> Pair:
        """Guide, and model with its values."""
        guide = self.guided()
        return Pair(self.modelled(guide), guide)

    def scoreless(
        self, guide: Sites, value_of: Callable[[Sample], Array] | None = None
    ) -> Sites:
        """The guide's sites, without the score of its draws.

        Log densities of draws depend on the params through the values alone. The rest,
        factors and what a guide computes from its draws, a `Delta`, keeps all of its
        derivative: only a score has mean zero.

        Args:
            guide: Its first run.
            value_of: Another value of a draw of that run, if it is to have one.
        """
        if value_of is not None:
            moved = {
                name: dataclasses.replace(site, value=value_of(site))
                for name, site in _noisy(guide).items()
            }
            guide = self._at({**guide, **moved}, self.params)
        still = self.held(guide)
        return {**guide, **{name: still[name] for name in _noisy(guide)}}

    def held(self, guide: Sites) -> Sites:
        """The guide's sites at the draws of a run, its params without a derivative."""
        return self._at(guide, jax.lax.stop_gradient(dict(self.params)))

    def _at(self, guide: Sites, params: Mapping[str, Any]) -> Sites:
        """The guide's sites at the draws of a run; what it computes, it computes."""
        plates = {n: s for n, s in guide.items() if isinstance(s, PlateEntry)}
        with replay(trace=plates | _noisy(guide)):
            return self.guided(params)


def _noisy(guide: Sites) -> dict[str, Sample]:
    """Draws of a guide that are no points."""
    return {n: s for n, s in draws_of(guide).items() if not is_point(s)}


def run_pair(
    rng_key: Key,
    params: Mapping[str, Any],
    model: Model,
    guide: Model,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Pair:
    """Run the guide, and the model with the guide's values; see `Runs`."""
    return Runs(rng_key, params, model, guide, args, kwargs).pair()


def draws_of(sites: Sites) -> dict[str, Sample]:
    """The sample sites that are not observed, by name."""
    return {n: s for n, s in sites.items() if isinstance(s, Sample) and is_draw(s)}


def is_draw(site: Site) -> bool:
    """Whether its value is drawn."""
    return isinstance(site, Sample) and not site.is_observed


def is_point(site: Site) -> bool:
    """Whether its value is computed: all mass is there."""
    fn = site["fn"]
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return isinstance(fn, Delta)


def check_differentiable(guide: Sites) -> None:
    """Whether every draw of the guide has a derivative by its parameters.

    Raises:
        ModelError: One has not.
    """
    for site in draws_of(guide).values():
        if not site.fn.has_rsample:
            raise ModelError(
                f"is drawn in the guide ({site.line}) from {type(site.fn).__name__}, "
                "whose draws have no derivative by its parameters.",
                site=site.name,
                value=type(site.fn).__name__,
                hint="Use TraceGraph_ELBO(), whose gradients need none.",
            )


class undifferentiated(Handler):
    """Draws that cannot be differentiated by their parameters lose all derivatives."""

    def handle(self, site: Site) -> Site:
        """Take the derivative from the value that comes back."""
        out = perform(site)
        if isinstance(out, Sample) and is_draw(out) and not out.fn.has_rsample:
            out = dataclasses.replace(out, value=jax.lax.stop_gradient(out.value))
        return out


class _Fitting(Handler):
    """Refuses values of the guide whose shape is not that of the model's site."""

    def __init__(self, model: Model, guide: Sites):
        super().__init__(model)
        self.guide = guide

    def handle(self, site: Site) -> Site:
        """Compare the shapes, before the site is given the value."""
        if isinstance(site, Sample) and is_draw(site) and not self.regions:
            theirs = self.guide.get(site.name)
            if isinstance(theirs, Sample) and is_draw(theirs):
                self._check(site, theirs)
        return perform(site)

    def _check(self, site: Sample, theirs: Sample) -> None:
        ours, got = site.fn.shape(), shape_of(theirs.value)
        if ours != got and site.fn.event_shape != (0,):
            raise ShapeError(
                f"has shape {ours} in the model ({site.line}) and {got} in the guide "
                f"({theirs.line}).",
                site=site.name,
                value=got,
                hint="Use the same plates in both.",
            )
