"""What a warm-up has found, to be used again by another run of the same model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import jax
import numpy as np

from ppl._errors import ArgumentError
from ppl.infer.engine.adapt.base import dtype_of, step_size, with_step_size
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.metric import AbstractMetric
from ppl.infer.engine.run import Run
from ppl.layout import Layout


@dataclass(frozen=True)
class Adapted:
    """Step size, metric and last positions of a run.

    Attributes:
        step_size: Of the kernel that drew.
        metric: Of the kernel that drew.
        positions: The chains' last unconstrained positions, (chains, dim).
        layout: What the coordinates mean.
    """

    step_size: float
    metric: AbstractMetric
    positions: np.ndarray
    layout: Layout

    @classmethod
    def of(cls, run: Run, positions: np.ndarray, layout: Layout) -> Adapted:
        """What is to be kept of a run whose chains are at `positions`."""
        metric = jax.tree.map(np.asarray, run.kernel.metric)
        return cls(step_size(run.kernel), metric, positions.copy(), layout)

    @property
    def inverse_mass_matrix(self) -> np.ndarray:
        """Of the unconstrained coordinates: (dim,) if diagonal, else (dim, dim)."""
        return np.asarray(self.metric.inverse_mass_matrix)

    def given_to(self, kernel: AbstractKernel, layout: Layout) -> AbstractKernel:
        """The kernel with this step size and metric.

        Raises:
            ArgumentError: The model has other latent sites than the earlier run's.
        """
        ours, theirs = (
            {e.name: e.free_shape for e in side.entries}
            for side in (self.layout, layout)
        )
        if ours != theirs:
            other = next(n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n))
            raise ArgumentError(
                f"warm_start comes from another model: site '{other}' has "
                f"unconstrained shape {ours.get(other)} there and "
                f"{theirs.get(other)} here.",
                site=other,
                value=ours.get(other),
                hint="Give a posterior of the same model and shapes.",
            )
        dtype = dtype_of(kernel)
        metric = jax.tree.map(lambda leaf: leaf.astype(dtype), self.metric)
        kernel = dataclasses.replace(kernel, metric=metric)  # type: ignore[type-var]
        return with_step_size(kernel, self.step_size)

    def starts(self, chains: int, dtype: np.dtype) -> np.ndarray:
        """Where chains begin, (chains, dim): the last positions, over and over."""
        return np.resize(
            self.positions.astype(dtype), (chains, *self.positions.shape[1:])
        )
