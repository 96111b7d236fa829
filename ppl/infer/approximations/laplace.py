"""Laplace's approximation: a normal distribution at the mode."""

from __future__ import annotations

import math
from typing import Any

from ppl._counts import as_count
from ppl._typing import Model
from ppl.infer.approximations.results import Task, Weighted, posterior_of
from ppl.infer.approximations.summit import (
    LARGEST_DENSE,
    check_choice,
    find_summit,
    session_dtype,
)
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.initialization import init_to_uniform
from ppl.posterior import Posterior


def laplace(
    model: Model,
    *args: Any,
    draws: int = 1000,
    seed: Any = None,
    hessian: str = "auto",
    resample: bool = False,
    climbs: int = 4,
    init_strategy: Any = init_to_uniform,
    **kwargs: Any,
) -> Posterior:
    """Draws of a normal distribution with the mode and curvature of the posterior.

    Both are those of the unconstrained coordinates. The mode is found by L-BFGS from
    several points, then by Newton steps until none gains more than rounding.

    Args:
        model: A function with sample statements; its latent sites are continuous.
        *args: Arguments of the model.
        draws: How many.
        seed: An int or a JAX key; None takes one from the operating system.
        hessian: "exact" for the whole matrix; "matrix_free" draws by Lanczos' method,
            from products of the Hessian with vectors; "auto" does so from 1000
            coordinates on.
        resample: Whether draws are resampled by their importance, which puts right what
            the approximation misses as far as `attrs["pareto_k"]` is below 0.7. Without
            it `sample_stats["log_weight"]` has the weights.
        climbs: From how many points to look for the mode.
        init_strategy: Where they are.
        **kwargs: Keyword arguments of the model.

    Returns:
        The posterior, in one chain. Its `attrs` have `log_evidence_laplace`, exact if
        the posterior is normal, and `log_evidence` by importance sampling.

    Raises:
        PPLError: The model check found something; see its classes.
        OptimisationError: There is no mode.
    """
    check_choice("hessian", hessian, ("auto", "exact", "matrix_free"))
    task = Task.of(
        *(model, (args, kwargs)),
        draws=draws,
        seed=seed,
        begin=init_strategy,
        resample=resample,
    )
    climbs = as_count("climbs", climbs)
    dense = hessian == "exact" or (hessian == "auto" and task.dim <= LARGEST_DENSE)

    dtype = session_dtype()
    density = task.density
    summit = find_summit(density, density, task.begin, task.seed, climbs, dtype)
    drawn = summit.draws(task.layout, task.noise(), dense=dense)
    points = Evaluator(summit.target, dtype)(drawn.position)
    height = summit.highest.logp
    volume = 0.5 * task.dim * math.log(2 * math.pi) + 0.5 * drawn.log_det
    facts = summit.facts() | {"log_evidence_laplace": float(height + volume)}
    weighted = Weighted(drawn.position, points.logp, drawn.logq)
    return posterior_of(task, weighted, "Laplace", facts)
