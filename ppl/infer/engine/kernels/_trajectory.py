"""What kernels share whose trajectories have a length known from their beginning.

One leapfrog of every chain per step; when a chain's trajectory ends, its end is taken
or left, and the next step begins another. A kernel says how velocities begin, how a
force changes them, how long a trajectory is, and what it gives away.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

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
from ppl.infer.engine.randomness import Randomness, uniform

MAX_STEPS = 1024.0
"""Leapfrog steps of a trajectory, at most."""


class Point(NamedTuple):
    """A point of a trajectory: vectors (dim, chains) and numbers (chains,).

    Attributes:
        position: Where it is.
        momentum: The whitened momentum, or velocity.
        gradient: Of the log density.
        logp: The log density.
        kinetic: Kinetic energy, up to a constant of the trajectory.
    """

    position: Array
    momentum: Array
    gradient: Array
    logp: Array
    kinetic: Array


class TrajectoryState(NamedTuple):
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
        point: Where the trajectory is.
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


def thrown(current: Point, momentum: Array) -> Point:
    """A point with a momentum of Hamiltonian dynamics."""
    kinetic = 0.5 * dot(momentum, momentum)
    return current._replace(momentum=momentum, kinetic=kinetic)


def pushed(momentum: Array, force: Array, time: Array) -> tuple[Array, Array]:
    """Momentum and kinetic energy of Hamiltonian dynamics after a kick."""
    momentum = momentum + time * force
    return momentum, 0.5 * dot(momentum, momentum)


def steps_for(time: Array, step_size: Array | float) -> Array:
    """Leapfrog steps that take about this time, 1 to `MAX_STEPS`, int32."""
    return jnp.clip(jnp.ceil(time / step_size), 1, MAX_STEPS).astype(jnp.int32)


def van_der_corput(draw: Array) -> Array:
    """Numbers in (0, 1) that fill it evenly as `draw` counts up from 0.

    The binary digits of `draw` + 1, mirrored at the point (van der Corput 1935).
    """
    word = draw.astype(jnp.uint32) + np.uint32(1)
    for shift, mask in (
        (1, 0x55555555),
        (2, 0x33333333),
        (4, 0x0F0F0F0F),
        (8, 0x00FF00FF),
        (16, 0x0000FFFF),
    ):
        low, by = np.uint32(mask), np.uint32(shift)
        word = ((word >> by) & low) | ((word & low) << by)
    return uniform(word)


class AbstractTrajectoryKernel(AbstractKernel):
    """A kernel of leapfrog trajectories, each accepted or rejected as a whole."""

    statistics = ("lp", "energy", "acceptance_rate", "n_steps", "diverging")

    @abstractmethod
    def started(self, current: Point, normals: Array) -> Point:
        """The point from which a trajectory starts, given normals (dim, chains)."""

    @abstractmethod
    def kicked(
        self, momentum: Array, kinetic: Array, force: Array, time: Array
    ) -> tuple[Array, Array]:
        """Momentum and kinetic energy after `time` (chains,) under a whitened force."""

    @abstractmethod
    def length(self, draw: Array, u: Array) -> Array:
        """Leapfrog steps of each chain's trajectory, given a uniform number."""

    def taken(self, weight: Array, u: Array) -> Array:
        """Whether a trajectory's end is taken, given the log of its weight."""
        return jnp.log(u) < weight

    def energy(self, start: Array, end: Array, accept: Array) -> Array:
        """What the statistic `energy` says, from the energies of both ends."""
        return jnp.where(accept, end, start)

    def learned(self, current: Point, end: Point) -> tuple[Array, ...]:
        """What `vectors` names, of a draw and of the end of its trajectory."""
        return (current.gradient,)

    def init(self, positions: np.ndarray) -> TrajectoryState:
        dim, chains = positions.shape
        vector = np.zeros((dim, chains), positions.dtype)
        number = np.zeros(chains, positions.dtype)
        no, integer = np.zeros(chains, bool), np.zeros(chains, np.int32)
        return TrajectoryState(
            draw=integer,
            unvalued=~no,
            begin=no,
            accept=no,
            done=no,
            leaves=integer,
            length=integer + 1,
            start_energy=number,
            point=Point(positions, vector, vector, number, number),
            current=Point(positions, vector, vector, number, number),
            statistics=np.zeros((len(self.statistics), chains), positions.dtype),
        )

    def evaluation(self, state: TrajectoryState) -> tuple[Array, Array]:
        return state.point.logp, state.point.gradient

    def lowered(self, state: TrajectoryState, by: float) -> TrajectoryState:
        def less(point: Point) -> Point:
            logp = np.asarray(point.logp)
            return point._replace(logp=logp - logp.dtype.type(by))

        return state._replace(point=less(state.point), current=less(state.current))

    def alive(
        self, randomness: Randomness, state: TrajectoryState, num_draws: Array
    ) -> Array:
        due = (state.draw < num_draws) | state.unvalued
        return due & randomness.ready(state.draw)

    def busy(
        self, randomness: Randomness, state: TrajectoryState, num_draws: Array
    ) -> Array:
        return self.alive(randomness, state, num_draws) | state.done

    def step(
        self,
        randomness: Randomness,
        target: Target,
        state: TrajectoryState,
        num_draws: Array,
    ) -> tuple[TrajectoryState, Emitted]:
        alive = self.alive(randomness, state, num_draws)
        current = where(state.accept, state.point, state.current)
        vectors = self.learned(current, state.point)
        emitted = Emitted(state.done, current.position, state.statistics, vectors)

        begin = alive & state.begin
        start = self.started(current, randomness.normals(state.draw))
        here = where(begin, start, state.point)
        start_energy = jnp.where(
            begin, start.kinetic - current.logp, state.start_energy
        )
        words = randomness.words(state.draw, jnp.zeros_like(state.draw))
        length = self.length(state.draw, uniform(words[0]))
        length = jnp.where(begin, length, state.length)

        moving = alive & ~state.unvalued
        move = jnp.where(moving, 1.0, 0.0).astype(here.position.dtype)
        point = self._leapfrog(target, here, move)
        return self._decided(
            state._replace(start_energy=start_energy, length=length, current=current),
            point,
            uniform(words[1]),
            alive,
        ), emitted

    def _leapfrog(self, target: Target, here: Point, move: Array) -> Point:
        step = self.step_size * move
        force = self.metric.pull(here.gradient)
        half, kinetic = self.kicked(here.momentum, here.kinetic, force, 0.5 * step)
        position = here.position + step * self.metric.push(half)
        logp, gradient = batch_value_and_grad(target, position)
        force = self.metric.pull(gradient)
        momentum, kinetic = self.kicked(half, kinetic, force, 0.5 * step)
        return Point(position, momentum, gradient, logp, kinetic)

    def _decided(
        self, state: TrajectoryState, point: Point, u: Array, alive: Array
    ) -> TrajectoryState:
        """Weigh the new point, and decide whether the trajectory ends with it."""
        growing, valued = alive & ~state.unvalued, alive & state.unvalued
        energy = point.kinetic - point.logp
        weight = state.start_energy - energy
        weight = jnp.where(jnp.isnan(weight) | (weight == jnp.inf), -jnp.inf, weight)
        diverging = weight < -MAX_ENERGY_ERROR
        leaves = state.leaves + growing
        done = growing & ((leaves >= state.length) | diverging)
        accept = done & self.taken(weight, u)
        statistics = jnp.stack(
            [
                jnp.where(accept, point.logp, state.current.logp),
                self.energy(state.start_energy, energy, accept),
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
