"""Whose a source file is: the user's, ours, or that of a library that we rest on."""

from __future__ import annotations

import os

import jax
import numpy as np


def _folder(file: str) -> str:
    return os.path.join(os.path.dirname(file), "")


_BELOW = _folder(jax.__file__), _folder(np.__file__)
_OURS = _folder(__file__)


def is_below(file: str) -> bool:
    """Whether a source file is JAX's or NumPy's."""
    return file.startswith(_BELOW)


def is_users(file: str) -> bool:
    """Whether a source file is neither JAX's or NumPy's nor ours."""
    return not file.startswith((*_BELOW, _OURS))
