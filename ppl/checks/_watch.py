"""What the model check sees while a model is traced."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax.extend.core import get_opaque_trace_state

from ppl._errors import DuplicateSiteError, PPLError, ShapeError
from ppl._pytree import replace
from ppl._sites import Handler, Sample, Site, perform
from ppl._typing import Model
from ppl.visiting import leaked, placeholder


class Constants(Handler):
    """Keeps observed values that are constants of the model."""

    def __init__(self, fn: Model):
        super().__init__(fn)
        self.values: dict[str, np.ndarray] = {}

    def handle(self, site: Site) -> Site:
        """Forward the site, and keep its value if it is observed and concrete."""
        out = perform(site)
        match out:
            case Sample(is_observed=True, value=np.ndarray()):
                self.values[out.name] = out.value
        return out


class Leaks(Handler):
    """Refuses statements in another JAX trace than that in which the model began.

    Inside the user's own `jax.jit`, `vmap` or `scan` a statement runs once, while JAX
    traces the inner function, and its value leaks out of that trace.
    In a loop that handlers see, the trace is that of its body.
    """

    starts_anew = True

    def __init__(self, fn: Model):
        super().__init__(fn)
        self.home: Any = None

    def start(self) -> Leaks:
        """Remember in which trace the model is entered."""
        self.home = self._trace()
        return self

    def handle(self, site: Site) -> Site:
        """Compare, and forward."""
        if isinstance(site, Sample) and self._trace() != self.home:
            raise leaked(site)
        return perform(site)

    def _trace(self) -> Any:
        return get_opaque_trace_state(convention="flax")


class Lenient(Handler):
    """Goes on after a site that does not fit, with a value that does.

    What is wrong is kept in `errors`, which all copies share.
    """

    def __init__(self, fn: Model):
        super().__init__(fn)
        self.errors: list[PPLError] = []

    def handle(self, site: Site) -> Site:
        """Forward the site; where that fails, give it some value of its own shape."""
        try:
            return perform(site)
        except (ShapeError, DuplicateSiteError) as error:
            if not isinstance(site, Sample):
                raise
            self.errors.append(error)
            return replace(site, value=placeholder(site))
