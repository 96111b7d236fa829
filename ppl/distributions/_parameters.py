"""Parameters of distributions: how they are declared, made numeric and checked."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._data import INT32_REMEDY, as_array, beyond_int32, described
from ppl._errors import ArgumentError, ArgumentTypeError, ParameterError
from ppl._pytree import pytree, static
from ppl._typing import Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, shape_of

CHECK_AT_CONSTRUCTION: ContextVar[bool] = ContextVar("check_construction", default=True)
D = TypeVar("D", bound=type)

# Families with plain numbers that were found to be right: models repeat them.
_RIGHT: set[tuple[type, tuple[Any, ...]]] = set()
_REMEMBERED = 4096


@contextmanager
def checks_deferred() -> Iterator[None]:
    """Construct distributions without checking their parameters.

    Used while a model runs: there the statement that receives the distribution checks
    it and can name the site.
    """
    token = CHECK_AT_CONSTRUCTION.set(False)
    try:
        yield
    finally:
        CHECK_AT_CONSTRUCTION.reset(token)


def param(constraint: Constraint, *, default: Any = dataclasses.MISSING) -> Any:
    """A parameter field: an array whose leading dims are batch dims.

    Args:
        constraint: The set in which every parameter value must lie; its `event_dim`
            says how many rightmost dims belong to one parameter.
        default: The value when none is given.
    """
    return dataclasses.field(default=default, metadata={"constraint": constraint})


class ParameterCheck(NamedTuple):
    """What one parameter must be, and whether it is.

    Attributes:
        name: Of the parameter.
        value: Of the parameter.
        verdict: Whether it is right, elementwise over the batch, or a constraint, which
            is asked for this when someone looks.
        told: The rule in words, unless the constraint has them.
        remedy: What to do.
    """

    name: str
    value: Any
    verdict: Any
    told: str = ""
    remedy: str = ""

    @property
    def ok(self) -> Any:
        """Whether the parameter is right, elementwise over the batch."""
        own = self.verdict
        return own(self.value) if isinstance(own, Constraint) else own

    @property
    def rule(self) -> str:
        """What must hold, in words."""
        return self.told or self.verdict.rule

    def judged(self) -> ParameterCheck:
        """The same after the constraint was asked."""
        return self._replace(verdict=self.ok, told=self.rule)


_REMEDIES = (
    (constraints.positive, "Give it a positive prior, or jnp.exp of a free value."),
    (constraints.unit_interval, "Give it a prior on [0, 1], or use `logits` instead."),
    (constraints.simplex, "Divide it by its sum, or use `logits` instead."),
)


@dataclass_transform(
    frozen_default=True, field_specifiers=(param, static, dataclasses.field)
)
def distribution(cls: D) -> D:
    """Class decorator: a pytree whose constructor prepares and checks its parameters.

    The constructor takes the fields in order and `validate_args=` (False skips the
    check). A class that writes its own `__init__` ends it with `self._set(**fields)`.
    """
    own = "__init__" in vars(cls)
    made = pytree(cls)
    if not own:
        assign: Callable[..., None] = made.__init__

        def __init__(
            self: Any, *args: Any, validate_args: bool | None = None, **kw: Any
        ):
            assign(self, *args, **kw)
            self._prepare(validate_args)

        __init__.__wrapped__ = assign  # type: ignore[attr-defined]
        made.__init__ = __init__
    return made


def as_parameter(value: Any, constraint: Constraint) -> Any:
    """A parameter as given, made numeric: lists become arrays, integers floats."""
    if not isinstance(value, jax.Array | np.ndarray | np.generic | float | int):
        if not isinstance(value, list | tuple) and not hasattr(value, "__array__"):
            return value  # a placeholder of JAX, or for `_prepare` to refuse
        if any(isinstance(v, jax.Array) for v in jax.tree.leaves(value)):
            value = jnp.asarray(value)
        else:
            value = as_array(value)
    if constraint.is_discrete:
        return value
    if isinstance(value, bool | int):
        return float(value)
    if value is not None and not isinstance(value, float):
        kind = np.dtype(value.dtype).kind if not _is_key(value) else "k"
        if kind in "iub":
            return value.astype(jnp.result_type(float))
    return value


def _is_key(value: Any) -> bool:
    return jnp.issubdtype(getattr(value, "dtype", np.float32), jax.dtypes.prng_key)


def known(value: Any) -> Any:
    """A concrete JAX array as a NumPy array, to be judged even while JAX is tracing."""
    if isinstance(value, Tracer) or not isinstance(value, jax.Array):
        return value
    return np.asarray(value) if value.is_fully_addressable else value


def one_of(family: str, **given: Any) -> str:
    """The name of the one argument that is not None; an error if there is not one."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) == 1:
        return names[0]
    wanted = " and ".join(f"`{name}`" for name in given)
    raise ArgumentError(
        f"{family} needs exactly one of {wanted}, got {' and '.join(names) or 'none'}.",
        value=names,
    )


def parameter_error(
    family: str, check: ParameterCheck, ok: np.ndarray, site: str | None
) -> ParameterError:
    """The error for a broken parameter rule: which, where, how many, what to do."""
    where, count, shown = "", "", known(check.value)
    traced = isinstance(shown, Tracer)
    if ok.ndim and ok.size == 1 and not traced:
        shown = np.asarray(shown).reshape(np.shape(shown)[ok.ndim :])
    elif ok.ndim:
        first = tuple(int(i) for i in np.argwhere(~ok)[0])
        where = f"[{', '.join(map(str, first))}]"
        count = f" ({int((~ok).sum())} of {ok.size} wrong)"
        if not traced:
            full = np.asarray(shown)
            event = full.shape[ok.ndim :]  # a rule has as many dims as its batch
            shown = np.broadcast_to(full, (*ok.shape, *event))[first]
    shown = "?" if traced else np.asarray(shown).tolist()
    return ParameterError(
        f"{family}.{check.name}{where} = {shown}{count}: {check.rule}.",
        site=site,
        value=shown,
        hint=_remedy(shown, check.remedy),
    )


def _remedy(shown: Any, remedy: str) -> str:
    if shown != "?" and np.isnan(np.asarray(shown, float)).any():
        return "It is NaN: look at the computation before it."
    return remedy


@functools.cache
def _constraints_of(cls: Any) -> dict[str, Constraint]:
    fields = (f for f in dataclasses.fields(cls) if "constraint" in f.metadata)
    return {f.name: f.metadata["constraint"] for f in fields}


@functools.cache
def _remedies_of(cls: Any) -> dict[str, str]:
    named = cls.parameter_constraints().items()
    return {n: next((r for c, r in _REMEDIES if c == own), "") for n, own in named}


class AbstractParametrised:
    """What has declared parameters: their shapes, their preparation, their checks."""

    @classmethod
    def parameter_constraints(cls) -> dict[str, Constraint]:
        """The constraint of each parameter field, in order."""
        return _constraints_of(cls)

    @property
    def batch_shape(self) -> Shape:
        """Shape of independent, possibly different members of the family."""
        shapes = set()
        for name, constraint in self.parameter_constraints().items():
            if shape := shape_of(getattr(self, name)):
                shapes.add(shape[: len(shape) - constraint.event_dim])
        if len(shapes) > 1:
            return np.broadcast_shapes(*shapes)
        return shapes.pop() if shapes else ()

    def _set(self, *, validate_args: bool | None = None, **fields: Any) -> None:
        """Set the fields of an instance from a hand-written `__init__`."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        self._prepare(validate_args)

    def _prepare(self, validate_args: bool | None) -> None:  # noqa: FBT001
        """Make parameters numeric and, when they are concrete, check them."""
        named = self.parameter_constraints()
        for name, constraint in named.items():
            value, event_dim = getattr(self, name), constraint.event_dim
            if type(value) is float and not event_dim:
                continue  # as most are
            value = as_parameter(value, constraint)
            kind = getattr(getattr(value, "dtype", None), "kind", "")
            odd = kind != "" and kind in "OUSMmc"
            if odd or not (isinstance(value, float | int) or hasattr(value, "dtype")):
                raise ArgumentTypeError(
                    f"{type(self).__name__}.{name} must be a number or an array of "
                    f"real numbers, got {described(value)}.",
                    value=value,
                )
            if isinstance(value, int) and beyond_int32(value) is not None:
                raise ParameterError(
                    f"{type(self).__name__}.{name} = {described(value)} does not fit "
                    "int32.",
                    value=value,
                    hint=INT32_REMEDY,
                )
            if len(shape_of(value)) < event_dim:
                raise ParameterError(
                    f"{type(self).__name__}.{name} needs at least {event_dim} dims, "
                    f"got shape {shape_of(value)}.",
                    value=value,
                )
            object.__setattr__(self, name, value)
        try:
            batched = self.batch_shape != ()
        except ValueError:
            shapes = {name: shape_of(getattr(self, name)) for name in named}
            raise ParameterError(
                f"{type(self).__name__}: parameters do not broadcast: {shapes}."
            ) from None
        if batched:
            self._align()
        if validate_args is None:
            validate_args = CHECK_AT_CONSTRUCTION.get()
        if validate_args:
            self.check_parameters()

    def _align(self) -> None:
        """Give parameters of lower batch rank leading dims of length one.

        A mapped axis goes in front of every leaf; only leaves of equal rank still
        broadcast as they did inside the map. So plain numbers beside arrays become
        arrays, too, of the type that they would have had in arithmetic with these.
        """
        rank = len(self.batch_shape)
        for name, constraint in self.parameter_constraints().items():
            value = getattr(self, name)
            lacking = rank - (len(shape_of(value)) - constraint.event_dim)
            if lacking <= 0:
                continue
            if isinstance(value, float | int) and not isinstance(value, np.generic):
                value = np.asarray(value, self._dtype_beside(value))
            if isinstance(value, jax.Array | np.ndarray | np.generic):
                shape = (1,) * lacking + shape_of(value)
                object.__setattr__(self, name, value.reshape(shape))

    def _dtype_beside(self, number: float) -> Any:
        """The type of a plain number in arithmetic with the other parameters."""
        if not isinstance(number, float):
            return jnp.result_type(number)
        others = (getattr(self, name) for name in self.parameter_constraints())
        arrays = [v for v in others if hasattr(v, "dtype")]
        return jnp.result_type(*arrays, number) if arrays else jnp.result_type(number)

    def parameter_checks(self) -> list[ParameterCheck]:
        """The verdicts on all parameters, traced or concrete, of one batch shape each.

        A family whose rules tie parameters together (low < high) appends its own.
        """
        checks, remedies = [], _remedies_of(type(self))
        for name, constraint in self.parameter_constraints().items():
            value = known(getattr(self, name))
            if value is not None:
                remedy = remedies[name]
                checks.append(ParameterCheck(name, value, constraint, remedy=remedy))
        return checks

    def check_parameters(self, site: str | None = None) -> None:
        """Raise `ParameterError` for the first concrete parameter that breaks its rule.

        Args:
            site: The name to put into the error.
        """
        fields = tuple(self.__dict__.values())
        if all(isinstance(value, Tracer) for value in fields):
            return
        plain = all(type(value) is float for value in fields)
        if plain and (type(self), fields) in _RIGHT:
            return
        for check in self.parameter_checks():
            ok = None if isinstance(check.value, Tracer) else check.ok
            if ok is None or isinstance(ok, Tracer) or (ok := np.asarray(ok)).all():
                continue
            raise parameter_error(type(self).__name__, check, ok, site)
        if plain and len(_RIGHT) < _REMEMBERED:
            _RIGHT.add((type(self), fields))
