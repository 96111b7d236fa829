"""Frozen dataclasses that are pytrees: fields are leaves unless declared static."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast, dataclass_transform

import jax

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A field that belongs to the structure of the pytree: hashable, never traced."""
    metadata = {**kwargs.pop("metadata", {}), "static": True}
    return dataclasses.field(metadata=metadata, **kwargs)


def _set_once(self: Any, name: str, value: Any) -> None:
    if name in self.__dict__ or name not in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delete_never(self: Any, name: str) -> None:
    kind = type(self).__name__
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r} of {kind}")


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
    return f"{type(self).__name__}({', '.join(shown)})"


# One for all classes: each frozen dataclass would compile its own when imported.
_SHARED = {"__setattr__": _set_once, "__delattr__": _delete_never, "__repr__": _repr}


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass and register it as a pytree.

    The order of the leaves is the order of the fields, whatever the process.
    Unflattening sets the fields directly, without `__init__` or `__post_init__`: JAX
    unflattens with tracers and with placeholder objects, which no check would survive.
    """
    own = vars(cls)
    made = dataclasses.dataclass(init="__init__" not in own, repr=False, eq=False)(cls)
    for name, method in _SHARED.items():
        if name not in own:
            setattr(made, name, method)
    fields = dataclasses.fields(cast(Any, made))
    names = [f.name for f in fields]
    fixed = [f.name for f in fields if f.metadata.get("static")]
    leaves = [name for name in names if name not in fixed]
    keys = [jax.tree_util.GetAttrKey(name) for name in leaves]

    def flatten_with_keys(obj: Any):
        children = [(k, getattr(obj, n)) for k, n in zip(keys, leaves, strict=True)]
        return children, tuple(getattr(obj, n) for n in fixed)

    def flatten(obj: Any):
        values = tuple(getattr(obj, n) for n in leaves)
        return values, tuple(getattr(obj, n) for n in fixed)

    def unflatten(aux: tuple[Any, ...], children: Any):
        obj = object.__new__(made)
        for name, value in zip(leaves, children, strict=True):
            object.__setattr__(obj, name, value)
        for name, value in zip(fixed, aux, strict=True):
            object.__setattr__(obj, name, value)
        return obj

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made


def replace(obj: T, **changes: Any) -> T:
    """A copy of a frozen dataclass with some fields changed, and nothing re-checked."""
    new = object.__new__(type(obj))
    new.__dict__.update(obj.__dict__, **changes)
    fields = cast(Any, obj).__dataclass_fields__
    if unknown := changes.keys() - fields.keys():
        raise TypeError(f"{type(obj).__name__} has no field {sorted(unknown)}")
    return new
