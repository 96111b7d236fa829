"""Metrics estimated from draws and gradients of all chains, on the host in float64.

The estimates minimise the Fisher divergence between the target and the normal that the
metric stands for (Seyboldt, Carlson, Carpenter, arXiv:2603.18845). Where the target is
normal they are exact after a few draws, since gradients are then the same linear map of
every draw: sampling errors of both cancel. In float32 that would be lost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_DISAGREE = 4.0
"""Ratio of total to within-chain variance from which on chains count as apart."""
_SAME = 2.0
"""Eigenvalues within this factor of 1 are left at 1."""
_FULL = 10
"""Draws per coordinate from which on all directions are estimated."""
_NOISE = 1.5
"""Directions count if they vary so much more than noise would."""
_WEIGHT = 1.0
"""Weight of the identity, in draws."""
_MAX_RANK = 64
_FULL_DIM = 128
"""Coordinates up to which all directions are estimated."""
_ROWS = 256
"""Draws that directions are estimated from, at most, where they are looked for."""
_BOUND = 1e10


class Moves(NamedTuple):
    """Draws and gradients about their means, (n, dim) each, in float64."""

    position: np.ndarray
    gradient: np.ndarray

    def at(self, places: np.ndarray) -> Moves:
        """Some coordinates."""
        return Moves(self.position[:, places], self.gradient[:, places])


class Shape(NamedTuple):
    """An inverse mass matrix D (I + U (diag(l) - I) U^T) D.

    Attributes:
        scale: The diagonal of D, (dim,).
        vectors: U, orthonormal columns, (dim, rank).
        values: l, (rank,).
    """

    scale: np.ndarray
    vectors: np.ndarray
    values: np.ndarray

    @property
    def gain(self) -> float:
        """How many times fewer steps a trajectory takes for knowing U.

        About the square root of the condition number that it takes away.
        """
        if not len(self.values):
            return 1.0
        return float(np.sqrt(max(self.values.max(), 1) / min(self.values.min(), 1)))

    def rounded(self, found: Moves) -> Moves:
        """Draws and gradients in the coordinates in which the metric is 1."""
        root = np.sqrt(self.values)

        def along(part: np.ndarray, stretch: np.ndarray) -> np.ndarray:
            return part + (part @ self.vectors * (stretch - 1)) @ self.vectors.T

        return Moves(
            along(found.position / self.scale, 1 / root),
            along(found.gradient * self.scale, root),
        )

    def factor(self) -> np.ndarray:
        """L with L L^T the inverse mass matrix, (dim, dim)."""
        inner = (self.vectors * (np.sqrt(self.values) - 1)) @ self.vectors.T
        return self.scale[:, None] * (np.eye(len(self.scale)) + inner)

    def strongest(self, rank: int) -> Shape:
        """The same with the directions alone that differ most from the others."""
        order = np.argsort(-abs(np.log(self.values)))[:rank]
        return Shape(self.scale, self.vectors[:, order], self.values[order])


def moves(position: np.ndarray, gradient: np.ndarray) -> Moves:
    """Draws and gradients, (chains, n, dim), about their means.

    Where chains still lie apart, their scatter tells where they started and not how
    wide the target is; there each chain is taken about its own mean. Chains that did
    not move tell nothing.
    """
    moved = (position != position[:, :1]).any(axis=(1, 2))
    if moved.any():
        position, gradient = position[moved], gradient[moved]
    position, gradient = position.astype(np.float64), gradient.astype(np.float64)
    finite = np.all(np.isfinite(np.concatenate([position, gradient], -1)), axis=-1)
    counts = np.maximum(finite.sum(1), 1)[:, None]

    def means(values: np.ndarray) -> np.ndarray:
        return np.where(finite[..., None], values, 0.0).sum(1) / counts

    def about(values: np.ndarray, centre: np.ndarray) -> np.ndarray:
        return (values - centre[:, None])[finite]

    own = means(position), means(gradient)
    weights = finite.sum(1) + 1e-9
    common = [np.broadcast_to(np.average(m, 0, weights), m.shape) for m in own]
    total = np.mean(about(position, common[0]) ** 2, axis=0)
    within = np.mean(about(position, own[0]) ** 2, axis=0)
    apart = np.asarray(total > _DISAGREE * within) & (position.shape[1] > 1)
    pairs = zip((position, gradient), own, common, strict=True)
    return Moves(*(about(x, np.where(apart, o, c)) for x, o, c in pairs))


def first_scale(gradient: np.ndarray) -> np.ndarray:
    """Scales (dim,) from the gradients at the starting points, (chains, dim).

    A starting point is about one unit away from the others; the variance that belongs
    to gradients of size g is then 1 / g.
    """
    size = np.sqrt(np.mean(gradient.astype(np.float64) ** 2, axis=0))
    return np.clip(np.where(size > 0, size, 1.0), 1 / _BOUND, _BOUND) ** -0.5


def diagonal(found: Moves, before: np.ndarray) -> np.ndarray:
    """Scales (dim,): the fourth root of var x / var g; `before` where nothing moved."""
    if len(found.position) < 2:
        return before
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.mean(found.position**2, 0) / np.mean(found.gradient**2, 0)
    known = np.isfinite(ratio) & (ratio > 0)
    return np.where(known, np.clip(ratio, _BOUND**-2, _BOUND**2), before**4) ** 0.25


def spectral(found: Moves, scale: Any) -> Shape:
    """The geometric mean of Cov(x) and Cov(g)^-1, a dense inverse mass matrix.

    It is one in those directions only in which draws tell it apart from a diagonal one.
    """
    n, dim = found.position.shape
    stride = max(1, n // (2 * _FULL * dim if dim <= _FULL_DIM else _ROWS))
    x, g = found.position[::stride] / scale, found.gradient[::stride] * scale
    n = len(x)
    full = n >= _FULL * dim and dim <= _FULL_DIM
    basis = np.eye(dim) if full else _directions(x, g)
    try:
        values, rotation = np.linalg.eigh(_geometric_mean(x @ basis, g @ basis))
    except np.linalg.LinAlgError:  # gradients too far apart for float64
        return Shape(scale * np.ones(dim), np.zeros((dim, 0)), np.zeros(0))
    keep = abs(np.log(values)) > np.log(_SAME)
    return Shape(scale, basis @ rotation[:, keep], values[keep])


def _directions(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Orthonormal directions in which draws or gradients vary more than by chance.

    Chance is the edge of the Marchenko-Pastur law.
    """
    n, dim = x.shape
    edge = _NOISE * (1 + np.sqrt(dim / max(n, 1))) ** 2
    found = []
    for part in (x, g):
        inner = part @ part.T if n < dim else part.T @ part
        sizes, vectors = np.linalg.eigh(inner)
        most = min(int(np.sum(sizes > edge * n)), _MAX_RANK)
        strong = vectors[:, len(sizes) - most :]
        found.append(part.T @ strong if n < dim else strong)
    return np.linalg.qr(np.concatenate(found, axis=1))[0]


def confirmed_gain(position: np.ndarray, gradient: np.ndarray) -> float:
    """The gain of directions as seen by draws that had no part in finding them.

    Chains are split in two (one chain: its draws). Each half's metric is put to the
    other: how much farther from round its draws are under the diagonal of the metric
    than under all of it. Chance, heavy tails and chains that have not mixed make large
    eigenvalues, but different ones in each half.

    Args:
        position: Draws, (chains, n, dim).
        gradient: At the draws.

    Returns:
        The lesser of both gains.
    """
    if len(position) > 1:
        halves = [moves(position[i::2], gradient[i::2]) for i in (0, 1)]
    else:
        middle = position.shape[1] // 2
        cuts = slice(None, middle), slice(middle, None)
        halves = [moves(position[:, c], gradient[:, c]) for c in cuts]
    gains = []
    for learnt, other in (halves, halves[::-1]):
        scale = diagonal(learnt, np.ones(position.shape[-1]))
        shape = spectral(learnt, scale)
        before, after = spectral(other, scale), spectral(shape.rounded(other), 1.0)
        gains.append(before.gain / after.gain)
    return min(gains)


def independence(position: np.ndarray) -> float:
    """Independent draws that a draw is worth, where chains mix worst.

    The least over all coordinates and their squares, as if each were autoregressive of
    order one, by the lag-one autocorrelations of draws (chains, n, dim) about the mean
    of all chains.
    """
    if position.shape[1] < 2:
        return 0.0
    least = np.inf
    values = position.astype(np.float64)
    with np.errstate(all="ignore"):
        for _ in range(2):
            values = values - values.mean(axis=(0, 1))
            products = (values[:, 1:] * values[:, :-1]).mean(axis=(0, 1))
            lag_one = products / np.mean(values**2, axis=(0, 1))
            lag_one = np.where(np.isfinite(lag_one), np.clip(lag_one, -0.9, 0.999), 0)
            least = min(least, float(np.min((1 - lag_one) / (1 + lag_one))))
            values = values**2
    return least


def _geometric_mean(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """S with S Cov(g) S = Cov(x), both drawn a little to the identity."""
    one = _WEIGHT * np.eye(x.shape[1])
    wide, steep = x.T @ x + one, g.T @ g + one
    values, vectors = np.linalg.eigh(steep)
    root, inverse = ((vectors * values**power) @ vectors.T for power in (0.5, -0.5))
    values, vectors = np.linalg.eigh(root @ wide @ root)
    middle = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return inverse @ middle @ inverse
