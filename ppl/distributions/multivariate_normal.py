"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ParameterError
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import (
    gram,
    inverse_lower,
    log_diagonal,
    lower_times,
    solve_lower,
)
from ppl.distributions._parameters import as_parameter, known, one_of
from ppl.distributions.constraints import namespace, shape_of
from ppl.distributions.distribution import Distribution, distribution, param

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@distribution
class MultivariateNormal(Distribution):
    r"""Multivariate normal, $\mathcal{N}(\mu, L L^\top)$.

    It is kept as `scale_tril`, the lower Cholesky factor $L$ of the covariance:
    sampling is one product and the density one triangular solve, with no factorisation
    in either.

    Args:
        loc: The mean, shape `(..., n)`, or a number for all components.
        covariance_matrix: Shape `(..., n, n)`, symmetric and positive definite.
        precision_matrix: The inverse of the covariance, instead.
        scale_tril: The Cholesky factor of the covariance, instead.
        validate_args: False skips the check of the parameters.
    """

    loc: ArrayLike = param(constraints.real_vector)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: ArrayLike = 0.0,
        covariance_matrix: ArrayLike | None = None,
        precision_matrix: ArrayLike | None = None,
        scale_tril: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        name = one_of("MultivariateNormal", **given)
        matrix = as_parameter(given[name], constraints.real_matrix)
        loc = as_parameter(loc, constraints.real_vector)
        loc = _with_size(loc, name, shape_of(matrix))
        if name != "scale_tril":
            matrix = _cholesky(name, matrix, check=validate_args is not False)
        loc, matrix = _with_common_rank(loc, matrix)
        self._set(loc=loc, scale_tril=matrix, validate_args=validate_args)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.scale_tril)[-1:]

    def expand(self, batch_shape: Shape) -> MultivariateNormal:
        # The matrix stays as it is: one that all members share is solved with once.
        batch_shape = tuple(batch_shape)
        loc = namespace(self.loc).broadcast_to(self.loc, batch_shape + self.event_shape)
        _, tril = _with_common_rank(loc, self.scale_tril)
        return replace(self, loc=loc, scale_tril=tril)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return self.loc + lower_times(self.scale_tril, eps)

    def log_prob(self, value: ArrayLike) -> Array:
        z = solve_lower(self.scale_tril, value - self.loc)
        constant = log_diagonal(self.scale_tril) + z.shape[-1] * _HALF_LOG_2PI
        return -0.5 * (z * z).sum(-1) - constant

    @property
    def covariance_matrix(self) -> Array:
        """`L L'`, of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        return jnp.broadcast_to(gram(self.scale_tril), (*self.batch_shape, n, n))

    @property
    def precision_matrix(self) -> Array:
        """The inverse of the covariance, of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        inverse = jnp.swapaxes(inverse_lower(self.scale_tril), -2, -1)
        return jnp.broadcast_to(gram(inverse), (*self.batch_shape, n, n))

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Array:
        variance = jnp.square(self.scale_tril).sum(-1)
        return jnp.broadcast_to(variance, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        (n,) = self.event_shape
        entropy = n * (0.5 + _HALF_LOG_2PI) + log_diagonal(self.scale_tril)
        return jnp.broadcast_to(entropy, self.batch_shape)


def _with_size(loc: Any, name: str, shape: Shape) -> Any:
    """`loc` with as many components as the matrix has."""
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ParameterError(
            f"MultivariateNormal.{name} must be square, shape (..., n, n), got shape "
            f"{shape}.",
            value=shape,
        )
    n, own = shape[-1], shape_of(loc)
    if own and own[-1] not in (1, n):
        raise ParameterError(
            f"MultivariateNormal: loc of shape {own} has {own[-1]} components, but "
            f"{name} of shape {shape} has {n}.",
            value=own,
        )
    return namespace(loc).broadcast_to(loc, (*own[:-1], n))


def _with_common_rank(loc: Any, tril: Any) -> tuple[Any, Any]:
    """The two with equally many batch dims, so that `vmap` adds its own before both."""
    batch_dims = max(len(shape_of(loc)) - 1, len(shape_of(tril)) - 2)
    made = []
    for value, event_dim in ((loc, 1), (tril, 2)):
        shape = shape_of(value)
        missing = batch_dims + event_dim - len(shape)
        made.append(value.reshape((1,) * missing + shape) if missing > 0 else value)
    return made[0], made[1]


def _cholesky(name: str, matrix: Any, *, check: bool) -> Any:
    """The Cholesky factor of the covariance; NaN where a traced matrix has none."""
    given = known(matrix)
    if isinstance(given, jax.Array):
        return _factor(jnp, name, given)
    given = np.asarray(given, np.float64)
    if check:
        _check_symmetric(name, given)
    try:
        return _factor(np, name, given).astype(matrix.dtype)
    except np.linalg.LinAlgError:
        if check and np.isfinite(given).all():
            raise _not_definite(name, given) from None
        return np.full_like(given, np.nan).astype(matrix.dtype)


def _factor(xp: Any, name: str, matrix: Any) -> Any:
    if name == "covariance_matrix":
        return xp.linalg.cholesky(matrix)
    # P = U U' with U upper triangular, so the covariance has the factor U'^-1.
    upper = xp.flip(xp.linalg.cholesky(xp.flip(matrix, (-2, -1))), (-2, -1))
    lower = xp.swapaxes(upper, -2, -1)
    return np.tril(np.linalg.inv(lower)) if xp is np else inverse_lower(lower)


def _check_symmetric(name: str, matrix: np.ndarray) -> None:
    if not np.isfinite(matrix).all():
        raise ParameterError(f"MultivariateNormal.{name} must be finite.", value=matrix)
    off = np.abs(matrix - np.swapaxes(matrix, -2, -1))
    size = np.abs(matrix).max(initial=0.0)
    if off.max(initial=0.0) <= 1e-4 * size:
        return
    *batch, i, j = (int(k) for k in np.unravel_index(off.argmax(), off.shape))
    where = f" of matrix {batch}" if batch else ""
    raise ParameterError(
        f"MultivariateNormal.{name} not symmetric, largest asymmetry {off.max():g} "
        f"between [{i}, {j}] and [{j}, {i}]{where}.",
        value=float(off.max()),
        hint="If it is a Cholesky factor, give it as scale_tril=.",
    )


def _not_definite(name: str, matrix: np.ndarray) -> ParameterError:
    smallest = np.linalg.eigvalsh(matrix).min(-1)
    where = ""
    if smallest.ndim:
        worst = np.unravel_index(smallest.argmin(), smallest.shape)
        where = f" of matrix [{', '.join(str(int(k)) for k in worst)}]"
    value = float(f"{smallest.min():.6g}")
    return ParameterError(
        f"MultivariateNormal.{name} not positive definite, smallest eigenvalue "
        f"{value}{where}.",
        value=value,
        hint="If this is rounding, add a small number to the diagonal.",
    )
