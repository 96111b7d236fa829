"""Predictive draws and pointwise log likelihoods under NumPyro's names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl import predicting
from ppl._data import as_array
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    PPLWarning,
    ShapeError,
    warn,
)
from ppl._typing import Key, Model, Shape
from ppl.arguments import Arguments
from ppl.handlers.seed import as_key
from ppl.infer.seeding import no_key
from ppl.one_draw import Task
from ppl.predicting import (
    Inputs,
    as_names,
    check_count,
    flat,
    survey,
    tell_missing,
)


class Predictive:
    """Draws of what a model says: prior, posterior, or guided predictive.

    Call it with a key and the model's arguments. It gives draws by site,
    (*batch, *shape): by default of all sites that are drawn, of observed ones and of
    deterministic ones. Pass None for observations that are to be predicted. Draw i
    depends on the key and i alone. One compiled program runs them in blocks, by default
    of some 64 MB of results, which changes them by rounding at most. A call with other
    data of the same shapes compiles nothing.

    Args:
        model: The model.
        posterior_samples: Draws by site. Those of deterministic sites are ignored, and
            computed anew, unless `condition_deterministic` is set.
        guide: Gives values to the sites without draws.
        params: Values of the param sites of model and guide.
        num_samples: How many draws, where `posterior_samples` do not say so.
        return_sites: What to return instead. A latent site that is named here may come
            from its prior without a warning.
        infer_discrete: Not there: discrete sites are drawn given those before them.
        parallel: Run all draws in one block, however much memory that takes.
        batch_ndims: Leading dims of the draws, by default 1. With a guide it is that
            of `params`, 0 by default, or 1.
        condition_deterministic: Give deterministic sites their posterior draws.
        exclude_deterministic: The opposite, NumPyro's earlier name.
        batch_size: Draws of one block. The result is then gathered on the host, as
            NumPy arrays.

    Raises:
        ArgumentError: The number of draws is unknown, or an option is out of range.
        ShapeError: Sites have different numbers of draws.
    """

    def __init__(
        self,
        model: Model,
        posterior_samples: Mapping[str, Any] | None = None,
        *,
        guide: Model | None = None,
        params: Mapping[str, Any] | None = None,
        num_samples: int | None = None,
        return_sites: Sequence[str] | None = None,
        infer_discrete: bool = False,
        parallel: bool = False,
        batch_ndims: int | None = None,
        condition_deterministic: bool | None = None,
        exclude_deterministic: bool | None = None,
        batch_size: int | None = None,
    ):
        if not callable(model):
            raise ArgumentTypeError(
                f"Predictive needs a callable model, got {model!r}.", value=model
            )
        if infer_discrete:
            raise ArgumentError(
                "infer_discrete=True needs enumeration, which is not there.",
                value=infer_discrete,
                hint="Leave it out: discrete sites are drawn given the sites before.",
            )
        check_count("num_samples", num_samples)
        check_count("batch_size", batch_size)
        if batch_ndims is None:
            batch_ndims = 0 if guide is not None else 1
        self.model = model
        self.guide = guide
        self.params = dict(params or {})
        self.posterior_samples = _arrays(posterior_samples)
        self.return_sites = None if return_sites is None else as_names(return_sites)
        self.infer_discrete = infer_discrete
        self.parallel = parallel
        self.batch_ndims = batch_ndims
        self.condition_deterministic = _conditioned(
            condition_deterministic, exclude_deterministic
        )
        self.batch_size = batch_size
        self._batch_shape = _batch_shape(
            self.posterior_samples, batch_ndims, num_samples
        )
        self.num_samples = math.prod(self._batch_shape)

    def __call__(self, rng_key: int | Key, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Draw.

        Args:
            rng_key: An int or a JAX key.
            *args: Arguments of the model.
            **kwargs: Keyword arguments of the model.

        Raises:
            UnknownNameError: A site of `posterior_samples` or `return_sites` is none
                of the model's.
            ShapeError: Draws have not the shape of their site.
            ModelError: The guide has a site that the model has not.
        """
        arguments, data = Arguments.of(args, kwargs)
        task = Task(
            self.model,
            arguments,
            guide=self.guide,
            conditioned=self.condition_deterministic,
            return_sites=self.return_sites,
            batched_params=bool(
                self.guide is not None and self.batch_ndims and self.params
            ),
        )
        inputs = Inputs(
            data,
            _key(rng_key),
            flat(self.posterior_samples, self.batch_ndims),
            self.params,
            self.num_samples,
        )
        found = survey(task, inputs)
        if self.posterior_samples or self.guide is not None:
            tell_missing(found.missing)
        block = self.num_samples if self.parallel else self.batch_size
        on_host = self.batch_size is not None
        draws = predicting.run(found, inputs, block, on_host=on_host)
        return _shaped(draws, self._batch_shape)


def log_likelihood(
    model: Model,
    posterior_samples: Mapping[str, Any],
    *args: Any,
    parallel: bool = False,
    batch_ndims: int = 1,
    **kwargs: Any,
) -> dict[str, Any]:
    """Log densities of observed values at each draw of the latent sites.

    Masks count, scales do not.

    Args:
        model: The model.
        posterior_samples: Draws of all latent sites.
        *args: Arguments of the model.
        parallel: Run all draws in one block, however much memory that takes.
        batch_ndims: Leading dims of the draws.
        **kwargs: Keyword arguments of the model.

    Returns:
        By observed site, (*batch dims, *batch shape of its distribution).

    Raises:
        UnknownNameError: There are draws of a site that the model has not.
        ShapeError: Draws have not the shape of their site, or differ in number.
        ModelError: A latent site has no draws.
    """
    samples = _arrays(posterior_samples)
    shape = _batch_shape(samples, batch_ndims, None)
    arguments, data = Arguments.of(args, kwargs)
    task = Task(model, arguments, density=True)
    inputs = Inputs(data, None, flat(samples, batch_ndims), {}, math.prod(shape))
    found = survey(task, inputs)
    block = inputs.count if parallel else None
    return _shaped(predicting.run(found, inputs, block, on_host=False), shape)


# --- what is given --------------------------------------------------------------------


def _conditioned(condition: bool | None, exclude: bool | None) -> bool:
    if condition is not None and exclude is not None:
        raise ArgumentError(
            "condition_deterministic and exclude_deterministic say the same: give one.",
            value=(condition, exclude),
        )
    return bool(condition) if exclude is None else not exclude


def _arrays(samples: Mapping[str, Any] | None) -> dict[str, Any]:
    if samples is None:
        return {}
    if not isinstance(samples, Mapping):
        raise ArgumentTypeError(
            "posterior_samples must be a dict from site to draws, got "
            f"{type(samples).__name__}.",
            value=samples,
        )
    arrays = {name: as_array(value) for name, value in samples.items()}
    return {
        name: value if isinstance(value, jax.Array) else np.asarray(value)
        for name, value in arrays.items()
    }


def _batch_shape(
    samples: Mapping[str, Any], batch_ndims: int, num_samples: int | None
) -> Shape:
    """The leading dims that all draws have in common, or `num_samples`."""
    if batch_ndims not in range(10):
        raise ArgumentError(
            f"batch_ndims must be an int >= 0, got {batch_ndims!r}.", value=batch_ndims
        )
    first, shape = "", None
    for name, value in samples.items():
        if value.ndim < batch_ndims:
            raise ShapeError(
                f"draws of shape {value.shape} have not batch_ndims={batch_ndims} "
                "leading dims.",
                site=name,
                value=value.shape,
            )
        own = tuple(value.shape[:batch_ndims])
        if shape is None:
            first, shape = name, own
        if own != shape:
            raise ShapeError(
                f"has {own} draws, and site '{first}' has {shape}.",
                site=name,
                value=value.shape,
                hint="All sites need the same number of draws.",
            )
    if shape is None:
        if num_samples is None:
            raise ArgumentError(
                "the number of draws is unknown.",
                hint="Give num_samples=, or draws in posterior_samples.",
            )
        return (*(1,) * (batch_ndims - 1), int(num_samples))
    count = math.prod(shape)
    if count == 0:
        raise ShapeError("there are no draws.", site=first, value=shape)
    if num_samples is not None and num_samples != count:
        warn(
            f"num_samples={num_samples}, but posterior_samples have {count} draws: "
            f"there will be {count}.",
            PPLWarning,
        )
    return shape


def _key(rng_key: Any) -> Key:
    try:
        return as_key(rng_key)
    except ArgumentTypeError:
        raise no_key(rng_key) from None


def _shaped(draws: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Draws with the batch dims of `shape` again."""
    if len(shape) == 1:
        return dict(draws)

    def reshaped(value: Any) -> Any:
        array = value if isinstance(value, np.ndarray) else jnp.asarray(value)
        return array.reshape((*shape, *array.shape[1:]))

    return jax.tree.map(reshaped, dict(draws))
