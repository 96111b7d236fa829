"""Gaussian copulas: any marginals, coupled through normal scores."""

from __future__ import annotations

import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import replace
from ppl._typing import ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._copula import AbstractGaussianCopula, check_sizes
from ppl.distributions._factors import factor_given
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class GaussianCopula(AbstractGaussianCopula):
    r"""Given marginals, with the dependence of a multivariate normal vector.

    A draw is $x_i = F_i^{-1}(\Phi(z_i))$ with $z$ normal, of correlation $R$. The last
    batch dim of the marginals becomes the event.

    Args:
        marginal_dist: Continuous, with `log_cdf`, `log_sf` and `icdf`; batch shape
            `(..., n)`, no event dims.
        correlation_matrix: The matrix $R$, shape `(..., n, n)`.
        correlation_cholesky: Its lower Cholesky factor, instead.
        validate_args: False skips the check of the parameters.
    """

    marginal_dist: Distribution
    correlation_cholesky: ArrayLike = param(constraints.corr_cholesky)

    def __init__(
        self,
        marginal_dist: Distribution,
        correlation_matrix: ArrayLike | None = None,
        correlation_cholesky: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        if marginal_dist.is_discrete or marginal_dist.event_dim:
            raise ArgumentError(
                "GaussianCopula needs continuous marginals of single numbers, got "
                f"{type(marginal_dist).__name__}.",
                value=marginal_dist,
            )
        given = {
            "correlation_matrix": correlation_matrix,
            "correlation_cholesky": correlation_cholesky,
        }
        check = validate_args is not False
        tril = factor_given("GaussianCopula", given, "", check=check)[1]
        check_sizes("GaussianCopula", marginal_dist.batch_shape, tril)
        rows = (*shape_of(tril)[:-2], shape_of(tril)[-1])
        shape = np.broadcast_shapes(marginal_dist.batch_shape, rows)
        self._set(
            marginal_dist=marginal_dist.expand(shape),
            correlation_cholesky=tril,
            validate_args=validate_args,
        )

    @property
    def _marginal(self) -> Distribution:
        return self.marginal_dist

    @property
    def batch_shape(self) -> Shape:
        return self.marginal_dist.batch_shape[:-1]

    def expand(self, batch_shape: Shape) -> GaussianCopula:
        batch = (*batch_shape, *self.event_shape)
        n, tril = batch[-1], self.correlation_cholesky
        tril = constraints.namespace(tril).broadcast_to(tril, (*batch, n))
        return replace(
            self,
            marginal_dist=self.marginal_dist.expand(batch),
            correlation_cholesky=tril,
        )

    def check_parameters(self, site: str | None = None) -> None:
        self.marginal_dist.check_parameters(site)
        super().check_parameters(site)
