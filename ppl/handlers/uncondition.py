"""Draw observed sites anew, as if they had not been observed."""

from __future__ import annotations

from ppl._pytree import replace
from ppl.distributions.unit import Unit
from ppl.primitives import Handler, Sample, Site, perform


class uncondition(Handler):
    """Forget what sites have observed, so that the model draws from its prior.

    The observation stays readable: `site.infer` says `was_observed` and has it as
    `obs`. A `factor` is part of the density and no observation: it stays as it is.

    Args:
        fn: The model.
    """

    wants_keys = True

    def handle(self, site: Site) -> Site:
        """Take the observed value away."""
        match site:
            case Sample(fn=Unit()):
                pass
            case Sample(is_observed=True):
                infer = {**site.infer, "was_observed": True, "obs": site.value}
                site = replace(site, value=None, is_observed=False, infer=infer)
        return perform(site)
