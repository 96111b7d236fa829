"""Which sites a handler may record under one name."""

from __future__ import annotations

from ppl._errors import DuplicateSiteError, ModelError
from ppl._sites import Handler, Param, PlateEntry, Site


def check_recordable(first: Site | None, site: Site, handler: Handler) -> None:
    """Whether a handler may record `site`, where `first` has that name already.

    Raises:
        ControlFlowError: No one knows how often it is performed.
        DuplicateSiteError: The name is taken, and not by the same plate or param.
        ModelError: Two plates of one name have different sizes.
    """
    for region in handler.regions:
        if error := region.refusal(site):
            raise error
    if first is None or (isinstance(first, Param) and isinstance(site, Param)):
        return
    if not _same_plate(first, site):
        raise DuplicateSiteError(
            f"at {site.line} is already defined at {first.line}.",
            site=site.name,
            value=site.name,
            hint="Site names must be unique; ppl.handlers.scope adds a prefix.",
        )


def _same_plate(first: Site, second: Site) -> bool:
    """Whether both are entries of one plate, which may be entered again and again."""
    match first, second:
        case PlateEntry(), PlateEntry():
            for what in ("size", "subsample_size"):
                one, other = first[what], second[what]
                if one != other:
                    raise ModelError(
                        f"plate '{first.name}' is used with {what}s {one} "
                        f"({first.line}) and {other} ({second.line}).",
                        value=(one, other),
                        hint="Give different plates different names.",
                    )
            return True
    return False
