"""Divergences of points, and of distributions around other distributions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._typing import Array
from ppl.distributions._parameters import known
from ppl.distributions.delta import Delta
from ppl.distributions.distribution import (
    Distribution,
    Independent,
    MaskedDistribution,
)
from ppl.distributions.kl.dispatch import kl_divergence, no_formula, register_kl
from ppl.distributions.transformed import TransformedDistribution
from ppl.distributions.transforms.scalar import AbsTransform


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


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Array:
    """One bijection on both sides changes nothing; NaN if two traced ones differ."""
    mine, structure = jax.tree.flatten(p.transforms)
    theirs, other = jax.tree.flatten(q.transforms)
    alike = structure == other
    pairs = list(zip(mine, theirs, strict=False))
    traced = [pair for pair in pairs if any(isinstance(v, Tracer) for v in pair)]
    concrete = [pair for pair in pairs if not any(isinstance(v, Tracer) for v in pair)]
    alike = alike and all(np.all(np.equal(*map(known, pair))) for pair in concrete)
    if not alike:
        raise no_formula(p, q, " whose transforms differ")
    if any(isinstance(part, AbsTransform) for part in p.transforms):
        raise no_formula(p, q, " by a transform that is no bijection")
    same: Any = True
    for a, b in traced:
        same = same if a is b else same & jnp.all(a == b)
    return jnp.where(same, kl_divergence(p.base_dist, q.base_dist), jnp.nan)
