"""The evidence lower bound of a mixture of guides, as each of its members sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ppl._counts import as_count
from ppl._errors import ArgumentError, ModelError, ShapeError
from ppl._typing import Array, Key, Model
from ppl.infer.elbo import Runs, Sites, terms_of, total

Params = Mapping[str, Any]


@dataclass(frozen=True)
class SteinLoss:
    """The negative bound of a mixture whose members are one guide with several params.

    Of all members together that is the mean over them of E[log p(x, z) - log q(z)],
    where z is of the member and q the mixture of all (Nalisnick & Smyth 2017; Ronning
    et al., "ELBOing Stein", 2024).

    Attributes:
        elbo_num_particles: Draws of each member.
        stein_num_particles: How many members there are.
    """

    elbo_num_particles: int = 1
    stein_num_particles: int = 1

    def __post_init__(self):
        as_count("elbo_num_particles", self.elbo_num_particles)
        as_count("stein_num_particles", self.stein_num_particles)

    def loss(
        self,
        rng_key: Key,
        param_map: Params,
        model: Model,
        guide: Model,
        particles: Params,
        *args: Any,
        **kwargs: Any,
    ) -> Array:
        """A noisy value of the negative bound, ().

        Args:
            rng_key: A JAX key.
            param_map: Constrained values of the params that all members share.
            model: The model.
            guide: The guide.
            particles: Those of the members' own, (stein_num_particles, *shape) each.
            *args: Arguments of both.
            **kwargs: Keyword arguments of both.

        Raises:
            ArgumentError: There are no params of the members' own.
            ShapeError: Their number differs from `stein_num_particles`.
        """
        count = self.stein_num_particles
        check_members(particles, count)

        def bound(key: Key, member: Params) -> Array:
            runs = Runs(key, {**param_map, **member}, model, guide, args, kwargs)
            return self.member(runs, param_map, particles)

        keys = jax.random.split(rng_key, count)
        return -jnp.mean(jax.vmap(bound)(keys, particles))

    def member(self, runs: Runs, shared: Params, particles: Params) -> Array:
        """The bound of one member, ().

        Its gradient is through the draws alone: the density of the mixture has scores
        as well, and over all members their mean is zero.

        Args:
            runs: The guide with the params of the member, and the model.
            shared: Constrained values of the params that all members share.
            particles: Those of the members' own, (members, *shape).
        """

        def one(key: Key) -> Array:
            own = Runs(key, runs.params, *_rest(runs))
            pair = own.pair()
            if state := pair.mutable_state():
                raise ModelError(
                    "is a mutable site, and each particle would leave another state.",
                    site=next(iter(state)),
                    hint="Fit a single guide: ppl.infer.SVI.",
                )
            density = log_mixture(own, pair.guide, shared, particles)
            return total(terms_of(pair.model)) - density

        keys = jax.random.split(runs.rng_key, self.elbo_num_particles)
        return jnp.mean(jax.vmap(one)(keys))


def log_mixture(runs: Runs, drawn: Sites, shared: Params, particles: Params) -> Array:
    """Log density of a draw under the mixture, (), its params without derivative.

    Args:
        runs: Of which it is.
        drawn: The guide's sites.
        shared: See `SteinLoss.member`.
        particles: See `SteinLoss.member`.
    """

    def under(member: Params) -> Array:
        other = Runs(runs.rng_key, {**shared, **member}, *_rest(runs))
        return total(terms_of(other.held(drawn)))

    densities = jax.vmap(under)(dict(particles))
    return jax.nn.logsumexp(densities) - jnp.log(len(densities))


def check_members(particles: Params, count: int) -> None:
    """Whether there are so many of each param.

    Raises:
        ArgumentError: There are no params.
        ShapeError: There are more or fewer.
    """
    if not jax.tree.leaves(dict(particles)):
        raise ArgumentError(
            "no param of the guide is the particles' own, so there is no mixture.",
            hint="Give the guide a ppl.param, or exclude fewer of them in "
            "non_mixture_guide_params_fn.",
        )
    for name, value in particles.items():
        for leaf in jax.tree.leaves(value):
            if jnp.shape(leaf)[:1] != (count,):
                raise ShapeError(
                    f"has shape {jnp.shape(leaf)}, and there are {count} particles.",
                    site=name,
                    value=jnp.shape(leaf),
                    hint=f"Give one value for each particle: ({count}, *shape).",
                )


def _rest(runs: Runs) -> tuple[Any, ...]:
    return runs.model, runs.guide, runs.args, runs.kwargs
