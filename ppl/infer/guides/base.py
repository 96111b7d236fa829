"""What a guide made from a model is: the model, run with other distributions."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ppl._errors import ArgumentError, ModelError
from ppl._region import AbstractRegion
from ppl._sites import (
    Deterministic,
    Handler,
    PlateEntry,
    Sample,
    Site,
    only,
    perform,
)
from ppl._typing import Array, Model, Shape
from ppl.arguments import Arguments
from ppl.handlers.seed import as_key, seed
from ppl.infer.guides._draws import draws, given_indices
from ppl.infer.guides._place import Place
from ppl.infer.guides._prototype import Prototype
from ppl.infer.initialization import (
    InitStrategy,
    as_strategy,
    first_finite,
    init_to_uniform,
)
from ppl.layout import SiteInfo
from ppl.primitives import prng_key
from ppl.target import trace_model


class AutoGuide(ABC):
    """A guide made from a model; call it like the model.

    Equal guides of one model share compiled programs.

    Args:
        model: The model, whose latent sites are continuous.
        prefix: Part of the names of its params, which are `{site}_{prefix}_loc` and the
            like.
        init_loc_fn: Where to begin: a strategy, as for NUTS.
        create_plates: For NumPyro's sake; plates are those of the model.
        forward_mode_differentiation: For NumPyro's sake; nothing is differentiated to
            find where to begin.
        **options: Of the subclass; equal guides have equal ones.
    """

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        create_plates: Any = None,
        forward_mode_differentiation: bool = False,
        **options: Any,
    ):
        del create_plates, forward_mode_differentiation
        if not isinstance(prefix, str) or not prefix:
            raise ArgumentError(f"prefix must be a name, got {prefix!r}.", value=prefix)
        self.model = model
        self.prefix = prefix
        self.init_loc_fn = _simple(init_loc_fn)
        self.options = options
        self.prototype: Prototype | None = None

    needs_whole_model: ClassVar[bool] = False
    """Whether it can be no part of an `AutoGuideList`."""

    def _key(self) -> tuple[Any, ...]:
        options = tuple(sorted(self.options.items()))
        return type(self), self.model, self.prefix, repr(self.init_loc_fn), options

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AutoGuide) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Perform the guide's sites; gives the values by the name of latent sites."""
        prototype = self.setup(*args, **kwargs)
        with Guided(self, self._begun(prototype)) as values:
            self.model(*args, **kwargs)
        return values

    def setup(self, *args: Any, **kwargs: Any) -> Prototype:
        """Remember the model's arguments, for when draws are asked for without them."""
        prototype = self._traced(args, kwargs)
        leaves = jax.tree.leaves(prototype.density.data)
        if not any(isinstance(leaf, Tracer) for leaf in leaves):
            self.prototype = prototype
        return prototype

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Forget the model of the fit before, unless the next one cannot begin.

        What was observed there need not be so here.
        """
        before, self.prototype = self.prototype, None
        try:
            yield
        except BaseException:
            self.prototype = before
            raise

    @abstractmethod
    def _begun(self, prototype: Prototype) -> Any:
        """Perform the params, and all that does not belong to one site."""

    @abstractmethod
    def _at(self, site: Sample, begun: Any, place: Place) -> Array:
        """Perform what stands for a latent site; gives its value."""

    def _traced(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], model: Model | None = None
    ) -> Prototype:
        """What is to know of the model, or of another."""
        model = model or self.model

        def seeded(*args: Any, **kwargs: Any) -> Any:
            with seed(rng_seed=0):  # for plates that are subsampled
                return model(*args, **kwargs)

        with only(()):
            traced = trace_model(seeded, args, kwargs)
        if model is self.model and self.prototype and self._lacks_data(traced.sites):
            return self.prototype
        self._check_sites(traced.sites)
        if not traced.density.layout.entries:
            raise ModelError(
                "the model has no latent site, so there is nothing to guide.",
                hint="Check that not everything is observed.",
            )
        return Prototype(
            traced.density, traced.sites, tuple(traced.params), traced.plates
        )

    def _lacks_data(self, sites: Mapping[str, SiteInfo]) -> bool:
        """Whether data of the fit are to be predicted now, and are none of the guide's.

        What the guide knows is then what it knew in the fit.
        """
        return any(self._is_data(n) and not s.is_observed for n, s in sites.items())

    def _is_data(self, name: str) -> bool:
        """Whether a site was observed in the fit."""
        known = self.prototype.sites.get(name) if self.prototype else None
        return known is not None and known.type == "sample" and known.is_observed

    def _check_sites(self, sites: Mapping[str, SiteInfo]) -> None:
        """Whether the latent sites can be guided.

        Raises:
            ModelError: One is discrete.
        """
        for name, site in sites.items():
            if site.is_discrete and not site.is_observed and site.type == "sample":
                raise ModelError(
                    f"is discrete ({site.line}), and {type(self).__name__} is for "
                    "continuous latent sites.",
                    site=name,
                    value=site.family,
                    hint="Sum it out, or write a guide for it.",
                )

    def _known(self) -> Prototype:
        if self.prototype is None:
            raise ArgumentError(
                f"{type(self).__name__} does not know its model yet.",
                hint="Call svi.init or svi.run first, or the guide itself.",
            )
        return self.prototype

    def _initial(self, prototype: Prototype) -> Any:
        """A function that gives unconstrained values to begin at, by site."""
        key: Any = prng_key()

        @cache
        def values() -> dict[str, Array]:
            with only(()):
                position = first_finite(prototype.density, self.init_loc_fn, key)
            return prototype.density.layout.split(position)

        return values

    def sample_posterior(
        self,
        rng_key: Any,
        params: Mapping[str, Any],
        *args: Any,
        sample_shape: Shape = (),
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Draws of the guide: constrained values by site, (*sample_shape, *shape).

        Each has its own members of plates that are subsampled, or all have those that
        `ppl.handlers.substitute` around this gives.

        Args:
            rng_key: An int or a JAX key.
            params: What the fit has found.
            *args: Arguments of the model, for which those of the fit are taken else.
            sample_shape: How many draws.
            **kwargs: Keyword arguments of the model.
        """
        prototype = self._traced(args, kwargs) if args or kwargs else self._known()
        arguments, data = self._arguments(args, kwargs)
        given = {**params, **given_indices(prototype.plates)}
        return draws(self, arguments, data, as_key(rng_key), given, sample_shape)

    def _arguments(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Arguments, tuple[Any, ...]]:
        if args or kwargs:
            return Arguments.of(args, kwargs)
        density = self._known().density
        return density.spec.arguments, density.data

    def median(
        self, params: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        """The median of every unconstrained coordinate, constrained, by site.

        Args:
            params: What the fit has found.
            *args: Arguments of the model, for which those of the fit are taken else.
            **kwargs: Keyword arguments of the model.

        Raises:
            ArgumentError: The guide has none in closed form.
        """
        del params, args, kwargs
        raise self._without("median")

    def quantiles(
        self, params: Mapping[str, Any], quantiles: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Array]:
        """Quantiles of every unconstrained coordinate, constrained, by site.

        Args:
            params: What the fit has found.
            quantiles: A number in (0, 1), or several, which are leading dims.
            *args: Arguments of the model, for which those of the fit are taken else.
            **kwargs: Keyword arguments of the model.

        Raises:
            ArgumentError: The guide has none in closed form, or a number is out of
                range.
        """
        del params, quantiles, args, kwargs
        raise self._without("quantiles")

    def _without(self, what: str) -> ArgumentError:
        return ArgumentError(
            f"{type(self).__name__} has no {what} in closed form.",
            value=what,
            hint="Take it from many draws: guide.sample_posterior(key, params, "
            "sample_shape=(1000,)).",
        )

    def _fitted(
        self,
        params: Mapping[str, Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Prototype:
        """What is known of the model, with its own params as they were fitted."""
        given = bool(args or kwargs)
        prototype = self._traced(args, dict(kwargs or {})) if given else self._known()
        return prototype.fixed(params)

    def _named(self, site: str, what: str) -> str:
        """The name of a param of a site."""
        return f"{site}_{self.prefix}_{what}"


def _simple(init_loc_fn: Any) -> InitStrategy:
    """A strategy that looks at every site by itself."""
    strategy = as_strategy(init_loc_fn)
    if not isinstance(strategy, InitStrategy):
        raise ArgumentError(
            "init_loc_fn must be a strategy that looks at every site by itself, got "
            f"{strategy!r}.",
            value=init_loc_fn,
            hint="Use init_to_median, init_to_uniform, init_to_value(values=…), …",
        )
    return strategy


def check_scale(value: Any, name: str = "init_scale") -> float:
    """A positive number, such as the scale to begin with.

    Raises:
        ArgumentError: It is none.
    """
    if isinstance(value, str) or not value > 0 or value == float("inf"):
        raise ArgumentError(f"{name} must be > 0, got {value!r}.", value=value)
    return float(value)


class Guided(Handler, Place):
    """Interprets a model as a guide: its latent sites are the guide's."""

    def __init__(self, guide: AutoGuide, begun: Any):
        super().__init__()
        self.guide, self.begun = guide, begun

    starts_anew = True

    def start(self) -> dict[str, Any]:
        """Begin with no values; gives the dict of them."""
        self.indices: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        return self.values

    def inside(self, region: AbstractRegion) -> Self:
        inner = super().inside(region)
        inner.indices = dict(self.indices)
        return inner

    def gathered(self) -> dict[str, Any]:
        """The values of one step."""
        return self.values

    def absorb(self, gathered: dict[str, Any]) -> None:
        """Take the values of all steps."""
        self.values.update(gathered)

    def handle(self, site: Site) -> Site:
        """Put the guide's statements in the place of the model's."""
        match site:
            case Sample(value=None, name=name) if self.guide._is_data(name):
                unseen = site.fn.sample(jax.random.key(0))  # the model draws its own
                return dataclasses.replace(site, value=unseen)
            case Sample(value=None, is_observed=False):
                value = self.guide._at(site, self.begun, self)
                self.values[site.name] = value
                return dataclasses.replace(site, value=value)
            case Sample() | Deterministic():
                return site.resolve()
            case PlateEntry():
                out = perform(site)
                self.indices[site.name] = out.value
                return out
        return perform(site)

    def taken(self, full: Any, site: Sample, event_dim: int) -> Array:
        value = self.here(full, site.name)
        for frame in site.plates:
            if frame.subsample_size < frame.size:
                axis = jnp.ndim(value) - event_dim + frame.dim
                value = jnp.take(value, self.indices[frame.name], axis=axis)
        return value
