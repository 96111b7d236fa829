"""Constraints on vectors and matrices."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ppl._errors import ShapeError
from ppl._pytree import pytree
from ppl._typing import Array, ArrayLike
from ppl.distributions.constraints.base import (
    Constraint,
    filled,
    namespace,
    shape_of,
    shown,
    tolerance,
)

_quiet = np.errstate(over="ignore", invalid="ignore")  # infinite entries are no members


def _vectors(value: Any, what: str) -> tuple[Any, Any]:
    xp = namespace(value)
    value = xp.asarray(value)
    if value.ndim < 1:
        raise ShapeError(f"a {what} needs at least 1 dim, got a scalar.", value=value)
    return xp, value


def _square(value: Any, what: str) -> tuple[Any, Any]:
    xp = namespace(value)
    value = xp.asarray(value)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ShapeError(
            f"a {what} must be square, got shape {value.shape}.", value=value.shape
        )
    return xp, value


def _diagonal(xp: Any, value: Any) -> Any:
    return xp.diagonal(value, axis1=-2, axis2=-1)


def _lower(xp: Any, value: Any) -> Any:
    """Whether a matrix is finite, lower triangular, and positive on its diagonal."""
    # A sum is several times as fast as `all`; what is not finite makes it NaN.
    above = abs(value - xp.tril(value)).sum((-2, -1))
    return (above == 0) & (_diagonal(xp, value) > 0).all(-1)


def _symmetric(xp: Any, value: Any) -> Any:
    """Whether a matrix is finite and symmetric up to rounding."""
    finite = xp.isfinite(value).all((-2, -1))
    size = abs(value).max((-2, -1), initial=0.0)
    off = abs(value - xp.swapaxes(value, -2, -1)).max((-2, -1), initial=0.0)
    return finite & (off <= tolerance(value) * size)


def _smallest_eigenvalue(xp: Any, value: Any) -> Any:
    """The smallest eigenvalue of a symmetric matrix; zero if an entry is not finite."""
    finite = xp.isfinite(value).all((-2, -1), keepdims=True)
    return xp.linalg.eigvalsh(xp.where(finite, value, 0.0)).min(-1, initial=np.inf)


def _definite(xp: Any, value: Any) -> Any:
    """Whether a matrix is symmetric with positive eigenvalues."""
    if xp is np:
        positive = _smallest_eigenvalue(xp, value) > 0
    else:  # a factorisation, which costs little inside a traced density
        positive = (_diagonal(xp, xp.linalg.cholesky(value)) > 0).all(-1)
    return _symmetric(xp, value) & positive


def _identity_like(prototype: Any) -> Array:
    return filled(prototype, jnp.eye(shape_of(prototype)[-1]))


@pytree
class Simplex(Constraint):
    """Vectors of nonnegative numbers that sum to one."""

    event_dim = 1
    rule = "must be nonnegative and sum to 1"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        _, value = _vectors(value, "simplex")
        close = abs(value.sum(-1) - 1) < tolerance(value)
        return (value >= 0).all(-1) & close

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, 1.0 / shape_of(prototype)[-1])


@pytree
class OrderedVector(Constraint):
    """Strictly increasing finite vectors."""

    event_dim = 1
    rule = "must be strictly increasing"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _vectors(value, "ordered vector")
        rising = (value[..., 1:] > value[..., :-1]).all(-1)
        return rising & xp.isfinite(value).all(-1)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, jnp.arange(shape_of(prototype)[-1]))


@pytree
class PositiveOrderedVector(Constraint):
    """Strictly increasing vectors of positive numbers."""

    event_dim = 1
    rule = "must be positive and strictly increasing"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _vectors(value, "positive ordered vector")
        rising = (value[..., 1:] > value[..., :-1]).all(-1)
        return rising & (xp.isfinite(value) & (value > 0)).all(-1)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, jnp.arange(shape_of(prototype)[-1]) + 1)


class AbstractLowerCholesky(Constraint):
    """Lower triangular matrices with a positive diagonal, by whatever bijector."""

    event_dim = 2
    rule = "must be a lower Cholesky factor with positive diagonal"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        return _lower(*_square(value, "Cholesky factor"))

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return _identity_like(prototype)


@pytree
class LowerCholesky(AbstractLowerCholesky):
    """Lower triangular matrices with a positive diagonal."""


@pytree
class SoftplusLowerCholesky(AbstractLowerCholesky):
    """The same set as `LowerCholesky`, reached with a softplus on the diagonal."""


@pytree
class ScaledUnitLowerCholesky(AbstractLowerCholesky):
    """The same set as `LowerCholesky`, reached by rows of a unit triangle, scaled."""


@pytree
class CorrCholesky(Constraint):
    """Lower Cholesky factors of correlation matrices: their rows have norm one."""

    event_dim = 2
    rule = (  # type: ignore[assignment]
        "must be a lower Cholesky factor with positive diagonal and rows of norm 1"
    )

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _square(value, "Cholesky factor")
        close = abs((value * value).sum(-1) - 1) < tolerance(value)
        return _lower(xp, value) & close.all(-1)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return _identity_like(prototype)


@pytree
class PositiveDefinite(Constraint):
    """Symmetric matrices whose eigenvalues are positive."""

    event_dim = 2
    rule = "must be symmetric and positive definite"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _square(value, "positive definite matrix")
        return _definite(xp, value)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return _identity_like(prototype)


@pytree
class PositiveSemidefinite(Constraint):
    """Symmetric matrices whose eigenvalues are not negative, up to rounding."""

    event_dim = 2
    rule = "must be symmetric and positive semidefinite"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _square(value, "positive semidefinite matrix")
        size = abs(value).max((-2, -1), initial=0.0)
        slack = tolerance(value) * xp.where(xp.isfinite(size), size, 0.0)
        return _symmetric(xp, value) & (_smallest_eigenvalue(xp, value) >= -slack)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return _identity_like(prototype)


@pytree
class CorrMatrix(Constraint):
    """Positive definite matrices with ones on the diagonal."""

    event_dim = 2
    rule = (  # type: ignore[assignment]
        "must be symmetric and positive definite with ones on the diagonal"
    )

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        xp, value = _square(value, "correlation matrix")
        ones = (abs(_diagonal(xp, value) - 1) < tolerance(value)).all(-1)
        return ones & _definite(xp, value)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return _identity_like(prototype)


@pytree
class Sphere(Constraint):
    """Vectors of Euclidean norm one."""

    event_dim = 1
    rule = "must have Euclidean norm 1"  # type: ignore[assignment]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        _, value = _vectors(value, "unit vector")
        return abs((value * value).sum(-1) - 1) < tolerance(value)

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, shape_of(prototype)[-1] ** -0.5)


@pytree
class CovarianceOfScale(Constraint):
    """Covariance matrices with given standard deviations, of shape `(..., n)`."""

    scale: ArrayLike
    event_dim = 2

    @property
    def rule(self) -> str:
        return f"must be a covariance with standard deviations {shown(self.scale)}"

    def _products(self) -> Any:
        scale = namespace(self.scale).asarray(self.scale)
        return scale[..., :, None] * scale[..., None, :]

    @_quiet
    def __call__(self, value: ArrayLike) -> Any:
        _, value = _square(value, "covariance matrix")
        return CorrMatrix()(value / self._products())

    def feasible_like(self, prototype: ArrayLike) -> Any:
        return filled(prototype, _identity_like(prototype) * self._products())
