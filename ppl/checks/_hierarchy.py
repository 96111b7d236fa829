"""Advice about hierarchies: latents that no data inform, and funnels.

In a centred hierarchy a site's scale is latent itself. Where the data say little about
each element, a small scale leaves the elements little room and a large one much: the
posterior is a funnel (Betancourt & Girolami 2015). The data say little where their
information, minus the second derivative of the log likelihood, is below that of the
prior, 1 / scale².
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array
from ppl.checks._draws import Simulated
from ppl.checks._flow import Dependences
from ppl.checks._probe import affordable, quickly
from ppl.checks._report import Finding
from ppl.target import LogDensity, Traced

_SPREAD = np.log(3.0)  # between the 10% and 90% quantiles of a scale that matters
_POINTS, _FEWEST = 64, 4
_NAMED = 3


def given_sites(traced: Traced) -> list[str]:
    """Sample sites with a value and at least one element, factors included."""
    free = {entry.name for entry in traced.density.layout.entries}
    return [
        name
        for name, site in traced.sites.items()
        if site.type == "sample"
        and name not in free
        and (site.family == "Unit" or 0 not in site.shape)
    ]


def unused_findings(
    traced: Traced, found: Dependences, lines: dict[str, str]
) -> Iterator[Finding]:
    """Latents that the data do not depend on, or only by steps."""
    given = given_sites(traced)
    if not any(traced.sites[n].is_observed or found.terms[n].any for n in given):
        return  # a model of the prior alone
    informed = found.informed(given)
    for entry in traced.density.layout.entries:
        i = found.latent.index(entry.name)
        if not entry.size:
            continue
        others = [r for name, r in found.terms.items() if name != entry.name]
        if not informed >> i & 1:
            yield Finding(
                "unused latent",
                "no data depend on it: its posterior is its prior.",
                entry.name,
                lines.get(entry.name, ""),
                remedy="Take it out, or use it in the likelihood; what is to be "
                "predicted is cheaper to draw afterwards.",
            )
        elif not any(r.smooth >> i & 1 for r in others):
            yield Finding(
                "zero gradient",
                "all that depends on it does so by steps (rounding, comparisons, "
                "integers) or behind stop_gradient: its gradient from the data is zero "
                "everywhere.",
                entry.name,
                lines.get(entry.name, ""),
                0.0,
                "Replace the step by a smooth function, or sum over the cases.",
            )


def funnel_findings(
    traced: Traced, found: Dependences, drawn: Simulated, lines: dict[str, str]
) -> Iterator[Finding]:
    """Sites of latent scale about which the data say less than the prior."""
    groups: dict[int, list[str]] = {}
    for name, reach in found.scales.items():
        scales = drawn.scales.get(name)
        if reach.any and scales is not None and scales.size and _varies(scales):
            groups.setdefault(reach.any, []).append(name)
    if not groups:
        return
    count = _points(traced)
    information = _information(traced, drawn, sum(groups.values(), []))
    for bits, names in groups.items():
        ratios = [information[n] * np.square(drawn.scales[n][:count]) for n in names]
        joined = np.concatenate([r.reshape(len(r), -1) for r in ratios], axis=1)
        with np.errstate(invalid="ignore"):
            each = np.nanmedian(joined, axis=0)
        weak = each[each < 1]
        if 2 * weak.size <= each.size:
            continue
        yield _funnel(names, found.names(bits), float(np.median(each)), lines)


def _points(traced: Traced) -> int:
    return max(_FEWEST, affordable(traced.density, _POINTS))


def _varies(scales: np.ndarray) -> bool:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(scales.reshape(len(scales), -1)).mean(axis=1)
    logs = logs[np.isfinite(logs)]
    if not logs.size:
        return False
    low, high = np.quantile(logs, [0.1, 0.9])
    return bool(high - low > _SPREAD)


def _funnel(
    names: list[str], scales: Iterable[str], ratio: float, lines: dict[str, str]
) -> Finding:
    by = ", ".join(f"'{name}'" for name in scales)
    more = [f"'{name}'" for name in names[1:_NAMED]]
    more += [f"{len(names) - _NAMED} more"] * (len(names) > _NAMED)
    others = f" (and that of {', '.join(more)})" if more else ""
    amount = f"{ratio:.2g} times as much" if ratio > 0.005 else "next to nothing"
    first = names[0]
    beside = "" if amount.startswith("next") else " as the prior"
    return Finding(
        "funnel",
        f"its scale{others} depends on {by}, and the data say {amount}{beside} about "
        "each element: a centred hierarchy with few data has a funnel, whose neck "
        "samplers do not reach.",
        first,
        lines.get(first, ""),
        ratio,
        f"Write it non-centred: sample unit ~ Normal(0, 1), and let {first} = loc + "
        "scale * unit.",
    )


def _information(
    traced: Traced, drawn: Simulated, names: list[str]
) -> dict[str, np.ndarray]:
    """By site what the data say of each element, (points, *site shape)."""
    given = tuple(given_sites(traced))
    positions = drawn.positions[: _points(traced)]
    entries = {e.name: e for e in traced.density.layout.entries}
    if not given:
        return {n: np.zeros((len(positions), *entries[n].shape)) for n in names}
    signs = np.zeros_like(positions)
    rng = np.random.default_rng(2)
    for name in names:
        entry = entries[name]
        cut = slice(entry.offset, entry.offset + entry.size)
        signs[:, cut] = rng.choice([-1.0, 1.0], (len(positions), entry.size))
    curved = np.asarray(_curvature(traced.density, positions, signs, given=given))
    return {
        n: -(curved * signs)[
            :, entries[n].offset : entries[n].offset + entries[n].size
        ].reshape(len(positions), *entries[n].shape)
        for n in names
    }


@partial(quickly, static=("given",))
def _curvature(
    density: LogDensity, positions: Array, signs: Array, given: tuple[str, ...]
) -> Array:
    """The Hessian of the log likelihood times random signs, at each point."""

    def likelihood(position: Array) -> Array:
        terms = density.visit(position)[2]
        return sum((terms[name] for name in given), jnp.zeros(()))

    def one(position: Array, sign: Array) -> Array:
        return jax.jvp(jax.grad(likelihood), (position,), (sign,))[1]

    return jax.vmap(one)(positions, signs)
