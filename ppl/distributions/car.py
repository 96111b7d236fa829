"""The conditional autoregressive distribution over the nodes of a graph."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ParameterError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._factors import same_size, square
from ppl.distributions._linalg import lower_times, solve_upper
from ppl.distributions._parameters import as_parameter, known
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import namespace, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


class Graph:
    """A weighted graph as a constant: edges, row sums, and the spectrum.

    Attributes:
        ends: The two ends of each edge, the lower first, shape `(2, edges)`.
        weights: Of the edges.
        degrees: The sum of the weights at each node.
        below_one: One less the eigenvalues of `D^-1/2 W D^-1/2`.
        above_minus_one: One more than they.
    """

    def __init__(self, matrix: np.ndarray):
        matrix = np.asarray(matrix, np.float64)
        ends = np.argwhere(np.triu(matrix) != 0).T
        self.ends = ends.astype(np.int32)
        self.weights = matrix[ends[0], ends[1]]
        degrees = matrix.sum(-1)
        root = np.sqrt(np.where(degrees > 0, degrees, np.nan))
        scaled = np.nan_to_num(matrix / root / root[:, None])
        spectrum = np.clip(np.linalg.eigvalsh(scaled), -1.0, 1.0)
        self.degrees = degrees
        self.below_one, self.above_minus_one = 1 - spectrum, 1 + spectrum
        self._key = (len(matrix), self.ends.tobytes(), matrix[*ends].tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Graph({len(self.degrees)} nodes, {len(self.weights)} edges)"


@distribution
class CAR(Distribution):
    r"""Normal with the precision $\tau (D - \alpha W)$ on a graph.

    $W$ is the adjacency matrix and $D$ the diagonal matrix of its row sums. Given all
    others, a node is normal about the $\alpha$-fold mean of its neighbours, with the
    precision $\tau D_{ii}$. (J. Besag, 1974, "Spatial interaction and the statistical
    analysis of lattice systems".)

    A concrete graph is a constant of the program, kept as a list of edges with the
    eigenvalues of $D^{-1/2} W D^{-1/2}$, which are computed once: a density costs what
    the edges cost. A traced or batched matrix stays one. Drawing factorises the
    precision.

    Args:
        loc: The mean, shape `(..., n)`, or a number for all nodes.
        correlation: The number $\alpha$, in (-1, 1), shape `(...)`.
        conditional_precision: The number $\tau$, positive, shape `(...)`.
        adj_matrix: $W$, nonnegative and symmetric, every node with a neighbour; an
            array of shape `(..., n, n)` or a SciPy sparse matrix.
        is_sparse: Has no effect; for compatibility.
        validate_args: False skips the check of the parameters.
    """

    loc: ArrayLike = param(constraints.real_vector)
    correlation: ArrayLike = param(constraints.open_interval(-1.0, 1.0))
    conditional_precision: ArrayLike = param(constraints.positive)
    _matrix: ArrayLike = param(constraints.real_matrix)  # empty if there is a graph
    _graph: Graph | None = static(default=None)
    is_sparse: bool = static(default=False)
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: ArrayLike,
        correlation: ArrayLike,
        conditional_precision: ArrayLike,
        adj_matrix: Any,
        *,
        is_sparse: bool = False,
        validate_args: bool | None = None,
    ):
        if hasattr(adj_matrix, "toarray"):
            adj_matrix, is_sparse = adj_matrix.toarray(), True
        matrix = known(as_parameter(adj_matrix, constraints.real_matrix))
        square("CAR", "adj_matrix", shape_of(matrix))
        size, graph = shape_of(matrix)[-1], None
        loc = as_parameter(loc, constraints.real_vector)
        if not shape_of(loc):
            loc = namespace(loc).broadcast_to(loc, (size,))
        same_size("CAR", loc=shape_of(loc)[-1], adj_matrix=size)
        if not isinstance(matrix, jax.Array):
            if validate_args is not False:
                _check_graph(matrix)
            if matrix.ndim == 2:
                graph, matrix = Graph(matrix), np.zeros((0, 0), np.float32)
        self._set(
            loc=loc,
            correlation=correlation,
            conditional_precision=conditional_precision,
            _matrix=matrix,
            _graph=graph,
            is_sparse=is_sparse,
            validate_args=validate_args,
        )

    @property
    def event_shape(self) -> Shape:
        return shape_of(self.loc)[-1:]

    @property
    def adj_matrix(self) -> Array:
        """The adjacency matrix, of shape `(..., n, n)`."""
        if self._graph is None:
            return as_floats(self._matrix)[0]
        (n,), (low, high) = self.event_shape, self._graph.ends
        matrix = np.zeros((n, n))
        matrix[low, high] = matrix[high, low] = self._graph.weights
        return as_floats(matrix)[0]

    def _degrees(self) -> Array:
        if self._graph is None:
            return as_floats(self._matrix)[0].sum(-1)
        return as_floats(self._graph.degrees)[0]

    @property
    def precision_matrix(self) -> Array:
        """Of shape `batch_shape + (n, n)`."""
        (n,) = self.event_shape
        alpha, tau = as_floats(self.correlation, self.conditional_precision)
        inner = alpha[..., None, None] * self.adj_matrix
        precision = self._degrees()[..., None] * jnp.eye(n) - inner
        precision = tau[..., None, None] * precision
        return jnp.broadcast_to(precision, (*self.batch_shape, n, n))

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        eps = jax.random.normal(key, self.shape(sample_shape))
        tril = jnp.linalg.cholesky(self.precision_matrix)
        return self.loc + solve_upper(tril, eps)

    def _half_log_det(self) -> Array:
        """Of `D - alpha W`."""
        alpha = as_floats(self.correlation)[0][..., None]
        if self._graph is None:
            root = jnp.sqrt(self._degrees())
            scaled = self.adj_matrix / root[..., None] / root[..., None, :]
            shares = 1 - alpha * jnp.linalg.eigvalsh(scaled)
        else:
            low = jnp.asarray(self._graph.below_one, alpha.dtype)
            high = jnp.asarray(self._graph.above_minus_one, alpha.dtype)
            up, down = 1 - alpha + alpha * low, 1 + alpha - alpha * high
            shares = jnp.where(alpha < 0, down, up)
        return 0.5 * (jnp.log(shares).sum(-1) + jnp.log(self._degrees()).sum(-1))

    def _square(self, away: Array) -> Array:
        """`y' (D - alpha W) y`; of a graph as a sum in which nothing cancels."""
        (alpha,) = as_floats(self.correlation)
        own = (self._degrees() * jnp.square(away)).sum(-1)
        if self._graph is None:
            return own - alpha * (away * lower_times(self.adj_matrix, away)).sum(-1)
        low, high = self._graph.ends
        once = np.where(low == high, 0.5, 1.0)
        weights, first, second = (
            once * self._graph.weights,
            away[..., low],
            away[..., high],
        )
        unlike = (weights * jnp.square(first - second)).sum(-1)
        alike = (weights * jnp.square(first + second)).sum(-1)
        up = (1 - alpha) * own + alpha * unlike
        return jnp.where(alpha < 0, (1 + alpha) * own - alpha * alike, up)

    def log_prob(self, value: ArrayLike) -> Array:
        (away, tau) = as_floats(value - self.loc, self.conditional_precision)
        constant = self._half_log_det() - away.shape[-1] * HALF_LOG_2PI
        constant = constant + 0.5 * away.shape[-1] * jnp.log(tau)
        return constant - 0.5 * tau * self._square(away)

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Array:
        return self.mean

    @property
    def variance(self) -> Array:
        return jnp.diagonal(jnp.linalg.inv(self.precision_matrix), axis1=-2, axis2=-1)

    def entropy(self) -> Array:
        (n,) = self.event_shape
        (tau,) = as_floats(self.conditional_precision)
        entropy = n * (0.5 + HALF_LOG_2PI - 0.5 * jnp.log(tau)) - self._half_log_det()
        return jnp.broadcast_to(entropy, self.batch_shape)


def _check_graph(matrix: np.ndarray) -> None:
    """Raise an error for what is not the adjacency matrix of a graph."""
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise ParameterError("CAR.adj_matrix must be finite and >= 0.", value=matrix)
    if not np.array_equal(matrix, np.swapaxes(matrix, -2, -1)):
        raise ParameterError("CAR.adj_matrix must be symmetric.", value=matrix)
    alone = np.argwhere(matrix.sum(-1) == 0)
    if len(alone):
        node = ", ".join(str(int(i)) for i in alone[0])
        raise ParameterError(
            f"CAR.adj_matrix: node [{node}] has no neighbour: its precision is 0.",
            value=alone[0].tolist(),
            hint="Leave such nodes out.",
        )
