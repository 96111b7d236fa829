"""The highest point of a density: where to look for it, and what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, OptimisationError
from ppl._pytree import pytree, static
from ppl._sites import Sample
from ppl._typing import Array
from ppl.checks import diagnose_start
from ppl.infer.engine.curvature import (
    Draws,
    Hessian,
    matrix_free_draws,
    normal_draws,
)
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.engine.kernel import Target
from ppl.infer.engine.low_rank_normal import histories
from ppl.infer.engine.newton import Highest, climb
from ppl.infer.engine.pathfinder import Path, climbed, find_path
from ppl.infer.initialization import AbstractInitStrategy
from ppl.infer.pathfinding import finite_starts
from ppl.infer.seeding import Words
from ppl.layout import Layout
from ppl.target import LogDensity

LARGEST_DENSE = 1000  # coordinates up to which Hessians are matrices
_MAX_ITERATIONS = 1000
_HISTORY = 10
_TOLERANCE = 1e-10
_NEAR = 1e-5
_LEAST_FALL = 0.02


def session_dtype() -> np.dtype:
    """In which targets are computed; linear algebra on the host is in float64."""
    return np.dtype(jnp.result_type(float))


@pytree
class Objective:
    """Another density of the same unconstrained vector.

    Attributes:
        density: The model's target.
        kind: "posterior" for the density of constrained values, without Jacobians;
            "likelihood" for that of what is observed.
    """

    density: LogDensity
    kind: str = static()

    def __call__(self, position: Array) -> Array:
        """At `position`, (dim,)."""
        sites = self.density.visit(position)[1].values()
        whole = self.kind == "posterior"
        with jax.default_matmul_precision("highest"):
            terms = [
                jnp.sum(site.log_prob())
                for site in sites
                if isinstance(site, Sample) and (whole or site.is_observed)
            ]
        return sum(terms, jnp.zeros(()))

    def value_and_grad(self, position: Array) -> tuple[Array, Array]:
        """The value and its gradient at `position`, (dim,)."""
        return jax.value_and_grad(self)(position)


@dataclass(frozen=True)
class Summit:
    """The highest point that was found.

    Attributes:
        highest: The point.
        curvature: There.
        target: The log density whose coordinates these are.
        dtype: That it was computed in.
        climbs: How many climbs began.
        agree: How many of them ended as high.
    """

    highest: Highest
    curvature: Hessian
    target: Target
    dtype: np.dtype
    climbs: int = 1
    agree: int = 1

    @property
    def position(self) -> np.ndarray:
        """The point, (dim,)."""
        return self.highest.position

    def facts(self) -> dict[str, Any]:
        """For `Posterior.attrs`."""
        return {
            "converged": self.highest.converged,
            "newton_steps": self.highest.steps,
            "climbs": self.climbs,
            "climbs_as_high": self.agree,
        }

    def hessian(self, layout: Layout) -> np.ndarray:
        """Of minus the log density, (dim, dim).

        Raises:
            OptimisationError: It is not positive definite.
        """
        found = self.curvature.dense()
        values, vectors = np.linalg.eigh(_correlation(found))
        if not values[0] > len(found) * np.finfo(self.dtype).eps:
            raise _no_summit(self.highest, layout, vectors[:, 0])
        return found

    def flat_sites(self, layout: Layout, hessian: np.ndarray) -> list[str]:
        """Sites along which the density does not fall as its curvature says.

        One standard deviation away, along a coordinate or an axis of the normal, it
        should have lost half a nat. Where it has lost next to nothing on one side, the
        highest point is at an edge of the support, or at infinity.

        Args:
            layout: What the coordinates mean.
            hessian: Of minus the log density.
        """
        values, vectors = np.linalg.eigh(_correlation(hessian))
        unit = 1 / np.sqrt(np.diag(hessian))
        moves = np.concatenate([(vectors / np.sqrt(values)).T, np.eye(len(unit))])
        steepest = np.abs(moves).argmax(axis=1)
        moves = unit * moves
        around = np.concatenate([self.position + moves, self.position - moves])
        logp = Evaluator(self.target, self.dtype)(around).logp
        fallen = (self.highest.logp - logp).reshape(2, -1).min(axis=0)
        flat = steepest[fallen < _LEAST_FALL]
        return sorted({layout.locate(int(place)).name for place in flat})

    def draws(self, layout: Layout, unit: np.ndarray, *, dense: bool) -> Draws:
        """Draws of the normal distribution with this mode and curvature.

        Args:
            layout: What the coordinates mean.
            unit: Standard normal numbers, (n, dim), for 2n draws.
            dense: Whether by the whole Hessian.

        Raises:
            OptimisationError: The Hessian is not positive definite.
        """
        if dense:
            covariance = np.linalg.inv(self.hessian(layout))
            return normal_draws(self.position, (covariance + covariance.T) / 2, unit)
        try:
            return matrix_free_draws(self.curvature, unit)
        except np.linalg.LinAlgError:
            raise _no_summit(self.highest, layout, None) from None


def _correlation(hessian: np.ndarray) -> np.ndarray:
    """The Hessian in units that make its diagonal one, where it is positive."""
    diagonal = np.diag(hessian)
    unit = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = unit[:, None] * hessian * unit
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _no_summit(
    highest: Highest, layout: Layout, direction: np.ndarray | None
) -> OptimisationError:
    at = None
    if direction is not None:
        steepest = int(np.abs(direction).argmax()) % layout.size
        at = layout.locate(steepest).name
    return OptimisationError(
        f"the log density has no highest point there: after {highest.steps} steps, at "
        f"{highest.logp:.6g}, it is flat or still rises in some direction.",
        site=at,
        value=highest.position,
        hint="Give what the data do not determine a proper prior, write a hierarchy in "
        "its non-centred form, or sample with ppl.fit.",
    )


def starts_for(
    evaluate: Evaluator,
    density: LogDensity,
    begin: AbstractInitStrategy,
    seed: Words,
    count: int,
) -> dict[int, np.ndarray]:
    """See `finite_starts`; there is one at least.

    Raises:
        StartingPointError: No climb found a point of finite density and gradient.
    """
    starts = finite_starts(evaluate, density, begin, seed, count)
    if not starts:
        tried = begin.propose(density, seed, 1, 0)[0]
        raise diagnose_start(density, tried, begin.tries, count)
    return starts


def one_path(
    evaluate: Evaluator,
    density: LogDensity,
    begin: AbstractInitStrategy,
    seed: Words,
    rng: np.random.Generator,
) -> Path:
    """A path of Pathfinder, not to its very end, as a beginning for other methods.

    Raises:
        StartingPointError: There is no point of finite density and gradient.
    """
    (start,) = starts_for(evaluate, density, begin, seed, 1).values()
    return find_path(evaluate, start, rng, tolerance=_NEAR)


def find_summit(
    target: Target,
    density: LogDensity,
    begin: AbstractInitStrategy,
    seed: Words,
    climbs: int,
    dtype: np.dtype,
) -> Summit:
    """Climb from several points by L-BFGS, and from the best end by Newton steps.

    Args:
        target: What to climb, a function of the vector of `density`.
        density: The model's target.
        begin: Where to begin.
        seed: Of its random numbers.
        climbs: How many climbs.
        dtype: To compute in.

    Raises:
        StartingPointError: No climb found a point of finite density and gradient.
    """
    evaluate = Evaluator(jax.device_put(target), dtype)
    starts = starts_for(evaluate, density, begin, seed, climbs)
    tolerance = max(float(np.finfo(dtype).eps), _TOLERANCE)
    with np.errstate(all="ignore"):
        paths = [
            climbed(evaluate, start, _MAX_ITERATIONS, _HISTORY, tolerance)
            for start in starts.values()
        ]
    ends = np.array([path.logp.max() for path in paths])
    best = paths[int(ends.argmax())]
    *_, last = histories(best.position, best.gradient, _HISTORY)
    top = best.position[int(best.logp.argmax())]
    scale = np.sqrt(last.diagonal)
    highest = climb(evaluate, top, lambda _: scale)
    agree = int((ends > highest.logp - 0.1).sum())
    found = highest, evaluate.curvature(highest.position), evaluate.target
    return Summit(*found, dtype, len(starts), max(agree, 1))


def check_choice(name: str, given: Any, known: tuple[str, ...]) -> None:
    """Refuse a word that is none of the known ones.

    Raises:
        ArgumentError: It is not.
    """
    if given not in known:
        raise ArgumentError(
            f"{name} must be one of {', '.join(map(repr, known))}, got {given!r}.",
            value=given,
        )
