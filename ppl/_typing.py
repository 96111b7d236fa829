"""Names for the array types that cross the borders between modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
ArrayLike: TypeAlias = jax.Array | np.ndarray | float | int | bool
Key: TypeAlias = jax.Array
Shape: TypeAlias = tuple[int, ...]
Model: TypeAlias = Callable[..., Any]
