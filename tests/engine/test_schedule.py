"""Draws are the same whenever a chain steps: companions, stalls and stages aside."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl._pytree import replace
from ppl.infer.engine.kernels import HMC, MAMS, NUTS, ChEES
from ppl.infer.engine.metric import Dense, Diagonal
from ppl.infer.engine.randomness import Randomness
from tests.engine.running import Draws, advance, no_draws, randomness_for, refill
from tests.engine.targets import Banana, Funnel

CHAINS, DRAWS = 8, 20
SCALE = np.array([0.7, 1.3, 0.9], np.float32)
FACTOR = np.array([[0.8, 0, 0], [0.5, 1.2, 0], [-0.3, 0.4, 0.6]], np.float32)


def nuts(step_size: Any, dim: int) -> NUTS:
    return NUTS(
        step_size,
        Diagonal(jnp.asarray(SCALE[:dim])),
        jnp.int32(6),
        levels=5,
        most_levels=5,
    )


def nuts_dense(step_size: Any, dim: int) -> NUTS:
    metric = Dense(jnp.asarray(FACTOR[:dim, :dim]))
    return NUTS(step_size, metric, jnp.int32(6), levels=5, most_levels=5)


def hmc(step_size: Any, dim: int) -> HMC:
    metric = Diagonal(jnp.asarray(SCALE[:dim]))
    return HMC(step_size, metric, jnp.float32(1.5), jnp.float32(0.5))


def chees(step_size: Any, dim: int) -> ChEES:
    return ChEES(step_size, Diagonal(jnp.asarray(SCALE[:dim])), jnp.float32(2.5))


def mams(step_size: Any, dim: int) -> MAMS:
    metric = Diagonal(jnp.asarray(SCALE[:dim]))
    return MAMS(step_size, metric, jnp.float32(1.5), jnp.bool_(True))


def unadjusted(step_size: Any, dim: int) -> MAMS:
    return replace(mams(step_size, dim), adjusted=jnp.bool_(False))


KERNELS = {
    "nuts": nuts,
    "nuts-dense": nuts_dense,
    "hmc": hmc,
    "chees": chees,
    "mams": mams,
    "unadjusted": unadjusted,
}
TARGETS = {"funnel": Funnel(jnp.float32(2)), "banana": Banana(jnp.float32(0.7))}
every = [
    pytest.param(kernel, target, id=f"{kernel}-{target}")
    for kernel, target in [
        ("nuts", "funnel"),
        ("nuts-dense", "banana"),
        ("hmc", "funnel"),
        ("chees", "banana"),
        ("mams", "funnel"),
        ("unadjusted", "banana"),
    ]
]
every_kernel = pytest.mark.parametrize(("kernel", "target"), every)


class Run(NamedTuple):
    """A run under way, of chains that each have their own step size."""

    kernel: Any
    target: Any
    randomness: Randomness
    state: Any
    draws: Draws
    start: Any

    def to(self, num_draws: int) -> Run:
        """Until all chains have their draws, or wait for the bank."""
        return self.after(-1, num_draws)

    def after(self, steps: int, num_draws: int) -> Run:
        """So many steps later."""
        kernel, target, randomness, state, draws = self[:5]
        state, draws = advance(
            kernel, target, randomness, state, num_draws, draws, steps
        )
        return self._replace(state=state, draws=draws)

    def idled(self, num_draws: int) -> Run:
        """Three steps later, in which all chains wait and nothing is emitted."""
        later = self.after(3, num_draws)
        assert later.draws.steps == self.draws.steps + 3
        assert_same(later.draws, self.draws)
        np.testing.assert_array_equal(later.draws.count, self.draws.count)
        np.testing.assert_array_equal(later.state.draw, self.state.draw)
        return later

    def refilled(self) -> Run:
        return self._replace(randomness=refill(self.randomness, self.state.draw))


def begin(kernel: str, target: str, companions: float = 0.3, bank: int = DRAWS) -> Run:
    """Chain 0 with a step size of 0.3, others with theirs; room for all draws and 2."""
    made = TARGETS[target]
    step_size = jnp.full(CHAINS, companions, jnp.float32).at[0].set(0.3)
    positions = np.random.default_rng(5).normal(size=(made.dim, CHAINS))
    positions[:, 1:] *= companions
    start = positions.astype(np.float32)
    ready = KERNELS[kernel](step_size, made.dim)
    room = no_draws(ready, start, DRAWS + 2)
    randomness = randomness_for(11, start, bank)
    return Run(ready, made, randomness, ready.init(start), room, start)


def assert_same(a: Draws, b: Draws, chains: Any = slice(None)) -> None:
    """Bit for bit, with gaps in the same places."""
    np.testing.assert_array_equal(a.position[..., chains], b.position[..., chains])
    np.testing.assert_array_equal(a.statistics[..., chains], b.statistics[..., chains])


@every_kernel
def test_draws_do_not_depend_on_companions(kernel, target):
    """Fast ones (few steps a draw), slow ones, and ones that diverge at once."""
    usual, slow, wild = [
        begin(kernel, target, size).to(DRAWS).draws for size in (0.3, 0.02, 40.0)
    ]
    assert slow.steps > 2 * usual.steps or kernel == "unadjusted"
    assert wild.statistics[:DRAWS, -1, 1:].mean() > 0.5  # diverging
    assert_same(slow, usual, chains=0)
    assert_same(wild, usual, chains=0)


@every_kernel
@pytest.mark.parametrize("stages", [(1, 2, 5, 20), (0, 7, 7, 20), (19, 20)], ids=str)
def test_draws_do_not_depend_on_stages(kernel, target, stages):
    """After each stage all chains wait for a while, then go on as if they had not."""
    run = begin(kernel, target)
    for stage in stages:
        run = run.to(stage)
        assert (run.draws.count == stage).all()
        run = run.idled(stage)
    assert_same(run.draws, begin(kernel, target).to(DRAWS).draws)


@every_kernel
@pytest.mark.parametrize("bank", [1, 3])
def test_draws_do_not_depend_on_the_bank(kernel, target, bank):
    """Chains wait for random numbers, and are given some when all of them wait."""
    run = begin(kernel, target, bank=bank)
    for draws in range(bank, DRAWS + bank, bank):
        run = run.to(DRAWS)
        assert (run.draws.count == min(draws, DRAWS)).all()
        run = run.idled(DRAWS).refilled()
    assert_same(run.draws, begin(kernel, target).to(DRAWS).draws)


@every_kernel
def test_draws_do_not_depend_on_refills_on_the_way(kernel, target):
    """The bank may be filled anew while trajectories are under way, and some wait."""
    run = begin(kernel, target, bank=3)
    while (run.draws.count < DRAWS).any():
        run = run.refilled().after(7, DRAWS)
    assert_same(run.draws, begin(kernel, target).to(DRAWS).draws)


@pytest.mark.parametrize("target", TARGETS)
def test_draws_do_not_depend_on_the_room(target):
    """Chains whose trees need more room than there is wait until they are given it."""
    roomy = begin("nuts", target)
    cramped = roomy._replace(kernel=replace(roomy.kernel, levels=2, few_levels=2))
    cramped = cramped._replace(state=cramped.kernel.init(roomy.start))
    cramped = cramped.after(500, DRAWS)
    need = int(cramped.kernel.room(cramped.state))
    assert not cramped.kernel.has_room(need)
    assert (cramped.draws.count < DRAWS).any()
    kernel, state = cramped.kernel.with_room(cramped.state, need)
    assert kernel.levels == roomy.kernel.levels
    found = cramped._replace(kernel=kernel, state=state).to(DRAWS)
    assert found.kernel.levels >= int(found.kernel.room(found.state))
    assert_same(found.draws, roomy.to(DRAWS).draws)


@every_kernel
def test_each_draw_is_emitted_once(kernel, target):
    """Chains that have all their draws emit nothing while they wait for the others."""
    draws = begin(kernel, target, companions=0.05).to(DRAWS).draws
    assert (draws.count == DRAWS).all()
    assert np.isfinite(draws.position[:DRAWS]).all()
    assert np.isnan(draws.position[DRAWS:]).all()
    moved = (np.diff(draws.position[:DRAWS], axis=0) != 0).any(1)
    assert moved.mean() > 0.5


@every_kernel
def test_statistics_are_of_the_draw_they_come_with(kernel, target):
    run = begin(kernel, target).to(DRAWS)
    values = np.asarray(run.draws.statistics)[:DRAWS].swapaxes(0, 1)
    found = dict(zip(run.kernel.statistics, values, strict=True))
    density = jax.jit(jax.vmap(jax.vmap(run.target.log_density, 1)))
    expected = density(run.draws.position[:DRAWS])
    np.testing.assert_allclose(found["lp"], expected, rtol=1e-4, atol=1e-4)
    if kernel in ("mams", "unadjusted"):  # an energy error
        rate = np.minimum(np.exp(-found["energy"]), 1)
        np.testing.assert_allclose(found["acceptance_rate"], rate, rtol=1e-3)
    else:
        assert (found["energy"] + found["lp"]).min() >= -1e-4  # the kinetic one
    assert found["acceptance_rate"].min() >= 0
    assert found["acceptance_rate"].max() <= 1
    if "tree_depth" in found:
        least = 2 ** found["tree_depth"] - 1
        assert ((least <= found["n_steps"]) & (found["n_steps"] <= 2 * least + 1)).all()


@every_kernel
def test_first_step_evaluates_the_starting_point(kernel, target):
    """And emits nothing, so that starting points can be judged before any sampling."""
    run = begin(kernel, target).after(1, 1)
    value_and_grad = jax.jit(jax.vmap(run.target.value_and_grad, 1, (0, 1)))
    found_value, found_gradient = run.kernel.evaluation(run.state)
    value, gradient = value_and_grad(run.start)
    assert (run.draws.count == 0).all()
    assert (run.state.draw == 0).all()
    np.testing.assert_allclose(found_value, value, rtol=1e-5)
    np.testing.assert_allclose(found_gradient, gradient, rtol=1e-5)
