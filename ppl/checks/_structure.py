"""What can be known to be wrong without computing anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ppl._errors import ModelError, NothingToSampleError, PPLError, PPLWarning, warn
from ppl._sites import PlateFrame
from ppl.target import SiteInfo, Traced


class EmptyDataWarning(PPLWarning):
    """A site has an observed value without elements."""


def check_structure(traced: Traced) -> None:
    """Check that gradient-based MCMC can run the model.

    Raises:
        NothingToSampleError: There is no latent site.
        ModelError: A latent site is discrete, there are `param` statements, a plate
            subsamples, or two plates of one name have different sizes.
    """
    for error in structure_errors(traced):
        raise error


def structure_errors(traced: Traced) -> Iterator[PPLError]:
    """What `check_structure` raises the first of; warns of empty data if nothing."""
    wrong = False
    for part in (_of_plates, _of_params, _of_latents):
        for error in part(traced):
            wrong = True
            yield error
    if not wrong:
        _check_observed(traced.sites)


def _of_plates(traced: Traced) -> Iterator[PPLError]:
    first: dict[str, tuple[PlateFrame, str]] = {}
    told: set[str] = set()
    for site in traced.sites.values():
        for frame in site.plates:
            known, line = first.setdefault(frame.name, (frame, site.line))
            if frame.name in told:
                continue
            if frame.subsample_size < frame.size:
                told.add(frame.name)
                yield subsampled(frame, site.line)
            elif known.size != frame.size:
                told.add(frame.name)
                yield ModelError(
                    f"plate '{frame.name}' is used with sizes {known.size} ({line}) "
                    f"and {frame.size} ({site.line}).",
                    value=frame.size,
                    hint="Give the second plate a name of its own.",
                )


def subsampled(frame: PlateFrame, line: str) -> ModelError:
    """The error for a plate with minibatches under MCMC."""
    return ModelError(
        f"plate '{frame.name}' uses {frame.subsample_size} of its {frame.size} members "
        f"({line}), and MCMC needs all of them.",
        value=frame.subsample_size,
        hint="Leave subsample_size out, or fit the model by variational inference.",
    )


def _of_params(traced: Traced) -> Iterator[PPLError]:
    for name, line in traced.params.items():
        yield ModelError(
            f"is a param ({line}), and MCMC samples only sample sites.",
            site=name,
            value=name,
            hint="Give it a prior with ppl.sample or ppl.handlers.lift, or fix it: "
            f"ppl.handlers.substitute(model, {{'{name}': value}}).",
        )


def _of_latents(traced: Traced) -> Iterator[PPLError]:
    latent = [entry.name for entry in traced.density.layout.entries]
    if not latent:
        observed = [s.name for s in traced.sites.values() if s.is_observed]
        known = ", ".join(f"'{name}'" for name in observed) or "none"
        yield NothingToSampleError(
            f"the model has no latent site; its observed sites: {known}.",
            hint="A site without obs= is latent.",
        )
        return
    discrete = False
    for name in latent:
        site = traced.sites[name]
        if site.is_discrete:
            discrete = True
            yield ModelError(
                f"{site.family} is discrete and not observed ({site.line}); NUTS and "
                "HMC follow gradients and move through continuous values only.",
                site=name,
                value=site.family,
                hint="Sum it out (a mixture distribution, or a factor with logsumexp "
                "over its values), relax it, or observe it.",
            )
    if traced.density.layout.size == 0 and not discrete:
        yield NothingToSampleError(
            f"all latent sites are empty: {', '.join(latent)}.",
            site=latent[0],
            value=traced.sites[latent[0]].shape,
            hint="Is the plate around them of size 0?",
        )


def _check_observed(sites: dict[str, SiteInfo]) -> None:
    observed = [s for s in sites.values() if s.is_observed and s.family != "Unit"]
    empty = [s for s in observed if math.prod(s.shape) == 0]
    if not empty:
        return
    names = ", ".join(f"'{s.name}'" for s in empty)
    rest = "" if len(empty) < len(observed) else "; the posterior equals the prior"
    warn(f"site {names}: 0 observations{rest}.", EmptyDataWarning)
