"""Flows: bijections of real vectors that networks with free weights make.

They are transforms for `TransformedDistribution`; the weights of the networks (see
`ppl.nn`) are leaves. A plain function serves as a network too; of a `partial`, the
bound arguments are leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg

from ppl._errors import ArgumentError, ArgumentTypeError, ShapeError
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._spline import inverse_spline, knots, spline
from ppl.distributions.transforms.base import Transform, as_float, clamp

__all__ = [
    "BlockNeuralAutoregressiveTransform",
    "InverseAutoregressiveTransform",
    "SplineCouplingTransform",
]


def _as_network(name: str, network: Any) -> Any:
    """A callable as a pytree."""
    if not callable(network):
        raise ArgumentTypeError(
            f"{name} needs a network that can be called, got {network!r}.",
            value=network,
        )
    if isinstance(network, jax.tree_util.Partial):
        return network
    if isinstance(network, functools.partial):
        return jax.tree_util.Partial(network.func, *network.args, **network.keywords)
    leaves = jax.tree.leaves(network)
    plain = len(leaves) == 1 and leaves[0] is network
    return jax.tree_util.Partial(network) if plain else network


@pytree
class InverseAutoregressiveTransform(Transform):
    """`y = mean(x) + exp(log_scale(x)) x`, both of them autoregressive.

    (D. Kingma et al., 2016, "Improving variational inference with inverse
    autoregressive flow".) The inverse calls the network once for each component.
    Beyond the bounds of the log scale its gradient is zero.

    Args:
        autoregressive_nn: Returns mean and log scale, as `nn.AutoregressiveNN` does.
        log_scale_min_clip: The least log scale.
        log_scale_max_clip: The largest log scale.
    """

    autoregressive_nn: Any
    log_scale_min_clip: float = static(default=-5.0)
    log_scale_max_clip: float = static(default=3.0)
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def __post_init__(self) -> None:
        network = _as_network(type(self).__name__, self.autoregressive_nn)
        object.__setattr__(self, "autoregressive_nn", network)

    def _parts(self, x: Array) -> tuple[Array, Array]:
        mean, log_scale = self.autoregressive_nn(x)
        return mean, clamp(log_scale, self.log_scale_min_clip, self.log_scale_max_clip)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        x = as_float(x)
        mean, log_scale = self._parts(x)
        return mean + jnp.exp(log_scale) * x, log_scale.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)

        def again(x: Array, _: None) -> tuple[Array, None]:
            mean, log_scale = self._parts(x)
            return (y - mean) * jnp.exp(-log_scale), None

        # Each round makes one more component right, in the order of the network.
        x, _ = jax.lax.scan(again, jnp.zeros_like(y), None, length=y.shape[-1])
        return x, -self._parts(x)[1].sum(-1)


@pytree
class BlockNeuralAutoregressiveTransform(Transform):
    """A monotone network as a bijection (N. De Cao, I. Titov and W. Aziz, 2019).

    It has no inverse in closed form: the components are found one after the other by
    bisection, which calls the network a hundred times for each.

    Args:
        bn_arn: Returns the result and the logs of the diagonal of the Jacobian, as
            `nn.BlockNeuralAutoregressiveNN` does; component `k` sees those up to `k`.
    """

    bn_arn: Any
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def __post_init__(self) -> None:
        network = _as_network(type(self).__name__, self.bn_arn)
        object.__setattr__(self, "bn_arn", network)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        y, log_slopes = self.bn_arn(as_float(x))
        return y, log_slopes.sum(-1)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        y = as_float(y)
        inverse = self._one_inverse
        for _ in y.shape[:-1]:
            inverse = jax.vmap(inverse)
        x = inverse(y)
        return x, -self.bn_arn(x)[1].sum(-1)

    def _one_inverse(self, y: Array) -> Array:
        """The argument of one vector, with the gradient of an implicit function."""
        size = y.shape[-1]
        steps = 2 * jnp.finfo(y.dtype).nmant + 16

        def solve(x: Array, k: Array) -> tuple[Array, None]:
            def off(value: Array) -> Array:
                return (self.bn_arn(x.at[k].set(value))[0] - y)[k]

            def widen(_: int, reach: Array) -> Array:
                inside = (off(-reach) <= 0) & (off(reach) >= 0)
                return jnp.where(inside, reach, 2.0 * reach)

            reach = jax.lax.fori_loop(0, 40, widen, jnp.ones((), y.dtype))

            def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
                low, high = ends
                middle = 0.5 * low + 0.5 * high
                above = off(middle) > 0
                return jnp.where(above, low, middle), jnp.where(above, middle, high)

            low, high = jax.lax.fori_loop(0, steps, halve, (-reach, reach))
            return x.at[k].set(0.5 * low + 0.5 * high), None

        x, _ = jax.lax.scan(solve, jnp.zeros_like(y), jnp.arange(size))
        x = jax.lax.stop_gradient(x)
        # One step of Newton's method polishes the root and carries its gradient.
        jacobian = jax.lax.stop_gradient(jax.jacfwd(lambda x: self.bn_arn(x)[0])(x))
        off = self.bn_arn(x)[0] - y
        return x - jax.scipy.linalg.solve_triangular(jacobian, off, lower=True)


@pytree
class SplineCouplingTransform(Transform):
    """The first components choose monotone rational-quadratic splines for the others.

    Outside `[-bound, bound]` the splines are the identity. (C. Durkan, A. Bekasov, I.
    Murray and G. Papamakarios, 2019, "Neural spline flows".) With a `PermuteTransform`
    between two of them, all components take part.

    Args:
        conditioner: Takes the first `split_dim` components and returns
            `(dim - split_dim) * (3 * count_bins - 1)` numbers, as an `nn.MLP` does.
        split_dim: How many components choose.
        count_bins: The number of bins of each spline.
        bound: Where the splines end.
    """

    conditioner: Any
    split_dim: int = static()
    count_bins: int = static(default=8)
    bound: float = static(default=3.0)
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def __post_init__(self) -> None:
        network = _as_network(type(self).__name__, self.conditioner)
        object.__setattr__(self, "conditioner", network)
        if self.split_dim < 1 or self.count_bins < 1 or not self.bound > 0:
            raise ArgumentError(
                "SplineCouplingTransform needs split_dim and count_bins of at least 1 "
                f"and a positive bound, got {self.split_dim}, {self.count_bins} and "
                f"{self.bound}.",
                value=(self.split_dim, self.count_bins, self.bound),
            )

    def _mapped(
        self, x: ArrayLike, curve: Callable[..., tuple[Array, Array]]
    ) -> tuple[Array, Array]:
        x = as_float(x)
        first, rest = x[..., : self.split_dim], x[..., self.split_dim :]
        wanted = (*rest.shape, 3 * self.count_bins - 1)
        raw = self.conditioner(first)
        if rest.shape[-1] == 0 or raw.shape[-1] != wanted[-2] * wanted[-1]:
            raise ShapeError(
                f"SplineCouplingTransform: {rest.shape[-1]} components with "
                f"{self.count_bins} bins need {wanted[-2] * wanted[-1]} numbers, and "
                f"the conditioner gives {raw.shape[-1]}.",
                value=raw.shape,
            )
        y, log_slope = curve(rest, knots(raw.reshape(wanted), self.bound))
        return jnp.concatenate([first, y], -1), log_slope.sum(-1)

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        return self._mapped(x, spline)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        return self._mapped(y, inverse_spline)

    def forward_shape(self, shape: Shape) -> Shape:
        return shape
