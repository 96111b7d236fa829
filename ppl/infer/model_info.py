"""A model made ready for a sampler of one's own: potential energy, start, meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ppl._pytree import replace
from ppl._typing import Array, Key, Model
from ppl.checks import checked, diagnose_start
from ppl.handlers.seed import seed
from ppl.infer.densities import (
    Trace,
    Values,
    constrain_fn,
    potential_energy,
    refuse_enumeration,
    sites_given,
    transform_fn,
)
from ppl.infer.initialization import as_strategy, init_to_uniform
from ppl.infer.seeding import Words, seed_words
from ppl.target import LogDensity


class ParamInfo(NamedTuple):
    """A starting point.

    Attributes:
        z: Unconstrained values by site.
        potential_energy: Minus the log density there.
        z_grad: The gradient of the potential energy, by site.
    """

    z: Any
    potential_energy: Any
    z_grad: Any


class ModelInfo(NamedTuple):
    """A model made ready for a sampler.

    Attributes:
        param_info: Where to start.
        potential_fn: From unconstrained values to minus the log density.
        postprocess_fn: From unconstrained values to those of latent and deterministic
            sites.
        model_trace: The sites at the starting point.
    """

    param_info: ParamInfo
    potential_fn: Callable[..., Any]
    postprocess_fn: Callable[..., Any]
    model_trace: Trace


def get_potential_fn(
    model: Model,
    inv_transforms: Mapping[str, Any],
    *,
    enum: bool = False,
    replay_model: bool = False,
    dynamic_args: bool = False,
    model_args: tuple[Any, ...] = (),
    model_kwargs: dict[str, Any] | None = None,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Functions of unconstrained values: their potential energy, and their meaning.

    Args:
        model: The model.
        inv_transforms: From unconstrained to constrained, by site.
        enum: Not there.
        replay_model: Whether the second function runs the model, which gives
            deterministic sites too, instead of applying `inv_transforms`.
        dynamic_args: Whether both functions take the model's arguments and return such
            functions.
        model_args: Arguments of the model, where they are fixed.
        model_kwargs: Its keyword arguments.

    Raises:
        ArgumentError: `enum` is set.
    """
    refuse_enumeration(enum)

    def potential_fn(*args: Any, **kwargs: Any) -> Callable[[Values], Array]:
        return partial(potential_energy, model, args, kwargs)

    def postprocess_fn(*args: Any, **kwargs: Any) -> Callable[[Values], Any]:
        if replay_model:
            return partial(constrain_fn, model, args, kwargs, return_deterministic=True)
        return partial(transform_fn, inv_transforms)

    if dynamic_args:
        return potential_fn, postprocess_fn
    kwargs = model_kwargs or {}
    return potential_fn(*model_args, **kwargs), postprocess_fn(*model_args, **kwargs)


def find_valid_initial_params(
    rng_key: Key,
    model: Model,
    *,
    init_strategy: Any = init_to_uniform,
    enum: bool = False,
    model_args: tuple[Any, ...] = (),
    model_kwargs: dict[str, Any] | None = None,
    prototype_params: Any = None,
    forward_mode_differentiation: bool = False,
    validate_grad: bool = True,
) -> tuple[ParamInfo, Any]:
    """Unconstrained values with a finite density and gradient.

    Args:
        rng_key: An int, a JAX key, or a batch of keys, for as many starting points.
        model: The model.
        init_strategy: How to propose values.
        enum: Not there.
        model_args: Arguments of the model.
        model_kwargs: Its keyword arguments.
        prototype_params: Accepted for NumPyro's sake; shapes come from the model.
        forward_mode_differentiation: Whether to differentiate forward.
        validate_grad: Whether the gradient must be finite.

    Returns:
        The values, their potential energy and its gradient; whether they are valid.

    Raises:
        PPLError: The model check found something; see its classes.
        ArgumentError: `enum` is set.
    """
    del prototype_params
    refuse_enumeration(enum)
    density = _density(model, model_args, model_kwargs, forward_mode_differentiation)
    info, valid, _ = _started(density, rng_key, init_strategy, validate_grad)
    return info, valid


def initialize_model(
    rng_key: Key,
    model: Model,
    *,
    init_strategy: Any = init_to_uniform,
    dynamic_args: bool = False,
    model_args: tuple[Any, ...] = (),
    model_kwargs: dict[str, Any] | None = None,
    forward_mode_differentiation: bool = False,
    validate_grad: bool = True,
) -> ModelInfo:
    """All that a sampler needs to know of a model.

    Args:
        rng_key: An int, a JAX key, or a batch of keys, for as many starting points.
        model: The model.
        init_strategy: How to propose starting values.
        dynamic_args: Whether `potential_fn` and `postprocess_fn` take the model's
            arguments and return functions.
        model_args: Arguments of the model.
        model_kwargs: Its keyword arguments.
        forward_mode_differentiation: Whether to differentiate forward.
        validate_grad: Whether the gradient must be finite.

    Raises:
        PPLError: The model check found something; see its classes.
        StartingPointError: No valid starting point was found.
    """
    kwargs = model_kwargs or {}
    density = _density(model, model_args, kwargs, forward_mode_differentiation)
    info, valid, positions = _started(density, rng_key, init_strategy, validate_grad)
    if not np.all(valid):
        bad = int(np.argmin(valid))
        tries = as_strategy(init_strategy).tries
        raise diagnose_start(density, positions[bad], tries, int(np.sum(~valid)))
    first = density.layout.split(jnp.asarray(positions[0]))
    values = constrain_fn(model, model_args, kwargs, first)
    sites = sites_given(seed(model, rng_seed=0), model_args, kwargs, values)
    functions = get_potential_fn(
        model,
        {},  # not looked at where the model is replayed
        replay_model=True,
        dynamic_args=dynamic_args,
        model_args=model_args,
        model_kwargs=kwargs,
    )
    return ModelInfo(info, *functions, sites)


_evaluate = jax.jit(LogDensity.value_and_grad)


def _density(
    model: Model,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    forward_mode: bool,
) -> LogDensity:
    density = checked(model, tuple(args), dict(kwargs or {})).density
    spec = dataclasses.replace(density.spec, forward_mode=forward_mode)
    return replace(density, spec=spec)


def _started(
    density: LogDensity, rng_key: Any, init_strategy: Any, validate_grad: bool
) -> tuple[ParamInfo, Any, np.ndarray]:
    """Starting points, one for each key; whether they are valid; positions (n, dim)."""
    keys, shape = _keys(rng_key)
    strategy = as_strategy(init_strategy)
    found = [_start(density, seed_words(key), strategy, validate_grad) for key in keys]
    parts = zip(*found, strict=True)
    positions, logp, slopes, valid = (np.stack(part) for part in parts)

    def shaped(value: np.ndarray) -> Array:
        return jnp.asarray(value.reshape((*shape, *value.shape[1:])))

    split = density.layout.split
    info = ParamInfo(split(shaped(positions)), shaped(-logp), split(shaped(-slopes)))
    return info, valid.reshape(shape), positions


def _start(
    density: LogDensity, words: Words, strategy: Any, validate_grad: bool
) -> tuple[Any, Any, Any, bool]:
    """A position, its log density and gradient, and whether it is valid."""
    attempt = 0
    while True:
        position = strategy.propose(density, words, 1, attempt)[0]
        logp, slope = map(np.asarray, _evaluate(density, position))
        valid = bool(np.isfinite(logp))
        valid &= not validate_grad or bool(np.isfinite(slope).all())
        attempt += 1
        if valid or attempt == strategy.tries:
            return position, logp, slope, valid


def _keys(rng_key: Any) -> tuple[list[Any], tuple[int, ...]]:
    """The keys of a batch one by one, and the shape of the batch."""
    if not isinstance(rng_key, jax.Array | np.ndarray):
        return [rng_key], ()
    typed = jax.dtypes.issubdtype(rng_key.dtype, jax.dtypes.prng_key)
    shape = rng_key.shape if typed else rng_key.shape[:-1]
    if not shape:
        return [rng_key], ()
    return list(rng_key.reshape(-1, *rng_key.shape[len(shape) :])), shape
