"""Transforms of arrays part by part, and of vectors to trees of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any, NoReturn

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.constraints.vectors import axis_of, joined, parts_of, split
from ppl.distributions.transforms.base import Transform, as_float, sum_rightmost


@pytree
class CatTransform(Transform):
    """Transforms of consecutive parts of an array along a dim.

    Args:
        tseq: The transforms of the parts.
        dim: The dim along which they follow each other; a negative one does not depend
            on how many batch dims there are.
        lengths: The length of each part's argument along `dim`, 1 each if None. The
            length of its result may differ.
    """

    transforms: tuple[Transform, ...]
    dim: int = static(default=0)
    lengths: tuple[int, ...] = static(default=())

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
    ):
        made = parts_of("CatTransform", tseq, dim, lengths)
        for name, value in zip(("transforms", "dim", "lengths"), made, strict=True):
            object.__setattr__(self, name, value)
        for part in self.transforms:
            if not isinstance(part, Transform):
                raise ArgumentError(
                    f"CatTransform: {part!r} is not a transform.", value=part
                )

    @property
    def domain(self) -> Constraint:
        parts = [part.domain for part in self.transforms]
        return constraints.cat(parts, self.dim, self.lengths)

    @property
    def codomain(self) -> Constraint:
        parts = [part.codomain for part in self.transforms]
        return constraints.cat(parts, self.dim, self._lengths_after(None))

    def _lengths_after(self, shape: Shape | None) -> tuple[int, ...]:
        """The lengths of the results; `shape` is that of the array, if it is known."""
        made = []
        for part, length in zip(self.transforms, self.lengths, strict=True):
            if shape is None and part.domain.event_dim == part.codomain.event_dim == 0:
                made.append(length)
                continue
            axis = -1 if shape is None else self.dim % len(shape) - len(shape)
            full = (1,) * -axis if shape is None else shape
            cut = len(full) + axis
            made.append(
                part.forward_shape((*full[:cut], length, *full[cut + 1 :]))[axis]
            )
        return tuple(made)

    def _mapped(
        self, value: Array, lengths: Sequence[int], *, back: bool
    ) -> tuple[Array, Array]:
        whole = self.codomain if back else self.domain
        pieces = split(value, self.dim, lengths)
        results, log_dets = [], []
        for part, piece in zip(self.transforms, pieces, strict=True):
            own = part.codomain if back else part.domain
            apply = part.inverse_and_log_det if back else part.forward_and_log_det
            result, log_det = apply(piece)
            results.append(result)
            log_dets.append(sum_rightmost(log_det, whole.event_dim - own.event_dim))
        axis = axis_of(value, self.dim)
        log_det = joined(
            log_dets, axis + whole.event_dim, lambda parts: reduce(add, parts)
        )
        return jnp.concatenate(results, axis), log_det

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        return self._mapped(as_float(x), self.lengths, back=False)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        return self._mapped(y, self._lengths_after(y.shape), back=True)

    def forward_shape(self, shape: Shape) -> Shape:
        return self._resized(shape, self._lengths_after(shape))

    def inverse_shape(self, shape: Shape) -> Shape:
        return self._resized(shape, self.lengths)

    def _resized(self, shape: Shape, lengths: Sequence[int]) -> Shape:
        cut = self.dim % len(shape)
        return (*shape[:cut], sum(lengths), *shape[cut + 1 :])


@pytree
class UnpackTransform(Transform):
    """From a vector to a tree of arrays that hold the same numbers.

    Args:
        unpack_fn: Takes a vector and returns the tree.
        pack_fn: Takes one tree (no batch of them) and returns the vector; without it
            there is no inverse.
    """

    unpack_fn: Callable[[Any], Any] = static()
    pack_fn: Callable[[Any], Any] | None = static(default=None)
    domain = constraints.real_vector
    codomain = constraints.dependent

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Any, Array]:
        x = as_float(x)
        unpack = self.unpack_fn
        for _ in x.shape[:-1]:
            unpack = jax.vmap(unpack)
        return unpack(x), jnp.zeros(x.shape[:-1], x.dtype)

    def inverse_and_log_det(self, y: Any) -> tuple[Array, Array]:
        if self.pack_fn is None:
            raise ArgumentError(
                "UnpackTransform has no inverse without a function that packs.",
                hint="Give pack_fn=, which takes the tree and returns the vector.",
            )
        x = self.pack_fn(y)
        return x, jnp.zeros((), x.dtype)

    def forward_shape(self, shape: Shape) -> NoReturn:
        raise TypeError("UnpackTransform gives a tree, which has no single shape")

    def inverse_shape(self, shape: Shape) -> NoReturn:
        raise TypeError("UnpackTransform takes a tree, which has no single shape")

    def image(self, support: Constraint) -> Constraint:
        return constraints.dependent
