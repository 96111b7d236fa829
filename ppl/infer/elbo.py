"""Objectives of variational inference: bounds on the log evidence, as losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ModelError
from ppl._sites import Mutable, Sample, Site
from ppl._typing import Array, Key, Model
from ppl.handlers.replay import replay
from ppl.handlers.seed import fold_in_name, seed
from ppl.handlers.substitute import substitute
from ppl.handlers.trace import trace

Sites = Mapping[str, Site]


class Pair(NamedTuple):
    """One run of guide and model: the sites of each, by name.

    Attributes:
        model: Its latent sites have the guide's values.
        guide: The guide's.
    """

    model: Sites
    guide: Sites

    def mutable_state(self) -> dict[str, Any]:
        """What the runs left in the holders of `mutable` sites."""
        both = {**self.guide, **self.model}
        return {n: site.value for n, site in both.items() if isinstance(site, Mutable)}


def run_pair(
    rng_key: Key,
    params: Mapping[str, Any],
    model: Model,
    guide: Model,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Pair:
    """Run the guide, and the model with the guide's values.

    Args:
        rng_key: A JAX key.
        params: Constrained values of param sites, and values of mutable ones.
        model: The model.
        guide: The guide.
        args: Arguments of both.
        kwargs: Keyword arguments of both.
    """
    own = {who: fold_in_name(rng_key, who) for who in ("guide", "model")}
    guided = substitute(seed(guide, rng_seed=own["guide"]), data=params)
    guide_sites = trace(guided).get_trace(*args, **kwargs)
    replayed = replay(seed(model, rng_seed=own["model"]), trace=guide_sites)
    sites = trace(substitute(replayed, data=params)).get_trace(*args, **kwargs)
    return Pair(sites, guide_sites)


def log_density_of(sites: Sites) -> Array:
    """The sum of the log densities of all sample sites."""
    terms = [jnp.sum(s.log_prob()) for s in sites.values() if isinstance(s, Sample)]
    return sum(terms, jnp.zeros(()))


class ELBO(ABC):
    """An objective. Equal ones share compiled programs: make them frozen dataclasses.

    A subclass gives the negative of a bound from one or several particles.
    """

    can_infer_discrete = False

    def loss(
        self,
        rng_key: Key,
        param_map: Mapping[str, Any],
        model: Model,
        guide: Model,
        *args: Any,
        **kwargs: Any,
    ) -> Array:
        """A noisy value of the negative bound, ().

        Args:
            rng_key: A JAX key.
            param_map: Constrained values of param sites.
            model: The model.
            guide: The guide.
            *args: Arguments of both.
            **kwargs: Keyword arguments of both.
        """
        found = self.loss_with_mutable_state(
            rng_key, param_map, model, guide, *args, **kwargs
        )
        return found["loss"]

    @abstractmethod
    def loss_with_mutable_state(
        self,
        rng_key: Key,
        param_map: Mapping[str, Any],
        model: Model,
        guide: Model,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The same, as `"loss"`, and `"mutable_state"` by the name of mutable sites."""


@dataclass(frozen=True)
class AbstractParticles(ELBO):
    """An objective from independent runs of guide and model.

    Attributes:
        num_particles: How many runs.
        vectorize_particles: Whether they run at once, or one after the other; or a
            function with the signature of `jax.vmap`, such as `jax.pmap`.
    """

    num_particles: int = 1
    vectorize_particles: bool | Callable[..., Any] = True

    def __post_init__(self):
        if not isinstance(self.num_particles, int) or self.num_particles < 1:
            raise ArgumentError(
                f"num_particles must be an int >= 1, got {self.num_particles!r}.",
                value=self.num_particles,
            )

    @abstractmethod
    def bound(self, pair: Pair) -> Array:
        """Of one run."""

    def combined(self, bounds: Array) -> Array:
        """The bound from those of all runs, (num_particles, ...)."""
        return jnp.mean(bounds)

    def loss_with_mutable_state(
        self,
        rng_key: Key,
        param_map: Mapping[str, Any],
        model: Model,
        guide: Model,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        def particle(key: Key) -> tuple[Array, dict[str, Any]]:
            pair = run_pair(key, param_map, model, guide, args, kwargs)
            return self.bound(pair), pair.mutable_state()

        if self.num_particles == 1:
            bound, mutable = particle(rng_key)
            return {"loss": -self.combined(bound[None]), "mutable_state": mutable}
        keys = jax.random.split(rng_key, self.num_particles)
        if self.vectorize_particles is True:
            bounds, mutable = jax.vmap(particle)(keys)
        elif self.vectorize_particles is False:
            bounds, mutable = jax.lax.map(particle, keys)
        else:
            bounds, mutable = self.vectorize_particles(particle)(keys)
        if mutable:
            raise ModelError(
                "mutable sites and several particles do not go together: each of these "
                "would leave another state.",
                site=next(iter(mutable)),
                value=self.num_particles,
                hint="Use num_particles=1.",
            )
        return {"loss": -self.combined(bounds), "mutable_state": mutable}


@dataclass(frozen=True)
class Trace_ELBO(AbstractParticles):
    """The evidence lower bound E_q[log p(x, z) - log q(z)], by reparameterised draws.

    Kingma & Welling, "Auto-encoding variational Bayes", 2014; Kucukelbir et al., JMLR
    2017.
    """

    def bound(self, pair: Pair) -> Array:
        return log_density_of(pair.model) - log_density_of(pair.guide)
