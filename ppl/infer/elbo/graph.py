"""The evidence lower bound where draws have no derivative: score functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ppl._sites import Sample
from ppl._typing import Array
from ppl.infer.elbo.base import AbstractParticles, Mutable, terms_of, total
from ppl.infer.elbo.dependence import Dependence, dependence
from ppl.infer.elbo.plates import Frames, summed_to
from ppl.infer.elbo.runs import Pair, Runs, Sites, draws_of, undifferentiated

_MEMORY = 0.1  # the weight of the last step in a running mean


class _Particle(NamedTuple):
    """Of one run, or stacked of several.

    Attributes:
        bound: The value, whose derivative is that through differentiable draws.
        scores: Log densities of the other draws by site, for the members of its plates.
        rewards: The parts of the bound that these draws have to do with, likewise; they
            broadcast to the scores.
    """

    bound: Array
    scores: dict[str, Array]
    rewards: dict[str, Array]


@dataclass(frozen=True)
class TraceGraph_ELBO(AbstractParticles):
    """The evidence lower bound, with score functions for draws without derivatives.

    Draws of, say, a Bernoulli contribute score times reward (Schulman, Heess, Weber,
    Abbeel 2015). The reward of a draw is what comes after it: only the terms that are
    computed from it, which is read off the traced programs; and, as plates declare
    their members independent, of a plate only those of its own member. Less a baseline:
    with several particles the mean of the others, with one a running mean over steps,
    which is kept in the state of the fit as `{site}$baseline`.

    Attributes:
        num_particles: See `AbstractParticles`.
        vectorize_particles: See `AbstractParticles`.
    """

    def first(self, runs: Runs) -> Pair:
        return runs.pair()

    def first_state(self, pair: Pair) -> Mutable:
        if self.num_particles > 1:
            return {}
        return {_baseline(name): jnp.zeros(2) for name in _scored(pair.guide)}

    def particle(self, runs: Runs) -> tuple[_Particle, Mutable]:
        with undifferentiated():
            guide = runs.guided()
        pair = Pair(runs.modelled(guide), guide)
        scored = _scored(guide)
        terms = terms_of(guide)
        terms |= {name: jax.lax.stop_gradient(terms[name]) for name in scored}
        bound = total(terms_of(pair.model)) - total(terms)
        rewards: dict[str, Array] = {}
        scores: dict[str, Array] = {}
        known = dependence(runs, pair) if scored else None
        for name, site in scored.items():
            scores[name] = summed_to(site.fn.log_prob(site.value), _frames(site))
            rewards[name] = _reward(site, pair, known)  # type: ignore[arg-type]
        return _Particle(bound, scores, rewards), pair.mutable_state()

    def joined(
        self, found: _Particle, mutable: Mutable, param_map: Mapping[str, Any]
    ) -> tuple[Any, Mutable]:
        surrogate = jnp.mean(found.bound)
        for name, rewards in jax.lax.stop_gradient(found.rewards).items():
            if self.num_particles > 1:
                others = (rewards.sum(0) - rewards) / (self.num_particles - 1)
            else:
                past = jnp.asarray(param_map.get(_baseline(name), jnp.zeros(2)))
                others = past[0].astype(rewards.dtype)
                mutable |= {_baseline(name): _moved(past, jnp.mean(rewards))}
            weighted = found.scores[name] * (rewards - others)
            change = jnp.sum(weighted) / self.num_particles
            surrogate += change - jax.lax.stop_gradient(change)
        return -surrogate, mutable


def _baseline(name: str) -> str:
    return f"{name}$baseline"


def _moved(past: Array, value: Array) -> Array:
    """A running mean and its number of steps, after one more."""
    mean, steps = jax.lax.stop_gradient(past)
    weight = jnp.maximum(1 / (steps + 1), _MEMORY)
    return jnp.stack([mean + weight * (value - mean), steps + 1]).astype(past.dtype)


def _scored(guide: Sites) -> dict[str, Sample]:
    """The draws without derivatives."""
    return {n: s for n, s in draws_of(guide).items() if not s.fn.has_rsample}


def _frames(site: Sample) -> Frames:
    return frozenset(site.plates)


def _reward(site: Sample, pair: Pair, known: Dependence) -> Array:
    """The terms of the bound that a draw has to do with."""
    name = site.name
    after = known.after(name) - {name}
    reward = jnp.zeros(())
    for sign, sites, causes in (
        (1, pair.model, known.model),
        (-1, pair.guide, known.guide),
    ):
        for other, term in sites.items():
            if not isinstance(term, Sample):
                continue
            near = causes[other] | {other}
            if not near & (after | {name}):
                continue
            via = {a for a in after if near & (known.after(a) | {a})}
            shared = _frames(site) & _frames(term)
            for between in via:
                shared &= _frames(pair.guide[between])  # type: ignore[arg-type]
            reward = reward + sign * summed_to(term.log_prob(), shared)
    return reward
