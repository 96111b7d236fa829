"""What a fit of Stein's method compiles: all particles as one program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ppl._errors import ModelError
from ppl._typing import Array, Key
from ppl.infer.elbo import Runs, terms_of, total
from ppl.infer.guide_check import check_pair
from ppl.infer.stein.base import Info, SteinKernel, direction
from ppl.infer.stein.loss import SteinLoss, check_members
from ppl.infer.svi_program import (
    AbstractProgram,
    Beginning,
    SVIState,
    constrained,
    params_of,
    unconstrained,
)

CYCLE = "_stein_cycle"  # of the mutable state: steps done, and steps of one cycle


@dataclass(frozen=True)
class Annealing:
    """Cycles of attraction from none to whole (D'Angelo & Fortuin 2021).

    In each it is (t / T)^speed, at step t of T.

    Attributes:
        speed: How late it comes.
    """

    speed: float

    def share(self, mutable: Mapping[str, Any]) -> tuple[Array, dict[str, Any]]:
        """The factor of the attraction in this step, and the state after it."""
        step, length = mutable[CYCLE]
        share = ((step % length + 1) / length) ** self.speed
        return share, {CYCLE: jnp.stack([step + 1, length])}


@dataclass(frozen=True)
class Forces:
    """What moves the particles.

    Attributes:
        kernel: Between them.
        mixture: The bound that they climb, and how many there are.
        points: Whether particles are points, which climb the density of the target in
            the space where they move, and no mixture.
        pull: Factor of the attraction.
        heat: Factor of the repulsion.
        annealing: More of the attraction, or None.
    """

    kernel: SteinKernel
    mixture: SteinLoss
    points: bool
    pull: float = 1.0
    heat: float = 1.0
    annealing: Annealing | None = None

    @property
    def count(self) -> int:
        """How many particles there are."""
        return self.mixture.stein_num_particles


@dataclass(frozen=True, kw_only=True)
class SteinProgram(AbstractProgram):
    """A fit of several particles, each the params of a guide.

    The loss is the negative bound of the mixture, of points the mean of their negative
    log densities; the gradient of what is particles' own is replaced by the direction
    of Stein's method.

    Attributes:
        forces: What moves the particles.
        own: Names of the params of which every particle has its own.
    """

    forces: Forces
    own: tuple[str, ...]

    def begin(
        self, key: Key, given: Mapping[str, Any], data: tuple[Any, ...]
    ) -> Beginning:
        later, first = jax.random.split(key)
        own, rest = self._split(given)
        if own:
            check_members(own, self.forces.count)

        def one(key: Key, member: Mapping[str, Any]) -> Any:
            runs = self._runs(key, {**rest, **member}, data)
            pair = self.objective.first(runs)
            check_pair(pair, given)
            return unconstrained(params_of(pair))

        keys = jax.random.split(first, self.forces.count)
        free, transforms, inside = jax.vmap(one)(keys, own)
        own, rest = self._split(free)
        _check_floats(own)
        free = {**own, **_row(rest, 0)}
        mutable = {}
        if self.forces.annealing is not None:
            mutable[CYCLE] = jnp.array([0, 1], jnp.int32)
        state = SVIState(self.optimizer.init(free), mutable, later)
        return Beginning(state, _row(transforms, 0), jax.tree.map(jnp.all, inside))

    def told(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> Array:
        own, rest = self._split(free)
        _, key = jax.random.split(key)
        bounds, _ = self._bounds(own, key, transforms, data)
        return -jnp.mean(bounds(_flat(own)[0], rest))

    def loss(
        self,
        free: Mapping[str, Any],
        mutable: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> tuple[Array, dict[str, Any]]:
        forces, held = self.forces, jax.lax.stop_gradient(dict(free))
        own, rest = self._split(held)
        particles, back, info = _flat(own)
        kernel_key, key = jax.random.split(key)
        bounds, bound = self._bounds(own, key, transforms, data)

        def whole(particles: Array, rest: Mapping[str, Any]) -> tuple[Array, Array]:
            each = bounds(particles, rest)
            return jnp.sum(each), each

        sloped = (jax.jacfwd if self.forward else jax.grad)(whole, (0, 1), has_aux=True)
        (scores, common), each = sloped(particles, rest)
        share, after = jnp.asarray(forces.pull), {}
        if forces.annealing is not None:
            rise, after = forces.annealing.share(mutable)
            share = share * rise
        kernel = forces.kernel.compute(
            kernel_key, particles, info, lambda k, x, _: bound(k, x, rest)
        )
        mode, scores = forces.kernel.mode, scores * share
        moves = direction(kernel, mode, particles, scores, forces.heat)
        climb = {**jax.vmap(back)(moves), **_scaled(common, share / forces.count)}
        value = -jnp.mean(each)
        return _with_gradient(value, free, jax.lax.stop_gradient(climb)), after

    def members(self, free: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        own, rest = self._split(free)
        rows = range(self.forces.count)
        return {f"of particle {i}, ": {**_row(own, i), **rest} for i in rows}

    def _bounds(
        self,
        own: Mapping[str, Any],
        key: Key,
        transforms: Mapping[str, Any],
        data: tuple[Any, ...],
    ) -> tuple[Any, Any]:
        """What all particles climb, (particles,), and what one of them does, ()."""
        _, back, _ = _flat(own)
        mixture = constrained(jax.lax.stop_gradient(own), transforms)

        def one(key: Key, particle: Array, rest: Mapping[str, Any]) -> Array:
            member, shared = back(particle), constrained(rest, transforms)
            params = {**shared, **constrained(member, transforms)}
            runs = self._runs(key, params, data)
            if not self.forces.points:
                return self.forces.mixture.member(runs, shared, mixture)
            return total(terms_of(runs.pair().model)) + _log_det(member, transforms)

        def all_of_them(particles: Array, rest: Mapping[str, Any]) -> Array:
            keys = jax.random.split(key, len(particles))
            return jax.vmap(one, (0, 0, None))(keys, particles, rest)

        return all_of_them, one

    def _runs(self, key: Key, params: Mapping[str, Any], data: Any) -> Runs:
        args, kwargs = self.arguments.rebuild(data)
        return Runs(key, params, self.model, self.guide, args, kwargs)

    def _split(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """What is the particles' own, and the rest."""
        own = {name: value for name, value in params.items() if name in self.own}
        return own, {n: value for n, value in params.items() if n not in own}


def _flat(own: Mapping[str, Any]) -> tuple[Array, Any, Info]:
    """Particles as vectors, (particles, dim), the way back for one, and its places."""
    rows = {name: jax.vmap(lambda v: ravel_pytree(v)[0])(own[name]) for name in own}
    backs = {name: ravel_pytree(_row(own[name], 0))[1] for name in own}
    info, end = {}, 0
    for name, row in rows.items():
        info[name] = (end, end := end + row.shape[1])

    def back(particle: Array) -> dict[str, Any]:
        return {name: backs[name](particle[i:j]) for name, (i, j) in info.items()}

    return jnp.concatenate(list(rows.values()), 1), back, info


def _row(params: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], params)


def _scaled(tree: Any, factor: Array) -> Any:
    return jax.tree.map(lambda leaf: factor * leaf, tree)


def _log_det(free: Mapping[str, Any], transforms: Mapping[str, Any]) -> Array:
    """Of the change from unconstrained params to constrained ones, ()."""
    found = jnp.zeros(())
    for name, value in free.items():
        if name in transforms:
            found += jnp.sum(transforms[name].forward_and_log_det(value)[1])
    return found


def _with_gradient(value: Array, free: Mapping[str, Any], climb: Any) -> Array:
    """The value, whose gradient by `free` shall be that of going down `climb`."""
    pairs = zip(jax.tree.leaves(dict(free)), jax.tree.leaves(climb), strict=True)
    slope = -sum(jnp.sum(x * c.astype(jnp.result_type(x))) for x, c in pairs)
    return jax.lax.stop_gradient(value) + slope - jax.lax.stop_gradient(slope)


def _check_floats(own: Mapping[str, Any]) -> None:
    """Whether particles can move.

    Raises:
        ModelError: A param is no float.
    """
    for name, value in own.items():
        for leaf in jax.tree.leaves(value):
            if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
                raise ModelError(
                    f"is a param of dtype {jnp.result_type(leaf)}, which cannot move.",
                    site=name,
                    value=jnp.result_type(leaf),
                    hint="Give it a float to begin with; discrete sites need another "
                    "method.",
                )
