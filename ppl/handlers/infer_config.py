"""Give sites hints for inference from outside of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._pytree import replace
from ppl.primitives import Handler, Sample, Site, perform


class infer_config(Handler):
    """Update the `infer` dict of each sample site with what `config_fn` says of it.

    Args:
        fn: The model.
        config_fn: A function of the site that returns a dict, empty for no change.

    Raises:
        ArgumentError: There is no `config_fn`.
        ArgumentTypeError: It is no function, or returns something else than a dict.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        config_fn: Callable[[Site], Mapping[str, Any]] | None = None,
    ):
        super().__init__(fn)
        if config_fn is None:
            raise ArgumentError("infer_config needs config_fn=.")
        if not callable(config_fn):
            raise ArgumentTypeError(
                f"config_fn must be a function of the site, got {config_fn!r}.",
                value=config_fn,
                hint="Write config_fn=lambda site: {…}.",
            )
        self.config_fn = config_fn

    def handle(self, site: Site) -> Site:
        """Add the hints on the way out."""
        match site:
            case Sample():
                added = self.config_fn(site)
                if not isinstance(added, Mapping):
                    raise ArgumentTypeError(
                        f"config_fn must return a dict, got {added!r} ({site.line}).",
                        site=site.name,
                        value=added,
                        hint="Return {} to change nothing.",
                    )
                site = replace(site, infer={**site.infer, **added})
        return perform(site)
