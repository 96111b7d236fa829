"""Variational inference as compiled programs: the beginning, a step, many steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._permutation import permuted
from ppl._sites import Param
from ppl._typing import Array, Key, Model
from ppl.arguments import Arguments
from ppl.distributions import constraints
from ppl.distributions.transforms import biject_to
from ppl.infer.elbo import ELBO, Runs
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
class Program:
    """The static part of a fit: what the compiled steps depend on besides shapes.

    Attributes:
        model: The model.
        guide: The guide.
        objective: The loss.
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
        later, own = jax.random.split(key)
        args, kwargs = self.arguments.rebuild(data)
        runs = Runs(own, given, self.model, self.guide, args, kwargs)
        pair = self.objective.first(runs)
        check_pair(pair, given)
        free: dict[str, Any] = {}
        transforms: dict[str, Any] = {}
        inside: dict[str, Array] = {}
        for name, site in {**pair.model, **pair.guide}.items():
            if not isinstance(site, Param):
                continue
            free[name] = jax.tree.map(_strong, site.value)
            if not _is_real(site.constraint):
                transforms[name] = biject_to(site.constraint)
                inside[name] = jnp.all(site.constraint(free[name]))
                free[name] = transforms[name].inverse_and_log_det(free[name])[0]
        mutable = {**pair.mutable_state(), **self.objective.first_state(pair)}
        mutable = jax.tree.map(_strong, mutable)
        state = SVIState(self.optimizer.init(free), mutable, later)
        return Beginning(state, transforms, inside)

    def fingerprinted(
        self, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
    ) -> Program:
        """The program with its fingerprint; arguments as those of `begin`."""
        first, shapes = jax.make_jaxpr(self.begin, return_shape=True)(key, given, data)
        step = jax.make_jaxpr(self.step)(shapes.state, shapes.transforms, data)
        whole = fingerprint(first) + fingerprint(step)
        return dataclasses.replace(self, fingerprint=whole)

    def loss(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> tuple[Array, dict[str, Any]]:
        """The objective at unconstrained parameters, and the mutable state then."""
        found = self.parts(free, mutable, key, transforms, data)
        loss = sum(jax.tree.leaves(found["loss"]))  # of all sites, if it tells them
        return loss, found.get("mutable_state") or {}

    def parts(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> dict[str, Any]:
        """What the objective tells at unconstrained parameters."""
        args, kwargs = self.arguments.rebuild(data)
        params = {**mutable, **constrained(free, transforms)}
        return self.objective.loss_with_mutable_state(
            key, params, self.model, self.guide, *args, **kwargs
        )

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


# --- the compiled part ----------------------------------------------------------------


# What runs once is compiled quickly, unless it has much to do.
_QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
_MUCH = 100_000


def begin(
    program: Program, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
) -> Beginning:
    """See `Program.begin`."""
    is_little = sum(map(np.size, data)) < _MUCH and jax.default_backend() == "cpu"
    return (_begin_quickly if is_little else _begin)(program, key, given, data)


_begin = jax.jit(Program.begin, static_argnums=0)
_begin_quickly = jax.jit(Program.begin, static_argnums=0, compiler_options=_QUICK)


class Average(NamedTuple):
    """The mean of late parameters (Polyak & Juditsky 1992).

    Attributes:
        params: The mean.
        steps: Of how many steps, int32.
    """

    params: Any
    steps: Array

    def with_one(self, params: Any, wanted: Array) -> Average:
        """The mean with one more, if it is wanted."""
        steps = self.steps + wanted
        share = wanted / jnp.maximum(steps, 1)
        mean = jax.tree.map(
            lambda a, p: a + (share * (p - a)).astype(a.dtype), self.params, params
        )
        return Average(mean, steps)


class Limits(NamedTuple):
    """Which steps a chunk does, int32.

    Attributes:
        steps: How many.
        late: The first that is averaged.
        epoch: Whole epochs that steps before have taken, with a `batch_size`.
        row: Rows of the next epoch that they have taken.
    """

    steps: Any
    late: Any
    epoch: Any
    row: Any


class Chunk(NamedTuple):
    """What some steps made.

    Attributes:
        state: After the last.
        average: Of late parameters, or None.
        losses: One for each step, (rows,); beyond the last step 0.
        finite: Whether the parameters are.
    """

    state: SVIState
    average: Average | None
    losses: Array
    finite: Array


@partial(jax.jit, static_argnames=("program", "rows", "stacked"))
def run_steps(
    program: Program,
    state: SVIState,
    average: Average | None,
    transforms: Mapping[str, Any],
    data: tuple[Any, ...],
    limits: Limits,
    *,
    rows: int,
    stacked: bool,
) -> Chunk:
    """Do some steps.

    Args:
        program: What to do.
        state: Where to begin.
        average: The mean so far, or None.
        transforms: Of constrained params, by name.
        data: Array arguments; with `stacked` those of step i are row i of each.
        limits: Which steps.
        rows: Capacity.
        stacked: See above.
    """

    def data_of(i: Array) -> tuple[Any, ...]:
        if stacked:
            return jax.tree.map(lambda a: a[i], data)
        if program.batch_size is not None:
            return minibatch(data, program.batch_size, limits, i)
        return data

    def body(i: Array, chunk: Chunk) -> Chunk:
        state, loss = program.step(chunk.state, transforms, data_of(i))
        average = chunk.average
        if average is not None:
            params = program.optimizer.get_params(state.optim_state)
            average = average.with_one(params, i >= limits.late)
        return Chunk(state, average, chunk.losses.at[i].set(loss), chunk.finite)

    chunk = Chunk(state, average, jnp.zeros(rows), jnp.isfinite(0.0))
    chunk = jax.lax.fori_loop(0, limits.steps, body, chunk)
    finite = all_finite(program.optimizer.get_params(chunk.state.optim_state))
    return chunk._replace(finite=finite)


def minibatch(
    data: tuple[Any, ...], size: int, limits: Limits, step: Any
) -> tuple[Any, ...]:
    """The rows of one step: each epoch takes every row once, in an order of its own.

    The last step of an epoch goes on with the next one.

    Args:
        data: Arrays of as many rows.
        size: Rows of a step.
        limits: Where the chunk begins.
        step: Of the chunk.
    """
    count = data[0].shape[0]
    start = limits.row + step * size
    epoch, row = limits.epoch + start // count, start % count + jnp.arange(size)

    def ordered(epoch: Array, rows: Array) -> Array:
        return permuted(jax.random.fold_in(jax.random.key(0), epoch), rows, count)

    def across() -> Array:
        later = ordered(epoch + 1, row % count)
        return jnp.where(row < count, ordered(epoch, row % count), later)

    if count % size:
        within = row[-1] < count
        chosen = jax.lax.cond(within, lambda: ordered(epoch, row), across)
    else:
        chosen = ordered(epoch, row)
    return jax.tree.map(lambda a: jnp.take(a, chosen, axis=0), data)
