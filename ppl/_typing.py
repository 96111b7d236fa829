"""Names for the array types that cross the borders between modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax

# A JAX array, or what stands for one: a NumPy array on its way in, a placeholder.
Array: TypeAlias = jax.Array | Any
# What jax.numpy takes: arrays and numbers.
ArrayLike: TypeAlias = jax.Array | Any
Key: TypeAlias = jax.Array
Shape: TypeAlias = tuple[int, ...]
Model: TypeAlias = Callable[..., Any]
