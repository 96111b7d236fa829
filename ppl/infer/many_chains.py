"""Samplers for many chains, whose trajectories have one length for all of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ppl._errors import ArgumentError
from ppl._typing import Model
from ppl.infer.engine import adapt
from ppl.infer.engine.adapt import AbstractAdaptation
from ppl.infer.engine.kernel import AbstractKernel
from ppl.infer.engine.kernels import chees, mams
from ppl.infer.initialization import init_to_uniform
from ppl.infer.samplers import AbstractSampler
from ppl.layout import Layout

_DIAGONAL = False  # the `dense_mass` of these samplers
_ADJUSTED = True
_LEAST_CHAINS = 64


class AbstractOneLength(AbstractSampler):
    """What samplers share whose trajectories have one length for all chains."""

    trajectory_length: float | None
    _adaptation: type[adapt.ChEES | adapt.MAMS]

    def _settle(self, trajectory_length: float | None) -> None:
        """Check what the other samplers do not ask for, and keep it."""
        _check_diagonal(self)
        self.trajectory_length = _length(trajectory_length)

    def adaptation(self, layout: Layout, *, warm: bool = False) -> AbstractAdaptation:
        return self._adaptation(
            target_accept=self.target_accept_prob,
            adapt_step_size=self.adapt_step_size,
            adapt_length=self.trajectory_length is None,
            adapt_metric=self.adapt_mass_matrix and not warm,
            given=warm or self.masses.given is not None,
        )


class ChEES(AbstractOneLength):
    r"""HMC whose trajectory length all chains find together.

    Hoffman, Radul, Sountsov, "An adaptive MCMC scheme for setting trajectory lengths in
    Hamiltonian Monte Carlo" (AISTATS 2021). The $t$-th trajectory of every chain takes
    the time $h_t T$ with $h_t$ from an even sequence in $(0, 1)$, so chains do the same
    number of leapfrog steps and none waits. Warm-up finds the $T$ that maximises

    $$\tfrac{1}{4} E[(|x' - m|^2 - |x - m|^2)^2],$$

    how much a trajectory from $x$ to $x'$ changes the squared distance from the mean,
    with a diagonal mass matrix and a step size for a harmonic mean acceptance. Best
    with dozens of chains or more.

    Args:
        model: A function with sample statements.
        step_size: Of the leapfrog integrator, to begin with.
        inverse_mass_matrix: Of the unconstrained coordinates, to begin with: (dim,); or
            with `adapt_mass_matrix=False` whatever `NUTS` takes. If None, warm-up
            begins with one from the first gradients.
        adapt_step_size: Whether warm-up adapts the step size.
        adapt_mass_matrix: Whether warm-up estimates the diagonal inverse mass matrix.
        target_accept_prob: Harmonic mean acceptance to aim at.
        trajectory_length: Integration time T; if None, warm-up finds it.
        init_strategy: Where chains start.
        forward_mode_differentiation: Take gradients forward, one pass a coordinate.

    Raises:
        ArgumentError: An argument is out of range.
    """

    _adaptation = adapt.ChEES

    def __init__(
        self,
        model: Model | None = None,
        *,
        step_size: float = 1.0,
        inverse_mass_matrix: Any = None,
        adapt_step_size: bool = True,
        adapt_mass_matrix: bool = True,
        target_accept_prob: float = 0.651,
        trajectory_length: float | None = None,
        init_strategy: Any = init_to_uniform,
        forward_mode_differentiation: bool = False,
    ):
        super().__init__(
            model,
            step_size,
            inverse_mass_matrix,
            _DIAGONAL,
            target_accept_prob,
            {
                "init_strategy": init_strategy,
                "adapt_step_size": adapt_step_size,
                "adapt_mass_matrix": adapt_mass_matrix,
                "forward_mode_differentiation": forward_mode_differentiation,
            },
        )
        self._settle(trajectory_length)

    def kernel(self, layout: Layout, chains: int, dtype: np.dtype) -> AbstractKernel:
        return chees.ChEES(
            np.asarray(self.step_size, dtype),
            self.masses.metric(layout, dtype),
            np.asarray(self.trajectory_length or 1.0, dtype),
        )


class MAMS(AbstractOneLength):
    r"""Metropolis adjusted microcanonical sampling.

    Robnik, Cohn-Gordon, Seljak, "Metropolis adjusted microcanonical Hamiltonian Monte
    Carlo" (arXiv:2503.01707). Trajectories follow, with a velocity $u$ of length 1 in
    $d$ whitened coordinates $z$,

    $$\dot z = u, \quad \dot u = (1 - u u^T) \nabla \log p(z) / (d - 1),$$

    in leapfrog steps, and are taken with the probability $\min(1, e^{-W})$, where $W$
    is the energy error, in `sample_stats["energy"]`. Each starts in a fresh direction,
    and lengths are $2 h_t L$ with $h_t$ from an even sequence in $(0, 1)$. Warm-up
    finds $L$ from the correlation of consecutive draws, a diagonal mass matrix and a
    step size for an acceptance of 0.9. On ill-conditioned targets it takes several
    times fewer gradients than NUTS.

    Args:
        model: A function with sample statements and 2 unconstrained coordinates or
            more.
        step_size: Of the integrator at speed 1, to begin with.
        inverse_mass_matrix: As for `ChEES`.
        adapt_step_size: Whether warm-up adapts the step size.
        adapt_mass_matrix: Whether warm-up estimates the diagonal inverse mass matrix.
        target_accept_prob: Mean acceptance to aim at.
        trajectory_length: Mean length L of a trajectory; if None, warm-up finds it.
        init_strategy: Where chains start.
        forward_mode_differentiation: Take gradients forward, one pass a coordinate.

    Raises:
        ArgumentError: An argument is out of range.
    """

    _adaptation = adapt.MAMS

    def __init__(
        self,
        model: Model | None = None,
        *,
        step_size: float = 1.0,
        inverse_mass_matrix: Any = None,
        adapt_step_size: bool = True,
        adapt_mass_matrix: bool = True,
        target_accept_prob: float = 0.9,
        trajectory_length: float | None = None,
        init_strategy: Any = init_to_uniform,
        forward_mode_differentiation: bool = False,
    ):
        super().__init__(
            model,
            step_size,
            inverse_mass_matrix,
            _DIAGONAL,
            target_accept_prob,
            {
                "init_strategy": init_strategy,
                "adapt_step_size": adapt_step_size,
                "adapt_mass_matrix": adapt_mass_matrix,
                "forward_mode_differentiation": forward_mode_differentiation,
            },
        )
        self._settle(trajectory_length)

    def kernel(self, layout: Layout, chains: int, dtype: np.dtype) -> AbstractKernel:
        _check_dim(self, layout)
        return mams.MAMS(
            np.asarray(self.step_size, dtype),
            self.masses.metric(layout, dtype),
            np.asarray(self.trajectory_length or math.sqrt(layout.size), dtype),
            np.asarray(_ADJUSTED),
        )


class LAPS(AbstractSampler):
    r"""Many short chains, adjusted late.

    "Late adjusted parallel sampler" (arXiv:2601.16696): hundreds of chains move by
    microcanonical dynamics (see `MAMS`), one leapfrog step per draw and none rejected,
    with steps as large as the bias allows that the ensemble shows,

    $$D = \tfrac{1}{d} \sum_i (1 + E[(x_i - m_i) \partial_i \log p])^2.$$

    When means and variances stand still, trajectories are accepted or rejected, and the
    step size is found by bisection. Only such adjusted draws come out as samples; the
    others are in `warmup_samples`, with `keep_warmup=True`. Warm-up ends by itself:
    the draws asked for are the most that it takes. Use it where gradients are dear and
    chains cheap, as on accelerators; it does not find modes that are far apart.

    Args:
        model: A function with sample statements and 2 unconstrained coordinates or
            more. It is run with 64 chains or more; better are 256 and more.
        inverse_mass_matrix: Of the unconstrained coordinates, (dim,), to begin with. If
            None, warm-up begins with one from the first gradients.
        target_accept_prob: Mean acceptance to aim at, once draws are adjusted.
        init_strategy: Where chains start.
        forward_mode_differentiation: Take gradients forward, one pass a coordinate.

    Raises:
        ArgumentError: An argument is out of range, or, as it runs, there are fewer than
            64 chains.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        inverse_mass_matrix: Any = None,
        target_accept_prob: float = 0.9,
        init_strategy: Any = init_to_uniform,
        forward_mode_differentiation: bool = False,
    ):
        options = {
            "init_strategy": init_strategy,
            "adapt_step_size": True,
            "adapt_mass_matrix": True,
            "forward_mode_differentiation": forward_mode_differentiation,
        }
        super().__init__(
            model, 1.0, inverse_mass_matrix, _DIAGONAL, target_accept_prob, options
        )
        _check_diagonal(self)

    def adaptation(self, layout: Layout, *, warm: bool = False) -> AbstractAdaptation:
        given = warm or self.masses.given is not None
        return adapt.LAPS(target_accept=self.target_accept_prob, given=given)

    def kernel(self, layout: Layout, chains: int, dtype: np.dtype) -> AbstractKernel:
        _check_dim(self, layout)
        if chains < _LEAST_CHAINS:
            raise ArgumentError(
                f"LAPS learns from the ensemble and needs {_LEAST_CHAINS} chains or "
                f"more, got {chains}.",
                value=chains,
                hint=f"Ask for chains={_LEAST_CHAINS} or more, or use MAMS(model).",
            )
        return mams.MAMS(
            np.asarray(self.step_size, dtype),
            self.masses.metric(layout, dtype),
            np.asarray(math.sqrt(layout.size), dtype),
            np.asarray(_ADJUSTED),
        )


def _check_dim(sampler: AbstractSampler, layout: Layout) -> None:
    """Velocities of length 1 cannot turn on a line.

    Raises:
        ArgumentError: The model has but one coordinate.
    """
    if layout.size < 2:
        name = type(sampler).__name__
        raise ArgumentError(
            f"{name} needs 2 unconstrained coordinates or more, but the model has "
            f"{layout.size}.",
            value=layout.size,
            hint="Use NUTS(model) or ChEES(model).",
        )


def _check_diagonal(sampler: AbstractSampler) -> None:
    """Only a diagonal matrix can be adapted.

    Raises:
        ArgumentError: Another one is given, and is to be adapted.
    """
    given = sampler.masses.given
    if given is None or not sampler.adapt_mass_matrix:
        return
    if isinstance(given, dict) or np.ndim(given) != 1:
        name = type(sampler).__name__
        raise ArgumentError(
            f"{name} adapts diagonal mass matrices only, but inverse_mass_matrix is "
            "not a vector.",
            value=given,
            hint="Give its diagonal"
            + (", or add adapt_mass_matrix=False." if name != "LAPS" else "."),
        )


def _length(given: float | None) -> float | None:
    """A trajectory length, or None to adapt it.

    Raises:
        ArgumentError: It is not a positive number.
    """
    if given is not None and not (given > 0 and math.isfinite(given)):
        raise ArgumentError(
            f"trajectory_length must be > 0, got {given}.",
            value=given,
            hint="Leave it out, and the warm-up finds it.",
        )
    return given
