"""The model check: trace, structure, one model at every call, values."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ppl._data import described
from ppl._errors import ArgumentTypeError, ModelError, PPLError, warn
from ppl._pytree import replace
from ppl._typing import Model
from ppl.checks._explain import explained
from ppl.checks._flow import check_flat_sites
from ppl.checks._probe import points
from ppl.checks._resolution import ResolutionWarning, coarse_arrays
from ppl.checks._structure import structure_errors
from ppl.checks._values import argument_names, value_errors
from ppl.checks._watch import Constants
from ppl.target import LogDensity, SiteInfo, Traced, trace_again, trace_model

_KNOWN_LIMIT = 4096

# What was traced twice in this process and stayed the same.
_verified: set[tuple[str, tuple[SiteInfo, ...]]] = set()


def checked(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any], *, probe: bool = True
) -> Traced:
    """Trace a model with its data and report all that can be known to be wrong.

    The structure is checked on the abstract trace. A model not met before is traced
    twice, to see that it is one model. With `probe`, one small program evaluates it at
    a few points, and parameters, data and log densities are checked by site.

    Args:
        model: A function with sample statements.
        args: Its arguments.
        kwargs: Its keyword arguments.
        probe: Whether to compute anything.

    Raises:
        PPLError: Something is wrong; the classes say what.
    """
    traced, constants = traced_model(model, args, kwargs)
    for error in errors_of(traced, probe=probe):
        raise error
    check_resolution(traced, constants)
    return traced


def traced_model(
    model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Traced, dict[str, np.ndarray]]:
    """The traced model, and the observed values that are constants of it.

    Raises:
        PPLError: The trace stops; the error says why in the words of the language.
    """
    if not callable(model):
        raise ArgumentTypeError(
            f"a model must be a function with sample statements, got "
            f"{described(model)}.",
            value=model,
        )
    constants = Constants(model)
    try:
        traced = trace_model(constants, args, kwargs)
    except Exception as error:  # noqa: BLE001  (what it says is raised again)
        better = explained(error, model, args, kwargs)
        if better is None:
            raise
        shown = error if isinstance(better, ModelError) else better.__cause__
        raise better from shown
    return _with_model(traced, model), constants.values


def errors_of(traced: Traced, *, probe: bool = True) -> Iterator[PPLError]:
    """What is wrong with a traced model, cheap things first; warns of flat sites."""
    wrong = False
    for error in structure_errors(traced):
        wrong = True
        yield error
    if wrong:
        return  # there is no density that could be evaluated
    _check_constancy(traced)
    check_flat_sites(traced)
    if probe:
        yield from value_errors(traced)


def check_resolution(traced: Traced, constants: dict[str, np.ndarray]) -> None:
    """Warn of data that float32 cannot tell apart."""
    density = traced.density
    arguments = zip(argument_names(density), density.data, strict=True)
    notes = coarse_arrays(arguments, "argument '{}'")
    notes += coarse_arrays(constants.items(), "observed values of site '{}'")
    for note in notes:
        warn(note, ResolutionWarning)


def _with_model(traced: Traced, model: Model) -> Traced:
    """The same of another model, which must have the same sites."""
    spec = replace(traced.density.spec, model=model)
    return replace(traced, density=replace(traced.density, spec=spec))


# --- one model at every call ----------------------------------------------------------


def _check_constancy(traced: Traced) -> None:
    """Trace once more, unless that was done before.

    Raises:
        ModelError: The model is another one at the second call.
    """
    density = traced.density
    key = (density.spec.fingerprint, tuple(traced.sites.values()))
    if key in _verified:
        return
    _compare(traced, trace_again(density, density.spec.model))
    if len(_verified) >= _KNOWN_LIMIT:
        _verified.clear()
    _verified.add(key)


def _compare(first: Traced, second: Traced) -> None:
    hint = (
        "Does it use np.random, the time, or a counter? A model must be one function."
    )
    only = [name for name in first.sites if name not in second.sites]
    only += [name for name in second.sites if name not in first.sites]
    if only:
        raise ModelError(
            f"the model changes from call to call: site '{only[0]}' is there at one "
            "call and not at the next.",
            site=only[0],
            value=only[0],
            hint=hint,
        )
    for name, site in first.sites.items():
        other = second.sites[name]
        if (site.shape, site.family) != (other.shape, other.family):
            raise ModelError(
                f"the model changes from call to call: {site.family} of shape "
                f"{site.shape}, then {other.family} of shape {other.shape}.",
                site=name,
                value=other.shape,
                hint=hint,
            )
    if first.density.spec.fingerprint != second.density.spec.fingerprint:
        name = _changing_site(first.density)
        raise ModelError(
            "the model changes from call to call: its sites are the same, but "
            "constants in it differ.",
            site=name,
            value=name,
            hint=hint,
        )


def _changing_site(density: LogDensity) -> str | None:
    """The first site whose term differs between two calls at one position."""
    position = points(density.layout.size)[1]

    def terms() -> dict[str, Any]:
        return jax.jit(lambda d, x: OrderedDict(d.visit(x)[2]))(density, position)

    first, second = terms(), terms()
    for name, term in first.items():
        if name not in second or not np.array_equal(term, second[name]):
            return name
    return None
