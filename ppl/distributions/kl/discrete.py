"""Divergences of discrete families."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ppl._errors import ShapeError
from ppl._typing import Array
from ppl.distributions._parameters import known
from ppl.distributions._special import as_floats, deviance, softplus
from ppl.distributions.bernoulli import AbstractBernoulli, BernoulliLogits
from ppl.distributions.binomial import AbstractBinomial, BinomialLogits
from ppl.distributions.categorical import (
    AbstractCategorical,
    CategoricalLogits,
    CategoricalProbs,
)
from ppl.distributions.geometric import AbstractGeometric
from ppl.distributions.kl.dispatch import no_formula, register_kl
from ppl.distributions.multinomial import AbstractMultinomial
from ppl.distributions.poisson import Poisson


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Array:
    return deviance(p.rate, q.rate)


@register_kl(AbstractGeometric, AbstractGeometric)
def _geometric(p: AbstractGeometric, q: AbstractGeometric) -> Array:
    """Of the Bernoulli trials, as many as there are on average."""
    (yes, no), (yes_q, no_q) = p._shares(), q._shares()
    return (deviance(yes, yes_q) + deviance(no, no_q)) / yes


# --- two outcomes ---------------------------------------------------------------------

Two = AbstractBernoulli | AbstractBinomial


def _log_shares(d: Two) -> tuple[Array, Array]:
    """The logs of the probabilities of success and failure."""
    if isinstance(d, BernoulliLogits | BinomialLogits):
        (logits,) = as_floats(d.logits)
        return -softplus(-logits), -softplus(logits)
    yes, no = d._shares()
    return _log(yes), _log(no)


def _log(p: Array) -> Array:
    """The logarithm, with gradient zero where it is minus infinity."""
    return jnp.where(p > 0, jnp.log(jnp.where(p > 0, p, 1.0)), -jnp.inf)


def _part(p: Array, q: Array, log_p: Array, log_q: Array) -> Array:
    """`deviance(p, q)`, by logarithms where `q` is too small a number."""
    large = q > jnp.finfo(q.dtype).tiny
    near = deviance(p, jnp.where(large, q, 1.0))
    some = ~large & (p > 0)
    logs = jnp.where(some, log_p, 0.0) - jnp.where(some, log_q, 0.0)
    return jnp.where(large, near, p * logs + (q - p))


def _two_outcomes(p: Two, q: Two) -> Array:
    shares = zip(p._shares(), q._shares(), strict=True)
    logs = zip(_log_shares(p), _log_shares(q), strict=True)
    parts = [
        _part(*jnp.broadcast_arrays(*share, *log))
        for share, log in zip(shares, logs, strict=True)
    ]
    return parts[0] + parts[1]


@register_kl(AbstractBernoulli, AbstractBernoulli)
def _bernoulli(p: AbstractBernoulli, q: AbstractBernoulli) -> Array:
    return _two_outcomes(p, q)


@register_kl(AbstractBernoulli, Poisson)
def _bernoulli_poisson(p: AbstractBernoulli, q: Poisson) -> Array:
    yes, no = p._shares()
    log_yes, log_no = (jnp.where(s > 0, _log(s), 0.0) for s in (yes, no))
    (rate,) = as_floats(q.rate)
    logs = log_yes - _log(rate)
    return no * log_no + jnp.where(yes > 0, yes * logs, 0.0) + rate


@register_kl(AbstractBinomial, AbstractBinomial)
def _binomial(p: AbstractBinomial, q: AbstractBinomial) -> Array:
    return _of_trials(p, q, _two_outcomes(p, q))


Trials = AbstractBinomial | AbstractMultinomial


def _of_trials(p: Trials, q: Trials, each: Array) -> Array:
    """The numbers of trials must be equal; with more or fewer in `p` it is infinite."""
    mine, theirs = known(p.total_count), known(q.total_count)
    fewer = mine < theirs
    possible = isinstance(p, AbstractBinomial)  # all counts of `p` are some of `q`
    if possible and not isinstance(fewer, Tracer) and np.any(fewer):
        raise no_formula(p, q, " of more trials")
    result = jnp.asarray(mine) * each
    result = jnp.where(mine == 0, 0.0, result)
    result = jnp.where(mine > theirs, jnp.inf, result)
    return jnp.where(fewer, jnp.nan if possible else jnp.inf, result)


# --- many outcomes --------------------------------------------------------------------


def categorical_divergence(p: Array, log_p: Array, log_q: Array) -> Array:
    """Of probabilities `p` against others with logs `log_q`, along the last dim."""
    p, log_p, log_q = jnp.broadcast_arrays(p, log_p, log_q)
    possible, never = p > 0, log_q == -jnp.inf
    known_q = jnp.where(possible & ~never, log_q, 0.0)
    terms = p * (jnp.where(possible, log_p, 0.0) - known_q)
    return jnp.where(possible & never, jnp.inf, terms).sum(-1)


def _log_table(d: AbstractCategorical) -> Array:
    if isinstance(d, CategoricalLogits):
        return jax.nn.log_softmax(*as_floats(d.logits))  # type: ignore
    (probs,) = as_floats(d.probs)
    return _log(probs)


@register_kl(AbstractCategorical, AbstractCategorical)
@register_kl(CategoricalProbs, CategoricalProbs)
def _categorical(p: AbstractCategorical, q: AbstractCategorical) -> Array:
    (probs,) = as_floats(p.probs)
    log_q = _log_table(q)
    if probs.shape[-1] != log_q.shape[-1]:
        raise ShapeError(
            f"kl_divergence: {probs.shape[-1]} categories against {log_q.shape[-1]}.",
            value=(probs.shape[-1], log_q.shape[-1]),
        )
    return categorical_divergence(probs, _log_table(p), log_q)


@register_kl(AbstractMultinomial, AbstractMultinomial)
def _multinomial(p: AbstractMultinomial, q: AbstractMultinomial) -> Array:
    probs, log_p = p._shares()
    return _of_trials(p, q, categorical_divergence(probs, log_p, q._shares()[1]))
