"""Where chains start: at draws of Pathfinder's approximation of the posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.engine.pathfinder import find_path, resample
from ppl.infer.initialization import (
    AbstractInitStrategy,
    as_strategy,
    check_no_site,
    init_to_uniform,
)
from ppl.infer.seeding import Words
from ppl.target import LogDensity

_STREAM = 3  # streams of a seed below belong to kernels and to other strategies
_LEAST_TOLERANCE = 1e-12


@dataclass(frozen=True)
class PathfinderStrategy(AbstractInitStrategy):
    """Starting points drawn from Pathfinder's approximations.

    Attributes:
        paths: How many climbs.
        max_iterations: Steps of each climb at most.
        begin: Where the climbs start; and the chains, should all climbs fail.
    """

    paths: int
    max_iterations: int
    begin: AbstractInitStrategy

    def propose(
        self, density: LogDensity, seed: Words, chains: int, attempt: int
    ) -> np.ndarray:
        found = np.empty((0, density.layout.size))
        if attempt == 0:
            found = self._resampled(density, seed, chains)
        if not len(found):
            return self.begin.propose(density, seed, chains, attempt)
        every = np.resize(found, (chains, density.layout.size))
        return every.astype(jnp.result_type(float))

    def retry(self) -> bool:
        return self.begin.retry()

    def _resampled(self, density: LogDensity, seed: Words, count: int) -> np.ndarray:
        """At most `count` draws, (n, dim); none if no climb could begin."""
        dtype = np.dtype(jnp.result_type(float))
        evaluate = Evaluator(jax.device_put(density), dtype)
        starts = finite_starts(evaluate, density, self.begin, seed, self.paths)
        if not starts:
            return np.empty((0, density.layout.size))
        tolerance = max(float(np.finfo(dtype).eps), _LEAST_TOLERANCE)
        paths = [
            find_path(
                evaluate,
                start,
                path_generator(seed, path),
                max_iterations=self.max_iterations,
                tolerance=tolerance,
            )
            for path, start in starts.items()
        ]
        return resample(evaluate, paths, count, path_generator(seed, self.paths))


def finite_starts(
    evaluate: Evaluator,
    density: LogDensity,
    begin: AbstractInitStrategy,
    seed: Words,
    count: int,
) -> dict[int, np.ndarray]:
    """Where each of some climbs can begin; those that found no such point are left out.

    Args:
        evaluate: What is climbed.
        density: The model's target.
        begin: Proposes points.
        seed: Of its random numbers.
        count: How many climbs.
    """
    starts: dict[int, np.ndarray] = {}
    for attempt in range(begin.tries):
        candidates = begin.propose(density, seed, count, attempt)
        points = evaluate(candidates.astype(float))
        for climb in np.flatnonzero(np.isfinite(points.logp)):
            starts.setdefault(int(climb), points.position[climb])
        if len(starts) == count:
            break
    return dict(sorted(starts.items()))


def path_generator(seed: Words, path: int) -> np.random.Generator:
    """Random numbers of a path, or of what comes after all paths."""
    return np.random.default_rng(np.random.SeedSequence((*seed, _STREAM, path)))


def init_to_pathfinder(
    site: Any = None,
    paths: int = 8,
    max_iterations: int = 200,
    init_strategy: AbstractInitStrategy | Callable[..., Any] = init_to_uniform,
) -> PathfinderStrategy:
    """Draws of Pathfinder's approximation of the posterior, another for each chain.

    Zhang, Carpenter, Gelman, Vehtari, "Pathfinder: Parallel quasi-Newton variational
    inference" (JMLR 23(306), 2022). L-BFGS climbs from several random points; the best
    normal approximation on the way of each is drawn from, and chains start at draws
    resampled by their importance. So they begin where the posterior has its mass, and
    none in a mode that has next to none of it, provided that one of the paths has found
    a better one. Chains that begin so near to one another say less about modes that
    none of them has seen.

    Args:
        site: Nothing: a strategy is passed to a sampler.
        paths: How many climbs; the more, the surer it is that the best mode is found.
        max_iterations: Steps of each climb at most.
        init_strategy: Where the climbs begin.

    Raises:
        ArgumentError: A number is not an int of at least one.
    """
    check_no_site(site)
    for name, value in (("paths", paths), ("max_iterations", max_iterations)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < 1:
            raise ArgumentError(
                f"{name} must be an int >= 1, got {value!r}.",
                value=value,
                hint="Write init_to_pathfinder(paths=8, max_iterations=200).",
            )
    return PathfinderStrategy(
        int(paths), int(max_iterations), as_strategy(init_strategy)
    )
