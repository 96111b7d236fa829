"""One small program that evaluates a model at a few points and counts what is wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._by_numpy import run as by_numpy
from ppl._by_numpy import runs_by_numpy
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
_TOGETHER = 20_000_000  # numbers in the data of all points together
_MUCH = 100_000  # numbers in the data from which on fast code repays its compilation


def points(dim: int) -> np.ndarray:
    """Unconstrained positions, (POINTS, dim): the origin and uniform ones around it.

    The origin tells what is wrong for good from what overflows far out.
    """
    spread = np.random.default_rng(0).uniform(-2.0, 2.0, (POINTS, dim))
    spread[0] = 0.0
    return spread.astype(jnp.result_type(float))


def usable(drawn: np.ndarray) -> np.ndarray:
    """The draws, (draws, dim), without those that are no numbers, as positions."""
    return drawn[np.isfinite(drawn).all(axis=1)].astype(jnp.result_type(float))


@pytree
class Findings:
    """What is wrong at each point; columns are sites, parameter checks, given values.

    Attributes:
        terms: Log density of each sample site, (points, sites).
        codes: Bits of what is wrong with any element, (points, checks and values).
        sites: Names of the sample sites.
        checks: Of each parameter check the site and its number there.
        given: Names of the sites whose values are observed or substituted.
    """

    terms: Array
    codes: Array
    sites: tuple[str, ...] = static()
    checks: tuple[tuple[str, int], ...] = static()
    given: tuple[str, ...] = static()


# Bits of a code: an element breaks the rule of a parameter or lies outside a support
WRONG = 1  # by sign, order or size
MISSING = 2  # for being NaN, or, where it is a value, infinite
EXTREME = 4  # for being infinite, or zero where small numbers may end


_QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
# Fusion repeats what long chains of sites have in common again and again.
_LONG = {**_QUICK, "xla_disable_hlo_passes": "fusion"}
_MANY_SITES = 24


def quickly(fn: Callable[..., Any], static: tuple[str, ...] = ()) -> Callable[..., Any]:
    """A function of a target, by NumPy or compiled quickly if it has little to do.

    Args:
        fn: The function; its first argument is the target.
        static: Names of the arguments that are no arrays; they are given by name.
    """
    jitted = partial(jax.jit, fn, static_argnames=static)
    usual = jitted()
    quick, long = jitted(compiler_options=_QUICK), jitted(compiler_options=_LONG)

    @functools.wraps(fn)
    def run(density: LogDensity, *args: Any, **fixed: Any) -> Any:
        size = sum(np.size(leaf) for leaf in density.data)
        if size >= _MUCH or jax.default_backend() != "cpu":
            program = usual
        else:
            many = len(density.layout.entries) > _MANY_SITES
            program = long if many else quick
        traced = program.trace(density, *args, **fixed)
        if not runs_by_numpy(traced.jaxpr):
            return program(density, *args, **fixed)
        outputs = by_numpy(traced.jaxpr, jax.tree.leaves((density, args)))
        return jax.tree.unflatten(jax.tree.structure(traced.out_info), outputs)

    return run


def affordable(density: LogDensity, most: int) -> int:
    """At how many points a target of much data is evaluated at once, up to `most`."""
    size = sum(np.size(leaf) for leaf in density.data)
    return min(most, _TOGETHER // max(1, size))


@quickly
def probe(density: LogDensity, positions: np.ndarray) -> Findings:
    """Evaluate a target at positions (n, dim)."""
    return jax.vmap(partial(_findings, density))(positions)


def _findings(density: LogDensity, position: Array) -> Findings:
    _, sites, terms = density.visit(position)
    free = {entry.name for entry in density.layout.entries}
    checks, given = {}, {}
    for name in terms:
        site: Any = sites[name]
        if isinstance(unwrapped(site.fn), Unit):
            continue  # its one parameter is its log density
        for i, own in enumerate(site.fn.parameter_checks()):
            check = own.judged()
            if isinstance(check.ok, Tracer):  # the statement saw the others
                checks[name, i] = _code_of_parameter(check, site)
        if name not in free:
            given[name] = _code_of_value(site)
    codes = [*checks.values(), *given.values()]
    return Findings(
        jnp.stack(list(terms.values())),
        jnp.stack(codes) if codes else jnp.zeros(0, jnp.int32),
        tuple(terms),
        tuple(checks),
        tuple(given),
    )


def _code_of_parameter(check: ParameterCheck, site: Sample) -> Array:
    nan, extreme = unclear(jnp, check)
    wrong = ~jnp.asarray(check.ok)
    where = counted_batch(site)
    if where is not None:
        wrong = jnp.logical_and(*_aligned(wrong, where))
    code = jnp.where(nan, MISSING, jnp.where(extreme, EXTREME, WRONG))
    return _any_bits(jnp.where(wrong, code, 0))


def _any_bits(codes: Array) -> Array:
    """One code for all elements."""
    codes = codes.astype(jnp.int32)
    axes = tuple(range(codes.ndim))
    return jax.lax.reduce(codes, np.int32(0), jax.lax.bitwise_or, axes)


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


def _code_of_value(site: Sample) -> Array:
    judged = judge(jnp, site)
    if judged is None:
        return jnp.zeros((), jnp.int32)
    outside, missing, _ = judged
    return _any_bits(jnp.where(outside, WRONG, jnp.where(missing, MISSING, 0)))


def judge(xp: Any, site: Sample) -> tuple[Any, Any, Constraint] | None:
    """Where a site's value is outside of the support, and where by NaN or infinity.

    Elementwise, except that one value of the support without its `to_event` is judged
    as a whole. None if the support cannot be checked.
    """
    support = site.fn.support
    while isinstance(support, IndependentConstraint):
        support = support.base
    if constraints.is_dependent(support):
        return None
    if unwrapped(site.fn).is_circular:  # an angle from 0 to 2 pi is as good
        support = constraints.real
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
    """Where no mask switches the value off, to be broadcast; None without a mask."""
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
