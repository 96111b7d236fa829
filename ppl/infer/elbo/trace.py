"""The evidence lower bound by draws."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ppl._errors import ShapeError
from ppl._sites import Sample
from ppl._typing import Array
from ppl.distributions.constraints import shape_of
from ppl.infer.elbo.base import (
    AbstractParticles,
    Mutable,
    check_estimator,
    less,
    terms_of,
    total,
)
from ppl.infer.elbo.runs import (
    Pair,
    Runs,
    Sites,
    check_differentiable,
    draws_of,
)


@dataclass(frozen=True)
class Trace_ELBO(AbstractParticles):
    """The evidence lower bound E_q[log p(x, z) - log q(z)], by reparameterised draws.

    Kingma & Welling, "Auto-encoding variational Bayes", 2014; Kucukelbir et al., JMLR
    2017.

    Attributes:
        num_particles: See `AbstractParticles`.
        vectorize_particles: See `AbstractParticles`.
        multi_sample_guide: Whether every latent site of the guide has several draws,
            along a first axis of the same length; the bounds of all draws are added.
        sum_sites: Whether the loss is one number, or one for each site, by name.
        estimator: "pathwise", the derivative of all that depends on the params; or
            "stl", without the score of the guide, whose mean is zero: no noise is left
            where the guide is the posterior ("sticking the landing"; Roeder, Wu,
            Duvenaud 2017).
    """

    multi_sample_guide: bool = False
    sum_sites: bool = True
    estimator: Literal["pathwise", "stl"] = dataclasses.field(
        default="pathwise", kw_only=True
    )

    def __post_init__(self):
        super().__post_init__()
        check_estimator(self.estimator, ("pathwise", "stl"))

    def first(self, runs: Runs) -> Pair:
        if not self.multi_sample_guide:
            return super().first(runs)
        guide = runs.guided()
        check_differentiable(guide)
        one = _draw(guide, {n: v[0] for n, v in _several(guide).items()})
        return Pair(runs.modelled(one), one)

    def particle(self, runs: Runs) -> tuple[Any, Mutable]:
        guide = runs.guided()
        check_differentiable(guide)
        ran = guide
        if self.estimator == "stl":
            guide = runs.scoreless(guide)
        if self.multi_sample_guide:
            model, mutable = self._several(runs, guide)
        else:
            pair = Pair(runs.modelled(guide), ran)
            model, mutable = terms_of(pair.model), pair.mutable_state()
        terms = less(model, terms_of(guide))
        return total(terms) if self.sum_sites else terms, mutable

    def _several(self, runs: Runs, guide: Sites) -> tuple[dict[str, Array], Mutable]:
        """The model's terms, added up over all draws of the guide."""

        def one(values: dict[str, Array]) -> tuple[dict[str, Array], Mutable]:
            sites = runs.modelled(_draw(guide, values))
            return terms_of(sites), Pair(sites, {}).mutable_state()

        terms, mutable = jax.vmap(one)(_several(guide))
        return jax.tree.map(jnp.sum, terms), mutable


def _several(guide: Sites) -> dict[str, Array]:
    """The draws of a guide that has as many of each site."""
    draws = {n: s for n, s in draws_of(guide).items() if not _is_auxiliary(s)}
    values = {name: site.value for name, site in draws.items()}
    counts = {name: shape_of(value)[:1] for name, value in values.items()}
    if len(set(counts.values())) > 1 or () in counts.values():
        raise ShapeError(
            "multi_sample_guide=True needs as many draws of every latent site, along "
            f"the first axis; the shapes are "
            f"{ {name: shape_of(value) for name, value in values.items()} }.",
            value=counts,
            hint="Expand every distribution of the guide by the same number in front.",
        )
    return values


def _draw(guide: Sites, values: dict[str, Array]) -> Sites:
    """The guide's sites with one of their draws."""
    return {
        name: dataclasses.replace(site, value=values[name]) if name in values else site
        for name, site in guide.items()
    }


def _is_auxiliary(site: Sample) -> bool:
    return bool(site.infer.get("is_auxiliary"))
