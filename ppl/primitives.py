"""The statements of the language, and the stack of handlers that interprets them.

A statement builds a `Site`, a frozen value, and performs it: the innermost handler gets
it and may act before, after, instead or twice; what a handler performs only outer ones
see; when none is left the site does its default action. The stack lives in a context
variable, so models may run in several threads and tasks at once.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax.numpy as jnp
import numpy as np

from ppl._errors import (
    ArgumentTypeError,
    ModelError,
    RandomnessError,
    ShapeError,
)
from ppl._typing import Array, ArrayLike, Key, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, shape_of
from ppl.distributions.distribution import Distribution, checks_deferred
from ppl.distributions.unit import Unit


@dataclass(frozen=True)
class PlateFrame:
    """One plate around a site: its name, its dim (negative), sizes and labels."""

    name: str
    dim: int
    size: int
    subsample_size: int
    coords: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Site:
    """A statement on its way through the handlers, and, with a value, its result.

    A site can be read as NumPyro's messages are: `site["value"]`, `site["fn"]`,
    `site["type"]`, `site["is_observed"]`, and so on for every field.
    """

    type: ClassVar[str]
    name: str
    value: Any = None
    plates: tuple[PlateFrame, ...] = ()
    line: str = ""

    def resolve(self) -> Self:
        """The default action, for when no handler is left."""
        return self

    def __getitem__(self, key: str) -> Any:
        if key == "cond_indep_stack":
            return list(self.plates)
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def get(self, key: str, default: Any = None) -> Any:
        """The field `key`, or `default` where this type of site has none."""
        try:
            return self[key]
        except KeyError:
            return default


@dataclass(frozen=True)
class Sample(Site):
    """A random variable: drawn, given by a handler, or observed."""

    type: ClassVar[str] = "sample"
    fn: Any = None
    rng_key: Key | None = None
    is_observed: bool = False
    scale: Any = None
    mask: Any = None
    infer: dict[str, Any] = field(default_factory=dict)

    def resolve(self) -> Sample:
        """Draw the value if there is none; check the shape of a given one."""
        if self.value is not None:
            return dataclasses.replace(self, fn=fitted(self))
        if self.rng_key is None:
            raise RandomnessError(
                f"needs randomness, and no key is there ({self.line}).",
                site=self.name,
                hint="Wrap the model: ppl.handlers.seed(model, rng_seed=0).",
            )
        self.fn.check_parameters(site=self.name)
        return dataclasses.replace(self, value=self.fn.sample(self.rng_key))

    def log_prob(self) -> Array:
        """Log density of the value, scaled and masked, of the batch shape."""
        mask = self.mask
        fn = self.fn if mask is None else self.fn.mask(mask)
        term = fn.log_prob(self.value)
        return term if self.scale is None else self.scale * term


@dataclass(frozen=True)
class Param(Site):
    """A learnable value with a constraint."""

    type: ClassVar[str] = "param"
    init: Any = None
    constraint: Constraint = constraints.real
    event_dim: int | None = None
    rng_key: Key | None = None

    def resolve(self) -> Param:
        """Take the initial value if no handler gave another."""
        if self.value is not None:
            return self
        init = self.init
        if callable(init):
            if self.rng_key is None:
                raise RandomnessError(
                    "its initial value needs a random key.",
                    site=self.name,
                    hint="Wrap the model: ppl.handlers.seed(model, rng_seed=0).",
                )
            init = init(self.rng_key)
        if init is None:
            raise ModelError(
                "has no value and no initial value.",
                site=self.name,
                hint="Give param(name, init_value) or substitute one.",
            )
        return dataclasses.replace(self, value=init)


@dataclass(frozen=True)
class Deterministic(Site):
    """A derived value worth recording."""

    type: ClassVar[str] = "deterministic"


@dataclass(frozen=True)
class PlateEntry(Site):
    """A plate being entered: asks the outer plates for a dim, and for indices."""

    type: ClassVar[str] = "plate"
    size: int = 0
    subsample_size: int = 0
    dim: int | None = None
    rng_key: Key | None = None
    make_indices: Callable[[PlateEntry], Any] | None = None

    def resolve(self) -> PlateEntry:
        """All indices, or a random subset of them without repetition."""
        if self.value is not None:
            return self
        return dataclasses.replace(self, value=self.make_indices(self))  # type: ignore[misc]


@dataclass(frozen=True)
class KeyRequest(Site):
    """A request for a fresh random key; None where no handler gives one."""

    type: ClassVar[str] = "prng_key"


@dataclass(frozen=True)
class MaskRequest(Site):
    """A request for the mask that the surrounding handlers put on sites."""

    type: ClassVar[str] = "get_mask"


@dataclass(frozen=True)
class Subsample(Site):
    """Data to be indexed by the surrounding plates."""

    type: ClassVar[str] = "subsample"
    event_dim: int = 0


# --- the stack ------------------------------------------------------------------------

_STACK: ContextVar[tuple[Handler, ...]] = ContextVar("handlers", default=())


def perform(site: Site) -> Any:
    """Hand `site` to the innermost handler, or do its default action if none is left."""
    handlers = _STACK.get()
    if not handlers:
        return site.resolve()
    token = _STACK.set(handlers[:-1])  # what a handler performs, only outer ones see
    try:
        return handlers[-1].handle(site)
    finally:
        _STACK.reset(token)


class Handler:
    """Interprets sites: override `handle`, and forward with `perform`.

    Use it as a context manager, or around a model: `handler(model, ...)(*args)`.
    """

    def __init__(self, fn: Callable[..., Any] | None = None):
        if fn is not None and not callable(fn):
            raise ArgumentTypeError(
                f"{type(self).__name__}(fn, …) needs a callable model as its first "
                f"argument, got {fn!r}.",
                value=fn,
            )
        self.fn = fn
        self._exits: list[Any] = []

    def handle(self, site: Any) -> Any:
        """Turn a site into its result; the default forwards it unchanged."""
        return perform(site)

    def __enter__(self) -> Any:
        deferred = checks_deferred()
        deferred.__enter__()
        self._exits.append((deferred, _STACK.set((*_STACK.get(), self))))
        return self

    def __exit__(self, *exc: object) -> None:
        deferred, token = self._exits.pop()
        _STACK.reset(token)
        deferred.__exit__(None, None, None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped model under a fresh copy of this handler."""
        if self.fn is None:
            raise ArgumentTypeError(
                f"{type(self).__name__} wraps no model: use it in a `with` statement or "
                "give the model as its first argument."
            )
        fresh = copy.copy(self)
        fresh._exits = []
        with fresh:
            return self.fn(*args, **kwargs)


# --- shapes ---------------------------------------------------------------------------


def fitted(site: Sample) -> Any:
    """The distribution of a site with a value, expanded to the value's shape.

    An observed value is never broadcast: outside of plates a smaller distribution is
    expanded to it, inside the shapes must be equal. A substituted value may be smaller.
    """
    expected, got = site.fn.shape(), shape_of(site.value)
    if got == expected or site.fn.event_shape == (0,):
        return site.fn
    event_dim = site.fn.event_dim
    try:
        both = tuple(np.broadcast_shapes(expected, got))
    except ValueError:
        both = None
    same_event = got[len(got) - event_dim :] == site.fn.event_shape
    if not site.is_observed and both == expected:
        return site.fn
    if both == got and same_event and not site.plates:
        return site.fn.expand(got[: len(got) - event_dim])
    raise _shape_error(site, expected, got, both)


def _shape_error(site: Sample, expected: Shape, got: Shape, both: Any) -> ShapeError:
    what = "observed value" if site.is_observed else "given value"
    plates = ", ".join(f"'{p.name}' (size {p.size}, dim {p.dim})" for p in site.plates)
    message = f"{what} has shape {got}, expected {expected}"
    message += f" from plate {plates}" if plates else ""
    message += f" and event shape {site.fn.event_shape}" if site.fn.event_shape else ""
    hint = ""
    if both is not None and both not in (got, expected):
        message += f"; they would broadcast to {both}"
        if len(got) == len(expected) + 1 and got[-1] == 1:
            hint = "Did you mean value.squeeze(-1)?"
        elif len(got) + 1 == len(expected) and expected[-1] == 1:
            hint = "Did you mean to squeeze the last dim of the parameters?"
    if not hint and site.plates:
        hint = "Make the value's shape that of its plates and event."
    if not hint:
        hint = "If its rightmost dims are one value, say fn.to_event(n)."
    return ShapeError(f"{message} ({site.line}).", site=site.name, value=got, hint=hint)


def caller_line() -> str:
    """File and line of the statement in the user's model."""
    frame = sys._getframe(2)
    here = os.path.dirname(__file__)
    while frame is not None and frame.f_code.co_filename.startswith(here):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return ""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"a site's name must be a string, got {name!r}.",
            value=name,
            hint="Write sample('x', fn).",
        )
    return name


# --- the statements -------------------------------------------------------------------


def sample(
    name: str,
    fn: Distribution,
    obs: ArrayLike | None = None,
    rng_key: Key | None = None,
    sample_shape: Shape = (),
    infer: dict[str, Any] | None = None,
) -> Any:
    """A random variable.

    Args:
        name: The name of the site, unique in the model.
        fn: Its distribution.
        obs: The observed value, of shape `fn.shape()` as expanded by the plates.
        rng_key: A key for this draw, else the `seed` handler gives one.
        sample_shape: Extra leading batch dims for `fn`.
        infer: Hints for inference algorithms.

    Returns:
        The value, of shape `fn.shape()` as expanded by the plates.

    Raises:
        ArgumentTypeError: `name` is no string or `fn` no distribution.
        ParameterError: A concrete parameter of `fn` breaks its constraint.
        ShapeError: The observed value does not fit `fn` and the plates.
        RandomnessError: There is no value and no random key.
    """
    name, line = _checked_name(name), caller_line()
    if not isinstance(fn, Distribution):
        raise ArgumentTypeError(
            f"needs a distribution, got {type(fn).__name__} ({line}).",
            site=name,
            value=fn,
            hint="Write sample(name, ppl.distributions.Normal(0.0, 1.0)).",
        )
    fn.check_parameters(site=name)
    if sample_shape:
        fn = fn.expand_by(sample_shape)
    site = Sample(
        name,
        value=None if obs is None else as_data(obs, name),
        line=line,
        fn=fn,
        rng_key=rng_key,
        is_observed=obs is not None,
        infer=dict(infer or {}),
    )
    return perform(site).value


def as_data(value: Any, name: str) -> Any:
    """Observed data as an array: lists and frames converted, text refused."""
    if isinstance(value, list | tuple):
        value = np.asarray(value)
    elif not hasattr(value, "dtype") and hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind in ("U", "S", "O", "M", "m"):
        raise ModelError(
            f"observed dtype {value.dtype} is not numeric.",
            site=name,
            value=value,
            hint="Encode labels as integers first.",
        )
    return value


def param(
    name: str,
    init_value: Any = None,
    *,
    constraint: Constraint = constraints.real,
    event_dim: int | None = None,
    **kwargs: Any,
) -> Any:
    """A learnable value; `init_value` may be a callable of a random key.

    Variational inference fits it; MCMC refuses it, because it samples only sites.
    """
    if kwargs:
        raise ArgumentTypeError(f"param() got unknown options {sorted(kwargs)}.", site=name)
    site = Param(
        _checked_name(name),
        line=caller_line(),
        init=init_value,
        constraint=constraint,
        event_dim=event_dim,
    )
    return perform(site).value


def deterministic(name: str, value: Any) -> Any:
    """Record a derived value under `name`, and return it."""
    site = Deterministic(_checked_name(name), value=value, line=caller_line())
    return perform(site).value


def factor(name: str, log_factor: ArrayLike) -> None:
    """Add `log_factor` (its sum over the batch) to the log density."""
    log_factor = jnp.asarray(log_factor)
    observed = jnp.zeros((*log_factor.shape, 0), log_factor.dtype)
    sample(name, Unit(log_factor), obs=observed)


def prng_key() -> Key | None:
    """A fresh random key from the `seed` handler, or None outside of one."""
    return perform(KeyRequest("_prng_key")).value


def get_mask() -> Any:
    """The mask of the surrounding `mask` handlers, or None."""
    return perform(MaskRequest("_get_mask")).value


def subsample(data: ArrayLike, event_dim: int) -> Any:
    """`data` indexed by the subsamples of the surrounding plates.

    Args:
        data: An array whose batch dims (left of its `event_dim` rightmost dims) line up
            with the plates.
        event_dim: How many rightmost dims belong to one datum.
    """
    return perform(Subsample("_subsample", value=data, event_dim=event_dim)).value
