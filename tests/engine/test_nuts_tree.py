"""The flat kernel grows the trees of the recursive definition, number for number."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl._pytree import pytree
from ppl.infer.engine.kernels import NUTS
from ppl.infer.engine.metric import Dense, Diagonal
from tests.engine.reference_nuts import Tree
from tests.engine.running import no_draws, randomness_for, run_until

CHAINS, DRAWS = 64, 2
MAX_DEPTH = 9


@pytree
class Gaussian:
    """Both by JAX, for the kernel, and by hand, for the reference."""

    precision: Any

    def value_and_grad(self, x):
        return jax.value_and_grad(lambda x: -0.5 * x @ self.precision @ x)(x)

    def by_hand(self, x):
        force = np.asarray(self.precision) @ x
        return -0.5 * x @ force, -force


@pytree
class Funnel:
    """Neal's, where step sizes are too large in one place and too small in another."""

    scale: Any

    def value_and_grad(self, x):
        def log_density(x):
            rest = (x[1:] ** 2).sum() * jnp.exp(-x[0]) + x[0] * (len(x) - 1)
            return -0.5 * (x[0] / self.scale) ** 2 - 0.5 * rest

        return jax.value_and_grad(log_density)(x)

    def by_hand(self, x):
        v, rest, scale = x[0], x[1:], float(self.scale)
        inner = rest @ rest * np.exp(-v)
        value = -0.5 * (v / scale) ** 2 - 0.5 * inner - 0.5 * v * len(rest)
        slope = -v / scale**2 + 0.5 * inner - 0.5 * len(rest)
        return value, np.concatenate([[slope], -rest * np.exp(-v)])


class Case(NamedTuple):
    family: str
    dim: int
    metric: str
    max_depth: int = MAX_DEPTH


CASES = [
    Case("gaussian", 1, "diagonal"),
    Case("gaussian", 2, "dense"),
    Case("gaussian", 3, "diagonal"),
    Case("gaussian", 3, "diagonal", max_depth=3),
    Case("gaussian", 6, "dense"),
    Case("funnel", 2, "dense"),
    Case("funnel", 3, "diagonal"),
    Case("funnel", 5, "diagonal"),
]


class Trees(NamedTuple):
    """What the kernel emitted and what the definition says, draw by draw."""

    position: np.ndarray
    statistics: dict[str, np.ndarray]
    expected_position: np.ndarray
    expected: dict[str, np.ndarray]


def problem(case: Case, rng: np.random.Generator) -> tuple[Any, Any, np.ndarray, Any]:
    """A target, a metric, and starting points and step sizes of the chains."""
    dim = case.dim
    factor = np.tril(rng.normal(size=(dim, dim)), -1) + np.diag(rng.uniform(0.5, 2, dim))
    if case.family == "gaussian":
        target = Gaussian(jnp.asarray(factor @ factor.T))
        widest = np.sqrt(np.linalg.eigvalsh(factor @ factor.T).max())
    else:
        target, widest = Funnel(jnp.asarray(rng.uniform(1, 3))), 1.0
    if case.metric == "dense":
        lower = np.tril(rng.normal(size=(dim, dim)) * 0.3, -1)
        metric = Dense(jnp.asarray(lower + np.diag(rng.uniform(0.5, 1.5, dim))))
    else:
        metric = Diagonal(jnp.asarray(rng.uniform(0.5, 1.5, dim)))
    step_size = np.exp(rng.uniform(np.log(0.004), np.log(3.0), CHAINS)) / widest
    return target, metric, rng.normal(size=(dim, CHAINS)), jnp.asarray(step_size)


def inverse_mass_of(metric: Any) -> tuple[np.ndarray, np.ndarray]:
    """M^-1, and its lower triangular factor."""
    if isinstance(metric, Diagonal):
        factor = np.diag(np.asarray(metric.scale))
    else:
        factor = np.asarray(metric.factor)
    return factor @ factor.T, factor


def grow(case: Case, seed: int) -> Trees:
    target, metric, start, step_size = problem(case, np.random.default_rng(seed))
    kernel = NUTS(step_size, metric, jnp.int32(case.max_depth), levels=MAX_DEPTH - 1)
    positions = jnp.asarray(start)
    randomness = randomness_for(seed, positions, DRAWS)
    _, draws = run_until(
        kernel,
        target,
        randomness,
        kernel.init(positions),
        jnp.int32(DRAWS),
        no_draws(kernel, positions, DRAWS),
    )
    position = np.asarray(draws.position)
    statistics = dict(zip(kernel.statistics, np.asarray(draws.statistics).swapaxes(0, 1)))

    inverse_mass, factor = inverse_mass_of(metric)
    leaf = jnp.arange(2**MAX_DEPTH, dtype=jnp.int32)[:, None]
    names = ("lp", "energy", "acceptance_rate", "tree_depth", "n_steps", "diverging")
    expected = {name: np.zeros((DRAWS, CHAINS)) for name in names}
    expected_position = np.zeros_like(position)
    for draw in range(DRAWS):
        drawn = jnp.full(CHAINS, draw, jnp.int32)
        words = [np.asarray(w).astype(int) for w in randomness.words(drawn, leaf)]
        whitened = np.asarray(randomness.normals(drawn))
        before = start if draw == 0 else position[draw - 1]
        for chain in range(CHAINS):
            tree = Tree(
                target.by_hand,
                float(step_size[chain]),
                inverse_mass,
                case.max_depth,
                lambda i, c=chain: (words[0][i, c], words[1][i, c]),
            )
            momentum = np.linalg.solve(factor.T, whitened[:, chain])
            with np.errstate(over="ignore", invalid="ignore"):
                tree.grow(before[:, chain], momentum)
            expected_position[draw, :, chain] = tree.candidate.position
            values = (
                tree.candidate.logp,
                tree.candidate.energy,
                tree.accept_sum / tree.n_steps,
                tree.depth,
                tree.n_steps,
                tree.diverging,
            )
            for name, value in zip(names, values, strict=True):
                expected[name][draw, chain] = value
    return Trees(position, statistics, expected_position, expected)


@pytest.fixture(scope="module")
def trees() -> dict[Case, Trees]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        return {case: grow(case, seed) for seed, case in enumerate(CASES)}
    finally:
        jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c)))
def test_trees_are_those_of_the_definition(trees, case):
    position, found, expected_position, expected = trees[case]
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_array_equal(found["tree_depth"], expected["tree_depth"])
    np.testing.assert_allclose(position, expected_position, **close)
    np.testing.assert_allclose(found["lp"], expected["lp"], **close)
    np.testing.assert_allclose(found["energy"], expected["energy"], **close)

    # The kernel may leave a doomed sub-tree earlier: when the first leaf of a right half
    # has turned against the left half, the recursion still grows the rest of the right.
    earlier = found["n_steps"] < expected["n_steps"]
    assert (found["n_steps"] <= expected["n_steps"]).all()
    assert not found["diverging"][earlier].any()
    for name in ("diverging", "acceptance_rate"):
        np.testing.assert_allclose(found[name][~earlier], expected[name][~earlier], **close)


def test_trees_are_of_all_kinds(trees):
    """The comparison would mean little if no tree was deep, diverging or left early."""
    all_of = {
        name: np.concatenate([tree.statistics[name].ravel() for tree in trees.values()])
        for name in ("tree_depth", "n_steps", "diverging")
    }
    n_reference = np.concatenate([t.expected["n_steps"].ravel() for t in trees.values()])
    assert all_of["tree_depth"].size >= 1000
    assert set(all_of["tree_depth"]) == set(range(MAX_DEPTH + 1))
    assert all_of["diverging"].sum() >= 20
    assert (all_of["n_steps"] < n_reference).sum() >= 5
    whole = 2 ** all_of["tree_depth"] - 1
    assert (all_of["n_steps"] > whole).sum() >= 100  # a sub-tree was given up
    assert (all_of["n_steps"] == whole).sum() >= 100  # the whole tree had turned
