"""The table of closed forms, and how the one for two distributions is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

from ppl._errors import ArgumentTypeError, ShapeError
from ppl._typing import Array
from ppl.distributions.distribution import Distribution

Formula = Callable[[Any, Any], Array]
F = TypeVar("F", bound=Formula)

_FORMULAS: dict[tuple[type, type], Formula] = {}


def register_kl(p: type, q: type) -> Callable[[F], F]:
    """A decorator: use this formula for KL(p || q) of these families.

    The formula takes the two distributions, whose event shapes are equal, and returns
    the divergence, which is then broadcast to their common batch shape.
    """

    def add(formula: F) -> F:
        _FORMULAS[p, q] = formula
        return formula

    return add


def kl_divergence(p: Distribution, q: Distribution) -> Array:
    r"""The Kullback-Leibler divergence $\int p \log(p / q)$.

    It has the batch shape of both, and is infinite where `p` has mass outside the
    support of `q`. Of two transformed distributions whose transforms differ it is known
    where the difference is a shift or scale of the base; otherwise that is an error, or
    NaN where the transforms are traced and turn out to differ.

    Raises:
        ArgumentTypeError: There is no closed form for the two families.
        ShapeError: Their shapes do not fit together.
    """
    for which, d in (("p", p), ("q", q)):
        if not isinstance(d, Distribution):
            raise ArgumentTypeError(
                f"kl_divergence: {which} must be a distribution, got "
                f"{type(d).__name__}.",
                value=d,
            )
    formula = _find(type(p), type(q))
    if formula is None:
        raise no_formula(p, q)
    if p.event_shape != q.event_shape:
        raise ShapeError(
            f"kl_divergence: {_family(p)} has event shape {p.event_shape}, but "
            f"{_family(q)} has {q.event_shape}.",
            value=(p.event_shape, q.event_shape),
        )
    try:
        batch = np.broadcast_shapes(p.batch_shape, q.batch_shape)
    except ValueError:
        raise ShapeError(
            f"kl_divergence: batch shapes {p.batch_shape} of {_family(p)} and "
            f"{q.batch_shape} of {_family(q)} do not broadcast.",
            value=(p.batch_shape, q.batch_shape),
        ) from None
    return jnp.broadcast_to(formula(p, q), batch)


def _find(p: type, q: type) -> Formula | None:
    """The formula of the nearest ancestors; of equally near ones, that nearest to p."""
    near = [
        (i + j, i, formula)
        for i, ancestor in enumerate(p.__mro__)
        for j, other in enumerate(q.__mro__)
        if (formula := _FORMULAS.get((ancestor, other))) is not None
    ]
    return min(near, key=lambda entry: entry[:2])[2] if near else None


def _family(d: Distribution) -> str:
    """The name of a family, with what it wraps."""
    base = getattr(d, "base_dist", None)
    name = type(d).__name__
    return f"{name}({_family(base)})" if isinstance(base, Distribution) else name


def no_formula(p: Distribution, q: Distribution, why: str = "") -> ArgumentTypeError:
    """The error for two distributions that have no closed form."""
    return ArgumentTypeError(
        f"kl_divergence: no closed form is known for {_family(p)} against "
        f"{_family(q)}{why}.",
        value=(p, q),
        hint=(
            "Estimate it from draws: x = p.sample(key, (10_000,)), then the mean of "
            "p.log_prob(x) - q.log_prob(x); or add one with register_kl."
        ),
    )
