"""Hamiltonian Monte Carlo with jittered length, one leapfrog of every chain per step.

Duane, Kennedy, Pendleton, Roweth (1987); Neal, "MCMC using Hamiltonian dynamics"
(arXiv:1206.1901). The length of each trajectory is drawn anew, which breaks resonances
with the target's periods (Neal, section 3.2). Chains need not wait for the longest
trajectory: each begins its next one when its own has ended.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ppl._pytree import pytree, replace, static
from ppl._typing import Array
from ppl.infer.engine.kernels._trajectory import (
    AbstractTrajectoryKernel,
    Point,
    pushed,
    steps_for,
    thrown,
)
from ppl.infer.engine.metric import AbstractMetric


@pytree
class HMC(AbstractTrajectoryKernel):
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

    def single_step(self, step_size: Any) -> HMC:
        none = np.zeros_like(self.jitter)
        return replace(self, trajectory_length=none, jitter=none)

    def started(self, current: Point, normals: Array) -> Point:
        return thrown(current, normals)

    def kicked(
        self, momentum: Array, kinetic: Array, force: Array, time: Array
    ) -> tuple[Array, Array]:
        return pushed(momentum, force, time)

    def length(self, draw: Array, u: Array) -> Array:
        time = self.trajectory_length * (1 + self.jitter * (2 * u - 1))
        return steps_for(time, 1.0 if self.in_steps else self.step_size)
