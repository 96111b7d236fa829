"""Counts that users give."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl._errors import ArgumentError, ArgumentTypeError


def as_count(name: str, value: Any, least: int = 1) -> int:
    """The count as an int.

    Raises:
        ArgumentTypeError: It is no int.
        ArgumentError: It is less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ArgumentTypeError(
            f"{name} must be an int, got {value!r} ({type(value).__name__}).",
            value=value,
        )
    if value < least:
        raise ArgumentError(f"{name} must be >= {least}, got {value}.", value=value)
    return int(value)
