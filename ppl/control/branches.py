"""Branches with statements inside: `cond`, `switch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ppl._errors import ArgumentError, ArgumentTypeError, ModelError, ShapeError
from ppl._sites import Sample, Site, handlers_in_use
from ppl._typing import Array
from ppl.control._regions import Once, absorb, is_site, packed, run_inside
from ppl.distributions.constraints import shape_of


def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
) -> Any:
    """One of two branches, as `jax.lax.cond`, with statements inside.

    Both branches have the same sites: the same names, families and shapes. What differs
    are the parameters, and outside there is one site with those of the branch taken.

    Args:
        pred: A boolean scalar, which may depend on random values.
        true_fun: Takes the operands.
        false_fun: Likewise.
        operands: Of the branches.

    Raises:
        ModelError: The branches differ in their sites, or in what they return.
        ShapeError: `pred` is no scalar.
    """
    _check_scalar("cond: pred", pred)
    names = ("the branch of True", "the branch of False")
    return _chosen(
        lambda first, second, *a: jax.lax.cond(pred, first, second, *a),
        (true_fun, false_fun),
        names,
        operands,
    )


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """One of several branches, as `jax.lax.switch`, with statements inside.

    Args:
        index: Which, an integer scalar; out of range means the nearest.
        branches: They take the operands and have the same sites, see `cond`.
        operands: Of the branches.

    Raises:
        ArgumentError: There is no branch.
        ArgumentTypeError: `index` is no integer.
        ModelError: The branches differ in their sites, or in what they return.
        ShapeError: `index` is no scalar.
    """
    if not branches:
        raise ArgumentError("switch: there are no branches.")
    _check_scalar("switch: index", index)
    if not jnp.issubdtype(jnp.result_type(index), jnp.integer):
        raise ArgumentTypeError(
            f"switch: index must be an integer, got {jnp.result_type(index)}.",
            value=index,
            hint="Convert it, or use cond for a boolean.",
        )
    names = tuple(f"branch {i}" for i in range(len(branches)))
    return _chosen(
        lambda *given: jax.lax.switch(
            index, given[: len(branches)], *given[len(branches) :]
        ),
        tuple(branches),
        names,
        operands,
    )


def _check_scalar(what: str, value: Any) -> None:
    if shape := shape_of(value):
        raise ShapeError(
            f"{what} must be a scalar, got shape {shape}.",
            value=shape,
            hint="For a choice of each member use jnp.where, or ppl.control.vmap.",
        )


def _chosen(
    choose: Callable[..., Any],
    branches: tuple[Callable[..., Any], ...],
    names: tuple[str, ...],
    operands: tuple[Any, ...],
) -> Any:
    handlers = handlers_in_use()
    unpack: Any = None
    seen: dict[str, tuple[list[Site], Any]] = {}

    def inside(name: str, branch: Callable[..., Any]) -> Callable[..., Any]:
        def run(*operands: Any) -> tuple[Any, list[Array]]:
            nonlocal unpack
            out, gathered = run_inside(Once(), handlers, branch, *operands)
            out = jax.tree.map(jnp.asarray, out)
            leaves = jax.tree.leaves(gathered, is_leaf=is_site)
            shapes = jax.tree.map(lambda a: (a.shape, str(a.dtype)), out)
            seen[name] = [leaf for leaf in leaves if is_site(leaf)], shapes
            arrays, unpack = packed(gathered)
            return out, arrays

        return run

    try:
        out, arrays = choose(*map(inside, names, branches), *operands)
    except TypeError:  # JAX's own words, of arrays
        _check_alike(seen)
        raise
    _check_alike(seen)
    absorb(handlers, unpack(arrays))
    return out


def _check_alike(seen: dict[str, tuple[list[Site], Any]]) -> None:
    """Whether all branches have the sites and results of the first.

    Raises:
        ModelError: They have not.
    """
    (name, (sites, shapes)), *others = seen.items()
    kinds = {site.name: _kind(site) for site in sites}
    for other, (other_sites, other_shapes) in others:
        other_kinds = {site.name: _kind(site) for site in other_sites}
        for site in (*sites, *other_sites):
            here, there = kinds.get(site.name), other_kinds.get(site.name)
            if here != there:
                raise ModelError(
                    f"is {here or 'not there'} in {name} and {there or 'not there'} in "
                    f"{other} ({site.line}).",
                    site=site.name,
                    value=there,
                    hint="All branches need the same sites, of one family and shape; "
                    "sample what they do not share before them, or choose the "
                    "parameters with jnp.where.",
                )
        if shapes != other_shapes:
            raise ModelError(
                f"{name} returns {shapes} (shapes and dtypes), {other} returns "
                f"{other_shapes}.",
                value=other_shapes,
                hint="All branches must return the same structure, shapes and dtypes.",
            )


def _family(fn: Any) -> str:
    """The family, with what is wrapped and what is fixed in it."""
    fixed = [repr(v) for v in jax.tree.structure(fn).node_data()[1] or ()]
    name = type(fn).__name__ + (f" ({', '.join(fixed)})" if fixed else "")
    base = getattr(fn, "base_dist", None)
    return name if base is None else f"{name} of {_family(base)}"


def _kind(site: Site) -> str:
    """What of a site must be the same in all branches, in words."""
    if not isinstance(site, Sample):
        return f"a {site.type} of shape {shape_of(site.value)}"
    observed = "an observed " if site.is_observed else "a "
    batch, event = site.fn.batch_shape, site.fn.event_shape
    around = [f"plate '{frame.name}'" for frame in site.plates]
    around += [f"a {name}" for name in ("mask", "scale") if site.get(name) is not None]
    return (
        f"{observed}{_family(site.fn)} of batch shape {batch} and event shape "
        f"{event}{' in ' if around else ''}{', '.join(around)}"
    )
