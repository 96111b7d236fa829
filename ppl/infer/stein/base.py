"""What a kernel of Stein's method is, and where it moves the particles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._typing import Array, Key

Mode = Literal["norm", "vector", "matrix"]
Kernel = Callable[[Array, Array], Array]
Info = Mapping[str, tuple[int, int]]
Bound = Callable[[Key, Array, Array], Array]


class SteinKernel(ABC):
    """A kernel between particles. Equal ones share compiled programs.

    Attributes:
        mode: What it gives for two particles, (dim,). "norm": one number; "vector": one
            for each coordinate, (dim,), each of that coordinate alone; "matrix":
            (dim, dim).
    """

    mode: Mode

    @abstractmethod
    def compute(
        self, rng_key: Key, particles: Array, particle_info: Info, loss_fn: Bound
    ) -> Kernel:
        """The kernel, for particles where they are now.

        Args:
            rng_key: A JAX key.
            particles: Unconstrained, (particles, dim).
            particle_info: The first coordinate of each param, and one after its last.
            loss_fn: From a key, a particle and its number to what it climbs.
        """


@dataclass(frozen=True)
class Blocks:
    """A kernel of blocks of coordinates, each of which moves by a kernel of its own.

    Attributes:
        parts: For each its kernel, the mode of that, first coordinate, and one after
            its last.
    """

    parts: tuple[tuple[Kernel, Mode, int, int], ...]

    def __call__(self, x: Array, y: Array) -> Array:
        """The whole matrix, (dim, dim)."""
        blocks = []
        for kernel, mode, start, end in self.parts:
            value = kernel(x[start:end], y[start:end])
            if mode == "norm":
                value = value * jnp.eye(end - start)
            blocks.append(jnp.diag(value) if mode == "vector" else value)
        return jax.scipy.linalg.block_diag(*blocks)


def push(kernel: Kernel, mode: Mode, x: Array, y: Array, score: Array) -> Array:
    """What the particle `x` adds to the attraction of the one at `y`, (dim,)."""
    if isinstance(kernel, Blocks):
        parts = [
            push(inner, own, x[i:j], y[i:j], score[i:j])
            for inner, own, i, j in kernel.parts
        ]
        return jnp.concatenate(parts)
    value = kernel(x, y)
    return value @ score if mode == "matrix" else value * score


def repulsion(kernel: Kernel, mode: Mode, x: Array, y: Array) -> Array:
    """The divergence of the kernel by its first argument, (dim,)."""
    if isinstance(kernel, Blocks):
        parts = [
            repulsion(inner, own, x[i:j], y[i:j]) for inner, own, i, j in kernel.parts
        ]
        return jnp.concatenate(parts)
    if mode == "matrix":
        return jnp.einsum("abb->a", jax.jacfwd(kernel)(x, y))
    return jax.grad(lambda x: jnp.sum(kernel(x, y)))(x)


def direction(
    kernel: Kernel, mode: Mode, particles: Array, scores: Array, heat: float = 1.0
) -> Array:
    """Where each particle goes: the mean over all of attraction and repulsion.

    That is, over particles x_j, of K(x_j, x_i) s_j + div_j K(x_j, x_i), of all
    directions in the unit ball of the kernel's space the one in which the divergence
    from the target falls fastest (Liu & Wang 2016).

    Args:
        kernel: Between two particles.
        mode: See `SteinKernel.mode`.
        particles: (particles, dim).
        scores: Gradients of what they climb, (particles, dim).
        heat: Factor of the repulsion.

    Returns:
        (particles, dim).
    """

    def moved(y: Array) -> Array:
        pulled = jax.vmap(lambda x, s: push(kernel, mode, x, y, s))(particles, scores)
        apart = jax.vmap(lambda x: repulsion(kernel, mode, x, y))(particles)
        return jnp.mean(pulled + heat * apart, 0)

    return jax.vmap(moved)(particles)


def bandwidth(particles: Array, factor: Callable[[int], float]) -> Array:
    """The median heuristic: squared median distance times a factor; 1 for one particle.

    Of an even number of distances it is the lower one in the middle. Where more than
    half of them are zero, it is the mean square.

    Args:
        particles: (particles, dim), or (particles,) for one coordinate.
        factor: From the number of particles, such as 1 / log(n).
    """
    count = len(particles)
    if count == 1:
        return jnp.ones((), particles.dtype)
    one, other = jnp.triu_indices(count, 1)
    squares = jnp.square(particles[one] - particles[other])
    squares = squares.reshape(len(squares), -1).sum(1)
    middle = _ranked(squares, (len(squares) - 1) // 2)
    middle = jnp.where(middle > 0, middle, jnp.mean(squares))
    return jnp.where(middle > 0, middle, 1.0) * factor(count)


def _ranked(values: Array, rank: int) -> Array:
    """The value of this rank, from 0, of some that are not negative, (n,).

    Their bits are integers in the same order, so halving the integers finds it, in a
    tenth of the time of sorting.
    """
    whole = jnp.int64 if values.dtype == jnp.float64 else jnp.int32
    bits = jax.lax.bitcast_convert_type(values, whole)

    def halved(_: Any, span: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = span
        middle = low + (high - low) // 2
        enough = jnp.sum(bits <= middle) > rank
        return jnp.where(enough, low, middle + 1), jnp.where(enough, middle, high)

    span = (jnp.zeros((), whole), jnp.array(jnp.iinfo(whole).max, whole))
    _, high = jax.lax.fori_loop(0, jnp.iinfo(whole).bits, halved, span)
    return jax.lax.bitcast_convert_type(high, values.dtype)


def check_mode(kernel: object, mode: object, known: tuple[str, ...]) -> None:
    """Whether a kernel has the mode.

    Raises:
        ArgumentError: It has not.
    """
    if mode not in known:
        raise ArgumentError(
            f"mode of {type(kernel).__name__} must be one of "
            f"{', '.join(map(repr, known))}, got {mode!r}.",
            value=mode,
        )


def check_kernel(name: str, kernel: object) -> None:
    """Whether it is a kernel.

    Raises:
        ArgumentTypeError: It is none.
    """
    if not isinstance(kernel, SteinKernel):
        raise ArgumentTypeError(
            f"{name} must be a kernel of Stein's method, got {kernel!r}.",
            value=kernel,
            hint="Write ppl.contrib.einstein.RBFKernel().",
        )
