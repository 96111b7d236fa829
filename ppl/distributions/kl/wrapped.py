"""Divergences of points, and of distributions around other distributions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._pytree import replace
from ppl._typing import Array
from ppl.distributions._parameters import known
from ppl.distributions.cauchy import Cauchy
from ppl.distributions.delta import Delta
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.kl.dispatch import kl_divergence, no_formula, register_kl
from ppl.distributions.laplace import Laplace
from ppl.distributions.logistic import Logistic
from ppl.distributions.normal import Normal
from ppl.distributions.student_t import StudentT
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms.scalar import AbsTransform, AffineTransform

# Families that a shift and a scale, of either sign, leave.
_SYMMETRIC = (Normal, Laplace, Cauchy, StudentT, Logistic)


@register_kl(Delta, Distribution)
def _delta(p: Delta, q: Distribution) -> Array:
    return p.log_density - q.log_prob(p.v)


def _outer(d: Independent, ndims: int) -> Distribution:
    """The same with `ndims` fewer event dims."""
    left = d.reinterpreted_batch_ndims - ndims
    return Independent(d.base_dist, left) if left else d.base_dist


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Array:
    shared = min(p.reinterpreted_batch_ndims, q.reinterpreted_batch_ndims)
    inner = kl_divergence(_outer(p, shared), _outer(q, shared))
    return inner.sum(tuple(range(-shared, 0)))


@register_kl(MaskedDistribution, MaskedDistribution)
def _masked(p: MaskedDistribution, q: MaskedDistribution) -> Array:
    both = jnp.asarray(p._mask) & jnp.asarray(q._mask)
    return jnp.where(both, kl_divergence(p.base_dist, q.base_dist), 0.0)


def _alike(p: TransformedDistribution, q: TransformedDistribution) -> Any:
    """Whether the transforms are equal; traced where that is not known yet."""
    mine, structure = jax.tree.flatten(p.transforms)
    theirs, other = jax.tree.flatten(q.transforms)
    if structure != other:
        return False
    same: Any = True
    for a, b in zip(mine, theirs, strict=True):
        if a is b:
            continue
        if isinstance(a, Tracer) or isinstance(b, Tracer):
            same = same & jnp.all(a == b)
        elif not np.all(np.equal(known(a), known(b))):
            return False
    return same


def _moved(base: Distribution, by: Any) -> Distribution | None:
    """The distribution of an affine function of a variable, if that has a name."""
    if isinstance(base, Independent):
        inner = _moved(base.base_dist, by)
        dims = base.reinterpreted_batch_ndims
        return None if inner is None else Independent(inner, dims)
    if not isinstance(by, AffineTransform) or not isinstance(base, _SYMMETRIC):
        return None
    loc, scale = by.loc + by.scale * base.loc, abs(by.scale) * base.scale
    return replace(base, loc=loc, scale=scale)


def _folded(d: TransformedDistribution) -> Distribution:
    """The same with affine first transforms taken into the base, if it can be."""
    base, rest = d.base_dist, d.transforms
    while rest and (moved := _moved(base, rest[0])) is not None:
        base, rest = moved, rest[1:]
    if len(rest) == len(d.transforms):
        return d
    return TransformedDistribution(base, rest, validate_args=False) if rest else base


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Array:
    """One bijection on both sides changes nothing; NaN if two traced ones differ."""
    same = _alike(p, q)
    if same is not True:
        mine, theirs = _folded(p), _folded(q)
        moved = mine is not p, theirs is not q
        if all(moved) or (same is False and any(moved)):
            return kl_divergence(mine, theirs)
    if same is False:
        raise no_formula(p, q, " whose transforms differ")
    if any(isinstance(part, AbsTransform) for part in p.transforms):
        raise no_formula(p, q, " by a transform that is no bijection")
    return jnp.where(same, kl_divergence(p.base_dist, q.base_dist), jnp.nan)
