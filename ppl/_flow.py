"""What the values in a traced program depend on, and which have a derivative by what.

A set of inputs is an integer with one bit for each. Two sets are followed: the inputs
that a value depends on at all, and those that it has a derivative by. Programs inside
a program (calls, loops, branches) are followed as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import jax.numpy as jnp

ROUNDINGS = frozenset({"round", "floor", "ceil", "sign"})
_FLAT = ROUNDINGS | {"stop_gradient"}  # others without a derivative give no floats
_OWN_RULE = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")


class Reach(NamedTuple):
    """The inputs that a value depends on, and those that it has a derivative by."""

    any: int = 0
    smooth: int = 0

    def __or__(self, other: Any) -> Reach:
        return Reach(self.any | other.any, self.smooth | other.smooth)


def own(number: int) -> Reach:
    """What the input with this number depends on: itself."""
    return Reach(1 << number, 1 << number)


def members(bits: int, names: Sequence[str]) -> tuple[str, ...]:
    """The names of the inputs in a set; the i-th name is that of bit i."""
    return tuple(name for i, name in enumerate(names) if bits >> i & 1)


def labelled(program: Any, inputs: Sequence[Any]) -> list[Reach]:
    """What each output of a jaxpr depends on, if the i-th of these inputs has bit i."""
    read = followed(program, ((v, own(i)) for i, v in enumerate(inputs)))
    return [read(variable) for variable in program.outvars]


def reaches(program: Any, inputs: Sequence[Reach]) -> list[Reach]:
    """What each output of a jaxpr, closed or not, depends on, given its inputs."""
    program = getattr(program, "jaxpr", program)
    read = followed(program, zip(program.invars, inputs, strict=True))
    return [read(variable) for variable in program.outvars]


def followed(
    program: Any, given: Iterable[tuple[Any, Reach]]
) -> Callable[[Any], Reach]:
    """What each variable of a jaxpr depends on, as a function of the variable.

    Of a primitive that is not known to call the program in it each output depends on
    all inputs, so that a dependence may be reported that is none. What goes through
    JAX's mutable arrays (`jax.new_ref`) is not followed.

    Args:
        program: The jaxpr.
        given: Some of its variables, inputs or not, each with what it stands for.
    """
    known: dict[int, Reach] = {}

    def read(variable: Any) -> Reach:
        return known.get(id(variable), Reach())

    def add(variable: Any, more: Reach) -> None:
        known[id(variable)] = read(variable) | more

    for variable, reach in given:
        add(variable, reach)
    for equation in program.eqns:
        outputs = _through(equation, [read(v) for v in equation.invars])
        for variable, reach in zip(equation.outvars, outputs, strict=True):
            add(variable, reach)
    return read


def joined(several: Iterable[Reach]) -> Reach:
    """What depends on several values."""
    return reduce(or_, several, Reach())


def entered(equation: Any, inputs: list[Reach]) -> list[tuple[Any, list[Reach]]]:
    """The bodies of a scan or of branches, each with what its inputs depend on."""
    params = equation.params
    match equation.primitive.name:
        case "scan":
            first, end = (
                params["num_consts"],
                params["num_consts"] + params["num_carry"],
            )
            carry = _through_scan(params, inputs)[: end - first]
            return [(params["jaxpr"], [*inputs[:first], *carry, *inputs[end:]])]
        case "cond":
            return [(branch, inputs[1:]) for branch in params["branches"]]
    return []


def _through(equation: Any, inputs: list[Reach]) -> list[Reach]:
    """What the outputs of one equation depend on."""
    name, params = equation.primitive.name, equation.params
    match name:
        case "scan":
            return _through_scan(params, inputs)
        case "while":
            return _through_while(params, inputs)
        case "cond":
            return _through_branches(params["branches"], inputs)
    inner = called(equation)
    if inner is None:
        return [_of_primitive(name, inputs, out.aval) for out in equation.outvars]
    outputs = reaches(inner, inputs)
    if name in _OWN_RULE:  # its derivative may be anything
        smooth = joined(inputs).smooth
        return [Reach(out.any, smooth) for out in outputs]
    return outputs


def _of_primitive(name: str, inputs: list[Reach], aval: Any) -> Reach:
    every = joined(inputs)
    dtype = getattr(aval, "dtype", None)
    is_float = dtype is None or jnp.issubdtype(dtype, jnp.inexact)
    return every if is_float and name not in _FLAT else Reach(every.any)


def called(equation: Any) -> Any:
    """The program that an equation calls with its own inputs, if it does just that.

    It is closed where the equation has it so.
    """
    if equation.primitive.name.startswith("reduce"):
        return None  # that goes again and again through the program in it
    programs = [p for p in equation.params.values() if hasattr(p, "eqns")]
    if len(programs) != 1:
        return None
    inner = getattr(programs[0], "jaxpr", programs[0])
    counts = len(inner.invars), len(inner.outvars)
    same = counts == (len(equation.invars), len(equation.outvars))
    return programs[0] if same else None


def _through_scan(params: Any, inputs: list[Reach]) -> list[Reach]:
    first, end = params["num_consts"], params["num_consts"] + params["num_carry"]
    carry = inputs[first:end]
    while True:
        out = reaches(params["jaxpr"], [*inputs[:first], *carry, *inputs[end:]])
        wider = [a | b for a, b in zip(carry, out[: len(carry)], strict=True)]
        if wider == carry:
            return [*carry, *out[len(carry) :]]
        carry = wider


def _through_while(params: Any, inputs: list[Reach]) -> list[Reach]:
    first = params["cond_nconsts"]
    end = first + params["body_nconsts"]
    carry = inputs[end:]
    while True:
        test = joined(reaches(params["cond_jaxpr"], [*inputs[:first], *carry]))
        out = reaches(params["body_jaxpr"], [*inputs[first:end], *carry])
        # How often the body runs decides on everything that comes out of the loop.
        every = Reach(test.any)
        wider = [a | b | every for a, b in zip(carry, out, strict=True)]
        if wider == carry:
            return carry
        carry = wider


def _through_branches(branches: Any, inputs: list[Reach]) -> list[Reach]:
    outs = [reaches(branch, inputs[1:]) for branch in branches]
    chosen = Reach(inputs[0].any)
    return [joined([chosen, *several]) for several in zip(*outs, strict=True)]
