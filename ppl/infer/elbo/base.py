"""What an objective is, and those that are means over runs of guide and model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ModelError
from ppl._sites import Sample
from ppl._typing import Array, Key, Model
from ppl.infer.elbo.runs import Pair, Runs, Sites, check_differentiable

Mutable = dict[str, Any]


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
    ) -> Any:
        """A noisy value of the negative bound, (); with `sum_sites=False`, by site.

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

    def first(self, runs: Runs) -> Pair:
        """One run of guide and model, for SVI to find and check their sites."""
        pair = runs.pair()
        check_differentiable(pair.guide)
        return pair

    def first_state(self, pair: Pair) -> Mutable:
        """What the objective itself keeps from step to step, by name.

        It comes back among the params, and out of `loss_with_mutable_state`.
        """
        del pair
        return {}


@dataclass(frozen=True)
class AbstractParticles(ELBO):
    """An objective that is a mean over independent runs of guide and model.

    Attributes:
        num_particles: How many runs.
        vectorize_particles: Whether they run at once, or one after the other; or a
            function with the signature of `jax.vmap`, such as `jax.pmap`.
    """

    num_particles: int = 1
    vectorize_particles: bool | Callable[..., Any] = True

    def __post_init__(self):
        check_particles(self.num_particles)

    @abstractmethod
    def particle(self, runs: Runs) -> tuple[Any, Mutable]:
        """Of one run: the bound, an array or several by name, and mutable state."""

    def joined(
        self, found: Any, mutable: Mutable, param_map: Mapping[str, Any]
    ) -> tuple[Any, Mutable]:
        """The loss, and mutable state, from what the runs gave, stacked."""
        del param_map
        return jax.tree.map(lambda bound: -jnp.mean(bound), found), mutable

    def loss_with_mutable_state(
        self,
        rng_key: Key,
        param_map: Mapping[str, Any],
        model: Model,
        guide: Model,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        def particle(key: Key) -> tuple[Any, Mutable]:
            return self.particle(Runs(key, param_map, model, guide, args, kwargs))

        found, mutable = over_particles(
            particle, rng_key, self.num_particles, self.vectorize_particles
        )
        loss, mutable = self.joined(found, mutable, param_map)
        return {"loss": loss, "mutable_state": mutable}


def over_particles(
    particle: Callable[[Key], tuple[Any, Mutable]],
    rng_key: Key,
    count: int,
    vectorize: bool | Callable[..., Any] = True,  # noqa: FBT001, FBT002
) -> tuple[Any, Mutable]:
    """Run some particles; what each gives is stacked along a new first axis.

    Args:
        particle: Gives anything, and mutable state.
        rng_key: A JAX key.
        count: How many.
        vectorize: See `AbstractParticles`.

    Raises:
        ModelError: There are several particles and mutable sites.
    """
    if count == 1:
        found, mutable = particle(rng_key)
        return jax.tree.map(lambda leaf: leaf[None], found), mutable
    keys = jax.random.split(rng_key, count)
    if vectorize is True:
        found, mutable = jax.vmap(particle)(keys)
    elif vectorize is False:
        found, mutable = jax.lax.map(particle, keys)
    else:
        found, mutable = vectorize(particle)(keys)
    if mutable:
        raise ModelError(
            "mutable sites and several particles do not go together: each of these "
            "would leave another state.",
            site=next(iter(mutable)),
            value=count,
            hint="Use num_particles=1.",
        )
    return found, mutable


def terms_of(sites: Sites) -> dict[str, Array]:
    """Log densities of sample sites, each summed, by name."""
    return {
        name: jnp.sum(site.log_prob())
        for name, site in sites.items()
        if isinstance(site, Sample)
    }


def less(model: Mapping[str, Array], guide: Mapping[str, Array]) -> dict[str, Array]:
    """What each site adds to the bound: the model's term less the guide's."""
    found = {n: term - guide[n] if n in guide else term for n, term in model.items()}
    return found | {n: -term for n, term in guide.items() if n not in model}


def total(terms: Mapping[str, Array]) -> Array:
    """The sum of all terms."""
    return sum(terms.values(), jnp.zeros(()))


def check_particles(count: Any) -> None:
    """Whether it is a number of particles.

    Raises:
        ArgumentError: It is not.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ArgumentError(
            f"num_particles must be an int >= 1, got {count!r}.", value=count
        )


def check_estimator(name: Any, known: tuple[str, ...]) -> None:
    """Whether an objective has the estimator.

    Raises:
        ArgumentError: It has not.
    """
    if name not in known:
        raise ArgumentError(
            f"estimator must be one of {', '.join(map(repr, known))}, got {name!r}.",
            value=name,
        )
