"""The samplers a user names: a model and settings; the engine's kernels are behind."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._typing import Model
from ppl.infer.engine.adapt import Windows
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.kernels import hmc, nuts
from ppl.infer.engine.metric import AbstractMetric, metric_from
from ppl.infer.initialization import as_strategy, init_to_uniform

_SMALL = 512  # coordinates times chains up to which all checkpoints cost nothing
_FEW_LEVELS = 4


class AbstractSampler(ABC):
    """A model with the settings of a gradient-based kernel."""

    def __init__(
        self,
        model: Model | None,
        step_size: float,
        inverse_mass_matrix: Any,
        dense_mass: bool,  # noqa: FBT001
        target_accept_prob: float,
        options: dict[str, Any],
    ):
        if model is None or not callable(model):
            raise ArgumentError(
                f"{type(self).__name__}(model) needs a model, a Python function with "
                f"sample statements; got {model!r}.",
                value=model,
            )
        if not step_size > 0 or not math.isfinite(step_size):
            raise ArgumentError(
                f"step_size must be > 0, got {step_size}.", value=step_size
            )
        if not 0 < target_accept_prob < 1:
            raise ArgumentError(
                f"target_accept_prob must be in (0, 1), got {target_accept_prob}.",
                value=target_accept_prob,
                hint="Usual values are 0.8 to 0.99.",
            )
        self.model = model
        self.step_size = float(step_size)
        self.inverse_mass_matrix = inverse_mass_matrix
        self.dense_mass = bool(dense_mass)
        self.strategy = as_strategy(options.pop("init_strategy"))
        self.adaptation = Windows(
            target_accept=float(target_accept_prob),
            adapt_step_size=options.pop("adapt_step_size"),
            adapt_metric=options.pop("adapt_mass_matrix"),
            dense=self.dense_mass,
        )

    def metric(self, dim: int, dtype: np.dtype) -> AbstractMetric:
        """The metric to begin with."""
        given = self.inverse_mass_matrix
        if given is None:
            return metric_from(np.eye(dim) if self.dense_mass else np.ones(dim), dtype)
        given = np.asarray(given)
        if given.shape not in ((dim,), (dim, dim)):
            raise ShapeError(
                f"inverse_mass_matrix has shape {given.shape}, but the model has {dim} "
                f"unconstrained coordinates: ({dim},) or ({dim}, {dim}) is needed.",
                value=given.shape,
            )
        if self.dense_mass and given.ndim == 1:
            given = np.diag(given)
        return metric_from(given, dtype)

    @abstractmethod
    def kernel(self, dim: int, chains: int, dtype: np.dtype) -> AbstractKernel:
        """The kernel to begin with."""

    @property
    def max_tree_depth(self) -> int | None:
        """Doublings after which a trajectory ends, for samplers that double."""
        return None


class NUTS(AbstractSampler):
    """The no-U-turn sampler.

    Args:
        model: A function with sample statements.
        step_size: Of the leapfrog integrator, to begin with.
        inverse_mass_matrix: Of the unconstrained coordinates, (dim,) or (dim, dim);
            the identity if None.
        adapt_step_size: Whether warm-up adapts the step size.
        adapt_mass_matrix: Whether warm-up estimates the inverse mass matrix.
        dense_mass: Whether that is a full matrix.
        target_accept_prob: Mean acceptance to aim at; nearer to 1 means smaller steps.
        max_tree_depth: Doublings after which a trajectory ends.
        init_strategy: Where chains start.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        step_size: float = 1.0,
        inverse_mass_matrix: Any = None,
        adapt_step_size: bool = True,
        adapt_mass_matrix: bool = True,
        dense_mass: bool = False,
        target_accept_prob: float = 0.8,
        max_tree_depth: int = 10,
        init_strategy: Any = init_to_uniform,
        find_heuristic_step_size: bool = True,
        regularize_mass_matrix: bool = True,
    ):
        del find_heuristic_step_size, regularize_mass_matrix  # both are always done
        options = {
            "init_strategy": init_strategy,
            "adapt_step_size": adapt_step_size,
            "adapt_mass_matrix": adapt_mass_matrix,
        }
        super().__init__(
            model,
            step_size,
            inverse_mass_matrix,
            dense_mass,
            target_accept_prob,
            options,
        )
        if (
            not isinstance(max_tree_depth, int | np.integer)
            or not 1 <= max_tree_depth <= 20
        ):
            raise ArgumentError(
                f"max_tree_depth must be an int from 1 to 20, got {max_tree_depth!r}.",
                value=max_tree_depth,
            )
        self._max_tree_depth = int(max_tree_depth)

    @property
    def max_tree_depth(self) -> int | None:
        return self._max_tree_depth

    def kernel(self, dim: int, chains: int, dtype: np.dtype) -> AbstractKernel:
        depth = self._max_tree_depth
        few = _FEW_LEVELS if dim * chains > _SMALL else depth
        levels = max(min(depth - 1, few), 1)
        return nuts.NUTS(
            np.asarray(self.step_size, dtype),
            self.metric(dim, dtype),
            np.int32(depth),
            levels=levels,
            few_levels=few,
        )


class HMC(AbstractSampler):
    """Hamiltonian Monte Carlo with trajectories of a given mean length.

    Args:
        model: A function with sample statements.
        step_size: Of the leapfrog integrator, to begin with.
        inverse_mass_matrix: As for `NUTS`.
        adapt_step_size: Whether warm-up adapts the step size.
        adapt_mass_matrix: Whether warm-up estimates the inverse mass matrix.
        dense_mass: Whether that is a full matrix.
        target_accept_prob: Mean acceptance to aim at.
        num_steps: Leapfrog steps of a trajectory; excludes `trajectory_length`.
        trajectory_length: Mean integration time of a trajectory.
        jitter: Each trajectory's time is uniform within this fraction around the mean.
        init_strategy: Where chains start.

    Raises:
        ArgumentError: An argument is out of range, or both lengths are given.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        step_size: float = 1.0,
        inverse_mass_matrix: Any = None,
        adapt_step_size: bool = True,
        adapt_mass_matrix: bool = True,
        dense_mass: bool = False,
        target_accept_prob: float = 0.8,
        num_steps: int | None = None,
        trajectory_length: float | None = None,
        jitter: float = 0.5,
        init_strategy: Any = init_to_uniform,
    ):
        options = {
            "init_strategy": init_strategy,
            "adapt_step_size": adapt_step_size,
            "adapt_mass_matrix": adapt_mass_matrix,
        }
        super().__init__(
            model,
            step_size,
            inverse_mass_matrix,
            dense_mass,
            target_accept_prob,
            options,
        )
        if num_steps is not None and trajectory_length is not None:
            raise ArgumentError("give num_steps or trajectory_length, not both.")
        if num_steps is not None and num_steps < 1:
            raise ArgumentError(
                f"num_steps must be >= 1, got {num_steps}.", value=num_steps
            )
        length = 2 * math.pi if trajectory_length is None else trajectory_length
        if not length > 0:
            raise ArgumentError(
                f"trajectory_length must be > 0, got {length}.", value=length
            )
        if not 0 <= jitter < 1:
            raise ArgumentError(
                f"jitter must be in [0, 1), got {jitter}.", value=jitter
            )
        self.num_steps, self.trajectory_length = num_steps, length
        self.jitter = jitter

    def kernel(self, dim: int, chains: int, dtype: np.dtype) -> AbstractKernel:
        fixed = self.num_steps
        return hmc.HMC(
            np.asarray(self.step_size, dtype),
            self.metric(dim, dtype),
            np.asarray(fixed or self.trajectory_length, dtype),
            np.asarray(self.jitter, dtype),
            in_steps=fixed is not None,
        )
