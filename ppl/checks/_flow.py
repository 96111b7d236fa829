"""Mistakes that show in what depends on what."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import PPLWarning, warn
from ppl._flow import reached
from ppl.target import LogDensity, Traced, visit


class ImproperPosteriorWarning(PPLWarning):
    """A site has a flat prior, and the data say nothing about it."""


def abstract_position(density: LogDensity) -> jax.ShapeDtypeStruct:
    """The shape and dtype of a position, for tracing."""
    return jax.ShapeDtypeStruct((density.layout.size,), jnp.result_type(float))


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
    return any(reached(jaxpr, jaxpr.invars[-1:]))


def check_flat_sites(traced: Traced) -> None:
    """Warn of sites with an improper prior that no other term depends on."""
    flat = [s.name for s in traced.sites.values() if s.family == "ImproperUniform"]
    entries = {e.name: e for e in traced.density.layout.entries}
    flat = [name for name in flat if name in entries]
    if not flat:
        return
    names: list[str] = []

    def terms(data: Any, *free: Any) -> Any:
        given = dict(zip(entries, free, strict=True))
        made = visit(traced.density.spec, data, given)[2]
        names.extend(made)
        return list(made.values())

    free = [
        jax.ShapeDtypeStruct(e.free_shape, jnp.result_type(float))
        for e in entries.values()
    ]
    jaxpr = jax.make_jaxpr(terms)(traced.density.data, *free).jaxpr
    own = dict(zip(entries, jaxpr.invars[-len(free) :], strict=True))
    for name in flat:
        others = zip(names, reached(jaxpr, [own[name]]), strict=True)
        if not any(reached for other, reached in others if other != name):
            warn(
                f"site '{name}' has an improper prior and no other site depends on it "
                f"({traced.sites[name].line}): the posterior is improper. Give it a "
                "proper prior, or take it out.",
                ImproperPosteriorWarning,
            )
