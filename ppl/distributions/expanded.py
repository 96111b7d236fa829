"""The name under which NumPyro expands a distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl._errors import ShapeError
from ppl._typing import Shape
from ppl.distributions.distribution import Distribution


def ExpandedDistribution(base_dist: Distribution, batch_shape: Shape = ()) -> Any:
    """`base_dist` with its batch broadcast to `batch_shape`: the same family.

    Args:
        base_dist: Any distribution.
        batch_shape: A shape to which its batch shape broadcasts.
    """
    batch_shape = tuple(batch_shape)
    try:
        fits = np.broadcast_shapes(base_dist.batch_shape, batch_shape) == batch_shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"a batch of shape {base_dist.batch_shape} cannot be expanded to shape "
            f"{batch_shape}.",
            value=batch_shape,
        )
    return base_dist.expand(batch_shape)
