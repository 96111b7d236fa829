"""Gaussian processes: the values of a random function at given inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ShapeError
from ppl._pytree import pytree
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import with_common_rank
from ppl.distributions._linalg import (
    gram,
    log_diagonal,
    lower_times,
    product,
    solve_lower,
    solve_lower_columns,
    solve_upper,
)
from ppl.distributions._parameters import as_parameter
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import shape_of
from ppl.distributions.distribution import Distribution, distribution, param

Kernel = Callable[[Array, Array], Array]


@pytree
class _Conditioned:
    """The kernel that is left of a kernel when values at some inputs are known."""

    kernel: Any
    inputs: Array
    scale_tril: Array

    def __call__(self, first: Array, second: Array) -> Array:
        left = solve_lower_columns(self.scale_tril, self.kernel(self.inputs, first))
        right = solve_lower_columns(self.scale_tril, self.kernel(self.inputs, second))
        known = product(jnp.swapaxes(left, -2, -1), right)
        return self.kernel(first, second) - known


@distribution
class GaussianProcess(Distribution):
    r"""Noisy values of a Gaussian process at given inputs, $\mathcal{N}(\mu, K + s^2)$.

    (C. E. Rasmussen, C. K. I. Williams, 2006, "Gaussian processes for machine
    learning", chapter 2.)

    Args:
        kernel: Takes two arrays of inputs, of `n` and of `m` rows, and returns the
            `(n, m)` covariances of the function there. Parameters that are to be traced
            through `jit` or `vmap` with the distribution must be leaves of it, as of a
            `jax.tree_util.Partial`.
        inputs: Of `n` rows, in whatever form the kernel takes.
        loc: The mean, a number or shape `(..., n)`.
        noise: The standard deviation of independent normal noise, a number or one for
            each input.
        jitter: Added to the diagonal as a share of its mean, or the covariance could
            not be factorised; by default only where `noise` is the number 0.
        validate_args: False skips the check of the parameters.
    """

    loc: ArrayLike = param(constraints.real_vector)
    scale_tril: ArrayLike = param(constraints.lower_cholesky)
    kernel: Any
    inputs: Any
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        kernel: Kernel,
        inputs: ArrayLike,
        loc: ArrayLike = 0.0,
        noise: ArrayLike = 0.0,
        *,
        jitter: float | None = None,
        validate_args: bool | None = None,
    ):
        inputs = jnp.asarray(inputs)
        covariance = as_floats(kernel(inputs, inputs))[0]
        n = covariance.shape[-1]
        if covariance.ndim < 2 or covariance.shape[-2] != n:
            raise ShapeError(
                "GaussianProcess: the kernel must return a matrix of covariances, got "
                f"shape {covariance.shape}.",
                value=covariance.shape,
            )
        if jitter is None:
            exact = isinstance(noise, int | float) and noise == 0
            small = 1e-6 if jnp.finfo(covariance.dtype).nmant < 30 else 1e-12
            jitter = small if exact else 0.0
        diagonal = jnp.diagonal(covariance, axis1=-2, axis2=-1)
        lift = jitter * diagonal.mean(-1, keepdims=True) + jnp.square(
            jnp.asarray(noise, covariance.dtype)
        )
        covariance = covariance + lift[..., None] * jnp.eye(n, dtype=covariance.dtype)
        loc = as_parameter(loc, constraints.real_vector)
        loc = jnp.broadcast_to(loc, (*shape_of(loc)[:-1], n))
        loc, tril = with_common_rank(loc, jnp.linalg.cholesky(covariance))
        if jax.tree.structure(kernel) == jax.tree.structure(0):
            kernel = jax.tree_util.Partial(kernel)  # a function is no leaf
        self._set(
            loc=loc,
            scale_tril=tril,
            kernel=kernel,
            inputs=inputs,
            validate_args=validate_args,
        )

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.scale_tril)[-1:]

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        return self.loc + lower_times(self.scale_tril, eps)

    def log_prob(self, value: ArrayLike) -> Array:
        z = solve_lower(self.scale_tril, value - self.loc)
        constant = log_diagonal(self.scale_tril) + z.shape[-1] * HALF_LOG_2PI
        return -0.5 * (z * z).sum(-1) - constant

    def conditional(
        self,
        value: ArrayLike,
        inputs: ArrayLike,
        loc: ArrayLike = 0.0,
        noise: ArrayLike = 0.0,
    ) -> GaussianProcess:
        """The process at other inputs, given all its (noisy) values here.

        Args:
            value: The values here, shape `(..., n)`.
            inputs: The other inputs.
            loc: The mean there, before the values are known.
            noise: The standard deviation of the noise there; 0 for the function itself.
        """
        inputs = jnp.asarray(inputs)
        z = solve_lower(self.scale_tril, value - self.loc)
        weights = solve_upper(self.scale_tril, z)
        across = self.kernel(inputs, self.inputs)
        kernel = _Conditioned(self.kernel, self.inputs, jnp.asarray(self.scale_tril))
        mean = loc + lower_times(across, weights)
        return GaussianProcess(kernel, inputs, mean, noise)

    @property
    def covariance_matrix(self) -> Array:
        """Of the values with their noise, shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        return jnp.broadcast_to(gram(self.scale_tril), (*self.batch_shape, n, n))

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        variance = jnp.square(self.scale_tril).sum(-1)
        return jnp.broadcast_to(variance, self.batch_shape + self.event_shape)

    def entropy(self) -> Array:
        (n,) = self.event_shape
        entropy = n * (0.5 + HALF_LOG_2PI) + log_diagonal(self.scale_tril)
        return jnp.broadcast_to(entropy, self.batch_shape)
