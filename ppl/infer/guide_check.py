"""Whether a guide fits its model: the same latent sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppl._errors import ModelError, unknown_name
from ppl._sites import Param, Sample, Site
from ppl.infer.elbo import Pair


def check_pair(pair: Pair, given: Mapping[str, Any]) -> None:
    """Whether guide and model fit together.

    Args:
        pair: One run of both.
        given: Initial values of params.

    Raises:
        ModelError: A site is in one and not in the other, or observed in the model.
        UnknownNameError: An initial value belongs to no param.
    """
    model, guide = _latents(pair.model), _latents(pair.guide)
    for name, site in guide.items():
        if name not in model and not site.infer.get("is_auxiliary"):
            raise _stranger(site, pair)
    for name, site in model.items():
        if name not in guide:
            raise ModelError(
                f"is a latent site of the model ({site.line}), and the guide has no "
                f"such site; it has {sorted(guide)}.",
                site=name,
                value=sorted(guide),
                hint="Sample it in the guide too, or take one of ppl.infer.autoguide.",
            )
    params = {
        n for n, s in {**pair.model, **pair.guide}.items() if isinstance(s, Param)
    }
    for name in given:
        if name not in params:
            raise unknown_name("param in init_params", name, params)


def _latents(sites: Mapping[str, Site]) -> dict[str, Sample]:
    return {
        name: site
        for name, site in sites.items()
        if isinstance(site, Sample) and not site.is_observed
    }


def _stranger(site: Sample, pair: Pair) -> ModelError:
    """The error for a site of the guide that is no latent one of the model."""
    there = pair.model.get(site.name)
    if there is not None:
        return ModelError(
            f"is latent in the guide ({site.line}) and observed in the model "
            f"({there.line}).",
            site=site.name,
            hint="Take it out of the guide: what is observed is known.",
        )
    return ModelError(
        f"is in the guide ({site.line}) and not in the model, which has "
        f"{sorted(_latents(pair.model))}.",
        site=site.name,
        value=site.name,
        hint="Spell it as in the model; if it only serves the guide, say so: "
        'infer={"is_auxiliary": True}.',
    )
