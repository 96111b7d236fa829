"""Log densities of a model, of constrained values and of unconstrained ones."""

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

Values = Mapping[str, Any]
Trace = OrderedDict[str, Site]


# --- densities of constrained values --------------------------------------------------


def compute_log_probs(
    model: Model,
    model_args: tuple[Any, ...],
    model_kwargs: dict[str, Any] | None,
    params: Values,
    sum_log_prob: bool = True,
) -> tuple[dict[str, Array], Trace]:
    """Log densities by sample site, and the trace, with the values in `params`.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its keyword arguments.
        params: Constrained values by site; other sites need a `seed` handler.
        sum_log_prob: Whether to sum over the batch of each site.
    """
    with jax.default_matmul_precision("highest"):
        given = substitute(model, data=params)
        sites = trace(given).get_trace(*model_args, **(model_kwargs or {}))
        terms = {
            name: site.log_prob()
            for name, site in sites.items()
            if isinstance(site, Sample)
        }
    if sum_log_prob:
        terms = {name: jnp.sum(term) for name, term in terms.items()}
    return terms, sites


def log_density(
    model: Model,
    model_args: tuple[Any, ...],
    model_kwargs: dict[str, Any] | None,
    params: Values,
) -> tuple[Array, Trace]:
    """The log of the joint density at `params`, and the trace.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its keyword arguments.
        params: Constrained values by site; other sites need a `seed` handler.
    """
    terms, sites = compute_log_probs(model, model_args, model_kwargs, params)
    return sum(terms.values(), jnp.zeros(())), sites


def get_importance_trace(
    model: Model,
    guide: Model,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    params: Values,
) -> tuple[Trace, Trace]:
    """Traces of the model and of the guide, whose values the model takes.

    `trace["x"]["log_prob"]` is the log density of a sample site.

    Args:
        model: The model.
        guide: The guide.
        args: Arguments of both.
        kwargs: Keyword arguments of both.
        params: Values of param sites; other sites need a `seed` handler.
    """
    kwargs = kwargs or {}
    guided = trace(substitute(guide, data=params)).get_trace(*args, **kwargs)
    replayed = substitute(replay(model, trace=guided), data=params)
    return trace(replayed).get_trace(*args, **kwargs), guided


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
    model: Model,
    model_args: tuple[Any, ...],
    model_kwargs: dict[str, Any] | None,
    params: Values,
) -> dict[str, Any]:
    """From real numbers onto the support of each latent and param site.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its keyword arguments.
        params: Constrained values by site, on which supports may depend; other sites
            need a `seed` handler.
    """
    given = substitute(model, data=params)
    sites = trace(given).get_trace(*model_args, **(model_kwargs or {}))
    transforms = {}
    for name, site in sites.items():
        match site:
            case Sample(is_observed=False) if not site.fn.support.is_discrete:
                transforms[name] = biject_to(site.fn.support)
            case Param():
                transforms[name] = biject_to(site.constraint)
    return transforms


def unconstrain_fn(
    model: Model,
    model_args: tuple[Any, ...],
    model_kwargs: dict[str, Any] | None,
    params: Values,
) -> dict[str, Any]:
    """Unconstrained values of constrained ones.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its keyword arguments.
        params: Constrained values by site; other sites need a `seed` handler.
    """
    transforms = get_transforms(model, model_args, model_kwargs, params)
    return transform_fn(transforms, params, invert=True)


def constrain_fn(
    model: Model,
    model_args: tuple[Any, ...],
    model_kwargs: dict[str, Any] | None,
    params: Values,
    return_deterministic: bool = False,
    batch_ndims: int = 0,
) -> dict[str, Any]:
    """Constrained values of unconstrained ones.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its keyword arguments.
        params: Unconstrained values of all latent sites.
        return_deterministic: Whether to return deterministic sites too.
        batch_ndims: Leading dims of the values.

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
    model_args: tuple[Any, ...],
    model_kwargs: dict[str, Any] | None,
    params: Values,
    enum: bool = False,
) -> Array:
    """Minus the log density of unconstrained values, with the Jacobians.

    Args:
        model: The model.
        model_args: Its arguments.
        model_kwargs: Its keyword arguments.
        params: Unconstrained values of all latent sites.
        enum: Not there.

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
    model: Model,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    params: Values,
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
