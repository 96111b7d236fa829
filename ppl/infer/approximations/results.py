"""From draws of an approximation to a posterior, with what tells how good it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ppl._counts import as_count
from ppl._errors import ArgumentError
from ppl._psis import pareto_smoothed
from ppl._typing import Model
from ppl._version import __version__
from ppl.checks import checked
from ppl.diagnostics import warn_findings
from ppl.infer._cache import enable_compilation_cache
from ppl.infer.adapted import Adapted
from ppl.infer.engine.curvature import balanced_noise
from ppl.infer.engine.metric import metric_from
from ppl.infer.initialization import (
    AbstractInitStrategy,
    as_strategy,
    init_to_uniform,
)
from ppl.infer.sampling import Values, constrained, labelled
from ppl.infer.seeding import Words, fresh_seed, seed_words
from ppl.layout import Layout
from ppl.posterior import Posterior
from ppl.target import LogDensity, Traced

POOL = 4  # draws for each that is kept, where they are resampled
_STREAM = 5  # streams of a seed below belong to kernels and to starting points
_DENSE_METRIC = 128
_KEPT_POSITIONS = 256
Facts = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Task:
    """A model with its data, checked, and what every method is told.

    Attributes:
        traced: The model's sites and target.
        seed: Of all random numbers.
        draws: How many to return.
        resample: Whether these are resampled by their importance.
        begin: Where climbs begin.
        began: When, in seconds.
    """

    traced: Traced
    seed: Words
    draws: int
    resample: bool
    begin: AbstractInitStrategy = field(default_factory=init_to_uniform)
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(
        cls,
        model: Model,
        data: tuple[tuple[Any, ...], dict[str, Any]],
        *,
        draws: int = 1,
        seed: Any = None,
        begin: Any,
        resample: bool = False,
    ) -> Task:
        """Check a model and what is asked for.

        Raises:
            PPLError: Something is wrong; the classes say what.
        """
        began = time.perf_counter()
        count = as_count("draws", draws)
        words = seed_words(fresh_seed() if seed is None else seed)
        strategy = as_strategy(begin)
        enable_compilation_cache()
        traced = checked(model, *data)
        return cls(traced, words, count, bool(resample), strategy, began)

    @property
    def density(self) -> LogDensity:
        """The target."""
        return self.traced.density

    @property
    def layout(self) -> Layout:
        """Of its coordinates."""
        return self.density.layout

    @property
    def dim(self) -> int:
        """How many coordinates there are."""
        return self.layout.size

    @property
    def pool(self) -> int:
        """How many draws the approximation has to give."""
        return self.draws * (POOL if self.resample else 1)

    def rng(self, path: int = 0) -> np.random.Generator:
        """Random numbers of the method, or of one of its paths."""
        return np.random.default_rng(
            np.random.SeedSequence((*self.seed, _STREAM, path))
        )

    def noise(self) -> np.ndarray:
        """Standard normal numbers for half of the draws; the others mirror these."""
        return balanced_noise(self.rng(), -(-self.pool // 2), self.dim)


@dataclass(frozen=True)
class Weighted:
    """Draws of an approximation, with their log densities.

    Attributes:
        position: Unconstrained, (n, dim).
        logp: Under the target, (n,); -inf where it is not finite.
        logq: Under the approximation, (n,).
        comparable: Whether both are densities of all of the model's latent values.
    """

    position: np.ndarray
    logp: np.ndarray
    logq: np.ndarray
    comparable: bool = True

    @property
    def log_ratios(self) -> np.ndarray:
        """Logarithms of the importance ratios, (n,), -inf where there are none."""
        with np.errstate(invalid="ignore"):
            ratios = self.logp - self.logq
        return np.where(np.isfinite(ratios), ratios, -np.inf)


@dataclass(frozen=True)
class Importance:
    """What importance ratios tell of an approximation.

    Attributes:
        log_weights: Smoothed, (n,); their exponentials sum to one.
        pareto_k: Shape of the tail of the ratios: up to 0.7 they can be trusted.
        elbo: The evidence lower bound, from the draws.
        log_evidence: Logarithm of the mean of the smoothed ratios.
    """

    log_weights: np.ndarray
    pareto_k: float
    elbo: float
    log_evidence: float

    @classmethod
    def of(cls, log_ratios: np.ndarray) -> Importance:
        """From the ratios, (n,), -inf where the target vanishes."""
        count = len(log_ratios)
        finite = np.isfinite(log_ratios)
        if not finite.any():
            even = np.full(count, -np.log(count))
            return cls(even, np.inf, -np.inf, -np.inf)
        elbo = float(log_ratios.mean())
        if finite.all() and np.ptp(log_ratios) < 1e-6:  # it is the posterior
            return cls(np.full(count, -np.log(count)), -np.inf, elbo, elbo)
        log_weights, shape = pareto_smoothed(log_ratios)
        least = int(np.where(finite, log_ratios, np.inf).argmin())  # is not smoothed
        evidence = log_ratios[least] - log_weights[least] - np.log(count)
        return cls(log_weights, float(shape), elbo, float(evidence))

    @classmethod
    def unknown(cls, count: int) -> Importance:
        """Even weights, where there are no densities to compare."""
        even = np.full(count, -np.log(count))
        return cls(even, np.nan, np.nan, np.nan)

    @property
    def even(self) -> float:
        """The share of the draws that would tell as much if they had equal weights."""
        effective = float(np.exp(-np.logaddexp.reduce(2 * self.log_weights)))
        return effective / len(self.log_weights)

    def facts(self) -> Facts:
        """For `Posterior.attrs`."""
        return {
            "pareto_k": self.pareto_k,
            "elbo": self.elbo,
            "log_evidence": self.log_evidence,
            "even_weights": self.even,
        }


def resampled(
    log_weights: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Indices of draws, each in proportion to its weight, in strata: (count,)."""
    ends = np.cumsum(np.exp(log_weights))
    levels = (np.arange(count) + rng.random(count)) / count * ends[-1]
    chosen = np.searchsorted(ends, levels, side="right")
    return rng.permutation(np.minimum(chosen, len(ends) - 1))


def posterior_of(
    task: Task,
    drawn: Weighted,
    method: str,
    facts: Mapping[str, str | int | float | bool],
    values: tuple[Values, Values] | None = None,
) -> Posterior:
    """Weigh, constrain and label draws; warns if the approximation is poor.

    Args:
        task: What was asked for.
        drawn: As many draws as its pool, or one more.
        method: Its name, for `attrs`.
        facts: More of these.
        values: Draws and observed values by site, if they are known: (n, *shape) and
            (*shape).
    """
    moving = bool((np.ptp(drawn.position, axis=0) > 0).all())
    importance = Importance.unknown(len(drawn.logp))
    if moving and drawn.comparable:
        importance = Importance.of(drawn.log_ratios)
    stats = {"lp": drawn.logp, "log_weight": importance.log_weights}
    rng = task.rng(1)
    kept = rng.permutation(len(drawn.logp))[: task.draws]
    if task.resample:
        kept = resampled(importance.log_weights, task.draws, rng)
        del stats["log_weight"]
    positions = drawn.position[kept]
    if values is None:
        samples, observed = constrained(task.density, positions[None])
    else:
        samples = {name: value[kept][None] for name, value in values[0].items()}
        observed = values[1]
    posterior = Posterior(
        **labelled(task.traced, samples, observed),
        sample_stats={n: v[kept][None] for n, v in stats.items()},
        adapted=_adapted(drawn.position, positions, task.layout) if moving else None,
        attrs={
            "inference_library": "ppl",
            "inference_library_version": __version__,
            "method": method,
            "seed": task.seed[0] + (task.seed[1] << 32),
            "resampled": task.resample,
            **importance.facts(),
            **facts,
            "sampling_time": time.perf_counter() - task.began,
        },
    )
    warn_findings(posterior.findings)
    return posterior


def _adapted(positions: np.ndarray, kept: np.ndarray, layout: Layout) -> Adapted | None:
    """What the draws tell a sampler, for `ppl.fit(…, warm_start=posterior)`."""
    dim, spread = layout.size, positions.std(axis=0)
    if positions.shape[1] != dim or not (spread > 0).all():
        return None
    if dim <= _DENSE_METRIC and len(positions) >= 4 * dim:
        known = np.atleast_2d(np.cov(positions.T))
    else:
        known = spread**2
    try:
        metric = metric_from(known, np.dtype(np.float64))
    except ArgumentError:  # rounding has made the covariance singular
        metric = metric_from(spread**2, np.dtype(np.float64))
    starts = kept[:_KEPT_POSITIONS].copy()
    return Adapted(dim**-0.25, metric, starts, layout)
