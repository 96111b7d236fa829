"""Mistakes that show in what depends on what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import PPLWarning, warn
from ppl._flow import Reach, labelled, members
from ppl.checks._probe import unwrapped
from ppl.distributions import constraints
from ppl.target import LogDensity, Traced, visit


class ImproperPosteriorWarning(PPLWarning):
    """A site has a flat prior, and the data say nothing about it."""


def abstract_position(density: LogDensity) -> jax.ShapeDtypeStruct:
    """The shape and dtype of a position, for tracing."""
    return jax.ShapeDtypeStruct((density.layout.size,), jnp.result_type(float))


def by_site(density: LogDensity, of: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    """A function of the visited model as a jaxpr, and its input for each free site."""
    entries = density.layout.entries
    names = [entry.name for entry in entries]

    def whole(data: Any, free: Any) -> Any:
        given = dict(zip(names, free, strict=True))
        return of(visit(density.spec, data, given))

    free = [jax.ShapeDtypeStruct(e.free_shape, jnp.result_type(float)) for e in entries]
    program = jax.make_jaxpr(whole)(density.data, free).jaxpr
    return program, program.invars[len(program.invars) - len(free) :]


def varies(density: LogDensity, name: str, check: int | None = None) -> bool:
    """Whether a parameter, or else a site's value or support, depends on the position.

    Args:
        density: The target.
        name: Of the site.
        check: The number of the parameter's check there.
    """

    def parts(density: LogDensity, position: Any) -> Any:
        site: Any = density.visit(position)[1][name]
        if check is not None:
            return site.fn.parameter_checks()[check].value
        return site.value, site.fn.support

    jaxpr = jax.make_jaxpr(parts)(density, abstract_position(density)).jaxpr
    return any(reach.any for reach in labelled(jaxpr, jaxpr.invars[-1:]))


@dataclass(frozen=True)
class Dependences:
    """What the terms of a target depend on.

    Attributes:
        latent: Names of the free sites; bit i stands for the i-th.
        terms: By sample site, the free sites that its log density depends on.
        scales: By free site on the real line, those that its scale depends on.
    """

    latent: tuple[str, ...]
    terms: dict[str, Reach]
    scales: dict[str, Reach]

    def informed(self, given: Iterable[str]) -> int:
        """The free sites that data depend on, directly or through other sites."""
        found = 0
        for name in given:
            found |= self.terms[name].any
        while True:
            wider = found
            for i, name in enumerate(self.latent):
                if found >> i & 1 and name in self.terms:
                    wider |= self.terms[name].any
            if wider == found:
                return found
            found = wider

    def names(self, bits: int) -> tuple[str, ...]:
        """The free sites of a set."""
        return members(bits, self.latent)


def dependences(density: LogDensity) -> Dependences:
    """Read off the traced model what depends on which free sites."""
    latent = tuple(entry.name for entry in density.layout.entries)
    names: list[tuple[str, str]] = []

    def terms(visited: Any) -> Any:
        _, sites, made = visited
        values = {("term", name): term for name, term in made.items()}
        for name in latent:
            scale = scale_of(sites[name])
            if scale is not None:
                values["scale", name] = scale
        names.extend(values)
        return list(values.values())

    program, inputs = by_site(density, terms)
    found = dict(zip(names, labelled(program, inputs), strict=True))
    terms_of = {name: r for (what, name), r in found.items() if what == "term"}
    scales = {name: r for (what, name), r in found.items() if what == "scale"}
    return Dependences(latent, terms_of, scales)


def scale_of(site: Any) -> Any:
    """The standard deviations, or what is like them, of a site on the real line."""
    base: Any = unwrapped(site.fn)
    tril = getattr(base, "scale_tril", None)
    if tril is not None and jnp.ndim(tril) >= 2:
        return jnp.sqrt(jnp.square(tril).sum(-1))
    if base.event_dim or base.support is not constraints.real:
        return None
    return getattr(base, "scale", None)


def check_flat_sites(traced: Traced) -> None:
    """Warn of sites with an improper prior that no other term depends on."""
    flat = [s.name for s in traced.sites.values() if s.family == "ImproperUniform"]
    free = {e.name for e in traced.density.layout.entries}
    flat = [name for name in flat if name in free]
    if not flat:
        return
    found = dependences(traced.density)
    for name in flat:
        bit = 1 << found.latent.index(name)
        if not any(r.any & bit for other, r in found.terms.items() if other != name):
            warn(
                f"site '{name}' has an improper prior and no other site depends on it "
                f"({traced.sites[name].line}): the posterior is improper. Give it a "
                "proper prior, or take it out.",
                ImproperPosteriorWarning,
            )
