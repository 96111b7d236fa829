"""A monotone autoregressive network, which is a bijection and knows its determinant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from ppl._errors import ArgumentError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Key
from ppl.nn.dense import initial

Activation = Callable[[Any], tuple[Array, Array]]


def leaky_tanh(x: Array, min_grad: float = 0.01) -> tuple[Array, Array]:
    """`tanh(x) + min_grad x`, which reaches all real numbers, and its log slope."""
    away = jnp.abs(x)
    log_slope = 2.0 * (math.log(2.0) - away - jnp.log1p(jnp.exp(-2.0 * away)))
    return jnp.tanh(x) + min_grad * x, jnp.logaddexp(log_slope, math.log(min_grad))


@pytree
class BlockMaskedDense:
    """A linear layer between vectors of blocks, one block for each component.

    A block of the result depends on the blocks up to its own, on its own with positive
    weights. The columns have a norm of their own (T. Salimans and D. Kingma, 2016,
    "Weight normalization").

    Args:
        num_blocks: The number of components.
        in_factor: The length of a block of the argument.
        out_factor: The length of a block of the result.
        bias: Whether there is one.
        key: Draws the weights.
    """

    weight: Any  # from (block, unit) to (block, unit); its own block as a logarithm
    log_scale: Any
    bias: Any

    def __init__(
        self,
        num_blocks: int,
        in_factor: int,
        out_factor: int,
        bias: bool = True,
        *,
        key: Key,
    ):
        key_weight, key_bias = jax.random.split(key)
        shape = num_blocks, in_factor, num_blocks, out_factor
        fan_in = in_factor * (1 + np.arange(num_blocks))[:, None]
        offset = jax.random.normal(key_bias, shape[2:]) if bias else None
        object.__setattr__(self, "weight", initial(key_weight, shape, fan_in))
        object.__setattr__(self, "log_scale", jnp.zeros(shape[2:]))
        object.__setattr__(self, "bias", offset)

    def __call__(self, x: Array, log_slope: Array | None) -> tuple[Array, Array]:
        """The next blocks, and the log slopes of their units in their component."""
        index = np.arange(self.weight.shape[0])
        own = (index[:, None] == index)[:, None, :, None]
        before = (index[:, None] < index)[:, None, :, None]
        positive = jnp.exp(jnp.where(own, self.weight, 0.0))
        weight = jnp.where(own, positive, jnp.where(before, self.weight, 0.0))
        log_norm = 0.5 * jnp.log(jnp.square(weight).sum((0, 1)))
        log_gain = self.log_scale - log_norm
        highest = jax.lax.Precision.HIGHEST
        y = jnp.einsum("...ia,iajb->...jb", x, weight, precision=highest)
        y = y * jnp.exp(log_gain)
        y = y if self.bias is None else y + self.bias
        logs = self.weight[index, :, index, :] + log_gain[:, None, :]
        if log_slope is None:
            return y, jnp.broadcast_to(logs[:, 0], y.shape)
        return y, logsumexp(log_slope[..., None] + logs, -2)


@pytree
class BlockNeuralAutoregressiveNN:
    """A network of such layers (N. De Cao, I. Titov and W. Aziz, 2019).

    Called with `x` of shape `(..., input_dim)`, it returns the result and the logs of
    the diagonal of its triangular Jacobian, both of that shape.

    Args:
        input_dim: The number of components.
        hidden_factors: The units of each component between the layers.
        residual: None, "normal" (the argument is added) or "gated" (mixed in).
        activation: Takes an array and returns an increasing function of it and the
            logarithm of its slope.
        key: Draws the weights.
    """

    layers: tuple[BlockMaskedDense, ...]
    gate: Any
    residual: str | None = static()
    activation: Activation = static()

    def __init__(
        self,
        input_dim: int,
        hidden_factors: Sequence[int] = (8, 8),
        residual: str | None = None,
        activation: Activation = leaky_tanh,
        *,
        key: Key,
    ):
        if residual not in (None, "normal", "gated"):
            raise ArgumentError(
                f"residual must be None, 'normal' or 'gated', got {residual!r}.",
                value=residual,
            )
        factors = (1, *hidden_factors, 1)
        keys = jax.random.split(key, len(factors) - 1)
        layers = tuple(
            BlockMaskedDense(input_dim, a, b, key=k)
            for a, b, k in zip(factors, factors[1:], keys, strict=False)
        )
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "gate", jnp.zeros(()) if residual == "gated" else None)
        object.__setattr__(self, "residual", residual)
        object.__setattr__(self, "activation", activation)

    def __call__(self, x: ArrayLike) -> tuple[Array, Array]:
        x = jnp.asarray(x)
        *inner, last = self.layers
        y, log_slope = x[..., None], None
        for layer in inner:
            y, log_slope = layer(y, log_slope)
            y, own = self.activation(y)
            log_slope = log_slope + own
        y, log_slope = last(y, log_slope)
        y, log_slope = y[..., 0], log_slope[..., 0]
        if self.residual == "normal":
            return x + y, jnp.logaddexp(log_slope, 0.0)
        if self.residual == "gated":
            share = jax.nn.sigmoid(self.gate)
            mixed = jnp.logaddexp(log_slope + self.gate, 0.0)
            log_slope = mixed - jax.nn.softplus(self.gate)
            return share * y + (1.0 - share) * x, log_slope
        return y, log_slope
