"""Guides that anneal from a normal distribution towards a density."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ModelError, ShapeError
from ppl._pytree import replace
from ppl._sites import only
from ppl._typing import Array, Model
from ppl.distributions import constraints
from ppl.distributions.distribution import Distribution
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.normal import Normal
from ppl.distributions.transforms import Transform
from ppl.infer.guides._annealing import (
    check_annealing,
    declared,
    momenta,
    with_params,
)
from ppl.infer.guides._continuous import AutoContinuous, Declared
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import check_scale
from ppl.infer.initialization import init_to_uniform
from ppl.primitives import factor, param, sample
from ppl.target import LogDensity


class AbstractAnnealed(AutoContinuous):
    """A guide that draws from a normal distribution and then follows a density.

    The bound that it gives is one of annealed importance sampling, so with more steps
    it comes nearer to the log evidence. Its params are those of the normal,
    `auto_z_0_loc` and `auto_z_0_scale` or `auto_z_0_scale_tril`, and those of the
    steps: `auto_eta0` and `auto_eta_coeff` (step sizes), `auto_gamma` (how much
    momentum is kept), `auto_beta_increments` (temperatures) and `auto_mass_matrix`.
    The masses are the variances of the momenta, as in the papers; NumPyro takes them
    for standard deviations, so that its bounds are others, and lower where many steps
    are taken, unless they are one.
    """

    needs_whole_model = True
    scale_constraint = constraints.softplus_positive
    scale_tril_constraint = constraints.scaled_unit_lower_cholesky

    @abstractmethod
    def _target(self, prototype: Prototype) -> LogDensity:
        """What to follow; performs the params that it has."""

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        size, scale = prototype.density.layout.size, self.options["init_scale"]
        loc = Declared(self._beginning(prototype))
        if self.options["base_dist"] == "cholesky":
            tril = Declared(scale * jnp.eye(size), self.scale_tril_constraint)
            return {"z_0_loc": loc, "z_0_scale_tril": tril}
        scales = Declared(jnp.full(size, scale), self.scale_constraint)
        return {"z_0_loc": loc, "z_0_scale": scales}

    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Distribution:
        del prototype
        loc = params[self._called("z_0_loc")]
        if self.options["base_dist"] == "cholesky":
            tril = params[self._called("z_0_scale_tril")]
            return MultivariateNormal(loc, scale_tril=tril)
        return Normal(loc, params[self._called("z_0_scale")]).to_event(1)

    def _latent(self, prototype: Prototype) -> Array:
        options, prefix = self.options, self.prefix
        size = prototype.density.layout.size
        found = {}
        for what, (init, constraint) in self._declared(prototype).items():
            name = self._called(what)
            found[name] = param(name, init, constraint=constraint)
        annealing = declared(options, prefix, (), size)
        density, law = self._target(prototype), self._law(prototype, found)

        def target(x: Array) -> Array:
            with only(()):  # the density is no statement
                return density.value_and_grad(x)[1]

        start = sample(f"{prefix}_z_0", law, infer={"is_auxiliary": True})
        noise = momenta(prefix, (), options["K"], size)
        end, gain = annealing.run(start, noise, jax.grad(law.log_prob), target)
        factor(f"{prefix}_factor", -gain)
        return end

    def get_posterior(self, params: Mapping[str, Any]) -> Distribution:
        raise self._without("density")

    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        raise self._without("transform")


class AutoDAIS(AbstractAnnealed):
    """Differentiable annealed importance sampling towards the model's posterior.

    Geffner & Domke, "MCMC variational inference via uncorrected Hamiltonian annealing",
    2021; Zhang et al., "Differentiable annealed importance sampling and the perils of
    gradient noise", 2021. All data are needed in every step.

    Args:
        model: The model, without plates that are subsampled.
        K: Steps, each of which takes a gradient.
        base_dist: "diagonal" or "cholesky", the covariance of the normal.
        eta_init: Step size to begin with.
        eta_max: The largest step size.
        gamma_init: Share of the momentum that a step keeps, to begin with.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        init_scale: Standard deviations to begin with.
        forward_mode_differentiation: Differentiate the density forward, for loops of
            unknown length.

    Raises:
        ArgumentError: An option is out of range.
    """

    def __init__(
        self,
        model: Model,
        *,
        K: int = 4,
        base_dist: str = "diagonal",
        eta_init: float = 0.01,
        eta_max: float = 0.1,
        gamma_init: float = 0.9,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        init_scale: float = 0.1,
        forward_mode_differentiation: bool = False,
    ):
        steps = {"eta_init": eta_init, "eta_max": eta_max, "gamma_init": gamma_init}
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            base_dist=_one_of(base_dist),
            init_scale=check_scale(init_scale),
            forward=bool(forward_mode_differentiation),
            **check_annealing(K=K, **steps),
        )

    def _target(self, prototype: Prototype) -> LogDensity:
        for frame in prototype.plates.values():
            if frame.subsample_size < frame.size:
                raise ModelError(
                    f"plate '{frame.name}' has {frame.subsample_size} of its "
                    f"{frame.size} members in a step, and AutoDAIS follows the density "
                    "of all data.",
                    value=(frame.size, frame.subsample_size),
                    hint="Use AutoSurrogateLikelihoodDAIS, or AutoSemiDAIS.",
                )
        return _forward(with_params(prototype, self.model), self.options["forward"])


class AutoSurrogateLikelihoodDAIS(AbstractAnnealed):
    """Annealed importance sampling towards a surrogate of the model.

    Jankowiak & Phan, "Surrogate likelihoods for variational annealed importance
    sampling", ICML 2022. The surrogate has the prior of the model and a likelihood
    that is cheap, such as that of a few rows with weights that are params; so the model
    itself may subsample its data.

    Args:
        model: The model; none of its latent sites is in a plate that is subsampled.
        surrogate_model: A function without arguments, of the same latent sites.
        K: See `AutoDAIS`.
        eta_init: See `AutoDAIS`.
        eta_max: See `AutoDAIS`.
        gamma_init: See `AutoDAIS`.
        prefix: See `AutoGuide`.
        base_dist: See `AutoDAIS`.
        init_loc_fn: See `AutoGuide`.
        init_scale: See `AutoDAIS`.
        forward_mode_differentiation: See `AutoDAIS`.

    Raises:
        ArgumentError: An option is out of range.
    """

    def __init__(
        self,
        model: Model,
        surrogate_model: Model,
        *,
        K: int = 4,
        eta_init: float = 0.01,
        eta_max: float = 0.1,
        gamma_init: float = 0.9,
        prefix: str = "auto",
        base_dist: str = "diagonal",
        init_loc_fn: Any = init_to_uniform,
        init_scale: float = 0.1,
        forward_mode_differentiation: bool = False,
    ):
        steps = {"eta_init": eta_init, "eta_max": eta_max, "gamma_init": gamma_init}
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            surrogate_model=surrogate_model,
            base_dist=_one_of(base_dist),
            init_scale=check_scale(init_scale),
            forward=bool(forward_mode_differentiation),
            **check_annealing(K=K, **steps),
        )

    def _target(self, prototype: Prototype) -> LogDensity:
        surrogate = self.options["surrogate_model"]
        known = self._traced((), {}, surrogate)
        ours, theirs = (
            {e.name: e.free_shape for e in p.entries} for p in (prototype, known)
        )
        if ours != theirs:
            raise ShapeError(
                f"the surrogate model has latent sites {theirs}, and the model {ours} "
                "(of these unconstrained shapes).",
                value=theirs,
                hint="Give both the same prior.",
            )
        density = _forward(with_params(known, surrogate), self.options["forward"])
        spec = density.spec  # the vector is laid out as the model's
        spec = dataclasses.replace(spec, layout=prototype.density.layout)
        return replace(density, spec=spec)


def _forward(prototype: Prototype, forward: bool) -> LogDensity:
    """The density, differentiated forward if asked for."""
    density = prototype.density
    if not forward:
        return density
    spec = dataclasses.replace(density.spec, forward_mode=True)
    return replace(density, spec=spec)


def _one_of(base_dist: Any) -> str:
    if base_dist not in ("diagonal", "cholesky"):
        raise ArgumentError(
            f"base_dist must be 'diagonal' or 'cholesky', got {base_dist!r}.",
            value=base_dist,
        )
    return base_dist
