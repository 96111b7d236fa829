"""Observe sites from outside of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import replace
from ppl.primitives import Handler, KeyRequest, Sample, Site, as_data, perform


class condition(Handler):
    """Turn sample sites into observed ones with the given values.

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

    def handle(self, site: Site) -> Site:
        """Mark the site observed on the way out."""
        match site:
            case Sample():
                if self.data is not None:
                    value = self.data.get(site.name)
                    if value is not None:
                        value = self._part(value, site)
                else:
                    value = self.condition_fn(site)  # type: ignore[misc]
                if value is not None:
                    value = as_data(value, site.name)
                    site = replace(site, value=value, is_observed=True)
        return perform(site)

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
