"""The statements of the language: each builds a site and performs it."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np

from ppl._data import (
    INT32_REMEDY,
    TEXT_REMEDY,
    as_array,
    beyond_int32,
    described,
    no_number,
    plain_floats,
)
from ppl._errors import ArgumentTypeError, ModelError, ShapeError
from ppl._sites import (
    AbstractRegion,
    Deterministic,
    Handler,
    KeyRequest,
    MaskRequest,
    Mutable,
    ObservedRequest,
    Param,
    PlateEntry,
    PlateFrame,
    Sample,
    Site,
    Subsample,
    perform,
)
from ppl._typing import ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import Distribution
from ppl.distributions.unit import Unit

__all__ = [
    "Deterministic",
    "Handler",
    "KeyRequest",
    "MaskRequest",
    "Mutable",
    "ObservedRequest",
    "Param",
    "PlateEntry",
    "PlateFrame",
    "AbstractRegion",
    "Sample",
    "Site",
    "Subsample",
    "as_data",
    "caller_line",
    "deterministic",
    "factor",
    "get_mask",
    "mutable",
    "param",
    "perform",
    "prng_key",
    "sample",
    "subsample",
]


_HERE = os.path.join(os.path.dirname(__file__), "")


def caller_line() -> str:
    """File and line of the statement in the user's model."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{_basename(frame.f_code.co_filename)}:{frame.f_lineno}"


_basename = functools.cache(os.path.basename)


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"a site's name must be a string, got {name!r}.",
            value=name,
            hint="Write sample('x', fn).",
        )
    return name


def sample(
    name: str,
    fn: Distribution,
    obs: ArrayLike | None = None,
    rng_key: Key | None = None,
    sample_shape: Shape = (),
    infer: dict[str, Any] | None = None,
    obs_mask: ArrayLike | None = None,
) -> Any:
    """A random variable.

    Args:
        name: The name of the site, unique in the model.
        fn: Its distribution; one of TFP on JAX, FlowJAX or SciPy (frozen) is adapted.
        obs: The observed value, of shape `fn.shape()` as expanded by the plates.
        rng_key: A key for this draw, else the `seed` handler gives one.
        sample_shape: Extra leading batch dims for `fn`.
        infer: Hints for inference algorithms.
        obs_mask: Where `obs` is observed, boolean over the batch, or of the shape of
            `obs` where single coordinates of events are missing; the rest is missing,
            whatever stands there, and is latent: see below.

    With `obs_mask` there are three sites. `{name}_observed` has the density of what is
    observed; `{name}_unobserved` is a latent draw from `fn` for every entry, of which
    those at observed entries have no part in anything and so leave the posterior as it
    is; `name` records both put together, which is what is returned. Coordinates of
    normal vectors are drawn from their law given the others. Of another law on the
    reals they are unknowns that have no draws but in the posterior; then
    `{name}_observed` is the log density of the completed value, as a factor.

    Returns:
        The value, of shape `fn.shape()` as expanded by the plates.

    Raises:
        ArgumentTypeError: `name` is no string or `fn` no distribution.
        ModelError: Single coordinates are missing of a law that is not on the reals.
        ParameterError: A concrete parameter of `fn` breaks its constraint.
        ShapeError: The observed value does not fit `fn` and the plates.
        RandomnessError: There is no value and no random key.
    """
    name, line = _checked_name(name), caller_line()
    if not isinstance(fn, Distribution):
        foreign = importlib.import_module("ppl.distributions.foreign")  # rarely needed
        try:
            fn = foreign.as_distribution(fn)
        except ArgumentTypeError as error:
            message = f"{str(error).removesuffix(error.hint).rstrip(' .')} ({line})."
            raise ArgumentTypeError(
                message, site=name, value=fn, hint=error.hint
            ) from None
    fn.check_parameters(site=name)  # of what is concrete; the model check sees all
    if obs_mask is not None and obs is not None:
        own = {"sample_shape": sample_shape, "infer": infer}
        return _partly_observed(name, fn, obs, obs_mask, rng_key=rng_key, **own)
    if sample_shape:
        fn = fn.expand_by(sample_shape)
    site = Sample(
        name,
        value=None if obs is None else as_data(obs, name),
        line=line,
        fn=fn,
        rng_key=rng_key,
        is_observed=obs is not None,
        infer=dict(infer or {}),
    )
    return perform(site).value


def _partly_observed(
    name: str, fn: Any, obs: ArrayLike, obs_mask: Any, **options: Any
) -> Any:
    """A site of which some entries are missing, as three sites; see `sample`."""
    mask = as_array(obs_mask)
    if getattr(mask, "dtype", type(mask)) not in (np.bool_, bool):
        raise ArgumentTypeError(
            f"obs_mask must be boolean, got {getattr(mask, 'dtype', obs_mask)}.",
            site=name,
            value=obs_mask,
            hint="True where the value is observed, as ~jnp.isnan(obs).",
        )
    given = as_data(obs, name)
    if fn.event_dim and jnp.shape(mask) == jnp.shape(given):
        whole = fn.expand_by(options.pop("sample_shape"))
        return _known_in_part(name, whole, jnp.asarray(given), mask, options)
    drawn = sample(f"{name}_unobserved", fn, **options)
    event_dim = fn.event_dim
    of_event = jnp.reshape(mask, (*jnp.shape(mask), *[1] * event_dim))
    try:
        value = jnp.where(of_event, given, drawn)
    except (TypeError, ValueError):
        value = None
    if value is None or value.shape != jnp.shape(drawn):
        raise ShapeError(
            f"obs_mask has shape {jnp.shape(mask)} and obs {jnp.shape(given)}, for "
            f"draws of shape {jnp.shape(drawn)} with {event_dim} event dims.",
            site=name,
            value=jnp.shape(mask),
            hint="obs_mask has the batch shape, or else it and obs have that of the "
            "draws.",
        )
    feasible = fn.support.feasible_like(value)
    seen = jnp.where(of_event, given, feasible)
    observed = f"{name}_observed"
    sample(observed, fn.mask(mask), obs=seen, infer=options["infer"])
    return deterministic(name, value)


def _known_in_part(
    name: str, fn: Any, given: Any, mask: Any, options: dict[str, Any]
) -> Any:
    """Events of which single coordinates are missing."""
    missing = importlib.import_module("ppl._missing")  # rarely needed
    law, seen_of = missing.split(name, fn, given, jnp.asarray(mask))
    drawn = sample(f"{name}_unobserved", law, **options)
    if jnp.shape(drawn) != given.shape:
        raise ShapeError(
            f"obs and obs_mask have shape {given.shape}, but draws of the site have "
            f"{jnp.shape(drawn)}.",
            site=name,
            value=given.shape,
            hint="A mask of coordinates, and obs, have the whole shape of the value.",
        )
    value = jnp.where(mask, given, drawn)
    observed, seen = seen_of(value)
    sample(f"{name}_observed", observed, obs=seen, infer=options["infer"])
    return deterministic(name, value)


def as_data(value: Any, name: str) -> Any:
    """Observed data as an array: lists and frames converted, text refused."""
    if plain_floats(value):
        return value
    value = as_array(value)
    if no_number(value):
        dtype = getattr(value, "dtype", type(value).__name__)
        raise ModelError(
            f"observed dtype {dtype} is not numeric.",
            site=name,
            value=value,
            hint=TEXT_REMEDY,
        )
    if not (isinstance(value, float | int | complex) or hasattr(value, "dtype")):
        raise ArgumentTypeError(
            f"observed must be numbers, an array, a list or a column, got "
            f"{described(value)}.",
            site=name,
            value=value,
        )
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") == "c":
        raise ModelError(
            f"observed dtype {dtype} is complex, and no density is.",
            site=name,
            value=value,
            hint="Observe the real and the imaginary part at two sites.",
        )
    if (worst := beyond_int32(value)) is not None:
        raise ModelError(
            f"observed value {worst} does not fit int32.",
            site=name,
            value=worst,
            hint=INT32_REMEDY,
        )
    return value


def param(
    name: str,
    init_value: Any = None,
    *,
    constraint: Constraint = constraints.real,
    event_dim: int | None = None,
    **kwargs: Any,
) -> Any:
    """A learnable value; `init_value` may be a callable of a random key.

    Variational inference fits it; MCMC refuses it, because it samples only sites.
    """
    if kwargs:
        raise ArgumentTypeError(
            f"param() got unknown options {sorted(kwargs)}.", site=name
        )
    site = Param(
        _checked_name(name),
        line=caller_line(),
        init=init_value,
        constraint=constraint,
        event_dim=event_dim,
    )
    return perform(site).value


def mutable(name: str, init_value: Any = None) -> Any:
    """A holder of values that the model changes, as `holder["mean"] = …`.

    It is for what is neither learnt nor random, such as the running statistics of a
    network. Each run begins with a copy of `init_value`, or of what `substitute` gives;
    the holder in its trace tells what the run has left. Later statements of the same
    name in one run get the same holder from the `trace` handler.
    """
    site = Mutable(_checked_name(name), line=caller_line(), init=init_value)
    return perform(site).value


def deterministic(name: str, value: Any) -> Any:
    """Record a derived value under `name`, and return it."""
    site = Deterministic(_checked_name(name), value=value, line=caller_line())
    return perform(site).value


def factor(name: str, log_factor: ArrayLike) -> None:
    """Add `log_factor` (its sum over the batch) to the log density."""
    log_factor = jnp.asarray(log_factor)
    observed = jnp.zeros((*log_factor.shape, 0), log_factor.dtype)
    sample(name, Unit(log_factor), obs=observed)


def prng_key() -> Key | None:
    """A fresh random key from the `seed` handler, or None outside of one."""
    return perform(KeyRequest("_prng_key")).value


def get_mask() -> Any:
    """The mask of the surrounding `mask` handlers, or None."""
    return perform(MaskRequest("_get_mask")).value


def subsample(data: ArrayLike, event_dim: int) -> Any:
    """`data` indexed by the subsamples of the surrounding plates.

    Args:
        data: An array whose batch dims (left of its `event_dim` rightmost dims) line up
            with the plates.
        event_dim: How many rightmost dims belong to one datum.
    """
    return perform(Subsample("_subsample", value=data, event_dim=event_dim)).value
