"""Expectations under a distribution on the line, by quadrature between its quantiles.

A Gauss-Legendre rule in each of some sixty panels, whose ends are quantiles from far in
one tail to far in the other. Where a panel's ends differ in their distance from a bound
(or, on an open side, from the median) by a factor, its nodes are spread geometrically:
powers of that distance, as of a heavy tail or a pole at a bound, become exponentials.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._typing import Array, ArrayLike
from ppl.distributions._search import find
from ppl.distributions._special import LOG_2, log1mexp
from ppl.distributions._wrapping import Tails

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(14)
_STEPS = np.concatenate(
    [np.arange(0, 4, 0.5), np.arange(4, 8), np.arange(8, 40, 2), np.arange(40, 80, 8)]
)
_FAR = np.array([80.0, 110.0, 150.0, 200.0])  # in float64 only


class Quadrature:
    """Nodes, along new leading dims, and what probability each stands for."""

    def __init__(self, dist: Any, low: Any, high: Any):
        """For a continuous `dist` with `log_tails` and these bounds, or None."""
        dtype = jnp.result_type(float, *jax.tree.leaves(dist))
        batch = dist.batch_shape
        depth = np.concatenate([_STEPS, _FAR]) if dtype == jnp.float64 else _STEPS
        deep = jnp.asarray(depth[:0:-1] + LOG_2, dtype)
        rare, common = -deep, log1mexp(deep)
        half = jnp.full((1,), -LOG_2, dtype)
        target = Tails(
            jnp.concatenate([rare, half, common[::-1]]),
            jnp.concatenate([common, half, rare[::-1]]),
        )
        target = Tails(*(t.reshape((-1,) + (1,) * len(batch)) for t in target))
        first = -jnp.inf if low is None else low
        last = jnp.inf if high is None else high
        cuts = jnp.broadcast_to(
            find(dist, target, first, last), (2 * len(deep) + 1, *batch)
        )
        middle = cuts[len(deep)]
        ends = [cuts] if low is None else [jnp.broadcast_to(low, (1, *batch)), cuts]
        ends += [] if high is None else [jnp.broadcast_to(high, (1, *batch))]
        count = [len(deep) + (low is not None), len(deep) + (high is not None)]
        anchors = [
            jnp.broadcast_to(middle if bound is None else bound, (n, *batch))
            for bound, n in zip((low, high), count, strict=True)
        ]
        anchor = jax.lax.stop_gradient(jnp.concatenate(anchors))
        self.center = jax.lax.stop_gradient(middle)
        self.nodes, weights = _panels(jnp.concatenate(ends), anchor)
        self.log_density = dist.log_prob(self.nodes)
        mass = jnp.where(weights == 0, 0.0, jnp.exp(self.log_density) * weights)
        self.mass = mass / mass.sum((0, 1))

    def __call__(self, function: Callable[[Array], Array]) -> Array:
        """The expectation of a function."""
        values = function(self.nodes)
        return jnp.where(self.mass == 0, 0.0, self.mass * values).sum((0, 1))

    def mean(self) -> Array:
        """The expectation."""
        return self.center + self(lambda x: x - self.center)

    def variance(self) -> Array:
        """The expected square of the distance from the mean."""
        mean = self.mean()
        return self(lambda x: jnp.square(x - mean))

    def entropy(self) -> Array:
        """The expectation of minus the log density."""
        log_density = jnp.where(self.mass == 0, 0.0, self.log_density)
        return -(self.mass * log_density).sum((0, 1))


def _panels(ends: Array, anchor: Array) -> tuple[Array, Array]:
    """Nodes and weights of all panels, given their ends and what they are far from."""
    shape = (-1,) + (1,) * ends.ndim
    node = jnp.asarray((1 + _NODES) / 2, ends.dtype).reshape(shape)
    weight = jnp.asarray(_WEIGHTS / 2, ends.dtype).reshape(shape)
    start, stop = ends[:-1], ends[1:]
    near, far = start - anchor, stop - anchor
    ratio = jnp.where(near * far > 0, far / jnp.where(near == 0, 1.0, near), 1.0)
    bent = (ratio > 2) | (ratio < 0.5)
    power = jnp.log(jnp.where(bent, ratio, 1.0))
    away = near * jnp.exp(power * node)
    nodes = jnp.where(bent, anchor + away, start + (stop - start) * node)
    weights = jnp.where(bent, jnp.abs(away * power), stop - start) * weight
    return nodes, weights


def over_line(
    function: Callable[[Array], Array], low: ArrayLike, high: ArrayLike, count: int
) -> Array:
    """The integral of an analytic function that is negligible at and beyond two ends.

    By the trapezoidal rule, whose error for such functions falls exponentially with
    the number of nodes (L. N. Trefethen and J. A. C. Weideman, 2014, "The exponentially
    convergent trapezoidal rule").

    Args:
        function: Takes nodes along a new leading dim.
        low: The lower end, of the rank of the result, or `high` is.
        high: The upper end.
        count: How many nodes.
    """
    low, high = jnp.broadcast_arrays(low, high)
    low, high = jax.lax.stop_gradient(low), jax.lax.stop_gradient(high)
    step = (high - low) / (count - 1)
    place = jnp.arange(float(count), dtype=step.dtype)
    nodes = low + step * place.reshape((-1,) + (1,) * step.ndim)
    return step * function(nodes).sum(0)
