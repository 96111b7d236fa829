"""Constraints on vectors that no bound on the elements expresses, and on parts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import pytree, static
from ppl._typing import ArrayLike
from ppl.distributions.constraints.base import (
    Constraint,
    all_over,
    filled,
    namespace,
    shape_of,
    shown,
    tolerance,
)

_quiet = np.errstate(over="ignore", invalid="ignore")  # infinite entries are no members


def _with_dims(value: Any, dims: int, what: str) -> tuple[Any, Any]:
    xp = namespace(value)
    value = xp.asarray(value)
    if value.ndim < dims:
        raise ShapeError(
            f"a {what} needs at least {dims} dims, got shape {value.shape}.",
            value=value.shape,
        )
    return xp, value


@pytree
class L1Ball(Constraint):
    """Vectors whose absolute values sum to at most one."""

    event_dim = 1
    rule = "must have absolute values that sum to at most 1"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        _, value = _with_dims(value, 1, "vector of the l1 ball")
        return abs(value).sum(-1) <= 1 + tolerance(value)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0.0)


@pytree
class ZeroSum(Constraint):
    """Finite arrays that sum to zero along each of their last `event_dim` dims."""

    event_dim: int = static(default=1)

    @property
    def rule(self) -> str:
        dims = "dim" if self.event_dim == 1 else f"{self.event_dim} dims"
        return f"must sum to 0 along the last {dims}"

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _with_dims(value, self.event_dim, "zero-sum array")
        axes = tuple(range(-self.event_dim, 0))
        slack = tolerance(value) * xp.maximum(abs(value).max(axes, initial=0.0), 1.0)
        ok = xp.isfinite(value).all(axes)
        for axis in axes:
            ok = ok & (abs(value.sum(axis, keepdims=True)).max(axes) <= slack)
        return ok

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 0.0)


@pytree
class Multinomial(Constraint):
    """Vectors of nonnegative whole numbers, of whatever dtype, that sum to a bound."""

    upper_bound: ArrayLike
    event_dim = 1
    is_discrete = True

    @property
    def rule(self) -> str:
        return f"must be nonnegative integers that sum to {shown(self.upper_bound)}"

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _with_dims(value, 1, "vector of counts")
        counts = value == (value if value.dtype.kind in "biu" else xp.floor(value))
        return (counts & (value >= 0)).all(-1) & (value.sum(-1) == self.upper_bound)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        first = np.arange(shape_of(prototype)[-1]) == 0
        bound = namespace(self.upper_bound).asarray(self.upper_bound)
        return filled(prototype, first * bound[..., None], discrete=True)


@pytree
class PositiveDefiniteCirculantVector(Constraint):
    """First rows of circulant covariance matrices: symmetric, of positive spectrum.

    The eigenvalues of the matrix are the Fourier coefficients of its first row.
    """

    event_dim = 1
    rule = (  # type: ignore[assignment]
        "must be the first row of a positive definite circulant matrix"
    )

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _with_dims(value, 1, "row of a circulant matrix")
        finite = xp.isfinite(value).all(-1)
        spectrum = xp.fft.rfft(xp.where(finite[..., None], value, 0.0))
        slack = tolerance(value) * abs(spectrum).max(-1, keepdims=True)
        real = (abs(spectrum.imag) <= slack) & (spectrum.real >= -slack)
        return finite & real.all(-1) & (value[..., 0] > 0)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 1.0 * (np.arange(shape_of(prototype)[-1]) == 0))


@pytree
class Cat(Constraint):
    """Arrays made of parts, one after the other along a dim, each in its own set.

    Args:
        cseq: The sets of the parts.
        dim: The dim along which they follow each other; a negative one does not depend
            on how many batch dims there are.
        lengths: The length of each part along `dim`, 1 each if None.
    """

    cseq: tuple[Constraint, ...]
    dim: int = static(default=0)
    lengths: tuple[int, ...] = static(default=())

    def __init__(
        self,
        cseq: Sequence[Constraint],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
    ):
        for name, value in zip(
            ("cseq", "dim", "lengths"), parts_of("cat", cseq, dim, lengths), strict=True
        ):
            object.__setattr__(self, name, value)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return max(part.event_dim for part in self.cseq)

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return any(part.is_discrete for part in self.cseq)

    @property
    def rule(self) -> str:
        parts = zip(self.lengths, self.cseq, strict=True)
        each = (f"{length} of which each {part.rule}" for length, part in parts)
        return f"along dim {self.dim} must have {', then '.join(each)}"

    def __call__(self, value: ArrayLike) -> Any:
        value = namespace(value).asarray(value)
        pieces = split(value, self.dim, self.lengths)
        verdicts = [
            all_over(part(piece), self.event_dim - part.event_dim, self)
            for part, piece in zip(self.cseq, pieces, strict=True)
        ]
        return joined(verdicts, axis_of(value, self.dim) + self.event_dim, all_of)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        prototype = namespace(prototype).asarray(prototype)
        pieces = split(prototype, self.dim, self.lengths)
        made = [
            part.feasible_like(piece)
            for part, piece in zip(self.cseq, pieces, strict=True)
        ]
        return jnp.concatenate(made, self.dim)


# --- parts along a dim ----------------------------------------------------------------


def parts_of(
    what: str, parts: Sequence[Any], dim: int, lengths: Sequence[int] | None
) -> tuple[tuple[Any, ...], int, tuple[int, ...]]:
    """The arguments of a concatenation, checked."""
    parts = tuple(parts)
    lengths = (1,) * len(parts) if lengths is None else tuple(lengths)
    if not parts or len(lengths) != len(parts):
        raise ArgumentError(
            f"{what} needs one length for each of its parts, of which there must be "
            f"some; got {len(parts)} parts and lengths {lengths}.",
            value=lengths,
        )
    if not isinstance(dim, int) or not all(
        isinstance(length, int) and length >= 0 for length in lengths
    ):
        raise ArgumentError(
            f"{what}: dim and lengths must be whole numbers, lengths nonnegative; got "
            f"dim {dim!r} and lengths {lengths}.",
            value=lengths,
        )
    return parts, dim, lengths


def axis_of(value: Any, dim: int) -> int:
    """`dim` of an array, counted from the right."""
    ndim = len(shape_of(value))
    if not -ndim <= dim < ndim:
        raise ShapeError(f"there is no dim {dim} in shape {shape_of(value)}.")
    return dim - ndim if dim >= 0 else dim


def split(value: Any, dim: int, lengths: Sequence[int]) -> list[Any]:
    """The parts of an array along a dim."""
    axis, total = axis_of(value, dim), sum(lengths)
    if value.shape[axis] != total:
        raise ShapeError(
            f"parts of lengths {tuple(lengths)} need {total} along dim {dim}, but the "
            f"shape is {value.shape}.",
            value=value.shape,
        )
    ends = list(itertools.accumulate(lengths))
    after = (slice(None),) * (-1 - axis)
    return [
        value[(..., slice(end - length, end), *after)]
        for end, length in zip(ends, lengths, strict=True)
    ]


def all_of(verdicts: Sequence[Any]) -> Any:
    """Where all of the verdicts hold."""
    ok = verdicts[0]
    for verdict in verdicts[1:]:
        ok = ok & verdict
    return ok


def joined(results: Sequence[Any], axis: int, together: Any) -> Any:
    """Results of parts: side by side along a batch dim, `together` over event dims."""
    if axis >= 0:
        return together(results)
    return namespace(*results).concatenate(results, axis)
