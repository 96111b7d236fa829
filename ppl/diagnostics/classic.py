"""Diagnostics under the names and with the meaning that NumPyro gives them.

They use the draws as they are, without ranks, and `effective_sample_size` does not
split the chains. For new work prefer `ess_bulk`, `ess_tail` and `rhat`, which also see
heavy tails and chains that differ in spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ppl._errors import ShapeError
from ppl.diagnostics._draws import MIN_DRAWS, Floats, as_draws
from ppl.diagnostics._ess import fast_length


def gelman_rubin(x: Any) -> Any:
    """R-hat of the chains as they are (Gelman and Rubin 1992).

    Args:
        x: Shape (chain, draw, *event), at least two of either.

    Returns:
        Shape (*event,).
    """
    draws = _at_least(x, chains=2, length=2)
    within, total = _variances(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(total / within)


def split_gelman_rubin(x: Any) -> Any:
    """R-hat of the halves of the chains, which also sees a drift.

    Args:
        x: Shape (chain, draw, *event), at least four draws.

    Returns:
        Shape (*event,).
    """
    draws = _at_least(x, chains=1, length=MIN_DRAWS)
    half = draws.shape[1] // 2
    return gelman_rubin(np.concatenate([draws[:, :half], draws[:, -half:]]))


def effective_sample_size(x: Any, bias: bool = True) -> Any:
    """Effective sample size of the mean, by Geyer's initial monotone sequence.

    Args:
        x: Shape (chain, draw, *event), at least two draws.
        bias: Whether autocovariances are divided by the number of draws (biased, less
            noisy) or by the number of terms.

    Returns:
        Shape (*event,).
    """
    draws = _at_least(x, chains=1, length=2)
    covariance = autocovariance(draws, axis=1, bias=bias).mean(axis=0)
    within, total = _variances(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = 1 - (within - covariance) / total
        correlation[0] = 1.0
        even, odd = correlation[:-1:2], correlation[1::2]
        pairs = even + odd
        pairs[1:] = np.minimum.accumulate(np.maximum(pairs[1:], 0), axis=0)
        return draws.shape[0] * draws.shape[1] / (2 * pairs.sum(axis=0) - 1)


def autocovariance(x: Any, axis: int = 0, bias: bool = True) -> Floats:
    """Autocovariance at lags 0, 1, ..., by a Fourier transform.

    Args:
        x: Any shape.
        axis: The axis of the draws.
        bias: Whether to divide by the number of draws or by the number of terms.

    Returns:
        The shape of `x`, lags along `axis`.
    """
    draws = np.moveaxis(np.asarray(x, dtype=np.float64), axis, -1)
    length = draws.shape[-1]
    padded = 2 * fast_length(length)
    spectrum = np.fft.rfft(draws - draws.mean(axis=-1, keepdims=True), n=padded)
    power = spectrum.real**2 + spectrum.imag**2
    products = np.fft.irfft(power, n=padded)[..., :length]
    terms = length if bias else np.arange(length, 0, -1)
    return np.moveaxis(products / terms, -1, axis)


def autocorrelation(x: Any, axis: int = 0, bias: bool = True) -> Floats:
    """Autocorrelation at lags 0, 1, ...; see `autocovariance`."""
    covariance = autocovariance(x, axis=axis, bias=bias)
    with np.errstate(divide="ignore", invalid="ignore"):
        return covariance / np.take(covariance, [0], axis=axis)


def hpdi(x: Any, prob: float = 0.90, axis: int = 0) -> np.ndarray:
    """The narrowest interval that holds the share `prob` of the draws.

    Args:
        x: Any shape.
        prob: The share.
        axis: The axis of the draws.

    Returns:
        The shape of `x` with two elements along `axis`, the lower end and the upper.
    """
    ascending = np.sort(np.moveaxis(np.asarray(x), axis, 0), axis=0)
    steps = min(int(prob * len(ascending)), len(ascending) - 1)
    widths = ascending[steps:] - ascending[: len(ascending) - steps]
    start = widths.argmin(axis=0)[None]
    ends = np.concatenate([start, start + steps])
    return np.moveaxis(np.take_along_axis(ascending, ends, axis=0), 0, axis)


def summary(
    samples: Any,
    prob: float = 0.90,
    group_by_chain: bool = True,
) -> dict[str, dict[str, Any]]:
    """Mean, std, median, narrowest interval, n_eff and r_hat of each variable.

    Args:
        samples: Names to arrays of shape (chain, draw, *event), or any other pytree of
            such arrays, whose leaves are called "Param:0", "Param:1", ....
        prob: The share of the draws that the interval holds.
        group_by_chain: Whether the arrays have a chain dimension.

    Returns:
        For each variable the columns, each of shape (*event,).
    """
    table = {}
    for name, draws in _named(samples, group_by_chain=group_by_chain).items():
        if draws.shape[0] == 0 or draws.shape[1] == 0:
            continue
        flat = draws.reshape(-1, *draws.shape[2:])
        low, high = hpdi(flat, prob)
        enough = draws.shape[1] >= MIN_DRAWS
        nothing = np.full(draws.shape[2:], np.nan)[()]
        table[name] = {
            "mean": flat.mean(axis=0),
            "std": flat.std(axis=0, ddof=1) if len(flat) > 1 else nothing,
            "median": np.median(flat, axis=0),
            f"{50 * (1 - prob):.1f}%": low,
            f"{50 * (1 + prob):.1f}%": high,
            "n_eff": effective_sample_size(draws) if enough else nothing,
            "r_hat": split_gelman_rubin(draws) if enough else nothing,
        }
    return table


def print_summary(
    samples: Any,
    prob: float = 0.90,
    group_by_chain: bool = True,
) -> None:
    """Print `summary` as a table, one line for each scalar.

    Args:
        samples: As for `summary`.
        prob: The share of the draws that the interval holds.
        group_by_chain: Whether the arrays have a chain dimension.
    """
    table = summary(samples, prob, group_by_chain)
    if not table:
        return
    lines = {}
    for name, columns in table.items():
        for index in np.ndindex(np.shape(columns["mean"])):
            label = f"{name}[{','.join(map(str, index))}]" if index else name
            lines[label] = [np.asarray(column)[index] for column in columns.values()]
    width = max(10, *map(len, lines))
    header = next(iter(table.values()))
    print("\n" + " " * width, *(f"{column:>9}" for column in header))
    for label, values in lines.items():
        print(f"{label:>{width}}", *(f"{value:>9.2f}" for value in values))
    print()


def _named(samples: Any, *, group_by_chain: bool) -> dict[str, np.ndarray]:
    if not isinstance(samples, Mapping):
        leaves = jax.tree.leaves(samples)
        samples = {f"Param:{i}": leaf for i, leaf in enumerate(leaves)}
    arrays = {str(name): np.asarray(draws) for name, draws in samples.items()}
    if not group_by_chain:
        arrays = {name: draws[None] for name, draws in arrays.items()}
    return {name: as_draws(draws) for name, draws in arrays.items()}


def _at_least(x: Any, *, chains: int, length: int) -> Floats:
    """`x` in float64, with as many chains and draws as the statistic needs."""
    draws = as_draws(x).astype(np.float64)
    if draws.shape[0] < chains or draws.shape[1] < length:
        raise ShapeError(
            f"draws of shape {draws.shape} are too few: at least {chains} chains of "
            f"{length} draws are needed, in the order (chain, draw, ...).",
            value=draws.shape,
        )
    return draws


def _variances(draws: Floats) -> tuple[Floats, Floats]:
    """Mean variance within the chains, and an estimate of that of all draws."""
    chains, length = draws.shape[:2]
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    if chains == 1:
        whole = within * (length - 1) / length
        return whole, whole
    between = draws.mean(axis=1).var(axis=0, ddof=1)
    return within, within * (length - 1) / length + between
