"""A fitted guide as a posterior."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._counts import as_count
from ppl._pytree import replace
from ppl._sites import Deterministic, Sample
from ppl._typing import Array, Key, Model
from ppl.arguments import Arguments
from ppl.distributions.transforms import biject_to
from ppl.handlers.seed import as_key
from ppl.handlers.seed import seed as seeded
from ppl.handlers.substitute import fill
from ppl.infer.approximations.results import Task, Weighted, posterior_of
from ppl.infer.elbo import Sites, run_pair, terms_of, total
from ppl.infer.seeding import seed_words
from ppl.posterior import Posterior
from ppl.target import Traced, trace_model
from ppl.visiting import fingerprint


class _Drawn(NamedTuple):
    """Draws of a guide, in the model.

    Attributes:
        latent: Values of latent and deterministic sites, by name.
        observed: Those of observed sites.
        position: Unconstrained latent values, (dim,); empty if some are discrete.
        logp: Log density of the model.
        logq: Log density of the guide.
    """

    latent: dict[str, Array]
    observed: dict[str, Array]
    position: Array
    logp: Array
    logq: Array


class Ran(NamedTuple):
    """One draw of a guide.

    Attributes:
        sites: Those of the model, with the guide's values, by name.
        logq: Log density of the draw.
    """

    sites: Sites
    logq: Array


@dataclass(frozen=True)
class AbstractDrawing(ABC):
    """How draws of a fitted guide are made. Equal ones share compiled programs.

    Attributes:
        model: The model.
        guide: The guide.
    """

    model: Model
    guide: Model

    @property
    @abstractmethod
    def method(self) -> str:
        """What to call it in results."""

    @property
    @abstractmethod
    def points(self) -> int | None:
        """How many draws there are, where they are points without a density."""

    @abstractmethod
    def ran(
        self,
        key: Key,
        number: Array,
        params: Mapping[str, Any],
        data: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> Ran:
        """One draw.

        Args:
            key: A JAX key.
            number: Which draw it is, int32.
            params: Constrained values of the params of both, and of mutable sites.
            data: Arguments and keyword arguments of both.
        """


@dataclass(frozen=True)
class OneGuide(AbstractDrawing):
    """Draws of a guide as it is."""

    @property
    def method(self) -> str:
        return f"SVI ({name_of(self.guide)})"

    @property
    def points(self) -> None:
        return None

    def ran(
        self,
        key: Key,
        number: Array,
        params: Mapping[str, Any],
        data: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> Ran:
        sites, guide = run_pair(key, params, self.model, self.guide, *data)
        return Ran(sites, total(terms_of(guide)))


def name_of(guide: Model) -> str:
    """What to call a guide."""
    return getattr(guide, "__name__", type(guide).__name__)


def guided_posterior(
    drawing: AbstractDrawing,
    params: Mapping[str, Any],
    data: tuple[tuple[Any, ...], dict[str, Any]],
    *,
    draws: int | None,
    seed: Any,
    resample: bool,
) -> Posterior:
    """Draws of a guide as a posterior of its model; see `SVI.posterior`.

    Args:
        drawing: The model and the guide.
        params: Constrained values of the params of both, and of mutable sites.
        data: Arguments and keyword arguments of both.
        draws: How many, if it is said.
        seed: Of their random numbers.
        resample: Whether they are resampled by their importance.
    """
    traced = _traced(fill(drawing.model, data=params), data)
    if draws is None:
        draws = drawing.points or 1000
    task = Task(traced, seed_words(seed), as_count("draws", draws), resample)
    arguments, leaves = Arguments.of(*data)
    keys = jax.random.split(as_key(seed), task.pool)
    one = partial(_one, drawing, arguments)
    example = (leaves, params, as_key(seed), jnp.int32(0))
    known = fingerprint(jax.make_jaxpr(one)(*example))
    drawn = _many(drawing, arguments, known, leaves, params, keys)
    drawn = jax.tree.map(np.asarray, drawn)
    whole = all(f.subsample_size == f.size for f in traced.plates.values())
    whole &= drawing.points is None
    weighted = Weighted(drawn.position, drawn.logp, drawn.logq, comparable=whole)
    observed = {name: value[0] for name, value in drawn.observed.items()}
    facts = {} if whole else {"pareto_k": float("nan")}
    return posterior_of(task, weighted, drawing.method, facts, (drawn.latent, observed))


def _traced(model: Model, data: tuple[tuple[Any, ...], dict[str, Any]]) -> Traced:
    """The sites of a model, whose plates may be subsampled."""
    traced = trace_model(seeded(model, rng_seed=0), *data)
    spec = dataclasses.replace(traced.density.spec, model=model)
    return dataclasses.replace(traced, density=replace(traced.density, spec=spec))


def _one(
    drawing: AbstractDrawing,
    arguments: Arguments,
    data: tuple[Any, ...],
    params: Mapping[str, Any],
    key: Key,
    number: Array,
) -> _Drawn:
    """One draw of a guide."""
    sites, logq = drawing.ran(key, number, params, arguments.rebuild(data))
    latent, observed, free = {}, {}, []
    for name, site in sites.items():
        if isinstance(site, Deterministic):
            latent[name] = jnp.asarray(site.value)
        elif isinstance(site, Sample) and site.is_observed:
            observed[name] = jnp.asarray(site.value)
        elif isinstance(site, Sample):
            latent[name] = value = jnp.asarray(site.value)
            if not site.fn.support.is_discrete:
                value = biject_to(site.fn.support).inverse_and_log_det(value)[0]
            free.append(value.reshape(-1))
    observed = {name: value for name, value in observed.items() if value.size}
    position = jnp.concatenate(free)
    return _Drawn(latent, observed, position, total(terms_of(sites)), logq)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _many(
    drawing: AbstractDrawing,
    arguments: Arguments,
    fingerprint: str,
    data: tuple[Any, ...],
    params: Mapping[str, Any],
    keys: Key,
) -> _Drawn:
    """A draw for each key. The fingerprint tells programs apart that look alike."""
    del fingerprint
    with jax.default_matmul_precision("highest"):
        one = partial(_one, drawing, arguments, data, params)
        return jax.vmap(one)(keys, jnp.arange(len(keys), dtype=jnp.int32))
