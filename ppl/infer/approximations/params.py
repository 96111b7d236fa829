"""Params as unknowns: what a model is to learn, estimated like its latent values."""

from __future__ import annotations

from typing import Any

import jax

from ppl._sites import Handler, Param, Sample, perform
from ppl._typing import Model, Shape
from ppl.distributions.constraints import shape_of
from ppl.distributions.improper_uniform import ImproperUniform
from ppl.handlers.seed import seed
from ppl.target import trace_model


class freed(Handler):
    """Turn `param` statements into latent sites, flat on their constraints.

    Those in loops and those that are no arrays stay as they are. Equal ones of one
    model share compiled programs.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, freed) and self.fn == other.fn

    def __hash__(self) -> int:
        return hash((freed, self.fn))

    def handle(self, site: Any) -> Any:
        """Perform a sample site in the place of the param."""
        match site:
            case Param(value=None) if not any(r.repeats for r in self.regions):
                shape = _shape(site.init)
                if shape is not None:
                    fn = ImproperUniform(site.constraint, (), shape)
                    return perform(Sample(site.name, line=site.line, fn=fn))
        return perform(site)


def _shape(init: Any) -> Shape | None:
    """Of an initial value, or of what a function of a key gives; None for no array."""
    if callable(init) and jax.tree_util.all_leaves([init]):
        init = jax.eval_shape(init, jax.random.PRNGKey(0))
    if init is None or not jax.tree_util.all_leaves([init]):
        return None
    return shape_of(init)


def has_params(model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a model has params without a value."""
    keyed = seed(model, rng_seed=0)  # for initial values that are drawn
    return bool(trace_model(keyed, args, kwargs).params)
