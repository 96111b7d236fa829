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

from ppl._counts import as_count
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingPackageError,
    ShapeError,
)
from ppl._pytree import pytree, static
from ppl._typing import Array, ArrayLike, Shape
from ppl.distributions import constraints
from ppl.distributions._spline import inverse_spline, knots, spline
from ppl.distributions.transforms.base import Transform, as_float, clamp

__all__ = [
    "BlockNeuralAutoregressiveTransform",
    "ContinuousFlowTransform",
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


@pytree
class ContinuousFlowTransform(Transform):
    """Where a field of velocities carries a vector in a unit of time.

    The log-determinant is the integral of the field's divergence along the way (R. Chen
    et al., 2018, "Neural ordinary differential equations"), which one solve gives with
    the value. The inverse is the solve backwards. Both are right up to the errors of
    the solver, and NaN where it gives up. Derivatives are those of Diffrax's adjoint;
    with its default one they are in reverse mode only.

    Args:
        field: Takes a vector with the time in [0, 1] appended, (dim + 1,), and returns
            its velocity, (dim,), as an `nn.MLP` does. It must be smooth.
        probe: None for the exact divergence, which costs `dim` derivatives of the
            field in each step. Or a vector, (dim,), of mean zero and unit covariance,
            such as random signs, for one derivative (W. Grathwohl et al., 2019,
            "FFJORD"): the log-determinant is right in the mean over probes.
        solver: Of Diffrax; `Tsit5()` if None.
        num_steps: Steps of equal length; None for steps that keep to the tolerances.
        rtol: Relative error of a step.
        atol: Absolute error of a step.
        adjoint: Of Diffrax; `RecursiveCheckpointAdjoint()` if None.

    Raises:
        MissingPackageError: Diffrax is not installed.
        ArgumentError: A number is out of range.
    """

    field: Any
    probe: Any = None
    solver: Any = static(default=None)
    num_steps: int | None = static(default=None)
    rtol: float = static(default=1e-4)
    atol: float = static(default=1e-4)
    adjoint: Any = static(default=None)
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def __post_init__(self) -> None:
        network = _as_network(type(self).__name__, self.field)
        object.__setattr__(self, "field", network)
        check_solver(
            solver=self.solver,
            num_steps=self.num_steps,
            rtol=self.rtol,
            atol=self.atol,
            adjoint=self.adjoint,
        )

    def forward_and_log_det(self, x: ArrayLike) -> tuple[Array, Array]:
        return self._carried(x, (0.0, 1.0))

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[Array, Array]:
        return self._carried(y, (1.0, 0.0))

    def _carried(self, x: ArrayLike, times: tuple[float, float]) -> tuple[Array, Array]:
        """Vectors (..., dim) carried between two times, each by its own solve."""
        x = as_float(x)
        carry = functools.partial(self._one, times=times)
        if self.probe is None:
            return jnp.vectorize(carry, signature="(n)->(n),()")(x)
        return jnp.vectorize(carry, signature="(n),(n)->(n),()")(x, self.probe)

    def _one(
        self, x: Array, probe: Array | None = None, *, times: tuple[float, float]
    ) -> tuple[Array, Array]:
        diffrax = _diffrax()
        begin, end = (jnp.asarray(time, x.dtype) for time in times)
        if self.num_steps is None:
            control = diffrax.PIDController(rtol=self.rtol, atol=self.atol)
        else:
            at = jnp.linspace(begin, end, self.num_steps + 1)
            control = diffrax.StepTo(ts=at)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(_velocity),
            diffrax.Tsit5() if self.solver is None else self.solver,
            t0=begin,
            t1=end,
            dt0=None,
            y0=(x, jnp.zeros((), x.dtype)),
            args=(self.field, probe),
            stepsize_controller=control,
            adjoint=self.adjoint or diffrax.RecursiveCheckpointAdjoint(),
            max_steps=self.num_steps or _MOST_STEPS,
            throw=False,
        )
        arrived = solution.result == diffrax.RESULTS.successful
        value, log_det = jax.tree.map(lambda path: path[-1], solution.ys)
        return (
            jnp.where(arrived, value, jnp.nan),
            jnp.where(arrived, log_det, jnp.nan),
        )


_MOST_STEPS = 1024


def _velocity(time: Array, state: tuple[Array, Array], args: Any) -> Any:
    """The velocity of a vector and of its log-determinant."""
    (x, _), (field, probe) = state, args
    velocity, push = jax.linearize(lambda x: field(jnp.append(x, time)), x)
    if velocity.shape != x.shape:
        raise ShapeError(
            f"ContinuousFlowTransform: the field takes {x.shape[0]} components and the "
            f"time, and must give as many velocities; it gives shape {velocity.shape}.",
            value=velocity.shape,
        )
    if probe is None:
        return velocity, jnp.trace(jax.vmap(push)(jnp.eye(x.shape[0], dtype=x.dtype)))
    return velocity, probe @ push(probe)


def check_solver(
    *, solver: Any, num_steps: Any, rtol: Any, atol: Any, adjoint: Any
) -> dict[str, Any]:
    """How `ContinuousFlowTransform` is to solve.

    Raises:
        MissingPackageError: Diffrax is not installed.
        ArgumentError: A number is out of range.
        ArgumentTypeError: The solver or the adjoint is none of Diffrax.
    """
    diffrax = _diffrax()
    for name, value, kind in (
        ("solver", solver, diffrax.AbstractSolver),
        ("adjoint", adjoint, diffrax.AbstractAdjoint),
    ):
        if value is not None and not isinstance(value, kind):
            raise ArgumentTypeError(
                f"{name} must be one of Diffrax, got {value!r}.",
                value=value,
                hint=f"Give an instance of a subclass of diffrax.{kind.__name__}.",
            )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise ArgumentError(
                f"{name} must be between 0 and 1, got {value!r}.", value=value
            )
    if num_steps is not None:
        num_steps = as_count("num_steps", num_steps)
    return {
        "solver": solver,
        "num_steps": num_steps,
        "rtol": float(rtol),
        "atol": float(atol),
        "adjoint": adjoint,
    }


def _diffrax() -> Any:
    try:
        import diffrax
    except ImportError:
        raise MissingPackageError(
            "continuous flows need the package `diffrax`.",
            value="diffrax",
            hint="Install it: `pip install diffrax`; or use another flow, such as "
            "autoguide.AutoSplineCouplingNormal.",
        ) from None
    return diffrax
