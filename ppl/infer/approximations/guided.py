"""A fitted guide as a posterior."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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
from ppl.infer.elbo import run_pair, terms_of, total
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


def guided_posterior(
    pair: tuple[Model, Model],
    params: Mapping[str, Any],
    data: tuple[tuple[Any, ...], dict[str, Any]],
    *,
    draws: int,
    seed: Any,
    resample: bool,
) -> Posterior:
    """Draws of a guide as a posterior of its model; see `SVI.posterior`.

    Args:
        pair: The model and the guide.
        params: Constrained values of the params of both, and of mutable sites.
        data: Arguments and keyword arguments of both.
        draws: How many.
        seed: Of their random numbers.
        resample: Whether they are resampled by their importance.
    """
    traced = _traced(fill(pair[0], data=params), data)
    task = Task(traced, seed_words(seed), as_count("draws", draws), resample)
    arguments, leaves = Arguments.of(*data)
    key = as_key(seed)
    one = partial(_one, pair, arguments)
    known = fingerprint(jax.make_jaxpr(one)(leaves, params, key))
    keys = jax.random.split(key, task.pool)
    drawn = _many(pair, arguments, known, leaves, params, keys)
    drawn = jax.tree.map(np.asarray, drawn)
    whole = all(f.subsample_size == f.size for f in traced.plates.values())
    weighted = Weighted(drawn.position, drawn.logp, drawn.logq, comparable=whole)
    observed = {name: value[0] for name, value in drawn.observed.items()}
    facts = {} if whole else {"pareto_k": float("nan")}
    guide = getattr(pair[1], "__name__", type(pair[1]).__name__)
    return posterior_of(
        task, weighted, f"SVI ({guide})", facts, (drawn.latent, observed)
    )


def _traced(model: Model, data: tuple[tuple[Any, ...], dict[str, Any]]) -> Traced:
    """The sites of a model, whose plates may be subsampled."""
    traced = trace_model(seeded(model, rng_seed=0), *data)
    spec = dataclasses.replace(traced.density.spec, model=model)
    return dataclasses.replace(traced, density=replace(traced.density, spec=spec))


def _one(
    pair: tuple[Model, Model],
    arguments: Arguments,
    data: tuple[Any, ...],
    params: Mapping[str, Any],
    key: Key,
) -> _Drawn:
    """One draw of a guide."""
    args, kwargs = arguments.rebuild(data)
    sites, guide = run_pair(key, params, *pair, args, kwargs)
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
    logp, logq = total(terms_of(sites)), total(terms_of(guide))
    return _Drawn(latent, observed, position, logp, logq)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _many(
    pair: tuple[Model, Model],
    arguments: Arguments,
    fingerprint: str,
    data: tuple[Any, ...],
    params: Mapping[str, Any],
    keys: Key,
) -> _Drawn:
    """A draw for each key. The fingerprint tells programs apart that look alike."""
    del fingerprint
    with jax.default_matmul_precision("highest"):
        return jax.vmap(lambda key: _one(pair, arguments, data, params, key))(keys)
