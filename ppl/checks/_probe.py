"""One small program that evaluates a model at a few points and counts what is wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

from ppl._pytree import pytree, static
from ppl._sites import Sample
from ppl._typing import Array, Shape
from ppl.distributions import constraints
from ppl.distributions.constraints import Constraint, IndependentConstraint
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
    ParameterCheck,
)
from ppl.distributions.unit import Unit
from ppl.target import LogDensity

POINTS = 8


def points(dim: int) -> np.ndarray:
    """Unconstrained positions, (POINTS, dim): the origin and uniform ones around it.

    The origin tells what is wrong for good from what overflows far out.
    """
    spread = np.random.default_rng(0).uniform(-2.0, 2.0, (POINTS, dim))
    spread[0] = 0.0
    return spread.astype(jnp.result_type(float))


@pytree
class Counts:
    """What is wrong at each point; columns are sites, parameter checks, given values.

    Attributes:
        terms: Log density of each sample site.
        broken: Elements of a parameter that break its rule by sign, order or size.
        nans: Elements of a parameter that are NaN.
        extreme: Elements that break it by being infinite, or zero where that is the
            limit of small numbers.
        outside: Finite elements of a given value outside of its support.
        missing: Elements that are outside for being NaN or infinite.
        sites: Names of the sample sites.
        checks: Of each parameter check the site and its number there.
        given: Names of the sites whose values are observed or substituted.
    """

    terms: Array
    broken: Array
    nans: Array
    extreme: Array
    outside: Array
    missing: Array
    sites: tuple[str, ...] = static()
    checks: tuple[tuple[str, int], ...] = static()
    given: tuple[str, ...] = static()


@jax.jit
def probe(density: LogDensity, positions: Array) -> Counts:
    """Evaluate at positions (n, dim); the columns of the result are (n, …)."""
    return jax.vmap(partial(_counts, density))(positions)


def _counts(density: LogDensity, position: Array) -> Counts:
    _, sites, terms = density.visit(position)
    free = {entry.name for entry in density.layout.entries}
    checks, given = {}, {}
    for name in terms:
        site = sites[name]
        if isinstance(unwrapped(site.fn), Unit):
            continue  # its one parameter is its log density
        for i, check in enumerate(site.fn.parameter_checks()):
            if isinstance(check.ok, jax.core.Tracer):  # the statement saw the others
                checks[name, i] = _count_parameter(check, site)
        if name not in free:
            given[name] = _count_value(site)
    broken, nans, extreme = _columns(checks.values(), 3)
    outside, missing = _columns(given.values(), 2)
    return Counts(
        jnp.stack(list(terms.values())),
        broken,
        nans,
        extreme,
        outside,
        missing,
        tuple(terms),
        tuple(checks),
        tuple(given),
    )


def _columns(rows: Any, count: int) -> list[Array]:
    rows = list(rows)
    if not rows:
        return [jnp.zeros(0, jnp.int32)] * count
    return [jnp.stack(column) for column in zip(*rows, strict=True)]


def _count_parameter(check: ParameterCheck, site: Sample) -> tuple[Array, ...]:
    nan, extreme = unclear(jnp, check)
    wrong = ~jnp.asarray(check.ok)
    where = counted_batch(site)
    if where is not None:
        wrong = jnp.logical_and(*_aligned(wrong, where))
    total = partial(jnp.sum, dtype=jnp.int32)
    return total(wrong & ~nan & ~extreme), total(wrong & nan), total(wrong & extreme)


def _aligned(wrong: Array, where: Array) -> tuple[Array, Array]:
    """A verdict and a mask of its batch; a mask of another batch as a whole."""
    try:
        if jnp.broadcast_shapes(wrong.shape, where.shape) == where.shape:
            return wrong, where
    except ValueError:
        pass
    return wrong, where.any()


def unclear(xp: Any, check: ParameterCheck) -> tuple[Any, Any]:
    """Where a parameter is NaN, and where infinite, or zero by underflow perhaps."""
    value, ok = xp.asarray(check.value), xp.asarray(check.ok)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        return xp.zeros_like(ok), xp.zeros_like(ok)
    nan, extreme = xp.isnan(value), xp.isinf(value)
    if check.rule == constraints.positive.rule:
        extreme = extreme | (value == 0)
    inner = tuple(range(ok.ndim, value.ndim))
    nan, extreme = nan.any(inner), extreme.any(inner)
    return nan, extreme & ~nan


def _count_value(site: Sample) -> tuple[Array, Array]:
    judged = judge(jnp, site)
    if judged is None:
        return jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    outside, missing, _ = judged
    total = partial(jnp.sum, dtype=jnp.int32)
    return total(outside), total(missing)


def judge(xp: Any, site: Sample) -> tuple[Any, Any, Constraint] | None:
    """Where a site's value is outside of the support, where so for being NaN or infinite.

    Elementwise, except that one value of the support without its `to_event` is judged
    as a whole. None if the support cannot be checked.
    """
    support = site.fn.support
    while isinstance(support, IndependentConstraint):
        support = support.base
    if constraints.is_dependent(support):
        return None
    value = xp.broadcast_to(xp.asarray(site.value), site.fn.shape())
    try:
        wrong = ~xp.asarray(support(value))
    except TypeError:  # a constraint that cannot be checked
        return None
    inner = tuple(range(wrong.ndim, value.ndim))
    if jnp.issubdtype(value.dtype, jnp.inexact):
        missing = (~xp.isfinite(value)).any(inner)
    else:
        missing = xp.zeros_like(wrong)
    where = counted(site.fn if site.mask is None else site.fn.mask(site.mask))
    if where is not None:
        wrong = wrong & xp.broadcast_to(xp.asarray(where), value.shape).any(inner)
    return wrong & ~missing, wrong & missing, support


def unwrapped(fn: Distribution) -> Distribution:
    """The distribution inside of `to_event` and `mask`."""
    while isinstance(fn, Independent | MaskedDistribution):
        fn = fn.base_dist
    return fn


def counted(fn: Distribution) -> Any:
    """Where no mask switches the value off, to be broadcast; None if there is no mask."""
    if isinstance(fn, Independent):
        return counted(fn.base_dist)
    if not isinstance(fn, MaskedDistribution):
        return None
    own = jnp.asarray(fn._mask)
    own = own.reshape(own.shape + (1,) * fn.event_dim)
    inner = counted(fn.base_dist)
    return own if inner is None else own & inner


def counted_batch(site: Sample) -> Any:
    """The same over the batch of the family inside; None if there is no mask."""
    where = counted(site.fn if site.mask is None else site.fn.mask(site.mask))
    if where is None:
        return None
    shape: Shape = site.fn.shape()
    event = len(shape) - unwrapped(site.fn).event_dim
    return jnp.broadcast_to(where, shape).any(tuple(range(event, len(shape))))


# --- a closer look, when something was found ------------------------------------------


@partial(jax.jit, static_argnames="name")
def _look(density: LogDensity, position: Array, name: str) -> tuple[Any, Any, Any]:
    site: Any = density.visit(position)[1][name]
    return site.fn, site.value, site.mask


def look(density: LogDensity, position: np.ndarray, name: str) -> Sample:
    """The site at a position, with everything in it concrete."""
    made = jax.tree.map(np.asarray, _look(density, position, name))
    fn, value, mask = made
    return Sample(name, value=value, fn=fn, mask=mask)


def varies(density: LogDensity, name: str, check: int | None = None) -> bool:
    """Whether a parameter, or else a site's value or support, depends on the position.

    Read off the traced program: what depends on an input through an inner function
    counts as depending on all inputs of it.
    """

    def parts(position: Array) -> Any:
        site: Any = density.visit(position)[1][name]
        if check is not None:
            return site.fn.parameter_checks()[check].value
        return site.value, site.fn.support

    position = jax.ShapeDtypeStruct((density.layout.size,), jnp.result_type(float))
    jaxpr = jax.make_jaxpr(parts)(position).jaxpr
    reached = set(jaxpr.invars)
    literal = jax.extend.core.Literal
    for equation in jaxpr.eqns:
        if any(not isinstance(v, literal) and v in reached for v in equation.invars):
            reached.update(equation.outvars)
    return any(not isinstance(v, literal) and v in reached for v in jaxpr.outvars)
