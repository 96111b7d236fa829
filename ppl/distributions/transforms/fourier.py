"""Transforms to frequencies: Fourier, cosine, Haar; and between real and complex."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.fft
import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.transforms.base import Transform, as_float, with_event_dims

_ROOT_HALF = math.sqrt(0.5)


@pytree
class ComplexTransform(Transform):
    """From two real numbers, along the last dim, to a complex one."""

    domain = constraints.real_vector
    codomain = constraints.complex

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        self.forward_shape(x.shape)
        return jax.lax.complex(x[..., 0], x[..., 1]), jnp.zeros(x.shape[:-1], x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = jnp.asarray(y)
        x = jnp.stack([y.real, y.imag], -1)
        return x, jnp.zeros(y.shape, x.dtype)

    def forward_shape(self, shape: Shape) -> Shape:
        if not shape or shape[-1] != 2:
            raise ShapeError(
                f"a complex number is made of two along the last dim, not of {shape}.",
                value=shape,
            )
        return shape[:-1]

    def inverse_shape(self, shape: Shape) -> Shape:
        return (*shape, 2)


@pytree
class RealFastFourierTransform(Transform):
    """The discrete Fourier transform of a real array, without what symmetry repeats.

    The log-determinant is that of the map to the coefficients that can be chosen
    freely, real and imaginary parts counted one by one.

    Args:
        transform_shape: The event shape on the real side; the inverse needs it if the
            last length is odd.
        transform_ndims: How many rightmost dims are transformed.
    """

    transform_shape: Shape | None = static(default=None)
    transform_ndims: int = static(default=1)

    def __post_init__(self) -> None:
        shape = self.transform_shape
        shape = (shape,) if isinstance(shape, int) else shape
        shape = shape if shape is None else tuple(shape)
        if shape is not None and len(shape) != self.transform_ndims:
            raise ShapeError(
                f"RealFastFourierTransform: transform_shape {shape} has not "
                f"{self.transform_ndims} dims.",
                value=shape,
            )
        object.__setattr__(self, "transform_shape", shape)

    @property
    def domain(self) -> Constraint:
        return with_event_dims(constraints.real, self.transform_ndims)

    @property
    def codomain(self) -> Constraint:
        return with_event_dims(constraints.complex, self.transform_ndims)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.transform_ndims, 0))

    def _log_det(self, x: Array) -> Array:
        """Of the map from `x`: an isometry, but for the scale of what is paired."""
        cut = x.ndim - self.transform_ndims
        lengths = x.shape[cut:]
        size = math.prod(lengths)
        alone = math.prod(2 - length % 2 for length in lengths)  # real coefficients
        value = 0.5 * (size * math.log(size) - (size - alone) * math.log(2.0))
        return jnp.full(x.shape[:cut], value, x.dtype)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        self.forward_shape(x.shape)
        return jnp.fft.rfftn(x, axes=self._axes), self._log_det(x)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = jnp.asarray(y)
        shape = self.inverse_shape(y.shape)
        x = jnp.fft.irfftn(y, shape[len(shape) - self.transform_ndims :], self._axes)
        return x, -self._log_det(x)

    def forward_shape(self, shape: Shape) -> Shape:
        _expect(self.transform_shape, shape, "RealFastFourierTransform")
        return (*shape[:-1], shape[-1] // 2 + 1)

    def inverse_shape(self, shape: Shape) -> Shape:
        if self.transform_shape is None:
            return (*shape[:-1], 2 * (shape[-1] - 1))
        made = (*shape[: len(shape) - self.transform_ndims], *self.transform_shape)
        if (*made[:-1], made[-1] // 2 + 1) != shape:
            raise ShapeError(
                f"RealFastFourierTransform: {self.transform_shape} real numbers have "
                f"not the coefficients of shape {shape}.",
                value=shape,
            )
        return made


@pytree
class PackRealFastFourierCoefficientsTransform(Transform):
    """From `n` real numbers to the free Fourier coefficients of a real vector.

    First come the real parts of the `n // 2 + 1` coefficients, then the imaginary parts
    of those that have one.

    Args:
        transform_shape: `(n,)`, which the inverse needs.
    """

    transform_shape: Shape | None = static(default=None)
    domain = constraints.real_vector
    codomain = constraints.independent(constraints.complex, 1)

    def __post_init__(self) -> None:
        shape = self.transform_shape
        if shape is not None and len(tuple(shape)) != 1:
            raise ShapeError(
                f"PackRealFastFourierCoefficientsTransform packs vectors, not {shape}.",
                value=shape,
            )
        object.__setattr__(self, "transform_shape", shape and tuple(shape))

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        self.forward_shape(x.shape)
        reals = x.shape[-1] // 2 + 1
        lone = jnp.zeros_like(x[..., :1])
        imaginary = [lone, x[..., reals:], lone][: 3 - x.shape[-1] % 2]
        y = jax.lax.complex(x[..., :reals], jnp.concatenate(imaginary, -1))
        return y, jnp.zeros(x.shape[:-1], x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = jnp.asarray(y)
        size = self.inverse_shape(y.shape)[-1]
        imaginary = y.imag[..., 1 : size - size // 2]
        x = jnp.concatenate([y.real, imaginary], -1)
        return x, jnp.zeros(x.shape[:-1], x.dtype)

    def forward_shape(self, shape: Shape) -> Shape:
        _expect(self.transform_shape, shape, "PackRealFastFourierCoefficientsTransform")
        return (*shape[:-1], shape[-1] // 2 + 1)

    def inverse_shape(self, shape: Shape) -> Shape:
        if self.transform_shape is None:
            raise ShapeError(
                "PackRealFastFourierCoefficientsTransform: the inverse needs the "
                "length of the vector.",
                hint="Give transform_shape=(n,).",
            )
        (size,) = self.transform_shape
        if shape[-1] != size // 2 + 1:
            raise ShapeError(
                f"{size} real numbers have {size // 2 + 1} coefficients, not "
                f"{shape[-1]}.",
                value=shape,
            )
        return (*shape[:-1], size)


def _expect(wanted: Shape | None, shape: Shape, what: str) -> None:
    if wanted is not None and shape[len(shape) - len(wanted) :] != wanted:
        raise ShapeError(
            f"{what}: shape {shape} does not end in {wanted}.", value=shape
        )


@pytree
class DiscreteCosineTransform(Transform):
    """The orthonormal discrete cosine transform (type II) along one dim.

    Args:
        dim: The dim, counted from the right; all from it on are event dims.
        smooth: The power of the frequency by which coefficients are multiplied,
            relative to its geometric mean: 1 turns Brownian noise into white noise.
    """

    dim: int = static(default=-1)
    smooth: float = static(default=0.0)

    def __post_init__(self) -> None:
        _check_dim("DiscreteCosineTransform", self.dim)
        object.__setattr__(self, "smooth", float(self.smooth))

    @property
    def domain(self) -> Constraint:
        return with_event_dims(constraints.real, -self.dim)

    @property
    def codomain(self) -> Constraint:
        return with_event_dims(constraints.real, -self.dim)

    def _weights(self, x: Array) -> Array:
        size = x.shape[self.dim]
        logs = self.smooth * np.log(np.arange(size) + 0.5)
        weights = np.exp(logs - logs.mean()).astype(x.dtype)
        return weights.reshape(size, *(1,) * (-1 - self.dim))

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        y = jax.scipy.fft.dct(x, norm="ortho", axis=self.dim)
        return self._weights(x) * y, jnp.zeros(x.shape[: self.dim], x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        x = jax.scipy.fft.idct(y / self._weights(y), norm="ortho", axis=self.dim)
        return x, jnp.zeros(y.shape[: self.dim], y.dtype)


@pytree
class HaarTransform(Transform):
    """The orthonormal Haar wavelet transform along one dim, of any length.

    First comes the coarsest average, then differences from coarse to fine, each level
    followed by the element that had no partner in it, if there is one.

    Args:
        dim: The dim, counted from the right; all from it on are event dims.
        flip: Whether to reverse the dim first.
    """

    dim: int = static(default=-1)
    flip: bool = static(default=False)

    def __post_init__(self) -> None:
        _check_dim("HaarTransform", self.dim)

    @property
    def domain(self) -> Constraint:
        return with_event_dims(constraints.real, -self.dim)

    @property
    def codomain(self) -> Constraint:
        return with_event_dims(constraints.real, -self.dim)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        low = jnp.moveaxis(x, self.dim, -1)
        low = jnp.flip(low, -1) if self.flip else low
        parts: list[Array] = []
        while low.shape[-1] > 1:
            half = low.shape[-1] // 2
            even, odd = low[..., 0 : 2 * half : 2], low[..., 1 : 2 * half : 2]
            parts = [_ROOT_HALF * (even - odd), low[..., 2 * half :], *parts]
            low = _ROOT_HALF * (even + odd)
        y = jnp.moveaxis(jnp.concatenate([low, *parts], -1), -1, self.dim)
        return y, jnp.zeros(x.shape[: self.dim], x.dtype)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        rest = jnp.moveaxis(y, self.dim, -1)
        sizes, size = list[int](), rest.shape[-1]
        while size > 1:
            sizes.append(size)
            size //= 2
        low, rest = rest[..., :1], rest[..., 1:]
        for size in reversed(sizes):
            half = size // 2
            high, alone = rest[..., :half], rest[..., half : size - half]
            pairs = _ROOT_HALF * jnp.stack([low + high, low - high], -1)
            pairs = pairs.reshape(*pairs.shape[:-2], 2 * half)
            low, rest = jnp.concatenate([pairs, alone], -1), rest[..., size - half :]
        low = jnp.flip(low, -1) if self.flip else low
        x = jnp.moveaxis(low, -1, self.dim)
        return x, jnp.zeros(y.shape[: self.dim], y.dtype)


def _check_dim(what: str, dim: int) -> None:
    if not isinstance(dim, int) or dim >= 0:
        raise ArgumentError(
            f"{what}: dim must be a negative integer, got {dim!r}.",
            value=dim,
            hint="Count from the right: -1 is the last one.",
        )
