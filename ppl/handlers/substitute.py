"""Give sites values without observing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl.handlers._names import AbstractNaming
from ppl.primitives import (
    Deterministic,
    Mutable,
    Param,
    PlateEntry,
    Sample,
    Site,
    as_data,
    perform,
)


class substitute(AbstractNaming):
    """Fix the values of sites; what is latent stays so, what is observed too.

    `data` may hold more names than the model has, for whole sets of draws and params
    are handed around: only a name that looks like a misspelt site to which nothing is
    given is told in a warning.

    Args:
        fn: The model.
        data: Values by the name of a sample, param, mutable or deterministic site, or
            of a plate (its indices).
        substitute_fn: A function of the site that returns a value, or None to leave it;
            of a site inside of a loop it is asked in a step, for the value of the step.

    Raises:
        ArgumentError: Both or neither of `data` and `substitute_fn` are given.
    """

    acts_on = ("sample", "param", "mutable", "deterministic", "plate")
    lists_more = True

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

    def names(self) -> Iterable[str]:
        """The names of the values."""
        return self.data or ()

    def handle(self, site: Site) -> Site:
        """Give the site its value on the way out."""
        match site:
            case Sample() | Param() | Mutable() | Deterministic() | PlateEntry():
                has_none = site.value is None and not isinstance(site, PlateEntry)
                self.meet(site, is_open=has_none)
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


def fill(
    fn: Callable[..., Any] | None = None, *, data: Mapping[str, Any]
) -> substitute:
    """`substitute` for values of a whole fit, of which a model may have some only."""
    handler = substitute(fn, data=data)
    handler.told.update(data)
    return handler
