"""One run of a model for one draw: which sites get which values, and what is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import (
    ModelError,
    PPLError,
    RandomnessError,
    ShapeError,
    unknown_name,
)
from ppl._pytree import replace
from ppl._sites import Deterministic, Handler, Sample, Site, fitted, perform
from ppl._typing import Key, Model, Shape
from ppl.arguments import Arguments
from ppl.distributions.constraints import shape_of
from ppl.handlers.block import block
from ppl.handlers.seed import fold_in_name, seed
from ppl.handlers.substitute import substitute
from ppl.handlers.trace import trace

Sites = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """What is run for each draw and what is kept: the static part of a program.

    Attributes:
        model: The model.
        arguments: Structure of its arguments.
        guide: Gives values to sites that have none, or None.
        density: Keep the log densities of observed sites and draw nothing, instead of
            keeping values.
        replicate: Draw the observed sites too.
        conditioned: Deterministic sites take given values instead of computing them.
        return_sites: What to keep; None for what was drawn and what is deterministic.
        batched_params: Whether parameters have a leading dim, to be mapped over.
        fingerprint: Digest of the traced model; empty where JAX is tracing anyway.
    """

    model: Model
    arguments: Arguments
    guide: Model | None = None
    density: bool = False
    replicate: bool = False
    conditioned: bool = False
    return_sites: tuple[str, ...] | None = None
    batched_params: bool = False
    fingerprint: str = ""


def visited(
    task: Task,
    data: tuple[Any, ...],
    key: Key | None,
    values: Sites,
    params: Sites,
    shapes: Mapping[str, Shape] | None = None,
) -> tuple[dict[str, Site], dict[str, Site]]:
    """The sites of the model and of the guide; `shapes` are those of all draws."""
    args, kwargs = task.arguments.rebuild(data)
    guided: dict[str, Site] = {}
    values = {**params, **values}
    with jax.default_matmul_precision("highest"):
        if task.guide is not None and key is not None:
            own = fold_in_name(key, "guide")
            with _handlers(task, own, values, shapes) as guided:
                task.guide(*args, **kwargs)
            values |= {n: s.value for n, s in guided.items() if isinstance(s, Sample)}
        try:
            with _handlers(task, key, values, shapes) as sites:
                task.model(*args, **kwargs)
        except RandomnessError as error:
            if key is not None or error.site is None:
                raise
            raise ModelError(
                "has no value in the given draws.",
                site=error.site,
                hint="A log density needs a value for every latent site.",
            ) from None
    return sites, guided


@contextlib.contextmanager
def _handlers(
    task: Task, key: Key | None, values: Sites, shapes: Mapping[str, Shape] | None
) -> Iterator[dict[str, Site]]:
    with contextlib.ExitStack() as stack:
        if key is not None:
            stack.enter_context(seed(rng_seed=key))
        stack.enter_context(substitute(data=values))
        if not task.conditioned:
            stack.enter_context(block(hide_fn=_is_deterministic))
        if task.replicate:
            stack.enter_context(_Replicated())
        if shapes is not None:
            stack.enter_context(_Exact(shapes))
        yield stack.enter_context(trace())


def _is_deterministic(site: Site) -> bool:
    return isinstance(site, Deterministic)


class _Replicated(Handler):
    """Makes observed sites latent, of the shape of what was observed."""

    def handle(self, site: Site) -> Site:
        match site:
            case Sample(is_observed=True) if not _is_factor(site):
                site = replace(site, fn=fitted(site), value=None, is_observed=False)
        return perform(site)


class _Exact(Handler):
    """Refuses given values whose shape is not that of their site, and names sites.

    Args:
        shapes: Of all draws of the given sites together, for the message.
    """

    def __init__(self, shapes: Mapping[str, Shape]):
        super().__init__()
        self.shapes = shapes

    def handle(self, site: Site) -> Site:
        match site:
            case Sample(value=None, is_observed=False) if site.name in self.shapes:
                expected = site.fn.shape()
                try:
                    out = perform(site)
                except ShapeError as error:
                    if error.site != site.name:
                        raise
                    raise self._refusal(site, expected) from None
                if shape_of(out.value) != expected:
                    raise self._refusal(site, expected)
                return out
            case Sample(value=None):
                try:
                    return perform(site)
                except TypeError as error:  # the family has no sampler
                    if isinstance(error, PPLError) and error.site is not None:
                        raise
                    raise ModelError(str(error), site=site.name) from error
        return perform(site)

    def _refusal(self, site: Sample, expected: Shape) -> ShapeError:
        given = self.shapes[site.name]
        hint = "Leave the site out to draw it anew, or give draws of the site's shape."
        if given[2:] == expected:
            hint = "For draws of shape (chain, draw, …), say batch_ndims=2."
        return ShapeError(
            f"the given draws have shape {given}, so one has {given[1:]}, and the site "
            f"has {expected} ({site.line}).",
            site=site.name,
            value=given,
            hint=hint,
        )


def _is_factor(site: Sample) -> bool:
    return site.fn.event_shape == (0,)


def kept_of(task: Task, sites: Mapping[str, Site], given: set[str]) -> Sites:
    """What is kept of one run, by site; `given` are the sites that had values."""
    if task.density:
        return {
            name: replace(site, scale=None).log_prob()
            for name, site in sites.items()
            if isinstance(site, Sample) and site.is_observed
        }
    names = task.return_sites
    if names is None:
        names = [n for n, site in sites.items() if _is_result(site, given)]
    return {name: jax.tree.map(jnp.asarray, sites[name].value) for name in names}


def _is_result(site: Site, given: set[str]) -> bool:
    match site:
        case Sample():
            return site.name not in given and not _is_factor(site)
        case Deterministic():
            return True
    return False


def refuse_strangers(
    task: Task, values: Sites, sites: Sites, guided: Mapping[str, Site]
) -> None:
    """Names that stand for nothing are mistakes.

    Args:
        task: What is run.
        values: The given draws by site.
        sites: Of the model.
        guided: Sites of the guide.

    Raises:
        UnknownNameError: A value or a name to return belongs to no site.
        ModelError: The guide has a site that the model has not.
    """
    known = {**sites, **guided}
    for name in values:
        if name not in known:
            raise unknown_name("site in posterior_samples", name, known)
    for name in task.return_sites or ():
        if name not in sites:
            raise unknown_name("site in return_sites", name, sites)
    for name, site in guided.items():
        if (
            isinstance(site, Sample)
            and name not in sites
            and not (site.is_observed or site.infer.get("is_auxiliary"))
        ):
            raise ModelError(
                f"the guide has this site ({site.line}), and the model has none of "
                "its name.",
                site=name,
                hint="Spell it as in the model; if it only serves the guide, say so: "
                'infer={"is_auxiliary": True}.',
            )
