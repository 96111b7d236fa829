"""Operations of the user's own whose results jump, and where they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp

from ppl._flow import ROUNDINGS, followed, joined, own
from ppl._source import is_below, is_users

_COMPARISONS = {"lt", "le", "gt", "ge"}
_STEPS = _COMPARISONS | ROUNDINGS | {"argmax", "argmin"}
_STEP_CALLS = {
    *("round", "floor", "ceil", "sign", "argmax", "argmin", "trunc", "rint", "fix"),
    *("floor_divide", "searchsorted", "digitize", "argsort"),
    *("heaviside", "_round", "_argmax", "_argmin"),
}


class Step(NamedTuple):
    """An operation whose result jumps: its place in the program, name and line."""

    place: int
    name: str
    line: str


def steps(program: Any, position: Any) -> Iterator[Step]:
    """Operations of the user's own that jump in what depends smoothly on `position`.

    Comparisons, rounding, signs, choices of the largest, conversions to integers; not
    those inside of JAX's and our functions, which know what they do.
    """
    read = followed(program, [(position, own(0))])
    for i, equation in enumerate(program.eqns):
        if not joined(map(read, equation.invars)).smooth:
            continue
        if (name := _step_name(equation)) and (line := user_line(equation)):
            yield Step(i, name, line)


def _step_name(equation: Any) -> str:
    name = equation.primitive.name
    if name in _COMPARISONS:
        return "comparison"
    if name in _STEPS:
        return name
    if name == "convert_element_type":
        to, of = equation.params["new_dtype"], equation.invars[0].aval.dtype
        kinds = jnp.issubdtype(of, jnp.inexact), jnp.issubdtype(to, jnp.integer)
        return "conversion to integers" if all(kinds) else ""
    called = str(equation.params.get("name", ""))
    return called.strip("_") if called in _STEP_CALLS else ""


def user_line(equation: Any) -> str:
    """File and line of an equation written outside of JAX and of us; else nothing."""
    found = equation.source_info.traceback
    for frame in found.frames if found else ():
        if not is_below(frame.file_name):
            name = os.path.basename(frame.file_name)
            users = is_users(frame.file_name)
            return f"{name}:{frame.line_num}" if users else ""
    return ""
