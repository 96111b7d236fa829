"""Models that look at the values of their data: which arguments must be constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from jax.core import Tracer

from ppl._errors import PPLError
from ppl._typing import Model
from ppl.arguments import Arguments, Unhashable
from ppl.visiting import control_flow_error, needs_values

Result = TypeVar("Result")


def with_constants_where_needed(
    trace: Callable[[Arguments, tuple[Any, ...]], Result],
    model: Model,
    arguments: Arguments,
    data: tuple[Any, ...],
) -> Result:
    """What `trace` makes of a model's arguments, some as constants if it fails else.

    Args:
        trace: Traces the model abstractly on the arguments that it gets.
        model: The model.
        arguments: The structure of its arguments.
        data: Their array leaves.

    Raises:
        ControlFlowError: Python control flow depends on a latent value.
    """
    try:
        return trace(arguments, data)
    except PPLError:
        raise
    except Exception as error:  # noqa: BLE001
        traced_anyway = any(isinstance(leaf, Tracer) for leaf in data)
        if traced_anyway or not (data or needs_values(error)):
            raise
        first = error
    constant = _arguments_looked_at(trace, arguments, data)
    if constant is None:
        args, kwargs = arguments.rebuild(tuple(np.asarray(leaf) for leaf in data))
        raise control_flow_error(lambda: model(*args, **kwargs), first) from first
    arguments, data = arguments.with_constants(data, constant)
    arguments.tell()
    return trace(arguments, data)


def _arguments_looked_at(
    trace: Callable[[Arguments, tuple[Any, ...]], Any],
    arguments: Arguments,
    data: tuple[Any, ...],
) -> tuple[int, ...] | None:
    """Leaves that must be constants, none of them needlessly; None if none helps.

    Raises:
        Exception: The model fails with constants too, and for another reason.
    """
    everything = tuple(range(len(data)))
    try:
        trace(*arguments.with_constants(data, everything, Unhashable))
    except Exception as error:
        if needs_values(error):
            return None
        raise
    constant = everything
    for leaf in everything:
        fewer = tuple(i for i in constant if i != leaf)
        try:
            trace(*arguments.with_constants(data, fewer, Unhashable))
        except Exception:  # noqa: BLE001
            continue
        constant = fewer
    return constant
