"""What a variational fit compiles: where it begins, what a step descends."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from ppl._sites import Param
from ppl._typing import Array, Key, Model
from ppl.arguments import Arguments
from ppl.distributions import constraints
from ppl.distributions.transforms import biject_to
from ppl.infer.elbo import ELBO, Pair, Runs
from ppl.infer.guide_check import check_pair
from ppl.optim import Optimizer, all_finite
from ppl.visiting import fingerprint


class SVIState(NamedTuple):
    """Where a fit is.

    Attributes:
        optim_state: The optimiser's; `svi.get_params(state)` gives the parameters.
        mutable_state: Values of mutable sites by name.
        rng_key: Of the next step.
    """

    optim_state: Any
    mutable_state: dict[str, Any]
    rng_key: Key


class Beginning(NamedTuple):
    """What a fit begins with.

    Attributes:
        state: The first state.
        transforms: Onto the constraints of params that have one, by name.
        inside: Whether their initial values satisfy them, by name.
    """

    state: SVIState
    transforms: dict[str, Any]
    inside: dict[str, Array]


@dataclass(frozen=True)
class AbstractProgram(ABC):
    """The static part of a fit: what the compiled steps depend on besides shapes.

    A subclass tells where to begin and what to descend. Equal ones share compiled code.

    Attributes:
        model: The model.
        guide: The guide.
        objective: The loss, or what runs guide and model to find their sites.
        optimizer: The optimiser.
        arguments: Structure of the arguments of model and guide.
        stable: Whether steps to what is not finite are left out.
        forward: Whether to differentiate forward.
        batch_size: Rows of every array in one step; None for all.
        fingerprint: Digest of the traced loss, with the arrays that it closes over.
    """

    model: Model
    guide: Model
    objective: ELBO
    optimizer: Optimizer
    arguments: Arguments
    stable: bool = False
    forward: bool = False
    batch_size: int | None = None
    fingerprint: str = ""

    @abstractmethod
    def begin(
        self, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
    ) -> Beginning:
        """Run guide and model once, and begin at the initial values of their params.

        Args:
            key: Of the whole fit.
            given: Constrained values of some params to begin at.
            data: Array arguments.

        Raises:
            ModelError: Guide and model do not fit together.
        """

    @abstractmethod
    def told(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> Any:
        """What the objective tells at unconstrained parameters: `loss`, or by site."""

    @abstractmethod
    def loss(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> tuple[Array, dict[str, Any]]:
        """What to descend at unconstrained parameters, and the mutable state then."""

    @abstractmethod
    def members(self, free: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Unconstrained parameters of one run of the guide each, by what to call it."""

    def fingerprinted(
        self, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
    ) -> Self:
        """The program with its fingerprint; arguments as those of `begin`."""
        first, shapes = jax.make_jaxpr(self.begin, return_shape=True)(key, given, data)
        step = jax.make_jaxpr(self.step)(shapes.state, shapes.transforms, data)
        whole = fingerprint(first) + fingerprint(step)
        return dataclasses.replace(self, fingerprint=whole)

    def step(
        self, state: SVIState, transforms: Mapping[str, Any], data: tuple[Any, ...]
    ) -> tuple[SVIState, Array]:
        """One step; gives the new state and the loss before it."""
        key, own = jax.random.split(state.rng_key)

        def loss(free: Mapping[str, Any]) -> tuple[Array, dict[str, Any]]:
            return self.loss(free, state.mutable_state, own, transforms, data)

        optimizer = self.optimizer
        update = optimizer.eval_and_update
        if self.stable:
            update = optimizer.eval_and_stable_update
        (value, mutable), new = update(loss, state.optim_state, self.forward)
        if self.stable:
            good = all_finite(mutable)
            mutable = jax.tree.map(
                lambda a, b: jnp.where(good, a, b), mutable, state.mutable_state
            )
        return SVIState(new, mutable, key), value


@dataclass(frozen=True)
class Program(AbstractProgram):
    """A fit of one guide by its objective."""

    def begin(
        self, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
    ) -> Beginning:
        later, own = jax.random.split(key)
        args, kwargs = self.arguments.rebuild(data)
        runs = Runs(own, given, self.model, self.guide, args, kwargs)
        pair = self.objective.first(runs)
        check_pair(pair, given)
        free, transforms, inside = unconstrained(params_of(pair))
        mutable = {**pair.mutable_state(), **self.objective.first_state(pair)}
        mutable = jax.tree.map(_strong, mutable)
        state = SVIState(self.optimizer.init(free), mutable, later)
        return Beginning(state, transforms, inside)

    def told(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> Any:
        return self._parts(free, mutable, key, transforms, data)["loss"]

    def loss(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> tuple[Array, dict[str, Any]]:
        found = self._parts(free, mutable, key, transforms, data)
        loss = sum(jax.tree.leaves(found["loss"]))  # of all sites, if it tells them
        return loss, found.get("mutable_state") or {}

    def members(self, free: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {"": free}

    def _parts(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> dict[str, Any]:
        args, kwargs = self.arguments.rebuild(data)
        params = {**mutable, **constrained(free, transforms)}
        return self.objective.loss_with_mutable_state(
            key, params, self.model, self.guide, *args, **kwargs
        )


def params_of(pair: Pair) -> dict[str, Param]:
    """The param sites of guide and model, by name."""
    sites = {**pair.model, **pair.guide}
    return {name: site for name, site in sites.items() if isinstance(site, Param)}


def unconstrained(
    params: Mapping[str, Param],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Array]]:
    """Unconstrained values of params, the transforms, and whether they are inside."""
    free: dict[str, Any] = {}
    transforms: dict[str, Any] = {}
    inside: dict[str, Array] = {}
    for name, site in params.items():
        free[name] = jax.tree.map(_strong, site.value)
        if not _is_real(site.constraint):
            transforms[name] = biject_to(site.constraint)
            inside[name] = jnp.all(site.constraint(free[name]))
            free[name] = transforms[name].inverse_and_log_det(free[name])[0]
    return free, transforms, inside


def _strong(value: Any) -> Array:
    """An array of a dtype that does not depend on what it meets: steps keep it."""
    return jnp.asarray(value, jnp.result_type(value))


def _is_real(constraint: Any) -> bool:
    """Whether all numbers, or all arrays of them, are allowed."""
    while hasattr(constraint, "base"):
        constraint = constraint.base
    return constraint == constraints.real


def constrained(
    free: Mapping[str, Any], transforms: Mapping[str, Any]
) -> dict[str, Any]:
    """Values of params from unconstrained ones, by their transforms if any."""
    change = {name: free[name] for name in transforms if name in free}
    return {**free, **_transformed(change, transforms)} if change else dict(free)


@jax.jit
def _transformed(
    free: Mapping[str, Any], transforms: Mapping[str, Any]
) -> dict[str, Any]:
    return {name: transforms[name](value) for name, value in free.items()}
