"""Whether the value of a site fits its distribution and its plates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl._errors import ShapeError
from ppl._typing import Shape
from ppl.distributions.constraints import shape_of


def fitted(site: Any) -> Any:
    """The distribution of a site with a value, expanded to the value's shape.

    An observed value is never broadcast: outside of plates a smaller distribution is
    expanded to it, inside the shapes must be equal. A substituted value may be smaller.
    """
    expected, got = site.fn.shape(), shape_of(site.value)
    if got == expected or site.fn.event_shape == (0,):
        return site.fn
    event_dim = site.fn.event_dim
    try:
        both = tuple(np.broadcast_shapes(expected, got))
    except ValueError:
        both = None
    same_event = got[len(got) - event_dim :] == site.fn.event_shape
    if not site.is_observed and both == expected:
        return site.fn
    if both == got and same_event and not site.plates:
        return site.fn.expand(got[: len(got) - event_dim])
    raise _shape_error(site, expected, got, both)


def _shape_error(site: Any, expected: Shape, got: Shape, both: Any) -> ShapeError:
    what = "observed value" if site.is_observed else "given value"
    plates = ", ".join(f"'{p.name}' (size {p.size}, dim {p.dim})" for p in site.plates)
    message = f"{what} has shape {got}, expected {expected}"
    message += f" from plate {plates}" if plates else ""
    message += f" and event shape {site.fn.event_shape}" if site.fn.event_shape else ""
    hint = ""
    if both is not None and both not in (got, expected):
        message += f"; they would broadcast to {both}"
        if len(got) == len(expected) + 1 and got[-1] == 1:
            hint = "Did you mean value.squeeze(-1)?"
        elif len(got) + 1 == len(expected) and expected[-1] == 1:
            hint = "Did you mean to squeeze the last dim of the parameters?"
    if not hint and site.plates:
        hint = "Make the value's shape that of its plates and event."
    if not hint:
        hint = "If its rightmost dims are one value, say fn.to_event(n)."
    return ShapeError(f"{message} ({site.line}).", site=site.name, value=got, hint=hint)
