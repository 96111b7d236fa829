"""HMC for many chains: trajectory lengths from one even sequence, the same for all.

Hoffman, Radul, Sountsov, "An adaptive MCMC scheme for setting trajectory lengths in
Hamiltonian Monte Carlo" (AISTATS 2021). The t-th trajectory of every chain takes the
time h_t T, where h_1, h_2, … is the van der Corput sequence: lengths vary as they must,
yet all chains do the same number of steps, so that none waits for another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl._pytree import pytree, replace
from ppl._typing import Array
from ppl.infer.engine.kernels._trajectory import (
    AbstractTrajectoryKernel,
    Point,
    pushed,
    steps_for,
    thrown,
    van_der_corput,
)
from ppl.infer.engine.metric import AbstractMetric


@pytree
class ChEES(AbstractTrajectoryKernel):
    """Hamiltonian Monte Carlo with trajectories of one length for all chains.

    Besides the gradient of each draw it gives away the end of the trajectory, taken or
    not, and the whitened momentum there.

    Attributes:
        step_size: Of the leapfrog, in whitened units; () or (chains,).
        metric: The inverse mass matrix.
        trajectory_length: Longest integration time, (); trajectories take between none
            and all of it, evenly, and at least one step.
    """

    step_size: Array
    metric: AbstractMetric
    trajectory_length: Array
    vectors = ("gradient", "proposal", "momentum")

    def single_step(self, step_size: Any) -> ChEES:
        length = np.asarray(step_size, np.dtype(self.trajectory_length.dtype))
        return replace(self, trajectory_length=length)

    def started(self, current: Point, normals: Array) -> Point:
        return thrown(current, normals)

    def kicked(
        self, momentum: Array, kinetic: Array, force: Array, time: Array
    ) -> tuple[Array, Array]:
        return pushed(momentum, force, time)

    def length(self, draw: Array, u: Array) -> Array:
        return steps_for(van_der_corput(draw) * self.trajectory_length, self.step_size)

    def learned(self, current: Point, end: Point) -> tuple[Array, ...]:
        return current.gradient, end.position, end.momentum
