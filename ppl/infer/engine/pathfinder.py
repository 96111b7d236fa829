"""Pathfinder: normal approximations along the paths of an optimiser.

Zhang, Carpenter, Gelman, Vehtari, "Pathfinder: Parallel quasi-Newton variational
inference" (JMLR 23(306), 2022). L-BFGS climbs the log density from a random point. Each
point of its path gives a normal approximation, and the one with the highest evidence
lower bound (ELBO) is taken: the climb often goes on to a mode that has no mass near it.
Draws of several paths are resampled by their importance.

Four things differ from the paper. The best approximation of a path goes on to learn,
from steps to its own draws: the few last steps of a climb tell of few directions, and
in float32 it ends before it has tried them all, so that strong correlations were not
found. The start of a path is a candidate too, with a unit covariance around it, so that
a path of one point has an approximation. The ELBOs of a path rest on the same standard
normal numbers, so that they differ by less noise. And a draw is weighed against the
mixture of the approximations of all paths (Owen, Zhou, "Safe and effective importance
sampling", JASA 95, 2000), and not against that of its own path: so paths that end in
the same mode count once, and one that is too narrow gets no exorbitant weights.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ppl._errors import EngineError
from ppl._psis import pareto_smoothed
from ppl.infer.engine.evaluator import Evaluate, Points
from ppl.infer.engine.low_rank_normal import (
    LEAST_CURVATURE,
    LowRankNormal,
    histories,
    updated,
)

_BLOCK = 16  # points of a path whose approximations are held at once
_POOL = 128  # draws of each path in the first round
_ROUNDS = 20  # of refinement
_PATIENCE = 4  # rounds that gain next to nothing
_GAIN = 0.01
_JUDGES = 44  # draws in a round that judge
_TEACHERS = 20, 84  # draws to learn from: as many as coordinates, between these
_MOST_DENSE = 500  # coordinates
_TRIALS = 30  # lengths of a step
_RISE = 1e-4  # of what the slope at its beginning promises
_LESS_STEEP = 0.9


@dataclass(frozen=True)
class Path:
    """A path of the optimiser, with the best of its approximations.

    Attributes:
        points: The path, from its start on.
        elbos: Estimated ELBO of the approximation at each point, (points,); -inf where
            the density vanishes at one of its draws.
        best: Of which point the approximation is.
        normal: The approximation.
        refined: Estimated ELBOs of the approximations at that point, of which each has
            learned from draws of that before.
    """

    points: Points
    elbos: np.ndarray
    best: int
    normal: LowRankNormal
    refined: np.ndarray

    @property
    def elbo(self) -> float:
        """The highest ELBO."""
        return float(self.refined.max())


@np.errstate(all="ignore")
def find_path(
    evaluate: Evaluate,
    start: np.ndarray,
    rng: np.random.Generator,
    *,
    max_iterations: int = 200,
    history: int = 6,
    elbo_draws: int = 10,
    tolerance: float = 1e-12,
) -> Path:
    """Pathfinder from one starting point (algorithm 1 of the paper).

    Args:
        evaluate: The target.
        start: Where the log density and its gradient are finite, (dim,).
        rng: For the draws that estimate the ELBO.
        max_iterations: Steps of the optimiser at most.
        history: Steps that the inverse Hessian remembers.
        elbo_draws: Draws of each approximation.
        tolerance: The climb ends when a step gains less, relative to the log density.

    Raises:
        EngineError: The target is not finite at the start.
    """
    points = climbed(evaluate, start, max_iterations, history, tolerance)
    unit = rng.standard_normal((elbo_draws, len(start)))
    known = histories(points.position, points.gradient, history)
    normals = map(LowRankNormal.newton, points.position, points.gradient, known)
    elbos, leaders = np.empty(0), []
    while block := list(islice(normals, _BLOCK)):
        found = _elbos(evaluate, block, unit)
        ranks = zip(found, points.logp[len(elbos) :], range(len(found)), strict=False)
        *_, first = leader = max(ranks)
        leaders.append((*leader[:2], len(elbos) + first, block[first]))
        elbos = np.concatenate([elbos, found])
    *_, best, normal = max(leaders, key=lambda leader: leader[:3])
    here = Points(*(part[best : best + 1] for part in points))
    normal, refined = _refined(evaluate, here, normal, rng)
    return Path(points, elbos, best, normal, refined)


def _refined(
    evaluate: Evaluate,
    here: Points,
    normal: LowRankNormal,
    rng: np.random.Generator,
) -> tuple[LowRankNormal, np.ndarray]:
    """Better approximations at a point: steps to draws of the last one tell more.

    What a climb has learned is of the few directions of its last steps, and of steps so
    short that rounding spoils them. Those to draws are as long as the posterior is wide
    and go everywhere: randomised BFGS updates in directions of the last approximation
    (Gower, Richtarik, "Randomized quasi-Newton updates are linearly convergent matrix
    inversion algorithms", SIMAX 38, 2017).

    Args:
        evaluate: The target.
        here: The point.
        normal: The approximation there.
        rng: For draws that judge each approximation, and others to learn from.

    Returns:
        The best one; ELBOs of all, the first that of `normal`.
    """
    best, elbos, idle = (normal, -np.inf), [], 0
    covariance = normal.covariance if normal.dim <= _MOST_DENSE else np.empty((0, 0))
    judges = rng.standard_normal((_JUDGES, normal.dim))
    wanted = np.clip(normal.dim, *_TEACHERS), normal.dim
    for _ in range(_ROUNDS):
        both = np.concatenate([judges, rng.standard_normal(wanted)])
        positions, logq = normal.transform(both)
        there = evaluate(positions)
        elbo = float((there.logp - logq)[:_JUDGES].mean())
        elbos.append(elbo if np.isfinite(elbo) else -np.inf)
        idle = 0 if elbos[-1] > best[1] + _GAIN else idle + 1
        if elbos[-1] > best[1]:
            best = normal, elbos[-1]
        if idle == _PATIENCE or not len(covariance):
            break
        known = np.isfinite(there.logp)
        known[:_JUDGES] = False  # no approximation learns from what judges it
        steps = (there.position - here.position)[known]
        changes = (here.gradient - there.gradient)[known]
        try:
            covariance = updated(covariance, steps, changes)
            move = covariance @ here.gradient[0]
            normal = LowRankNormal.dense(here.position[0] + move, covariance)
        except np.linalg.LinAlgError:
            break
    return best[0], np.array(elbos)


def _elbos(
    evaluate: Evaluate, normals: Sequence[LowRankNormal], unit: np.ndarray
) -> np.ndarray:
    """Mean log ratio of the target to each normal, -inf where it is not finite."""
    drawn = [normal.transform(unit) for normal in normals]
    logp = evaluate(np.concatenate([positions for positions, _ in drawn])).logp
    logq = np.stack([densities for _, densities in drawn])
    elbos = (logp.reshape(logq.shape) - logq).mean(axis=1)
    return np.where(np.isfinite(elbos), elbos, -np.inf)


def climbed(
    evaluate: Evaluate,
    start: np.ndarray,
    max_iterations: int,
    history: int,
    tolerance: float,
) -> Points:
    """The path of L-BFGS from `start`, which is its first point.

    Nocedal, Wright, "Numerical Optimization" (2006), algorithms 7.4 and 7.5. It is
    written out here because libraries of linear algebra would share such small vectors
    among threads, which costs a hundred times what they do.

    Raises:
        EngineError: The target is not finite at the start.
    """
    here = evaluate(start[None])
    if np.isneginf(here.logp[0]):
        raise EngineError(
            "the log density or its gradient is not finite where the path begins.",
            value=start,
            hint="Give a point of finite density and gradient.",
        )
    path = [here]
    pairs: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=history)
    for _ in range(max_iterations):
        there = _searched(evaluate, here, _direction(here.gradient[0], pairs))
        if there is None and pairs:
            pairs.clear()  # what was learned may mislead: along the gradient once more
            there = _searched(evaluate, here, _direction(here.gradient[0], pairs))
        if there is None:
            break
        step = there.position[0] - here.position[0]
        change = here.gradient[0] - there.gradient[0]
        if step @ change > LEAST_CURVATURE * (change @ change):
            pairs.append((step, change))
        path.append(there)
        before, here = float(here.logp[0]), there
        size = max(abs(before), abs(float(here.logp[0])), 1.0)
        if here.logp[0] - before <= tolerance * size:
            break
    return Points(*(np.concatenate(parts) for parts in zip(*path, strict=True)))


def _direction(
    gradient: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """The inverse Hessian of the last steps and changes, times the gradient."""
    if not pairs:
        return gradient / max(1.0, float(np.sqrt(gradient @ gradient)))
    direction, shares = gradient.copy(), []
    for step, change in reversed(pairs):
        shares.append((step @ direction) / (step @ change))
        direction -= shares[-1] * change
    step, change = pairs[-1]
    direction *= (step @ change) / (change @ change)
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - (change @ direction) / (step @ change)) * step
    return direction


def _searched(evaluate: Evaluate, here: Points, direction: np.ndarray) -> Points | None:
    """A point along a direction where it has risen enough and is less steep.

    Bisection for the weak conditions of Wolfe (Lewis, Overton, "Nonsmooth optimization
    via quasi-Newton methods", 2013). What is not finite is too far.
    """
    slope = float(here.gradient[0] @ direction)
    low, high, length = 0.0, np.inf, 1.0
    found = None
    for _ in range(_TRIALS if slope > 0 else 0):
        there = evaluate(here.position + length * direction)
        if not there.logp[0] >= here.logp[0] + _RISE * length * slope:
            high = length
        else:
            found, low = there, length
            if float(there.gradient[0] @ direction) <= _LESS_STEEP * slope:
                break
        length = (low + high) / 2 if np.isfinite(high) else 2 * low
    if found is not None and (found.position == here.position).all():
        return None
    return found


@dataclass(frozen=True)
class Draws:
    """Draws of the approximations of several paths.

    Attributes:
        position: (n, dim).
        path: Which path each is from, (n,).
        logp: Log density of the target, (n,); -inf where it or its gradient is not
            finite.
        logq: Log density of the mixture that they were drawn from, (n,).
    """

    position: np.ndarray
    path: np.ndarray
    logp: np.ndarray
    logq: np.ndarray

    def log_weights(self) -> tuple[np.ndarray, float]:
        """Smoothed logarithms of the importance weights (n,); the tail's shape.

        The weights are all zero if the density vanishes at all draws.
        """
        possible = np.isfinite(self.logp) & np.isfinite(self.logq)
        if not possible.any():
            return np.full(len(possible), -np.inf), np.inf
        return pareto_smoothed(np.where(possible, self.logp - self.logq, -np.inf))


@np.errstate(all="ignore")
def draw(
    evaluate: Evaluate,
    normals: Sequence[LowRankNormal],
    counts: np.ndarray,
    rng: np.random.Generator,
) -> Draws:
    """So many draws of each normal: a sample, in strata, of their mixture."""
    drawn = [
        normal.transform(rng.standard_normal((count, normal.dim)))[0]
        for normal, count in zip(normals, counts, strict=True)
    ]
    points = evaluate(np.concatenate(drawn))
    shares = np.log(counts / counts.sum())
    parts = np.array([normal.log_prob(points.position) for normal in normals])
    parts = np.where(np.isnan(parts), -np.inf, parts) + shares[:, None]
    path = np.repeat(np.arange(len(normals)), counts)
    return Draws(points.position, path, points.logp, np.logaddexp.reduce(parts))


def resample(
    evaluate: Evaluate, paths: Sequence[Path], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws of all paths, resampled by importance without replacement, (n, dim).

    They come in the order of their logarithmic weights plus Gumbel noise, so the first
    are the same however many are wanted. Where many are, those of a first round only
    tell how many each path has to give in a second, so that none comes from a path of
    next to no weight.

    Args:
        evaluate: The target.
        paths: Their approximations are drawn from.
        count: How many; fewer are there if the density vanishes at most draws.
        rng: Random numbers.
    """
    normals = [path.normal for path in paths]
    pool = draw(evaluate, normals, np.full(len(paths), _POOL), rng)
    log_weights, _ = pool.log_weights()
    if 2 * count > _POOL and np.isfinite(log_weights).any():
        shares = np.bincount(pool.path, np.exp(log_weights), len(paths))
        pool = draw(evaluate, normals, np.rint(2 * count * shares).astype(int), rng)
        log_weights, _ = pool.log_weights()
    order = np.argsort(-(log_weights + rng.gumbel(size=len(log_weights))))
    possible = order[np.isfinite(log_weights[order])]
    return pool.position[possible[:count]]
