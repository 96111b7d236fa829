r"""Deterministic ADVI: a mean-field normal fitted on draws that stay the same.

Giordano, Ingram, Broderick, "Black box variational inference with a deterministic
objective: faster, more accurate, and even more black box" (JMLR 25, 2024). With fixed
standard normal numbers the evidence lower bound is a function of the parameters like
any other: second-order steps maximise it, and their test tells when it is done. Its
Hessian tells how the means would answer to a change of the target, which is the
linear-response covariance: right where the mean field is too narrow.
"""

from __future__ import annotations

import jax.numpy as jnp

from ppl._pytree import pytree
from ppl._typing import Array
from ppl.infer.engine.kernel import Target, batch_value_and_grad


@pytree
class FixedBound:
    """The evidence lower bound on fixed draws, but for a constant.

    Its position is the means, and after these the logarithms of the standard
    deviations, (2 dim,).

    Attributes:
        target: The log density.
        noise: Standard normal numbers, (dim, draws).
    """

    target: Target
    noise: Array

    def value_and_grad(self, position: Array) -> tuple[Array, Array]:
        """The bound and its gradient at `position`, (2 dim,)."""
        mean, log_scale = jnp.split(position, 2)
        wide = jnp.exp(log_scale)[:, None] * self.noise
        logp, slopes = batch_value_and_grad(self.target, mean[:, None] + wide)
        of_scale = (slopes * wide).mean(axis=1) + 1
        slope = jnp.concatenate([slopes.mean(axis=1), of_scale])
        return logp.mean() + log_scale.sum(), slope
