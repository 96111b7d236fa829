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
from tests.engine.running import randomness_for, sample

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


class Problem(NamedTuple):
    """A kernel with a step size for each chain, and starting points (dim, chains)."""

    target: Any
    kernel: NUTS
    start: np.ndarray


def problem(case: Case, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    dim = case.dim
    factor = np.tril(rng.normal(size=(dim, dim)), -1) + np.diag(
        rng.uniform(0.5, 2, dim)
    )
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
    kernel = NUTS(
        step_size=jnp.asarray(step_size),
        metric=metric,
        max_depth=jnp.int32(case.max_depth),
        levels=MAX_DEPTH - 1,
    )
    return Problem(target, kernel, rng.normal(size=(dim, CHAINS)))


def by_definition(
    made: Problem, before: np.ndarray, momenta: np.ndarray, words: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draws (dim, chains) and statistics (chains,) of one transition of every chain.

    `momenta` are whitened, (dim, chains), and `words` (leaves, 2, chains).
    """
    factor = np.asarray(made.kernel.metric.push(jnp.eye(len(before))))
    trees = []
    for chain, step_size in enumerate(np.asarray(made.kernel.step_size)):
        tree = Tree(
            value_and_grad=made.target.by_hand,
            step_size=step_size,
            inverse_mass=factor @ factor.T,
            max_depth=int(made.kernel.max_depth),
            words=words[:, :, chain],
        )
        momentum = np.linalg.solve(factor.T, momenta[:, chain])
        with np.errstate(over="ignore", invalid="ignore"):
            trees.append(tree.grow(before[:, chain], momentum))
    position = np.stack([tree.candidate.position for tree in trees], axis=1)
    rows = [tree.statistics for tree in trees]
    return position, {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_trees_are_those_of_the_definition(case):
    seed = CASES.index(case)
    made = problem(case, seed)
    draws = sample(made.kernel, made.target, made.start, seed=seed, num_draws=DRAWS)
    randomness = randomness_for(seed, made.start, DRAWS)
    leaf = jnp.arange(2**MAX_DEPTH, dtype=jnp.int32)[:, None]
    left_earlier = 0
    for draw in range(DRAWS):
        drawn = jnp.full(CHAINS, draw, jnp.int32)
        expected_position, expected = by_definition(
            made,
            before=made.start if draw == 0 else draws.position[draw - 1],
            momenta=np.asarray(randomness.normals(drawn)),
            words=np.stack(randomness.words(drawn, leaf), axis=1),
        )
        found = dict(zip(made.kernel.statistics, draws.statistics[draw], strict=True))
        assert_close(draws.position[draw], expected_position)
        for name in ("tree_depth", "lp", "energy"):
            assert_close(found[name], expected[name])

        # The kernel may leave a doomed sub-tree earlier: when the first leaf of a right
        # half has turned against the left half, the recursion still grows the rest of
        # the right, and may even diverge there.
        earlier = found["n_steps"] < expected["n_steps"]
        assert (found["n_steps"] <= expected["n_steps"]).all()
        assert not found["diverging"][earlier].any()
        for name in ("diverging", "acceptance_rate"):
            assert_close(found[name][~earlier], expected[name][~earlier])
        left_earlier += earlier.sum()

    statistics = draws.statistics.swapaxes(0, 1)
    values = dict(zip(made.kernel.statistics, statistics, strict=True))
    assert_trees_of_all_kinds(case, values, left_earlier)


def assert_close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def assert_trees_of_all_kinds(
    case: Case, values: dict[str, np.ndarray], left_earlier: int
) -> None:
    """It would all mean little if not."""
    depth, n_steps = values["tree_depth"], values["n_steps"]
    assert set(depth.ravel()) >= set(range(1, case.max_depth + 1))
    assert (n_steps == 2**depth - 1).mean() > 0.1  # ended as the whole tree turned
    if case.max_depth == MAX_DEPTH:
        assert (n_steps > 2**depth - 1).mean() > 0.1  # as a sub-tree did
        assert left_earlier >= 2
    if case.family == "funnel":
        assert 0 in depth
        assert values["diverging"].sum() > 3
