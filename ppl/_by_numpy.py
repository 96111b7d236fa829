"""Traced programs run by NumPy, once, where they are not worth a compilation.

XLA takes tenths of a second to compile what computes for a millisecond. So a program
that runs once or twice on little data is gone through equation by equation: what NumPy
knows it does, and JAX does the rest, each operation by itself.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import jax
import numpy as np

from ppl._flow import called

_JAX_DOES = 12  # operations in one program at most: each is compiled
_NUMBERS = 30_000_000  # that are computed on the way, at most: a tenth of a second

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("add", "add_any"), np.add),
    **{"sub": np.subtract, "mul": np.multiply, "div": np.divide},
    **{"max": np.maximum, "min": np.minimum, "pow": np.power, "atan2": np.arctan2},
    **{"neg": np.negative, "abs": np.abs, "sign": np.sign, "square": np.square},
    **{"exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1},
    **{"sqrt": np.sqrt, "floor": np.floor, "ceil": np.ceil, "tanh": np.tanh},
    **{"sin": np.sin, "cos": np.cos, "tan": np.tan, "atan": np.arctan},
    **{"eq": np.equal, "ne": np.not_equal, "is_finite": np.isfinite},
    **{"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal},
    **{"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor},
    "not": np.invert,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    **dict.fromkeys(
        ("copy", "convert_element_type", "random_wrap", "random_unwrap"), lambda x: x
    ),
}
_REDUCTIONS = {
    **{"reduce_sum": np.add, "reduce_prod": np.multiply},
    **{"reduce_max": np.maximum, "reduce_min": np.minimum},
    **{"reduce_and": np.bitwise_and, "reduce_or": np.bitwise_or},
}
# Programs that are called as they are, unlike those of loops.
_CALLS = {"jit", "closed_call", "checkpoint", "custom_jvp_call", "custom_vjp_call"}


def _broadcast(out: Any, x: np.ndarray, **params: Any) -> np.ndarray:
    dims = params["broadcast_dimensions"]
    shape = [1] * len(out.shape)
    for dim, size in zip(dims, x.shape, strict=True):
        shape[dim] = size
    return np.broadcast_to(x.reshape(shape), out.shape)


def _iota(out: Any, **params: Any) -> np.ndarray:
    shape = [1] * len(out.shape)
    shape[params["dimension"]] = -1
    count = np.arange(out.shape[params["dimension"]])
    return np.broadcast_to(count.reshape(shape), out.shape)


def _slice(_: Any, x: np.ndarray, **params: Any) -> np.ndarray:
    strides = params["strides"] or (1,) * x.ndim
    ends = params["start_indices"], params["limit_indices"]
    return x[tuple(map(slice, *ends, strides))]


def _pad(out: Any, x: np.ndarray, fill: np.ndarray, **params: Any) -> np.ndarray:
    """Rows of the padding are low, high and between; negative ones cut off."""
    made = np.full(out.shape, fill)
    into, of = [], []
    rows = zip(params["padding_config"], x.shape, out.shape, strict=True)
    for (low, _, between), size, room in rows:
        step = between + 1
        first = max(0, -(low // step))
        last = min(size, max(0, -((low - room) // step)))
        of.append(slice(first, max(first, last)))
        begin = low + first * step
        into.append(slice(begin, begin + max(0, last - first) * step, step))
    made[tuple(into)] = x[tuple(of)]
    return made


def _split(_: Any, x: np.ndarray, **params: Any) -> list[np.ndarray]:
    return np.split(x, np.cumsum(params["sizes"])[:-1], params["axis"])


def _dot(_: Any, a: np.ndarray, b: np.ndarray, **params: Any) -> np.ndarray:
    (summed_a, summed_b), (batch_a, batch_b) = params["dimension_numbers"]
    letters = string.ascii_letters
    of_a, of_b = list(letters[: a.ndim]), list(letters[a.ndim :][: b.ndim])
    for i, j in zip((*summed_a, *batch_a), (*summed_b, *batch_b), strict=True):
        of_b[j] = of_a[i]
    kept = [of_a[i] for i in batch_a]
    free = [c for c in (*of_a, *of_b) if (c in of_a) != (c in of_b)]
    made = f"{''.join(of_a)},{''.join(of_b)}->{''.join(kept + free)}"
    return np.einsum(made, a, b)


def _select(_: Any, which: np.ndarray, *cases: np.ndarray, **__: Any) -> np.ndarray:
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def _shifted(_: Any, x: np.ndarray, by: np.ndarray, **__: Any) -> np.ndarray:
    plain = np.dtype(f"u{x.itemsize}")
    return x.view(plain) >> by.astype(plain)


# Up to a half of the interval, and beyond: Giles (2010), Approximating the erfinv
# function, for single precision.
_MIDDLE = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
_TAILS = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)


def _erf_inv(out: Any, x: np.ndarray, **_: Any) -> Any:
    if out.dtype != np.float32 or not (np.abs(x) < 1).all():
        return None
    w = -np.log1p(-x * x)
    root = np.sqrt(np.maximum(w, 5)) - 3
    return x * np.where(w < 5, np.polyval(_MIDDLE, w - 2.5), np.polyval(_TAILS, root))


def _inside(indices: np.ndarray, size: int) -> bool:
    return bool(((indices >= 0) & (indices < size)).all())


def _gather(_: Any, x: np.ndarray, indices: np.ndarray, **params: Any) -> Any:
    """Entries along one axis, `x[:, i]`; JAX does the others, and those outside."""
    numbers, i = params["dimension_numbers"], indices[..., 0]
    along = numbers.start_index_map
    if numbers.operand_batching_dims or len(along) != 1:
        return None
    taken = *x.shape[: along[0]], 1, *x.shape[along[0] + 1 :]
    one = numbers.collapsed_slice_dims == along and params["slice_sizes"] == taken
    if not (one and _inside(i, x.shape[along[0]])):
        return None
    rows = np.moveaxis(x, along[0], 0)[i]
    return np.moveaxis(rows, range(i.ndim, rows.ndim), numbers.offset_dims)


def _take_groups(_: Any, x: np.ndarray, indices: np.ndarray, **params: Any) -> Any:
    i = indices[..., 0]
    return x[..., i] if _inside(i, params["groups"]) else None


def _add_groups(out: Any, ct: np.ndarray, indices: np.ndarray, **params: Any) -> Any:
    groups = params["groups"]
    if not _inside(indices, groups):
        return None
    rows = ct.reshape(-1, indices.size)
    sums = [np.bincount(indices.ravel(), row, groups) for row in rows]
    return np.reshape(sums, out.shape)


def _bits(out: Any, words: np.ndarray, **_: Any) -> np.ndarray:
    """Random bits: others than JAX's, but likewise a function of the keys alone."""
    shape, dtype = out.shape, getattr(out, "dtype", None)
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        shape, dtype = (*shape, words.shape[-1]), words.dtype
    rng = np.random.default_rng([*words.ravel(), *shape])
    return rng.integers(2 ** np.iinfo(dtype).bits, size=shape, dtype=dtype)


# Each gets the aval of its result, its inputs, and its parameters, and may decline.
_RULES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "iota": _iota,
    "slice": _slice,
    "pad": _pad,
    "shift_right_logical": _shifted,
    "erf_inv": _erf_inv,
    "gather": _gather,
    "take_groups": _take_groups,
    "add_groups": _add_groups,
    "split": _split,
    "dot_general": _dot,
    "select_n": _select,
    **dict.fromkeys(("random_bits", "random_split"), _bits),
    **dict.fromkeys(("reshape", "squeeze"), lambda out, x, **_: x.reshape(out.shape)),
    "transpose": lambda _, x, **params: x.transpose(params["permutation"]),
    "concatenate": lambda _, *xs, **params: np.concatenate(xs, params["dimension"]),
    "stack": lambda _, *xs, **params: np.stack(xs, params["axis"]),
    "integer_pow": lambda _, x, **params: x ** params["y"],
    "bitcast_convert_type": lambda out, x, **_: x.view(out.dtype),
}


def runs_by_numpy(program: Any) -> bool:
    """Whether a jaxpr has little work, most of it for NumPy, without any loops."""
    work = sum(map(_work, _equations(program)))
    return work <= _NUMBERS and _for_jax(program) <= _JAX_DOES


def _for_jax(program: Any) -> float:
    """How many different operations are left to JAX; infinite if there is a loop."""
    found: set[Any] = set()
    for equation in _equations(program):
        name = equation.primitive.name
        if name in _ELEMENTWISE or name in _REDUCTIONS or name in _RULES:
            continue
        avals = [v.aval for v in (*equation.invars, *equation.outvars)]
        if any(map(_is_of_keys, avals)) or _runs_programs(equation):
            return math.inf
        found.add((name, *(aval.shape for aval in avals)))
    return len(found)


def _work(equation: Any) -> int:
    """How many numbers an equation computes; in a product all its terms."""
    terms = 1
    if equation.primitive.name == "dot_general":
        (axes, _), _ = equation.params["dimension_numbers"]
        terms = math.prod(equation.invars[0].aval.shape[i] for i in axes)
    return terms * sum(math.prod(v.aval.shape) for v in equation.outvars)


def _equations(program: Any) -> Any:
    program = getattr(program, "jaxpr", program)
    for equation in program.eqns:
        inner = _inner(equation)
        if inner is None:
            yield equation
        else:
            yield from _equations(inner)


def _inner(equation: Any) -> Any:
    """The program that an equation calls; None if it is no plain call."""
    return called(equation) if equation.primitive.name in _CALLS else None


def _runs_programs(equation: Any) -> bool:
    """Whether an equation runs programs, other than one to join two numbers."""
    parts = jax.tree.leaves(tuple(equation.params.values()))
    joins = equation.primitive.name.startswith(("scatter", "reduce"))
    return not joins and any(hasattr(p, "eqns") or hasattr(p, "jaxpr") for p in parts)


def _is_of_keys(aval: Any) -> bool:
    return jax.dtypes.issubdtype(getattr(aval, "dtype", None), jax.dtypes.prng_key)


def run(program: Any, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of a closed jaxpr of which `runs_by_numpy` is true."""
    with np.errstate(all="ignore"):
        return _run(program.jaxpr, program.consts, inputs)


def _run(program: Any, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    known: dict[Any, Any] = {}
    done_with = _last_uses(program)

    def read(variable: Any) -> Any:
        if hasattr(variable, "val"):
            return np.asarray(variable.val, variable.aval.dtype)
        return known[variable]

    def write(variable: Any, value: Any) -> None:
        aval = variable.aval
        known[variable] = value if _is_of_keys(aval) else _as_xla(value, aval.dtype)

    for variable, value in zip(program.constvars, consts, strict=True):
        write(variable, value)
    for variable, value in zip(program.invars, inputs, strict=True):
        write(variable, value)
    for equation in program.eqns:
        made = _done(equation, [read(v) for v in equation.invars])
        for variable, value in zip(equation.outvars, made, strict=True):
            write(variable, value)
        for variable in done_with[id(equation)]:
            del known[variable]
    return [read(variable) for variable in program.outvars]


def _last_uses(program: Any) -> dict[int, list[Any]]:
    """By the id of an equation the variables that no one reads after it."""
    kept = {v for v in program.outvars if not hasattr(v, "val")}
    found: dict[int, list[Any]] = {}
    for equation in reversed(program.eqns):
        read = {v for v in equation.invars if not hasattr(v, "val")}
        found[id(equation)] = list((read | set(equation.outvars)) - kept)
        kept |= read
    return found


def _as_xla(value: Any, dtype: Any) -> np.ndarray:
    """An array of a type, in which XLA takes the smallest numbers for zero."""
    value = np.asarray(value, dtype)
    if value.dtype.kind != "f":
        return value
    tiny = np.abs(value) < np.finfo(dtype).tiny
    return np.where(tiny, 0 * value, value) if tiny.any() else value


def _done(equation: Any, inputs: list[Any]) -> Sequence[Any]:
    """The results of one equation."""
    if (inner := _inner(equation)) is not None:
        consts = getattr(inner, "consts", ())
        return _run(getattr(inner, "jaxpr", inner), consts, inputs)
    several, first = equation.primitive.multiple_results, equation.outvars[0].aval
    made: Any = None
    with suppress(LookupError, TypeError, ValueError):  # a type that NumPy has not, or
        made = _by_rule(equation, inputs)  # parameters of another version of JAX
    fits = several or _is_of_keys(first) or np.shape(made) == first.shape
    if made is None or not fits:
        made = equation.primitive.bind(*inputs, **equation.params)
    return made if several else [made]


def _by_rule(equation: Any, inputs: list[Any]) -> Any:
    """What NumPy makes of an equation; None if it is for JAX to do."""
    name, params = equation.primitive.name, equation.params
    if name in _ELEMENTWISE:
        return _ELEMENTWISE[name](*inputs)
    if name in _REDUCTIONS and inputs[0].size:
        return _REDUCTIONS[name].reduce(inputs[0], params["axes"])
    if name in _RULES:
        return _RULES[name](equation.outvars[0].aval, *inputs, **params)
    return None
