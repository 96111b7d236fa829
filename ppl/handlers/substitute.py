"""Give sites values without observing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl.primitives import (
    Deterministic,
    Handler,
    Mutable,
    Param,
    PlateEntry,
    Sample,
    Site,
    as_data,
    perform,
)


class substitute(Handler):
    """Fix the values of sites; what is latent stays so, what is observed too.

    Args:
        fn: The model.
        data: Values by the name of a sample, param, mutable or deterministic site, or
            of a plate (its indices).
        substitute_fn: A function of the site that returns a value, or None to leave it;
            of a site inside of a loop it is asked in a step, for the value of the step.

    Raises:
        ArgumentError: Both or neither of `data` and `substitute_fn` are given.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        data: Mapping[str, Any] | None = None,
        substitute_fn: Callable[[Site], Any] | None = None,
    ):
        super().__init__(fn)
        if (data is None) == (substitute_fn is None):
            raise ArgumentError(
                "substitute needs data= or substitute_fn=, and not both."
            )
        self.data = data
        self.substitute_fn = substitute_fn

    def handle(self, site: Site) -> Site:
        """Give the site its value on the way out."""
        match site:
            case Sample() | Param() | Mutable() | Deterministic() | PlateEntry():
                value = self._value(site)
                if value is not None:
                    site = replace(site, value=value)
        return perform(site)

    def _value(self, site: Site) -> Any:
        if self.data is not None:
            value = self.data.get(site.name)
            if value is not None and not isinstance(site, Param | Mutable):
                value = self.here(value, site.name)
        else:
            value = self.substitute_fn(site)  # type: ignore[misc]
        match site:
            case Sample() if value is not None:
                return as_data(value, site.name)
        return value  # of the other sites it may be any pytree
