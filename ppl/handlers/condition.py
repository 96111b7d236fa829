"""Observe sites from outside of the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ppl._errors import ArgumentError
from ppl.primitives import Handler, Sample, Site, as_data, perform


class condition(Handler):
    """Turn sample sites into observed ones with the given values.

    Args:
        fn: The model.
        data: Observed values by site name.
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
                else:
                    value = self.condition_fn(site)  # type: ignore[misc]
                if value is not None:
                    value = as_data(value, site.name)
                    site = dataclasses.replace(site, value=value, is_observed=True)
        return perform(site)
