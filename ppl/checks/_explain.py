"""Errors that stop the trace of a model, told in the words of the language."""

from __future__ import annotations

import dis
import inspect
import os
import re
import traceback
from typing import Any

import jax

from ppl._data import described
from ppl._errors import (
    ArgumentTypeError,
    LeakedSiteError,
    ModelError,
    PPLError,
    RandomnessError,
    unknown_name,
)
from ppl._source import is_users
from ppl._typing import Model
from ppl.checks._structure import subsampled
from ppl.checks._watch import Leaks
from ppl.handlers.seed import seed
from ppl.target import trace_model
from ppl.visiting import leaked

_RAISE = dis.opmap["RAISE_VARARGS"]
_INSIDES = (
    (r"'?\b(?:Dynamic)?(?:Jaxpr|Jit|Batch|JVP)Tracer\b'?", "an array"),
    (r"JitTracer\(([^()]*)\)|Traced<([^<>]*)>\S*", r"\1\2"),
    (r"ShapedArray\(([^()]*)\)", r"\1"),
    (
        "dot_general requires contracting dimensions to have the same shape, got",
        "a matrix product needs the inner dims to be equal, got",
    ),
)


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
            better = _call_error(error, model, args, kwargs)
            return better or _failure(error, args, kwargs)
    return _failure(error, args, kwargs)


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


def _failure(
    error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> PPLError | None:
    """The error for one that Python, NumPy or JAX raises on what the model computes.

    What the model raises itself stays as it is.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    users = [at for at in frames if is_users(at[0].f_code.co_filename)]
    if not users or _raises_itself(error):
        return None
    frame, number = users[-1]
    line = f"{os.path.basename(frame.f_code.co_filename)}:{number}"
    given = [f"argument {i} is {described(v)}" for i, v in enumerate(args)]
    given += [f"{name} is {described(v)}" for name, v in kwargs.items()]
    called = f" It was called with these arguments: {'; '.join(given)}." * bool(given)
    kind = ArgumentTypeError if isinstance(error, TypeError) else ModelError
    wrong = kind(
        f"the model fails at {line} with {type(error).__name__}: "
        f"{_in_words(str(error))}.{called}",
        value=args or kwargs or None,
        hint="Are these the arguments that the model expects, in type and shape?",
    )
    wrong.__cause__ = error
    return wrong


def _raises_itself(error: Exception) -> bool:
    """Whether a `raise` in the user's code is where an error comes from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not is_users(trace.tb_frame.f_code.co_filename):
        return False
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE


def _in_words(message: str) -> str:
    """What an error says in its first sentence, without the names of JAX's insides."""
    for pattern, words in _INSIDES:
        message = re.sub(pattern, words, message)
    return message.partition("\n")[0].partition(". ")[0].rstrip(" .")


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
