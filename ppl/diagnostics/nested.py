"""Nested R-hat: whether many short chains have forgotten where they began.

Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari and Gelman (2024), "Nested R-hat:
assessing the convergence of Markov chain Monte Carlo when running many short chains",
Bayesian Analysis.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl.diagnostics._draws import Floats, as_draws, blocks, where_complete

GRANTED_TIME = 4.0  # draws; what healthy chains may need to forget one


def nested_rhat(draws: Any, superchain_ids: Any) -> Any:
    """Nested R-hat: how much of the spread the starting points explain, still.

    The chains of a superchain began at one point and those of another at another. If
    all have forgotten it, the means of the superchains differ no more than means of
    independent chains do, and values are near 1. One draw of each chain is enough.
    Chance alone gives about sqrt(1 + time / (draws * chains in a superchain)), where
    `time` is the autocorrelation time.

    Args:
        draws: Shape (chain, draw, *event).
        superchain_ids: For each chain the superchain that it belongs to, (chain,).

    Returns:
        Shape (*event,). NaN where a draw is NaN, and for a constant.

    Raises:
        ShapeError: There are not as many ids as chains, or a single draw in each
            superchain.
        ArgumentError: There is one superchain, or they differ in size.
    """
    array = as_draws(draws)
    members = superchains(superchain_ids, array.shape[0])
    if members.shape[1] == 1 and array.shape[1] == 1:
        raise ShapeError(
            f"draws of shape {array.shape} have one draw in each superchain, which has "
            "no variance.",
            value=array.shape,
            hint="Put at least two chains into each superchain, or draw more.",
        )
    result = np.full(array.shape[2:], np.nan)
    flat = result.reshape(-1)
    for part, rows in blocks(array) if array.shape[1] else ():
        flat[part] = where_complete(rows, partial(_nested_rhat, members=members))
    return result[()]


def superchains(ids: Any, chains: int) -> np.ndarray:
    """The chains of each superchain, (superchain, chain of it).

    Args:
        ids: For each chain the superchain that it belongs to.
        chains: How many chains there are.
    """
    ids = np.asarray(ids)
    if ids.shape != (chains,):
        raise ShapeError(
            f"superchain_ids have shape {ids.shape}, but there are {chains} chains.",
            value=ids.shape,
            hint="Give one id for each chain, in the order of the chains.",
        )
    names, sizes = np.unique(ids, return_counts=True)
    if len(names) < 2:
        raise ArgumentError(
            f"superchain_ids name {len(names)} superchain; there must be two or more.",
            value=ids,
            hint="Chains that began at different points belong to different ones.",
        )
    if (sizes != sizes[0]).any():
        raise ArgumentError(
            f"superchains have from {sizes.min()} to {sizes.max()} chains; all must "
            "have the same number.",
            value=ids,
            hint="Leave chains out until they have.",
        )
    return np.argsort(ids, kind="stable").reshape(len(names), -1)


class Nested(NamedTuple):
    """The three variances that nested R-hat is made of, (scalar,) each.

    Attributes:
        superchains: Of the means of the superchains.
        chains: Of the means of the chains within a superchain; 0 if it has but one.
        draws: Of the draws within a chain; 0 if there is but one.
    """

    superchains: Floats
    chains: Floats
    draws: Floats

    @property
    def r_hat(self) -> Floats:
        """Nested R-hat."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(1 + self.superchains / (self.chains + self.draws))


def nested(means: Floats, variances: Floats, members: np.ndarray) -> Nested:
    """The parts of nested R-hat.

    Args:
        means: Of the chains, (scalar, chain).
        variances: Of the draws of each chain; 0 if there is but one.
        members: See `superchains`.
    """
    grouped = means[:, members]
    spread = np.zeros(len(means))
    if members.shape[1] > 1:
        spread = grouped.var(axis=2, ddof=1).mean(axis=1)
    centres = grouped.mean(axis=2).var(axis=1, ddof=1)
    return Nested(centres, spread, variances.mean(axis=1))


def nested_of(draws: np.ndarray, members: np.ndarray) -> Nested:
    """The parts of nested R-hat for every scalar of a site, (chain, draw, *event)."""
    parts = [np.empty((3, 0))]
    for _, rows in blocks(draws):
        parts.append(where_complete(rows, partial(_parts, members=members)))
    return Nested(*np.concatenate(parts, axis=1))


def _parts(rows: Floats, members: np.ndarray) -> Floats:
    several = rows.shape[2] > 1
    variances = rows.var(axis=2, ddof=1) if several else np.zeros(rows.shape[:2])
    return np.stack(nested(rows.mean(axis=2), variances, members))


def _nested_rhat(rows: Floats, members: np.ndarray) -> Floats:
    return Nested(*_parts(rows, members)).r_hat


def chance_bound(
    parts: Nested, members: tuple[int, int], draws: int, chance: float
) -> tuple[Floats, float]:
    """Nested R-hats that chains which forgot their start exceed with that chance.

    The variance of superchain means is then that of chain means divided by the chains
    in a superchain; the ratio of the two estimates has an F distribution. So no
    autocorrelation time is needed, which short chains could not tell.

    Args:
        parts: What nested R-hat is made of.
        members: Superchains, and chains in each.
        draws: In each chain.
        chance: Of exceeding it by accident.

    Returns:
        The bound, (scalar,), and what it is for chains of an autocorrelation time of
        `GRANTED_TIME`.
    """
    from scipy.special import chdtri, fdtri  # a tenth of a second, for few runs

    count, size = members
    spread = chdtri(count - 1, chance) / (count - 1)
    granted = np.sqrt(1 + spread * min(1, GRANTED_TIME / draws) / size)
    if size == 1:  # nothing to compare with
        return np.full(len(parts.draws), granted), float(granted)
    spread = 1 / fdtri(count * (size - 1), count - 1, chance)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = parts.chains / (parts.chains + parts.draws)
    return np.sqrt(1 + share * spread / size), float(granted)
