"""A distribution made from a function that computes its log density."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import (
    ArgumentTypeError,
    ParameterError,
    ShapeError,
    unknown_name,
)
from ppl._pytree import replace, static
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions._parameters import ParameterCheck, as_parameter, known
from ppl.distributions.constraints import Constraint, namespace, shape_of
from ppl.distributions.distribution import Distribution, distribution
from ppl.distributions.transforms.base import bare

Support = Constraint | Callable[..., Constraint]


@distribution
class CustomDist(Distribution):
    """A distribution from the function that computes its log density.

    Functions are written for one value and one member: they see arrays of the event
    shape and parameters without batch dims, and are mapped over all others.

        def log_density(x, loc, scale):
            return -jnp.log(jnp.cosh((x - loc) / scale)) - jnp.log(jnp.pi * scale)

        fn = CustomDist(
            log_density,
            {"loc": 0.0, "scale": jnp.ones(3)},
            arg_constraints={"scale": constraints.positive},
        )

    Parameters are leaves of the distribution; the functions belong to its structure, so
    give what is traced as a parameter and not by closure.

    Args:
        log_density: Takes a value and the parameters by name, and returns a number.
        params: The parameters by name, with leading batch dims that broadcast.
        sampler: Takes a random key and the parameters by name, and returns one draw.
        support: The set of values, or a function of the parameters that returns it. The
            density is zero outside, where the function is not asked.
        event_shape: The shape of one value.
        arg_constraints: The sets in which parameters must lie, by name; finite numbers
            where none is given. Their event dims are those of one parameter.
        has_rsample: Whether draws are differentiable in the parameters.
        validate_args: False skips the check of the parameters.
    """

    log_density: Callable[..., Any] = static()
    params: dict[str, Any]
    sampler: Callable[..., Any] | None = static()
    has_rsample: bool = static()
    _support: Any = static()
    _event_shape: Shape = static()
    _constraints: tuple[tuple[str, Constraint], ...] = static()
    _batch_shape: Shape = static()

    def __init__(
        self,
        log_density: Callable[..., Any],
        params: Mapping[str, Any] | None = None,
        *,
        sampler: Callable[..., Any] | None = None,
        support: Support = constraints.real,
        event_shape: Shape | int = (),
        arg_constraints: Mapping[str, Constraint] | None = None,
        has_rsample: bool = False,
        validate_args: bool | None = None,
    ):
        given = dict(params or {})
        _check_callable("log_density", log_density, given)
        if sampler is not None:
            _check_callable("sampler", sampler, given)
        sets = dict(arg_constraints or {})
        for name in sets:
            if name not in given:
                raise unknown_name("parameter of arg_constraints", name, given)
        event_shape = (event_shape,) if isinstance(event_shape, int) else event_shape
        kinds = tuple((n, sets.get(n, constraints.real)) for n in sorted(given))
        self._set(
            log_density=log_density,
            params={name: _numeric(name, given[name], kind) for name, kind in kinds},
            sampler=sampler,
            has_rsample=has_rsample,
            _support=support,
            _event_shape=tuple(event_shape),
            _constraints=kinds,
            _batch_shape=(),
            validate_args=validate_args,
        )
        extra = self.support.event_dim - len(self.event_shape)
        if extra > 0:
            raise ShapeError(
                f"CustomDist: event_shape {self.event_shape} has too few dims; a value "
                f"that {self.support.rule} has {self.support.event_dim}.",
                value=self.event_shape,
            )

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        try:
            _ = self.batch_shape
        except ValueError:
            shapes = {name: shape_of(value) for name, value in self.params.items()}
            raise ParameterError(
                f"CustomDist: parameters do not broadcast: {shapes}."
            ) from None
        super()._prepare(validate_args)

    @property
    def support(self) -> Constraint:
        support = self._support
        if not isinstance(support, Constraint):
            support = support(**self.params)
        extra = len(self._event_shape) - support.event_dim
        return constraints.independent(support, extra) if extra > 0 else support

    @property
    def event_shape(self) -> Shape:
        return self._event_shape

    # --- the parameters, which are no fields of the class -----------------------------

    def _shapes(self) -> dict[str, tuple[Shape, Shape]]:
        """The batch and the event shape of each parameter."""
        made = {}
        for name, constraint in self._constraints:
            shape = shape_of(self.params[name])
            cut = len(shape) - constraint.event_dim
            made[name] = shape[:cut], shape[cut:]
        return made

    @property
    def batch_shape(self) -> Shape:
        own = (batch for batch, _ in self._shapes().values())
        return tuple(np.broadcast_shapes(self._batch_shape, *own))

    def _resized(self, to: Callable[[Any, Shape, Shape], Any]) -> dict[str, Any]:
        shapes = self._shapes()
        return {n: to(value, *shapes[n]) for n, value in self.params.items()}

    def _align(self) -> None:
        rank = len(self.batch_shape)

        def aligned(value: Any, batch: Shape, event: Shape) -> Any:
            if not shape_of(value):
                return value
            return value.reshape((1,) * (rank - len(batch)) + batch + event)

        object.__setattr__(self, "params", self._resized(aligned))

    def expand(self, batch_shape: Shape) -> CustomDist:
        batch_shape = tuple(batch_shape)

        def expanded(value: Any, batch: Shape, event: Shape) -> Any:
            del batch
            return namespace(value).broadcast_to(value, batch_shape + event)

        own = () if self.params else batch_shape
        return replace(self, params=self._resized(expanded), _batch_shape=own)

    def parameter_checks(self) -> list[ParameterCheck]:
        checks = []
        for name, constraint in self._constraints:
            value = known(self.params[name])
            if not constraints.is_dependent(constraint):
                checks.append(ParameterCheck(name, value, constraint))
        return checks

    # --- density and draws ------------------------------------------------------------

    def _mapped(self, fn: Callable[..., Any], first: Shape, out: Shape | None) -> Any:
        """`fn` of one argument and the parameters, mapped over all batch dims."""
        names = [name for name, _ in self._constraints]
        events = [first, *(event for _, event in self._shapes().values())]

        def one(argument: Any, *params: Any) -> Any:
            result = jnp.asarray(fn(argument, **dict(zip(names, params, strict=True))))
            wanted = () if out is None else out
            if result.shape != wanted:
                what, must = "sampler", f"event_shape {wanted}"
                if out is None:
                    what, must = "log_density", "one number for one value"
                raise ShapeError(
                    f"CustomDist: {what} returned shape {result.shape}, not {must}.",
                    value=result.shape,
                    hint="It is written for one value and mapped over the others.",
                )
            return result

        dims = [
            ",".join(f"d{i}x{j}" for j in range(len(shape)))
            for i, shape in enumerate(events)
        ]
        result = ",".join(f"e{j}" for j in range(len(out or ())))
        signature = f"{','.join(f'({each})' for each in dims)}->({result})"
        return jnp.vectorize(one, signature=signature)

    def log_prob(self, value: ArrayLike) -> Array:
        value, support = jnp.asarray(value), self.support
        self._check_value(value)
        density = self._mapped(self.log_density, self.event_shape, None)
        params = [self.params[name] for name, _ in self._constraints]
        batch = value.shape[: value.ndim - len(self.event_shape)]
        shape = np.broadcast_shapes(batch, self.batch_shape)
        if isinstance(bare(support), constraints.Real | constraints.Dependent):
            return jnp.broadcast_to(density(value, *params), shape)
        inside = support(value)
        event = inside.reshape(inside.shape + (1,) * len(self.event_shape))
        safe = jnp.where(event, value, support.feasible_like(value))
        result = jnp.where(inside, density(safe, *params), -jnp.inf)
        return jnp.broadcast_to(result, shape)

    def _check_value(self, value: Array) -> None:
        cut = value.ndim - len(self.event_shape)
        if cut < 0 or value.shape[cut:] != self.event_shape:
            raise ShapeError(
                f"CustomDist: a value of shape {value.shape} does not end in the event "
                f"shape {self.event_shape}.",
                value=value.shape,
            )

    def sample(self, key: Key, sample_shape: Shape = ()) -> Array:
        if self.sampler is None:
            raise TypeError(
                "CustomDist has no sampler: give it sampler=, or the site a value "
                "(condition, obs=)."
            )
        shape = (*sample_shape, *self.batch_shape)
        keys = jax.random.split(key, math.prod(shape)).reshape(shape + key.shape)
        draw = self._mapped(self.sampler, key.shape, self.event_shape)
        return draw(keys, *(self.params[name] for name, _ in self._constraints))


def _check_callable(what: str, fn: Any, params: Mapping[str, Any]) -> None:
    """Whether `fn` can be called with one argument and the parameters by name."""
    if not callable(fn):
        raise ArgumentTypeError(
            f"CustomDist: {what} must be a function, got {fn!r}.", value=fn
        )
    try:
        signature = inspect.signature(fn)
    except ValueError:  # some that are not written in Python tell nothing
        return
    try:
        signature.bind(None, **params)
    except TypeError as error:
        raise ArgumentTypeError(
            f"CustomDist: {what}{signature} cannot be called with one argument and the "
            f"parameters {sorted(params)}: {error}.",
            value=fn,
        ) from None


def _numeric(name: str, value: Any, constraint: Constraint) -> Any:
    """A parameter as an array, with as many dims as its constraint needs."""
    value = as_parameter(value, constraint)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if not isinstance(value, float | int | jax.Array | np.ndarray | np.generic) or (
        kind != "" and kind in "OUSMmc"
    ):
        raise ArgumentTypeError(
            f"CustomDist: parameter '{name}' must be a number or an array, got "
            f"{value!r}.",
            value=value,
            hint="Give each array of a structure as a parameter of its own.",
        )
    if len(shape_of(value)) < constraint.event_dim:
        raise ParameterError(
            f"CustomDist: parameter '{name}' needs at least {constraint.event_dim} "
            f"dims, got shape {shape_of(value)}.",
            value=value,
        )
    return value
