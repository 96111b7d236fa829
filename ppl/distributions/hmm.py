"""Hidden Markov models, whose discrete states are summed out."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentError, ShapeError
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._linalg import lower_times
from ppl.distributions._parameters import as_parameter
from ppl.distributions._special import as_floats
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, distribution, param


def _log(p: ArrayLike) -> Array:
    """The log of probabilities, with gradient zero (not NaN) at zero."""
    (p,) = as_floats(p)
    return jnp.where(p > 0, jnp.log(jnp.where(p > 0, p, 1.0)), -jnp.inf)


def _log_sum(terms: Array, dim: int) -> Array:
    """The log of a sum of exponentials, without NaN gradients where all are zero."""
    most = jax.lax.stop_gradient(terms.max(dim, keepdims=True))
    most = jnp.where(jnp.isfinite(most), most, 0.0)
    total = jnp.exp(terms - most).sum(dim)
    most = jnp.squeeze(most, dim)
    some = total > 0
    return jnp.where(some, jnp.log(jnp.where(some, total, 1.0)) + most, -jnp.inf)


def _log_product(left: Array, right: Array) -> Array:
    """The log of a matrix product, from the logs of the factors."""
    return _log_sum(left[..., :, :, None] + right[..., None, :, :], -2)


@distribution
class HMM(Distribution):
    r"""A sequence of observations, each from the distribution of a hidden state.

    The states are a Markov chain. They are summed out in log space, by multiplying the
    matrices of all steps in a tree: with `K` states and `T` steps the work is $T K^3$,
    in $\log_2 T$ rounds that run in parallel. (S. Särkkä, A. F. García-Fernández, 2021,
    "Temporal parallelization of inference in hidden Markov models".)

    Args:
        initial_probs: Of the first state, shape `(..., K)`.
        transition_probs: Row `i` holds the probabilities of what follows state `i`,
            shape `(..., K, K)`.
        emission_dist: The distribution of an observation in each state; `K` is its last
            batch dim.
        num_steps: The number of observations, `T`, the first event dim.
        validate_args: False skips the check of the parameters.
    """

    initial_probs: ArrayLike = param(constraints.simplex)
    transition_probs: ArrayLike = param(constraints.independent(constraints.simplex, 1))
    emission_dist: Distribution
    num_steps: int = static()

    def __init__(
        self,
        initial_probs: ArrayLike,
        transition_probs: ArrayLike,
        emission_dist: Distribution,
        num_steps: int,
        *,
        validate_args: bool | None = None,
    ):
        if not isinstance(num_steps, int | np.integer) or num_steps < 1:
            raise ArgumentError(
                f"HMM: num_steps must be an integer >= 1, got {num_steps!r}.",
                value=num_steps,
            )
        initial = as_parameter(initial_probs, constraints.simplex)
        transition = as_parameter(transition_probs, constraints.real_matrix)
        shapes = shape_of(initial), shape_of(transition), emission_dist.batch_shape
        size = shapes[0][-1:]
        if not size or shapes[1][-2:] != size * 2 or shapes[2][-1:] not in (size, (1,)):
            raise ShapeError(
                "HMM: for K states initial_probs has shape (..., K), transition_probs "
                "(..., K, K), and the emissions have batch shape (..., K); got "
                f"{shapes[0]}, {shapes[1]} and {shapes[2]}.",
                value=shapes,
            )
        batch = np.broadcast_shapes(shapes[0][:-1], shapes[1][:-2], shapes[2][:-1])
        self._set(
            initial_probs=initial,
            transition_probs=transition,
            emission_dist=emission_dist.expand((*batch, *size)),
            num_steps=int(num_steps),
            validate_args=validate_args,
        )

    @property
    def batch_shape(self) -> Shape:
        return self.emission_dist.batch_shape[:-1]

    @property
    def event_shape(self) -> Shape:
        return (self.num_steps, *self.emission_dist.event_shape)

    @property
    def support(self) -> Constraint:
        """That of the emissions, if it is the same in all states."""
        own = self.emission_dist.support
        if any(np.ndim(leaf) for leaf in jax.tree.leaves(own)):
            own = constraints.independent(constraints.dependent, own.event_dim)
        return constraints.independent(own, 1)

    @property
    def is_discrete(self) -> bool:
        return self.emission_dist.is_discrete

    def expand(self, batch_shape: Shape) -> HMM:
        batch, (size,) = tuple(batch_shape), shape_of(self.initial_probs)[-1:]
        over = {
            "initial_probs": (*batch, size),
            "transition_probs": (*batch, size, size),
        }
        changes = {
            name: constraints.namespace(value).broadcast_to(value, shape)
            for name, shape in over.items()
            for value in [getattr(self, name)]
        }
        emission = self.emission_dist.expand((*batch, size))
        return replace(self, emission_dist=emission, **changes)

    def check_parameters(self, site: str | None = None) -> None:
        self.emission_dist.check_parameters(site)
        super().check_parameters(site)

    def _floats(self) -> tuple[Array, ...]:
        return as_floats(self.initial_probs, self.transition_probs)

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        key_states, key_values = jax.random.split(key)
        initial, transition = self._floats()
        batch = (*sample_shape, *self.batch_shape)
        size = initial.shape[-1]
        keys = jax.random.split(key_states, self.num_steps)
        first = jnp.broadcast_to(_log(initial), (*batch, size))
        rows = jnp.broadcast_to(_log(transition), (*batch, size, size))
        start = jax.random.categorical(keys[0], first)

        def step(state: Array, key: Key) -> tuple[Array, Array]:
            index = state[..., None, None]
            logits = jnp.take_along_axis(rows, index, axis=-2)[..., 0, :]
            state = jax.random.categorical(key, logits)
            return state, state

        _, states = jax.lax.scan(step, start, keys[1:])
        states = jnp.concatenate([start[None], states])
        # A value for every state at every step, of which one is kept.
        values = self.emission_dist.sample(key_values, (self.num_steps, *sample_shape))
        event = self.emission_dist.event_dim
        index = states.reshape((*states.shape, 1) + (1,) * event)
        chosen = jnp.take_along_axis(values, index, axis=len(batch) + 1)
        return jnp.moveaxis(jnp.squeeze(chosen, len(batch) + 1), 0, len(batch))

    def log_prob(self, value: ArrayLike) -> Array:
        value = jnp.asarray(value)
        event = self.emission_dist.event_dim
        value = jnp.moveaxis(value, value.ndim - event - 1, 0)
        lacking = len(self.batch_shape) + 1 + event - value.ndim
        shape = (value.shape[0], *(1,) * max(lacking, 0), *value.shape[1:])
        value = jnp.expand_dims(value.reshape(shape), len(shape) - event)
        emitted = self.emission_dist.log_prob(value)  # (T, ..., K)
        initial, transition = self._floats()
        first = _log(initial) + emitted[0]
        steps = _log(transition) + emitted[1:, ..., None, :]
        while len(steps) > 1:
            odd = steps[len(steps) // 2 * 2 :]
            pairs = _log_product(steps[:-1:2], steps[1::2])
            steps = jnp.concatenate([pairs, odd])
        if len(steps):
            first = _log_sum(first[..., :, None] + steps[0], -2)
        return _log_sum(first, -1)

    def _state_probs(self) -> Array:
        """The probability of each state at each step, shape `(..., T, K)`."""
        initial, transition = self._floats()
        turned = jnp.swapaxes(transition, -2, -1)
        start = jnp.broadcast_to(initial, (*self.batch_shape, initial.shape[-1]))

        def step(probs: Array, _: None) -> tuple[Array, Array]:
            return lower_times(turned, probs), probs

        _, probs = jax.lax.scan(step, start, None, length=self.num_steps)
        return jnp.moveaxis(probs, 0, -2)

    def _averaged(self, moment: Array) -> Array:
        """The mean over states at each step of `(..., K, *event)`."""
        event = self.emission_dist.event_dim
        probs = self._state_probs()
        probs = probs.reshape(probs.shape + (1,) * event)
        terms = probs * jnp.expand_dims(moment, len(self.batch_shape))
        return terms.sum(len(self.batch_shape) + 1)

    @property
    def mean(self) -> Array:
        return self._averaged(self.emission_dist.mean)

    @property
    def variance(self) -> Array:
        inner = self.emission_dist
        away = jnp.expand_dims(inner.mean, len(self.batch_shape))
        mean = jnp.expand_dims(self.mean, len(self.batch_shape) + 1)
        probs = self._state_probs()
        probs = probs.reshape(probs.shape + (1,) * inner.event_dim)
        between = (probs * jnp.square(away - mean)).sum(len(self.batch_shape) + 1)
        return self._averaged(inner.variance) + between
