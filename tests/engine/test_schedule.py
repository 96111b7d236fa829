"""When a chain steps is no business of its draws: companions, stalls and stages aside."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl.infer.engine.kernels import HMC, NUTS
from ppl.infer.engine.metric import Dense, Diagonal
from ppl.infer.engine.randomness import Randomness
from tests.engine.running import Draws, no_draws, randomness_for, refill, run_until
from tests.engine.targets import Banana, Funnel

CHAINS, DRAWS = 8, 20
SCALE = np.array([0.7, 1.3, 0.9], np.float32)
FACTOR = np.array([[0.8, 0, 0], [0.5, 1.2, 0], [-0.3, 0.4, 0.6]], np.float32)


def nuts(step_size: Any, dim: int) -> NUTS:
    return NUTS(step_size, Diagonal(jnp.asarray(SCALE[:dim])), jnp.int32(6), levels=5)


def nuts_dense(step_size: Any, dim: int) -> NUTS:
    metric = Dense(jnp.asarray(FACTOR[:dim, :dim]))
    return NUTS(step_size, metric, jnp.int32(6), levels=5)


def hmc(step_size: Any, dim: int) -> HMC:
    metric = Diagonal(jnp.asarray(SCALE[:dim]))
    return HMC(step_size, metric, jnp.float32(1.5), jnp.float32(0.5))


KERNELS = {"nuts": nuts, "nuts-dense": nuts_dense, "hmc": hmc}
TARGETS = {"funnel": Funnel(jnp.float32(2)), "banana": Banana(jnp.float32(0.7))}
every = [
    pytest.param(kernel, target, id=f"{kernel}-{target}")
    for kernel, target in [("nuts", "funnel"), ("nuts-dense", "banana"), ("hmc", "funnel")]
]
every_kernel = pytest.mark.parametrize(("kernel", "target"), every)


class Job(NamedTuple):
    """Chains of one kernel and one target, each with its own step size."""

    kernel: Any
    target: Any
    positions: Any

    def randomness(self, bank: int = DRAWS) -> Randomness:
        return randomness_for(11, self.positions, bank)

    def to(self, num_draws: int, bank: int = DRAWS) -> Draws:
        """Uninterrupted to `num_draws`, with room for more."""
        empty = no_draws(self.kernel, self.positions, DRAWS + 2)
        state = self.kernel.init(self.positions)
        return run_until(
            self.kernel,
            self.target,
            self.randomness(bank),
            state,
            jnp.int32(num_draws),
            empty,
        )[1]


def job(kernel: str, target: str, companions: float = 0.3) -> Job:
    """Chain 0 with a step size of 0.3, and others with theirs."""
    made = TARGETS[target]
    step_size = jnp.full(CHAINS, companions, jnp.float32).at[0].set(0.3)
    positions = np.random.default_rng(5).normal(size=(made.dim, CHAINS))
    positions[:, 1:] *= companions
    return Job(
        KERNELS[kernel](step_size, made.dim),
        made,
        jnp.asarray(positions.astype(np.float32)),
    )


def assert_same(a: Draws, b: Draws, chains: Any = slice(None)) -> None:
    """Bit for bit, with gaps in the same places."""
    np.testing.assert_array_equal(a.position[..., chains], b.position[..., chains])
    np.testing.assert_array_equal(a.statistics[..., chains], b.statistics[..., chains])


@every_kernel
def test_draws_do_not_depend_on_companions(kernel, target):
    """Fast ones (few steps a draw), slow ones, and ones that diverge at once."""
    runs = [job(kernel, target, size).to(DRAWS) for size in (0.3, 0.02, 40.0)]
    steps = [int(run.steps) for run in runs]
    assert steps[1] > 2 * steps[0]
    assert runs[2].statistics[:DRAWS, -1, 1:].mean() > 0.5  # diverging
    for run in runs[1:]:
        assert_same(run, runs[0], chains=0)


@every_kernel
@pytest.mark.parametrize("stages", [(1, 2, 5, 20), (0, 7, 7, 20), (19, 20)], ids=str)
def test_draws_do_not_depend_on_stages(kernel, target, stages):
    """Nor on what chains do between them: after each, all wait for a few steps more."""
    made = job(kernel, target)
    randomness = made.randomness()
    state = made.kernel.init(made.positions)
    draws = no_draws(made.kernel, made.positions, DRAWS + 2)
    for stage in stages:
        state, draws = run_until(
            made.kernel, made.target, randomness, state, jnp.int32(stage), draws
        )
        assert (draws.count == stage).all()
        state = idle(made, randomness, state, stage)
    assert_same(draws, made.to(DRAWS))


@every_kernel
@pytest.mark.parametrize("bank", [1, 3, 7])
def test_draws_do_not_depend_on_the_bank(kernel, target, bank):
    """Chains that wait for random numbers go on, once there are some, as if never stopped."""
    made = job(kernel, target)
    randomness = made.randomness(bank)
    state = made.kernel.init(made.positions)
    draws = no_draws(made.kernel, made.positions, DRAWS + 2)
    for refills in range(DRAWS + 1):
        state, draws = run_until(
            made.kernel, made.target, randomness, state, jnp.int32(DRAWS), draws
        )
        if (draws.count >= DRAWS).all():
            break
        state = idle(made, randomness, state, DRAWS)
        randomness = refill(randomness, state.draw)
    assert refills == -(-DRAWS // bank) - 1
    assert_same(draws, made.to(DRAWS))


@every_kernel
def test_draws_do_not_depend_on_a_refill_on_the_way(kernel, target):
    """The bank may be filled anew while trajectories are under way."""
    made = job(kernel, target)
    step = jax.jit(made.kernel.step)
    randomness, state = made.randomness(4), made.kernel.init(made.positions)
    position = [[] for _ in range(CHAINS)]
    for i in range(10_000):
        if i % 7 == 0:
            randomness = refill(randomness, state.draw)
        state, emitted = step(randomness, made.target, state, jnp.int32(5))
        for chain in np.flatnonzero(emitted.done):
            position[chain].append(np.asarray(emitted.position[:, chain]))
        if all(len(own) == 5 for own in position):
            break
    found = np.stack([np.stack(own, 0) for own in position], -1)
    np.testing.assert_array_equal(found, made.to(5).position[:5])


@every_kernel
def test_each_draw_is_emitted_once(kernel, target):
    """Chains that have all their draws emit nothing while they wait for the others."""
    made = job(kernel, target, companions=0.05)
    draws = made.to(DRAWS)
    assert (draws.count == DRAWS).all()
    assert np.isfinite(draws.position[:DRAWS]).all()
    assert np.isnan(draws.position[DRAWS:]).all()
    moved = (np.diff(draws.position[:DRAWS], axis=0) != 0).any(1)
    assert moved.mean() > 0.5


@every_kernel
def test_statistics_are_of_the_draw_they_come_with(kernel, target):
    made = job(kernel, target)
    draws = made.to(DRAWS)
    named = dict(zip(made.kernel.statistics, draws.statistics.swapaxes(0, 1), strict=True))
    density = jax.vmap(jax.vmap(made.target.log_density, 1))
    expected = density(draws.position[:DRAWS])
    np.testing.assert_allclose(named["lp"][:DRAWS], expected, rtol=1e-4, atol=1e-4)
    assert (named["energy"] + named["lp"])[:DRAWS].min() >= -1e-4  # the kinetic one
    rate = named["acceptance_rate"][:DRAWS]
    assert ((rate >= 0) & (rate <= 1)).all()
    if kernel != "hmc":
        depth, steps = named["tree_depth"][:DRAWS], named["n_steps"][:DRAWS]
        assert ((steps >= 2**depth - 1) & (steps < 2 ** (depth + 1))).all()


@every_kernel
def test_first_step_evaluates_the_starting_point(kernel, target):
    """And emits nothing; the sampling may come later, or not at all."""
    made = job(kernel, target)
    state = made.kernel.init(made.positions)
    state, emitted = jax.jit(made.kernel.step)(
        made.randomness(), made.target, state, jnp.int32(1)
    )
    value, gradient = jax.vmap(made.target.value_and_grad, 1, (0, 1))(made.positions)
    found_value, found_gradient = made.kernel.evaluation(state)
    assert not emitted.done.any()
    assert (state.draw == 0).all()
    np.testing.assert_allclose(found_value, value, rtol=1e-5)
    np.testing.assert_allclose(found_gradient, gradient, rtol=1e-5)


def idle(made: Job, randomness: Randomness, state: Any, num_draws: int) -> Any:
    """Three steps more, in which all chains wait and nothing is emitted."""
    step = jax.jit(made.kernel.step)
    for _ in range(3):
        before = state.draw
        state, emitted = step(randomness, made.target, state, jnp.int32(num_draws))
        assert not emitted.done.any()
        np.testing.assert_array_equal(state.draw, before)
    return state
