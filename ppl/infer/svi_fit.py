"""What fits of guides by gradients have in common: steps, runs, their results."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from ppl._errors import SupportError
from ppl._typing import Array, Model
from ppl.arguments import Arguments
from ppl.constant_arguments import with_constants_where_needed
from ppl.handlers.seed import as_key
from ppl.infer.approximations.guided import AbstractDrawing, guided_posterior
from ppl.infer.guides.base import AutoGuide
from ppl.infer.svi_loop import begin
from ppl.infer.svi_program import AbstractProgram, Beginning, SVIState, constrained
from ppl.infer.svi_run import Plateau, Steps, fitted
from ppl.optim import optax_to_ppl
from ppl.posterior import Posterior


class SVIRunResult(NamedTuple):
    """What a fit has found.

    Attributes:
        params: Constrained parameters by name; with `average`, means of late ones.
        state: Where it ended, to go on from: `svi.run(…, init_state=result.state)`.
        losses: The loss of each step, (steps,).
    """

    params: dict[str, Any]
    state: SVIState
    losses: np.ndarray


class AbstractFit(ABC):
    """A fit of the params of a guide, and of the model, by stochastic gradients.

    Args:
        model: The model.
        guide: The guide.
        optim: An optimiser of `ppl.optim` or of Optax.
        static_kwargs: Keyword arguments of model and guide that are no arrays.
    """

    def __init__(
        self, model: Model, guide: Model, optim: Any, static_kwargs: dict[str, Any]
    ):
        self.model = model
        self.guide = guide
        self.optim = optax_to_ppl(optim)
        self.static_kwargs = static_kwargs
        self._transforms: dict[str, Any] = {}

    @abstractmethod
    def _built(self, arguments: Arguments, data: tuple[Any, ...]) -> AbstractProgram:
        """The program of a step with these arguments of model and guide."""

    @abstractmethod
    def _ready(self, state: SVIState, num_steps: int) -> SVIState:
        """A first state, for a run of so many steps."""

    @abstractmethod
    def _drawing(self) -> AbstractDrawing:
        """How draws of the fitted guide are made."""

    def _begun(
        self,
        rng_key: Any,
        init_params: Mapping[str, Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> SVIState:
        """Where a fit begins.

        Raises:
            ModelError: Guide and model do not fit together.
            SupportError: An initial value is outside of its constraint.
        """
        key, given = as_key(rng_key), dict(init_params or {})
        program, data = self._traced(key, given, (args, kwargs), Steps(1))
        self._introduce(program, data)
        return self._checked(begin(program, key, given, data))

    def _traced(
        self,
        key: Any,
        given: dict[str, Any],
        example: tuple[tuple[Any, ...], dict[str, Any]],
        steps: Steps,
        **options: Any,
    ) -> tuple[AbstractProgram, tuple[Any, ...]]:
        """The program of a run with these arguments, and those that are arrays."""

        def traced(
            arguments: Arguments, data: tuple[Any, ...]
        ) -> tuple[AbstractProgram, tuple[Any, ...]]:
            one = steps.one_of(data)
            program = dataclasses.replace(self._built(arguments, one), **options)
            return program.fingerprinted(key, given, one), data

        args, kwargs = example
        arguments = Arguments.of(args, {**kwargs, **self.static_kwargs})
        guide = self.guide
        with guide.learning() if isinstance(guide, AutoGuide) else nullcontext():
            return with_constants_where_needed(traced, self.model, *arguments)

    def _introduce(self, program: AbstractProgram, data: tuple[Any, ...]) -> None:
        """Let a guide made from a model know the arguments, for its draws later."""
        if isinstance(self.guide, AutoGuide):
            args, kwargs = program.arguments.rebuild(data)
            self.guide.setup(*args, **kwargs)

    def _checked(self, beginning: Beginning) -> SVIState:
        """The state to begin with, if its params are what they must be."""
        for name, inside in beginning.inside.items():
            if not isinstance(inside, Tracer) and not inside:
                raise SupportError(
                    "its initial value is outside of its constraint.",
                    site=name,
                    hint="Give a constrained value to start from.",
                )
        self._transforms = beginning.transforms
        return beginning.state

    def get_params(self, svi_state: SVIState) -> dict[str, Any]:
        """The constrained values of all params."""
        free = self.optim.get_params(svi_state.optim_state)
        return constrained(free, self._transforms)

    def update(
        self,
        svi_state: SVIState,
        *args: Any,
        forward_mode_differentiation: bool = False,
        **kwargs: Any,
    ) -> tuple[SVIState, Array]:
        """One step, which may be compiled: `jax.jit(svi.update)`.

        Returns:
            The new state, and the loss before the step.
        """
        program, data = self._program(
            args, kwargs, forward=forward_mode_differentiation
        )
        return program.step(svi_state, self._transforms, data)

    def stable_update(
        self,
        svi_state: SVIState,
        *args: Any,
        forward_mode_differentiation: bool = False,
        **kwargs: Any,
    ) -> tuple[SVIState, Array]:
        """One step, or none where it would lead to what is not finite."""
        program, data = self._program(
            args, kwargs, forward=forward_mode_differentiation
        )
        program = dataclasses.replace(program, stable=True)
        return program.step(svi_state, self._transforms, data)

    def evaluate(self, svi_state: SVIState, *args: Any, **kwargs: Any) -> Any:
        """The loss at the present parameters, by site if the objective tells that."""
        program, data = self._program(args, kwargs)
        free = self.optim.get_params(svi_state.optim_state)
        _, own = jax.random.split(svi_state.rng_key)
        mutable = svi_state.mutable_state
        return program.told(free, mutable, own, self._transforms, data)

    def run(
        self,
        rng_key: Any,
        num_steps: int,
        *args: Any,
        progress_bar: bool = True,
        stable_update: bool = False,
        forward_mode_differentiation: bool = False,
        init_state: SVIState | None = None,
        init_params: Mapping[str, Any] | None = None,
        batches: Iterable[Any] | None = None,
        batch_size: int | None = None,
        average: float = 0.0,
        stop: Plateau | Callable[[np.ndarray], bool] | None = None,
        callback: Callable[[int, np.ndarray, SVIState], Any] | None = None,
        **kwargs: Any,
    ) -> SVIRunResult:
        """Do many steps, in compiled chunks.

        A second run with data of the same shapes compiles nothing. Ctrl-C ends the run
        with what it has found.

        Args:
            rng_key: An int or a JAX key.
            num_steps: Steps to do.
            *args: Arguments of model and guide.
            progress_bar: Whether to show a bar, with the loss.
            stable_update: Leave out steps to what is not finite. Without it a run ends
                before the first such step. Either is told, by site.
            forward_mode_differentiation: Differentiate forward, for loops of unknown
                length.
            init_state: Go on from here.
            init_params: Constrained values of some params to begin at.
            batches: Gives the positional arguments of each step, as a tuple or an
                array; `args` are empty then. The run ends with them. The next ones are
                on their way to the device while it works.
            batch_size: Each step gets so many rows of every array among the arguments,
                each epoch all rows once, in another order. Tell the model how many
                there are: `ppl.plate("rows", N, subsample_size=batch_size)`.
            average: The share of the steps, the last ones, whose parameters are
                averaged for the result.
            stop: Given all losses so far, whether to end; such as `Plateau()`.
            callback: Gets the number of steps done, all losses so far and the state,
                after each chunk; ends the run by returning True.
            **kwargs: Keyword arguments of model and guide.

        Raises:
            ArgumentError: A number is out of range.
            ModelError: Guide and model do not fit together.
        """
        steps = Steps(
            num_steps, batches, batch_size, average, stop, callback, progress_bar
        )
        steps.check(args)
        example, steps = steps.with_example(args)
        key, given = as_key(rng_key), dict(init_params or {})

        program, data = self._traced(
            key,
            given,
            (example, kwargs),
            steps,
            stable=stable_update,
            forward=forward_mode_differentiation,
            batch_size=batch_size,
        )
        self._introduce(program, steps.one_of(data))
        state = init_state
        if state is None or not self._transforms:
            fresh = self._checked(begin(program, key, given, steps.one_of(data)))
            state = self._ready(fresh, num_steps) if state is None else state
        found = fitted(program, state, self._transforms, data, steps)
        params = constrained(found.free, self._transforms)
        return SVIRunResult(params, found.state, found.losses)

    def posterior(
        self,
        result: SVIRunResult | Mapping[str, Any],
        *args: Any,
        draws: int | None = None,
        seed: Any = 0,
        resample: bool = False,
        **kwargs: Any,
    ) -> Posterior:
        """Draws of the guide as a posterior, with importance ratios that judge it.

        Args:
            result: What a run has found, or the constrained values of all params.
            *args: Arguments of model and guide.
            draws: How many; by default 1000, or every particle once where these are
                points.
            seed: An int or a JAX key.
            resample: Whether draws are resampled by their importance. Without it
                `sample_stats["log_weight"]` has the weights.
            **kwargs: Keyword arguments of model and guide.

        Returns:
            The posterior, in one chain; `attrs["pareto_k"]` tells whether to trust it.
        """
        if isinstance(result, SVIRunResult):
            result = {**result.state.mutable_state, **result.params}
        return guided_posterior(
            self._drawing(),
            dict(result),
            (args, {**kwargs, **self.static_kwargs}),
            draws=draws,
            seed=seed,
            resample=resample,
        )

    def _program(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], *, forward: bool = False
    ) -> tuple[AbstractProgram, tuple[Any, ...]]:
        arguments, data = Arguments.of(args, {**kwargs, **self.static_kwargs})
        return dataclasses.replace(self._built(arguments, data), forward=forward), data
