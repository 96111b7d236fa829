"""Which results of a traced program depend on which of its inputs, and how.

A set of inputs is an integer with one bit for each. Two sets are followed: the inputs
that a value depends on at all, and those that it has a derivative by. Programs inside
a program (calls, loops, branches) are followed as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

_HERE = tuple(os.path.join(os.path.dirname(f), "") for f in (jax.__file__, np.__file__))
_OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_OWN_RULE = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")
_COMPARISONS = {"lt", "le", "gt", "ge"}
_ROUNDINGS = {"round", "floor", "ceil", "sign"}
_CHOICES = {"argmax", "argmin"}
_STEPS = _COMPARISONS | _ROUNDINGS | _CHOICES
_STEP_CALLS = {
    *("round", "floor", "ceil", "sign", "argmax", "argmin", "trunc", "rint", "fix"),
    *("floor_divide", "searchsorted", "digitize", "argsort"),
    *("heaviside", "_round", "_argmax", "_argmin"),
}
_NO_SLOPE = _STEPS | {"stop_gradient"}


class Reach(NamedTuple):
    """The inputs that a value depends on, and those that it has a derivative by."""

    any: int = 0
    smooth: int = 0

    def __or__(self, other: Any) -> Reach:
        return Reach(self.any | other.any, self.smooth | other.smooth)


class Step(NamedTuple):
    """An operation whose result jumps: its place in the program, name and line."""

    place: int
    name: str
    line: str


def reaches(program: Any, inputs: Sequence[Reach]) -> list[Reach]:
    """What each output of a jaxpr depends on, given that of its inputs."""
    known: dict[Any, Reach] = dict(zip(program.invars, inputs, strict=True))

    def read(variable: Any) -> Reach:
        if isinstance(variable, Literal):
            return Reach()
        return known.get(variable, Reach())

    for equation in program.eqns:
        outputs = _through(equation, [read(v) for v in equation.invars])
        known.update(zip(equation.outvars, outputs, strict=True))
    return [read(v) for v in program.outvars]


def labelled(program: Any, labelled_inputs: Sequence[Any]) -> list[Reach]:
    """The same, where the i-th of the given inputs has bit i and the others none."""
    bits = {variable: 1 << i for i, variable in enumerate(labelled_inputs)}
    inputs = [Reach(bits.get(v, 0), bits.get(v, 0)) for v in program.invars]
    return reaches(program, inputs)


def _through(equation: Any, inputs: list[Reach]) -> list[Reach]:
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return _through_scan(params, inputs)
    if name == "while":
        return _through_while(params, inputs)
    if name == "cond":
        branches = [reaches(b.jaxpr, inputs[1:]) for b in params["branches"]]
        chosen = Reach(inputs[0].any)
        return [_union([chosen, *outs]) for outs in zip(*branches, strict=True)]
    inner = _inner(equation)
    if inner is not None:
        outputs = reaches(inner, inputs)
        if name in _OWN_RULE:  # its derivative may be anything
            outputs = [Reach(o.any, _union(inputs).smooth) for o in outputs]
        return outputs
    return [_of_primitive(name, inputs, out.aval) for out in equation.outvars]


def _of_primitive(name: str, inputs: list[Reach], aval: Any) -> Reach:
    union = _union(inputs)
    dtype = getattr(aval, "dtype", None)
    stepped = name in _NO_SLOPE or (
        dtype is not None and not jnp.issubdtype(dtype, jnp.inexact)
    )
    return Reach(union.any, 0 if stepped else union.smooth)


def _inner(equation: Any) -> Any:
    """The program that an equation calls with its own inputs, if it does just that."""
    for value in equation.params.values():
        program = getattr(value, "jaxpr", value)
        if not (hasattr(program, "eqns") and hasattr(program, "invars")):
            continue
        same = len(program.invars) == len(equation.invars)
        if same and len(program.outvars) == len(equation.outvars):
            return program
    return None


def _union(reached: Sequence[Reach]) -> Reach:
    total = Reach()
    for one in reached:
        total |= one
    return total


def _through_scan(params: Any, inputs: list[Reach]) -> list[Reach]:
    body, fixed, carried = (
        params["jaxpr"].jaxpr,
        params["num_consts"],
        params["num_carry"],
    )
    consts, carry, rows = (
        inputs[:fixed],
        inputs[fixed : fixed + carried],
        inputs[fixed + carried :],
    )
    while True:
        outputs = reaches(body, [*consts, *carry, *rows])
        wider = [a | b for a, b in zip(carry, outputs[:carried], strict=True)]
        if wider == carry:
            return [*carry, *outputs[carried:]]
        carry = wider


def _through_while(params: Any, inputs: list[Reach]) -> list[Reach]:
    tests, fixed = params["cond_nconsts"], params["body_nconsts"]
    of_test, consts = inputs[:tests], inputs[tests : tests + fixed]
    carry = inputs[tests + fixed :]
    while True:
        more = reaches(params["cond_jaxpr"].jaxpr, [*of_test, *carry])[0].any
        outputs = reaches(params["body_jaxpr"].jaxpr, [*consts, *carry])
        wider = [a | b | Reach(more) for a, b in zip(carry, outputs, strict=True)]
        if wider == carry:
            return carry
        carry = wider


# --- steps ----------------------------------------------------------------------------


def steps(program: Any, position: Any) -> Iterator[Step]:
    """Operations of the user's own that jump in what depends smoothly on `position`.

    Comparisons, rounding, signs, choices of the largest, conversions to integers; not
    those inside of JAX's and our functions, which know what they do.
    """
    known: dict[Any, Reach] = {position: Reach(1, 1)}
    for i, equation in enumerate(program.eqns):
        inputs = [
            Reach() if isinstance(v, Literal) else known.get(v, Reach())
            for v in equation.invars
        ]
        known.update(zip(equation.outvars, _through(equation, inputs), strict=True))
        if _union(inputs).smooth and (name := _step_name(equation)):
            line = user_line(equation)
            if line:
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
        if not frame.file_name.startswith(_HERE):
            name = os.path.basename(frame.file_name)
            users = is_users(frame.file_name)
            return f"{name}:{frame.line_num}" if users else ""
    return ""


def is_users(file: str) -> bool:
    """Whether a source file is neither JAX's or NumPy's nor ours."""
    return not file.startswith((*_HERE, _OURS))
