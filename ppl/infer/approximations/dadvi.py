"""Deterministic ADVI with linear-response covariances, as a posterior."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from ppl._counts import as_count
from ppl._errors import ArgumentError
from ppl._typing import Model
from ppl.infer.approximations.results import Task, Weighted, posterior_of
from ppl.infer.approximations.summit import (
    LARGEST_DENSE,
    Summit,
    check_choice,
    one_path,
    session_dtype,
)
from ppl.infer.engine.curvature import Draws, balanced_noise, normal_draws
from ppl.infer.engine.dadvi import FixedBound
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.engine.newton import climb
from ppl.infer.initialization import init_to_uniform
from ppl.layout import Layout
from ppl.posterior import Posterior

_BATCH = 64  # points that are evaluated at once
_FEWEST, _ENOUGH = 128, 256  # fixed draws
_NARROWER = 30  # times that scales are halved where draws leave the support
_ENTROPY = 0.5 * (1 + math.log(2 * math.pi))  # of a standard normal


def dadvi(
    model: Model,
    *args: Any,
    draws: int = 1000,
    seed: Any = None,
    fixed_draws: int | None = None,
    covariance: str = "auto",
    resample: bool = False,
    max_steps: int = 200,
    init_strategy: Any = init_to_uniform,
    **kwargs: Any,
) -> Posterior:
    """Deterministic ADVI: a mean-field normal fitted to fixed draws, then corrected.

    Giordano, Ingram, Broderick (JMLR 25, 2024). There is no step size and no schedule:
    the evidence lower bound on fixed draws is maximised by Newton steps until none
    gains more than rounding. Variances of the mean field are too small where
    coordinates are correlated; those of linear response are not.

    Args:
        model: A function with sample statements; its latent sites are continuous.
        *args: Arguments of the model.
        draws: How many to return.
        seed: An int or a JAX key; None takes one from the operating system.
        fixed_draws: Standard normal draws that the bound rests on, an even number. By
            default 128, or twice the coordinates up to 256: with so many, what is
            correlated is met without noise.
        covariance: Of the draws: "linear_response", "mean_field", or "auto", which is
            linear response up to 1000 coordinates.
        resample: Whether draws are resampled by their importance. Without it
            `sample_stats["log_weight"]` has the weights.
        max_steps: Newton steps at most.
        init_strategy: Where to begin; one path of Pathfinder leads on from there.
        **kwargs: Keyword arguments of the model.

    Returns:
        The posterior, in one chain. `attrs["elbo_mean_field"]` is the bound.

    Raises:
        PPLError: The model check found something; see its classes.
        OptimisationError: The bound has no highest point.
    """
    check_choice("covariance", covariance, ("auto", "linear_response", "mean_field"))
    if fixed_draws is not None and as_count("fixed_draws", fixed_draws, 2) % 2:
        raise ArgumentError(
            f"fixed_draws must be even, got {fixed_draws}: they come in pairs.",
            value=fixed_draws,
        )
    max_steps = as_count("max_steps", max_steps)
    task = Task.of(
        *(model, (args, kwargs)),
        draws=draws,
        seed=seed,
        begin=init_strategy,
        resample=resample,
    )
    responding = covariance == "linear_response"
    responding |= covariance == "auto" and task.dim <= LARGEST_DENSE

    evaluate = Evaluator(
        jax.device_put(task.density), session_dtype(), _BATCH, alone=False
    )
    if fixed_draws is None:
        fixed_draws = min(max(_FEWEST, 2 * task.dim), _ENOUGH)
    summit = _fitted(task, evaluate, fixed_draws, max_steps)
    if responding:
        drawn = _response_draws(summit, task.layout, task.noise())
    else:
        mean, log_scale = np.split(summit.position, 2)
        drawn = normal_draws(mean, np.exp(2 * log_scale), task.noise())
    points = evaluate(drawn.position)
    facts = summit.facts() | {
        "covariance": "linear_response" if responding else "mean_field",
        "fixed_draws": fixed_draws,
        "elbo_mean_field": summit.highest.logp + task.dim * _ENTROPY,
    }
    weighted = Weighted(drawn.position, points.logp, drawn.logq)
    return posterior_of(task, weighted, "DADVI", facts)


def _fitted(
    task: Task, evaluate: Evaluator, fixed_draws: int, max_steps: int
) -> Summit:
    """The highest point of the bound: means, then logarithms of scales."""
    half = balanced_noise(task.rng(2), fixed_draws // 2, task.dim)
    bound = FixedBound(evaluate, np.concatenate([half, -half]))
    path = one_path(evaluate, task.density, task.begin, task.seed, task.rng(3))
    start = np.concatenate([path.normal.location, np.log(path.normal.scale)])
    for _ in range(_NARROWER):
        if np.isfinite(bound(start[None]).logp[0]):
            break
        start[task.dim :] -= math.log(2)

    def scale(position: np.ndarray) -> np.ndarray:
        log_scale = position[task.dim :]
        return np.concatenate([np.exp(log_scale), np.full(task.dim, math.sqrt(0.5))])

    highest = climb(bound, start, scale, max_steps=max_steps)
    there = bound.curvature(highest.position)
    return Summit(highest, there, evaluate.target, evaluate.dtype)


def _response_draws(summit: Summit, layout: Layout, unit: np.ndarray) -> Draws:
    """Draws of a normal with the means, and the covariance of linear response.

    That is how means answer to a slope that is added to the log density: the block of
    the means of the inverse Hessian of minus the bound.

    Args:
        summit: The highest point of the bound.
        layout: Of the means.
        unit: Standard normal numbers, (n, dim), for 2n draws.

    Raises:
        OptimisationError: The Hessian is not positive definite.
    """
    hessian, dim = summit.hessian(layout), layout.size
    cross = hessian[:dim, dim:]
    among_means = hessian[:dim, :dim] - cross @ np.linalg.solve(
        hessian[dim:, dim:], cross.T
    )
    covariance = np.linalg.inv((among_means + among_means.T) / 2)
    return normal_draws(summit.position[:dim], (covariance + covariance.T) / 2, unit)
