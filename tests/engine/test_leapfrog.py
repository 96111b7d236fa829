"""The leapfrog is reversible, preserves volume, is of order 2, and exact where known.

So is the isokinetic one, but for the volume, whose change it reports.

They are watched through the states of HMC and MAMS, with a trajectory too long to end.
NUTS' leapfrog is the reference's to the last digits, see test_nuts_tree.py.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl._pytree import pytree, replace
from ppl.infer.engine.kernels import HMC, MAMS
from ppl.infer.engine.metric import Dense, Diagonal
from tests.engine.running import randomness_for
from tests.engine.targets import Banana, Funnel, Normal

pytestmark = pytest.mark.usefixtures("x64")

SCALE = np.array([0.7, 1.3, 0.9])
FACTOR = np.array([[0.8, 0, 0], [0.5, 1.2, 0], [-0.3, 0.4, 0.6]])
METRICS = {
    "diagonal": lambda dim: Diagonal(jnp.asarray(SCALE[:dim])),
    "dense": lambda dim: Dense(jnp.asarray(FACTOR[:dim, :dim])),
}
TARGETS = {
    "banana": lambda: Banana(jnp.asarray(0.7)),
    "funnel": lambda: Funnel(jnp.asarray(1.0)),
}
both = pytest.mark.parametrize("metric", METRICS)
curved = pytest.mark.parametrize("target", TARGETS)


@pytree
class Slope:
    """A log density that rises evenly: a stone that falls."""

    gradient: Any

    def value_and_grad(self, x):
        return self.gradient @ x, self.gradient


def flow(metric, target, step_size, steps, position, momentum):
    """Where whitened phase-space points (dim, chains) are after some leapfrog steps."""
    kernel = HMC(jnp.asarray(step_size), metric, jnp.asarray(1e3), jnp.asarray(0.0))
    randomness = replace(randomness_for(0, position, 1), bank=momentum[None])

    def step(_, state):
        return kernel.step(randomness, target, state, jnp.int32(1))[0]

    # the first step of all only evaluates the starting point
    state = jax.lax.fori_loop(0, steps + 1, step, kernel.init(position))
    return state.point.position, state.point.momentum, state.point.logp


flow_of = jax.jit(flow)


def turning(metric, target, step_size, steps, position, direction):
    """Where points and directions are after isokinetic steps; also K and log p."""
    far = jnp.asarray(1e3)
    kernel = MAMS(jnp.asarray(step_size), metric, far, jnp.asarray(True))
    randomness = replace(randomness_for(0, position, 1), bank=direction[None])

    def step(_, state):
        return kernel.step(randomness, target, state, jnp.int32(1))[0]

    state = jax.lax.fori_loop(0, steps + 1, step, kernel.init(position))
    point = state.point
    return point.position, point.momentum, point.kinetic, point.logp


turning_of = jax.jit(turning)


def phase_points(dim: int, chains: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return jnp.asarray(rng.normal(size=(dim, chains))), jnp.asarray(
        rng.normal(size=(dim, chains))
    )


@both
@curved
def test_leapfrog_is_reversible(metric, target):
    target = TARGETS[target]()
    metric = METRICS[metric](target.dim)
    position, momentum = phase_points(target.dim, 100)
    there, p, _ = flow_of(metric, target, 0.1, 12, position, momentum)
    back, p, _ = flow_of(metric, target, 0.1, 12, there, -p)
    assert abs(there - position).max() > 1
    np.testing.assert_allclose(back, position, rtol=0, atol=1e-10)
    np.testing.assert_allclose(-p, momentum, rtol=0, atol=1e-10)


@both
@curved
def test_leapfrog_preserves_volume(metric, target):
    target = TARGETS[target]()
    dim = target.dim
    metric = METRICS[metric](dim)

    def one(phase):
        q, p, _ = flow(metric, target, 0.3, 5, phase[:dim, None], phase[dim:, None])
        return jnp.concatenate([q, p])[:, 0]

    phases = jnp.concatenate(phase_points(dim, 20)).T
    jacobians = np.asarray(jax.jit(jax.vmap(jax.jacfwd(one)))(phases))
    assert abs(jacobians - np.eye(2 * dim)).max() > 0.5
    np.testing.assert_allclose(abs(np.linalg.det(jacobians)), 1, rtol=0, atol=1e-8)


@both
@curved
def test_energy_error_is_of_second_order(metric, target):
    target = TARGETS[target]()
    metric = METRICS[metric](target.dim)
    position, momentum = phase_points(target.dim, 100)

    lp = jax.vmap(target.log_density, 1)(position)
    start = 0.5 * (momentum**2).sum(0) - lp

    def error(step_size, steps):
        _, p, lp = flow_of(metric, target, step_size, steps, position, momentum)
        return abs(0.5 * (p**2).sum(0) - lp - start)

    coarse, fine = (error(0.8 / n, n) for n in (128, 256))
    assert np.median(coarse / fine) == pytest.approx(4, rel=0.02)


@both
def test_a_free_particle_goes_straight(metric):
    metric = METRICS[metric](3)
    position, momentum = phase_points(3, 10)
    target = Slope(jnp.zeros(3))
    there, p, _ = flow_of(metric, target, 0.3, 7, position, momentum)
    np.testing.assert_allclose(
        there, position + 2.1 * metric.push(momentum), rtol=1e-13
    )
    np.testing.assert_array_equal(p, momentum)


@both
def test_a_falling_stone_follows_its_parabola(metric):
    """For a constant force the leapfrog is exact."""
    metric = METRICS[metric](3)
    position, momentum = phase_points(3, 10)
    gradient, time = jnp.array([0.5, -1.0, 2.0]), 2.1
    there, p, _ = flow_of(metric, Slope(gradient), 0.3, 7, position, momentum)
    inverse_mass = np.asarray(metric.push(metric.pull(jnp.eye(3))))
    fallen = 0.5 * time**2 * inverse_mass @ gradient
    expected = position + time * metric.push(momentum) + fallen[:, None]
    np.testing.assert_allclose(there, expected, rtol=1e-12)
    expected = momentum + time * metric.pull(gradient[:, None])
    np.testing.assert_allclose(p, expected, rtol=1e-12)


def test_an_oscillator_turns_as_the_leapfrog_of_one_does():
    """Discretised, it is a rotation too: by cos(a) = 1 - (e w)² / 2 a step."""
    scale, width, step_size, steps = SCALE, np.array([0.5, 1.0, 2.0]), 0.4, 9
    position, momentum = phase_points(3, 10)
    target = Normal(jnp.asarray(width))
    q, p, _ = flow_of(
        METRICS["diagonal"](3), target, step_size, steps, position, momentum
    )

    # y = q / scale moves with the whitened momentum: y' = v, v' = -(scale / width)² y
    frequency = (scale / width)[:, None]
    angle = np.arccos(1 - (step_size * frequency) ** 2 / 2) * steps
    ratio = frequency * np.sqrt(1 - (step_size * frequency) ** 2 / 4)
    y = position / scale[:, None]
    turned_y = y * np.cos(angle) + momentum / ratio * np.sin(angle)
    turned_p = momentum * np.cos(angle) - ratio * y * np.sin(angle)
    np.testing.assert_allclose(q / scale[:, None], turned_y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(p, turned_p, rtol=0, atol=1e-12)


# --- the isokinetic leapfrog ----------------------------------------------------------


def typical_points(target: Any, chains: int) -> tuple[Any, Any]:
    """Where the target is: strong forces lose exp(-K) of a direction's digits."""
    position = target.exact(np.random.default_rng(4), chains)
    return jnp.asarray(position), phase_points(target.dim, chains)[1]


@both
@curved
def test_turning_is_reversible(metric, target):
    target = TARGETS[target]()
    metric = METRICS[metric](target.dim)
    position, direction = typical_points(target, 100)
    there, u, kinetic, _ = turning_of(metric, target, 0.1, 12, position, direction)
    back, u, regained, _ = turning_of(metric, target, 0.1, 12, there, -u)
    assert abs(there - position).max() > 0.5
    np.testing.assert_allclose(back, position, rtol=0, atol=1e-10)
    unit = direction / jnp.linalg.norm(direction, axis=0)
    np.testing.assert_allclose(-u, unit, rtol=0, atol=1e-10)
    np.testing.assert_allclose(regained, -kinetic, rtol=0, atol=1e-10)


def frames(u):
    """Bases (points, 2 dim, 2 dim - 1) of all of space and the turns of directions."""
    dim = len(u)
    identity = np.broadcast_to(np.eye(dim), (u.shape[1], dim, dim))
    turns = np.linalg.qr(np.concatenate([u.T[..., None], identity], axis=2))[0]
    out = np.zeros((u.shape[1], 2 * dim, 2 * dim - 1))
    out[:, :dim, :dim] = identity
    out[:, dim:, dim:] = turns[..., 1:]
    return out


@both
@curved
def test_kinetic_energy_is_the_change_of_log_volume(metric, target):
    """K is minus the log of the Jacobian determinant, by differences of order 4."""
    target = TARGETS[target]()
    metric = METRICS[metric](target.dim)

    def end(phases):
        q, u = np.split(phases, 2)
        return turning_of(metric, target, 0.2, 4, jnp.asarray(q), jnp.asarray(u))

    position, direction = typical_points(target, 20)
    unit = direction / np.linalg.norm(direction, axis=0)
    phases, moves, h = np.concatenate([position, unit]), frames(unit), 1e-4
    slopes = 0.0
    for times, weight in [(1, 8), (-1, -8), (2, -1), (-2, 1)]:
        moved = phases.T[:, :, None] + times * h * moves
        flat = moved.swapaxes(0, 1).reshape(2 * target.dim, -1)
        found = np.concatenate(end(flat)[:2]).reshape(2 * target.dim, 20, -1)
        slopes = slopes + weight * found.swapaxes(0, 1) / (12 * h)
    _, u, kinetic, _ = end(phases)
    inner = frames(np.asarray(u)).swapaxes(1, 2) @ slopes
    assert abs(np.asarray(kinetic)).max() > 0.1
    np.testing.assert_allclose(
        kinetic, -np.linalg.slogdet(inner)[1], rtol=1e-6, atol=1e-6
    )


@both
@curved
def test_microcanonical_error_is_of_second_order(metric, target):
    target = TARGETS[target]()
    metric = METRICS[metric](target.dim)
    position, direction = phase_points(target.dim, 100)
    start = jax.vmap(target.log_density, 1)(position)

    def error(step_size, steps):
        end = turning_of(metric, target, step_size, steps, position, direction)
        return abs(end[2] - end[3] + start)

    coarse, fine = (error(0.8 / n, n) for n in (128, 256))
    assert np.median(coarse / fine) == pytest.approx(4, rel=0.02)


def test_a_direction_without_forces_stays():
    metric = METRICS["diagonal"](3)
    position, direction = phase_points(3, 10)
    slope = Slope(jnp.zeros(3))
    there, u, kinetic, _ = turning_of(metric, slope, 0.3, 7, position, direction)
    unit = direction / jnp.linalg.norm(direction, axis=0)
    np.testing.assert_allclose(there, position + 2.1 * metric.push(unit), rtol=1e-13)
    np.testing.assert_allclose(u, unit, rtol=1e-13)
    np.testing.assert_array_equal(kinetic, 0)


def test_a_steady_force_turns_as_the_exact_flow_does():
    """tan(a / 2) shrinks by exp(-force time / (d - 1)), a the angle to the force."""
    gradient, time = jnp.array([0.5, -1.0, 2.0]), 2.1
    metric = Diagonal(jnp.ones(3))
    position, direction = phase_points(3, 10)
    slope = Slope(gradient)
    _, u, kinetic, _ = turning_of(metric, slope, 0.3, 7, position, direction)
    towards = gradient / jnp.linalg.norm(gradient)
    unit = direction / jnp.linalg.norm(direction, axis=0)
    before, after = np.arccos(towards @ unit), np.arccos(towards @ u)
    shrunk = np.tan(before / 2) * np.exp(-time * np.linalg.norm(gradient) / 2)
    np.testing.assert_allclose(np.tan(after / 2), shrunk, rtol=1e-9)
    expected = 2 * np.log(np.sin(before) / np.sin(after))
    np.testing.assert_allclose(kinetic, expected, rtol=0, atol=1e-9)
