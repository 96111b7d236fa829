"""What the model check sees while a model is traced."""

from __future__ import annotations

from typing import Any

import jax.extend
import numpy as np

from ppl._errors import LeakedSiteError
from ppl._sites import Handler, Sample, Site, perform
from ppl._typing import Model


class Watch(Handler):
    """Refuses statements that handlers cannot see, and keeps data that are constants.

    A statement inside the user's own `jax.jit`, `vmap` or `scan` runs once, while JAX
    traces the inner function, and its value leaks out of that trace.
    """

    def __init__(self, fn: Model):
        super().__init__(fn)
        self.constants: dict[str, np.ndarray] = {}
        self.home: Any = None

    def start(self) -> Watch:
        """Remember in which trace the model is entered."""
        self.home = _current_trace()
        return self

    def handle(self, site: Site) -> Site:
        """Forward the site, and keep its value if it is observed and concrete."""
        if isinstance(site, Sample) and _current_trace() != self.home:
            raise leaked(site)
        out = perform(site)
        match out:
            case Sample(is_observed=True, value=np.ndarray()):
                self.constants[out.name] = out.value
        return out


def _current_trace() -> Any:
    return jax.extend.core.get_opaque_trace_state(convention="flax")


def leaked(site: Site | None) -> LeakedSiteError:
    """The error for a statement under a transformation that handlers cannot see."""
    name = site.name if site else None
    return LeakedSiteError(
        "a statement runs inside jax.jit, vmap, scan or cond, where handlers cannot "
        f"see it{f' ({site.line})' if site else ''}.",
        site=name,
        value=name,
        hint="Take jit away (all of the model is compiled anyway), use ppl.plate "
        "instead of vmap, and keep statements out of JAX's loops and branches.",
    )
