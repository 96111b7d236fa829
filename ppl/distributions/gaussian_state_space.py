"""The path of a linear state with normal innovations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import factor_given, same_size, square
from ppl.distributions._linalg import (
    gram,
    inverse_lower,
    log_diagonal,
    lower_times,
    product,
    solve_lower_columns,
)
from ppl.distributions._parameters import as_parameter
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class GaussianStateSpace(Distribution):
    r"""The states $z_t = A z_{t - 1} + \epsilon_t$ for $t = 1, \dots, T$.

    The innovations $\epsilon_t$ are independent, $\mathcal{N}(0, L L^\top)$. Exactly
    one of the matrices of the innovations is given.

    Args:
        num_steps: The number of steps $T$.
        transition_matrix: The matrix $A$, shape `(..., n, n)`.
        covariance_matrix: The covariance of an innovation, shape `(..., n, n)`.
        precision_matrix: Its inverse, instead.
        scale_tril: Its lower Cholesky factor, instead.
        initial_value: The fixed state $z_0$, which is not part of the path, shape
            `(..., n)`; zero if None.
        validate_args: False skips the check of the parameters.
    """

    num_steps: int = static()
    transition_matrix: ArrayLike = param(constraints.real_matrix)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    initial_value: ArrayLike = param(constraints.real_vector)
    support = constraints.real_matrix
    has_rsample = True

    def __init__(
        self,
        num_steps: int,
        transition_matrix: ArrayLike,
        covariance_matrix: ArrayLike | None = None,
        precision_matrix: ArrayLike | None = None,
        scale_tril: ArrayLike | None = None,
        initial_value: ArrayLike | None = None,
        *,
        validate_args: bool | None = None,
    ):
        family, check = "GaussianStateSpace", validate_args is not False
        if not isinstance(num_steps, int | np.integer) or num_steps < 1:
            raise ArgumentError(
                f"{family}: num_steps must be an integer >= 1, got {num_steps!r}.",
                value=num_steps,
            )
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        name, tril = factor_given(family, given, "precision_matrix", check=check)
        transition = as_parameter(transition_matrix, constraints.real_matrix)
        square(family, "transition_matrix", shape_of(transition))
        size = shape_of(transition)[-1]
        if initial_value is None:
            initial_value = np.zeros(size, np.float32)
        sizes = {name: shape_of(tril)[-1], "initial_value": np.shape(initial_value)[-1]}
        same_size(family, transition_matrix=size, **sizes)
        self._set(
            num_steps=int(num_steps),
            transition_matrix=transition,
            scale_tril=tril,
            initial_value=initial_value,
            validate_args=validate_args,
        )

    @property
    def event_shape(self) -> Shape:
        return (self.num_steps, shape_of(self.transition_matrix)[-1])

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        shape = self.shape(sample_shape)
        (_, tril, transition, start) = self._floats()
        noise = lower_times(tril[..., None, :, :], jax.random.normal(key, shape))

        def step(state: Array, noise: Array) -> tuple[Array, Array]:
            state = lower_times(transition, state) + noise
            return state, state

        start = jnp.broadcast_to(start, (*shape[:-2], shape[-1])).astype(noise.dtype)
        _, path = jax.lax.scan(step, start, jnp.moveaxis(noise, -2, 0))
        return jnp.moveaxis(path, 0, -2)

    def _floats(self) -> tuple[Array, ...]:
        return as_floats(0, self.scale_tril, self.transition_matrix, self.initial_value)

    def log_prob(self, value: ArrayLike) -> Array:
        (value, start) = as_floats(value, self.initial_value)
        start = jnp.broadcast_to(
            start[..., None, :], (*self._batch_of(value), 1, value.shape[-1])
        )
        value = jnp.broadcast_to(value, (*start.shape[:-2], *value.shape[-2:]))
        before = jnp.concatenate([start, value[..., :-1, :]], axis=-2)
        transition = jnp.asarray(self.transition_matrix)[..., None, :, :]
        innovations = value - lower_times(transition, before)
        tril = jnp.asarray(self.scale_tril)
        z = solve_lower_columns(tril, jnp.swapaxes(innovations, -2, -1))
        steps, size = self.event_shape
        constant = steps * (log_diagonal(tril) + size * HALF_LOG_2PI)
        return -0.5 * (z * z).sum((-2, -1)) - constant

    def _batch_of(self, value: Array) -> Shape:
        return tuple(np.broadcast_shapes(value.shape[:-2], self.batch_shape))

    @property
    def covariance_matrix(self) -> Array:
        """Of one innovation, shape `batch_shape + (n, n)`."""
        n = self.event_shape[1]
        return jnp.broadcast_to(gram(self.scale_tril), (*self.batch_shape, n, n))

    @property
    def precision_matrix(self) -> Array:
        """The inverse of the covariance of one innovation."""
        n = self.event_shape[1]
        inverse = jnp.swapaxes(inverse_lower(self.scale_tril), -2, -1)
        return jnp.broadcast_to(gram(inverse), (*self.batch_shape, n, n))

    @property
    def mean(self) -> Array:
        (_, _, transition, start) = self._floats()
        shape = (*self.batch_shape, self.event_shape[1])

        def step(state: Array, _: None) -> tuple[Array, Array]:
            state = lower_times(transition, state)
            return state, state

        start = jnp.broadcast_to(start, shape)
        _, path = jax.lax.scan(step, start, None, length=self.num_steps)
        return jnp.moveaxis(path, 0, -2)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        (_, tril, transition, _) = self._floats()
        n = self.event_shape[1]

        def step(root: Array, _: None) -> tuple[Array, Array]:
            return product(transition, root), jnp.square(root).sum(-1)

        root = jnp.broadcast_to(tril, (*self.batch_shape, n, n))
        _, parts = jax.lax.scan(step, root, None, length=self.num_steps)
        return jnp.moveaxis(jnp.cumsum(parts, axis=0), 0, -2)

    def entropy(self) -> Array:
        steps, size = self.event_shape
        entropy = steps * (size * (0.5 + HALF_LOG_2PI) + log_diagonal(self.scale_tril))
        return jnp.broadcast_to(entropy, self.batch_shape)
