"""From a model and its data to a log density of a flat vector: the only bridge.

Handlers end here. The model is traced once, abstractly, to learn its sites; from then
on it is one pure function of an unconstrained vector and the data, which are arguments:
new data of the same shapes compile nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._gather import has_group_gathers, with_fast_gathers
from ppl._pytree import pytree, replace, static
from ppl._region import LoopAxis
from ppl._sites import Deterministic, PlateFrame, Sample, Site
from ppl._typing import Array, Model, Shape
from ppl.arguments import Arguments
from ppl.constant_arguments import with_constants_where_needed
from ppl.distributions.constraints import shape_of
from ppl.distributions.transforms import biject_to
from ppl.layout import Entry, Layout, SiteInfo, loop_names
from ppl.visiting import (
    Visit,
    family_of,
    fingerprint,
    largest_product,
    placeholder,
)

_MANY_VALUES = 2**16
"""Observed values from which on energies need more digits than their float32 sum."""


@dataclass(frozen=True)
class Spec:
    """The static part of a target: what a compiled program depends on besides shapes.

    Attributes:
        model: The model.
        arguments: Structure of its arguments.
        layout: Of the flat vector.
        fingerprint: Digest of the traced model, with the arrays that it closes over: a
            model whose globals have changed is another program.
        forward_mode: Whether gradients are taken forward, one pass a coordinate: for
            models with loops that cannot be differentiated in reverse.
        gathers: Whether the model indexes arrays, as in `theta[group]`.
        largest_product: Multiplications of the largest matrix product in the model.
        observed: How many values are observed.
        large: Shares of observed values by site, if they are so many that a float32
            sum of their terms hides what a step changes.
    """

    model: Model
    arguments: Arguments
    layout: Layout
    fingerprint: str = ""
    forward_mode: bool = False
    gathers: bool = False
    largest_product: int = 0
    observed: int = 0
    large: tuple[tuple[str, float], ...] = ()


@pytree
class LogDensity:
    """The log density of a model given its data, as a function of a flat vector.

    Computed under the highest matmul precision: TF32, which accelerators use otherwise,
    is off by several nats on real posteriors.

    Attributes:
        data: The array arguments of the model, in the order of `spec.arguments`.
        spec: Model, structure of the arguments, layout.
        base: What is taken from the terms of the large sites, so that the log density
            is small and has the digits that energies need. 0 but in a run.
    """

    data: tuple[Any, ...]
    spec: Spec = static()
    base: Any = 0.0

    @property
    def layout(self) -> Layout:
        """The meaning of the flat vector."""
        return self.spec.layout

    @property
    def largest_product(self) -> int:
        """Multiplications of the largest matrix product in one evaluation."""
        return self.spec.largest_product

    @property
    def observed(self) -> int:
        """How many values are observed."""
        return self.spec.observed

    def lowered(self, base: float) -> LogDensity:
        """The target with its log density less `base`, if it has large sites."""
        if not self.spec.large:
            return self
        return replace(self, base=np.asarray(base, np.float32))

    def __call__(self, position: Array) -> Array:
        """Log density of the unconstrained vector `position`, (dim,)."""
        return self.at_sites(self.layout.split(position))

    def at_sites(self, free: dict[str, Array]) -> Array:
        """Log density of the unconstrained values of all sites, by name."""

        def value(free: dict[str, Array]) -> Array:
            return self.at_values(free)[0]

        return (with_fast_gathers(value) if self.spec.gathers else value)(free)

    def value_and_grad(self, position: Array) -> tuple[Array, Array]:
        """Log density and gradient at `position`, (dim,)."""
        if not self.spec.forward_mode:
            return jax.value_and_grad(self)(position)
        value, slope = jax.linearize(self, position)
        return value, jax.vmap(slope)(jnp.eye(len(position), dtype=position.dtype))

    def batch_value_and_grad(self, positions: Array) -> tuple[Array, Array]:
        """Log densities (chains,) and gradients of (dim, chains), like `positions`.

        The gradient is put together from those of the sites outside of `jax.vmap`:
        inside, chains would come first, and XLA would compute it twice, once as it is
        and once transposed. Positions do go in with the chains first, so that sums over
        many rows of data run along memory.
        """
        if self.spec.forward_mode or not self.layout.entries:
            return jax.vmap(self.value_and_grad, 1, (0, 1))(positions)
        each = jax.vmap(jax.value_and_grad(self.at_sites), 0, (0, -1))
        logp, slopes = each(self.layout.split(positions.T))
        parts = [slopes[e.name].reshape(e.size, -1) for e in self.layout.entries]
        return logp, jnp.concatenate(parts)

    def visit(self, position: Array) -> tuple[Array, dict[str, Site], dict[str, Array]]:
        """Run the model at a position.

        Returns:
            The log density; all sites with their values; the term of each sample site,
            with its log-determinant where it is free.
        """
        return self.at_values(self.layout.split(position))

    def at_values(
        self, free: Mapping[str, Array]
    ) -> tuple[Array, dict[str, Site], dict[str, Array]]:
        """The same, of unconstrained values by site."""
        with jax.default_matmul_precision("highest"):
            return visit(self.spec, self.data, free, self.base)


def visit(
    spec: Spec, data: tuple[Any, ...], free: Mapping[str, Array], base: Any = 0.0
) -> tuple[Array, dict[str, Site], dict[str, Array]]:
    """Run a model with the given unconstrained values; see `LogDensity.visit`."""

    def value_of(site: Sample, visited: Visit) -> Array:
        own = visited.here(free[site.name], site.name)
        value, log_det = biject_to(site.fn.support).forward_and_log_det(own)
        visited.note(site, log_det=log_det)
        return value

    args, kwargs = spec.arguments.rebuild(data)
    with Visit(value_of) as visited:
        spec.model(*args, **kwargs)
    terms, shares = {}, dict(spec.large)
    for name, site in visited.sites.items():
        if isinstance(site, Sample):
            if name in shares:
                term = site.log_prob_less(shares[name] * base)
            else:
                term = jnp.sum(site.log_prob())
            if name in visited.notes:
                term = term + jnp.sum(visited.notes[name]["log_det"])
            terms[name] = term
    total = sum(terms.values(), jnp.zeros(()))
    return total, visited.sites, terms


@dataclass(frozen=True)
class Traced:
    """What is known of a model and its data before anything is computed.

    Attributes:
        density: The target.
        sites: What the trace tells of each site, by name.
        params: Names and lines of `param` statements without a given value.
        plates: Frames of the plates, and of loops as if they were some, by name.
    """

    density: LogDensity
    sites: dict[str, SiteInfo]
    params: dict[str, str]
    plates: dict[str, PlateFrame]


def trace_model(model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
    """Trace `model` abstractly, and make its target.

    Arguments that are arrays become leaves. If the model looks at the values of some of
    them (`int(y.max())`, `np.unique(group)`), or fails on abstract arrays in any other
    way, the arrays that it takes to make it run become constants, with a note.

    Raises:
        ControlFlowError: Python control flow depends on a latent value.
        PPLError: The model breaks a rule of the language; see the classes.
    """
    trace = partial(_traced, model)
    return with_constants_where_needed(trace, model, *Arguments.of(args, kwargs))


def trace_again(density: LogDensity, model: Model) -> Traced:
    """Trace another model, or the same once more, on the arguments of a target."""
    return _traced(model, density.spec.arguments, density.data)


def _traced(model: Model, arguments: Arguments, data: tuple[Any, ...]) -> Traced:
    """Run the model under an abstract trace with placeholders for free values.

    All that is to be known of the sites is asked while the trace lasts: a support may
    be computed from the values of other sites, as that of `Uniform(a, a + 1)` is, and
    there is no computing with these afterwards.
    """
    sites: dict[str, SiteInfo] = {}
    params: dict[str, str] = {}
    shapes: dict[str, tuple[Shape, Shape]] = {}
    spec = Spec(model, arguments, Layout(()))
    free_names: set[str] = set()  # a substituted site is neither free nor observed

    def value_of(site: Sample, _: Visit) -> Any:
        free_names.add(site.name)
        return placeholder(site)

    def body(leaves: tuple[Any, ...]) -> Any:
        args, kwargs = arguments.rebuild(leaves)
        with Visit(value_of) as visited:
            model(*args, **kwargs)
        sites.update(described(visited.sites))
        for name, site in visited.sites.items():
            if site.type == "param" and site.value is None:
                params[name] = site.line
            if isinstance(site, Sample) and name in free_names:
                shape = shape_of(site.value)
                free = () if site.fn.support.is_discrete else None
                if free is None:
                    free = biject_to(site.fn.support).inverse_shape(shape)
                shapes[name] = (shape, tuple(free))
        return [
            s.log_prob() if isinstance(s, Sample) else s.value
            for s in visited.sites.values()
            if isinstance(s, Sample | Deterministic)
        ]

    jaxpr = jax.make_jaxpr(body)(data)
    observed = (site for site in sites.values() if site.is_observed)
    sizes = {site.name: math.prod(site.shape) for site in observed}
    spec = replace(
        spec,
        fingerprint=fingerprint(jaxpr),
        gathers=has_group_gathers(jaxpr),
        largest_product=largest_product(jaxpr),
        layout=_laid_out(shapes),
        observed=sum(sizes.values()),
        large=_large(sizes),
    )
    plates: dict[str, PlateFrame] = {}
    for frame in (frame for site in sites.values() for frame in site.around):
        plates.setdefault(frame.name, frame)
    return Traced(LogDensity(data, spec), sites, params, plates)


def described(sites: Mapping[str, Site]) -> dict[str, SiteInfo]:
    """What a trace tells of its sample and deterministic sites."""
    names = loop_names(sites)
    return {
        name: _described(site, names)
        for name, site in sites.items()
        if isinstance(site, Sample | Deterministic)
    }


def _described(site: Sample | Deterministic, names: dict[LoopAxis, str]) -> SiteInfo:
    sample = site if isinstance(site, Sample) else None
    return SiteInfo(
        name=site.name,
        type=site.type,
        family=family_of(sample.fn) if sample else "",
        shape=shape_of(site.value),
        event_dim=sample.fn.event_dim if sample else 0,
        is_observed=bool(sample and sample.is_observed),
        is_discrete=bool(sample and sample.fn.support.is_discrete),
        plates=site.plates,
        loops=tuple(
            PlateFrame(names[axis], dim, axis.size, axis.size, axis.coords)
            for dim, axis in site.loops
        ),
        line=site.line,
    )


def _laid_out(shapes: dict[str, tuple[Shape, Shape]]) -> Layout:
    """The free sites one after the other, from their shapes and unconstrained ones."""
    entries, offset = [], 0
    for name, pair in shapes.items():
        entries.append(Entry(name, *pair, offset))
        offset += entries[-1].size
    return Layout(tuple(entries))


def _large(sizes: dict[str, int]) -> tuple[tuple[str, float], ...]:
    """Shares of observed values by site, if they are very many, for `Spec.large`."""
    count = sum(sizes.values())
    if count < _MANY_VALUES:
        return ()
    return tuple((name, size / count) for name, size in sizes.items())


@jax.jit
def constrain(
    density: LogDensity, positions: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """What a model says at `positions`, (n, dim), with n > 0.

    Returns:
        Values of free and deterministic sites by name, (n, *site shape); observed
        values by site, as the model sees them, (*site shape).
    """
    free = {entry.name for entry in density.layout.entries}

    def one(position: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        latent, observed = {}, {}
        for name, site in density.visit(position)[1].items():
            if name in free or isinstance(site, Deterministic):
                latent[name] = jnp.asarray(site.value)
            elif isinstance(site, Sample) and site.is_observed:
                observed[name] = jnp.asarray(site.value)
        return latent, {k: v for k, v in observed.items() if v.size}

    latent, observed = jax.vmap(one)(positions)
    return latent, {name: value[0] for name, value in observed.items()}
