"""The no-U-turn sampler as a flat state machine: one leapfrog of every chain per step.

Hoffman & Gelman (JMLR 2014) with multinomial sampling of the trajectory and a
generalised U-turn criterion (Betancourt, arXiv:1701.02434, appendix A.4), the checks
across sub-trees that Stan added in 2.21, and checkpoints in logarithmic memory instead
of recursion (Phan, Pradhan, Jankowiak, arXiv:1912.11554; Lao & Dillon's note on
unrolled NUTS). Every chain is at its own place in its own trajectory (Dance et al.,
arXiv:2503.17405).

The criterion in the form used here: give each leaf the pseudo-position T, the running
integral of the whitened momentum by the trapezoidal rule. Between two leaves a and c
the sum of momenta less half of both ends is T_c - T_a, and the trajectory turns when
p_a . (T_c - T_a) <= 0 or p_c . (T_c - T_a) <= 0. All checks, within sub-trees, across
them and of the whole tree, are this one predicate between the newest leaf and a stored
one.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, replace, static
from ppl._typing import Array
from ppl.infer.engine.kernel import (
    MAX_ENERGY_ERROR,
    AbstractKernel,
    Emitted,
    Target,
    batch_value_and_grad,
    dot,
    dots,
    where,
)
from ppl.infer.engine.kernels._nuts_state import (
    Candidate,
    Decisions,
    Leaf,
    NUTSState,
    Progress,
    Stored,
)
from ppl.infer.engine.metric import AbstractMetric
from ppl.infer.engine.randomness import Randomness, uniform

_DEPTH_ON_THE_WAY = np.int32(7)


@pytree
class NUTS(AbstractKernel):
    """The no-U-turn sampler.

    Attributes:
        step_size: Of the leapfrog, in whitened units; () or (chains,).
        metric: The inverse mass matrix.
        max_depth: Doublings after which a trajectory ends, int32 ().
        levels: Checkpoint slots; a chain whose next doubling needs more waits for a
            kernel that has them.
        most_levels: Slots that trajectories of the longest kind need.
        few_levels: Slots to do with as long as no chain needs more: what is stored is
            read and written in every step.
    """

    step_size: Array
    metric: AbstractMetric
    max_depth: Array
    levels: int = static(default=9)
    most_levels: int = static(default=9)
    few_levels: int = static(default=9)
    statistics = (
        "lp",
        "energy",
        "acceptance_rate",
        "tree_depth",
        "n_steps",
        "diverging",
    )

    def init(self, positions: np.ndarray) -> NUTSState:
        dim, chains = positions.shape
        n = self.levels

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, chains), positions.dtype)

        def integer() -> np.ndarray:
            return np.zeros(chains, jnp.int32)

        def no() -> np.ndarray:
            return np.zeros(chains, bool)

        numbers = {name: zeros() for name in Progress._fields}
        numbers |= {k: integer() for k in ("draw", "depth", "leaf", "leaves")}
        numbers |= {"unvalued": ~no(), "crossed": no(), "sign": zeros() + 1}
        vectors = [zeros(dim) for _ in range(4)]
        leaf = Leaf(positions, *vectors[1:], zeros())  # type: ignore
        return NUTSState(
            progress=Progress(**numbers),
            decided=Decisions(no(), no(), no(), no(), no()),
            statistics=zeros(len(self.statistics)),
            leaf=leaf,
            outer=leaf,
            candidate=Candidate(positions, zeros(dim)),
            candidate_sub=Candidate(positions, zeros(dim)),
            stored=Stored(zeros(2 * n, dim), zeros(2 * n, dim), zeros(2 * n)),
        )

    def single_step(self, step_size: Any) -> NUTS:
        return replace(self, max_depth=np.int32(1))

    def on_the_way(self) -> NUTS:
        return replace(self, max_depth=np.minimum(self.max_depth, _DEPTH_ON_THE_WAY))

    def room(self, state: NUTSState) -> Array:
        return state.progress.depth.max()

    def has_room(self, need: int) -> bool:
        return self.levels == self._levels_for(need)

    def _levels_for(self, need: int) -> int:
        most = max(self.most_levels, need)
        return most if need > self.few_levels else min(self.few_levels, most)

    def with_room(self, state: NUTSState, need: int) -> tuple[NUTS, NUTSState]:
        levels = self._levels_for(need)
        common = min(levels, self.levels)

        def resized(array: Array) -> np.ndarray:
            halves = np.asarray(array).reshape(2, self.levels, *array.shape[1:])
            new = np.zeros((2, levels, *array.shape[1:]), halves.dtype)
            new[:, :common] = halves[:, :common]
            return new.reshape(-1, *array.shape[1:])

        state = state._replace(stored=Stored(*map(resized, state.stored)))
        return replace(self, levels=levels), state

    def evaluation(self, state: NUTSState) -> tuple[Array, Array]:
        return state.progress.logp, state.leaf.gradient

    def lowered(self, state: NUTSState, by: float) -> NUTSState:
        logp = np.asarray(state.progress.logp)
        progress = state.progress._replace(logp=logp - logp.dtype.type(by))
        return state._replace(progress=progress)

    def alive(
        self, randomness: Randomness, state: NUTSState, num_draws: Array
    ) -> Array:
        s = state.progress
        due = (s.draw < num_draws) | s.unvalued
        return due & randomness.ready(s.draw) & (s.depth <= self.levels)

    def busy(self, randomness: Randomness, state: NUTSState, num_draws: Array) -> Array:
        return self.alive(randomness, state, num_draws) | state.decided.done

    def step(
        self, randomness: Randomness, target: Target, state: NUTSState, num_draws: Array
    ) -> tuple[NUTSState, Emitted]:
        alive = self.alive(randomness, state, num_draws)
        decided = state.decided
        newest = Candidate(state.leaf.position, state.leaf.gradient)
        sub = where(decided.take, newest, state.candidate_sub)
        candidate = where(decided.accept, sub, state.candidate)
        emitted = Emitted(
            decided.done, candidate.position, state.statistics, (candidate.gradient,)
        )

        s, here, outer = self._placed(randomness, state, candidate, alive)
        growing = alive & ~s.unvalued
        move = jnp.where(growing, s.sign, 0.0)
        leaf, *values = self._leapfrog(target, here, move)
        stored = self._stored(s, state.stored, leaf, here, growing)
        turns = self._turns(s, leaf, outer, stored)
        words = randomness.words(s.draw, s.leaves)
        s, decided, statistics = self._decided(s, values, turns, words, alive)
        begin = jnp.where(alive, decided.begin, state.decided.begin)
        swap = jnp.where(alive, decided.swap, state.decided.swap)
        return NUTSState(
            progress=s,
            decided=decided._replace(begin=begin, swap=swap),
            statistics=statistics,
            leaf=leaf,
            outer=outer,
            candidate=candidate,
            candidate_sub=sub,
            stored=stored,
        ), emitted

    def _placed(
        self,
        randomness: Randomness,
        state: NUTSState,
        candidate: Candidate,
        alive: Array,
    ) -> tuple[Progress, Leaf, Leaf]:
        """The end that grows next and the other one, swapped or new where due."""
        s = state.progress
        begin, swap = alive & state.decided.begin, alive & state.decided.swap
        p0 = randomness.normals(s.draw)
        start_energy = 0.5 * dot(p0, p0) - s.logp
        zero = jnp.zeros_like(start_energy)
        integral = jnp.zeros_like(p0)
        start = Leaf(candidate.position, p0, candidate.gradient, integral, zero)
        here = where(begin, start, where(swap, state.outer, state.leaf))
        outer = where(begin, start, where(swap, state.leaf, state.outer))
        s = s._replace(
            sign=jnp.where(begin, 1.0, jnp.where(swap, -s.sign, s.sign)),
            start_energy=jnp.where(begin, start_energy, s.start_energy),
            energy=jnp.where(begin, start_energy, s.energy),
            log_weight=jnp.where(begin, 0.0, s.log_weight),
            accept_sum=jnp.where(begin, 0.0, s.accept_sum),
        )
        return s, here, outer

    def _leapfrog(
        self, target: Target, here: Leaf, move: Array
    ) -> tuple[Leaf, Array, Array]:
        """One step from `here` in direction `move`, which may be 0.

        Returns:
            The new leaf, its log density and its energy.
        """
        step = self.step_size * move
        half = here.momentum + 0.5 * step * self.metric.pull(here.gradient)
        position = here.position + step * self.metric.push(half)
        logp, gradient = batch_value_and_grad(target, position)
        momentum = half + 0.5 * step * self.metric.pull(gradient)
        integral = here.integral + 0.5 * move * (here.momentum + momentum)
        product, square = dots((momentum, integral), (momentum, momentum))
        energy = 0.5 * square - logp
        return Leaf(position, momentum, gradient, integral, product), logp, energy

    def _stored(
        self, s: Progress, stored: Stored, leaf: Leaf, last: Leaf, growing: Array
    ) -> Stored:
        """Keep the newest leaf, and the last one before it, if a sub-tree begins."""
        keep = growing & (s.leaf & 1 == 0)
        level = jax.lax.population_count(s.leaf >> 1)
        slot = np.arange(2 * self.levels, dtype=np.int32)[:, None]
        write = keep & (slot % self.levels == level)
        first = slot < self.levels

        def kept(old: Array, newest: Array, before: Array) -> Array:
            vector = newest.ndim > 1
            at, new = (write[:, None], first[:, None]) if vector else (write, first)
            return jnp.where(at, jnp.where(new, newest, before), old)

        return Stored(
            kept(stored.momentum, leaf.momentum, last.momentum),
            kept(stored.integral, leaf.integral, last.integral),
            kept(stored.product, leaf.product, last.product),
        )

    def _turns(
        self, s: Progress, leaf: Leaf, outer: Leaf, stored: Stored
    ) -> tuple[Array, Array, Array]:
        """U-turns of the newest leaf with stored ones.

        Returns:
            Whether one is in the sub-tree; with the far end; with the end that grew.
        """
        n = s.leaf
        level = jax.lax.population_count(n >> 1)
        ones = jax.lax.population_count((~n & (n + 1)) - 1)  # trailing ones of n
        lowest = level - ones + 1
        odd = n & 1 == 1
        slot = np.arange(self.levels, dtype=np.int32)[:, None]
        turned = _turned(stored, leaf, s.sign)

        # a first leaf with the newest: whole sub-trees at odd n; at even n the left
        # half with the right half's first leaf, as soon as that leaf is there
        first = jnp.where(odd, (slot >= lowest) & (slot <= level), slot == level - 1)
        # a leaf just before: the left half's last leaf with the right half
        before = odd & (slot > lowest) & (slot <= level)
        within = (turned & jnp.concatenate([first, before])).any(0)
        far = Stored(outer.momentum, outer.integral, outer.product)
        return within, _turned(far, leaf, s.sign), turned[self.levels]

    def _decided(
        self,
        s: Progress,
        values: list[Array],
        turns: tuple[Array, Array, Array],
        words: tuple[Array, Array],
        alive: Array,
    ) -> tuple[Progress, Decisions, Array]:
        """Weigh the new leaf, and decide what becomes of it, sub-tree and tree."""
        (logp, energy), (turned, on_far, on_near) = values, turns
        growing, valued = alive & ~s.unvalued, alive & s.unvalued
        n = s.leaf
        weight = s.start_energy - energy
        weight = jnp.where(jnp.isnan(weight) | (weight == jnp.inf), -jnp.inf, weight)
        diverging = weight < -MAX_ENERGY_ERROR

        # the sub-tree's candidate by uniform, the tree's by biased progressive sampling
        both = jnp.logaddexp(s.log_weight_sub, weight)
        log_weight_sub = jnp.where(n == 0, weight, both)
        take = (n == 0) | (jnp.log(uniform(words[0])) < weight - log_weight_sub)
        take = (growing & take) | valued
        full = (n + 1) >> s.depth == 1
        bad = turned | diverging
        merge = growing & full & ~bad
        favour = jnp.log(uniform(words[1])) < log_weight_sub - s.log_weight
        accept = (merge & favour) | valued
        logp_sub = jnp.where(take, logp, s.logp_sub)
        energy_sub = jnp.where(take, energy, s.energy_sub)
        logp, energy = where(accept, (logp_sub, energy_sub), (s.logp, s.energy))

        depth, leaves = s.depth + merge, s.leaves + growing
        crossed = jnp.where(n == 0, on_far, s.crossed)
        stop = on_far | crossed | ((n > 0) & on_near) | (depth >= self.max_depth)
        done = growing & (bad | (merge & stop))
        turn_round = merge & ~done & (words[1] & np.uint32(1) == 0)
        rate = growing * jnp.exp(jnp.minimum(weight, 0.0))
        accept_sum = s.accept_sum + rate
        statistics = jnp.stack(
            [
                logp,
                energy,
                accept_sum / jnp.maximum(leaves, 1),
                depth.astype(logp.dtype),
                leaves.astype(logp.dtype),
                diverging.astype(logp.dtype),
            ]
        )
        log_weight = jnp.logaddexp(s.log_weight, log_weight_sub)
        new = s._replace(
            draw=s.draw + done,
            unvalued=s.unvalued & ~alive,
            depth=jnp.where(done, 0, depth),
            leaf=jnp.where(growing, jnp.where(full | bad, 0, n + 1), n),
            leaves=jnp.where(done, 0, leaves),
            log_weight=jnp.where(merge, log_weight, s.log_weight),
            log_weight_sub=jnp.where(growing, log_weight_sub, s.log_weight_sub),
            logp=logp,
            logp_sub=logp_sub,
            energy=energy,
            energy_sub=energy_sub,
            accept_sum=accept_sum,
            crossed=crossed,
        )
        decisions = Decisions(take, accept, turn_round, done | valued, done)
        return new, decisions, statistics


def _turned(stored: Stored, leaf: Leaf, sign: Array) -> Array:
    """Whether the trajectory between stored leaves and the newest has turned."""
    ahead, back = dots(
        (stored.momentum, leaf.integral), (stored.integral, leaf.momentum)
    )
    from_stored, from_newest = ahead - stored.product, leaf.product - back
    return (sign * from_stored <= 0) | (sign * from_newest <= 0)
