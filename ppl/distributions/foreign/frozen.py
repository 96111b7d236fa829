"""Frozen distributions of SciPy."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ArgumentTypeError, ShapeError
from ppl._pytree import static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import distribution
from ppl.distributions.foreign.base import AbstractForeign, Opaque


@runtime_checkable
class SciPyDensity(Protocol):
    """What is asked of a frozen continuous distribution of SciPy."""

    def logpdf(self, x: Any) -> Any: ...
    def rvs(self, size: Any = None, random_state: Any = None) -> Any: ...


@runtime_checkable
class SciPyMass(Protocol):
    """What is asked of a frozen discrete distribution of SciPy."""

    def logpmf(self, x: Any) -> Any: ...
    def rvs(self, size: Any = None, random_state: Any = None) -> Any: ...


@runtime_checkable
class _Supported(Protocol):
    """What says its support, as univariate distributions do."""

    def support(self) -> tuple[Any, Any]: ...


@distribution
class SciPyDistribution(AbstractForeign):
    """The log density of a frozen distribution of SciPy.

    It is computed by NumPy, in double precision and outside of compiled code: it has no
    gradient, and serves for observed values and for samplers without gradients.

    Args:
        fn: The frozen distribution.
        support: The set of its values, by default what `fn.support()` says.
    """

    opaque: Opaque
    _given: Constraint | None = static()
    _batch: Shape = static()
    __init__ = AbstractForeign.__init__

    @property
    def _own_batch(self) -> Shape:
        if not isinstance(self.fn, _Supported):
            return ()
        given = (*getattr(self.fn, "args", ()), *getattr(self.fn, "kwds", {}).values())
        return np.broadcast_shapes(*map(np.shape, (*self.fn.support(), *given)))

    @property
    def event_shape(self) -> Shape:
        if isinstance(self.fn, _Supported):
            return ()
        return np.shape(self.fn.rvs(random_state=0))

    def _default_support(self) -> Constraint:
        if not isinstance(self.fn, _Supported):
            return constraints.independent(constraints.dependent, self.event_dim)
        low, high = (
            float(end) if np.ndim(end) == 0 else end for end in self.fn.support()
        )
        below, above = np.all(np.isinf(low)), np.all(np.isinf(high))
        if isinstance(self.fn, SciPyMass):
            if above:
                return constraints.integer_greater_than(low)
            return constraints.integer_interval(low, high)
        if below and above:
            return constraints.real
        if above:
            return constraints.greater_than_eq(low)
        return (
            constraints.less_than_eq(high) if below else constraints.interval(low, high)
        )

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        raise TypeError(
            f"SciPy's {_name(self.fn)} serves for its log density only: give the site "
            "a value (condition, obs=), or use a distribution of ppl."
        )

    def log_prob(self, value: ArrayLike) -> Array:
        shape = np.shape(value)
        cut = len(shape) - self.event_dim
        if cut < 0 or shape[cut:] != self.event_shape:
            raise ShapeError(
                f"SciPy's {_name(self.fn)}: a value of shape {shape} does not end in "
                f"the event shape {self.event_shape}.",
                value=shape,
            )
        out = np.broadcast_shapes(shape[:cut], self._own_batch)
        dtype = jnp.result_type(float)
        fn = self.fn
        density = fn.logpmf if isinstance(fn, SciPyMass) else fn.logpdf

        def computed(x: Any) -> np.ndarray:
            x = np.asarray(x)
            full = np.broadcast_shapes(x.shape[: x.ndim - self.event_dim], out)
            return np.asarray(density(x)).reshape(full).astype(dtype)

        if not isinstance(value, Tracer):
            return self._over(computed(value))
        result = jax.ShapeDtypeStruct(out, dtype)

        @jax.custom_jvp
        def called(x: Array) -> Array:
            return jax.pure_callback(computed, result, x, vmap_method="expand_dims")

        @called.defjvp
        def _no_gradient(primals: Any, tangents: Any) -> tuple[Array, Array]:
            del primals, tangents
            raise ArgumentTypeError(
                f"the log density of SciPy's {_name(fn)} has no gradient: NumPy "
                "computes it, which JAX cannot differentiate.",
                value=fn,
                hint=(
                    "Observe the site, use a sampler without gradients, or give the "
                    "family of ppl.distributions; CustomDist makes one of a log "
                    "density written with jax.numpy."
                ),
            )

        return self._over(called(value))


def _name(fn: Any) -> str:
    """The name of the family of a frozen distribution."""
    return getattr(getattr(fn, "dist", None), "name", type(fn).__name__)
