"""Fits of both sides, and what they say of each component of a posterior."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import ppl
from benchmarks.models import Problem
from benchmarks.posteriordb.posteriors import Entry, Reference
from benchmarks.sides import Size, Values

MOST_Z, MOST_ERROR, SD_RATIOS = 5.0, 0.15, (0.93, 1.07)
MOST_RHAT, LEAST_ESS = 1.01, 4000


@dataclass(frozen=True)
class Fitted:
    """One fit.

    Attributes:
        seconds: Of all of it: tracing, compiling, warm-up, sampling.
        values: Of latent and deterministic sites, (chains, draws, *event).
        leapfrogs: Of each draw after the warm-up, (chains, draws).
        divergences: Draws that diverged.
        warned: Whether the fit warned of anything.
    """

    seconds: float
    values: Values
    leapfrogs: np.ndarray
    divergences: int
    warned: bool = False


def fit(problem: Problem, size: Size, seed: int) -> Fitted:
    """Fit by this library, as a user would."""
    args, began = problem.data(), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ppl.fit(
            problem.write(ppl),
            *args,
            chains=size.chains,
            warmup=size.warmup,
            draws=size.draws,
            seed=seed,
            progress=False,
        )
    warned = any(issubclass(w.category, ppl.diagnostics.PPLWarning) for w in caught)
    seconds, statistics = time.perf_counter() - began, found.sample_stats
    diverged = int(statistics["diverging"].sum())
    return Fitted(seconds, dict(found), statistics["n_steps"], diverged, warned)


def fit_peer(problem: Problem, size: Size, seed: int, *, dense: bool = False) -> Fitted:
    """Fit by NumPyro's NUTS with its usual settings, chains vectorized."""
    import numpyro
    from numpyro import infer

    args, began = problem.data(), time.perf_counter()
    mcmc = infer.MCMC(
        infer.NUTS(problem.write(numpyro), dense_mass=dense),
        num_warmup=size.warmup,
        num_samples=size.draws,
        num_chains=size.chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    fields = ("num_steps", "diverging")
    with numpyro.validation_enabled(is_validate=False):  # starting points may be wild
        mcmc.run(jax.random.PRNGKey(seed), *args, extra_fields=fields)
    values = jax.tree.map(np.asarray, mcmc.get_samples(group_by_chain=True))
    seconds = time.perf_counter() - began
    more = mcmc.get_extra_fields(group_by_chain=True)
    steps, diverged = np.asarray(more["num_steps"]), int(more["diverging"].sum())
    return Fitted(seconds, values, steps, diverged)


# --- what a fit says ------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What a fit says of one component: `ess` is the least of it and its square."""

    mean: float
    sd: float
    mcse: float
    ess: float
    rhat: float


def components(values: Values) -> Iterator[tuple[str, np.ndarray]]:
    """Draws (chains, draws) by component, named as in the reference."""
    for name, draws in values.items():
        for index in np.ndindex(draws.shape[2:]):
            label = ",".join(str(i + 1) for i in index)
            yield f"{name}[{label}]" if index else name, draws[..., *index]


def known(values: Values, wanted: Reference) -> dict[str, Known]:
    """The estimates of all wanted components, by ArviZ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz as az

        found = {}
        for name, draws in components(values):
            if name not in wanted:
                continue
            draws = np.asarray(draws, np.float64)
            found[name] = Known(
                mean=float(draws.mean()),
                sd=float(draws.std(ddof=1)),
                mcse=float(az.mcse(draws)),
                ess=min(float(az.ess(v, method="bulk")) for v in (draws, draws**2)),
                rhat=float(az.rhat(draws)),
            )
    if missing := set(wanted) - set(found):
        raise KeyError(f"the model has no component {sorted(missing)}")
    return found


@dataclass(frozen=True)
class Figures:
    """What a fit says of a posterior beside its reference, the worst of all components.

    Attributes:
        z: Largest difference of means, in standard errors of both.
        error: Largest difference of means, in standard deviations of the reference.
        ratios: Least and largest ratio of standard deviations.
        rhat: Largest R-hat.
        ess: Least bulk effective sample size, of components and their squares.
        leapfrogs: Per draw.
        fitted: The fit.
    """

    z: float
    error: float
    ratios: tuple[float, float]
    rhat: float
    ess: float
    leapfrogs: float
    fitted: Fitted

    @property
    def per_gradient(self) -> float:
        """Least effective sample size over the gradients of the sampling phase."""
        return self.ess / float(self.fitted.leapfrogs.sum())

    def verdict(self, entry: Entry) -> tuple[bool, str]:
        """Whether the fit is as it should be, and in words."""
        if entry.warns:
            warned = self.fitted.warned
            return warned, "warns, as it should" if warned else "FAILS: does not warn"
        low, high = SD_RATIOS
        bad = {
            "z": not self.z < MOST_Z,
            "mean": not self.error < MOST_ERROR,
            "sd": not low <= self.ratios[0] <= self.ratios[1] <= high,
            "R-hat": not self.rhat <= MOST_RHAT,
            "ESS": not self.ess >= LEAST_ESS,
        }
        failed = [name for name, is_bad in bad.items() if is_bad]
        return not failed, f"FAILS: {', '.join(failed)}" if failed else "agrees"


def figures(fitted: Fitted, wanted: Reference) -> Figures:
    """Compare a fit with a reference."""
    found = known(fitted.values, wanted)
    pairs: list[tuple[Known, Any]] = [(found[name], wanted[name]) for name in wanted]
    differences = [abs(a.mean - b["mean"]) for a, b in pairs]
    z, error = (
        max(d / unit for d, unit in zip(differences, units, strict=True))
        for units in (
            [np.hypot(a.mcse, b["mcse"]) for a, b in pairs],
            [b["sd"] for _, b in pairs],
        )
    )
    ratios = [a.sd / b["sd"] for a, b in pairs]
    return Figures(
        z=float(z),
        error=float(error),
        ratios=(min(ratios), max(ratios)),
        rhat=max(a.rhat for a, _ in pairs),
        ess=min(a.ess for a, _ in pairs),
        leapfrogs=float(fitted.leapfrogs.mean()),
        fitted=fitted,
    )
