"""Whether float32 can tell data apart that lie far from zero."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ppl._errors import PPLWarning

_RESOLUTION = 2.0**20  # a float32 has 24 bits: beyond, 4 are left for the spread
_NOISE = 4  # units of rounding by which equal numbers may differ
_SAMPLE = 10_000  # rows of an array that are looked at for its spread


class ResolutionWarning(PPLWarning):
    """Data have more digits in common than float32 can tell apart."""


def coarse_arrays(pairs: Iterable[tuple[str, Any]], what: str) -> tuple[str, ...]:
    """A note for each array whose spread float32 cannot resolve beside its offset."""
    if jnp.result_type(float) == np.float64:
        return ()
    notes = []
    for name, value in pairs:
        on_host = isinstance(value, np.ndarray)
        if value.dtype not in (np.float32, np.float64) or not value.size:
            continue
        if not on_host and value.size > _SAMPLE:
            continue  # far away, perhaps, and it has been rounded before
        array = np.asarray(value)
        rows = array.reshape(array.shape[0], -1) if array.ndim else array.reshape(1, 1)
        rows = rows[:: 1 + len(rows) // _SAMPLE].astype(np.float64)
        noise = _NOISE * float(np.finfo(array.dtype).eps)
        with np.errstate(invalid="ignore", over="ignore"):
            spread, size = rows.std(axis=0), np.abs(rows).max(axis=0)
            differs = np.ptp(rows, axis=0) > noise * size  # by more than rounding
            coarse = differs & (size > _RESOLUTION * spread)
        if coarse.any():
            at = int(np.argmax(coarse))
            step = np.spacing(np.float32(size[at]))
            notes.append(
                f"{what.format(name)}: float32 keeps numbers near {size[at]:.3g} to "
                f"steps of {step:g}, but their spread is only {spread[at]:.3g}. "
                "Subtract a constant (and shift priors with it), or enable x64."
            )
    return tuple(notes)
