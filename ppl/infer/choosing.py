"""Which sampler runs a model, when the user leaves that open."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from ppl._errors import ArgumentError, unknown_name
from ppl._typing import Model
from ppl.infer.many_chains import LAPS, MAMS, ChEES
from ppl.infer.samplers import HMC, NUTS, AbstractSampler
from ppl.target import trace_model

KERNELS: dict[str, Callable[[Model], AbstractSampler]] = {
    "nuts": NUTS,
    "hmc": HMC,
    "chees": ChEES,
    "mams": MAMS,
    "laps": LAPS,
}
MANY_CHAINS = 256


class Choice(NamedTuple):
    """A sampler, and why it was taken."""

    sampler: AbstractSampler
    reason: str


def choose(
    model: Model | AbstractSampler,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    kernel: str,
    chains: int,
) -> Choice:
    """The sampler for a model: the one given, the one named, or the one that suits.

    Few chains take NUTS, which needs no other chain to find its way. From 256 on, LAPS
    if the model has 2 coordinates or more: together the chains tell how far they are
    from the target, and warm up in a tenth of the gradients after one another.

    Raises:
        UnknownNameError: `kernel` is no sampler's name.
        ArgumentError: A sampler is given and another named; or a setting of a sampler
            is among the model's arguments.
    """
    if isinstance(model, AbstractSampler):
        if kernel != "auto":
            raise ArgumentError(
                f"kernel={kernel!r} beside a sampler, {type(model).__name__}(…).",
                value=kernel,
                hint="Give the model itself, or leave kernel out.",
            )
        return Choice(model, "given")
    if kernel != "auto":
        if kernel not in KERNELS:
            raise unknown_name("kernel", kernel, ("auto", *KERNELS))
        sampler, reason = KERNELS[kernel](model), "named"
    elif chains < MANY_CHAINS:
        sampler = NUTS(model)
        reason = f"{chains} chains: NUTS finds each trajectory's length by itself"
    elif _dim(model, args, kwargs) < 2:
        sampler, reason = NUTS(model), "1 coordinate: LAPS needs 2 or more"
    else:
        sampler = LAPS(model)
        reason = f"{chains} chains: together they know when they have arrived"
    _refuse_settings(sampler, model, kwargs)
    return Choice(sampler, reason)


def _dim(model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Unconstrained coordinates; 0 for a model that the check will refuse."""
    try:
        return trace_model(model, args, kwargs).density.layout.size
    except Exception:  # noqa: BLE001  (the check tells it in better words)
        return 0


def _refuse_settings(sampler: AbstractSampler, model: Any, kwargs: Any) -> None:
    """Settings of a sampler do not belong to `fit`."""
    kind = type(sampler)
    known = inspect.signature(kind).parameters
    own = inspect.signature(model).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in own.values())
    for name in kwargs:
        if name in known and name not in own and not takes_any:
            raise ArgumentError(
                f"'{name}' is a setting of the sampler, not of fit.",
                value=kwargs[name],
                hint=f"Write ppl.fit({kind.__name__}(model, {name}=…), …).",
            )
