"""The mean-field normal nearest to a posterior, without any random numbers.

Three models have an evidence lower bound that can be computed: expectations of normals
and log-normals are closed forms, and those of one variable are sums by Gauss and
Hermite's rule. So the highest bound is known to many digits, and how far from it a fit
has ended: nobody's optimiser, draws or stopping rule is part of the ruler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from benchmarks.models import PROBLEMS
from benchmarks.sides import target

_NODES = 96
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(_NODES)
_SHARES = _WEIGHTS / _WEIGHTS.sum()
_LOG_ROOT = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class Factor:
    """Independent normals in unconstrained space.

    Attributes:
        mean: (*event).
        scale: Standard deviations, (*event).
    """

    mean: Any
    scale: Any

    def square(self) -> Any:
        """E[x²]."""
        return self.mean**2 + self.scale**2

    def exp(self, power: float) -> Any:
        """E[exp(power x)]."""
        return jnp.exp(power * self.mean + 0.5 * (power * self.scale) ** 2)

    def expected(self, function: Callable[[Any], Any]) -> Any:
        """E[function(x)] of each x, by quadrature."""
        mean, scale = jnp.asarray(self.mean), jnp.asarray(self.scale)
        return function(mean[..., None] + scale[..., None] * _POINTS) @ _SHARES

    def normal(self, scale: float = 1.0) -> Any:
        """E[log N(x; 0, scale²)], summed."""
        terms = -0.5 * self.square() / scale**2 - np.log(scale) - _LOG_ROOT
        return jnp.sum(terms)

    def half_normal(self) -> Any:
        """E[log HalfNormal(exp(x); 1) + x], summed."""
        return jnp.sum(np.log(2) - _LOG_ROOT - 0.5 * self.exp(2) + self.mean)

    def entropy(self) -> Any:
        """Summed."""
        return jnp.sum(jnp.log(self.scale) + 0.5 + _LOG_ROOT)


def eight_schools(q: dict[str, Factor], errors: Any, effects: Any) -> Any:
    """E[log density] of the non-centred eight schools."""
    mu, tau, eta = q["mu"], q["tau"], q["eta"]
    prior = jnp.log(2 / (5 * np.pi)) + tau.mean
    prior -= tau.expected(lambda x: jnp.log1p(jnp.exp(2 * x) / 25))
    prior += mu.normal(5.0) + eta.normal()
    square = (effects - mu.mean - tau.exp(1) * eta.mean) ** 2 + mu.scale**2
    square += _variance_of_product(tau, eta)
    return prior - jnp.sum(0.5 * square / errors**2 + jnp.log(errors) + _LOG_ROOT)


def logistic(q: dict[str, Factor], x: Any, y: Any) -> Any:
    """E[log density] of the logistic regression: the logits are normal."""
    intercept, beta = q["intercept"], q["beta"]
    mean = x @ beta.mean + intercept.mean
    scale = jnp.sqrt(x**2 @ beta.scale**2 + intercept.scale**2)
    lost = Factor(mean, scale).expected(jax.nn.softplus)
    return intercept.normal(5.0) + beta.normal() + jnp.sum(y * mean - lost)


def radon(q: dict[str, Factor], county: Any, floor: Any, level: Any) -> Any:
    """E[log density] of the intercepts by county."""
    mean, spread, slope = q["mean"], q["spread"], q["slope"]
    noise, unit = q["noise"], q["unit"]
    prior = mean.normal(5.0) + slope.normal() + unit.normal()
    prior += spread.half_normal() + noise.half_normal()
    place = mean.mean + (spread.exp(1) * unit.mean)[county] + slope.mean * floor
    square = (level - place) ** 2 + mean.scale**2 + (slope.scale * floor) ** 2
    square += _variance_of_product(spread, unit)[county]
    return prior - jnp.sum(0.5 * square * noise.exp(-2) + noise.mean + _LOG_ROOT)


def _variance_of_product(log_factor: Factor, factor: Factor) -> Any:
    """Var(exp(x) y)."""
    of_squares = log_factor.exp(2) * factor.square()
    return of_squares - (log_factor.exp(1) * factor.mean) ** 2


EXPECTED = {"eight": eight_schools, "logistic": logistic, "radon": radon}


@dataclass(frozen=True)
class Optimum:
    """The highest point of a bound; vectors are in the order of the target.

    Attributes:
        names: Of the sites, in that order.
        bound: The bound of a mean and a scale, both (dim,).
        mean, scale: Where it is highest, (dim,).
        highest: The bound there.
    """

    names: list[str]
    bound: Callable[[Any, Any], Any]
    mean: np.ndarray
    scale: np.ndarray
    highest: float

    def lost(self, mean: np.ndarray, scale: np.ndarray) -> float:
        """Nats below the highest bound."""
        with jax.enable_x64(True):
            return self.highest - float(self.bound(_wide(mean), _wide(scale)))

    def errors(self, mean: np.ndarray, scale: np.ndarray) -> tuple[float, float]:
        """The largest error of a mean, in its scale, and the largest of a log scale."""
        of_mean = np.abs(mean - self.mean) / self.scale
        of_scale = np.abs(np.log(scale / self.scale))
        return float(of_mean.max()), float(of_scale.max())


def _wide(values: Any) -> Any:
    return jnp.asarray(values, jnp.float64)


@cache
def optimum(name: str) -> Optimum:
    """Of a model, in float64."""
    problem = PROBLEMS[name]
    layout = target(problem).layout

    @jax.jit
    def bound(mean: Any, scale: Any) -> Any:
        means, scales = layout.split(mean), layout.split(scale)
        q = {n: Factor(means[n], scales[n]) for n in means}
        expected = EXPECTED[name](q, *map(jnp.asarray, problem.data()))
        return expected + sum(factor.entropy() for factor in q.values())

    @jax.jit
    def loss(position: Any) -> Any:
        mean, log_scale = jnp.split(position, 2)
        return -bound(mean, jnp.exp(log_scale))

    with jax.enable_x64(True):
        start = np.repeat([0.0, -1.0], layout.size)
        found = minimize(
            jax.jit(jax.value_and_grad(loss)),
            start,
            jac=True,
            hess=jax.jit(jax.hessian(loss)),
            method="trust-exact",
            options={"gtol": 1e-7, "maxiter": 1000},
        )
    mean, log_scale = np.split(found.x, 2)
    names = [entry.name for entry in layout.entries]
    return Optimum(names, bound, mean, np.exp(log_scale), -float(found.fun))
