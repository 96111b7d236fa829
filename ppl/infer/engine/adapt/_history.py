"""The later half of a warm-up: draws and gradients that a metric is estimated from."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ppl.infer.engine.adapt.base import Drawn


class History(NamedTuple):
    """The later half of all draws so far.

    Attributes:
        most: Numbers of draws and gradients to keep, at most; beyond that, those of
            some chains only.
        num_warmup: Draws that the warm-up has.
        done: Draws so far.
        rounds: Draws and gradients of the latest rounds, each (some chains, n, dim).
    """

    most: int
    num_warmup: int
    done: int = 0
    rounds: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def stride(self, chains: int, dim: int) -> int:
        """Every so many-th chain is kept."""
        return math.ceil(2 * chains * dim * self.num_warmup / self.most)

    def added(self, drawn: Drawn) -> History:
        """With the draws of a round."""
        position, gradient = drawn.position, drawn.vectors["gradient"]
        chains, draws, dim = position.shape
        stride = self.stride(chains, dim)
        done = self.done + draws
        rounds, seen = (*self.rounds, (position[::stride], gradient[::stride])), 0
        for i in range(len(rounds) - 1, -1, -1):
            seen += rounds[i][0].shape[1]
            if 2 * seen >= done:
                rounds = rounds[i:]
                break
        return self._replace(done=done, rounds=rounds)

    def last(self, draws: int) -> np.ndarray:
        """The positions of the last draws, (chains, draws, dim)."""
        return self.draws()[0][:, -draws:]

    def emptied(self) -> History:
        """Without any draws, as many as have been done."""
        return self._replace(rounds=())

    def draws(self, chains: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draws and gradients, (chains, n, dim), of the chains in a mask (chains,)."""
        position, gradient = zip(*self.rounds, strict=True)
        both = np.concatenate(position, 1), np.concatenate(gradient, 1)
        if chains is None:
            return both
        kept = chains[:: self.stride(len(chains), both[0].shape[2])]
        return both[0][kept], both[1][kept]
