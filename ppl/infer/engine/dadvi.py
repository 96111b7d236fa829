r"""Deterministic ADVI: a mean-field normal fitted on draws that stay the same.

Giordano, Ingram, Broderick, "Black box variational inference with a deterministic
objective: faster, more accurate, and even more black box" (JMLR 25, 2024). With fixed
standard normal numbers the evidence lower bound is a function of the parameters like
any other: second-order steps maximise it, and their test tells when it is done. Its
Hessian tells how the means would answer to a change of the target, which is the
linear-response covariance: right where the mean field is too narrow.

Compiled are the gradient of the log density and its derivative along directions, for a
batch of points; the few sums over draws that make them the bound's are the host's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppl.infer.engine.evaluator import Evaluator, Points


@dataclass(frozen=True)
class FixedBound:
    """The evidence lower bound on fixed draws, but for a constant.

    Its position is the means, and after these the logarithms of the standard
    deviations, (2 dim,).

    Attributes:
        density: The log density.
        noise: Standard normal numbers, (draws, dim).
    """

    density: Evaluator
    noise: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        """That log densities are computed in."""
        return self.density.dtype

    def __call__(self, positions: np.ndarray) -> Points:
        """The bound and its gradient at positions, (n, 2 dim)."""
        found = [self._at(position) for position in positions]
        logp, gradient = (np.array(parts) for parts in zip(*found, strict=True))
        return Points(positions, logp, gradient)

    def _at(self, position: np.ndarray) -> tuple[float, np.ndarray]:
        points, wide = self.spread(position)
        _, logp, slopes = self.density(points)
        of_scale = (slopes * wide).mean(axis=0) + 1
        bound = logp.mean() + np.split(position, 2)[1].sum()
        return float(bound), np.concatenate([slopes.mean(axis=0), of_scale])

    def spread(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The draws of the normal at a position, and how far from its mean they are."""
        mean, log_scale = np.split(position, 2)
        wide = np.exp(log_scale) * self.noise
        return mean + wide, wide

    def curvature(self, position: np.ndarray) -> BoundCurvature:
        """At a position, (2 dim,)."""
        points, wide = self.spread(position)
        pull = (self.density(points).gradient * wide).mean(axis=0)
        return BoundCurvature(self.density, position, points, wide, pull)


@dataclass(frozen=True)
class BoundCurvature:
    """Products with the Hessian of minus the bound, at one position.

    Attributes:
        density: The log density.
        position: Where, (2 dim,).
        points: The draws of the normal there, (draws, dim).
        wide: How far from its mean they are, (draws, dim).
        pull: What the gradient of the log scales owes to the density, (dim,).
    """

    density: Evaluator
    position: np.ndarray
    points: np.ndarray
    wide: np.ndarray
    pull: np.ndarray

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """The Hessian times each vector, (n, 2 dim) like these."""
        return np.stack([self._times(vector) for vector in vectors])

    def _times(self, vector: np.ndarray) -> np.ndarray:
        of_mean, of_scale = np.split(vector, 2)
        bent = self.density.bent(self.points, of_mean + self.wide * of_scale)
        scales = (bent * self.wide).mean(axis=0) - self.pull * of_scale
        return np.concatenate([bent.mean(axis=0), scales])

    def dense(self) -> np.ndarray:
        """The whole Hessian, (2 dim, 2 dim), from one product for each mean."""
        dim = len(self.pull)
        means, cross, scales = np.empty((3, dim, dim))
        for i, along in enumerate(np.eye(dim)):
            bent = self.density.bent(self.points, np.tile(along, (len(self.wide), 1)))
            stretched = bent * self.wide[:, i : i + 1]
            means[i], cross[:, i] = bent.mean(axis=0), stretched.mean(axis=0)
            scales[i] = (stretched * self.wide).mean(axis=0)
        whole = np.block([[means, cross], [cross.T, scales - np.diag(self.pull)]])
        return (whole + whole.T) / 2
