"""Normal distributions of the whole unconstrained vector, by their covariances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ppl._counts import as_count
from ppl._typing import Array, Key, Model
from ppl.distributions import constraints
from ppl.distributions.distribution import Distribution
from ppl.distributions.low_rank_multivariate_normal import LowRankMultivariateNormal
from ppl.distributions.multivariate_normal import MultivariateNormal
from ppl.distributions.normal import Normal
from ppl.distributions.transforms import (
    AffineTransform,
    IndependentTransform,
    LowerCholeskyAffine,
    Transform,
)
from ppl.infer.guides._continuous import AbstractGaussian, Declared
from ppl.infer.guides._prototype import Prototype
from ppl.infer.guides.base import check_scale
from ppl.infer.initialization import init_to_uniform


class AbstractScaled(AbstractGaussian):
    """A normal vector with `init_scale` as its only option.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        init_scale: Standard deviations to begin with.
    """

    def __init__(
        self,
        model: Model,
        *,
        prefix: str = "auto",
        init_loc_fn: Any = init_to_uniform,
        init_scale: float = 0.1,
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            init_scale=check_scale(init_scale),
        )


class AutoDiagonalNormal(AbstractScaled):
    """Independent normal coordinates: mean-field ADVI as one vector.

    Kucukelbir, Tran, Ranganath, Gelman, Blei, JMLR 2017. Its params are `auto_loc` and
    `auto_scale`, (latent_dim,). Its arguments are those of `AbstractScaled`.
    """

    scale_constraint = constraints.softplus_positive

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        scale = jnp.full(prototype.density.layout.size, self.options["init_scale"])
        return {
            "loc": Declared(self._beginning(prototype)),
            "scale": Declared(scale, self.scale_constraint),
        }

    def _loc_and_scale(self, params: Mapping[str, Any]) -> tuple[Any, Any]:
        return params[self._called("loc")], params[self._called("scale")]

    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Distribution:
        del prototype
        return Normal(*self._loc_and_scale(params)).to_event(1)

    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        return IndependentTransform(AffineTransform(*self._loc_and_scale(params)), 1)


class AutoMultivariateNormal(AbstractScaled):
    """A normal vector with any covariance: full-rank ADVI.

    Kucukelbir, Tran, Ranganath, Gelman, Blei, JMLR 2017. Its params are `auto_loc`,
    (latent_dim,), and `auto_scale_tril`, the Cholesky factor of the covariance. Its
    arguments are those of `AbstractScaled`.
    """

    scale_tril_constraint = constraints.scaled_unit_lower_cholesky

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        tril = self.options["init_scale"] * jnp.eye(prototype.density.layout.size)
        return {
            "loc": Declared(self._beginning(prototype)),
            "scale_tril": Declared(tril, self.scale_tril_constraint),
        }

    def _law(self, prototype: Prototype, params: Mapping[str, Any]) -> Distribution:
        del prototype
        loc, tril = params[self._called("loc")], params[self._called("scale_tril")]
        return MultivariateNormal(loc, scale_tril=tril)

    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        loc, tril = params[self._called("loc")], params[self._called("scale_tril")]
        return LowerCholeskyAffine(loc, tril)


class AutoLowRankMultivariateNormal(AbstractGaussian):
    """A normal vector whose correlations come from a few common factors.

    Ong, Nott, Smith, "Gaussian variational approximation with a factor covariance
    structure", JCGS 2018. With D = diag(`auto_scale`) and W = `auto_cov_factor`,
    (latent_dim, rank), the covariance is D (I + W W') D. W begins with small random
    numbers, for zero is a saddle point.

    Args:
        model: The model.
        prefix: See `AutoGuide`.
        init_loc_fn: See `AutoGuide`.
        init_scale: Standard deviations to begin with.
        rank: Number of factors; the square root of latent_dim if None.

    Raises:
        ArgumentError: `rank` is no count.
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
    ):
        super().__init__(
            model,
            prefix=prefix,
            init_loc_fn=init_loc_fn,
            init_scale=check_scale(init_scale),
            rank=None if rank is None else as_count("rank", rank),
        )

    def _declared(self, prototype: Prototype) -> dict[str, Declared]:
        size = prototype.density.layout.size
        rank = self.options["rank"] or max(1, round(size**0.5))

        def factor(key: Key) -> Array:
            return 0.1 * jax.random.normal(key, (size, rank))

        scale = jnp.full(size, self.options["init_scale"])
        return {
            "loc": Declared(self._beginning(prototype)),
            "cov_factor": Declared(factor),
            "scale": Declared(scale, self.scale_constraint),
        }

    def _law(
        self, prototype: Prototype, params: Mapping[str, Any]
    ) -> LowRankMultivariateNormal:
        del prototype
        names = ("loc", "cov_factor", "scale")
        loc, factor, scale = (jnp.asarray(params[self._called(n)]) for n in names)
        return LowRankMultivariateNormal(loc, factor * scale[:, None], scale**2)

    def get_transform(self, params: Mapping[str, Any]) -> Transform:
        posterior = self._law(self._known(), params)
        tril = jnp.linalg.cholesky(posterior.covariance_matrix)
        return LowerCholeskyAffine(posterior.loc, tril)
