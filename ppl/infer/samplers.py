"""The samplers a user names: a model and settings; the engine's kernels are behind."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ppl._errors import ArgumentError
from ppl._typing import Model
from ppl.infer.engine.adapt import AbstractAdaptation, Windows
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.kernels import hmc, nuts
from ppl.infer.initialization import as_strategy, init_to_uniform
from ppl.infer.masses import MassMatrix
from ppl.layout import Layout

_SMALL = 128  # coordinates times chains up to which all checkpoints cost nothing
_FEW_LEVELS = 4


class AbstractSampler(ABC):
    """A model with the settings of a gradient-based kernel."""

    def __init__(
        self,
        model: Model | None,
        step_size: float,
        inverse_mass_matrix: Any,
        dense_mass: Any,
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
        self.masses = MassMatrix(dense_mass, inverse_mass_matrix)
        self.target_accept_prob = float(target_accept_prob)
        self.strategy = as_strategy(options.pop("init_strategy"))
        self.adapt_step_size = bool(options.pop("adapt_step_size"))
        self.adapt_mass_matrix = bool(options.pop("adapt_mass_matrix"))
        self.forward_mode = bool(options.pop("forward_mode_differentiation"))

    def default_warmup(self, chains: int) -> int:
        """Draws of each chain that warm-up takes: the fewer, the more chains learn."""
        return 200 + 1600 // max(chains, 4)

    def adaptation(self, layout: Layout, *, warm: bool = False) -> AbstractAdaptation:
        """How warm-up finds the settings; a warm one, the step size alone."""
        return Windows(
            target_accept=self.target_accept_prob,
            adapt_step_size=self.adapt_step_size,
            adapt_metric=self.adapt_mass_matrix and not warm,
            given=self.masses.given is not None,
            structure=self.masses.structure,
            blocks=self.masses.blocks(layout),
        )

    @abstractmethod
    def kernel(self, layout: Layout, chains: int, dtype: np.dtype) -> AbstractKernel:
        """The kernel to begin with."""

    def after_warmup(self, kernel: AbstractKernel) -> AbstractKernel:
        """The kernel to draw with."""
        return kernel

    @property
    def max_tree_depth(self) -> int | None:
        """Doublings after which a trajectory ends, for samplers that double."""
        return None


class NUTS(AbstractSampler):
    """The no-U-turn sampler.

    Args:
        model: A function with sample statements.
        step_size: Of the leapfrog integrator, to begin with.
        inverse_mass_matrix: Of the unconstrained coordinates, to begin with: (dim,) or
            (dim, dim), or a dict from tuples of site names to such a vector or matrix.
            If None, warm-up begins with one from the first gradients.
        adapt_step_size: Whether warm-up adapts the step size.
        adapt_mass_matrix: Whether warm-up estimates the inverse mass matrix.
        dense_mass: Its structure: True for a full matrix, False for a diagonal, a list
            of tuples of site names for dense blocks of those sites beside a diagonal,
            or "auto" for a diagonal unless correlations make another one pay.
        target_accept_prob: Mean acceptance to aim at; nearer to 1 means smaller steps.
            If trajectories diverge during the warm-up, more is aimed at, up to 0.95.
        max_tree_depth: Doublings after which a trajectory ends; a pair gives one number
            for the warm-up and one for after.
        init_strategy: Where chains start.
        find_heuristic_step_size: Accepted for NumPyro's sake; it is always done.
        forward_mode_differentiation: Take gradients forward, one pass a coordinate.
        regularize_mass_matrix: Accepted likewise.

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
        dense_mass: Any = "auto",
        target_accept_prob: float = 0.8,
        max_tree_depth: int | tuple[int, int] = 10,
        init_strategy: Any = init_to_uniform,
        find_heuristic_step_size: bool = True,
        forward_mode_differentiation: bool = False,
        regularize_mass_matrix: bool = True,
    ):
        del find_heuristic_step_size, regularize_mass_matrix  # both are always done
        options = {
            "init_strategy": init_strategy,
            "adapt_step_size": adapt_step_size,
            "adapt_mass_matrix": adapt_mass_matrix,
            "forward_mode_differentiation": forward_mode_differentiation,
        }
        super().__init__(
            model,
            step_size,
            inverse_mass_matrix,
            dense_mass,
            target_accept_prob,
            options,
        )
        pair = isinstance(max_tree_depth, tuple | list) and len(max_tree_depth) == 2
        depths: Any = max_tree_depth if pair else (max_tree_depth, max_tree_depth)
        for depth in depths:
            if not isinstance(depth, int | np.integer) or not 1 <= depth <= 20:
                raise ArgumentError(
                    f"max_tree_depth must be an int from 1 to 20, or a pair of them "
                    f"for warm-up and sampling, got {max_tree_depth!r}.",
                    value=max_tree_depth,
                )
        self._depths = int(depths[0]), int(depths[1])

    @property
    def max_tree_depth(self) -> int | None:
        return self._depths[1]

    def kernel(self, layout: Layout, chains: int, dtype: np.dtype) -> AbstractKernel:
        most = max(max(self._depths) - 1, 1)
        few = _FEW_LEVELS if layout.size * chains > _SMALL else most
        return nuts.NUTS(
            np.asarray(self.step_size, dtype),
            self.masses.metric(layout, dtype),
            np.int32(self._depths[0]),
            levels=min(most, few),
            most_levels=most,
            few_levels=few,
        )

    def after_warmup(self, kernel: AbstractKernel) -> AbstractKernel:
        return dataclasses.replace(kernel, max_depth=np.int32(self._depths[1]))  # type: ignore[type-var]


class HMC(AbstractSampler):
    """Hamiltonian Monte Carlo with trajectories of a given mean length.

    Args:
        model: A function with sample statements.
        step_size: Of the leapfrog integrator, to begin with.
        inverse_mass_matrix: As for `NUTS`.
        adapt_step_size: Whether warm-up adapts the step size.
        adapt_mass_matrix: Whether warm-up estimates the inverse mass matrix.
        dense_mass: As for `NUTS`.
        target_accept_prob: As for `NUTS`.
        num_steps: Leapfrog steps of a trajectory; excludes `trajectory_length`.
        trajectory_length: Mean integration time of a trajectory.
        jitter: Each trajectory's time is uniform within this fraction around the mean.
        init_strategy: Where chains start.
        forward_mode_differentiation: Take gradients forward, one pass a coordinate.

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
        dense_mass: Any = "auto",
        target_accept_prob: float = 0.8,
        num_steps: int | None = None,
        trajectory_length: float | None = None,
        jitter: float = 0.5,
        init_strategy: Any = init_to_uniform,
        forward_mode_differentiation: bool = False,
    ):
        options = {
            "init_strategy": init_strategy,
            "adapt_step_size": adapt_step_size,
            "adapt_mass_matrix": adapt_mass_matrix,
            "forward_mode_differentiation": forward_mode_differentiation,
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

    def kernel(self, layout: Layout, chains: int, dtype: np.dtype) -> AbstractKernel:
        fixed = self.num_steps
        return hmc.HMC(
            np.asarray(self.step_size, dtype),
            self.masses.metric(layout, dtype),
            np.asarray(fixed or self.trajectory_length, dtype),
            np.asarray(self.jitter, dtype),
            in_steps=fixed is not None,
        )
