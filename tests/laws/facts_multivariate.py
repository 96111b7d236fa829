"""What the laws of multivariate distributions ask, computed in one compiled call."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.laws.cases_multivariate import Case

DRAWS = 20_000


class Facts(NamedTuple):
    """Draws in float32, their log density, and its gradients at the first hundred."""

    values: np.ndarray
    log_prob: np.ndarray
    gradients: Any


@cache
def facts(case: Case) -> Facts:
    params = case.rounded(np.float32)
    floats = {k: v for k, v in params.items() if v.dtype != bool}

    def density(floats, value):
        return case.make(**{**params, **floats}).log_prob(value)

    @jax.jit
    def of(floats, key):
        values = case.make(**{**params, **floats}).sample(key, (DRAWS,))
        by = (0, 1) if jnp.issubdtype(values.dtype, jnp.inexact) else (0,)
        gradient = jax.vmap(jax.grad(density, by), (None, 0))
        return values, density(floats, values), gradient(floats, values[:100])

    with jax.enable_x64(False):
        return Facts(*jax.tree.map(np.asarray, of(floats, jax.random.key(11))))


def assert_close(a: Any, b: Any, tolerance: float) -> None:
    """Whether two arrays agree, relative to one plus their size."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    np.testing.assert_array_less(abs(a - b), tolerance * (1 + abs(b)))
