"""Hamiltonian Monte Carlo with jittered length, one leapfrog of every chain per step.

Duane, Kennedy, Pendleton, Roweth (1987); Neal, "MCMC using Hamiltonian dynamics"
(arXiv:1206.1901). The length of each trajectory is drawn anew, which breaks resonances
with the target's periods (Neal, section 3.2). Chains need not wait for the longest
trajectory: each begins its next one when its own has ended.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, replace, static
from ppl._typing import Array
from ppl.infer.engine.kernel import (
    MAX_ENERGY_ERROR,
    AbstractKernel,
    Emitted,
    Target,
    batch_value_and_grad,
    dot,
    where,
)
from ppl.infer.engine.metric import AbstractMetric
from ppl.infer.engine.randomness import Randomness, uniform

_MAX_STEPS = 1024.0


class Point(NamedTuple):
    """A point of a trajectory: vectors (dim, chains) and its log density (chains,)."""

    position: Array
    momentum: Array
    gradient: Array
    logp: Array


class HMCState(NamedTuple):
    """State of all chains; numbers are (chains,).

    Attributes:
        draw: Draws finished.
        unvalued: The target is yet to be evaluated at the starting point.
        begin: A new trajectory is due.
        accept: The trajectory's end becomes the draw, as the next step begins.
        done: A draw is finished, and is emitted as the next step begins.
        leaves: Leapfrog steps done in the trajectory.
        length: Leapfrog steps of the trajectory.
        start_energy: Energy of the trajectory's initial point.
        point: Where the trajectory is; its momentum is whitened.
        current: The draw before, from which the trajectory started.
        statistics: Of the draw that is done, if one is, (count, chains).
    """

    draw: Array
    unvalued: Array
    begin: Array
    accept: Array
    done: Array
    leaves: Array
    length: Array
    start_energy: Array
    point: Point
    current: Point
    statistics: Array


@pytree
class HMC(AbstractKernel):
    """Hamiltonian Monte Carlo.

    Attributes:
        step_size: Of the leapfrog, in whitened units; () or (chains,).
        metric: The inverse mass matrix.
        trajectory_length: Mean integration time, (). The number of leapfrog steps is
            this over the step size, at least 1 and at most 1024.
        jitter: Each trajectory's time is uniform within this fraction around the mean,
            (); 0 for a fixed length.
        in_steps: Whether `trajectory_length` counts leapfrog steps instead.
    """

    step_size: Array
    metric: AbstractMetric
    trajectory_length: Array
    jitter: Array
    in_steps: bool = static(default=False)
    statistics = ("lp", "energy", "acceptance_rate", "n_steps", "diverging")

    def init(self, positions: np.ndarray) -> HMCState:
        dim, chains = positions.shape
        vector = np.zeros((dim, chains), positions.dtype)
        number = np.zeros(chains, positions.dtype)
        no, integer = np.zeros(chains, bool), np.zeros(chains, np.int32)
        return HMCState(
            draw=integer,
            unvalued=~no,
            begin=no,
            accept=no,
            done=no,
            leaves=integer,
            length=integer + 1,
            start_energy=number,
            point=Point(positions, vector, vector, number),
            current=Point(positions, vector, vector, number),
            statistics=np.zeros((len(self.statistics), chains), positions.dtype),
        )

    def single_step(self, step_size: float) -> HMC:
        one = 1.0 if self.in_steps else step_size
        length = np.asarray(one, np.dtype(self.trajectory_length.dtype))
        return replace(self, trajectory_length=length, jitter=np.zeros_like(length))

    def evaluation(self, state: HMCState) -> tuple[Array, Array]:
        return state.point.logp, state.point.gradient

    def alive(self, randomness: Randomness, state: HMCState, num_draws: Array) -> Array:
        due = (state.draw < num_draws) | state.unvalued
        return due & randomness.ready(state.draw)

    def busy(self, randomness: Randomness, state: HMCState, num_draws: Array) -> Array:
        return self.alive(randomness, state, num_draws) | state.done

    def step(
        self, randomness: Randomness, target: Target, state: HMCState, num_draws: Array
    ) -> tuple[HMCState, Emitted]:
        alive = self.alive(randomness, state, num_draws)
        current = where(state.accept, state.point, state.current)
        emitted = Emitted(
            state.done, current.position, state.statistics, (current.gradient,)
        )

        begin = alive & state.begin
        p0 = randomness.normals(state.draw)
        start = current._replace(momentum=p0)
        here = where(begin, start, state.point)
        energy0 = 0.5 * dot(p0, p0) - current.logp
        start_energy = jnp.where(begin, energy0, state.start_energy)
        words = randomness.words(state.draw, jnp.zeros_like(state.draw))
        length = jnp.where(begin, self._length(uniform(words[0])), state.length)

        move = jnp.where(alive & ~state.unvalued, 1.0, 0.0).astype(p0.dtype)
        point = self._leapfrog(target, here, move)
        return self._decided(
            state._replace(start_energy=start_energy, length=length, current=current),
            point,
            uniform(words[1]),
            alive,
        ), emitted

    def _length(self, u: Array) -> Array:
        time = self.trajectory_length * (1 + self.jitter * (2 * u - 1))
        unit = 1.0 if self.in_steps else self.step_size
        steps = jnp.clip(jnp.ceil(time / unit), 1, _MAX_STEPS)
        return steps.astype(jnp.int32)

    def _leapfrog(self, target: Target, here: Point, move: Array) -> Point:
        step = self.step_size * move
        half = here.momentum + 0.5 * step * self.metric.pull(here.gradient)
        position = here.position + step * self.metric.push(half)
        logp, gradient = batch_value_and_grad(target, position)
        momentum = half + 0.5 * step * self.metric.pull(gradient)
        return Point(position, momentum, gradient, logp)

    def _decided(
        self, state: HMCState, point: Point, u: Array, alive: Array
    ) -> HMCState:
        """Weigh the new point, and decide whether the trajectory ends with it."""
        growing, valued = alive & ~state.unvalued, alive & state.unvalued
        energy = 0.5 * dot(point.momentum, point.momentum) - point.logp
        weight = state.start_energy - energy
        weight = jnp.where(jnp.isnan(weight) | (weight == jnp.inf), -jnp.inf, weight)
        diverging = weight < -MAX_ENERGY_ERROR
        leaves = state.leaves + growing
        done = growing & ((leaves >= state.length) | diverging)
        accept = done & (jnp.log(u) < weight)
        statistics = jnp.stack(
            [
                jnp.where(accept, point.logp, state.current.logp),
                jnp.where(accept, energy, state.start_energy),
                jnp.exp(jnp.minimum(weight, 0.0)),
                leaves.astype(weight.dtype),
                diverging.astype(weight.dtype),
            ]
        )
        return state._replace(
            draw=state.draw + done,
            unvalued=state.unvalued & ~alive,
            begin=jnp.where(alive, done | valued, state.begin),
            accept=accept | valued,
            done=done,
            leaves=jnp.where(done, 0, leaves),
            point=point,
            statistics=statistics,
        )
