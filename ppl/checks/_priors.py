"""Advice from draws of the prior: unlike scales, and data that no draw comes near."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ppl.checks._draws import Simulated
from ppl.checks._report import Finding
from ppl.target import Traced

_RATIO = 1e4  # of scales, up to which warm-up copes with ease
_NORMAL_RANGE = 1.349  # between the quartiles of a standard normal
_BEYOND = 1.0  # widths of the range of all draws that data must lie outside of it
_BEYOND_POSITIVE = 1.5  # on the log scale: a factor of 4.5
_LEAST_DRAWS = 20


def scale_findings(
    traced: Traced, drawn: Simulated, lines: dict[str, str]
) -> Iterator[Finding]:
    """The narrowest and the widest site, if a sampler would mind the difference."""
    low, high = np.nanquantile(drawn.positions, [0.25, 0.75], axis=0)
    widths = (high - low) / _NORMAL_RANGE
    scales = {}
    for entry in traced.density.layout.entries:
        own = widths[entry.offset : entry.offset + entry.size]
        own = own[np.isfinite(own) & (own > 0)]
        if own.size:
            scales[entry.name] = float(np.median(own))
    if len(scales) < 2:
        return
    ordered = sorted(scales, key=scales.__getitem__)
    narrow, wide = ordered[0], ordered[-1]
    ratio = scales[wide] / scales[narrow]
    if ratio > _RATIO:
        yield Finding(
            "unlike scales",
            f"its prior is {ratio:.1g} times as wide as that of '{narrow}' "
            f"({lines.get(narrow, '')}): {scales[wide]:.3g} against "
            f"{scales[narrow]:.3g} in unconstrained units.",
            wide,
            lines.get(wide, ""),
            ratio,
            "Standardise the data, or write the site as a number times a parameter of "
            "scale one; priors this wide are seldom meant.",
        )


def predictive_findings(drawn: Simulated, lines: dict[str, str]) -> Iterator[Finding]:
    """Observed sites whose data lie far outside of all that the prior gives."""
    for name, simulated in drawn.simulated.items():
        given, where = drawn.given[name][0], drawn.counted[name][0]
        where = np.broadcast_to(where, given.shape).ravel()
        if not where.any():
            continue
        data = given.ravel()[where].astype(float)
        drawn_data = simulated.reshape(len(simulated), -1)[:, where].astype(float)
        usable = np.isfinite(drawn_data).all(axis=1)
        if usable.sum() < _LEAST_DRAWS:
            continue
        finding = _compared(data, drawn_data[usable])
        if finding is not None:
            what, value, bounds = finding
            yield Finding(
                "prior far from data",
                f"{what} of the data is {value:.4g}, but in {int(usable.sum())} data "
                f"sets drawn from the prior it lies between {bounds[0]:.4g} and "
                f"{bounds[1]:.4g}.",
                name,
                lines.get(name, ""),
                value,
                "Are data and priors in the same units? Shift or scale the data, or "
                "widen the priors.",
            )


def _compared(
    data: np.ndarray, drawn: np.ndarray
) -> tuple[str, float, tuple[float, float]] | None:
    """The first statistic that lies far outside, its value, the range of the draws."""
    statistics = {"mean": np.mean, "largest value": np.max, "smallest value": np.min}
    if data.size > 1:
        statistics["standard deviation"] = np.std
    for what, statistic in statistics.items():
        value, drawn_values = float(statistic(data)), statistic(drawn, axis=1)
        low, high = float(drawn_values.min()), float(drawn_values.max())
        if _is_far(value, low, high):
            return f"the {what}", value, (low, high)
    return None


def _is_far(value: float, low: float, high: float) -> bool:
    """Whether a value is far outside a range; for positive ones, on the log scale too.

    A range of one point (of a constant) says nothing about distances.
    """
    if low <= value <= high or low == high:
        return False
    distance = max(low - value, value - high)
    if distance <= _BEYOND * (high - low):
        return (
            value > 0
            and low > 0
            and np.log(low / value) > _BEYOND_POSITIVE + (np.log(high / low))
        )
    return True
