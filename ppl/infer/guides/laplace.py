"""Laplace's approximation: the mode, and the curvature there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jax.core import Tracer

from ppl._errors import ModelError
from ppl._typing import Array, Model, Shape
from ppl.distributions.delta import Delta
from ppl.distributions.distribution import Distribution
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.transforms import LowerCholeskyAffine, Transform
from ppl.handlers.seed import as_key
from ppl.infer.guides._continuous import AbstractGaussian, Declared
from ppl.infer.guides._prototype import Prototype
from ppl.infer.initialization import init_to_uniform

Hessian = Callable[[Callable[[Array], Array], Array], Array]


def _exact(f: Callable[[Array], Array], x: Array) -> Array:
    return jax.hessian(f)(x)


class AutoLaplaceApproximation(AbstractGaussian):
    """A normal vector at the mode, whose precision is the curvature there.

    Tierney & Kadane, "Accurate approximations for posterior moments and marginal
    densities", JASA 1986. While it is fitted, the guide is a point: the mode of the
    density of the unconstrained values, `auto_loc`. What is asked of it afterwards
    (`sample_posterior`, `median`, `quantiles`, `get_posterior`) is of the normal.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        create_plates: See `AutoGuide`.
        hessian_fn: Gives the Hessian, (latent_dim, latent_dim), of a function at a
            vector; `jax.hessian(f)(x)` if None.
    """

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        create_plates: Any = None,
        hessian_fn: Hessian | None = None,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            create_plates=create_plates,
            hessian_fn=hessian_fn or _exact,
        )

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        return {"loc": Declared(self._beginning(prototype))}

    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Distribution:
        del prototype
        return Delta(params[self._called("loc")], event_dim=1)

    def _moments(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> tuple[Array, Array]:
        normal = self._normal(prototype, params)
        return normal.mean, normal.variance

    def get_posterior(self, params: Mapping[str, Any]) -> Distribution:
        """The normal approximation of the vector, (latent_dim,).

        Raises:
            ModelError: A plate is subsampled, or the curvature is not positive.
        """
        return self._normal(self._fitted(params), params)

    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        normal = self._normal(self._fitted(params), params)
        return LowerCholeskyAffine(normal.mean, normal.scale_tril)

    def sample_posterior(
        self,
        rng_key: Any,
        params: Mapping[str, Any],
        *args: Any,
        sample_shape: Shape = (),
        **kwargs: Any,
    ) -> dict[str, Array]:
        prototype = self._fitted(params, args, kwargs)
        count, layout = math.prod(sample_shape), prototype.density.layout
        flat = self._normal(prototype, params).sample(as_key(rng_key), (count,))
        found = jax.vmap(lambda x: prototype.constrained(layout.split(x)))(flat)
        return jax.tree.map(lambda a: a.reshape(*sample_shape, *a.shape[1:]), found)

    def _normal(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> MultivariateNormal:
        for frame in prototype.plates.values():
            if frame.subsample_size < frame.size:
                raise ModelError(
                    f"plate '{frame.name}' has {frame.subsample_size} of its "
                    f"{frame.size} members in a step, and the curvature needs all.",
                    value=(frame.size, frame.subsample_size),
                    hint="Make a guide of the model with all of its data.",
                )
        loc = jnp.asarray(params[self._called("loc")])
        precision = self.options["hessian_fn"](lambda x: -prototype.density(x), loc)
        tril = _inverse_root(precision)
        if not isinstance(tril, Tracer) and not np.isfinite(tril).all():
            raise _flat(prototype, np.asarray(precision))
        return MultivariateNormal(loc, scale_tril=tril)


def _inverse_root(precision: Array) -> Array:
    """The lower Cholesky factor of the inverse of a matrix."""
    turned = jnp.linalg.cholesky(precision[::-1, ::-1])[::-1, ::-1].T  # U'U, U lower
    eye = jnp.eye(len(precision), dtype=precision.dtype)
    return jax.scipy.linalg.solve_triangular(turned, eye, lower=True)


def _flat(prototype: Prototype, precision: np.ndarray) -> ModelError:
    """The error for a curvature that is not positive in every direction."""
    if not np.isfinite(precision).all():
        message, name = "the curvature at the mode is not finite.", None
    else:
        values, vectors = np.linalg.eigh(0.5 * (precision + precision.T))
        worst = int(np.abs(vectors[:, 0]).argmax())
        name = prototype.density.layout.locate(worst).name
        message = f"the curvature at the mode is {values[0]:.3g} in a direction of it."
    return ModelError(
        message,
        site=name,
        value=precision,
        hint="Fit longer, for the end is no mode; or give hessian_fn= that adds "
        "something positive to the diagonal.",
    )
