"""Running a model with given values: the handler, and what a failed run tells."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ControlFlowError, LeakedSiteError
from ppl._pytree import replace
from ppl._recording import check_recordable
from ppl._sites import (
    Deterministic,
    Handler,
    Mutable,
    Param,
    PlateEntry,
    Sample,
    Site,
    perform,
)
from ppl._source import is_users
from ppl._typing import Array


class Visit(Handler):
    """Gives free sites their values, records all sites, refuses a name used twice."""

    starts_anew = True

    def __init__(self, value_of: Callable[[Sample, Visit], Any]):
        """Visit with the values that `value_of` gives.

        Args:
            value_of: Gets a site and this handler, whose `here` and `folded` tell what
                belongs to a step of a loop, and which takes its `note`.
        """
        super().__init__()
        self.value_of = value_of

    def start(self) -> Visit:
        """Begin with no sites."""
        self.sites: dict[str, Site] = {}
        self.notes: dict[str, dict[str, Array]] = {}
        return self

    def gathered(self) -> Any:
        """The sites of one step, and the notes."""
        return self.sites, self.notes

    def absorb(self, gathered: Any) -> None:
        """Record the sites of all steps."""
        sites, notes = gathered
        for site in sites.values():
            self._record(site)
        self.notes.update(notes)

    def note(self, site: Site, **values: Array) -> None:
        """Keep something with a site, in a loop for each step."""
        self.notes[site.name] = values

    def handle(self, site: Site) -> Site:
        """Value a free site; record it when it comes back."""
        match site:
            case Mutable(name=name) if isinstance(self.sites.get(name), Mutable):
                return self.sites[name]
            case Sample(value=None, is_observed=False):
                out = perform(replace(site, value=self.value_of(site, self)))
            case _:
                out = perform(site)
        match out:
            case Sample() | Deterministic() | Mutable():
                self._record(out)
            case Param() | PlateEntry():
                self._record(site)  # without the value that it gets by default
        return out

    def _record(self, site: Site) -> None:
        check_recordable(self.sites.get(site.name), site, self)
        self.sites.setdefault(site.name, site)


def placeholder(site: Sample) -> Array:
    """Some value of the right shape and dtype, for a first look at a model."""
    support = site.fn.support
    like = jnp.zeros(site.fn.shape(), int if support.is_discrete else float)
    return jnp.copy(support.feasible_like(like))  # a tracer wherever JAX is tracing


def family_of(fn: Any) -> str:
    """The name of the innermost family of a wrapped distribution."""
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return type(fn).__name__


# --- what a program is ----------------------------------------------------------------


def fingerprint(jaxpr: Any) -> str:
    """A digest of a traced program and of every array that it closes over."""
    digest = hashlib.blake2b(str(jaxpr.jaxpr).encode(), digest_size=16)
    for const in _constants(jaxpr):
        if isinstance(const, Tracer):
            raise leaked(None)
        if jax.dtypes.issubdtype(getattr(const, "dtype", None), jax.dtypes.prng_key):
            const = jax.random.key_data(const)  # as a network with dropout has one
        array = np.asarray(const)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def largest_product(jaxpr: Any) -> int:
    """Multiplications of the largest matrix product in a program and those inside it.

    A gather `x[i]` counts as a product with a matrix of zeros and ones, see `_gather`.
    """
    largest = 0
    for equation in jaxpr.eqns:
        name, summed = equation.primitive.name, 0
        if name == "dot_general":
            (axes, _), _ = equation.params["dimension_numbers"]
            summed = math.prod(equation.invars[0].aval.shape[i] for i in axes)
        elif name == "gather":
            summed = equation.invars[0].aval.size
        if summed:
            largest = max(largest, summed * equation.outvars[0].aval.size)
        for inner in _programs_in(equation):
            largest = max(largest, largest_product(inner))
    return largest


def _constants(jaxpr: Any) -> Iterator[Any]:
    """The constants of a program and of the programs inside it, which do not print."""
    yield from getattr(jaxpr, "consts", ())
    for equation in jaxpr.eqns:
        for inner in _programs_in(equation):
            yield from _constants(inner)


def _programs_in(equation: Any) -> Iterator[Any]:
    """The programs that an equation calls, loops over or branches to."""
    for inner in jax.tree.leaves(tuple(equation.params.values())):
        if hasattr(inner, "eqns"):
            yield inner


# --- what a failed run tells ----------------------------------------------------------


def leaked(site: Site | None) -> LeakedSiteError:
    """The error for a statement under a transformation that handlers cannot see."""
    name = site.name if site else None
    return LeakedSiteError(
        "a statement runs inside jax.jit, vmap, scan or cond, where handlers cannot "
        f"see it{f' ({site.line})' if site else ''}.",
        site=name,
        value=name,
        hint="Take jit away (all of the model is compiled anyway); use ppl.plate "
        "or ppl.control.vmap, scan, cond instead of those of JAX.",
    )


def needs_values(error: Exception) -> bool:
    """Whether an error means that the values of traced arrays were looked at."""
    if isinstance(error, TypeError) and "concrete values" in str(error):
        return True  # jnp.zeros(n) of a traced n
    return isinstance(
        error,
        jax.errors.ConcretizationTypeError
        | jax.errors.TracerArrayConversionError
        | jax.errors.TracerIntegerConversionError
        | jax.errors.NonConcreteBooleanIndexError,
    )


def control_flow_error(run: Callable[[], Any], error: Exception) -> ControlFlowError:
    """Name the latent site whose value the model looks at.

    Args:
        run: Runs the model with its data, which are concrete.
        error: What running it on traced values raised.
    """
    culprit = next((name for name in _latent_names(run) if _fails(run, name)), None)
    line = _line_of(error)
    if culprit is None:
        return ControlFlowError(
            f"Python control flow or NumPy looks at a value that JAX traces ({line}).",
            hint="If it comes from random values, use jnp.where or ppl.control.cond "
            "and jax.numpy functions; if from data that the model closes over, compute "
            "it with NumPy, or outside of the model.",
        )
    return ControlFlowError(
        f"Python control flow or NumPy looks at a random value ({line}).",
        site=culprit,
        hint="Use jnp.where or ppl.control.cond on its value, and jax.numpy functions.",
    )


def _latent_names(run: Callable[[], Any]) -> list[str]:
    """Free sites up to where the model fails, if it fails with concrete values too."""
    names: list[str] = []

    def value_of(site: Sample, _: Visit) -> Array:
        names.append(site.name)
        return placeholder(site)

    try:
        with Visit(value_of):
            run()
    except Exception:  # noqa: BLE001  (a stand-in may break the model)
        return names
    return names


def _fails(run: Callable[[], Any], name: str) -> bool:
    """Whether the model looks at site `name`: only that value is traced."""

    def with_traced(zero: Array) -> Array:
        def value_of(site: Sample, _: Visit) -> Array:
            value = placeholder(site)
            return value + zero.astype(value.dtype) if site.name == name else value

        with Visit(value_of):
            run()
        return zero

    try:
        jax.vmap(with_traced)(jnp.zeros(1))
    except Exception as found:  # noqa: BLE001
        return needs_values(found)
    return False


def _line_of(error: Exception) -> str:
    """File and line of the innermost frame in the user's code."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if is_users(file):
            line = f"{os.path.basename(file)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return line
