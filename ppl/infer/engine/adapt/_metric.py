"""Metrics estimated from the draws of all chains, on the host in float64."""

from __future__ import annotations

import numpy as np

_DISAGREE = 4.0
"""Ratio of total to within-chain variance from which on chains count as apart."""


def pooled_variance(draws: np.ndarray) -> np.ndarray:
    """Marginal variances from all chains, (dim,), for draws of (chains, n, dim).

    Where chains still lie apart, their scatter tells where they started and not how
    wide the target is; there the variance within chains is taken alone.
    """
    draws = np.asarray(draws, np.float64)
    total = draws.var(axis=(0, 1))
    within = draws.var(axis=1).mean(axis=0)
    apart = (total > _DISAGREE * within) & (draws.shape[1] > 1)
    return regularised(np.where(apart, within, total), draws.shape[0] * draws.shape[1])


def pooled_covariance(draws: np.ndarray) -> np.ndarray:
    """Covariance from all chains, (dim, dim), for draws of (chains, n, dim)."""
    draws = np.asarray(draws, np.float64)
    chains, n, dim = draws.shape
    flat = draws.reshape(-1, dim)
    total = np.cov(flat, rowvar=False, bias=True).reshape(dim, dim)
    if n > 1:
        centred = (draws - draws.mean(axis=1, keepdims=True)).reshape(-1, dim)
        within = centred.T @ centred / len(centred)
        apart = np.diag(total) > _DISAGREE * np.diag(within)
        if apart.any():
            total = within
    return regularised(total, chains * n)


def regularised(estimate: np.ndarray, count: int) -> np.ndarray:
    """Shrink a variance or covariance towards a small multiple of the identity.

    The weights are Stan's: `count` draws against 5 at a variance of 0.001.
    """
    share = count / (count + 5.0)
    small = 1e-3 * (1 - share)
    if estimate.ndim == 1:
        return share * estimate + small
    return share * estimate + small * np.eye(len(estimate))
