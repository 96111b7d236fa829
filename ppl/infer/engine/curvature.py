"""Second derivatives of a target on the host, and the normals that they stand for.

The Hessian is that of minus the log density. It is never differenced: products with
vectors come from the derivative of the gradient (Pearlmutter, "Fast exact
multiplication by the Hessian", Neural Computation 6, 1994).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import numpy as np

from ppl._typing import Array
from ppl.infer.engine.kernel import Target

_BATCH = 32
_LEAST = 1e-14  # of the largest eigenvalue that Lanczos has met
_CONVERGED = 1e-6
_MOST_STEPS = 400


class Hessian(Protocol):
    """The Hessian of minus a function, at one position."""

    @property
    def position(self) -> np.ndarray:
        """Where, (dim,)."""
        ...

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """The Hessian times each vector, (n, dim) like these."""
        ...

    def dense(self) -> np.ndarray:
        """The whole Hessian, (dim, dim)."""
        ...


@dataclass(frozen=True)
class Curvature:
    """Products with the Hessian of minus a log density, at one position.

    Attributes:
        target: The log density.
        position: Where, (dim,).
    """

    target: Target
    position: np.ndarray

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """The Hessian times each vector, (n, dim) like these."""
        count = len(vectors)
        size = 1 if count == 1 else _BATCH
        whole = np.pad(vectors, ((0, -count % size), (0, 0)))
        parts = [
            _products(self.target, self.position, block)
            for block in whole.reshape(-1, size, whole.shape[1])
        ]
        return np.concatenate([np.asarray(part, float) for part in parts])[:count]

    def dense(self) -> np.ndarray:
        """The whole Hessian, (dim, dim)."""
        found = self(np.eye(len(self.position)))
        return (found + found.T) / 2


@jax.jit
def _products(target: Target, position: Array, vectors: Array) -> Array:
    """The Hessian of minus the log density times each vector, (n, dim)."""

    def gradient(x: Array) -> Array:
        return -target.value_and_grad(x)[1]

    _, push = jax.linearize(gradient, position)
    return jax.vmap(push)(vectors)


@dataclass(frozen=True)
class Draws:
    """Draws of a normal distribution.

    Attributes:
        position: (n, dim).
        logq: Their log densities, (n,).
        log_det: Logarithm of the determinant of the covariance, perhaps estimated.
    """

    position: np.ndarray
    logq: np.ndarray
    log_det: float


def balanced_noise(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Standard normal numbers whose second moments are exact, (count, dim).

    With either sign their means are exact as well. Variances are 1; and where there are
    no fewer than coordinates, these are uncorrelated. So what is normal is found
    without noise.
    """
    noise = rng.standard_normal((count, dim))
    if count >= dim:
        basis, factor = np.linalg.qr(noise)
        return basis * (math.sqrt(count) * np.sign(np.diag(factor)))
    return noise / np.sqrt((noise**2).mean(axis=0))


def normal_draws(
    location: np.ndarray, covariance: np.ndarray, unit: np.ndarray
) -> Draws:
    """2n draws of a normal distribution from standard normal numbers, (n, dim).

    These are used with either sign. The covariance is a matrix, or the variances if it
    is diagonal.

    Raises:
        numpy.linalg.LinAlgError: The covariance is not positive definite.
    """
    if covariance.ndim == 1:
        moves, log_det = unit * np.sqrt(covariance), np.log(covariance).sum()
    else:
        factor = np.linalg.cholesky(covariance)
        moves, log_det = unit @ factor.T, 2 * np.log(np.diag(factor)).sum()
    return _either_way(location, moves, unit, float(log_det))


def _either_way(
    location: np.ndarray, moves: np.ndarray, unit: np.ndarray, log_det: float
) -> Draws:
    """Draws from the moves that standard normal numbers have become."""
    dim = unit.shape[1]
    logq = -0.5 * ((unit**2).sum(axis=1) + dim * math.log(2 * math.pi) + log_det)
    position = np.concatenate([location + moves, location - moves])
    return Draws(position, np.tile(logq, 2), log_det)


def matrix_free_draws(curvature: Hessian, unit: np.ndarray) -> Draws:
    r"""2n draws of $N(x, H^{-1})$ at the position x of a curvature, without its matrix.

    Two are $x \pm H^{-1/2} z$ by Lanczos' method, with z a row of `unit`, (n, dim). The
    same steps estimate the determinant, $E[z^T \log(H) z]$ (Ubaru, Chen, Saad, "Fast
    estimation of tr(f(A)) via stochastic Lanczos quadrature", SIMAX 38, 2017). Both
    are exact if H has no more different eigenvalues than steps are made.

    Raises:
        numpy.linalg.LinAlgError: The Hessian is not positive definite.
    """
    moves, log_dets = [], []
    for begin in range(0, len(unit), _BATCH):
        move, log_det = _lanczos(curvature, unit[begin : begin + _BATCH])
        moves.append(move)
        log_dets.append(log_det)
    # z^T log(H) z is compared with z^T z, which leaves less noise
    known = np.concatenate(log_dets)
    squares = (unit**2).sum(axis=1)
    log_det = -float(known.sum() / squares.sum()) * unit.shape[1]
    return _either_way(curvature.position, np.concatenate(moves), unit, log_det)


def _lanczos(curvature: Hessian, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H^{-1/2} z and z^T log(H) z for each row z, all at once: (n, dim) and (n,)."""
    count, dim = unit.shape
    norms = np.linalg.norm(unit, axis=1)
    basis = [unit / norms[:, None]]
    main, beside = np.zeros((count, 0)), np.zeros((count, 0))
    before, log_det = np.zeros_like(unit), np.zeros(count)
    for step in range(1, min(dim, _MOST_STEPS) + 1):
        image = curvature(basis[-1])
        main = np.column_stack([main, (image * basis[-1]).sum(axis=1)])
        for _ in range(2):  # against rounding, all former directions are taken out
            for known in basis:
                image -= (image * known).sum(axis=1)[:, None] * known
        rest = np.linalg.norm(image, axis=1)
        if step % 8 == 0 or step == dim or not (rest > 0).all():
            weights, log_det = _functions(main, beside, norms)
            move = np.einsum("ns,snd->nd", weights, np.stack(basis))
            change = np.linalg.norm(move - before, axis=1) / np.linalg.norm(
                move, axis=1
            )
            if change.max() < _CONVERGED or not (rest > 0).all() or step == dim:
                return move, log_det
            before = move
        beside = np.column_stack([beside, rest])
        basis.append(image / rest[:, None])
    return before, log_det


def _functions(
    main: np.ndarray, beside: np.ndarray, norms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of tridiagonal matrices: T^{-1/2} e |z|, (n, steps); z^T log(T) z, (n,)."""
    places = np.arange(main.shape[1])
    matrices = np.zeros((*main.shape, main.shape[1]))
    matrices[:, places, places] = main
    matrices[:, places[1:], places[:-1]] = beside
    values, vectors = np.linalg.eigh(matrices)  # reads the lower triangles
    if values.min() <= _LEAST * values.max():
        raise np.linalg.LinAlgError("the Hessian is not positive definite")
    first = vectors[:, 0, :]
    weights = np.einsum("nik,nk->ni", vectors, first / np.sqrt(values))
    return weights * norms[:, None], (first**2 * np.log(values)).sum(axis=1) * norms**2
