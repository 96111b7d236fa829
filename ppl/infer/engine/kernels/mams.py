r"""Microcanonical dynamics: a velocity of length 1 that forces turn but never speed up.

Robnik, Cohn-Gordon, Seljak, "Metropolis adjusted microcanonical Hamiltonian Monte
Carlo" (arXiv:2503.01707). In d whitened coordinates z with a unit velocity u the flow

    z' = u,  u' = (1 - u u^T) grad log p(z) / (d - 1)

keeps p(z) times the uniform density of u. A force f that acts for a time t turns u
towards e = f / |f|; with c = e . u and b = |f| t / (d - 1)

    u <- (u + e (sinh b + c (cosh b - 1))) / (cosh b + c sinh b),
    K <- K + (d - 1) log(cosh b + c sinh b),

where the sum K is minus the change of log volume on the sphere and the line (of u and
z), so a trajectory of leapfrog steps with W = K - change of log p is taken with the
probability exp(-W), if at most 1. Each begins with a fresh direction. Lengths are those
of an even sequence and the same for all chains.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, replace
from ppl._typing import Array
from ppl.infer.engine.kernel import dot, dots
from ppl.infer.engine.kernels._trajectory import (
    AbstractTrajectoryKernel,
    Point,
    steps_for,
    van_der_corput,
)
from ppl.infer.engine.metric import AbstractMetric


@pytree
class MAMS(AbstractTrajectoryKernel):
    r"""Metropolis adjusted microcanonical sampling, in 2 coordinates or more.

    Its statistic `energy` is W, the energy error of the trajectory.

    Unadjusted (MCLMC, Robnik et al., JMLR 2023), each step is a draw and taken unless
    it diverges, and the direction is kept but for a little noise before each step,

        u <- (u + v z) / |u + v z|,  v^2 = (exp(2 step / length) - 1) / d,

    with a standard normal z. Draws are then biased by the size of the step.

    Attributes:
        step_size: In whitened units, at speed 1; () or (chains,).
        metric: The inverse mass matrix.
        trajectory_length: Mean length of the way in whitened units, (); at least one
            step and at most 1024.
        adjusted: Whether trajectories are accepted or rejected, bool ().
    """

    step_size: Array
    metric: AbstractMetric
    trajectory_length: Array
    adjusted: Array

    absolute = MappingProxyType({"lp": 1})  # the energy is that of a trajectory

    def single_step(self, step_size: Any) -> MAMS:
        # the mean of lengths between none and twice as much is half of a step
        length = np.asarray(0.5 * step_size, np.dtype(self.trajectory_length.dtype))
        return replace(self, trajectory_length=length)

    def started(self, current: Point, normals: Array) -> Point:
        time = 2 * self.step_size / self.trajectory_length
        noise = jnp.sqrt(jnp.expm1(jnp.minimum(time, 20.0)) / normals.shape[0])
        kept = jnp.where(self.adjusted, 0.0, 1.0).astype(normals.dtype)
        mixed = kept * current.momentum
        mixed += jnp.where(self.adjusted, 1.0, noise).astype(normals.dtype) * normals
        return current._replace(
            momentum=_normalised(mixed), kinetic=jnp.zeros_like(current.logp)
        )

    def kicked(
        self, momentum: Array, kinetic: Array, force: Array, time: Array
    ) -> tuple[Array, Array]:
        freedom = momentum.shape[0] - 1
        square, along = dots((force, force), (force, momentum))
        strength = jnp.sqrt(square)
        inverse = 1 / jnp.maximum(strength, np.finfo(force.dtype).tiny)
        c = along * inverse
        b = strength * time / freedom
        shrink = jnp.exp(-b)
        towards = (1 - shrink) * (1 + shrink + c * (1 - shrink)) * inverse
        turned = towards * force + 2 * shrink * momentum
        # log(cosh b + c sinh b), without loss where b is small
        growth = b + jnp.log1p(0.5 * (1 - c) * jnp.expm1(-2 * b))
        return _normalised(turned), kinetic + freedom * growth

    def length(self, draw: Array, u: Array) -> Array:
        time = 2 * van_der_corput(draw) * self.trajectory_length
        steps = steps_for(time, self.step_size)
        return jnp.where(self.adjusted, steps, jnp.ones_like(steps))

    def taken(self, weight: Array, u: Array) -> Array:
        unadjusted = ~self.adjusted & (weight > -jnp.inf)
        return unadjusted | (jnp.log(u) < weight)

    def energy(self, start: Array, end: Array, accept: Array) -> Array:
        return end - start


def _normalised(vectors: Array) -> Array:
    """Vectors (dim, chains) at length 1; those of no length stay."""
    size = jnp.sqrt(dot(vectors, vectors))
    return vectors / jnp.maximum(size, np.finfo(vectors.dtype).tiny)
