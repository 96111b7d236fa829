"""What a fitted model says of data: labelled draws, and pointwise log likelihoods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ppl import _arviz
from ppl._errors import ArgumentError, unknown_name
from ppl.arguments import Arguments
from ppl.diagnostics._by_site import AbstractDraws
from ppl.handlers.seed import as_key
from ppl.layout import SiteInfo
from ppl.one_draw import Task
from ppl.predicting import (
    Inputs,
    Survey,
    check_count,
    flat,
    run,
    survey,
    tell_missing,
)
from ppl.target import LogDensity

if TYPE_CHECKING:
    import xarray

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(AbstractDraws):
    """Draws by site, (chain, draw, *shape), with names and labels of their axes.

    Attributes:
        samples: Site to draws.
        dims: Site to the names of the axes behind chain and draw.
        coords: Dimension to the labels along it.
        group: What ArviZ calls them: posterior_predictive, predictions,
            log_likelihood or prior_predictive.
    """

    samples: Arrays
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coords: Arrays = field(default_factory=dict)
    group: str = "posterior_predictive"

    def to_datatree(self) -> xarray.DataTree:
        """An `xarray.DataTree` with one group; arrays are not copied."""
        groups = {self.group: self.arviz_group()}
        return _arviz.datatree(groups, dims={}, coords={}, attrs={})

    def to_arviz(self) -> Any:
        """What the installed ArviZ takes: `InferenceData` before 1.0, then the tree."""
        return _arviz.arviz_object(self.to_datatree())

    def arviz_group(self, names: Iterable[str] | None = None) -> _arviz.Group:
        """The group of some of the sites, all if None, with its own labels."""
        kept = {n: self.samples[n] for n in self.samples if names is None or n in names}
        return _arviz.Group(kept, dims=self.dims, coords=self.coords)

    def __repr__(self) -> str:
        shapes = (f"{name} {np.shape(v)}" for name, v in self.samples.items())
        return f"<Predictions ({self.group}): {', '.join(shapes)}>"


@dataclass(frozen=True)
class Fitted:
    """A model with its data and posterior draws.

    Attributes:
        density: The model and the data of the fit.
        latent: Latent site to draws (chain, draw, *shape).
        observed: Names of the sites that were observed.
    """

    density: LogDensity
    latent: Arrays
    observed: frozenset[str]

    def predict(
        self,
        new: tuple[tuple[Any, ...], dict[str, Any]] | None,
        *,
        seed: Any,
        return_sites: tuple[str, ...] | None,
        redraw: tuple[str, ...],
        batch_size: int | None,
    ) -> Predictions:
        """Replicates of the data, or, for new arguments, what the model says of them.

        Raises:
            UnknownNameError: A name in `return_sites` or `redraw` stands for no site.
            ShapeError: A latent site has another shape with the new arguments.
            ArgumentError: Nothing is left to draw.
        """
        for name in redraw:
            if name not in self.latent:
                raise unknown_name("site in redraw", name, self.latent)
        spec, data = self.density.spec, self.density.data
        arguments = spec.arguments
        if new is not None:
            arguments, data = Arguments.of(*new)
        task = Task(
            spec.model, arguments, replicate=new is None, return_sites=return_sites
        )
        kept = {n: v for n, v in self.latent.items() if n not in redraw}
        inputs = Inputs(data, as_key(seed), flat(kept, 2), {}, self._count)
        found = survey(task, inputs)
        if not found.drawn and return_sites is None:
            raise ArgumentError(
                "there is nothing to predict: every site is observed or has draws.",
                hint="Pass None for the observations that are to be predicted.",
            )
        meant = {*self.observed, *redraw}
        tell_missing([name for name in found.missing if name not in meant])
        group = "posterior_predictive" if new is None else "predictions"
        return self._labelled(found, inputs, batch_size, group)

    def log_likelihood(self, batch_size: int | None) -> Predictions:
        """Log densities of the observed values, of the batch shape of each site."""
        spec, data = self.density.spec, self.density.data
        task = Task(spec.model, spec.arguments, density=True)
        inputs = Inputs(data, None, flat(self.latent, 2), {}, self._count)
        return self._labelled(survey(task, inputs), inputs, batch_size)

    def prior(self, draws: int, *, seed: Any, batch_size: int | None) -> Predictions:
        """Draws of all sites from the prior, in one chain."""
        check_count("draws", draws)
        check_count("batch_size", batch_size)
        spec, data = self.density.spec, self.density.data
        task = Task(spec.model, spec.arguments, replicate=True)
        inputs = Inputs(data, as_key(seed), {}, {}, draws)
        found = survey(task, inputs)
        values = run(found, inputs, batch_size, on_host=True)
        whole = {name: np.asarray(v)[None] for name, v in values.items()}
        return Predictions(whole, *_labels(found.sites), group="prior_predictive")

    @property
    def _shape(self) -> tuple[int, int]:
        chains, draws = next(iter(self.latent.values())).shape[:2]
        return chains, draws

    @property
    def _count(self) -> int:
        chains, draws = self._shape
        return chains * draws

    def _labelled(
        self,
        found: Survey,
        inputs: Inputs,
        batch_size: int | None,
        group: str = "log_likelihood",
    ) -> Predictions:
        check_count("batch_size", batch_size)
        pointwise = found.task.density
        values = run(found, inputs, batch_size, on_host=True)
        if pointwise:  # what `factor` adds belongs to no datum
            values = {n: v for n, v in values.items() if n in self.observed}
        shaped = {n: v.reshape(*self._shape, *v.shape[1:]) for n, v in values.items()}
        dims, coords = _labels(found.sites, of_batch=pointwise)
        return Predictions(shaped, dims, coords, group)


def arviz_groups(
    asked: Mapping[str, Predictions | bool | None],
    prior: Predictions | None,
    observed: Iterable[str],
) -> dict[str, _arviz.Group]:
    """Groups of what was asked for; those of the prior are told apart by `observed`."""
    groups = {
        name: given.arviz_group()
        for name, given in asked.items()
        if isinstance(given, Predictions)
    }
    if prior is not None:
        data = [name for name in prior if name in observed]
        rest = [name for name in prior if name not in data]
        groups["prior"] = prior.arviz_group(rest)
        groups["prior_predictive"] = prior.arviz_group(data)
    return groups


def _labels(
    sites: Mapping[str, SiteInfo], *, of_batch: bool = False
) -> tuple[dict[str, tuple[str, ...]], dict[str, np.ndarray]]:
    """Names of the axes by site, without those of an event if asked; their labels."""
    dims, coords = {}, {}
    for name, info in sites.items():
        names = info.dims
        dims[name] = names[: len(names) - info.event_dim] if of_batch else names
        for plate in info.around:
            if plate.coords is not None:
                coords[plate.name] = np.asarray(plate.coords)
    return dims, coords
