"""Where the chains are: which have settled in a place of no mass."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ppl.infer.engine.adapt.base import Drawn

_NATS = 20.0  # e^-20 of the mass is none
_SPREADS = 10.0
_FAR = 1e100  # stands for infinite
_ENOUGH = 20  # draws of each chain before any is moved


class Places(NamedTuple):
    """Moments of each chain's own draws, and of their log densities.

    Attributes:
        draws: Draws of each chain.
        mean: Of coordinates and log density, (chains, dim + 1).
        squares: Sums of squares around it, (chains, dim + 1).
    """

    draws: int = 0
    mean: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0

    def added(self, drawn: Drawn) -> Places:
        """With the draws of a round."""
        lp = drawn.statistics["lp"][..., None]
        new = np.concatenate([drawn.position, lp], axis=2).astype(np.float64)
        new = np.nan_to_num(new, nan=-_FAR, posinf=_FAR, neginf=-_FAR)
        n = new.shape[1]
        centre = new.mean(axis=1)
        squares = np.sum((new - centre[:, None]) ** 2, axis=1)
        total = self.draws + n
        move = centre - self.mean
        return Places(
            total,
            self.mean + move * (n / total),
            self.squares + squares + move**2 * (self.draws * n / total),
        )

    @property
    def enough(self) -> bool:
        """Whether there are draws enough to give a chain up."""
        return self.draws >= _ENOUGH

    def lost(self) -> np.ndarray:
        """Which chains are where there is next to no mass, bool (chains,).

        The mass around a chain is about e^lp × volume, where the mean log density and
        the product of the standard deviations of its draws stand for both. A chain is
        lost if that is less than e^-20 of the most massive chain's, and if its log
        density is far below anything that one has seen.
        """
        mean, squares = np.asarray(self.mean), np.asarray(self.squares)
        sd = np.sqrt(squares / max(self.draws - 1, 1))
        lp, dim = mean[:, -1], mean.shape[1] - 1
        volume = np.log(np.maximum(sd[:, :-1], np.finfo(float).tiny)).sum(axis=1)
        mass = lp + volume
        best = int(np.argmax(mass))
        spread = max(sd[best, -1], math.sqrt(dim / 2))
        return (mass < mass[best] - _NATS) & (lp < lp[best] - _SPREADS * spread)


def sources(lost: np.ndarray) -> np.ndarray:
    """For each chain itself or, if it is lost, one of those that are not; (chains,)."""
    own = np.arange(len(lost))
    found = own[~lost]
    return np.where(lost, found[own % len(found)], own)
