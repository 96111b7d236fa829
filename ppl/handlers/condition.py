"""Observe sites from outside of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import replace
from ppl.handlers._names import AbstractNaming
from ppl.primitives import (
    Deterministic,
    KeyRequest,
    ObservedRequest,
    Sample,
    Site,
    as_data,
    perform,
)


class condition(AbstractNaming):
    """Turn sample sites into observed ones with the given values.

    A name in `data` that no sample site of a whole run has is told in a warning: what
    was to be observed is not.

    Args:
        fn: The model.
        data: Observed values by site name. For a site inside of a loop those of all
            steps; if there are fewer, they are for the first steps, and the others are
            drawn, which needs a `seed` outside: a forecast.
        condition_fn: A function of the site that returns a value, or None to leave it.

    Raises:
        ArgumentError: Both or neither of `data` and `condition_fn` are given.
    """

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        data: Mapping[str, Any] | None = None,
        condition_fn: Callable[[Site], Any] | None = None,
    ):
        super().__init__(fn)
        if (data is None) == (condition_fn is None):
            raise ArgumentError("condition needs data= or condition_fn=, and not both.")
        self.data = data
        self.condition_fn = condition_fn

    def names(self) -> Iterable[str]:
        """The names of the values."""
        return self.data or ()

    def handle(self, site: Site) -> Site:
        """Mark the site observed on the way out."""
        match site:
            case Sample():
                self.meet(site)
                value = self._value(site)
                if value is not None:
                    value = as_data(value, site.name)
                    site = replace(site, value=value, is_observed=True)
            case Deterministic():
                self.meet(site)
            case ObservedRequest(site=asked):
                if self._given(replace(asked, name=site.name)) is not None:
                    return replace(site, value=True)
        return perform(site)

    def _given(self, site: Sample) -> Any:
        """What is given for all steps of the site."""
        if self.data is not None:
            return self.data.get(site.name)
        return self.condition_fn(site)  # type: ignore[misc]

    def _value(self, site: Sample) -> Any:
        value = self._given(site)
        if value is None or self.data is None:
            return value
        return self._part(value, site)

    def _part(self, value: Any, site: Sample) -> Any:
        """What is given for this place; in a loop with more steps, drawn after that."""
        *outer, last = self.regions or (None,)
        if last is None or outer or not last.lacks(value):
            return self.here(value, site.name)
        part, is_given = last.take_first(value, site.name)
        key = perform(KeyRequest("_prng_key")).value
        if key is None:
            raise ShapeError(
                f"{len(value)} values are given for the steps of a loop that has more "
                f"({site.line}): the rest can only be drawn, and no key is there.",
                site=site.name,
                value=len(value),
                hint="To forecast, run the model under seed or Predictive; to fit it, "
                "give it as many steps as there are values.",
            )
        return jnp.where(is_given, part, site.fn.sample(key))
