"""Sites, and the stack of handlers that interprets them.

A statement builds a `Site`, a frozen value, and performs it: the innermost handler gets
it and may act before, after, instead or twice; what a handler performs only outer ones
see; when none is left the site does its default action. The stack lives in a context
variable, so models may run in several threads and tasks at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentTypeError, ModelError, RandomnessError
from ppl._fitting import fitted
from ppl._pytree import replace
from ppl._region import AbstractRegion, LoopAxis
from ppl._typing import Array, Key
from ppl.distributions import constraints
from ppl.distributions._parameters import CHECK_AT_CONSTRUCTION
from ppl.distributions.constraints import Constraint
from ppl.distributions.distribution import sum_less


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
    `site["type"]`, `site["is_observed"]`, and so on for every field. `loops` are those
    around it, each with the (negative) dim that it has given to the site.
    """

    type: ClassVar[str]
    name: str
    value: Any = None
    plates: tuple[PlateFrame, ...] = ()
    line: str = ""
    loops: tuple[tuple[int, LoopAxis], ...] = ()

    def resolve(self) -> Self:
        """The default action, for when no handler is left."""
        return self

    def __getitem__(self, key: str) -> Any:
        if key == "cond_indep_stack":  # innermost first, with the sizes in use
            used = (replace(p, size=p.subsample_size) for p in self.plates)
            return list(used)[::-1]
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

    def __getitem__(self, key: str) -> Any:
        if key == "fn" and self.mask is not None:
            return self.fn.mask(self.mask)
        if key == "log_prob":
            return self.log_prob()
        return super().__getitem__(key)

    def resolve(self) -> Sample:
        """Draw the value if there is none; check the shape of a given one."""
        if self.value is not None:
            return replace(self, fn=fitted(self))
        if self.rng_key is None:
            raise RandomnessError(
                f"needs randomness, and no key is there ({self.line}).",
                site=self.name,
                hint="Wrap the model: ppl.handlers.seed(model, rng_seed=0).",
            )
        self.fn.check_parameters(site=self.name)
        return replace(self, value=_drawn(self.fn, self.rng_key))

    def log_prob(self) -> Array:
        """Log density of the value, scaled and masked, of the batch shape."""
        term = self["fn"].log_prob(self.value)
        return term if self.scale is None else self.scale * term

    def log_prob_less(self, base: Array) -> Array:
        """The sum of `log_prob`, less `base`; see the distribution's method."""
        if np.ndim(self.scale):
            return sum_less(self.log_prob(), base)
        fn = self["fn"]
        if self.scale is None:
            return fn.log_prob_less(self.value, base)
        # A base of the density before it is scaled: what is left is small, too.
        some = self.scale > 0
        scale = jnp.where(some, self.scale, 1.0)
        rest = scale * fn.log_prob_less(self.value, base / scale)
        return jnp.where(some, rest, -base)


def _drawn(fn: Any, key: Key) -> Array:
    """A draw; from a family that is parameters alone by one compiled program.

    Outside of a trace each operation by itself costs as much as that program.
    """
    if fn.has_rsample and len(fn.__dict__) == len(fn.parameter_constraints()):
        return _compiled_draw(fn, key)
    return fn.sample(key)


@jax.jit
def _compiled_draw(fn: Any, key: Key) -> Array:
    return fn.sample(key)


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
        if callable(init) and jax.tree_util.all_leaves([init]):  # a network is a value
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
        return replace(self, value=init)


@dataclass(frozen=True)
class Deterministic(Site):
    """A derived value worth recording."""

    type: ClassVar[str] = "deterministic"


@dataclass(frozen=True)
class Mutable(Site):
    """A holder of values that the model changes while it runs, such as statistics."""

    type: ClassVar[str] = "mutable"
    init: Any = None

    def resolve(self) -> Mutable:
        """A holder of the model's own, from the given value or the initial one."""
        value = self.init if self.value is None else self.value
        if value is None:
            raise ModelError(
                f"has no value and no initial value ({self.line}).",
                site=self.name,
                hint="Give mutable(name, init_value), or substitute one.",
            )
        return replace(self, value=_own_holder(value))


def _own_holder(value: Any) -> Any:
    """Dicts and lists are copied, for they are what the model will change."""
    match value:
        case dict():
            return {key: _own_holder(part) for key, part in value.items()}
        case list():
            return [_own_holder(part) for part in value]
    return value


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
        return replace(self, value=self.make_indices(self))  # type: ignore[misc]


@dataclass(frozen=True)
class KeyRequest(Site):
    """A request for a fresh random key; None where no handler gives one."""

    type: ClassVar[str] = "prng_key"


@dataclass(frozen=True)
class MaskRequest(Site):
    """A request for the mask that the surrounding handlers put on sites."""

    type: ClassVar[str] = "get_mask"


@dataclass(frozen=True)
class ObservedRequest(Site):
    """A question, with the site: whether a handler around will make it observed."""

    type: ClassVar[str] = "observed_request"
    site: Any = None


@dataclass(frozen=True)
class Subsample(Site):
    """Data to be indexed by the surrounding plates."""

    type: ClassVar[str] = "subsample"
    event_dim: int = 0


# --- the stack ------------------------------------------------------------------------

_STACK: ContextVar[tuple[Handler, ...]] = ContextVar("handlers", default=())
_EXITS: ContextVar[tuple[Any, ...]] = ContextVar("exits", default=())


def perform(site: Site) -> Any:
    """Hand `site` to the innermost handler; without one, do its default action."""
    handlers = _STACK.get()
    if not handlers:
        return site.resolve()
    token = _STACK.set(handlers[:-1])  # what a handler performs, only outer ones see
    try:
        return handlers[-1].handle(site)
    finally:
        _STACK.reset(token)


def handlers_in_use() -> tuple[Handler, ...]:
    """The stack, outermost first."""
    return _STACK.get()


@contextmanager
def only(handlers: tuple[Handler, ...]) -> Iterator[None]:
    """Have these handlers, and no others, interpret what is performed."""
    token = _STACK.set(handlers)
    try:
        yield
    finally:
        _STACK.reset(token)


class Handler:
    """Interprets sites: override `handle`, and forward with `perform`.

    Use it as a context manager, around a model, `handler(model, ...)(*args)`, or as a
    decorator, `@handler(...)`. Each entry works on a copy, so one handler serves any
    number of threads, again and again, even inside itself; what a run changes, `start`
    sets up. One that `wants_keys` may draw what has a value or is a param: a `seed`
    inside gives a key to these, too.
    """

    wants_keys: ClassVar[bool] = False
    starts_anew: ClassVar[bool] = False
    regions: tuple[AbstractRegion, ...] = ()

    def __init__(self, fn: Callable[..., Any] | None = None):
        if fn is not None and not callable(fn):
            raise ArgumentTypeError(
                f"{type(self).__name__}(fn, …) needs a callable model as its first "
                f"argument, got {fn!r}.",
                value=fn,
            )
        self.fn = fn

    def start(self) -> Any:
        """Prepare this copy for one run; the result is what `with … as` gives."""
        return self

    def end(self) -> None:
        """Look back on a run of this copy that has ended without an error."""

    def handle(self, site: Any) -> Any:
        """Turn a site into its result; the default forwards it unchanged."""
        return perform(site)

    def inside(self, region: AbstractRegion) -> Self:
        """This handler for the statements of a loop's body, a branch, or the like.

        A handler that acts on a site alone needs nothing else. One that holds values by
        the names of sites asks `here` for them; one that records sites `starts_anew`,
        and gives what it has by `gathered`.
        """
        inner = copy.copy(self)
        inner.regions = (*self.regions, region)
        if self.starts_anew:
            inner.start()
        return inner

    def here(self, value: Any, name: str) -> Any:
        """The part of `value`, given for site `name`, that belongs to this place."""
        for region in self.regions:
            value = region.take(value, name)
        return value

    def folded(self, key: Key) -> Key:
        """A key for this place: another one in each step of a loop."""
        for region in self.regions:
            key = region.fold(key)
        return key

    def gathered(self) -> Any:
        """What has been recorded in the region: a pytree of sites and arrays."""
        return None

    def absorb(self, gathered: Any) -> None:
        """Take what was recorded in a region that has ended, of all its steps."""

    def __enter__(self) -> Any:
        entered = copy.copy(self)
        given = entered.start()
        checks = CHECK_AT_CONSTRUCTION.set(False)  # the statements check, with names
        token = _STACK.set((*_STACK.get(), entered))
        _EXITS.set((*_EXITS.get(), (self, entered, checks, token)))
        return given

    def __exit__(self, *exc: object) -> None:
        exits, ended = list(_EXITS.get()), None
        while exits and ended is None:
            handler, entered, checks, token = exits.pop()
            if handler is self:  # entries after ours were left without an exit
                _STACK.reset(token)
                CHECK_AT_CONSTRUCTION.reset(checks)
                ended = entered
        _EXITS.set(tuple(exits))
        if ended is not None and exc[:1] in ((), (None,)):
            ended.end()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped model under this handler; without one, wrap what is given."""
        if self.fn is None and len(args) == 1 and callable(args[0]) and not kwargs:
            wrapping = copy.copy(self)
            wrapping.fn = args[0]
            return wrapping
        with self:
            return self.wrapped(*args, **kwargs)

    @property
    def wrapped(self) -> Callable[..., Any]:
        """The model; an error if there is none."""
        if self.fn is None:
            raise ArgumentTypeError(
                f"{type(self).__name__} wraps no model: use it in a `with` statement "
                "or give the model as its first argument."
            )
        return self.fn
