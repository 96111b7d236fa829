"""Optimisers under NumPyro's names, each a thin cover of one of Optax's."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentTypeError, EngineError
from ppl._typing import Array

__all__ = [
    "SGD",
    "SM3",
    "Adagrad",
    "Adam",
    "ClippedAdam",
    "Minimize",
    "Momentum",
    "Optimizer",
    "RMSProp",
    "RMSPropMomentum",
    "optax_to_ppl",
]

Rate: TypeAlias = float | Callable[[Any], Any]
"""A step size, or a schedule: a function of the number of steps done."""

Loss: TypeAlias = Callable[[Any], tuple[Array, Any]]
"""From parameters to the number to minimise, and anything else."""


def _optax() -> Any:
    try:
        return importlib.import_module("optax")
    except ModuleNotFoundError:
        raise EngineError(
            "optimisers are Optax's, which is not installed.",
            hint="pip install optax, or pip install 'ppl[svi]'.",
        ) from None


class OptimState(NamedTuple):
    """Where an optimiser is.

    Attributes:
        step: Updates done, int32.
        params: The parameters, any pytree.
        inner: What Optax keeps.
    """

    step: Array
    params: Any
    inner: Any


class Optimizer(ABC):
    """An optimiser of any pytree of parameters.

    A subclass tells `transformation`. Equal optimisers share compiled programs, so make
    them frozen dataclasses.
    """

    @abstractmethod
    def transformation(self) -> Any:
        """Optax's `GradientTransformation`."""

    @cached_property
    def _transformation(self) -> Any:
        return _optax().with_extra_args_support(self.transformation())

    def init(self, params: Any) -> OptimState:
        """Begin at `params`."""
        return OptimState(jnp.int32(0), params, self._transformation.init(params))

    def get_params(self, state: OptimState) -> Any:
        """The present parameters."""
        return state.params

    def update(self, g: Any, state: OptimState, value: Any = None) -> OptimState:
        """One step with the gradient `g`, of the structure of the parameters."""
        return self._stepped(g, state, {"value": value})

    def eval_and_update(
        self, fn: Loss, state: OptimState, forward_mode_differentiation: bool = False
    ) -> tuple[tuple[Array, Any], OptimState]:
        """One step down `fn`; gives what `fn` says before it, and the new state.

        Args:
            fn: From the parameters to a loss and anything else.
            state: The present state.
            forward_mode_differentiation: Whether to differentiate forward, for losses
                with loops of unknown length.
        """
        out, slope = _differentiated(fn, state.params, forward_mode_differentiation)
        told = {"value": out[0], "grad": slope, "value_fn": lambda p: fn(p)[0]}
        return out, self._stepped(slope, state, told)

    def eval_and_stable_update(
        self, fn: Loss, state: OptimState, forward_mode_differentiation: bool = False
    ) -> tuple[tuple[Array, Any], OptimState]:
        """The same, but stay where a step would lead to what is not finite."""
        out, new = self.eval_and_update(fn, state, forward_mode_differentiation)
        good = jnp.isfinite(out[0]) & all_finite(new.params)
        kept = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, state)
        return out, kept

    def _stepped(
        self, slope: Any, state: OptimState, told: dict[str, Any]
    ) -> OptimState:
        change, inner = self._transformation.update(
            slope, state.inner, state.params, **told
        )
        params = jax.tree.map(lambda p, c: p + c.astype(p.dtype), state.params, change)
        return OptimState(state.step + 1, params, inner)


def all_finite(tree: Any) -> Array:
    """Whether every number of a pytree is finite."""
    good = jnp.isfinite(0.0)
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            good &= jnp.isfinite(leaf).all()
    return good


def _differentiated(
    fn: Loss, params: Any, forward: bool
) -> tuple[tuple[Array, Any], Any]:
    if not forward:
        return jax.value_and_grad(fn, has_aux=True)(params)

    def both(params: Any) -> tuple[Array, tuple[Array, Any]]:
        out = fn(params)
        return out[0], out

    slope, out = jax.jacfwd(both, has_aux=True)(params)
    return out, slope


@dataclass(frozen=True)
class Adam(Optimizer):
    """Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015."""

    step_size: Rate
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def transformation(self) -> Any:
        return _optax().adam(self.step_size, self.b1, self.b2, self.eps)


@dataclass(frozen=True)
class ClippedAdam(Optimizer):
    """Adam with every element of the gradient clipped to [-clip_norm, clip_norm]."""

    step_size: Rate
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    clip_norm: float = 10.0

    def transformation(self) -> Any:
        optax = _optax()
        adam = optax.adam(self.step_size, self.b1, self.b2, self.eps)
        return optax.chain(optax.clip(self.clip_norm), adam)


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Duchi, Hazan, Singer, JMLR 2011, with an average of the steps as momentum."""

    step_size: Rate
    momentum: float = 0.9

    def transformation(self) -> Any:
        optax = _optax()
        return optax.chain(
            optax.scale_by_rss(0.0, 1e-30),
            optax.ema(self.momentum, debias=False),
            optax.scale_by_learning_rate(self.step_size),
        )


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent of a heavy ball with this `mass` (Polyak 1964)."""

    step_size: Rate
    mass: float

    def transformation(self) -> Any:
        return _optax().sgd(self.step_size, momentum=self.mass)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """Steps over a running root mean square of gradients (Tieleman & Hinton 2012)."""

    step_size: Rate
    gamma: float = 0.9
    eps: float = 1e-8

    def transformation(self) -> Any:
        return _optax().rmsprop(self.step_size, self.gamma, self.eps)


@dataclass(frozen=True)
class RMSPropMomentum(Optimizer):
    """The same with momentum."""

    step_size: Rate
    gamma: float = 0.9
    eps: float = 1e-8
    momentum: float = 0.9

    def transformation(self) -> Any:
        return _optax().rmsprop(
            self.step_size, self.gamma, self.eps, momentum=self.momentum
        )


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent."""

    step_size: Rate

    def transformation(self) -> Any:
        return _optax().sgd(self.step_size)


@dataclass(frozen=True)
class SM3(Optimizer):
    """Anil, Gupta, Koren, Singer, "Memory-efficient adaptive optimization", 2019."""

    step_size: Rate
    momentum: float = 0.9

    def transformation(self) -> Any:
        return _optax().sm3(self.step_size, self.momentum)


@dataclass(frozen=True)
class Minimize(Optimizer):
    """Each update goes all the way to a minimum, by L-BFGS.

    It is for losses without noise, such as that of a point estimate.

    Attributes:
        method: "BFGS"; memory is limited to the last `memory` steps.
        maxiter: Steps at most.
        tol: Ends where no element of the gradient is larger.
        memory: Steps that the curvature is learnt from.
    """

    method: str = "BFGS"
    maxiter: int = 1000
    tol: float = 1e-5
    memory: int = 20

    def transformation(self) -> Any:
        return _optax().lbfgs(memory_size=self.memory)

    def eval_and_update(
        self, fn: Loss, state: OptimState, forward_mode_differentiation: bool = False
    ) -> tuple[tuple[Array, Any], OptimState]:
        """Go to a minimum; gives what `fn` says there."""
        step = super().eval_and_update

        def largest(state: OptimState) -> Array:
            _, slope = _differentiated(fn, state.params, forward_mode_differentiation)
            return jnp.stack([jnp.abs(g).max() for g in jax.tree.leaves(slope)]).max()

        def unfinished(carry: tuple[OptimState, Array, Array]) -> Array:
            _, steepest, count = carry
            return (steepest > self.tol) & (count < self.maxiter)

        def body(carry: tuple[OptimState, Array, Array]) -> Any:
            state, _, count = carry
            _, state = step(fn, state, forward_mode_differentiation)
            return state, largest(state), count + 1

        carry = (state, largest(state), jnp.int32(0))
        state, _, _ = jax.lax.while_loop(unfinished, body, carry)
        return fn(state.params), state


@dataclass(frozen=True)
class _Given(Optimizer):
    """Cover of a transformation that the user made."""

    given: Any

    def transformation(self) -> Any:
        return self.given


def optax_to_ppl(transformation: Any) -> Optimizer:
    """An optimiser from any `GradientTransformation` of Optax, or from ours.

    Raises:
        ArgumentTypeError: It is neither.
    """
    if isinstance(transformation, Optimizer):
        return transformation
    parts = (getattr(transformation, name, None) for name in ("init", "update"))
    if not all(callable(part) for part in parts) or isinstance(transformation, type):
        raise ArgumentTypeError(
            f"optim must be an optimiser, got {transformation!r}.",
            value=transformation,
            hint="Write ppl.optim.Adam(1e-3), or any transformation of Optax.",
        )
    return _Given(transformation)
