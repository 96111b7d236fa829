"""Data from outside as arrays, and what JAX would garble if it were let in."""

from __future__ import annotations

import reprlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError

_CONTAINERS = ("list", "tuple", "dict", "set")
_NAMES_OF_MISSING = ("NAType", "NaTType")  # of pandas, which need not be installed


def as_array(value: Any) -> Any:
    """Lists, tuples and data frames as arrays; anything else as it is.

    Missing entries (None, pandas' NA, masked ones) become NaN.
    """
    if isinstance(value, float | int | jax.Array):
        return value
    if isinstance(value, list | tuple):
        if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
            return jnp.asarray(value)
        value = _of_lists(value)
    elif hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()
    if isinstance(value, np.ma.MaskedArray):
        if not value.mask.any():
            return value.data
        return np.where(value.mask, np.nan, value.data.astype(float))
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return _as_floats(value)
    return value


def _of_lists(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:
        raise ArgumentError(
            f"a list of lists whose lengths differ is no array: {reprlib.repr(value)}.",
            value=value,
            hint="Fill it up to one length, or put all values into one list with a "
            "second one that says which group each belongs to.",
        ) from None


def described(value: Any) -> str:
    """A value in a sentence about its type: arrays by dtype and shape."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return f"an array of {dtype} and shape {getattr(value, 'shape', ())}"
    if value is None or isinstance(value, str | bytes | int | float | complex):
        return reprlib.repr(value)
    kind = type(value).__name__
    return f"a {kind}" if kind in _CONTAINERS else f"a value of type {kind}"


def _as_floats(objects: np.ndarray) -> np.ndarray:
    """An array of objects as floats, or itself where one is no number."""
    flat = [_number_or_nan(entry) for entry in objects.ravel()]
    if any(isinstance(entry, str | bytes) for entry in flat):
        return objects
    try:
        return np.asarray(flat, float).reshape(objects.shape)
    except (TypeError, ValueError):
        return objects


def _number_or_nan(entry: Any) -> Any:
    missing = entry is None or type(entry).__name__ in _NAMES_OF_MISSING
    return np.nan if missing else entry


def plain_floats(value: Any) -> bool:
    """Whether a value is a float or an array of floats, so that nothing can be odd."""
    if isinstance(value, float):
        return True
    if not isinstance(value, np.ndarray | np.floating | jax.Array):
        return False
    return value.dtype.kind == "f" and not isinstance(value, np.ma.MaskedArray)


def no_number(value: Any) -> bool:
    """Whether a value is text, dates or objects."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return isinstance(value, str | bytes) or kind in ("U", "S", "O", "M", "m", "T")


def beyond_int32(value: Any) -> int | None:
    """The integer in `value` that JAX would wrap around, if there is one."""
    if isinstance(value, bool | float | jax.Array):
        return None
    if isinstance(value, int):
        low = high = value
    elif isinstance(value, np.ndarray | np.integer) and value.dtype.kind in "iu":
        if not value.size or value.dtype.itemsize < 4:
            return None
        low, high = int(value.min()), int(value.max())
    else:
        return None
    worst = high if high > 2**31 - 1 else low if low < -(2**31) else None
    return None if jnp.result_type(int) == np.int64 else worst


INT32_REMEDY = "Enable x64 (jax.config.update('jax_enable_x64', True)) or rescale."
TEXT_REMEDY = "Encode labels as integers first (np.unique(…, return_inverse=True))."
