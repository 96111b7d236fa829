"""Kernels of distances and products, and random features of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from ppl._counts import as_count
from ppl._errors import ArgumentError
from ppl._typing import Array, Key
from ppl.infer.stein.base import (
    Bound,
    Info,
    Kernel,
    Mode,
    SteinKernel,
    bandwidth,
    check_mode,
)


def by_log(count: int) -> float:
    """One over the logarithm of the number of particles (Liu & Wang 2016)."""
    return 1 / math.log(count)


@dataclass(frozen=True)
class RBFKernel(SteinKernel):
    """The Gaussian kernel, exp(-|x - y|² / h).

    Liu & Wang, "Stein variational gradient descent", NIPS 2016. The bandwidth h is the
    square of the median distance of two particles times `bandwidth_factor`, and no
    longer than for it a constant: the kernel has no derivative by it.

    Attributes:
        mode: "norm"; "vector", for each coordinate by itself, with a bandwidth of its
            own; or "matrix".
        matrix_mode: What is on the diagonal of the matrix: "norm_diag" or
            "vector_diag".
        bandwidth_factor: From the number of particles.
    """

    mode: Mode = "norm"
    matrix_mode: Literal["norm_diag", "vector_diag"] = "norm_diag"
    bandwidth_factor: Callable[[int], float] = by_log

    def __post_init__(self):
        check_mode(self, self.mode, ("norm", "vector", "matrix"))
        check_mode(self, self.matrix_mode, ("norm_diag", "vector_diag"))

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        vector = (self.mode, self.matrix_mode) == ("matrix", "vector_diag")
        vector |= self.mode == "vector"
        wide = jax.vmap(bandwidth, (1, None)) if vector else bandwidth
        width = wide(particles, self.bandwidth_factor)

        def kernel(x: Array, y: Array) -> Array:
            squares = jnp.square(x - y)
            value = jnp.exp(-(squares if vector else squares.sum()) / width)
            if self.mode != "matrix":
                return value
            return jnp.diag(value) if vector else value * jnp.eye(len(x))

        return kernel


@dataclass(frozen=True)
class IMQKernel(SteinKernel):
    """The inverse multiquadric kernel, (c² + |x - y|²)^b, whose tails are heavy.

    Gorham & Mackey, "Measuring sample quality with kernels", ICML 2017.

    Attributes:
        mode: "norm", or "vector" for each coordinate by itself.
        const: c, positive.
        expon: b, between -1 and 0.
    """

    mode: Mode = "norm"
    const: float = 1.0
    expon: float = -0.5

    def __post_init__(self):
        check_mode(self, self.mode, ("norm", "vector"))
        if not 0 < self.const < math.inf:
            raise ArgumentError(
                f"const must be > 0, got {self.const!r}.", value=self.const
            )
        if not -1 < self.expon < 0:
            raise ArgumentError(
                f"expon must be between -1 and 0, got {self.expon!r}.", value=self.expon
            )

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        def kernel(x: Array, y: Array) -> Array:
            squares = jnp.square(x - y)
            squares = squares if self.mode == "vector" else squares.sum()
            return (self.const**2 + squares) ** self.expon

        return kernel


@dataclass(frozen=True)
class LinearKernel(SteinKernel):
    """The linear kernel, x·y + 1.

    Where particles at rest outnumber their coordinates, their mean and covariance are
    exactly those of a normal target (Liu & Wang, "Stein variational gradient descent
    as moment matching", NeurIPS 2018).

    Attributes:
        mode: "norm".
    """

    mode: Mode = "norm"

    def __post_init__(self):
        check_mode(self, self.mode, ("norm",))

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        return lambda x, y: jnp.sum(x * y) + 1


@dataclass(frozen=True)
class RandomFeatureKernel(SteinKernel):
    """Random features of the Gaussian kernel: as many as there are particles.

    The mean of 2 cos(w·x + b) cos(w·y + b), with w normal of variance 2 / h and b
    uniform on the circle (Rahimi & Recht 2007; Liu & Wang 2018). Features are drawn
    anew in every step, so that steps are right on average.

    Attributes:
        mode: "norm".
        bandwidth_subset: How many particles, drawn in every step, the bandwidth is of;
            None for all.
        bandwidth_factor: See `RBFKernel`.
    """

    mode: Mode = "norm"
    bandwidth_subset: int | None = None
    bandwidth_factor: Callable[[int], float] = by_log

    def __post_init__(self):
        check_mode(self, self.mode, ("norm",))
        if self.bandwidth_subset is not None:
            as_count("bandwidth_subset", self.bandwidth_subset, least=2)

    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        turns, shifts, chosen = jax.random.split(rng_key, 3)
        some = particles
        if self.bandwidth_subset is not None:
            count = min(self.bandwidth_subset, len(particles))
            rows = jax.random.permutation(chosen, len(particles))[:count]
            some = particles[rows]
        width = bandwidth(some, self.bandwidth_factor)
        shape, dtype = particles.shape, particles.dtype
        turn = jax.random.normal(turns, shape, dtype) * jnp.sqrt(2 / width)
        shift = jax.random.uniform(shifts, shape[:1], dtype, maxval=2 * math.pi)

        def feature(x: Array) -> Array:
            return jnp.cos(jnp.sum(turn * x, -1) + shift)

        return lambda x, y: 2 * jnp.mean(feature(x) * feature(y))
