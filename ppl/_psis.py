"""Pareto-smoothed importance sampling: the largest weights, made less random.

Vehtari, Simpson, Gelman, Yao, Gabry, "Pareto smoothed importance sampling" (JMLR
25(72), 2024). The largest importance ratios are replaced by the expected order
statistics of a generalised Pareto distribution, fitted to them by the method of Zhang,
Stephens, "A new and efficient estimation method for the generalized Pareto
distribution" (Technometrics 51, 2009). Its shape says how far the ratios are to be
trusted: up to 0.7.
"""

from __future__ import annotations

import numpy as np

_LEAST_TAIL = 5
_PRIOR_DRAWS = 10  # the shape is drawn towards 1/2 with the weight of so many draws
_LOG_TINY = float(np.log(np.finfo(np.float64).tiny))


def pareto_smoothed(log_ratios: np.ndarray) -> tuple[np.ndarray, float]:
    """Log weights (n,) that sum to one, and the shape of the tail of the ratios.

    Args:
        log_ratios: Logarithms of importance ratios, (n,): some finite, others -inf.

    Returns:
        The log weights; the shape, infinite where the tail is too short for a fit.
    """
    weights = log_ratios - log_ratios.max()
    size = int(np.isfinite(weights).sum())
    length = int(min(size // 5, np.ceil(3 * np.sqrt(size))))
    shape = np.inf
    if length >= _LEAST_TAIL:
        cutoff = max(np.sort(weights)[-length - 1], _LOG_TINY)
        tail = np.flatnonzero(weights > cutoff)
        if len(tail) >= _LEAST_TAIL:
            order = tail[np.argsort(weights[tail], kind="stable")]
            excess = np.exp(weights[order]) - np.exp(cutoff)
            shape, scale = generalized_pareto(excess)
            level = (np.arange(len(tail)) + 0.5) / len(tail)
            smooth = np.exp(cutoff) + scale * _quantile(level, shape)
            weights[order] = np.minimum(np.log(smooth), 0.0)
    return weights - np.logaddexp.reduce(weights), shape


def generalized_pareto(excess: np.ndarray) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, fitted to sorted values.

    Zhang and Stephens' estimate, with the weakly informative prior on the shape of
    Vehtari et al., appendix G. A positive shape is a heavy tail.

    Args:
        excess: Positive values in ascending order, (n,).
    """
    size = len(excess)
    count = 30 + int(np.sqrt(size))
    quartile = excess[(size + 2) // 4 - 1]
    nodes = 1 - np.sqrt(count / (np.arange(count) + 0.5))
    nodes = nodes / (3 * quartile) + 1 / excess[-1]
    shapes = np.log1p(-nodes[:, None] * excess).mean(axis=1)
    profile = size * (np.log(-nodes / shapes) - shapes - 1)
    mass = np.exp(profile - profile.max())
    node = (nodes * mass).sum() / mass.sum()
    shape = float(np.log1p(-node * excess).mean())
    scale = -shape / float(node)
    return (size * shape + _PRIOR_DRAWS * 0.5) / (size + _PRIOR_DRAWS), scale


def _quantile(level: np.ndarray, shape: float) -> np.ndarray:
    """Of the generalised Pareto distribution of scale 1."""
    tail = -np.log1p(-level)
    return tail if shape == 0 else np.expm1(shape * tail) / shape
