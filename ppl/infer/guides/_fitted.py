"""A fitted guide beside a model some of whose data are to be predicted."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

from ppl._sites import Handler, Sample, Site, perform
from ppl._typing import Model
from ppl.infer.guides.base import AutoGuide
from ppl.primitives import prng_key


def of_its_fit(guide: Model) -> Model:
    """The guide of those latent sites that it had in its fit.

    A guide is made from the model anew in every run. Where observations are left out,
    to be predicted, they are latent there, and a guide knows nothing of them: they are
    the model's.
    """
    if not isinstance(guide, AutoGuide) or guide.needs_whole_model:
        return guide
    if guide.prototype is None:
        return guide
    names = frozenset(entry.name for entry in guide.prototype.entries)
    own = copy.copy(guide)
    own.model = _Known(guide.model, names)
    return own


@dataclass(frozen=True)
class _Known:
    """A model whose other latent sites are drawn, as if they were observed."""

    model: Model
    names: frozenset[str]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _drawn(self.names):
            return self.model(*args, **kwargs)


class _drawn(Handler):
    """Draws the latent sites that are not among these, and makes them observed."""

    def __init__(self, names: frozenset[str]):
        super().__init__()
        self.names = names

    def handle(self, site: Site) -> Site:
        """Give the site a value on its way."""
        match site:
            case Sample(value=None, is_observed=False) if site.name not in self.names:
                drawn = dataclasses.replace(site, rng_key=prng_key()).resolve()
                return dataclasses.replace(drawn, is_observed=True)
        return perform(site)
