"""The checks of a finished run: divergences, chains that disagree, too few draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ppl.diagnostics._columns import COLUMNS
from ppl.diagnostics._draws import Floats
from ppl.diagnostics.approximation import approximation_findings
from ppl.diagnostics.evidence import Evidence, Results, evidence_of
from ppl.diagnostics.findings import (
    ConvergenceWarning,
    DivergenceWarning,
    EnergyWarning,
    Finding,
    LowESSWarning,
    NonFiniteWarning,
    StuckChainWarning,
    TreeDepthWarning,
)
from ppl.diagnostics.nested import chance_bound

RHAT_MAX = 1.01  # Vehtari et al. 2021
RHAT_NEVER = 1.1  # no run is so short that this is chance
FALSE_ALARM = 1e-4  # chance of an R-hat warning in a healthy run
SHORT_CHAINS = 6  # by how much short chains underestimate their time, measured
LONGEST_TIME = 1.5  # what is excused; slow chains are no excuse
MANY_CHAINS = 32  # whose means tell by themselves how well they are known
LONGEST_OF_MANY = 4.0
ESS_TOTAL = 400
ESS_PER_CHAIN = 100
ESS_CHAINS = 16
EBFMI_MIN = 0.3
DEPTH_SHARE = 0.01
DEPTH_SHARE_OF_CHAIN = 0.05
MIN_DRAWS = 100
NESTED_DRAWS = 400
MIN_CHAINS = 4
STUCK_DRAWS = 10
SHIFT = 0.5  # divergences gather where they lie half a standard deviation off
NAMED = 3  # sites that a message names


def diagnose(
    posterior: Results, columns: Mapping[str, Floats] | None = None
) -> list[Finding]:
    """Look at a result for all that makes it doubtful; nothing if it is healthy.

    **R-hat.** Above 1.01, and above what chains of this length and autocorrelation time
    show by chance once in ten thousand runs, over all scalars together; 1.1 is too much
    in any case. If chains sample one distribution, the variance of the means of m half
    chains of n draws is that of means of n / time independent draws, so that
    n (R-hat² - 1) + 1 = time X / (m - 1), with X from a chi-squared distribution of
    m - 1 degrees. The time comes from within the chains: chains that sit in different
    modes do not excuse themselves. Short chains underestimate it, for AR(1) chains by
    a factor of about 1 + 6 time / n, which is put right. Slow chains are no excuse
    either: no more time than 1.5 is granted. So at 4 x 1000 draws the bound is 1.01; at
    4 x 100 it is 1.05, where a bare 1.01 cries wolf in nearly every run.

    **Effective sample size**, the smaller of bulk and tail. At least 400 in all, which
    makes the errors of means and quantiles small and their estimates stable, and 100
    for each chain up to 16 chains, since the estimate rests on autocorrelations and
    R-hat on the halves of each chain. With more chains the estimate is averaged over
    them, and 1600 are enough for any summary: 512 short chains need not give 51 200.
    Where the run is so short that even independent draws might fall below (fewer than
    four times as many), a quarter of the draws is asked for, and a note says so.

    **Nested R-hat** takes the place of R-hat where chains have fewer than 400 draws and
    are grouped in superchains: in healthy chains that need a few draws to forget one,
    R-hat is above 1.01 then, but groups that began at one point can tell whether that
    matters still. The bound is 1.01, or what chance exceeds once in ten thousand runs,
    found by comparing the means of superchains with those of the chains within them.
    Slow chains are no excuse: more than 1.1 is granted only if an autocorrelation time
    of four draws explains it. Below 100 draws nothing else is judged.

    **Approximations** have independent draws, and none of this is looked at, but the
    shape k of the tail of their importance ratios; see `approximation_findings`.

    Args:
        posterior: The result.
        columns: What `site_columns` said of its samples, if that is known already.

    Returns:
        Warnings first, then notes.
    """
    return judge(evidence_of(posterior, columns))


def judge(evidence: Evidence) -> list[Finding]:
    """What `diagnose` says of evidence, wherever it comes from."""
    if evidence.approximation is not None:
        return [*_non_finite(evidence), *approximation_findings(evidence.approximation)]
    found = [
        *_divergences(evidence),
        *_tree_depth(evidence),
        *_stuck(evidence),
        *_non_finite(evidence),
    ]
    scalars = _Scalars(evidence)
    shape = evidence.chains, evidence.draws
    if evidence.nested is not None and 0 < evidence.draws < NESTED_DRAWS:
        found += _remembered(scalars, evidence)
    elif evidence.draws >= MIN_DRAWS:
        found += _disagreement(scalars, shape)
    if evidence.draws >= MIN_DRAWS:
        found += _few_effective(scalars, shape)
        found += _energy(evidence.energies)
    return found + _notes(evidence)


class _Scalars:
    """One column at a time for all scalars of all sites, with the label of each."""

    def __init__(self, evidence: Evidence):
        columns = evidence.columns
        self._labels = evidence.labels
        self._sites = list(columns)
        none = np.empty((len(COLUMNS), 0))
        self._table = np.concatenate([none, *columns.values()], axis=1)
        self._ends = np.cumsum([part.shape[1] for part in columns.values()])

    def __len__(self) -> int:
        return self._table.shape[1]

    def column(self, name: str) -> Floats:
        return self._table[COLUMNS.index(name)]

    def label(self, index: int) -> str:
        site = int(np.searchsorted(self._ends, index, side="right"))
        name = self._sites[site]
        start = self._ends[site - 1] if site else 0
        return self._labels(name)[index - start]

    def worst(self, badness: Floats, texts: Sequence[str]) -> str:
        """The labels of the highest `badness` that is not NaN, each with its text."""
        bad = np.flatnonzero(~np.isnan(badness))
        first = bad[np.argsort(-badness[bad], kind="stable")][:NAMED]
        named = [f"{self.label(int(i))} ({texts[i]})" for i in first]
        return _listed(named, len(bad))


def _divergences(evidence: Evidence) -> Iterator[Finding]:
    counts = evidence.divergences
    if not counts.any():
        return
    yield Finding(
        DivergenceWarning,
        f"{_share(counts, evidence)} diverged, in {_chains(counts > 0)}: "
        f"parts of the posterior may be missing.{_gathering(evidence)}",
        "Raise target_accept_prob towards 0.99, or reparameterise the model "
        "(a non-centred form often helps).",
    )


def _gathering(evidence: Evidence) -> str:
    """Where the divergent draws lie, if that is apart from the others."""
    best, words = SHIFT, ""
    for name in evidence.sites if evidence.divergences.sum() >= 5 else ():
        mean, sd = evidence.columns[name][:2]
        there = evidence.divergent(name)
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.nan_to_num((there.mean(axis=0) - mean) / sd, posinf=0, neginf=0)
        if shift.size and np.abs(shift).max() > best:
            at = int(np.abs(shift).argmax())
            best, side = abs(shift[at]), "small" if shift[at] < 0 else "large"
            words = f" They gather at {side} {evidence.labels(name)[at]}."
    return words


def _tree_depth(evidence: Evidence) -> Iterator[Finding]:
    if evidence.depths is None or not evidence.draws:
        return
    by_chain = evidence.depths / evidence.lengths
    if by_chain.mean() > DEPTH_SHARE or by_chain.max() > DEPTH_SHARE_OF_CHAIN:
        yield Finding(
            TreeDepthWarning,
            f"{_share(evidence.depths, evidence)} reached the greatest tree depth, in "
            f"{_chains(by_chain > 0)}: they moved less far than they could.",
            "Raise max_tree_depth, or rescale or reparameterise the model.",
        )


def _stuck(evidence: Evidence) -> Iterator[Finding]:
    """Chains in which no continuous site ever moves.

    Constants that all chains share (the diagonal of a correlation matrix) do not count,
    unless there is nothing else.
    """
    if evidence.draws < STUCK_DRAWS:
        return
    still, any_site, alike = np.ones(evidence.chains, dtype=bool), False, True
    for moves, shared in evidence.moves:
        any_site = True
        if not moves.any() and shared:
            continue
        alike = False
        still &= ~moves
        if not still.any():
            return
    if any_site:
        whole = "all chains, at one and the same point" if alike else _chains(still)
        yield Finding(
            StuckChainWarning,
            f"No site ever moved in {whole}.",
            "Look at the step size and the acceptance rate; try other starting points.",
        )


def _non_finite(evidence: Evidence) -> Iterator[Finding]:
    named = [f"{n} ({bad} of {size} values)" for n, bad, size in evidence.wrong if bad]
    if named:
        text = _listed(named[:NAMED], len(named))
        yield Finding(
            NonFiniteWarning,
            f"Draws are infinite or not numbers: {text}.",
            "Look for divisions by zero and for overflow where it is computed.",
        )


def _disagreement(scalars: _Scalars, shape: tuple[int, int]) -> Iterator[Finding]:
    values = scalars.column("r_hat")
    if shape[0] < 2 or not (values > RHAT_MAX).any():
        return
    from scipy.special import chdtri  # a tenth of a second that healthy runs save

    degrees, half = 2 * shape[0] - 1, shape[1] // 2
    spread = chdtri(degrees, FALSE_ALARM / (2 * len(scalars))) / degrees
    time = np.fmax(scalars.column("time"), 1.0)
    time *= 1 + SHORT_CHAINS * time / half
    many = shape[0] >= MANY_CHAINS
    time = np.fmin(time, LONGEST_OF_MANY if many else LONGEST_TIME)
    chance = np.sqrt(1 + (time * spread - 1) / half)
    bound = np.fmax(RHAT_MAX, np.fmin(chance, RHAT_NEVER))
    badness = np.where(values > bound, values, np.nan)
    count = int(np.sum(~np.isnan(badness)))
    if count:
        texts = [f"R-hat {value:.2f}" for value in values]
        yield Finding(
            ConvergenceWarning,
            f"Chains disagree about {count} of {len(scalars)} scalars: "
            f"{scalars.worst(badness, texts)}.",
            "Do not use these draws; run longer, or look for several modes and for "
            "parameters that the data do not tell apart.",
        )


def _remembered(scalars: _Scalars, evidence: Evidence) -> Iterator[Finding]:
    """Scalars that tell where chains began."""
    members = evidence.members
    if evidence.nested is None or members[1] * evidence.draws == 1:
        return
    parts = evidence.nested()
    values = parts.r_hat
    if not (values > RHAT_MAX).any():
        return
    chance = FALSE_ALARM / len(scalars)
    bound, most = chance_bound(parts, members, evidence.draws, chance)
    bound = np.fmax(RHAT_MAX, np.fmin(bound, max(RHAT_NEVER, most)))
    badness = np.where(values > bound, values, np.nan)
    count = int(np.sum(~np.isnan(badness)))
    if count:
        texts = [f"nested R-hat {value:.2f}" for value in values]
        yield Finding(
            ConvergenceWarning,
            f"Chains remember where they began in {count} of {len(scalars)} scalars: "
            f"{scalars.worst(badness, texts)}.",
            "Do not use these draws; warm up longer, or look for several modes.",
        )


def _few_effective(scalars: _Scalars, shape: tuple[int, int]) -> Iterator[Finding]:
    needed = min(_needed(shape[0]), shape[0] * shape[1] / 4)
    bulk, tail = scalars.column("ess_bulk"), scalars.column("ess_tail")
    values = np.fmin(bulk, tail)
    badness = np.where(values < needed, -values, np.nan)
    count = int(np.sum(~np.isnan(badness)))
    if count:
        texts = [
            f"{'bulk' if b <= t else 'tail'} ESS {v:.0f}"
            for b, t, v in zip(bulk, tail, values, strict=True)
        ]
        yield Finding(
            LowESSWarning,
            f"{count} of {len(scalars)} scalars have fewer than {needed:.0f} effective "
            f"draws: {scalars.worst(badness, texts)}.",
            "Run longer, or reparameterise what mixes slowly.",
        )


def _energy(values: np.ndarray) -> Iterator[Finding]:
    low = values < EBFMI_MIN
    if low.any():
        yield Finding(
            EnergyWarning,
            f"E-BFMI is below {EBFMI_MIN} in {_chains(low)}, at the least "
            f"{np.nanmin(values):.2f}: heavy tails are explored slowly.",
            "Reparameterise the model, above all its scale parameters.",
        )


def _notes(evidence: Evidence) -> list[Finding]:
    chains, length = evidence.chains, evidence.draws
    notes = _moved(evidence)
    if length < MIN_DRAWS:
        if evidence.nested is not None:
            text = f"Chains of {length} draws are judged by nested R-hat alone."
        else:
            text = f"{length} draws in a chain are too few to check whether chains "
            text += "agree."
        return [*notes, Finding(None, text)]
    if chains < MIN_CHAINS:
        few = "one chain tells" if chains == 1 else f"{chains} chains tell"
        notes.append(Finding(None, f"Only {few} little about convergence; run four."))
    if chains * length < 4 * _needed(chains):
        text = f"{chains * length} draws may not give {_needed(chains)} effective ones."
        notes.append(Finding(None, f"A short run: {text}"))
    return notes


def _moved(evidence: Evidence) -> list[Finding]:
    if not evidence.moved:
        return []
    text = f"{evidence.moved} of {evidence.chains} chains had settled in warm-up where "
    text += "there is less than e^-20 of the mass, and went on from others' places."
    hint = "The posterior has such places far from its bulk; better starting points or "
    return [Finding(None, text, hint + "stronger priors keep chains out of them.")]


def _needed(chains: int) -> int:
    return max(ESS_TOTAL, ESS_PER_CHAIN * min(chains, ESS_CHAINS))


def _share(counts: np.ndarray, evidence: Evidence) -> str:
    total = evidence.lengths.sum()
    return f"{counts.sum()} of {total} draws ({100 * (counts.sum() / total):.2g}%)"


def _chains(flags: Any) -> str:
    """`chain 2`, `3 of 4 chains`."""
    if flags.sum() == 1:
        return f"chain {int(flags.argmax())}"
    return f"{flags.sum()} of {flags.size} chains"


def _listed(named: Sequence[str], count: int) -> str:
    rest = f" and {count - len(named)} more" if count > len(named) else ""
    return ", ".join(named) + rest
