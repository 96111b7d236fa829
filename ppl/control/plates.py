"""Plates: independence along a batch dim, with names, labels and subsampling."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    RandomnessError,
    ShapeError,
)
from ppl._permutation import permuted
from ppl._pytree import replace
from ppl.distributions.constraints import shape_of
from ppl.primitives import (
    Handler,
    Param,
    PlateEntry,
    PlateFrame,
    Sample,
    Site,
    Subsample,
    caller_line,
    perform,
)


class plate(Handler):
    """Conditional independence along a batch dim, which every site inside gets.

    Distributions inside are expanded to `size` along `dim`. With `subsample_size`, the
    plate stands for `size` members of which a random subset is used: log densities are
    scaled by `size / subsample_size`. Entering gives the indices, shape
    `(subsample_size,)`.

    Args:
        name: The name of the plate; in labelled results it names the dim.
        size: Number of members.
        subsample_size: How many members are used, at most `size`; all if None.
        dim: A negative batch dim; the rightmost free one if None.
        coords: Labels of the members for labelled results.

    Raises:
        ArgumentTypeError: A size is not an integer.
        ArgumentError: A size is out of range, or there are not `size` labels.
        ModelError: The dim is taken, or the plate was used with another size.
    """

    def __init__(
        self,
        name: str,
        size: int,
        subsample_size: int | None = None,
        dim: int | None = None,
        *,
        coords: Sequence[Any] | None = None,
    ):
        super().__init__()
        self.name = name
        self.size = _checked_size(name, "size", size)
        self.subsample_size = self.size
        if subsample_size is not None:
            self.subsample_size = _checked_size(name, "subsample_size", subsample_size)
        if self.subsample_size > self.size:
            raise ArgumentError(
                f"plate '{name}': subsample_size {subsample_size} > size {size}.",
                value=subsample_size,
                hint="A subsample has at most as many members as the plate.",
            )
        if dim is not None and dim >= 0:
            raise ArgumentError(
                f"plate '{name}': dim must be negative, got {dim}.", value=dim
            )
        if coords is not None and len(coords) != self.size:
            raise ArgumentError(
                f"plate '{name}': {len(coords)} coords for size {size}.", value=coords
            )
        self.dim = dim
        self.coords = coords

    def start(self) -> Any:
        """Take a dim and indices; gives the indices."""
        entry = perform(
            PlateEntry(
                self.name,
                line=caller_line(),
                size=self.size,
                subsample_size=self.subsample_size,
                dim=self.dim,
                make_indices=_draw_indices,
            )
        )
        taken = {frame.dim for frame in entry.plates}
        dim = self.dim
        if dim is None:
            dim = next(d for d in range(-1, -len(taken) - 2, -1) if d not in taken)
        self.frame = PlateFrame(
            self.name, dim, self.size, self.subsample_size, self.coords
        )
        _refuse_shared_dim(self.frame, entry)
        self.indices = entry.value
        return self.indices

    def handle(self, site: Site) -> Site:
        """Put the plate on the site, and expand, scale or index it."""
        frame = self.frame
        match site:
            case Sample():
                _refuse_shared_dim(frame, site)
                scale = site.scale
                if frame.subsample_size < frame.size:
                    ratio = frame.size / frame.subsample_size
                    scale = ratio if scale is None else ratio * scale
                plates = (frame, *site.plates)
                fn = _expanded(site, frame)
                return perform(replace(site, plates=plates, fn=fn, scale=scale))
            case PlateEntry(name=self.name):
                raise ModelError(
                    f"plate '{self.name}' is nested in itself ({site.line})."
                )
            case Subsample():
                out = perform(site)
                return replace(out, value=self._take(out.value, site.event_dim))
            case Param(event_dim=int() as event_dim):
                out = perform(replace(site, plates=(frame, *site.plates)))
                return replace(out, value=self._take(out.value, event_dim))
            case _:
                return perform(replace(site, plates=(frame, *site.plates)))

    def _take(self, value: Any, event_dim: int) -> Any:
        frame = self.frame
        axis = frame.dim - event_dim
        shape = shape_of(value)
        if len(shape) < -axis or shape[axis] == 1:
            return value
        if shape[axis] != frame.size:
            raise ShapeError(
                f"plate '{frame.name}' of size {frame.size} cannot index dim {axis} of "
                f"an array of shape {shape}.",
                value=shape,
            )
        if frame.subsample_size == frame.size:
            return value
        return jnp.take(jnp.asarray(value), self.indices, axis=axis)


def _checked_size(name: str, what: str, size: Any) -> int:
    if isinstance(size, jax.Array) and jnp.issubdtype(size.dtype, jnp.integer):
        size = operator.index(size)  # of a tracer, this says that its value is needed
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise ArgumentTypeError(
            f"plate '{name}': {what} must be an int, got {size!r} "
            f"({type(size).__name__}).",
            value=size,
        )
    if size < 0 or (size == 0 and what != "size"):
        raise ArgumentError(
            f"plate '{name}': {what} must be > 0, got {size}.", value=size
        )
    return int(size)


def _draw_indices(entry: PlateEntry) -> Any:
    if entry.subsample_size >= entry.size:
        return np.arange(entry.size)
    if entry.rng_key is None:
        raise RandomnessError(
            f"plate '{entry.name}' subsamples and needs a random key ({entry.line}).",
            hint="Wrap the model: ppl.handlers.seed(model, rng_seed=0).",
        )
    return permuted(entry.rng_key, jnp.arange(entry.subsample_size), entry.size)


def _refuse_shared_dim(frame: PlateFrame, site: Site) -> None:
    """No two plates around a site, or around a plate, have one dim."""
    for other in site.plates:
        if other.dim == frame.dim:
            raise ModelError(
                f"plates '{other.name}' and '{frame.name}' both use dim {frame.dim} "
                f"({site.line}).",
                value=frame.dim,
                hint="Leave dim out, or give each nested plate its own.",
            )


def _expanded(site: Sample, frame: PlateFrame) -> Any:
    """The distribution of `site`, expanded along the plate's dim."""
    batch = site.fn.batch_shape
    padded = [1] * (-frame.dim - len(batch)) + list(batch)
    if padded[frame.dim] not in (1, frame.subsample_size):
        raise ShapeError(
            f"batch shape {batch} of {type(site.fn).__name__} does not fit plate "
            f"'{frame.name}' (size {frame.subsample_size}, dim {frame.dim}), "
            f"{site.line}.",
            site=site.name,
            value=batch,
            hint="If the rightmost dims are one value, say fn.to_event(n); else make "
            "the parameters' shape that of the plates.",
        )
    padded[frame.dim] = frame.subsample_size
    return site.fn.expand(tuple(padded))


@contextmanager
def plate_stack(
    prefix: str, sizes: Sequence[int], rightmost_dim: int = -1
) -> Iterator[None]:
    """Nested plates, one for each batch dim: `prefix_0` is the rightmost.

    Args:
        prefix: The plates are named `{prefix}_{i}`.
        sizes: Their sizes, from left to right.
        rightmost_dim: The dim of the last.
    """
    if rightmost_dim >= 0:
        raise ArgumentError(
            f"plate_stack '{prefix}': rightmost_dim must be negative, got "
            f"{rightmost_dim}.",
            value=rightmost_dim,
        )
    with ExitStack() as stack:
        for i, size in enumerate(reversed(list(sizes))):
            stack.enter_context(plate(f"{prefix}_{i}", size, dim=rightmost_dim - i))
        yield
