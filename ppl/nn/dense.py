"""Layers that multiply by a matrix, and a network of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ShapeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Key

Nonlinearity = Callable[[Any], Any]


class Fixed:
    """An array that belongs to the structure of a pytree: compared by its entries."""

    def __init__(self, value: Any):
        self.value = np.asarray(value)
        self._hash = hash((self.value.shape, self.value.tobytes()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed) and np.array_equal(self.value, other.value)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Fixed(shape={self.value.shape})"


def product(x: ArrayLike, matrix: Array) -> Array:
    """`x @ matrix` in full precision."""
    return jnp.matmul(x, matrix, precision=jax.lax.Precision.HIGHEST)


def initial(key: Key, shape: tuple[int, ...], fan_in: Any, scale: float = 1.0) -> Array:
    """Normal weights that keep the size of what they multiply."""
    return scale * jax.random.normal(key, shape) / np.sqrt(np.maximum(fan_in, 1))


@pytree
class MaskedDense:
    """`x @ (weight * mask) + bias`.

    Args:
        mask: Which inputs (rows) enter which outputs (columns).
        bias: Whether there is one.
        key: Draws the weights.
    """

    weight: Any
    bias: Any
    mask: Fixed = static()

    def __init__(self, mask: ArrayLike, bias: bool = True, *, key: Key):
        given = np.asarray(mask, bool)
        if given.ndim != 2:
            raise ShapeError(f"a mask must be a matrix, got shape {given.shape}.")
        weight = initial(key, given.shape, given.sum(0))
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", jnp.zeros(given.shape[1]) if bias else None)
        object.__setattr__(self, "mask", Fixed(given))

    def __call__(self, x: ArrayLike) -> Array:
        y = product(x, self.weight * self.mask.value)
        return y if self.bias is None else y + self.bias


@pytree
class Dense:
    """`x @ weight + bias`.

    Args:
        input_dim: The length of `x`.
        output_dim: The length of the result.
        scale: The size of the initial weights.
        key: Draws the weights.
    """

    weight: Any
    bias: Any

    def __init__(
        self, input_dim: int, output_dim: int, *, key: Key, scale: float = 1.0
    ):
        weight = initial(key, (input_dim, output_dim), input_dim, scale)
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", jnp.zeros(output_dim))

    def __call__(self, x: ArrayLike) -> Array:
        return product(x, self.weight) + self.bias


@pytree
class MLP:
    """Dense layers with a nonlinearity between them; the last starts near zero.

    Args:
        input_dim: The length of the argument.
        hidden_dims: The lengths between the layers.
        output_dim: The length of the result.
        nonlinearity: Applied to all but the last layer's result.
        key: Draws the weights.
    """

    layers: tuple[Dense, ...]
    nonlinearity: Nonlinearity = static()

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        output_dim: int,
        nonlinearity: Nonlinearity = jax.nn.relu,
        *,
        key: Key,
    ):
        sizes = (input_dim, *hidden_dims, output_dim)
        keys = jax.random.split(key, len(sizes) - 1)
        layers = tuple(
            Dense(a, b, key=k, scale=0.01 if i == len(keys) - 1 else 1.0)
            for i, (a, b, k) in enumerate(zip(sizes, sizes[1:], keys, strict=False))
        )
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "nonlinearity", nonlinearity)

    def __call__(self, x: ArrayLike) -> Array:
        *inner, last = self.layers
        for layer in inner:
            x = self.nonlinearity(layer(x))
        return last(x)
