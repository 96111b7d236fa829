"""Errors that stop the trace of a model, told in the words of the language."""

from __future__ import annotations

import inspect
from typing import Any

import jax

from ppl._errors import (
    ArgumentTypeError,
    LeakedSiteError,
    PPLError,
    RandomnessError,
    unknown_name,
)
from ppl._typing import Model
from ppl.checks._structure import subsampled
from ppl.checks._watch import Leaks
from ppl.handlers.seed import seed
from ppl.target import trace_model
from ppl.visiting import leaked


def explained(
    error: Exception, model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> PPLError | None:
    """A better error than the one that stopped the trace, if there is one."""
    match error:
        case RandomnessError():
            return _subsampling_error(model, args, kwargs)
        case LeakedSiteError() | jax.errors.UnexpectedTracerError():
            return _leak(model, args, kwargs)
        case PPLError():
            return None
        case TypeError():
            return _call_error(error, model, args, kwargs)
    return None


def _subsampling_error(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> PPLError | None:
    """The error for a plate that wants a key to subsample; None if it is no plate."""
    try:
        sites = trace_model(seed(model, rng_seed=0), args, kwargs).sites
    except Exception:  # noqa: BLE001  (then the first error says more)
        return None
    for site in sites.values():
        for frame in site.plates:
            if frame.subsample_size < frame.size:
                return subsampled(frame, site.line)
    return None


def _call_error(
    error: TypeError, model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> PPLError | None:
    """The error for arguments that do not fit the model; None if they do."""
    inner: Any = model
    while getattr(inner, "fn", None) is not None:  # a handler's
        inner = inner.fn
    try:
        signature = inspect.signature(inner)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        pass
    else:
        return _no_key(model, args, kwargs)
    name = getattr(inner, "__name__", "the model")
    parameters = signature.parameters
    for keyword in kwargs:
        if keyword not in parameters:
            wrong = unknown_name(f"argument of {name}", keyword, parameters)
            return ArgumentTypeError(str(wrong), value=keyword)
    given = {*list(parameters)[: len(args)], *kwargs}
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in given
    ]
    if not missing:
        return ArgumentTypeError(
            f"{name}{signature} cannot be called so: {error}", value=args
        )
    listed = ", ".join(f"'{m}'" for m in missing)
    return ArgumentTypeError(
        f"{name}{signature} is called without its argument {listed}.",
        value=missing[0],
        hint=f"Pass it as {', '.join(f'{m}=…' for m in missing)}.",
    )


def _no_key(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> PPLError | None:
    """The error for a model that asks for a `prng_key()` and gets None."""
    try:
        trace_model(seed(model, rng_seed=0), args, kwargs)
    except Exception:  # noqa: BLE001  (a key does not help, so it was something else)
        return None
    return RandomnessError(
        "the model asks for prng_key(), and no key is there.",
        hint="Wrap it, which gives it the same key at each evaluation: "
        "ppl.handlers.seed(model, rng_seed=0).",
    )


def _leak(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> LeakedSiteError:
    """The error for a statement that handlers cannot see, with its name if possible."""
    try:
        trace_model(Leaks(model), args, kwargs)
    except LeakedSiteError as named:
        return named
    except Exception:  # noqa: BLE001  (JAX does not run a statement again that it knows)
        return leaked(None)
    return leaked(None)
