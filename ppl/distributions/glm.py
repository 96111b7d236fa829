r"""Outcomes of all rows at once, given a linear predictor: generalised linear models.

`BernoulliLogitsGLM(x, intercept, coefficients)` has the density of
`BernoulliLogits(x @ coefficients + intercept).to_event(1)`. Knowing `x`, it takes value
and gradient from one pass over blocks of rows: for many rows that is several times as
fast, needs no memory for predictors, and loses no digits in float32 to long sums.

All rows are one event: no plate goes around them. To leave rows out, leave them out of
`x` and of the outcomes. What needs the density of each row (cross-validation, missing
outcomes) is for the elementwise families.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ShapeError
from ppl._pytree import replace
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import _row_blocks, constraints
from ppl.distributions._counts import poisson
from ppl.distributions._parameters import ParameterCheck, as_parameter
from ppl.distributions._row_blocks import sum_in_two
from ppl.distributions._special import (
    HALF_LOG_2PI,
    as_floats,
    deviance,
    is_whole,
    softplus,
    stirling_rest_of_counts,
    two_shares,
)
from ppl.distributions._sums import bell_entropy
from ppl.distributions.constraints import Constraint, namespace, shape_of
from ppl.distributions.distribution import (
    Distribution,
    distribution,
    param,
    sum_less,
)


class AbstractGLM(Distribution):
    """What the families share: shapes, predictor, and the sum over rows."""

    x: ArrayLike
    intercept: ArrayLike
    coefficients: ArrayLike

    @property
    @abstractmethod
    def _family(self) -> _row_blocks.Family:
        """The terms and slopes of a block of rows."""

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        family = type(self).__name__
        for name, constraint in _MATRICES.items():
            value = as_parameter(getattr(self, name), constraint)
            object.__setattr__(self, name, value)
        x, coefficients = shape_of(self.x), shape_of(self.coefficients)
        if len(x) < 2:
            raise ShapeError(
                f"{family}: x must be a matrix, (rows, columns), got shape {x}.",
                value=x,
                hint="A single column is x[:, None].",
            )
        if not coefficients or coefficients[-1] != x[-1]:
            has = f"{coefficients[-1]}" if coefficients else "no dim for them"
            raise ShapeError(
                f"{family}: x of shape {x} has {x[-1]} columns, but coefficients of "
                f"shape {coefficients} has {has}.",
                value=coefficients,
                hint="Give one coefficient a column, .expand([columns]).to_event(1); "
                "the intercept is apart.",
            )
        super()._prepare(validate_args)

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.x)[-2:-1]

    def expand(self, batch_shape: Shape) -> Any:
        # The matrix stays as it is: all members walk over it together.
        batch_shape = tuple(batch_shape)
        changes = {}
        for name, constraint in self.parameter_constraints().items():
            value = getattr(self, name)
            own = shape_of(value)
            event = own[len(own) - constraint.event_dim :]
            if name == "x":
                lacking = len(batch_shape) + 2 - len(own)
                changes[name] = value.reshape((1,) * lacking + own)
            else:
                xp = namespace(value)
                changes[name] = xp.broadcast_to(value, batch_shape + event)
        return replace(self, **changes)

    def mask(self, mask: Any) -> Any:
        shape, batch = shape_of(mask), self.batch_shape
        if len(shape) > len(batch) and shape[-1:] == self.event_shape:
            raise ShapeError(
                f"a mask of shape {shape} has an entry for each row, but all rows of "
                f"{type(self).__name__} are one event.",
                value=shape,
                hint="Leave the rows out of x and of the outcomes, or use the "
                "elementwise family.",
            )
        return super().mask(mask)

    def parameter_checks(self) -> list[ParameterCheck]:
        # An error shows the entry of the matrix that is wrong, not the matrix.
        first, *others = super().parameter_checks()
        return [first._replace(verdict=constraints.real), *others]

    @property
    def predictor(self) -> Array:
        """`x @ coefficients + intercept`, of shape `batch_shape + event_shape`."""
        x, intercept, coefficients = as_floats(
            self.x, self.intercept, self.coefficients
        )
        highest = jax.lax.Precision.HIGHEST
        x = x.reshape(_without_ones(x.shape))
        if x.ndim == 2:
            product = jnp.matmul(coefficients, x.T, precision=highest)
        else:
            product = jnp.einsum("...nd,...d->...n", x, coefficients, precision=highest)
        return product + intercept[..., None]

    @abstractmethod
    def _log_prob_in_two(self, value: ArrayLike) -> tuple[Array, Array]:
        """The log density, and what rounding has taken from it."""

    def log_prob(self, value: ArrayLike) -> Array:
        high, low = self._log_prob_in_two(value)
        return high + low

    def log_prob_less(self, value: ArrayLike, base: ArrayLike) -> Array:
        high, low = self._log_prob_in_two(value)
        return sum_less(high, base) + jnp.sum(low)

    def _over_rows(self, value: ArrayLike) -> Array:
        """`value`, broadcast to the shape of a draw."""
        return jnp.broadcast_to(value, self.shape())

    def _outcomes(self, value: ArrayLike) -> Array:
        shape, (rows,) = shape_of(value), self.event_shape
        if not shape or shape[-1] != rows:
            raise ShapeError(
                f"{type(self).__name__}: x of shape {shape_of(self.x)} has {rows} "
                f"rows, but outcomes of shape {shape} have not.",
                value=shape,
                hint="Give one outcome a row, along the last dim.",
            )
        return as_floats(value)[0]

    def _sum(self, outcomes: Array) -> tuple[Array, Array]:
        """The sum over rows of what the family says, in two floats.

        The matrix is walked over once, whatever the batch, unless it has a batch too.
        """
        x, intercept, coefficients, outcomes = as_floats(
            self.x, self.intercept, self.coefficients, outcomes
        )
        batch = jnp.broadcast_shapes(outcomes.shape[:-1], self.batch_shape)
        x = x.reshape(_without_ones(x.shape))
        rows, columns = x.shape[-2:]
        members = math.prod(batch)
        coefficients = jnp.broadcast_to(coefficients, (*batch, columns))
        intercept = jnp.broadcast_to(intercept, batch)[..., None]
        coefficients = jnp.concatenate([coefficients, intercept], -1)
        coefficients = coefficients.reshape(members, columns + 1)
        if math.prod(outcomes.shape[:-1]) == 1 and x.ndim == 2:
            outcomes = outcomes.reshape(rows)
        else:
            outcomes = jnp.broadcast_to(outcomes, (*batch, rows))
            outcomes = outcomes.reshape(members, rows)

        sum_over_rows = partial(_row_blocks.log_likelihood, self._family)
        if x.ndim == 2:
            high, low = sum_over_rows(x, outcomes, coefficients)
        else:
            x = jnp.broadcast_to(x, (*batch, rows, columns))
            x = x.reshape(members, rows, columns)
            high, low = jax.vmap(sum_over_rows)(x, outcomes, coefficients[:, None])
        return high.reshape(batch), low.reshape(batch)


_MATRICES: dict[str, Constraint] = {
    "x": constraints.real_matrix,
    "coefficients": constraints.real_vector,
}


def _without_ones(shape: Shape) -> Shape:
    """The shape of a matrix without its batch dims if that is a batch of one."""
    return shape[-2:] if math.prod(shape[:-2]) == 1 else shape


@distribution
class BernoulliLogitsGLM(AbstractGLM):
    """Zeros and ones whose log odds are `x @ coefficients + intercept`.

    Args:
        x: A matrix, shape (rows, columns).
        intercept: Shape `batch_shape`.
        coefficients: Shape `batch_shape + (columns,)`.
    """

    x: ArrayLike = param(constraints.real_matrix)
    intercept: ArrayLike = param(constraints.real)
    coefficients: ArrayLike = param(constraints.real_vector)
    support = constraints.independent(constraints.boolean, 1)

    @property
    def _family(self) -> _row_blocks.Family:
        return _row_blocks.bernoulli_logits

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        shape = self.shape(sample_shape)
        draws = jax.random.bernoulli(key, self.mean, shape, mode="high")
        return draws.astype(jnp.result_type(int))

    def _log_prob_in_two(self, value: ArrayLike) -> tuple[Array, Array]:
        outcomes = self._outcomes(value)
        inside = ((outcomes == 0) | (outcomes == 1)).all(-1)
        high, low = self._sum(outcomes)
        return jnp.where(inside, high, -jnp.inf), low

    @property
    def mean(self) -> Array:
        return self._over_rows(two_shares(self.predictor)[0])

    @property
    def variance(self) -> Array:
        p, q = two_shares(self.predictor)
        return self._over_rows(p * q)

    @property
    def mode(self) -> Array:
        return self._over_rows((self.predictor > 0).astype(jnp.result_type(int)))

    def entropy(self) -> Array:
        logits = self.predictor
        p, q = two_shares(logits)
        each = p * softplus(-logits) + q * softplus(logits)
        return self._over_rows(each).sum(-1)


@distribution
class PoissonLogGLM(AbstractGLM):
    """Counts whose log rates are `x @ coefficients + intercept`.

    Args:
        x: A matrix, shape (rows, columns).
        intercept: Shape `batch_shape`.
        coefficients: Shape `batch_shape + (columns,)`.
    """

    x: ArrayLike = param(constraints.real_matrix)
    intercept: ArrayLike = param(constraints.real)
    coefficients: ArrayLike = param(constraints.real_vector)
    support = constraints.independent(constraints.nonnegative_integer, 1)

    @property
    def _family(self) -> _row_blocks.Family:
        return _row_blocks.poisson_log

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        """Draws; the largest integer where the count does not fit."""
        return poisson(key, self.mean, self.shape(sample_shape))

    def _log_prob_in_two(self, value: ArrayLike) -> tuple[Array, Array]:
        outcomes = self._outcomes(value)
        inside = (outcomes >= 0) & jnp.asarray(is_whole(value))
        counts = jnp.where(inside, outcomes, 0.0)
        high, low = self._sum(counts)
        # The remainder has no parameter in it: no gradient, and the same at every step.
        rest = _row_blocks.fold(jnp.add, stirling_rest_of_counts(counts))
        rest, rest_low = sum_in_two(rest, jnp.zeros_like(rest))
        high, error = _row_blocks.two_sum(high, -rest)
        low = low + error - rest_low
        return jnp.where(inside.all(-1), high, -jnp.inf), low

    @property
    def mean(self) -> Array:
        return self._over_rows(jnp.exp(self.predictor))

    @property
    def variance(self) -> Array:
        return self.mean

    @property
    def mode(self) -> Array:
        return jnp.floor(self.mean).astype(jnp.result_type(int))

    def entropy(self) -> Array:
        """By an accurate sum for each row."""
        rate = self.mean

        def log_prob(count: Array) -> Array:
            below = count < 0
            count = jnp.where(below, 0.0, count)
            inside = -stirling_rest_of_counts(count) - deviance(count, rate)
            return jnp.where(below, -jnp.inf, inside)

        return bell_entropy(log_prob, rate, rate).sum(-1)


@distribution
class NormalGLM(AbstractGLM):
    """Normal outcomes with means `x @ coefficients + intercept` and one scale.

    Args:
        x: A matrix, shape (rows, columns).
        intercept: Shape `batch_shape`.
        coefficients: Shape `batch_shape + (columns,)`.
        scale: The standard deviation of every row, shape `batch_shape`.
    """

    x: ArrayLike = param(constraints.real_matrix)
    intercept: ArrayLike = param(constraints.real)
    coefficients: ArrayLike = param(constraints.real_vector)
    scale: ArrayLike = param(constraints.positive)
    support = constraints.real_vector
    has_rsample = True

    @property
    def _family(self) -> _row_blocks.Family:
        return _row_blocks.normal_identity

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        (scale,) = as_floats(self.scale)
        return self.predictor + scale[..., None] * eps

    def _log_prob_in_two(self, value: ArrayLike) -> tuple[Array, Array]:
        high, low = self._sum(self._outcomes(value))
        (rows,), (scale,) = self.event_shape, as_floats(self.scale)
        constant = rows * (jnp.log(scale) + HALF_LOG_2PI)
        return high / scale / scale - constant, low / scale / scale

    @property
    def mean(self) -> Array:
        return self._over_rows(self.predictor)

    @property
    def variance(self) -> Array:
        (scale,) = as_floats(self.scale)
        return self._over_rows(jnp.square(scale)[..., None])

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Array:
        (scale,) = as_floats(self.scale)
        each = self._over_rows((HALF_LOG_2PI + 0.5 + jnp.log(scale))[..., None])
        return each.sum(-1)
