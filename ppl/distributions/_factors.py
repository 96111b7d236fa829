"""Covariances given by matrix, inverse or Cholesky factor: made into the factor."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ParameterError
from ppl._typing import Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import inverse_lower
from ppl.distributions._parameters import as_parameter, known, one_of
from ppl.distributions.constraints import namespace, shape_of


def factor_given(
    family: str, given: dict[str, Any], inverse: str, *, check: bool
) -> tuple[str, Any]:
    """The name of the one matrix that is given, and the factor `L` that it stands for.

    Args:
        family: The distribution, for errors.
        given: The factor (`scale_tril` or `correlation_cholesky`), `L L'` and perhaps
            its inverse by their names; all but one are None.
        inverse: The name of the inverse.
        check: Whether to refuse matrices that are not positive definite.
    """
    name = one_of(family, **given)
    matrix = as_parameter(given[name], constraints.real_matrix)
    square(family, name, shape_of(matrix))
    if name not in ("scale_tril", "correlation_cholesky"):
        matrix = cholesky_of(family, name, matrix, check=check, inverse=name == inverse)
    return name, matrix


def square(family: str, name: str, shape: Shape) -> None:
    """Raise an error unless a matrix is square."""
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ParameterError(
            f"{family}.{name} must be square, shape (..., n, n), got shape {shape}.",
            value=shape,
        )


def with_size(family: str, loc: Any, name: str, shape: Shape) -> Any:
    """`loc` with as many components as the matrix has."""
    n, own = shape[-1], shape_of(loc)
    if own and own[-1] not in (1, n):
        raise ParameterError(
            f"{family}: loc of shape {own} has {own[-1]} components, but "
            f"{name} of shape {shape} has {n}.",
            value=own,
        )
    return namespace(loc).broadcast_to(loc, (*own[:-1], n))


def with_common_rank(loc: Any, tril: Any) -> tuple[Any, Any]:
    """The two with equally many batch dims, so that `vmap` adds its own before both."""
    batch_dims = max(len(shape_of(loc)) - 1, len(shape_of(tril)) - 2)
    made = []
    for value, event_dim in ((loc, 1), (tril, 2)):
        shape = shape_of(value)
        missing = batch_dims + event_dim - len(shape)
        made.append(value.reshape((1,) * missing + shape) if missing > 0 else value)
    return made[0], made[1]


def cholesky_of(
    family: str, name: str, matrix: Any, *, check: bool, inverse: bool
) -> Any:
    """The Cholesky factor of the covariance; NaN where a traced matrix has none."""
    given = known(matrix)
    if isinstance(given, jax.Array):
        return _factor(jnp, given, inverse=inverse)
    given = np.asarray(given, np.float64)
    if check:
        _check_symmetric(family, name, given)
    try:
        return _factor(np, given, inverse=inverse).astype(matrix.dtype)
    except np.linalg.LinAlgError:
        if check and np.isfinite(given).all():
            raise _not_definite(family, name, given) from None
        return np.full_like(given, np.nan).astype(matrix.dtype)


def _factor(xp: Any, matrix: Any, *, inverse: bool) -> Any:
    if not inverse:
        return xp.linalg.cholesky(matrix)
    # P = U U' with U upper triangular, so the covariance has the factor U'^-1.
    upper = xp.flip(xp.linalg.cholesky(xp.flip(matrix, (-2, -1))), (-2, -1))
    lower = xp.swapaxes(upper, -2, -1)
    return np.tril(np.linalg.inv(lower)) if xp is np else inverse_lower(lower)


def _check_symmetric(family: str, name: str, matrix: np.ndarray) -> None:
    if not np.isfinite(matrix).all():
        raise ParameterError(f"{family}.{name} must be finite.", value=matrix)
    off = np.abs(matrix - np.swapaxes(matrix, -2, -1))
    size = np.abs(matrix).max(initial=0.0)
    if off.max(initial=0.0) <= 1e-4 * size:
        return
    *batch, i, j = (int(k) for k in np.unravel_index(off.argmax(), off.shape))
    where = f" of matrix {batch}" if batch else ""
    raise ParameterError(
        f"{family}.{name} not symmetric, largest asymmetry {off.max():g} "
        f"between [{i}, {j}] and [{j}, {i}]{where}.",
        value=float(off.max()),
        hint="If it is a Cholesky factor, give it as scale_tril=.",
    )


def _not_definite(family: str, name: str, matrix: np.ndarray) -> ParameterError:
    smallest = np.linalg.eigvalsh(matrix).min(-1)
    where = ""
    if smallest.ndim:
        worst = np.unravel_index(smallest.argmin(), smallest.shape)
        where = f" of matrix [{', '.join(str(int(k)) for k in worst)}]"
    value = float(f"{smallest.min():.6g}")
    return ParameterError(
        f"{family}.{name} not positive definite, smallest eigenvalue {value}{where}.",
        value=value,
        hint="If this is rounding, add a small number to the diagonal.",
    )


def same_size(family: str, **sizes: int) -> None:
    """Raise an error unless all parameters have the same number of components."""
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ParameterError(f"{family}: sizes differ: {listed}.", value=sizes)
