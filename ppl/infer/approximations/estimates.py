"""Point estimates with standard errors: posterior modes and maximum likelihood."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._counts import as_count
from ppl._errors import ModelError, unknown_name
from ppl._typing import Array, Model
from ppl.diagnostics._labels import scalar_labels
from ppl.diagnostics.findings import ApproximationWarning, Finding, warn_findings
from ppl.diagnostics.table import Summary
from ppl.infer.approximations.params import freed, has_params
from ppl.infer.approximations.results import Facts, Task, Weighted, posterior_of
from ppl.infer.approximations.summit import (
    LARGEST_DENSE,
    Objective,
    Summit,
    find_summit,
    session_dtype,
)
from ppl.infer.engine.curvature import balanced_noise
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.initialization import init_to_uniform
from ppl.infer.sampling import in_order, labelled
from ppl.posterior import Posterior
from ppl.target import LogDensity, constrain

_METHODS = {
    "posterior": "maximum a posteriori",
    "likelihood": "maximum likelihood",
}
_BLOCK = 32
_PROBES = 1000  # draws that standard errors are taken from where there is no matrix


class Estimate(Mapping[str, np.ndarray]):
    """A point estimate: a mapping from site to its value, deterministic sites too.

    Attributes:
        standard_errors: Site to those of its elements, (*shape): the curvature at the
            estimate, carried over to constrained values by the delta method.
        log_density: What was maximised, at its highest.
        attrs: Facts: method, converged, newton_steps, climbs, climbs_as_high, seed,
            sampling_time; log_likelihood and aic for maximum likelihood.
        findings: What makes it doubtful.
    """

    def __init__(self, task: Task, kind: str, summit: Summit, found: _Found):
        self._task, self._kind, self._summit = task, kind, summit
        self._values = in_order(task.traced, found.values)
        self.standard_errors = in_order(task.traced, found.errors)
        self.log_density = summit.highest.logp
        self.attrs: Facts = {
            "method": _METHODS[kind],
            "seed": task.seed[0] + (task.seed[1] << 32),
            **summit.facts(),
            "sampling_time": time.perf_counter() - task.began,
        }
        if kind == "likelihood":
            self.attrs["log_likelihood"] = self.log_density
            self.attrs["aic"] = 2 * (task.dim - self.log_density)
        self.findings = list(_findings(summit, found.flat))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._values:
            raise unknown_name("site", name, self._values)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        method, height = self.attrs["method"], self.log_density
        return f"<Estimate: {method}, log density {height:.6g}>\n{self.summary()}"

    def summary(self) -> Summary:
        """Estimates and standard errors of every scalar, as a table."""
        labels = labelled(self._task.traced, {}, {})
        shapes = {name: value.shape for name, value in self.items()}
        rows = [
            label
            for name, shape in shapes.items()
            for label in scalar_labels(
                name, shape, labels["dims"].get(name, ()), labels["coords"]
            )
        ]
        columns = [
            np.column_stack([value.reshape(-1), self.standard_errors[name].reshape(-1)])
            for name, value in self.items()
        ]
        return Summary(("estimate", "se"), tuple(rows), np.concatenate(columns), shapes)

    def posterior(self, draws: int = 1000, *, resample: bool = False) -> Posterior:
        """Draws of the normal distribution of the estimate, in unconstrained space.

        They give intervals that respect the constraints, predictions, and functions of
        several sites. `attrs["pareto_k"]` tells how far the normal distribution is from
        the posterior; or from the likelihood, if that was maximised.

        Args:
            draws: How many.
            resample: Whether they are resampled by their importance.
        """
        count = as_count("draws", draws)
        task = replace(
            self._task, draws=count, resample=resample, began=time.perf_counter()
        )

        dtype = session_dtype()
        dense = task.dim <= LARGEST_DENSE
        drawn = self._summit.draws(task.layout, task.noise(), dense=dense)
        target = task.density if self._kind == "posterior" else self._summit.target
        points = Evaluator(jax.device_put(target), dtype)(drawn.position)
        weighted = Weighted(drawn.position, points.logp, drawn.logq)
        return posterior_of(task, weighted, _METHODS[self._kind], self._summit.facts())


def maximum_a_posteriori(
    model: Model,
    *args: Any,
    seed: Any = None,
    climbs: int = 4,
    init_strategy: Any = init_to_uniform,
    **kwargs: Any,
) -> Estimate:
    """The mode of the posterior density of the constrained values (MAP).

    There are no Jacobians in it, so it does not depend on how supports are mapped. It
    is found by L-BFGS from several points, then by Newton steps. `param` statements are
    estimated too, without a prior.

    Args:
        model: A function whose latent sites are continuous.
        *args: Arguments of the model.
        seed: An int or a JAX key; None takes one from the operating system.
        climbs: From how many points to look for the mode.
        init_strategy: Where they are.
        **kwargs: Keyword arguments of the model.

    Returns:
        The estimate, with standard errors, `summary()` and `posterior()`.

    Raises:
        PPLError: The model check found something; see its classes.
        OptimisationError: There is no mode.
    """
    return _estimated("posterior", model, (args, kwargs), seed, init_strategy, climbs)


def maximum_likelihood(
    model: Model,
    *args: Any,
    seed: Any = None,
    climbs: int = 4,
    init_strategy: Any = init_to_uniform,
    **kwargs: Any,
) -> Estimate:
    """The latent values under which what is observed has the highest density.

    Priors count for nothing but their supports; `param` statements are estimated too.
    Standard errors are those of the observed information.

    Args:
        model: A function whose latent sites are continuous.
        *args: Arguments of the model.
        seed: An int or a JAX key; None takes one from the operating system.
        climbs: From how many points to look for the maximum.
        init_strategy: Where they are.
        **kwargs: Keyword arguments of the model.

    Returns:
        The estimate, with standard errors, `summary()`, `attrs["aic"]`.

    Raises:
        PPLError: The model check found something; see its classes.
        OptimisationError: The likelihood has no maximum, or does not depend on some
            latent value.
    """
    return _estimated("likelihood", model, (args, kwargs), seed, init_strategy, climbs)


def _estimated(
    kind: str,
    model: Model,
    data: tuple[tuple[Any, ...], dict[str, Any]],
    seed: Any,
    begin: Any,
    climbs: int,
) -> Estimate:
    climbs = as_count("climbs", climbs)
    try:
        task = Task.of(model, data, seed=seed, begin=begin)
    except ModelError:
        if not has_params(model, *data):
            raise
        task = Task.of(freed(model), data, seed=seed, begin=begin)

    dtype = session_dtype()
    target = Objective(task.density, kind)
    summit = find_summit(target, task.density, task.begin, task.seed, climbs, dtype)
    estimate = Estimate(task, kind, summit, _carried_over(task, summit))
    warn_findings(estimate.findings)
    return estimate


class _Found(NamedTuple):
    """What is told of a highest point.

    Attributes:
        values: Constrained values by site.
        errors: Their standard errors.
        flat: Sites along which it is no summit.
    """

    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    flat: list[str]


def _findings(summit: Summit, flat: list[str]) -> Iterator[Finding]:
    if not summit.highest.converged:
        yield Finding(
            ApproximationWarning,
            f"The climb ended after {summit.highest.steps} steps, before the top.",
            "Look for what the data do not determine.",
        )
    if flat:
        yield Finding(
            ApproximationWarning,
            f"There is no summit along {', '.join(map(repr, flat))}: the density does "
            "not fall on one side, so that the highest point is at an edge of the "
            "support or at infinity, and standard errors there mean nothing.",
            "Give it a prior that keeps it off, or sample with ppl.fit.",
        )


def _carried_over(task: Task, summit: Summit) -> _Found:
    """The estimate and its standard errors, in constrained space.

    Raises:
        OptimisationError: The Hessian is not positive definite.
    """
    dense = task.dim <= LARGEST_DENSE
    flat: list[str] = []
    if dense:
        hessian = summit.hessian(task.layout)
        flat = summit.flat_sites(task.layout, hessian)
        factor = np.linalg.cholesky(np.linalg.inv(hessian)).T
    else:
        noise = balanced_noise(task.rng(), _PROBES, task.dim)
        drawn = summit.draws(task.layout, noise, dense=False).position[:_PROBES]
        factor = (drawn - summit.position) / np.sqrt(_PROBES)
    squares: dict[str, np.ndarray] = {}
    values: dict[str, Any] = {}
    density = jax.device_put(task.density)
    whole = np.pad(factor, ((0, -len(factor) % _BLOCK), (0, 0)))
    for block in whole.reshape(-1, _BLOCK, task.dim):
        values, part = _pushed(density, summit.position.astype(summit.dtype), block)
        for name, square in part.items():
            squares[name] = squares.get(name, 0.0) + np.asarray(square)
    errors = {name: np.sqrt(square) for name, square in squares.items()}
    found = {name: np.asarray(values[name]) for name in errors}
    return _Found(found, errors, flat)


@jax.jit
def _pushed(
    density: LogDensity, position: Array, moves: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Values at a position, and the sums of squares of what moves (n, dim) change."""

    def values(position: Array) -> dict[str, Array]:
        found = constrain(density, position[None])[0]
        return {
            name: value[0]
            for name, value in found.items()
            if jnp.issubdtype(value.dtype, jnp.floating)
        }

    here, push = jax.linearize(values, position)
    changes = jax.vmap(push)(moves)
    return here, {name: (part**2).sum(axis=0) for name, part in changes.items()}
