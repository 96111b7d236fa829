"""A network whose outputs for a component see only the components before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Key
from ppl.nn.dense import MaskedDense, Nonlinearity


@pytree
class AutoregressiveNN:
    """A masked autoencoder (M. Germain et al., 2015, "MADE").

    Called with `x` of shape `(..., input_dim)`, it returns one array for each of
    `param_dims`: of the shape of `x`, or with a leading dim of that length if any of
    them is not 1. A single one is not put into a tuple.

    Args:
        input_dim: The number of components.
        hidden_dims: The lengths between the layers, each at least `input_dim`.
        param_dims: How many numbers each parameter has for a component.
        permutation: The order in which components follow each other.
        skip_connections: Whether inputs also enter the outputs directly.
        nonlinearity: Applied between the layers.
        key: Draws the weights.
    """

    layers: tuple[MaskedDense, ...]
    skip: MaskedDense | None
    param_dims: tuple[int, ...] = static()
    nonlinearity: Nonlinearity = static()

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        param_dims: Sequence[int] = (1, 1),
        permutation: Any = None,
        skip_connections: bool = False,
        nonlinearity: Nonlinearity = jax.nn.relu,
        *,
        key: Key,
    ):
        for size in hidden_dims:
            if size < input_dim:
                raise ArgumentError(
                    f"AutoregressiveNN: {size} hidden units cannot tell {input_dim} "
                    "components apart.",
                    value=size,
                    hint="Each of hidden_dims must be at least input_dim.",
                )
        order = np.arange(input_dim) if permutation is None else np.asarray(permutation)
        if sorted(order.tolist()) != list(range(input_dim)):
            raise ArgumentError(
                f"AutoregressiveNN: {order.tolist()} is no order of {input_dim} "
                "components.",
                value=permutation,
            )
        # A unit of degree d sees the d first components, an output those before it.
        place = np.argsort(order) + 1
        most = max(input_dim - 1, 1)
        hidden = [1 + np.arange(size) * most // size for size in hidden_dims]
        output = np.tile(place, sum(param_dims))
        degrees = [place, *hidden]
        masks = [b >= a[:, None] for a, b in zip(degrees, hidden, strict=False)]
        masks.append(output > degrees[-1][:, None])
        *keys, key_skip = jax.random.split(key, len(masks) + 1)
        layers = tuple(MaskedDense(m, key=k) for m, k in zip(masks, keys, strict=True))
        skip = None
        if skip_connections:
            skip = MaskedDense(output > place[:, None], bias=False, key=key_skip)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "skip", skip)
        object.__setattr__(self, "param_dims", tuple(param_dims))
        object.__setattr__(self, "nonlinearity", nonlinearity)

    def __call__(self, x: ArrayLike) -> Any:
        x = jnp.asarray(x)
        *inner, last = self.layers
        hidden: Array = x
        for layer in inner:
            hidden = self.nonlinearity(layer(hidden))
        out = last(hidden)
        if self.skip is not None:
            out = out + self.skip(x)
        out = out.reshape(*x.shape[:-1], sum(self.param_dims), x.shape[-1])
        out = jnp.moveaxis(out, -2, 0)
        if all(size == 1 for size in self.param_dims):
            made = tuple(out)
        else:
            made = tuple(jnp.split(out, np.cumsum(self.param_dims)[:-1]))
        return made[0] if len(made) == 1 else made
