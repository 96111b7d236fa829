"""Arguments of a model, split into arrays (leaves) and everything else (static)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ppl._data import INT32_REMEDY, TEXT_REMEDY, as_array, beyond_int32, no_number
from ppl._errors import ArgumentTypeError, ModelError, PPLWarning, warn


@dataclass(frozen=True)
class Constant:
    """An array that is part of the program, compared by its bytes."""

    shape: tuple[int, ...]
    dtype: str
    content: bytes

    @classmethod
    def of(cls, value: Any) -> Constant:
        """Freeze an array."""
        array = np.asarray(value)
        return cls(array.shape, str(array.dtype), array.tobytes())

    def array(self) -> np.ndarray:
        """The array again."""
        flat = np.frombuffer(self.content, np.dtype(self.dtype))
        return flat.reshape(self.shape)


@dataclass(frozen=True)
class _Leaf:
    """The place of an array leaf."""

    index: int


@dataclass(frozen=True)
class Unhashable:
    """A static argument compared by identity."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True)
class Arguments:
    """The structure of a model's arguments: hashable, with places for the array leaves.

    Attributes:
        treedef: Of `(args, kwargs)`.
        parts: For each flattened argument a place of an array, a constant, or a value.
        names: What to call each array leaf, e.g. "argument 0" or "X".
        fixed: Names of the arrays that have become constants.
    """

    treedef: Any
    parts: tuple[Any, ...]
    names: tuple[str, ...]
    fixed: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Arguments, tuple[Any, ...]]:
        """Split arguments; lists of numbers and data frames become arrays.

        Raises:
            ModelError: An integer does not fit int32 while x64 is off.
            ArgumentTypeError: A dtype is not supported.
        """
        flat, treedef = jax.tree_util.tree_flatten_with_path(
            (args, kwargs), is_leaf=_is_data
        )
        parts: list[Any] = []
        arrays: list[Any] = []
        names: list[str] = []
        for path, leaf in flat:
            name = _path_name(path)
            value = _as_array(leaf, name)
            if isinstance(value, jax.Array | np.ndarray):
                parts.append(_Leaf(len(arrays)))
                arrays.append(value)
                names.append(name)
                continue
            try:
                hash(value)
            except TypeError:
                value = Unhashable(value)
            parts.append(value)
        return cls(treedef, tuple(parts), tuple(names)), tuple(arrays)

    def rebuild(
        self, arrays: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments again, with the given leaves in their places."""
        leaves = []
        for part in self.parts:
            match part:
                case _Leaf(index):
                    leaves.append(arrays[index])
                case Constant():
                    leaves.append(part.array())
                case Unhashable(value):
                    leaves.append(value)
                case _:
                    leaves.append(part)
        return jax.tree_util.tree_unflatten(self.treedef, leaves)

    def with_constants(
        self,
        arrays: tuple[Any, ...],
        constant: tuple[int, ...],
        freeze: Callable[[np.ndarray], Any] = Constant.of,
    ) -> tuple[Arguments, tuple[Any, ...]]:
        """Turn the leaves with these indices into constants, as `freeze` makes them."""
        kept = [i for i in range(len(arrays)) if i not in constant]
        place = {old: new for new, old in enumerate(kept)}

        def moved(part: Any) -> Any:
            if not isinstance(part, _Leaf):
                return part
            if part.index in place:
                return _Leaf(place[part.index])
            return freeze(np.asarray(arrays[part.index]))

        parts = tuple(moved(part) for part in self.parts)
        names = tuple(self.names[i] for i in kept)
        fixed = (*self.fixed, *(self.names[i] for i in constant))
        new = Arguments(self.treedef, parts, names, fixed)
        return new, tuple(arrays[i] for i in kept)

    def tell(self) -> None:
        """Say once which arguments have become constants."""
        warn(
            f"the model looks at the values of {', '.join(self.fixed)}: they are "
            "compiled in as constants, so new values compile anew.",
            ConstantArgumentWarning,
        )


class ConstantArgumentWarning(PPLWarning):
    """A model looks at the values of an argument, which so becomes a constant."""


def _is_data(value: Any) -> bool:
    if isinstance(value, list):
        return _array_shape(value) is not None
    return hasattr(value, "to_numpy") or value is None


def _array_shape(value: Any) -> tuple[int, ...] | None:
    """The shape of nested lists of numbers; None where they are not one array."""
    if isinstance(value, int | float | np.number | np.bool_):
        return ()
    if not (isinstance(value, list) and value):
        return None
    shapes = {_array_shape(entry) for entry in value}
    inner = shapes.pop()
    return None if shapes or inner is None else (len(value), *inner)


def _path_name(path: tuple[Any, ...]) -> str:
    inside = jax.tree_util.keystr(path[1:])
    if path[0].idx == 0:
        return f"argument {inside.strip('[]')}" if len(path) == 2 else f"args{inside}"
    return f"{getattr(path[1], 'key', path[1])}{jax.tree_util.keystr(path[2:])}"


def _as_array(value: Any, name: str) -> Any:
    """Data as an array that JAX can hold, or the value itself if it is no data."""
    value = as_array(value)
    if not isinstance(value, np.ndarray):
        return value
    if no_number(value):
        raise ArgumentTypeError(
            f"{name}: dtype {value.dtype} is not numeric.",
            value=value,
            hint=TEXT_REMEDY,
        )
    if (worst := beyond_int32(value)) is not None:
        raise ModelError(
            f"{name}: value {worst} does not fit int32.", value=worst, hint=INT32_REMEDY
        )
    return value
