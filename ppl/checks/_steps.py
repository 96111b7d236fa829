"""Operations of the user's own whose results jump: where they are, what they give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from ppl._flow import ROUNDINGS, Reach, entered, followed, joined
from ppl._source import is_below, is_users
from ppl._typing import Array

_COMPARISONS = {"lt", "le", "gt", "ge"}
_STEPS = _COMPARISONS | ROUNDINGS | {"argmax", "argmin"}
_STEP_CALLS = {
    *("round", "floor", "ceil", "sign", "argmax", "argmin", "trunc", "rint", "fix"),
    *("floor_divide", "searchsorted", "digitize", "argsort"),
    *("heaviside", "_round", "_argmax", "_argmin"),
}


class Step(NamedTuple):
    """An operation whose result jumps.

    Attributes:
        place: Where it is: the number of its equation; inside of a loop or a branch
            that of the loop, of the body in it, and so on.
        name: What it does.
        line: Where it is written.
        behind: The inputs that it depends on.
    """

    place: tuple[int, ...]
    name: str
    line: str
    behind: Reach


def steps(program: Any, given: Iterable[tuple[Any, Reach]]) -> Iterator[Step]:
    """Operations of the user's own that jump in what depends smoothly on inputs.

    Comparisons, rounding, signs, choices of the largest, conversions to integers, also
    in the bodies of loops and branches; not those inside of JAX's and our functions,
    which know what they do, and not in `while` loops.

    Args:
        program: A jaxpr.
        given: The inputs that count, each with what it stands for.
    """
    read = followed(program, given)
    for i, equation in enumerate(program.eqns):
        inputs = [read(v) for v in equation.invars]
        behind = joined(inputs)
        if not behind.smooth:
            continue
        for number, (body, reach) in enumerate(entered(equation, inputs)):
            inner = zip(body.jaxpr.invars, reach, strict=True)
            for step in steps(body.jaxpr, inner):
                yield step._replace(place=(i, number, *step.place))
        if (name := _step_name(equation)) and (line := user_line(equation)):
            yield Step((i,), name, line, behind)


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


# --- what they give -------------------------------------------------------------------


def with_numbers(
    program: Any, inputs: Sequence[Any], found: Sequence[Step]
) -> tuple[list[Any], Array]:
    """The outputs of a closed jaxpr, and numbers that tell what its steps gave.

    Args:
        program: The jaxpr.
        inputs: Its inputs.
        found: The steps in it.

    Returns:
        Its outputs; (steps, 2), a number that changes with any result of the step, and
        one for how often, and when, it was performed.
    """
    parts = [(equation, []) for equation in program.jaxpr.eqns]
    for number, step in enumerate(found):
        parts[step.place[0]][1].append((number, step._replace(place=step.place[1:])))
    parts = [(equation, own) for equation, own in parts if own]
    wanted = [
        equation.invars if own[0][1].place else equation.outvars[:1]
        for equation, own in parts
    ]
    outputs = [*program.jaxpr.outvars, *(v for several in wanted for v in several)]
    shown = program.replace(jaxpr=program.jaxpr.replace(outvars=outputs))
    made = jaxpr_as_fun(shown)(*inputs)
    rest = iter(made[len(program.out_avals) :])
    numbers = jnp.zeros((len(found), 2))
    for (equation, own), several in zip(parts, wanted, strict=True):
        values = [next(rest) for _ in several]
        places = np.array([number for number, _ in own])
        inner = [step for _, step in own]
        result = _inside(equation, values, inner) if inner[0].place else None
        if result is None:
            result = jnp.stack([_number(values[0]), jnp.ones(())])
        numbers = numbers.at[places].set(result)
    return made[: len(program.out_avals)], numbers


def _inside(equation: Any, inputs: list[Any], found: list[Step]) -> Array:
    """The numbers of the steps in a loop or in branches, given the inputs of that."""
    params = equation.params
    if equation.primitive.name == "scan":
        body, count = params["jaxpr"], params["num_carry"]
        first, end = params["num_consts"], params["num_consts"] + count
        inner = [step._replace(place=step.place[1:]) for step in found]

        def once(carry: Any, x: Any) -> tuple[Any, Array]:
            outputs, own = with_numbers(body, [*inputs[:first], *carry, *x], inner)
            return outputs[:count], own

        options = {"length": params["length"], "reverse": params["reverse"]}
        numbers = jax.lax.scan(once, inputs[first:end], inputs[end:], **options)[1]
        return jax.vmap(jax.vmap(_number, 1), 2, 1)(numbers)

    def branch(which: int) -> Callable[..., Array]:
        own = [i for i, step in enumerate(found) if step.place[0] == which]
        inner = [found[i]._replace(place=found[i].place[1:]) for i in own]

        def taken(*operands: Any) -> Array:
            _, numbers = with_numbers(params["branches"][which], operands, inner)
            return jnp.zeros((len(found), 2)).at[np.array(own, int)].set(numbers)

        return taken

    branches = [branch(which) for which in range(len(params["branches"]))]
    return jax.lax.switch(inputs[0], branches, *inputs[1:])


def _number(result: Any) -> Array:
    """One number that changes with any element."""
    weights = 1.0 + jnp.arange(result.size) % 97
    values = result.reshape(-1).astype(weights.dtype) % 1021.0  # so that sums are exact
    return jnp.sum(weights * values)
