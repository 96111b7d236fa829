"""The no-U-turn sampler as it is defined: one chain, recursive, in NumPy, slow.

Hoffman & Gelman (JMLR 2014) with multinomial weights, Betancourt's generalised
criterion (arXiv:1701.02434, A.4) and Stan's checks across sub-trees. Momenta are the
real ones with a mass matrix, sums of momenta are sums over lists of points, and nothing
is stored cleverly: it shares with the kernel under test no more than the random words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

MAX_ENERGY_ERROR = 1000.0

ValueAndGrad = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass
class Point:
    """A point of a trajectory."""

    position: np.ndarray
    momentum: np.ndarray
    velocity: np.ndarray
    gradient: np.ndarray
    logp: float
    energy: float


Path = list[Point]
"""Points that follow each other in time, forwards or backwards."""


@dataclass
class Tree:
    """A transition of one chain, and what became of it.

    Attributes:
        inverse_mass: A matrix.
        words: Two of each leaf of the trajectory in the order of growth, (leaves, 2).
            The upper 23 bits of the first decide whether it becomes its sub-tree's
            candidate, those of the second whether that replaces the tree's when the
            sub-tree ends here, and the lowest bit of the second whether growth goes on
            in the same direction.
    """

    value_and_grad: ValueAndGrad
    step_size: float
    inverse_mass: np.ndarray
    max_depth: int
    words: np.ndarray
    candidate: Point = field(init=False)
    depth: int = 0
    n_steps: int = 0
    accept_sum: float = 0.0
    diverging: bool = False

    def grow(self, position: np.ndarray, momentum: np.ndarray) -> Tree:
        """Double the trajectory until it turns, diverges or is deep enough."""
        start = self.candidate = self._point(position, momentum)
        self._start_energy = start.energy
        tree, weight, direction = [start], 0.0, 1
        while self.depth < self.max_depth:
            end = tree[-1] if direction == 1 else tree[0]
            first_leaf = self.n_steps
            path = self._sub_tree(end, self.depth, direction)
            if path is None:
                break
            candidate, path_weight = self._drawn_from(path, first_leaf)
            word = self.words[self.n_steps - 1, 1]
            if log_uniform(word) < path_weight - weight:
                self.candidate = candidate
            weight = np.logaddexp(weight, path_weight)
            self.depth += 1
            halves = (tree, path) if direction == 1 else (path[::-1], tree)
            if not valid(*halves):
                break
            tree = [*halves[0], *halves[1]]
            direction = direction if word & 1 else -direction
        return self

    @property
    def statistics(self) -> dict[str, float]:
        """The kernel's, by the same names."""
        return {
            "lp": self.candidate.logp,
            "energy": self.candidate.energy,
            "acceptance_rate": self.accept_sum / self.n_steps,
            "tree_depth": self.depth,
            "n_steps": self.n_steps,
            "diverging": self.diverging,
        }

    def _point(self, position: np.ndarray, momentum: np.ndarray) -> Point:
        logp, gradient = self.value_and_grad(position)
        velocity = self.inverse_mass @ momentum
        energy = 0.5 * momentum @ velocity - logp
        return Point(position, momentum, velocity, gradient, logp, energy)

    def _leapfrog(self, point: Point, direction: int) -> Point:
        step = direction * self.step_size
        half = point.momentum + 0.5 * step * point.gradient
        position = point.position + step * (self.inverse_mass @ half)
        _, gradient = self.value_and_grad(position)
        return self._point(position, half + 0.5 * step * gradient)

    def _weight(self, point: Point) -> float:
        weight = self._start_energy - point.energy
        return (
            weight if weight < np.inf else -np.inf
        )  # not a number becomes -inf as well

    def _sub_tree(self, end: Point, depth: int, direction: int) -> Path | None:
        """The 2^depth points beyond `end`, unless they turn or diverge."""
        if depth == 0:
            leaf = self._leapfrog(end, direction)
            weight = self._weight(leaf)
            self.n_steps += 1
            self.accept_sum += np.exp(min(weight, 0.0))
            self.diverging = weight < -MAX_ENERGY_ERROR
            return None if self.diverging else [leaf]
        left = self._sub_tree(end, depth - 1, direction)
        if left is None:
            return None
        right = self._sub_tree(left[-1], depth - 1, direction)
        if right is None or not valid(left, right):
            return None
        return left + right

    def _drawn_from(self, path: Path, first_leaf: int) -> tuple[Point, float]:
        """A point drawn from a new sub-tree by weight, and the sum of the weights."""
        chosen, total = path[0], self._weight(path[0])
        for i, point in enumerate(path[1:], start=1):
            weight = self._weight(point)
            total = np.logaddexp(total, weight)
            if log_uniform(self.words[first_leaf + i, 0]) < weight - total:
                chosen = point
        return chosen, total


def log_uniform(word: np.uint32) -> float:
    """The logarithm of a number in (0, 1) made of a word's upper 23 bits."""
    return np.log(np.float32(((int(word) >> 9) + 0.5) * 2.0**-23))


def valid(left: Path, right: Path) -> bool:
    """Whether two halves go on without a turn, whole and across the middle."""
    whole = not turned(left + right)
    return whole and not turned([*left, right[0]]) and not turned([left[-1], *right])


def turned(path: Path) -> bool:
    """Whether the ends of a path move towards each other.

    By the sum of all momenta, less half of those at the ends: the trapezoidal rule.
    """
    first, last = path[0], path[-1]
    total = sum(point.momentum for point in path) - 0.5 * (
        first.momentum + last.momentum
    )
    return bool(first.velocity @ total <= 0 or last.velocity @ total <= 0)
