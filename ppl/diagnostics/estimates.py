"""R-hat, effective sample sizes and Monte Carlo standard errors.

Every function takes draws of shape (chain, draw, *event) and answers for each scalar of
the event, in float64 whatever the draws are. An answer is NaN where a draw is NaN or
where there are fewer than four draws in a chain.

Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding,
and localization: an improved R-hat", Bayesian Analysis 16(2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl.diagnostics._draws import (
    Floats,
    Ranking,
    per_scalar,
    pooled,
    quantile,
    split,
)
from ppl.diagnostics._ess import ess, split_ess


def ess_bulk(draws: Any) -> Any:
    """Effective sample size of the rank-normalised draws: how well the centre is known.

    Args:
        draws: Shape (chain, draw, *event).

    Returns:
        Shape (*event,).
    """
    return per_scalar(draws, lambda rows: ess(Ranking(split(rows)).normal_scores()))


def ess_tail(draws: Any, prob: tuple[float, float] = (0.05, 0.95)) -> Any:
    """The smaller of the effective sample sizes of two outer quantiles.

    Args:
        draws: Shape (chain, draw, *event).
        prob: The probabilities of the two quantiles.

    Returns:
        Shape (*event,).
    """
    return per_scalar(draws, lambda rows: tail(rows, pooled(rows), prob))


def ess_mean(draws: Any) -> Any:
    """Effective sample size for the mean, from the draws as they are.

    Args:
        draws: Shape (chain, draw, *event).

    Returns:
        Shape (*event,).
    """
    return per_scalar(draws, split_ess)


def ess_quantile(draws: Any, prob: float) -> Any:
    """Effective sample size for the quantile at `prob`.

    Args:
        draws: Shape (chain, draw, *event).
        prob: The probability of the quantile.

    Returns:
        Shape (*event,).
    """
    return per_scalar(draws, lambda rows: at_quantile(rows, pooled(rows), prob))


def rhat(draws: Any) -> Any:
    """R-hat: the larger of the rank-normalised split one and its folded companion.

    The first sees chains that differ in place, the second chains that differ in spread.
    Values near 1 are good. One chain, or a constant, gives NaN.

    Args:
        draws: Shape (chain, draw, *event).

    Returns:
        Shape (*event,).
    """

    def statistic(rows: Floats) -> Floats:
        ranking = Ranking(split(rows))
        return worse(ranking.normal_scores(), ranking.folded_scores())

    return per_scalar(draws, statistic, min_chains=2)


def mcse_mean(draws: Any) -> Any:
    """Monte Carlo standard error of the mean.

    Args:
        draws: Shape (chain, draw, *event).

    Returns:
        Shape (*event,).
    """
    return per_scalar(
        draws, lambda rows: rows.std(axis=(1, 2), ddof=1) / np.sqrt(split_ess(rows))
    )


def mcse_sd(draws: Any) -> Any:
    """Monte Carlo standard error of the standard deviation, by the delta method.

    Args:
        draws: Shape (chain, draw, *event).

    Returns:
        Shape (*event,).
    """

    def statistic(rows: Floats) -> Floats:
        squares = (rows - rows.mean(axis=(1, 2), keepdims=True)) ** 2
        variance = squares.mean(axis=(1, 2))
        fourth = (squares**2).mean(axis=(1, 2))
        error = (fourth - variance**2) / split_ess(squares)
        return np.sqrt(error / variance / 4)

    return per_scalar(draws, statistic)


def mcse_quantile(draws: Any, prob: float) -> Any:
    """Monte Carlo standard error of the quantile at `prob`.

    Half the width of the interval that holds the quantile with the probability of one
    standard deviation to either side; the number of draws below it is binomial.

    Args:
        draws: Shape (chain, draw, *event).
        prob: The probability of the quantile.

    Returns:
        Shape (*event,).
    """
    from scipy.special import betaincinv

    def statistic(rows: Floats) -> Floats:
        ascending = pooled(rows)
        last = ascending.shape[1] - 1
        size = at_quantile(rows, ascending, prob)
        sides = np.array([[0.1586553], [0.8413447]])
        bounds = betaincinv(size * prob + 1, size * (1 - prob) + 1, sides)
        low, high = bounds * (last + 1) - 1
        low, high = np.floor(np.maximum(low, 0)), np.ceil(np.minimum(high, last))
        places = np.stack([low, high], axis=1).astype(np.intp)
        ends = np.take_along_axis(ascending, places, axis=1)
        return (ends[:, 1] - ends[:, 0]) / 2

    return per_scalar(draws, statistic)


def ebfmi(energy: Any) -> Any:
    """Energy Bayesian fraction of missing information, for each chain.

    How much of the spread of the energy a fresh momentum covers (Betancourt 2016).
    Below 0.3, chains wander slowly through the energies.

    Args:
        energy: Shape (chain, draw).

    Returns:
        Shape (chain,).
    """
    array = np.atleast_2d(np.asarray(energy, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        if array.shape[1] < 2:
            return np.full(array.shape[0], np.nan)
        steps = np.square(np.diff(array, axis=1)).mean(axis=1)
        return steps / array.var(axis=1, ddof=1)


# --- the same for blocks of shape (scalar, chain, draw), for those who share a sort ---


def at_quantile(rows: Floats, ascending: Floats, prob: float) -> Floats:
    """Effective sample size of the share of draws up to the quantile."""
    below = rows <= quantile(ascending, prob)[:, :, None]
    return split_ess(below.astype(np.float64))


def tail(rows: Floats, ascending: Floats, prob: tuple[float, float]) -> Floats:
    """The smaller of two `at_quantile`."""
    low, high = (at_quantile(rows, ascending, p) for p in prob)
    return np.minimum(low, high)


def plain_rhat(chains: Floats) -> Floats:
    """Root of the ratio of the variance of all draws to that within the chains."""
    length = chains.shape[2]
    between = length * chains.mean(axis=2).var(axis=1, ddof=1)
    within = chains.var(axis=2, ddof=1).mean(axis=1)
    return np.sqrt((between / within + length - 1) / length)


def worse(normal: Floats, folded: Floats) -> Floats:
    """The larger R-hat; that of the folded draws is undefined if they are constant."""
    bulk, spread = plain_rhat(normal), plain_rhat(folded)
    return np.where(spread > bulk, spread, bulk)
