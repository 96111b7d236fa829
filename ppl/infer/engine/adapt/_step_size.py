"""Step size by dual averaging of the acceptance rate: one for all chains, or each its.

Numbers here are one for all chains, or an array (chains,).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

Each: TypeAlias = float | np.ndarray

SHORT = 4.0
"""Steps of a trajectory, at most, while some chain is stuck."""


class DualAveraging(NamedTuple):
    """Nesterov's dual averaging of log step size (Hoffman & Gelman 2014, section 3.2).

    With chains pooled, one update takes the mean acceptance of all of them: an update
    per chain would multiply the gain by their number and set the step size swinging.

    Attributes:
        target: Acceptance rate aimed at.
        mu: Where log step sizes are drawn to.
        error: Running average of target less observed acceptance.
        log_step: Present log step size, the one to try.
        log_average: Weighted average of the log step sizes tried, the one to keep.
        updates: Updates done.
    """

    target: float
    mu: Each
    error: Each
    log_step: Each
    log_average: Each
    updates: int

    GAMMA = 0.05
    T0 = 10.0
    KAPPA = 0.75

    @classmethod
    def begin(cls, step_size: Each, target: float) -> DualAveraging:
        """Begin at a step size that is about right."""
        log_step = np.log(step_size)
        return cls(target, log_step + np.log(2), 0.0, log_step, log_step, 0)

    def update(self, acceptance: Each) -> DualAveraging:
        """Take the mean acceptance seen with the present step size."""
        acceptance = np.where(np.isfinite(acceptance), acceptance, 0.0)
        updates = self.updates + 1
        weight = 1.0 / (updates + self.T0)
        error = (1 - weight) * self.error + weight * (self.target - acceptance)
        log_step = self.mu - updates**0.5 / self.GAMMA * error
        share = updates**-self.KAPPA
        average = share * log_step + (1 - share) * self.log_average
        return self._replace(
            error=error, log_step=log_step, log_average=average, updates=updates
        )


class Search(NamedTuple):
    """Doubling or halving until single-step acceptance crosses 0.8 (as Stan does).

    Attributes:
        step_size: To try next; once `over`, the result.
        direction: +1 doubling, -1 halving, 0 unknown yet.
        ended: Whether it has crossed.
        tries: Step sizes tried.
    """

    step_size: Each
    direction: Each = 0
    ended: bool | np.ndarray = False
    tries: int = 0

    MOST = 60

    @property
    def over(self) -> bool:
        """Whether the search has ended, for all chains."""
        return self.tries >= self.MOST or bool(np.all(self.ended))

    def update(self, acceptance: Each) -> Search:
        """Take the mean single-step acceptance at `step_size`."""
        side = np.where(np.greater(acceptance, 0.8), 1, -1)
        ended = self.ended | (self.direction == -side)
        step = np.where(ended, self.step_size, self.step_size * 2.0**side)
        return Search(step, side, ended, self.tries + 1)


class OwnRates(NamedTuple):
    """Acceptance of each chain by itself, so that none is left behind.

    The mean over chains may be right while one chain, where the target is narrow, gets
    nowhere. Each chain's rate may lie below the mean by chance, but not by more.

    Attributes:
        draws: Draws seen of each chain.
        rate: Running mean of the acceptance rate of each, (chains,).
        diverging: Running share of the draws of all of them that diverged.
    """

    draws: int = 0
    rate: np.ndarray | float = 0.0
    diverging: float = 0.0

    STUCK = 0.05
    MEMORY = 20
    MARGIN = 0.3
    CHANCE = 0.6
    CROWD = 32
    TOLL = 4.0
    HIGHEST = 0.95

    def update(self, rates: np.ndarray, draws: int, diverging: float = 0.0) -> OwnRates:
        """Take the mean rates (chains,), and divergences, of some more draws."""
        seen = self.draws + draws
        rates = np.where(np.isfinite(rates), rates, 0.0)
        weight = min(1.0, draws / min(seen, self.MEMORY))
        rate = self.rate + weight * (rates - self.rate)
        weight = min(1.0, draws / min(seen, 2 * self.MEMORY))  # for they are rare
        return OwnRates(
            seen, rate, self.diverging + weight * (diverging - self.diverging)
        )

    def toll(self, target: float) -> float:
        """By how much more than its target acceptance is to be, for divergences.

        Where trajectories diverge there are places that chains do not get into, or not
        out of; the mean acceptance hardly tells.
        """
        return min(self.TOLL * self.diverging, max(0.0, self.HIGHEST - target))

    @property
    def stuck(self) -> bool:
        """Whether some chain gets nowhere, far out perhaps.

        Long trajectories of one length diverge there, whatever the step; short ones
        come down.
        """
        return self.draws > 0 and float(np.min(self.rate)) < self.STUCK

    def bound(
        self, chains: np.ndarray | None = None, *, relieved: bool = False
    ) -> float:
        """What the mean acceptance counts for at most, for the sake of the worst.

        Of very many chains a few are in a narrow place at any time, and come out of it
        again: they do not count, unless more than one in 128 gets nowhere at all.

        Args:
            chains: Those to look at, bool (chains,); all if None.
            relieved: Whether chains that get nowhere take smaller steps than others.
        """
        chance = self.CHANCE / min(self.draws, self.MEMORY) ** 0.5
        rates = np.atleast_1d(self.rate)
        rates = np.sort(rates if chains is None else rates[chains])
        worst = rates[len(rates) // self.CROWD]
        nowhere = rates[len(rates) // (4 * self.CROWD)]
        if nowhere < self.STUCK and not relieved:
            worst = nowhere
        return float(worst) + self.MARGIN + chance


class Relief(NamedTuple):
    """What single chains have the common step size multiplied by, so that they move.

    A chain may get to a place so narrow that it would stay there for ever at the step
    size that is right for the others. Of many chains, such a one takes smaller steps
    until it is out again; few wait for it, for it may be right about the target.

    Attributes:
        factor: At most 1, which most have; (chains,).
        total: Sum of its binary logarithm over the draws of the present window.
        draws: How many these are.
    """

    factor: np.ndarray
    total: np.ndarray | float = 0.0
    draws: int = 0

    NOWHERE = 0.1
    OTHERS = 0.5
    PACE = 4
    MOST = 2.0
    LEAST = 2.0**-12
    FULL = 0.9

    def update(self, rates: np.ndarray, draws: int, target: float) -> Relief:
        """Take the mean acceptance rates (chains,) of some more draws."""
        if len(rates) < OwnRates.CROWD:
            return self
        power = min(draws / self.PACE, self.MOST)
        down = (rates < self.NOWHERE) & (np.median(rates) > self.OTHERS)
        change = np.where(down, -power, np.where(rates > target, power, 0.0))
        total = self.total + draws * np.log2(self.factor)
        factor = np.clip(self.factor * 2.0**change, self.LEAST, 1.0)
        return Relief(self._full(factor), total, self.draws + draws)

    def settled(self) -> Relief:
        """The geometric mean of a window, to begin the next one or to sample with."""
        if not self.draws:
            return self
        return Relief(self._full(2.0 ** np.asarray(self.total / self.draws)))

    def _full(self, factor: np.ndarray) -> np.ndarray:
        return np.where(factor > self.FULL, 1.0, factor)

    @property
    def common(self) -> np.ndarray:
        """Which chains go with the others; all, if none does."""
        common = self.factor == 1.0
        return common if common.any() else ~common
