"""Normal distributions of vectors that are independent along the first dims."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._counts import as_count
from ppl._errors import ShapeError
from ppl._typing import Array, Key, Model, Shape
from ppl.distributions import constraints
from ppl.distributions.distribution import Distribution
from ppl.distributions.low_rank_multivariate_normal import LowRankMultivariateNormal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms import (
    ComposeTransform,
    IndependentTransform,
    LowerCholeskyAffine,
    PermuteTransform,
    ReshapeTransform,
    Transform,
)
from ppl.infer.guides._continuous import AbstractGaussian, Declared
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import check_scale
from ppl.infer.initialization import init_to_uniform


class AbstractBatched(AbstractGaussian):
    """Independent normal vectors, one for each index of the first dims of all sites.

    The unconstrained values of all sites have the same `batch_ndim` first dims, such as
    those of plates; what a site has beyond them is a part of the vector.
    """

    def _batches(self, prototype: Prototype) -> tuple[Shape, np.ndarray]:
        """The shape of the first dims, and the place of each (batch, element).

        Raises:
            ShapeError: The first dims of the sites differ.
        """
        ndim = self.options["batch_ndim"]
        first, *_ = prototype.entries
        shape, places = first.free_shape[:ndim], []
        for entry in prototype.entries:
            if len(entry.free_shape) < ndim or entry.free_shape[:ndim] != shape:
                raise ShapeError(
                    f"has unconstrained shape {entry.free_shape}, and all sites need "
                    f"the same {ndim} first dims; '{first.name}' has {shape}.",
                    site=entry.name,
                    value=entry.free_shape,
                    hint="Use a smaller batch_ndim, or AutoMultivariateNormal.",
                )
            own = entry.offset + np.arange(entry.size)
            places.append(own.reshape(*shape, -1))
        return shape, np.concatenate(places, -1)

    def _locs(self, prototype: Prototype) -> Any:
        """A function that gives the means to begin with, (*batch, element)."""
        flat, (_, places) = self._beginning(prototype), self._batches(prototype)
        return lambda key: flat(key)[places]

    def _flattened(self, prototype: Prototype) -> list[Transform]:
        """From (*batch, element) to the vector of all sites."""
        _, places = self._batches(prototype)
        shape = (places.size,)
        back = np.argsort(places.reshape(-1))
        return [ReshapeTransform(shape, places.shape), PermuteTransform(back)]

    @abstractmethod
    def _normal(self, params: Mapping[str, Any]) -> Any:
        """The law of the vectors, of batch shape (*batch)."""

    def _moments(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> tuple[Array, Array]:
        normal, (_, places) = self._normal(params), self._batches(prototype)
        back = np.argsort(places.reshape(-1))
        mean, variance = (a.reshape(-1)[back] for a in (normal.mean, normal.variance))
        return mean, variance

    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Distribution:
        normal = self._normal(params).to_event(self.options["batch_ndim"])
        return TransformedDistribution(normal, self._flattened(prototype))

    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        prototype, normal = self._known(), self._normal(params)
        _, places = self._batches(prototype)
        tril = jnp.linalg.cholesky(normal.covariance_matrix)
        affine = LowerCholeskyAffine(normal.mean, tril)
        each = IndependentTransform(affine, self.options["batch_ndim"])
        apart = ReshapeTransform(places.shape, (places.size,))
        return ComposeTransform((apart, each, *self._flattened(prototype)))


class AutoBatchedMultivariateNormal(AbstractBatched):
    """Independent normal vectors, each with any covariance.

    Its params are `auto_loc`, (*batch, d), and `auto_scale_tril`, (*batch, d, d).

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        init_scale: Standard deviations to begin with.
        batch_ndim: How many first dims of all unconstrained values are independent.
    """

    scale_tril_constraint = constraints.scaled_unit_lower_cholesky

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        init_scale: float = 0.1,
        batch_ndim: int = 1,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            init_scale=check_scale(init_scale),
            batch_ndim=as_count("batch_ndim", batch_ndim),
        )

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        _, places = self._batches(prototype)
        eye = self.options["init_scale"] * jnp.eye(places.shape[-1])
        tril = jnp.broadcast_to(eye, (*places.shape, places.shape[-1]))
        return {
            "loc": Declared(self._locs(prototype)),
            "scale_tril": Declared(tril, self.scale_tril_constraint),
        }

    def _normal(self, params: Mapping[str, Any]) -> MultivariateNormal:
        loc, tril = params[self._called("loc")], params[self._called("scale_tril")]
        return MultivariateNormal(loc, scale_tril=tril)


class AutoBatchedLowRankMultivariateNormal(AbstractBatched):
    """Independent normal vectors, whose correlations come from a few common factors.

    As `AutoLowRankMultivariateNormal`, with params `auto_loc` and `auto_scale`,
    (*batch, d), and `auto_cov_factor`, (*batch, d, rank).

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        init_scale: Standard deviations to begin with.
        rank: Number of factors; the square root of d if None.
        batch_ndim: How many first dims of all unconstrained values are independent.
    """

    scale_constraint = constraints.softplus_positive

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        init_scale: float = 0.1,
        rank: int | None = None,
        batch_ndim: int = 1,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            init_scale=check_scale(init_scale),
            rank=None if rank is None else as_count("rank", rank),
            batch_ndim=as_count("batch_ndim", batch_ndim),
        )

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        _, places = self._batches(prototype)
        rank = self.options["rank"] or max(1, round(places.shape[-1] ** 0.5))

        def factor(key: Key) -> Array:
            return 0.1 * jax.random.normal(key, (*places.shape, rank))

        scale = jnp.full(places.shape, self.options["init_scale"])
        return {
            "loc": Declared(self._locs(prototype)),
            "cov_factor": Declared(factor),
            "scale": Declared(scale, self.scale_constraint),
        }

    def _normal(self, params: Mapping[str, Any]) -> LowRankMultivariateNormal:
        names = ("loc", "cov_factor", "scale")
        loc, factor, scale = (jnp.asarray(params[self._called(n)]) for n in names)
        return LowRankMultivariateNormal(loc, factor * scale[..., None], scale**2)
