"""Pathfinder as a posterior: draws of several paths, resampled by their importance."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ppl._counts import as_count
from ppl._typing import Model
from ppl.infer.approximations.results import Task, Weighted, posterior_of
from ppl.infer.approximations.summit import session_dtype, starts_for
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.engine.pathfinder import draw, find_path
from ppl.infer.initialization import init_to_uniform
from ppl.posterior import Posterior

_TOLERANCE = 1e-12
_FIRST_ROUND = 200  # draws of each path that tell how much of the mass is near it
_LEAST_SHARE = 0.01


def pathfinder(
    model: Model,
    *args: Any,
    draws: int = 1000,
    seed: Any = None,
    paths: int = 4,
    resample: bool = True,
    max_iterations: int = 1000,
    history: int = 6,
    elbo_draws: int = 10,
    init_strategy: Any = init_to_uniform,
    **kwargs: Any,
) -> Posterior:
    """Draws of normal distributions found along the paths of an optimiser.

    Zhang, Carpenter, Gelman, Vehtari, "Pathfinder: Parallel quasi-Newton variational
    inference" (JMLR 23(306), 2022). L-BFGS climbs from several points; the best normal
    approximation on each path is kept. Up to 500 coordinates it then learns from the
    gradients at its draws of directions that the climb did not take. Draws are of the
    mixture of these, each path with the share that its importance ratios give it, and
    four times as many as are wanted: these are resampled by Pareto-smoothed weights.

    Args:
        model: A function with sample statements; its latent sites are continuous.
        *args: Arguments of the model.
        draws: How many.
        seed: An int or a JAX key; None takes one from the operating system.
        paths: How many climbs.
        resample: Whether draws are resampled by their importance. Without it
            `sample_stats["log_weight"]` has the weights.
        max_iterations: Steps of each climb at most.
        history: Steps that the inverse Hessian remembers. Beyond 500 coordinates,
            strongly correlated, as many as there are coordinates do better.
        elbo_draws: Draws that judge each approximation on a path.
        init_strategy: Where the climbs begin.
        **kwargs: Keyword arguments of the model.

    Returns:
        The posterior, in one chain. `attrs["pareto_k"]` tells whether to trust it.

    Raises:
        PPLError: The model check found something; see its classes.
    """
    task = Task.of(
        *(model, (args, kwargs)),
        draws=draws,
        seed=seed,
        begin=init_strategy,
        resample=resample,
    )
    options = {
        "max_iterations": as_count("max_iterations", max_iterations),
        "history": as_count("history", history),
        "elbo_draws": as_count("elbo_draws", elbo_draws),
    }
    paths = as_count("paths", paths)

    dtype = session_dtype()
    evaluate = Evaluator(jax.device_put(task.density), dtype)
    starts = starts_for(evaluate, task.density, task.begin, task.seed, paths)
    tolerance = max(float(np.finfo(dtype).eps), _TOLERANCE)
    found = [
        find_path(evaluate, start, task.rng(2 + i), tolerance=tolerance, **options)
        for i, start in starts.items()
    ]
    normals = [path.normal for path in found]
    first = draw(evaluate, normals, np.full(len(found), _FIRST_ROUND), task.rng())
    weights = np.exp(first.log_weights()[0])
    shares = np.bincount(first.path, weights, len(found))
    shares = np.where(shares < _LEAST_SHARE, 0.0, shares)
    if not shares.any():
        shares = np.ones(len(found))
    ends = np.rint(np.cumsum(shares) / shares.sum() * task.pool)
    counts = np.diff(ends, prepend=0).astype(int)
    used = np.flatnonzero(counts)
    some = [normals[i] for i in used]
    drawn = draw(evaluate, some, counts[used], task.rng(1))
    facts = {
        "paths": len(found),
        "paths_used": len(used),
        "elbo_best_path": max(path.elbo for path in found),
        "computed_in": str(dtype),
        "steps": sum(len(path.elbos) - 1 for path in found),
    }
    weighted = Weighted(drawn.position, drawn.logp, drawn.logq)
    return posterior_of(task, weighted, "Pathfinder", facts)
