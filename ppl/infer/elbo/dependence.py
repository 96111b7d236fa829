"""Which sites of a run are computed from which, found in the traced program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from ppl._flow import joined, labelled, members
from ppl._sites import Sample
from ppl._typing import Array
from ppl.handlers.substitute import fill
from ppl.infer.elbo.runs import Pair, Runs, Sites, draws_of

Names = frozenset[str]


@dataclass(frozen=True)
class Dependence:
    """Who depends on whom.

    Attributes:
        guide: Of each site of the guide, the draws that its distribution is computed
            from, at first or second hand.
        model: Of each sample site of the model, the draws of the guide that its log
            density is computed from at first hand, other than its own value.
    """

    guide: Mapping[str, Names]
    model: Mapping[str, Names]

    def after(self, name: str) -> Names:
        """The draws of the guide that depend on one of them."""
        return frozenset(n for n, before in self.guide.items() if name in before)


def dependence(runs: Runs, pair: Pair) -> Dependence:
    """What depends on what in these runs, which have led to this pair."""
    draws = draws_of(pair.guide)
    values = {name: site.value for name, site in draws.items()}

    def guided(values: Mapping[str, Array]) -> Sites:
        with fill(data=values):
            return runs.guided()

    def modelled(values: Mapping[str, Array]) -> Sites:
        with fill(data=values):
            return runs.modelled(pair.guide)

    return Dependence(_closed(_sources(guided, values)), _sources(modelled, values))


def _sources(
    run: Callable[[Mapping[str, Array]], Sites], values: Mapping[str, Array]
) -> dict[str, Names]:
    """The values that the distribution of each sample site is computed from."""

    def parts(values: Mapping[str, Array]) -> dict[str, Any]:
        return {
            name: jax.tree.leaves((site.fn, site.scale, site.mask))
            for name, site in run(values).items()
            if isinstance(site, Sample)
        }

    program, out = jax.make_jaxpr(parts, return_shape=True)(dict(values))
    reached = labelled(program.jaxpr, program.jaxpr.invars)
    names = sorted(values)  # as JAX flattens dicts
    by_site = jax.tree.unflatten(jax.tree.structure(out), reached)
    return {
        site: frozenset(members(joined(found).any, names))
        for site, found in by_site.items()
    }


def _closed(parents: Mapping[str, Names]) -> dict[str, Names]:
    """Ancestors, from parents."""
    found = dict(parents)
    while True:
        wider = {
            name: before.union(*(found.get(b, frozenset()) for b in before))
            for name, before in found.items()
        }
        if wider == found:
            return found
        found = wider
