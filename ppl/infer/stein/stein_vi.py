"""Stein variational inference: mixtures of guides, and point particles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._counts import as_count
from ppl._errors import ArgumentError, ArgumentTypeError
from ppl._typing import Model
from ppl.arguments import Arguments
from ppl.infer.elbo import Runs, Trace_ELBO
from ppl.infer.guides.delta import AutoDelta
from ppl.infer.stein.base import SteinKernel, check_kernel
from ppl.infer.stein.loss import SteinLoss
from ppl.infer.stein.mixture import Mixed
from ppl.infer.stein.program import CYCLE, Annealing, Forces, SteinProgram
from ppl.infer.svi_fit import AbstractFit
from ppl.infer.svi_program import SVIState, params_of
from ppl.optim import Minimize


def _none(_: str) -> bool:
    return False


class AbstractStein(AbstractFit):
    """A fit of particles that climb and repel one another.

    Args:
        pair: The model and the guide.
        optim: An optimiser of `ppl.optim` or of Optax.
        forces: What moves the particles.
        is_shared: Whether a param of the guide is shared by all, by its name.
        cycles: Of annealing, if there is any, in a run.
        static_kwargs: Keyword arguments of model and guide that are no arrays.

    Raises:
        ArgumentTypeError: `optim` is no optimiser of single steps.
    """

    def __init__(
        self,
        pair: tuple[Model, Model],
        optim: Any,
        forces: Forces,
        *,
        is_shared: Callable[[str], bool] = _none,
        cycles: int = 1,
        static_kwargs: dict[str, Any],
    ):
        super().__init__(*pair, optim, static_kwargs)
        if isinstance(self.optim, Minimize):
            raise ArgumentTypeError(
                "optim must make single steps, got Minimize: the particles' forces are "
                "no gradient of a function that has a minimum.",
                value=optim,
                hint="Write ppl.optim.Adagrad(0.5), or any other.",
            )
        if not callable(is_shared):
            raise ArgumentTypeError(
                "non_mixture_guide_params_fn must be a function of a param's name, got "
                f"{is_shared!r}.",
                value=is_shared,
            )
        self.forces = forces
        self.is_shared = is_shared
        self.cycles = cycles
        self.guide_sites: list[str] = []

    @property
    def num_stein_particles(self) -> int:
        """How many particles there are."""
        return self.forces.count

    def _built(self, arguments: Arguments, data: tuple[Any, ...]) -> SteinProgram:
        self.guide_sites = self._own(arguments, data)
        return SteinProgram(
            self.model,
            self.guide,
            Trace_ELBO(),
            self.optim,
            arguments,
            forces=self.forces,
            own=tuple(self.guide_sites),
        )

    def _own(self, arguments: Arguments, data: tuple[Any, ...]) -> list[str]:
        """Names of the params of which every particle has its own."""
        found: list[str] = []

        def traced(data: tuple[Any, ...]) -> None:
            args, kwargs = arguments.rebuild(data)
            key = jax.random.key(0)
            runs = Runs(key, {}, self.model, self.guide, args, kwargs)
            pair = Trace_ELBO().first(runs)
            common = params_of(pair._replace(guide={}))
            names = (name for name in params_of(pair) if name not in common)
            found.extend(name for name in names if not self.is_shared(name))

        jax.eval_shape(traced, data)
        if not found:
            raise ArgumentError(
                "no param of the guide is the particles' own, so there is no mixture.",
                hint="Give the guide a ppl.param, or exclude fewer of them in "
                "non_mixture_guide_params_fn.",
            )
        return sorted(found)

    def _ready(self, state: SVIState, num_steps: int) -> SVIState:
        self._check_apart(state)
        mutable = dict(state.mutable_state)
        if CYCLE in mutable:
            length = math.ceil(num_steps / self.cycles)
            mutable[CYCLE] = jnp.array([0, length], jnp.int32)
        return state._replace(mutable_state=mutable)

    def _check_apart(self, state: SVIState) -> None:
        """Whether particles begin at more than one place.

        Raises:
            ArgumentError: They do not, so that they would stay together.
        """
        free = self.optim.get_params(state.optim_state)
        own = [leaf for n in self.guide_sites for leaf in jax.tree.leaves(free[n])]
        if self.forces.count == 1 or any(isinstance(leaf, Tracer) for leaf in own):
            return
        if all((np.asarray(leaf) == np.asarray(leaf)[:1]).all() for leaf in own):
            raise ArgumentError(
                f"all {self.forces.count} particles begin at the same place, and what "
                "moves one moves all alike.",
                site=self.guide_sites[0],
                value=_first(own),
                hint="Begin at random: init_loc_fn=ppl.infer.init_to_uniform, or a "
                "ppl.param whose initial value is a function of a random key.",
            )

    def _drawing(self) -> Mixed:
        forces = self.forces
        own = tuple(self.guide_sites)
        if not own:
            raise ArgumentError(
                "the fit has not been begun, so its params are not known.",
                hint="Call run, or init, first.",
            )
        return Mixed(self.model, self.guide, own, forces.count, forces.points)


class AbstractSteady(AbstractStein):
    """A fit whose forces are the same in every step."""

    def init(
        self,
        rng_key: Any,
        *args: Any,
        init_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> SVIState:
        """Where the particles begin; see `SVI.init`.

        Args:
            rng_key: An int or a JAX key.
            *args: Arguments of model and guide.
            init_params: Constrained values of some params to begin at, of each particle
                one: (num_stein_particles, *shape).
            **kwargs: Keyword arguments of model and guide.

        Raises:
            ModelError: Guide and model do not fit together.
            ArgumentError: All particles begin at the same place.
        """
        return self._ready(self._begun(rng_key, init_params, args, kwargs), 1)


class SteinVI(AbstractSteady):
    """Fit a mixture of guides whose params repel one another.

    Every particle is the params of one guide; together they climb the evidence lower
    bound of the mixture of all (Ronning et al., "ELBOing Stein", 2024; Nalisnick &
    Smyth 2017; Liu & Wang 2016). A mixture has what a single guide has not: several
    modes, correlation, tails.

    Args:
        model: The model.
        guide: A function of the same arguments, or one of `ppl.infer.autoguide`. What
            it begins with must be random.
        optim: An optimiser of `ppl.optim` or of Optax.
        kernel_fn: Says how near two particles are, such as `RBFKernel()`.
        num_stein_particles: How many guides there are.
        num_elbo_particles: Draws of each of them in a step.
        loss_temperature: Factor of the attraction.
        repulsion_temperature: Factor of the repulsion.
        non_mixture_guide_params_fn: Whether a param of the guide is shared by all, by
            its name, such as those of a network. Params of the model always are.
        **static_kwargs: Keyword arguments of model and guide that are no arrays.

    Raises:
        ArgumentTypeError: `optim` is no optimiser of single steps, or `kernel_fn` no
            kernel.
        ArgumentError: A number is out of range.
    """

    def __init__(
        self,
        model: Model,
        guide: Model,
        optim: Any,
        kernel_fn: SteinKernel,
        num_stein_particles: int = 10,
        num_elbo_particles: int = 10,
        loss_temperature: float = 1.0,
        repulsion_temperature: float = 1.0,
        non_mixture_guide_params_fn: Callable[[str], bool] = _none,
        **static_kwargs: Any,
    ):
        check_kernel("kernel_fn", kernel_fn)
        forces = Forces(
            kernel_fn,
            SteinLoss(
                as_count("num_elbo_particles", num_elbo_particles),
                as_count("num_stein_particles", num_stein_particles),
            ),
            points=False,
            pull=_factor("loss_temperature", loss_temperature),
            heat=_factor("repulsion_temperature", repulsion_temperature),
        )
        super().__init__(
            (model, guide),
            optim,
            forces,
            is_shared=non_mixture_guide_params_fn,
            static_kwargs=static_kwargs,
        )


class SVGD(AbstractSteady):
    """Stein variational gradient descent: points that become draws of the posterior.

    Liu & Wang, NIPS 2016. Each particle is one unconstrained value of all latent sites,
    and all together descend the divergence from the posterior there. One particle alone
    goes to its mode.

    Args:
        model: The model, whose latent sites are continuous.
        optim: An optimiser of `ppl.optim` or of Optax.
        kernel_fn: Says how near two particles are, such as `RBFKernel()`.
        num_stein_particles: How many there are.
        guide_kwargs: Arguments of `AutoDelta`, such as `init_loc_fn`.
        **static_kwargs: Keyword arguments of the model that are no arrays.

    Raises:
        ArgumentTypeError: `optim` is no optimiser of single steps, or `kernel_fn` no
            kernel.
        ArgumentError: A number is out of range.
    """

    def __init__(
        self,
        model: Model,
        optim: Any,
        kernel_fn: SteinKernel,
        num_stein_particles: int = 10,
        guide_kwargs: Mapping[str, Any] | None = None,
        **static_kwargs: Any,
    ):
        super().__init__(
            (model, AutoDelta(model, **dict(guide_kwargs or {}))),
            optim,
            _points(kernel_fn, num_stein_particles),
            static_kwargs=static_kwargs,
        )


class ASVGD(AbstractStein):
    """The same with an attraction that rises from nothing, several times in a run.

    So particles spread before they settle, and find more of the modes (D'Angelo &
    Fortuin, "Annealed Stein variational gradient descent", 2021). A run that goes on
    from the state of another keeps to its cycles.

    Args:
        model: See `SVGD`.
        optim: See `SVGD`.
        kernel_fn: See `SVGD`.
        num_stein_particles: See `SVGD`.
        num_cycles: How often the attraction rises.
        transition_speed: The power of the share of a cycle that it rises with.
        guide_kwargs: See `SVGD`.
        **static_kwargs: See `SVGD`.

    Raises:
        ArgumentTypeError: As in `SVGD`.
        ArgumentError: A number is out of range.
    """

    def __init__(
        self,
        model: Model,
        optim: Any,
        kernel_fn: SteinKernel,
        num_stein_particles: int = 10,
        num_cycles: int = 10,
        transition_speed: float = 10,
        guide_kwargs: Mapping[str, Any] | None = None,
        **static_kwargs: Any,
    ):
        speed = _factor("transition_speed", transition_speed)
        super().__init__(
            (model, AutoDelta(model, **dict(guide_kwargs or {}))),
            optim,
            _points(kernel_fn, num_stein_particles, Annealing(speed)),
            cycles=as_count("num_cycles", num_cycles),
            static_kwargs=static_kwargs,
        )

    def init(
        self,
        rng_key: Any,
        num_steps: int,
        *args: Any,
        init_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> SVIState:
        """Where the particles begin; see `SteinVI.init`.

        Args:
            rng_key: An int or a JAX key.
            num_steps: Of the whole run, which has `num_cycles` cycles.
            *args: Arguments of the model.
            init_params: See `SteinVI.init`.
            **kwargs: Keyword arguments of the model.

        Raises:
            ArgumentError: All particles begin at the same place.
        """
        count = as_count("num_steps", num_steps)
        return self._ready(self._begun(rng_key, init_params, args, kwargs), count)


def _points(
    kernel: SteinKernel, count: int, annealing: Annealing | None = None
) -> Forces:
    check_kernel("kernel_fn", kernel)
    loss = SteinLoss(1, as_count("num_stein_particles", count))
    return Forces(kernel, loss, points=True, annealing=annealing)


def _factor(name: str, value: Any) -> float:
    if isinstance(value, str) or not 0 <= value < math.inf:
        raise ArgumentError(
            f"{name} must be >= 0 and finite, got {value!r}.", value=value
        )
    return float(value)


def _first(own: list[Any]) -> Any:
    return np.asarray(own[0])[0]
