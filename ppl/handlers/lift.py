"""Give priors to the params of a model, so that they are sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    ShapeError,
    SupportError,
)
from ppl._typing import Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution
from ppl.distributions.transforms.base import bare
from ppl.distributions.transforms.monotone import ends_of
from ppl.handlers._names import AbstractNaming
from ppl.primitives import Param, PlateFrame, Sample, Site, perform


class lift(AbstractNaming):
    """Turn `param` statements into sample sites of the same names and shapes.

    A prior is expanded to the shape of the param, whose elements are then independent.
    A name in `prior` that no param of a whole run has is told in a warning: that param
    has no prior, or that prior no param.

    Args:
        fn: The model.
        prior: A distribution for all params, or distributions by name; a param without
            one stays as it is.

    Raises:
        ArgumentError: There is no prior.
        ArgumentTypeError: What is given is no distribution.
        ModelError: A param is inside of a loop.
        ShapeError: A prior cannot be expanded to the shape of its param.
        SupportError: A prior draws values that break the constraint of its param.
    """

    wants_keys = True
    acts_on = ("param",)

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        prior: Distribution | Mapping[str, Distribution] | None = None,
    ):
        super().__init__(fn)
        if prior is None:
            raise ArgumentError("lift needs prior=, a distribution or a dict of them.")
        given = prior.values() if isinstance(prior, Mapping) else [prior]
        for one in given:
            if not isinstance(one, Distribution):
                raise ArgumentTypeError(
                    f"a prior must be a distribution, got {one!r}.",
                    value=one,
                    hint="Write lift(model, prior=dist.Normal(0, 1)), or a dict by "
                    "name.",
                )
        self.prior = prior

    def names(self) -> Iterable[str]:
        """The names of the priors."""
        return self.prior if isinstance(self.prior, Mapping) else ()

    def handle(self, site: Site) -> Any:
        """Perform a sample site in the place of the param."""
        match site:
            case Sample():
                self.meet(site)
            case Param():
                self.meet(site)
                prior = self.prior
                fn = prior.get(site.name) if isinstance(prior, Mapping) else prior
                if fn is not None:
                    if any(region.repeats for region in self.regions):
                        raise _in_a_loop(site)
                    return perform(_lifted(site, fn))
        return perform(site)


def _in_a_loop(site: Param) -> ModelError:
    return ModelError(
        f"is a param inside of a loop ({site.line}), one for all steps; lifted there, "
        "each step would draw its own.",
        site=site.name,
        value=site.name,
        hint="Call param() before the loop.",
    )


def _lifted(site: Param, prior: Distribution) -> Sample:
    if not _stays_in(prior.support, site.constraint):
        raise SupportError(
            f"the support of its prior {type(prior).__name__} is {prior.support!r}, "
            f"but the param {site.constraint.rule} ({site.line}).",
            site=site.name,
            value=prior.support,
            hint="Lift it with a prior on the set of its constraint.",
        )
    fn = _fitted(site, prior)
    plates = tuple(f for f in site.plates if _is_in(f, fn.batch_shape))
    return Sample(
        site.name,
        value=site.value,
        plates=plates,
        line=site.line,
        fn=fn,
        rng_key=site.rng_key,
    )


def _fitted(site: Param, prior: Distribution) -> Distribution:
    """The prior with the shape that the param has."""
    shape = _shape(site)
    if shape is None or shape == prior.shape():
        return prior
    batch = shape[: len(shape) - prior.event_dim]
    try:
        fits = np.broadcast_shapes(prior.batch_shape, batch) == batch
    except ValueError:
        fits = False
    if not fits or batch + prior.event_shape != shape:
        raise ShapeError(
            f"the param has shape {shape}, and a prior of batch shape "
            f"{prior.batch_shape} and event shape {prior.event_shape} cannot be "
            f"expanded to it ({site.line}).",
            site=site.name,
            value=shape,
            hint="Give the prior the param's shape, or fewer dims.",
        )
    return prior.expand(batch)


def _shape(site: Param) -> Shape | None:
    """The shape of the param's value; None if nothing says it."""
    value = site.init if site.value is None else site.value
    if callable(value):
        value = jax.eval_shape(value, jax.random.PRNGKey(0))
    if value is None:
        return None
    if jax.tree.structure(value) != jax.tree.structure(0):
        raise ArgumentTypeError(
            f"its value is no array but a {type(value).__name__}, and one prior is for "
            f"one array ({site.line}).",
            site=site.name,
            value=value,
            hint="Make a param of each array.",
        )
    return shape_of(value)


def _is_in(frame: PlateFrame, batch_shape: Shape) -> bool:
    """Whether a batch has all members of a plate along the plate's dim."""
    whole = frame.subsample_size == frame.size
    return whole and batch_shape[frame.dim :][:1] == (frame.size,)


# --- whether every value of one set lies in another -----------------------------------


def _stays_in(support: Constraint, constraint: Constraint) -> bool:
    inner, outer = bare(support), bare(constraint)
    if inner == outer or constraints.is_dependent(inner):
        return True
    if inner.is_discrete != outer.is_discrete or inner == constraints.complex:
        return False
    if outer == constraints.real:
        return True
    ends, limits = ends_of(inner), ends_of(outer)
    if ends is None or limits is None:
        return False
    low = limits.low is None or _at_least(ends.low, limits.low)
    return low and (limits.high is None or _at_least(limits.high, ends.high))


def _at_least(upper: Any, lower: Any) -> bool:
    """Whether one bound is not below another; True where only the run will tell."""
    if upper is None or lower is None:
        return False
    return any(isinstance(b, Tracer) for b in (upper, lower)) or bool(
        np.all(upper >= lower)
    )
