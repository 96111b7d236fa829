"""What the laws of multivariate distributions ask, computed in one compiled call."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.laws.cases_multivariate import Case

BLOCK = 1_000
DRAWS, OTHERS = 100_000, 10_000  # of the first parameter set, of each other one
# Of 10,000 comparisons together, one run in 10,000 may say that draws are wrong.
LEVEL = np.log(2 * 10_000 / 1e-4)


class Average(NamedTuple):
    """Of independent samples: mean, variance, largest distance from the mean."""

    mean: np.ndarray
    variance: np.ndarray
    most: np.ndarray
    size: np.ndarray  # the mean of their absolute values, for what float32 rounds off
    count: int

    def off(self, expected: Any) -> float:
        """The distance of the mean from the truth, in units of what it may be.

        A. Maurer and M. Pontil, 2009, "Empirical Bernstein bounds".
        """
        allowed = np.sqrt(2 * self.variance * LEVEL / self.count)
        allowed += 7 * self.most * LEVEL / (3 * self.count) + 2e-6 * self.size + 1e-30
        away = np.where(self.mean == expected, 0.0, self.mean - expected)
        return float(np.max(abs(away) / allowed, initial=0.0))


def average(samples: np.ndarray, least: float = 0.0) -> Average:
    """The average; no distance that a rare sample has is less than `least`."""
    samples = samples.astype(float)
    mean = samples.mean(0)
    away = abs(samples - mean)
    sizes = (away**2).mean(0), away.max(0, initial=least), abs(samples).mean(0)
    return Average(mean, *sizes, len(samples))


class Facts(NamedTuple):
    """Of one parameter set in float32: draws, and what the distribution says of them.

    Attributes:
        values: The first thousand.
        log_prob: Of these.
        top: The largest log density of all.
        fine: Whether all lie in the support and have a finite density.
        value: Their mean.
        square: That of the squares of the distances from it.
        surprise: That of minus the log density.
        score: That of its derivative by each parameter.
        smooth: Whether all these are finite, and those by the value.
    """

    values: np.ndarray
    log_prob: np.ndarray
    top: float
    fine: bool
    value: Average
    square: Average
    surprise: Average
    score: dict[str, Average]
    smooth: bool


def all_finite(tree: Any) -> Any:
    return jnp.all(jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(tree)]))


@cache
def all_facts(case: Case, first: int = DRAWS, others: int = OTHERS) -> list[Facts]:
    """The facts of each parameter set, from so many draws."""
    draws = [first] + [others] * (len(case.sets) - 1)
    which = np.repeat(np.arange(len(draws)), np.array(draws) // BLOCK)
    sets = [case.rounded(np.float32, at) for at in range(len(draws))]
    stacked = {name: np.stack([s[name] for s in sets]) for name in sets[0]}
    scored = {k for k, v in stacked.items() if v.dtype != bool}

    def density(floats, rest, value):
        return case.make(**floats, **rest).log_prob(value)

    def block(at):
        key, params = at
        floats = {k: v for k, v in params.items() if k in scored}
        rest = {k: v for k, v in params.items() if k not in scored}
        d = case.make(**params)
        values = d.sample(key, (BLOCK,))
        by = (0, 2) if jnp.issubdtype(values.dtype, jnp.inexact) else (0,)
        slopes = jax.vmap(jax.grad(density, by), (None, None, 0))
        score, *slope = slopes(floats, rest, values)
        sums = [
            {k: g.mean(0) for k, g in score.items()},
            {k: jnp.square(g).mean(0) for k, g in score.items()},
            {k: abs(g).max(0) for k, g in score.items()},
            all_finite((score, slope)),
        ]
        return values, d.log_prob(values), d.support(values), sums

    @jax.jit
    def of(key, stacked):
        keys = jax.random.split(key, len(which))
        params = {k: v[which] for k, v in stacked.items()}
        return jax.lax.map(block, (keys, params))

    with jax.enable_x64(False):
        found = jax.tree.map(np.asarray, of(jax.random.key(11), stacked))
    return [
        of_one_set(*jax.tree.map(lambda leaf, j=j: leaf[which == j], found))
        for j in range(len(draws))
    ]


def of_one_set(values: Any, log_prob: Any, inside: Any, sums: Any) -> Facts:
    """The facts, from blocks of draws."""
    values, log_prob = values.reshape(-1, *values.shape[2:]), log_prob.ravel()
    mean, square, most, smooth = sums
    # Of whole numbers some are so rare that none was drawn.
    least = 0.0 if values.dtype.kind == "f" else 1.0
    score = {}
    for k in mean:
        m, s = mean[k].mean(0, dtype=float), square[k].mean(0, dtype=float)
        if "tril" in k:  # what is above the diagonal is no parameter
            m, s = np.tril(m), np.tril(s)
        score[k] = Average(
            m,
            np.maximum(s - m**2, 0.0),
            most[k].max(0, initial=least),
            s**0.5,
            len(values),
        )
    center = average(values, least)
    return Facts(
        values[:BLOCK],
        log_prob[:BLOCK],
        float(log_prob.max()),
        bool(inside.all() and np.isfinite(log_prob).all()),
        center,
        average((values - center.mean) ** 2, least),
        average(-log_prob, least),
        score,
        bool(smooth.all()),
    )


def facts(case: Case) -> Facts:
    """Those of the first parameter set."""
    return all_facts(case)[0]


def assert_close(a: Any, b: Any, tolerance: float) -> None:
    """Whether two arrays agree, relative to one plus their size."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    np.testing.assert_array_less(abs(a - b), tolerance * (1 + abs(b)))
