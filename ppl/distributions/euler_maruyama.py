"""Paths of stochastic differential equations by the Euler-Maruyama method."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._special import HALF_LOG_2PI, as_floats
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


@distribution
class EulerMaruyama(Distribution):
    r"""A diffusion $dx = f(x, t) dt + g(x, t) dW$ at given times, by Euler's method.

    Each step is normal, with mean $x + f \Delta t$ and standard deviation
    $g \sqrt{\Delta t}$; the Wiener processes of the components are independent. (G.
    Maruyama, 1955, "Continuous Markov processes and stochastic equations".)

    Args:
        t: Times, strictly increasing, shape `(..., T)`.
        sde_fn: Takes a state (of the event shape of `init_dist`) and a time, and
            returns drift $f$ and diffusion $g$, which broadcast against the state.
        init_dist: The distribution of the state at the first time.
    """

    t: ArrayLike = param(constraints.ordered_vector)
    sde_fn: Callable[[Array, Array], tuple[Array, Array]] = static()
    init_dist: Distribution

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        if not isinstance(self.init_dist, Distribution):
            raise ArgumentError(
                f"EulerMaruyama.init_dist must be a distribution, got "
                f"{self.init_dist!r}.",
                value=self.init_dist,
            )
        super()._prepare(validate_args)
        object.__setattr__(self, "init_dist", self.init_dist.expand(self.batch_shape))

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.init_dist.has_rsample

    @property
    def support(self) -> Constraint:
        return constraints.independent(constraints.real, self.event_dim)

    @property
    def batch_shape(self) -> Shape:
        own, start = shape_of(self.t)[:-1], self.init_dist.batch_shape
        return tuple(np.broadcast_shapes(own, start))

    @property
    def event_shape(self) -> Shape:
        return (shape_of(self.t)[-1], *self.init_dist.event_shape)

    @property
    def event_dim(self) -> int:
        return 1 + self.init_dist.event_dim

    def expand(self, batch_shape: Shape) -> EulerMaruyama:
        batch = tuple(batch_shape)
        t = constraints.namespace(self.t).broadcast_to(
            self.t, (*batch, shape_of(self.t)[-1])
        )
        return replace(self, t=t, init_dist=self.init_dist.expand(batch))

    def check_parameters(self, site: str | None = None) -> None:
        self.init_dist.check_parameters(site)
        super().check_parameters(site)

    def _steps(self, state: Array, t: Array) -> tuple[Array, Array]:
        """Drift and diffusion at states and times with equal leading dims."""
        own = self.init_dist.event_shape

        def one(state: Array, t: Array) -> tuple[Array, Array]:
            drift, diffusion = self.sde_fn(state, t)
            return jnp.broadcast_to(drift, own), jnp.broadcast_to(diffusion, own)

        for _ in t.shape:
            one = jax.vmap(one)
        return one(state, t)

    def _times(self, batch: Shape) -> tuple[Array, Array]:
        """Times and their differences over a batch, the time dim first."""
        (t,) = as_floats(self.t)
        t = jnp.moveaxis(jnp.broadcast_to(t, (*batch, t.shape[-1])), -1, 0)
        return t[:-1], jnp.diff(t, axis=0)

    def _over_event(self, dt: Array) -> Array:
        return dt.reshape(dt.shape + (1,) * self.init_dist.event_dim)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_start, key_noise = jax.random.split(key)
        batch = (*sample_shape, *self.batch_shape)
        start = self.init_dist.sample(key_start, sample_shape)
        t, dt = self._times(batch)
        noise = jax.random.normal(key_noise, (len(t), *start.shape), start.dtype)

        def step(state: Array, now: tuple[Array, ...]) -> tuple[Array, Array]:
            t, dt, noise = now
            drift, diffusion = self._steps(state, t)
            dt = self._over_event(dt)
            state = state + drift * dt + diffusion * jnp.sqrt(dt) * noise
            return state, state

        _, path = jax.lax.scan(step, start, (t, dt, noise))
        path = jnp.concatenate([start[None], path])
        return jnp.moveaxis(path, 0, len(batch))

    def log_prob(self, value: ArrayLike) -> Array:
        (value,) = as_floats(value)
        given = value.shape[: value.ndim - self.event_dim]
        batch = tuple(np.broadcast_shapes(given, self.batch_shape))
        path = jnp.broadcast_to(value, (*batch, *self.event_shape))
        path = jnp.moveaxis(path, len(batch), 0)
        t, dt = self._times(batch)
        before, after = path[:-1], path[1:]
        drift, diffusion = self._steps(before, t)
        dt = self._over_event(dt)
        scale = diffusion * jnp.sqrt(dt)
        z = (after - before - drift * dt) / scale
        terms = -0.5 * z * z - jnp.log(jnp.abs(scale)) - HALF_LOG_2PI
        dims = (0, *range(1 + len(batch), terms.ndim))
        return self.init_dist.log_prob(path[0]) + terms.sum(dims)
