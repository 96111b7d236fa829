"""Effective sample size from the autocorrelations of all chains together.

Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding,
and localization: an improved R-hat", Bayesian Analysis 16(2); the sum over lags is cut
by the initial monotone sequence of Geyer (1992), Statistical Science 7(4).
"""

from __future__ import annotations

import numpy as np

from ppl.diagnostics._draws import Floats, split

CONSTANT = np.finfo(np.float64).resolution  # a smaller range is rounding


def ess(chains: Floats) -> Floats:
    """Effective number of independent draws for the mean.

    Args:
        chains: Draws without NaN, shape (scalar, chain, draw), already split.

    Returns:
        Shape (scalar,). Constants count in full, as each draw tells all.
    """
    return ess_and_time(chains)[0]


def split_ess(rows: Floats) -> Floats:
    """`ess` of both halves of each chain; (scalar, chain, draw) to (scalar,)."""
    return ess(split(rows))


def ess_and_time(chains: Floats) -> tuple[Floats, Floats]:
    """Effective sample size, and the autocorrelation time within the chains alone.

    The time leaves out what chains differ by: it tells how fast chains forget, and so
    how much their means would differ if they did sample the same distribution.

    Args:
        chains: Draws without NaN, shape (scalar, chain, draw), already split.

    Returns:
        Both of shape (scalar,).
    """
    count, length = chains.shape[1:]
    total = count * length
    means = chains.mean(axis=2, keepdims=True)
    covariance = _autocovariance(chains - means)
    within = covariance[:, :1] * length / (length - 1.0)
    overall = within * (length - 1.0) / length
    apart = means[:, :, 0].var(axis=1, ddof=1)[:, None] if count > 1 else 0.0

    time = _geyer_sum(1 - (within - covariance) / (overall + apart))
    size = total / np.maximum(time, 1 / np.log10(total))
    constant = np.ptp(chains, axis=(1, 2)) < CONSTANT
    alone = _geyer_sum(1 - (within - covariance) / overall)
    return np.where(constant, total, size), np.where(constant, 1.0, alone)


def _autocovariance(centred: Floats) -> Floats:
    """Mean over the chains of the (biased) autocovariance; lags 0, 1, ... of each row.

    The mean is taken between the two transforms, so that only one goes back.
    """
    length = centred.shape[2]
    padded = fast_length(2 * length)
    spectrum = np.fft.rfft(centred, n=padded, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    return np.fft.irfft(power, n=padded, axis=1)[:, :length] / length


def _geyer_sum(correlation: Floats) -> Floats:
    """Integrated autocorrelation time by the initial monotone sequence.

    Sums of neighbouring lags are positive and fall for a reversible chain. The first
    that is not positive ends the sum, and none may exceed the one before. The even lag
    at the end is added once where it helps, which reduces the variance of the estimate
    for antithetic chains.

    Args:
        correlation: Lags 0, 1, ..., shape (scalar, lag).

    Returns:
        Shape (scalar,).
    """
    rows = np.arange(len(correlation))
    final = max(0, (correlation.shape[1] - 3) // 2)
    used = slice(0, 2 * final + 2)
    correlation[:, 0] = 1.0
    pairs = correlation[:, used][:, ::2] + correlation[:, used][:, 1::2]
    ends = ~(pairs > 0)
    ends[:, final] = True
    last = ends.argmax(axis=1)

    sums = np.minimum.accumulate(pairs, axis=1).cumsum(axis=1)
    head = np.where(last > 0, sums[rows, last - 1], 0.0)
    even = correlation[rows, 2 * last]
    kept = (even > 0) | (pairs[rows, last] >= 0)
    time = 2 * head - 1 + np.where(kept, even, 0.0)
    return np.where(np.isnan(correlation[:, 1]), np.nan, time)


def fast_length(length: int) -> int:
    """The least number from `length` on that has no prime factor above five."""
    best = 1 << (max(1, length) - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            rest = -(-length // three)  # the power of two that is still missing
            best = min(best, three << max(0, (rest - 1).bit_length()))
            three *= 3
        five *= 5
    return best
