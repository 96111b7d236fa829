"""Which inputs of a traced program each of its outputs depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Labels = frozenset[Any]
"""Names of the inputs that something depends on."""


def dependences(jaxpr: Any, given: Sequence[Labels]) -> list[Labels]:
    """The labels of the inputs that each output of a program depends on.

    Inner programs (jit, scan, while, cond, custom derivatives, …) are followed; of a
    primitive whose inner program is not known each output depends on all inputs, so
    that a dependence may be reported that is none. What goes through JAX's mutable
    arrays (`jax.new_ref`) is not followed.

    Args:
        jaxpr: The program, with or without constants.
        given: The labels of each of its inputs.
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    known = {id(v): labels for v, labels in zip(jaxpr.invars, given, strict=True)}
    for equation in jaxpr.eqns:
        inputs = [known.get(id(v), Labels()) for v in equation.invars]
        outputs = _through(equation, inputs)
        known.update(
            (id(v), labels) for v, labels in zip(equation.outvars, outputs, strict=True)
        )
    return [known.get(id(v), Labels()) for v in jaxpr.outvars]


def reached(jaxpr: Any, inputs: Iterable[Any]) -> list[bool]:
    """Which outputs depend on any of the given input variables."""
    chosen = {id(variable) for variable in inputs}
    given = [Labels({True}) if id(v) in chosen else Labels() for v in jaxpr.invars]
    return [bool(labels) for labels in dependences(jaxpr, given)]


def _through(equation: Any, inputs: list[Labels]) -> list[Labels]:
    """The labels of the outputs of one equation."""
    params = equation.params
    match equation.primitive.name:
        case "scan":
            return _through_scan(params, inputs)
        case "while":
            return _through_while(params, inputs)
        case "cond":
            return _through_branches(params["branches"], inputs)
    inner = [p for p in params.values() if hasattr(getattr(p, "jaxpr", p), "eqns")]
    if len(inner) == 1:
        program = getattr(inner[0], "jaxpr", inner[0])
        counts = len(program.invars), len(program.outvars)
        if counts == (len(inputs), len(equation.outvars)):
            return dependences(program, inputs)
    return [_union(inputs)] * len(equation.outvars)


def _through_scan(params: Any, inputs: list[Labels]) -> list[Labels]:
    first, end = params["num_consts"], params["num_consts"] + params["num_carry"]
    carry = inputs[first:end]
    while True:
        out = dependences(params["jaxpr"], [*inputs[:first], *carry, *inputs[end:]])
        new = _joined(carry, out[: len(carry)])
        if new == carry:
            return [*carry, *out[len(carry) :]]
        carry = new


def _through_while(params: Any, inputs: list[Labels]) -> list[Labels]:
    first = params["cond_nconsts"]
    end = first + params["body_nconsts"]
    carry = inputs[end:]
    while True:
        tests = dependences(params["cond_jaxpr"], [*inputs[:first], *carry])
        out = dependences(params["body_jaxpr"], [*inputs[first:end], *carry])
        # How often the body runs decides on everything that comes out of the loop.
        new = [labels | _union(tests) for labels in _joined(carry, out)]
        if new == carry:
            return carry
        carry = new


def _through_branches(branches: Any, inputs: list[Labels]) -> list[Labels]:
    outs = [dependences(branch, inputs[1:]) for branch in branches]
    return [inputs[0] | _union(labels) for labels in zip(*outs, strict=True)]


def _joined(left: list[Labels], right: list[Labels]) -> list[Labels]:
    return [one | other for one, other in zip(left, right, strict=True)]


def _union(labels: Iterable[Labels]) -> Labels:
    return Labels().union(*labels)
