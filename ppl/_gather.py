"""Gathers such as `theta[group]`, of many chains at once, with a fast gradient.

JAX's own `gather` and its transpose, mapped over chains, touch single numbers, one for
each chain and index. With few groups and many chains both are products with a matrix of
zeros and ones instead, which on CPUs is several times as fast for hundreds of chains
(`benchmarks.throughput --model radon`: the bare gradient). It also avoids the slow
float32 scatter-add of some CUDA versions (jaxlib 0.10.2 to 0.11.0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal, Primitive
from jax.interpreters import ad, batching, mlir

from ppl._typing import Array

_MOST_GROUPS = 256  # up to which a product is faster
_LARGEST_MATRIX = 2**22  # numbers
_MANY_CHAINS = 32  # from which on it is worth while on CPUs

take_p = Primitive("take_groups")
add_p = Primitive("add_groups")


def _take(x: Array, indices: Array, *, groups: int, mode: Any, fill: Any) -> Array:
    """x[…, i] for x of (*chains, groups) and indices of (*shape, 1)."""
    numbers = lax.GatherDimensionNumbers((), (0,), (0,))

    def gathered(x: Array) -> Array:
        def one(x: Array) -> Array:
            return lax.gather(x, indices, numbers, (1,), mode=mode, fill_value=fill)

        for _ in x.shape[:-1]:
            one = jax.vmap(one)
        return one(x)

    def multiplied(x: Array) -> Array:
        taken = jnp.matmul(x, _one_hot(indices, groups, x.dtype), precision="highest")
        return taken.reshape(*x.shape[:-1], *indices.shape[:-1])

    def checked(x: Array) -> Array:  # infinity times zero is not zero
        fine = jnp.isfinite(x).all() & ((indices >= 0) & (indices < groups)).all()
        return lax.cond(fine, multiplied, gathered, x)

    if not _pays(groups, indices, x.size // groups, "cpu"):
        return gathered(x)
    return lax.platform_dependent(x, cpu=checked, default=gathered)


def _add(ct: Array, indices: Array, *, groups: int, mode: Any, fill: Any) -> Array:
    """The transpose of `_take`: sums over equal indices, (*chains, groups)."""
    del fill
    lead = ct.ndim - (indices.ndim - 1)
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))

    def scattered(ct: Array) -> Array:
        def one(ct: Array) -> Array:
            zeros = jnp.zeros(groups, ct.dtype)
            return lax.scatter_add(zeros, indices, ct, numbers, mode=mode)

        for _ in range(lead):
            one = jax.vmap(one)
        return one(ct)

    def multiplied(ct: Array) -> Array:
        index = indices
        if mode == lax.GatherScatterMode.CLIP:
            index = jnp.clip(index, 0, groups - 1)
        flat = ct.reshape(*ct.shape[:lead], indices.size)
        return jnp.matmul(
            flat, _one_hot(index, groups, ct.dtype).T, precision="highest"
        )

    columns = ct.size // max(indices.size, 1)
    cpu, other = (
        multiplied if _pays(groups, indices, columns, kind) else scattered
        for kind in ("cpu", "other")
    )
    return lax.platform_dependent(ct, cpu=cpu, default=other)


def _one_hot(indices: Array, groups: int, dtype: Any) -> Array:
    """Zeros and ones, (groups, indices)."""
    return (indices.reshape(-1) == jnp.arange(groups)[:, None]).astype(dtype)


def _pays(groups: int, indices: Array, chains: int, platform: str) -> bool:
    """Whether a product with zeros and ones is faster than touching numbers."""
    small = groups <= _MOST_GROUPS and groups * indices.size <= _LARGEST_MATRIX
    return small and (chains >= _MANY_CHAINS or platform != "cpu")


def _define(primitive: Any, function: Callable[..., Array], transposed: Any) -> None:
    """A primitive that is linear in its first argument."""

    def shape_of(x: Any, indices: Any, **params: Any) -> Any:
        structs = (jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, indices))
        out = jax.eval_shape(lambda x, i: function(x, i, **params), *structs)
        return x.update(shape=out.shape, dtype=out.dtype, weak_type=False)

    def jvp(primals: Any, tangents: Any, **params: Any) -> Any:
        x, indices = primals
        out = primitive.bind(x, indices, **params)
        if type(tangents[0]) is ad.Zero:
            return out, jnp.zeros_like(out)
        return out, primitive.bind(tangents[0], indices, **params)

    def transpose(ct: Any, _: Any, indices: Any, **params: Any) -> Any:
        if type(ct) is ad.Zero:
            return None, None
        return transposed.bind(ct, indices, **params), None

    def batch(args: Any, dims: Any, **params: Any) -> Any:
        x, indices = args
        if dims[1] is not None:
            mapped = jax.vmap(lambda x, i: function(x, i, **params), dims)
            return mapped(x, indices), 0
        out = primitive.bind(jnp.moveaxis(x, dims[0], 0), indices, **params)
        return out, 0

    primitive.def_impl(jax.jit(function, static_argnames=("groups", "mode", "fill")))
    primitive.def_abstract_eval(shape_of)
    ad.primitive_jvps[primitive] = jvp
    ad.primitive_transposes[primitive] = transpose
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))


_define(take_p, _take, add_p)
_define(add_p, _add, take_p)


def has_group_gathers(closed: ClosedJaxpr) -> bool:
    """Whether a program gathers from a vector anywhere, but for loops and branches."""
    return any(
        _takes_groups(equation) or any(map(has_group_gathers, _inlined(equation)))
        for equation in closed.jaxpr.eqns
    )


def with_fast_gathers(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays with its gathers from vectors replaced."""

    def replaced(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        flat = _evaluated(closed, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), flat)

    return replaced


def _takes_groups(equation: Any) -> bool:
    """Whether an equation is x[i] of a vector x."""
    if equation.primitive.name != "gather":
        return False
    x, numbers = equation.invars[0].aval, equation.params["dimension_numbers"]
    return (
        x.ndim == 1
        and jnp.issubdtype(x.dtype, jnp.floating)
        and numbers.start_index_map == numbers.collapsed_slice_dims == (0,)
    )


def _inlined(equation: Any) -> list[ClosedJaxpr]:
    """The program of a call that may be written out."""
    inner = equation.params.get("jaxpr")
    called = equation.primitive.name in ("jit", "pjit", "closed_call")
    return [inner] if called and isinstance(inner, ClosedJaxpr) else []


def _evaluated(closed: ClosedJaxpr, args: list[Any]) -> list[Any]:
    """Run a program, equation by equation."""
    jaxpr = closed.jaxpr
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    known |= dict(zip(jaxpr.invars, args, strict=True))

    def value(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        values = [value(v) for v in equation.invars]
        inner = _inlined(equation)
        if _takes_groups(equation):
            settings = equation.params
            own = {"mode": settings["mode"], "fill": settings["fill_value"]}
            out = [take_p.bind(*values, groups=values[0].shape[0], **own)]
        elif inner and has_group_gathers(inner[0]):
            out = _evaluated(inner[0], values)
        else:
            params = equation.primitive.get_bind_params(equation.params)
            functions, params = ((), params) if isinstance(params, dict) else params
            with equation.ctx.manager:
                out = equation.primitive.bind(*functions, *values, **params)
            out = out if equation.primitive.multiple_results else [out]
        known |= dict(zip(equation.outvars, out, strict=True))
    return [value(v) for v in jaxpr.outvars]
