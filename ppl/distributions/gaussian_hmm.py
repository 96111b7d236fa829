"""Linear Gaussian state-space models, whose states are integrated out."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import same_size
from ppl.distributions._linalg import (
    log_diagonal,
    lower_times,
    product,
    solve_lower,
)
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _factor(*roots: Array) -> Array:
    """The Cholesky factor of the sum of all `R R'`, without forming it."""
    wide = jnp.concatenate(roots, axis=-1)
    upper = jnp.linalg.qr(jnp.swapaxes(wide, -2, -1), mode="r")
    sign = jnp.where(jnp.diagonal(upper, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return jnp.swapaxes(upper * sign[..., :, None], -2, -1)


@distribution
class GaussianHMM(Distribution):
    r"""Observations $y_t = C x_t + v_t$ of a state $x_{t + 1} = A x_t + w_t$.

    The first state is $\mathcal{N}(m, P)$, the noises are independent and normal, and
    the states are integrated out: a density is that of all observations. It is found
    by a Kalman filter on Cholesky factors of covariances, which keeps its digits in
    float32. (P. Kaminski, A. Bryson, S. Schmidt, 1971, "Discrete square root
    filtering".)

    Args:
        num_steps: The number of observations.
        initial_loc: The mean $m$ of the first state, shape `(..., n)`.
        initial_scale_tril: The Cholesky factor of $P$, shape `(..., n, n)`.
        transition_matrix: The matrix $A$, shape `(..., n, n)`.
        transition_scale_tril: The Cholesky factor of the covariance of $w$.
        observation_matrix: The matrix $C$, shape `(..., m, n)`.
        observation_scale_tril: The Cholesky factor of the covariance of $v$, shape
            `(..., m, m)`.
    """

    num_steps: int = static()
    initial_loc: ArrayLike = param(constraints.real_vector)
    initial_scale_tril: ArrayLike = param(constraints.lower_cholesky)
    transition_matrix: ArrayLike = param(constraints.real_matrix)
    transition_scale_tril: ArrayLike = param(constraints.lower_cholesky)
    observation_matrix: ArrayLike = param(constraints.real_matrix)
    observation_scale_tril: ArrayLike = param(constraints.lower_cholesky)
    support = constraints.real_matrix
    has_rsample = True

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        steps = self.num_steps
        if not isinstance(steps, int | np.integer) or steps < 1:
            raise ArgumentError(
                f"GaussianHMM: num_steps must be an integer >= 1, got {steps!r}.",
                value=steps,
            )
        super()._prepare(validate_args)
        rows, columns = shape_of(self.transition_matrix)[-2:]
        seen, hidden = shape_of(self.observation_matrix)[-2:]
        same_size(
            "GaussianHMM, state",
            initial_loc=shape_of(self.initial_loc)[-1],
            initial_scale_tril=shape_of(self.initial_scale_tril)[-1],
            transition_rows=rows,
            transition_columns=columns,
            transition_scale_tril=shape_of(self.transition_scale_tril)[-1],
            observation_columns=hidden,
        )
        noise = shape_of(self.observation_scale_tril)[-1]
        same_size(
            "GaussianHMM, observation",
            observation_rows=seen,
            observation_scale_tril=noise,
        )

    @property
    def event_shape(self) -> Shape:
        return (self.num_steps, shape_of(self.observation_matrix)[-2])

    def _floats(self) -> tuple[Array, ...]:
        return as_floats(
            *(getattr(self, name) for name in self.parameter_constraints())
        )

    def _over_batch_of(self, root: Array) -> Array:
        return jnp.broadcast_to(root, self.batch_shape + root.shape[-2:])

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        loc, first, transition, inner, seen, outer = self._floats()
        key_first, key_inner, key_outer = jax.random.split(key, 3)
        batch = (*sample_shape, *self.batch_shape)
        n, m = loc.shape[-1], outer.shape[-1]
        start = loc + lower_times(first, jax.random.normal(key_first, (*batch, n)))
        steps = (self.num_steps - 1, *batch, n)
        noise = lower_times(inner, jax.random.normal(key_inner, steps))

        def step(state: Array, noise: Array) -> tuple[Array, Array]:
            state = lower_times(transition, state) + noise
            return state, state

        _, states = jax.lax.scan(step, start, noise)
        states = jnp.concatenate([start[None], states])
        eps = jax.random.normal(key_outer, (self.num_steps, *batch, m))
        values = lower_times(seen, states) + lower_times(outer, eps)
        return jnp.moveaxis(values, 0, -2)

    def log_prob(self, value: ArrayLike) -> Array:
        loc, first, transition, inner, seen, outer = self._floats()
        (value,) = as_floats(value)
        batch = np.broadcast_shapes(value.shape[:-2], self.batch_shape)
        n, m = loc.shape[-1], outer.shape[-1]
        outer, inner = self._over_batch_of(outer), self._over_batch_of(inner)
        corner = jnp.zeros((*self.batch_shape, n, m), outer.dtype)

        def step(carry: Any, y: Array) -> tuple[Any, Array]:
            mean, root, total = carry
            # The factor of the covariance of observation and state together.
            top = jnp.concatenate([outer, product(seen, root)], axis=-1)
            bottom = jnp.concatenate([corner, root], axis=-1)
            joint = _factor(jnp.concatenate([top, bottom], axis=-2))
            spread, gain = joint[..., :m, :m], joint[..., m:, :m]
            z = solve_lower(spread, y - lower_times(seen, mean))
            total = total - 0.5 * (z * z).sum(-1) - log_diagonal(spread)
            mean = lower_times(transition, mean + lower_times(gain, z))
            root = _factor(product(transition, joint[..., m:, m:]), inner)
            return (mean, root, total), None

        mean = jnp.broadcast_to(loc, (*batch, n)).astype(outer.dtype)
        start = (mean, self._over_batch_of(first), jnp.zeros(batch, outer.dtype))
        (_, _, total), _ = jax.lax.scan(step, start, jnp.moveaxis(value, -2, 0))
        return total - self.num_steps * m * HALF_LOG_2PI

    def _moments(self) -> tuple[Array, Array]:
        loc, first, transition, inner, seen, outer = self._floats()
        inner, own = self._over_batch_of(inner), jnp.square(outer).sum(-1)

        def step(carry: Any, _: None) -> tuple[Any, Any]:
            mean, root = carry
            seen_now = lower_times(seen, mean)
            spread = jnp.square(product(seen, root)).sum(-1) + own
            root = _factor(product(transition, root), inner)
            return (lower_times(transition, mean), root), (seen_now, spread)

        mean = jnp.broadcast_to(loc, (*self.batch_shape, loc.shape[-1]))
        start = (mean, self._over_batch_of(first))
        _, moments = jax.lax.scan(step, start, None, length=self.num_steps)
        mean, variance = (jnp.moveaxis(part, 0, -2) for part in moments)
        return mean, jnp.broadcast_to(variance, self.shape())

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self._moments()[0], self.shape())

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        return self._moments()[1]
