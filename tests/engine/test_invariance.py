"""Kernels leave targets as they are: exact draws moved by a kernel remain exact draws.

Many chains start from independent exact draws and make a few transitions, with a step
size and a metric that nobody has tuned. Invariance is exact and holds for any of them,
so what is left is chance: a z-test of each mean, square and product of ranks (of the
coordinates, and of the log density), as change within each chain, which is far sharper
than a comparison of two samples; Kolmogorov-Smirnov tests against fresh draws; and,
since all these kernels are reversible, z-tests that where a chain came from and where
it went may be exchanged. (The idea of starting at the truth is Geweke's, JASA 2004, and
Gandy & Scott's, arXiv:2001.06465.)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstwobign, norm

from ppl.infer.engine.kernels import HMC, MAMS, NUTS, ChEES
from ppl.infer.engine.metric import Dense, Diagonal
from tests.engine import targets as t
from tests.engine.running import sample

FALSE_ALARM = 1e-5  # of the whole file


class Case(NamedTuple):
    target: t.ExactTarget
    step_size: float


def f32(*values: float) -> Any:
    return jnp.array(values if len(values) > 1 else values[0], jnp.float32)


CASES = {
    "normal": Case(t.Normal(f32(1, 1, 1)), 0.9),
    "correlated": Case(t.Correlated(f32(0.99)), 0.15),
    "ill-scaled": Case(t.Normal(f32(0.3, 1, 3)), 0.35),
    "funnel": Case(t.Funnel(f32(1)), 0.5),
    "mixture": Case(t.Mixture(f32(0.4)), 0.8),
    "student": Case(t.Student(f32(3)), 1.2),
    "banana": Case(t.Banana(f32(0.7)), 0.4),
    "log-gamma": Case(t.LogGamma(f32(0.7, 3)), 0.6),
    "simplex": Case(t.Simplex(f32(0.8, 1.5, 3)), 1.0),
    "ordered": Case(t.Ordered(f32(1.5)), 0.4),
    "cholesky": Case(t.CholeskyCorrelation(f32(1.5)), 0.8),
    "truncated": Case(t.Truncated(f32(-1, 2)), 1.6),
}


def target_of(name: str, power: float = 1.0) -> t.Chosen:
    """The case's target; they all share one compiled program."""
    index = jnp.int32(list(CASES).index(name))
    return t.Chosen(index, f32(power), tuple(case.target for case in CASES.values()))


DIM = 3


DIAGONAL = Diagonal(f32(0.7, 1.0, 1.3))
DENSE = Dense(jnp.array([[1, 0, 0], [0.4, 1, 0], [0.4, -0.4, 1]], jnp.float32))

KERNELS = {
    "nuts-diagonal": lambda e: NUTS(f32(e), DIAGONAL, jnp.int32(5), levels=4),
    "nuts-dense": lambda e: NUTS(f32(e), DENSE, jnp.int32(5), levels=4),
    "nuts-shallow": lambda e: NUTS(f32(e), DIAGONAL, jnp.int32(2), levels=4),
    "hmc-jittered": lambda e: HMC(f32(e), DIAGONAL, f32(3 * e), f32(0.8)),
    "chees": lambda e: ChEES(f32(e), DIAGONAL, f32(6 * e)),
    "mams": lambda e: MAMS(f32(1.7 * e), DIAGONAL, f32(5 * e), jnp.bool_(True)),
}
# Where the draw's number decides the length, two draws are two kernels, one after the
# other, whose product is invariant but not reversible. So there it is one draw.
ALIKE = {"nuts-diagonal", "nuts-dense", "nuts-shallow", "hmc-jittered"}


# --- the statistics -------------------------------------------------------------------


@jax.jit
@jax.default_matmul_precision("highest")
def log_densities(target: Any, positions: Any) -> Any:
    return jax.vmap(target.log_density, in_axes=1)(positions)


def two_sided(samples: np.ndarray) -> float:
    """The p-value that the mean of independent numbers is 0."""
    spread = samples.std()
    if spread == 0:
        return 1.0 if samples.mean() == 0 else 0.0
    return 2 * norm.sf(abs(samples.mean()) / spread * np.sqrt(len(samples)))


class Ranks:
    """Coordinates and log density as ranks among fresh exact draws, in (-1/2, 1/2).

    Ranks have all their moments whatever the tails, so z-tests hold for any target.
    """

    def __init__(self, target: t.ExactTarget, rng: np.random.Generator, n: int):
        self._target = target
        self._sorted = np.sort(self._values(target.exact(rng, n)), axis=1)

    def _values(self, positions: np.ndarray) -> np.ndarray:
        positions = positions.astype(np.float32)
        lp = np.asarray(log_densities(self._target, positions))
        return np.concatenate([positions, lp[None]])

    def of(self, positions: np.ndarray) -> np.ndarray:
        pairs = zip(self._sorted, self._values(positions), strict=True)
        n = self._sorted.shape[1]
        return np.stack([np.searchsorted(s, v) / n - 0.5 for s, v in pairs])


def discrepancy(ranks: np.ndarray) -> float:
    """The p-value of ranks among as many fresh draws being uniform."""
    n = len(ranks)
    ordered = np.sort(ranks) + 0.5
    gap = max(
        np.max(ordered - np.arange(n) / n), np.max(np.arange(1, n + 1) / n - ordered)
    )
    return kstwobign.sf(gap * np.sqrt(n / 2))


def p_values(before: np.ndarray, after: np.ndarray) -> Iterator[tuple[str, float]]:
    """The name and p-value of every test, of ranks (features, chains)."""
    names = [f"x{i}" for i in range(len(before) - 1)] + ["lp"]
    for i, name in enumerate(names):
        a, b = before[i], after[i]
        yield f"E {name}", two_sided(b - a)
        yield f"E {name}²", two_sided(b**2 - a**2)
        yield f"law of {name}", discrepancy(b)
        yield f"exchange {name}, {name}²", two_sided(a * b**2 - a**2 * b)
    for i, j in combinations(range(len(names)), 2):
        pair = f"{names[i]} {names[j]}"
        change = after[i] * after[j] - before[i] * before[j]
        yield f"E {pair}", two_sided(change)
        swap = before[i] * after[j] - after[i] * before[j]
        yield f"exchange {pair}", two_sided(swap)


THRESHOLD = FALSE_ALARM / (len(CASES) * len(KERNELS) * (4 + DIM) * (DIM + 1))


def surprises(
    name: str, step_size: float, target: Any, law: t.ExactTarget, **run: int
) -> dict[str, float]:
    """The tests that fail after transitions from exact draws of `law`."""
    seed, chains = run["seed"], run["chains"]
    kernel = KERNELS[name](step_size)
    rng = np.random.default_rng(seed)
    start = law.exact(rng, chains).astype(np.float32)
    draws = sample(kernel, target, start, seed=seed, num_draws=1 + (name in ALIKE))
    assert np.isfinite(draws.position).all()
    ranks = Ranks(law, rng, chains)
    found = p_values(ranks.of(start), ranks.of(draws.position[-1]))
    return {name: p for name, p in found if p < THRESHOLD}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", CASES)
def test_kernel_leaves_target_invariant(case, kernel):
    step_size, target = CASES[case].step_size, target_of(case)
    assert not surprises(kernel, step_size, target, target, seed=1, chains=50_000)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", CASES)
def test_kernel_leaves_target_invariant_whatever_the_seed(case, kernel):
    """Twenty times as many chains, another step size, and a seed nobody has seen."""
    seed = np.random.SeedSequence().generate_state(1).item()
    step_size = CASES[case].step_size * np.random.default_rng(seed).uniform(0.3, 1.2)
    target = target_of(case)
    run = {"seed": seed, "chains": 1_000_000}
    assert not surprises(kernel, step_size, target, target, **run), seed


# --- the tests of the tests ----------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_exact_draws_belong_to_the_density(case):
    """Stein's identity: E[f'(x) + f(x) s(x)] = 0 for the score s and bounded f."""
    target = CASES[case].target
    x = target.exact(np.random.default_rng(7), 200_000)
    score = np.asarray(jax.jit(jax.vmap(jax.grad(target.log_density), 1, 1))(x), float)
    scale = np.quantile(abs(x), 0.8, axis=1)[:, None]
    odd = np.tanh(x / scale)
    even = np.sqrt(1 - odd**2)
    for f, slope in [(odd, even**2 / scale), (even, -odd * even / scale)]:
        assert min(map(two_sided, slope + f * score)) > FALSE_ALARM


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", ["normal", "mixture", "simplex"])
def test_a_slightly_wrong_kernel_is_caught(case, kernel):
    """One that samples from a density 8% too sharp."""
    step_size, law = CASES[case].step_size, target_of(case)
    wrong = target_of(case, 1.08)
    assert surprises(kernel, step_size, wrong, law, seed=1, chains=50_000)
