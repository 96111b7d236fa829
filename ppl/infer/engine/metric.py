"""Metrics: linear maps that make the target look isotropic to the integrator.

With the inverse mass matrix written M^-1 = L L^T, the momentum that the kernels carry
is the whitened one, L^T p, which is standard normal under every metric. So a kernel
needs two maps only: `push`, L v, turns a whitened momentum into a velocity, and `pull`,
L^T g, turns a gradient into a force on whitened momenta. Dot products are plain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import pytree, static
from ppl._typing import Array


class AbstractMetric(ABC):
    """A symmetric positive definite inverse mass matrix, as a factor."""

    @abstractmethod
    def push(self, momentum: Array) -> Array:
        """L v for whitened momenta, (dim, chains)."""

    @abstractmethod
    def pull(self, gradient: Array) -> Array:
        """L^T g for gradients, (dim, chains)."""

    @property
    @abstractmethod
    def inverse_mass_matrix(self) -> Array:
        """M^-1: (dim,) for a diagonal metric, else (dim, dim)."""


@pytree
class Diagonal(AbstractMetric):
    """A diagonal metric; `scale` is the square root of the inverse mass, (dim,)."""

    scale: Array

    def push(self, momentum: Array) -> Array:
        return self.scale[:, None] * momentum

    def pull(self, gradient: Array) -> Array:
        return self.scale[:, None] * gradient

    @property
    def inverse_mass_matrix(self) -> Array:
        return self.scale**2


@pytree
class Dense(AbstractMetric):
    """A dense metric; `factor` is any L with M^-1 = L L^T, (dim, dim).

    `transposed` is kept beside it: on CPUs a product with a transposed matrix takes
    longer than one with a matrix.
    """

    factor: Array
    transposed: Array

    def __init__(self, factor: Array):
        object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "transposed", factor.T.copy())

    def push(self, momentum: Array) -> Array:
        return jnp.matmul(self.factor, momentum, precision="highest")

    def pull(self, gradient: Array) -> Array:
        return jnp.matmul(self.transposed, gradient, precision="highest")

    @property
    def inverse_mass_matrix(self) -> Array:
        return jnp.matmul(self.factor, self.transposed, precision="highest")


@pytree
class LowRank(AbstractMetric):
    """A diagonal metric stretched along a few directions.

    L = D (I + U diag(s) U^T) with D = diag(`scale`), (dim,), orthonormal columns of U,
    `vectors`, (dim, rank), and s, `stretch`, (rank,), which is 0 for no stretch.
    `transposed` is kept as in `Dense`.
    """

    scale: Array
    vectors: Array
    stretch: Array
    transposed: Array

    def __init__(self, scale: Array, vectors: Array, stretch: Array):
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "stretch", stretch)
        object.__setattr__(self, "transposed", vectors.T.copy())

    def _stretched(self, v: Array) -> Array:
        along = jnp.matmul(self.transposed, v, precision="highest")
        longer = self.stretch[:, None] * along
        return v + jnp.matmul(self.vectors, longer, precision="highest")

    def push(self, momentum: Array) -> Array:
        return self.scale[:, None] * self._stretched(momentum)

    def pull(self, gradient: Array) -> Array:
        return self._stretched(self.scale[:, None] * gradient)

    @property
    def inverse_mass_matrix(self) -> Array:
        factor = self.push(jnp.eye(len(self.scale)))
        return jnp.matmul(factor, factor.T, precision="highest")


@pytree
class Blocks(AbstractMetric):
    """A diagonal metric with dense blocks.

    Attributes:
        scale: The square root of the inverse mass, (dim,), where there is no block.
        factors: For each block any L with M^-1 = L L^T, (size, size).
        places: For each block the indices of its coordinates.
    """

    scale: Array
    factors: tuple[Array, ...]
    places: tuple[tuple[int, ...], ...] = static()

    def _blockwise(self, v: Array, factors: Iterable[Array]) -> Array:
        out = self.scale[:, None] * v
        for factor, places in zip(factors, self.places, strict=True):
            at = np.array(places)
            out = out.at[at].set(jnp.matmul(factor, v[at], precision="highest"))
        return out

    def push(self, momentum: Array) -> Array:
        return self._blockwise(momentum, self.factors)

    def pull(self, gradient: Array) -> Array:
        return self._blockwise(gradient, [f.T for f in self.factors])

    @property
    def inverse_mass_matrix(self) -> Array:
        factor = self.push(jnp.eye(len(self.scale)))
        return jnp.matmul(factor, factor.T, precision="highest")


def metric_from(inverse_mass_matrix: np.ndarray, dtype: np.dtype) -> AbstractMetric:
    """A metric from variances or a covariance matrix, factorised in float64.

    Raises:
        ArgumentError: It is not positive (definite) or has the wrong number of dims.
    """
    given = np.asarray(inverse_mass_matrix, np.float64)
    if given.ndim == 1:
        if not (np.isfinite(given) & (given > 0)).all():
            raise ArgumentError("inverse_mass_matrix must be > 0.", value=given)
        return Diagonal(np.sqrt(given).astype(dtype))
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise ArgumentError(
            f"inverse_mass_matrix must be a vector or a square matrix, got shape "
            f"{given.shape}.",
            value=given,
        )
    return Dense(cholesky(given).astype(dtype))


def cholesky(inverse_mass_matrix: np.ndarray) -> np.ndarray:
    """The lower triangular factor, in float64.

    Raises:
        ArgumentError: The matrix is not positive definite.
    """
    try:
        return np.linalg.cholesky(np.asarray(inverse_mass_matrix, np.float64))
    except np.linalg.LinAlgError:
        raise ArgumentError(
            "inverse_mass_matrix is not positive definite.", value=inverse_mass_matrix
        ) from None
