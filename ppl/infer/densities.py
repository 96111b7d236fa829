"""Log densities of a model, of constrained values and of unconstrained ones.

The functions take a model, the tuple of its arguments, the dict of its keyword
arguments or None, and values by site, `params`. Where these are constrained, sites
without a value need a `seed` handler; all latent sites need unconstrained ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ModelError
from ppl._sites import Param, Sample, Site
from ppl._typing import Array, Model
from ppl.arguments import Arguments
from ppl.distributions.transforms import biject_to
from ppl.handlers.replay import replay
from ppl.handlers.substitute import substitute
from ppl.handlers.trace import trace
from ppl.layout import Layout
from ppl.target import Spec, visit

Args = tuple[Any, ...]
Kwargs = dict[str, Any] | None
Values = Mapping[str, Any]
Trace = OrderedDict[str, Site]


# --- densities of constrained values --------------------------------------------------


def compute_log_probs(
    model: Model,
    model_args: Args,
    model_kwargs: Kwargs,
    params: Values,
    sum_log_prob: bool = True,
) -> tuple[dict[str, Array], Trace]:
    """Log densities by sample site at the constrained `params`, and the trace.

    They are summed over the batch of each site if `sum_log_prob`.
    """
    with jax.default_matmul_precision("highest"):
        sites = sites_given(model, model_args, model_kwargs, params)
        terms = {
            name: site.log_prob()
            for name, site in sites.items()
            if isinstance(site, Sample)
        }
    if sum_log_prob:
        terms = {name: jnp.sum(term) for name, term in terms.items()}
    return terms, sites


def log_density(
    model: Model, model_args: Args, model_kwargs: Kwargs, params: Values
) -> tuple[Array, Trace]:
    """The log of the joint density at the constrained `params`, and the trace."""
    terms, sites = compute_log_probs(model, model_args, model_kwargs, params)
    return sum(terms.values(), jnp.zeros(())), sites


def get_importance_trace(
    model: Model, guide: Model, args: Args, kwargs: Kwargs, params: Values
) -> tuple[Trace, Trace]:
    """Traces of the model and of the guide, whose values the model takes.

    `trace["x"]["log_prob"]` is the log density of a sample site. `params` are values of
    param sites; other sites need a `seed` handler.
    """
    guided = sites_given(guide, args, kwargs, params)
    return sites_given(replay(model, trace=guided), args, kwargs, params), guided


def sites_given(model: Model, args: Args, kwargs: Kwargs, values: Values) -> Trace:
    """The sites of a model with these constrained values; other sites need a seed."""
    return trace(substitute(model, data=values)).get_trace(*args, **(kwargs or {}))


# --- between constrained and unconstrained values -------------------------------------


def transform_fn(
    transforms: Mapping[str, Any], params: Values, invert: bool = False
) -> dict[str, Any]:
    """Each value mapped by the transform of its name, or by the inverse of that.

    Args:
        transforms: Transforms by name; values without one stay as they are.
        params: Values by name.
        invert: Whether to map backwards.
    """
    used = {k: t.inv if invert else t for k, t in transforms.items()}
    return {k: used[k](v) if k in used else v for k, v in params.items()}


def get_transforms(
    model: Model, model_args: Args, model_kwargs: Kwargs, params: Values
) -> dict[str, Any]:
    """From real numbers onto the support of each latent and param site.

    Supports may depend on the constrained `params`.
    """
    transforms = {}
    for name, site in sites_given(model, model_args, model_kwargs, params).items():
        match site:
            case Sample(is_observed=False) if not site.fn.support.is_discrete:
                transforms[name] = biject_to(site.fn.support)
            case Param():
                transforms[name] = biject_to(site.constraint)
    return transforms


def unconstrain_fn(
    model: Model, model_args: Args, model_kwargs: Kwargs, params: Values
) -> dict[str, Any]:
    """Unconstrained values of constrained ones."""
    transforms = get_transforms(model, model_args, model_kwargs, params)
    return transform_fn(transforms, params, invert=True)


def constrain_fn(
    model: Model,
    model_args: Args,
    model_kwargs: Kwargs,
    params: Values,
    return_deterministic: bool = False,
    batch_ndims: int = 0,
) -> dict[str, Any]:
    """Constrained values of unconstrained ones, which have `batch_ndims` leading dims.

    Those of deterministic sites are there too if `return_deterministic`.

    Raises:
        ModelError: A latent site has no value.
    """

    def one(params: Values) -> dict[str, Any]:
        sites = _visited(model, model_args, model_kwargs, params)[1]
        return {
            name: jnp.asarray(site.value)
            for name, site in sites.items()
            if name in params or (return_deterministic and site.type == "deterministic")
        }

    for _ in range(batch_ndims):
        one = jax.vmap(one)
    return one(dict(params))


def potential_energy(
    model: Model,
    model_args: Args,
    model_kwargs: Kwargs,
    params: Values,
    enum: bool = False,
) -> Array:
    """Minus the log density of unconstrained values, with the Jacobians.

    Raises:
        ModelError: A latent site has no value.
        ArgumentError: `enum` is set.
    """
    refuse_enumeration(enum)
    return -_visited(model, model_args, model_kwargs, params)[0]


class _Given(dict[str, Any]):
    """Values by site, with words for one that is missing."""

    def __missing__(self, name: str) -> Any:
        raise ModelError(
            f"has no value; there are values for {', '.join(self) or 'no site'}.",
            site=name,
            hint="Give every latent site its unconstrained value.",
        )


def _visited(
    model: Model, args: Args, kwargs: Kwargs, params: Values
) -> tuple[Array, dict[str, Site]]:
    """The log density of unconstrained values, and the sites."""
    arguments, data = Arguments.of(tuple(args), dict(kwargs or {}))
    free = _Given({name: jnp.asarray(value) for name, value in params.items()})
    with jax.default_matmul_precision("highest"):
        return visit(Spec(model, arguments, Layout(())), data, free)[:2]


def refuse_enumeration(enum: bool) -> None:
    """Discrete sites cannot be summed out."""
    if enum:
        raise ArgumentError(
            "enum=True needs enumeration, which is not there.",
            value=enum,
            hint="Sum discrete sites out by hand, as dist.MixtureSameFamily does.",
        )
