"""Normal distributions from the history of a quasi-Newton optimiser.

The covariance is the inverse Hessian that L-BFGS has learned: a diagonal with a
correction of low rank, in the compact form of Byrd, Nocedal, Schnabel (1994). Zhang,
Carpenter, Gelman, Vehtari, "Pathfinder: Parallel quasi-Newton variational inference"
(JMLR 23(306), 2022), algorithms 3 and 4. All is float64 on the host: it takes a few
products of thin matrices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LEAST_CURVATURE = 1e-12


class History(NamedTuple):
    r"""What the inverse Hessian $D + B \Gamma B^T$ at a point of a path is made of.

    Attributes:
        diagonal: Its diagonal part D, (dim,).
        steps: The last steps with positive curvature, (pairs, dim).
        changes: What each did to the gradient of minus the log density, likewise.
    """

    diagonal: np.ndarray
    steps: np.ndarray
    changes: np.ndarray


def histories(
    positions: Iterable[np.ndarray], gradients: Iterable[np.ndarray], size: int
) -> Iterator[History]:
    """The inverse Hessian at each point of a path; at the first, the identity.

    A step along which the density does not curve downwards is left out.

    Args:
        positions: Of the path, (dim,) each.
        gradients: Of the log density there, (dim,) each.
        size: How many steps are remembered.
    """
    pairs: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=size)
    before: tuple[np.ndarray, np.ndarray] | None = None
    diagonal = np.ones(0)
    for position, gradient in zip(positions, gradients, strict=True):
        if before is None:
            diagonal = np.ones_like(position)
        else:
            step, change = position - before[0], before[1] - gradient
            if step @ change > LEAST_CURVATURE * (change @ change):
                diagonal = _diagonal(diagonal, step, change)
                pairs.append((step, change))
        before = position, gradient
        both = np.array(pairs).reshape(len(pairs), 2, len(position))
        yield History(diagonal, both[:, 0], both[:, 1])


def _diagonal(diagonal: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The diagonal of the BFGS update of a diagonal (Gilbert, Lemaréchal, 1989)."""
    bend = step @ change
    a, c = change @ (diagonal * change), step @ (step / diagonal)
    inverse = a / diagonal + change**2 - (a / c) * (step / diagonal) ** 2
    new = np.divide(bend, inverse, out=diagonal.copy(), where=inverse > 0)
    return np.where(np.isfinite(new) & (new > 0), new, diagonal)


def updated(inverse: np.ndarray, steps: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """A dense inverse Hessian, (dim, dim), after a BFGS update for each step.

    A step along which the density does not curve downwards is left out.

    Args:
        inverse: Before, symmetric.
        steps: (pairs, dim).
        changes: What each did to the gradient of minus the log density, likewise.
    """
    inverse = inverse.copy()
    for step, change in zip(steps, changes, strict=True):
        bend = step @ change
        if bend > LEAST_CURVATURE * (change @ change):
            moved, unit = inverse @ change, step / bend
            crossed = np.outer(moved, unit)
            inverse += (bend + change @ moved) * np.outer(unit, unit)
            inverse -= crossed + crossed.T
    return inverse


@dataclass(frozen=True)
class LowRankNormal:
    r"""A normal distribution of covariance $A A^T$, $A = S (Q L Q^T + I - Q Q^T)$.

    Attributes:
        location: The mean, (dim,).
        scale: The diagonal of S, (dim,).
        basis: Q, orthonormal columns, (dim, rank).
        factor: L, lower triangular with a positive diagonal, (rank, rank).
    """

    location: np.ndarray
    scale: np.ndarray
    basis: np.ndarray
    factor: np.ndarray

    @classmethod
    def newton(
        cls, position: np.ndarray, gradient: np.ndarray, history: History
    ) -> LowRankNormal:
        """Centred where a Newton step from `position` leads.

        Where rounding has spoiled the correction of low rank, the diagonal is left. As
        long as no step was made, nothing tells how far to go, and it stays.

        Args:
            position: A point of a path, (dim,).
            gradient: Of the log density there, (dim,).
            history: The inverse Hessian there.
        """
        diagonal, steps, changes = history
        scale = np.sqrt(diagonal)
        move = diagonal * gradient if len(steps) else np.zeros_like(gradient)
        outer = np.concatenate([diagonal * changes, steps]).T
        try:
            inner = _inner(history)
            basis, rest = np.linalg.qr(outer / scale[:, None])
            whitened = np.eye(len(rest)) + rest @ inner @ rest.T
            factor = np.linalg.cholesky((whitened + whitened.T) / 2)
            bent = position + move + outer @ (inner @ (outer.T @ gradient))
            if np.isfinite(bent).all() and np.isfinite(factor).all():
                return cls(bent, scale, basis, factor)
        except np.linalg.LinAlgError:
            pass
        return cls(position + move, scale, outer[:, :0], np.empty((0, 0)))

    @classmethod
    def dense(cls, location: np.ndarray, covariance: np.ndarray) -> LowRankNormal:
        """Of any covariance, (dim, dim).

        Raises:
            numpy.linalg.LinAlgError: The covariance is not positive definite.
        """
        scale = np.sqrt(np.diag(covariance))
        factor = np.linalg.cholesky(covariance / np.outer(scale, scale))
        return cls(location, scale, np.eye(len(scale)), factor)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.location)

    @property
    def covariance(self) -> np.ndarray:
        """The dense covariance, (dim, dim)."""
        root = self.scale[:, None] * (
            np.eye(self.dim)
            + self.basis @ (self.factor - np.eye(len(self.factor))) @ self.basis.T
        )
        return root @ root.T

    def transform(self, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draws and their log densities from standard normal numbers, both (n, dim).

        Returns:
            Draws (n, dim), log densities (n,).
        """
        inside = unit @ self.basis
        bent = unit + (inside @ self.factor.T - inside) @ self.basis.T
        return self.location + self.scale * bent, self._log_density(unit)

    def log_prob(self, positions: np.ndarray) -> np.ndarray:
        """Log densities (n,) at positions (n, dim)."""
        bent = (positions - self.location) / self.scale
        inside = bent @ self.basis
        outside = bent - inside @ self.basis.T
        inside = np.linalg.solve(self.factor, inside.T).T
        return self._log_density(np.concatenate([inside, outside], axis=1))

    def _log_density(self, unit: np.ndarray) -> np.ndarray:
        log_det = np.log(self.scale).sum() + np.log(np.diag(self.factor)).sum()
        square = (unit**2).sum(axis=1)
        return -0.5 * (square + self.dim * np.log(2 * np.pi)) - log_det


def _inner(history: History) -> np.ndarray:
    r"""The $\Gamma$ of the compact form, (2 pairs, 2 pairs)."""
    diagonal, steps, changes = history
    products = steps @ changes.T
    inverse = np.linalg.inv(np.triu(products))
    middle = np.diag(np.diag(products)) + (diagonal * changes) @ changes.T
    corner = inverse.T @ middle @ inverse
    return np.block([[np.zeros_like(corner), -inverse], [-inverse.T, corner]])
