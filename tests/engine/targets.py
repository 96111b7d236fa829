"""Twelve targets that can be drawn from exactly, as small as they can be written.

Each is a pytree with the log density of an unconstrained vector, without its constant,
and independent draws from it. Those of constrained quantities carry their Jacobian, as
a model's target would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logit, ndtr, ndtri

from ppl._pytree import pytree


def logit_jacobian(y):
    """Log derivative of the logistic function."""
    return jax.nn.log_sigmoid(y) + jax.nn.log_sigmoid(-y)


class ExactTarget(ABC):
    """A density on (dim,) vectors that can be drawn from."""

    dim: int

    @abstractmethod
    def log_density(self, x: Any) -> Any:
        """Log density at `x`, (dim,)."""

    @abstractmethod
    def exact(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Independent draws, (dim, n)."""

    def value_and_grad(self, position: Any) -> tuple[Any, Any]:
        return jax.value_and_grad(self.log_density)(position)


@pytree
class Normal(ExactTarget):
    """Independent normals."""

    scale: Any

    @property
    def dim(self):
        return len(self.scale)

    def log_density(self, x):
        return -0.5 * ((x / self.scale) ** 2).sum()

    def exact(self, rng, n):
        return rng.normal(size=(self.dim, n)) * np.asarray(self.scale)[:, None]


@pytree
class Correlated(ExactTarget):
    """Two standard normals with a correlation."""

    correlation: Any
    dim = 2

    def log_density(self, x):
        r = self.correlation
        return -0.5 * (x[0] ** 2 + (x[1] - r * x[0]) ** 2 / (1 - r**2))

    def exact(self, rng, n):
        a, b = rng.normal(size=(2, n))
        r = float(self.correlation)
        return np.stack([a, r * a + np.sqrt(1 - r**2) * b])


@pytree
class Funnel(ExactTarget):
    """Neal's: the log variance of the others is the first, normal with `scale`."""

    scale: Any
    dim = 3

    def log_density(self, x):
        v = x[0]
        narrow = -0.5 * (x[1:] ** 2).sum() * jnp.exp(-v) - 0.5 * v * (self.dim - 1)
        return -0.5 * (v / self.scale) ** 2 + narrow

    def exact(self, rng, n):
        v = rng.normal(size=n) * float(self.scale)
        return np.stack([v, *np.exp(0.5 * v) * rng.normal(size=(self.dim - 1, n))])


@pytree
class Mixture(ExactTarget):
    """Two overlapping normals, at -1.5 and 1.5, of different weights and widths."""

    share: Any
    dim = 1

    def log_density(self, x):
        low = jnp.log(self.share) - 0.5 * (x[0] + 1.5) ** 2
        high = jnp.log1p(-self.share) - 0.5 * ((x[0] - 1.5) / 0.6) ** 2 - jnp.log(0.6)
        return jnp.logaddexp(low, high)

    def exact(self, rng, n):
        low = rng.random(n) < float(self.share)
        z = rng.normal(size=(1, n))
        return np.where(low, z - 1.5, 0.6 * z + 1.5)


@pytree
class Student(ExactTarget):
    """Two independent t, whose tails a Gaussian mind forgets."""

    degrees: Any
    dim = 2

    def log_density(self, x):
        return -0.5 * (self.degrees + 1) * jnp.log1p(x**2 / self.degrees).sum()

    def exact(self, rng, n):
        return rng.standard_t(float(self.degrees), size=(self.dim, n))


@pytree
class Banana(ExactTarget):
    """A normal, and another around its scaled square."""

    bend: Any
    dim = 2

    def log_density(self, x):
        return (
            -0.5 * x[0] ** 2 - 0.5 * ((x[1] - self.bend * (x[0] ** 2 - 1)) / 0.5) ** 2
        )

    def exact(self, rng, n):
        a, b = rng.normal(size=(2, n))
        return np.stack([a, float(self.bend) * (a**2 - 1) + 0.5 * b])


@pytree
class LogGamma(ExactTarget):
    """Logarithms of independent gammas."""

    shape: Any

    @property
    def dim(self):
        return len(self.shape)

    def log_density(self, x):
        return (self.shape * x - jnp.exp(x)).sum()

    def exact(self, rng, n):
        # the logarithm of a gamma of small shape underflows: boost it by one
        shape = np.asarray(self.shape, float)[:, None]
        boosted = np.log(rng.gamma(shape + 1, size=(self.dim, n)))
        return boosted + np.log(rng.random((self.dim, n))) / shape


@pytree
class Simplex(ExactTarget):
    """A Dirichlet of three parts, by logits of the sticks that are broken off."""

    concentration: Any
    dim = 2

    def log_density(self, x):
        a = self.concentration
        first = jax.nn.log_sigmoid(x[0])
        rest = jax.nn.log_sigmoid(-x[0])
        second = rest + jax.nn.log_sigmoid(x[1])
        third = rest + jax.nn.log_sigmoid(-x[1])
        jacobian = logit_jacobian(x).sum() + rest
        return ((a - 1) * jnp.stack([first, second, third])).sum() + jacobian

    def exact(self, rng, n):
        p = rng.dirichlet(np.asarray(self.concentration, float), size=n).T
        return np.stack([logit(p[0]), np.log(p[1]) - np.log(p[2])])


@pytree
class Ordered(ExactTarget):
    """Three normals in order of size: the lowest, and the logarithms of the gaps."""

    scale: Any
    dim = 3

    def log_density(self, x):
        ordered = jnp.cumsum(jnp.concatenate([x[:1], jnp.exp(x[1:])]))
        return -0.5 * ((ordered / self.scale) ** 2).sum() + x[1:].sum()

    def exact(self, rng, n):
        ordered = np.sort(rng.normal(size=(self.dim, n)) * float(self.scale), axis=0)
        return np.concatenate([ordered[:1], np.log(np.diff(ordered, axis=0))])


@pytree
class CholeskyCorrelation(ExactTarget):
    """A correlation of two under LKJ, through its Cholesky factor and tanh."""

    concentration: Any
    dim = 1

    def log_density(self, x):
        jacobian = logit_jacobian(2 * x[0])  # log(1 - r²) of r = tanh(x), but for log 4
        log_diagonal = 0.5 * jacobian  # of the factor [[1, 0], [r, sqrt(1 - r²)]]
        return (2 * self.concentration - 2) * log_diagonal + jacobian

    def exact(self, rng, n):
        a = float(self.concentration)
        return 0.5 * logit(rng.beta(a, a, size=(1, n)))


@pytree
class Truncated(ExactTarget):
    """A standard normal between two bounds, through the logistic function."""

    bounds: Any
    dim = 1

    def log_density(self, x):
        low, high = self.bounds
        inside = low + (high - low) * jax.nn.sigmoid(x[0])
        return -0.5 * inside**2 + logit_jacobian(x).sum()

    def exact(self, rng, n):
        low, high = np.asarray(self.bounds, float)
        u = ndtr(low) + (ndtr(high) - ndtr(low)) * rng.random((1, n))
        return logit((ndtri(u) - low) / (high - low))


@pytree
class Chosen(ExactTarget):
    """One of several targets by its `index`, all in one compiled program.

    The smaller ones get standard normals beside them, so that all have as many dims.
    With a `power` other than 1 the density is a wrong one on purpose.
    """

    index: Any
    power: Any
    choices: tuple[ExactTarget, ...]

    @property
    def dim(self):
        return max(choice.dim for choice in self.choices)

    def log_density(self, x):
        def branch(choice: ExactTarget) -> Callable[[Any], Any]:
            own = choice.dim
            return lambda x: choice.log_density(x[:own]) - 0.5 * (x[own:] ** 2).sum()

        branches = [branch(choice) for choice in self.choices]
        return self.power * jax.lax.switch(self.index, branches, x)

    def exact(self, rng, n):
        choice = self.choices[int(self.index)]
        beside = rng.normal(size=(self.dim - choice.dim, n))
        return np.concatenate([choice.exact(rng, n), beside])
