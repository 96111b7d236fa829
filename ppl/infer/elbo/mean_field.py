"""The evidence lower bound with divergences in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentTypeError
from ppl._sites import Sample
from ppl._typing import Array
from ppl.distributions.kl import kl_divergence
from ppl.infer.elbo.base import AbstractParticles, Mutable, less, terms_of, total
from ppl.infer.elbo.dependence import dependence
from ppl.infer.elbo.runs import (
    Pair,
    Runs,
    check_differentiable,
    draws_of,
    is_point,
)


@dataclass(frozen=True)
class TraceMeanField_ELBO(AbstractParticles):
    """The evidence lower bound with KL(q(z) || p(z)) in closed form where there is one.

    That takes noise away. The draw is used, as in `Trace_ELBO`, where no formula is
    known for the two families; where the guide's site is on an unconstrained scale; and
    where the prior of a site depends on what the guide computes from that site, for the
    formula would be wrong there. The last is read off the traced programs.

    Attributes:
        num_particles: See `AbstractParticles`.
        vectorize_particles: See `AbstractParticles`.
        sum_sites: Whether the loss is one number, or one for each site, by name.
    """

    sum_sites: bool = True

    def particle(self, runs: Runs) -> tuple[Any, Mutable]:
        pair = runs.pair()
        check_differentiable(pair.guide)
        terms = less(terms_of(pair.model), terms_of(pair.guide))
        terms |= closed_terms(runs, pair)
        return total(terms) if self.sum_sites else terms, pair.mutable_state()


def closed_terms(runs: Runs, pair: Pair) -> dict[str, Array]:
    """Minus the divergences that have a closed form, by site."""
    found: dict[str, Array] = {}
    for name, guide in draws_of(pair.guide).items():
        model = pair.model.get(name)
        divergence = _divergence(guide, model) if isinstance(model, Sample) else None
        if divergence is not None:
            found[name] = -divergence
    if not found:
        return found
    known = dependence(runs, pair)
    return {
        name: term
        for name, term in found.items()
        if not known.model[name] & (known.after(name) | {name})
    }


def _divergence(guide: Sample, model: Sample) -> Array | None:
    """KL(guide || model) of a site, scaled and masked as both are."""
    same = guide.fn.batch_shape == model.fn.batch_shape and all(
        _equal(ours, theirs)
        for ours, theirs in ((guide.scale, model.scale), (guide.mask, model.mask))
    )
    if not same or is_point(guide) or _has_traced_transforms(guide.fn):
        return None
    try:
        divergence = kl_divergence(guide.fn, model.fn)
    except ArgumentTypeError:
        return None
    if guide.mask is not None:
        divergence = jnp.where(guide.mask, divergence, 0.0)
    return jnp.sum(divergence if guide.scale is None else guide.scale * divergence)


def _equal(a: Any, b: Any) -> bool:
    """Whether two are known to be the same."""
    if a is b:
        return True
    unknown = any(part is None or isinstance(part, Tracer) for part in (a, b))
    return not unknown and np.array_equal(a, b)


def _has_traced_transforms(fn: Any) -> bool:
    """Whether it cannot be known that its transforms are those of another."""
    while fn is not None:
        leaves = jax.tree.leaves(getattr(fn, "transforms", ()))
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return True
        fn = getattr(fn, "base_dist", None)
    return False
