"""Divergences of discrete families against their sums."""

import jax
import numpy as np
import pytest
import scipy.stats as st

import ppl.distributions as dist
from ppl.distributions import kl_divergence
from tests.laws import case as truth

P, Q = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
COUNTS = [
    (dist.Poisson, ((3.0,), (4.5,)), lambda r: st.poisson(r), 60),
    (dist.GeometricProbs, ((0.3,), (0.6,)), lambda p: st.geom(p, -1), 200),
    (
        lambda v: dist.GeometricLogits(v),
        ((0.3,), (-2.0,)),
        lambda v: st.geom(1 / (1 + np.exp(-v)), -1),
        200,
    ),
    (dist.BernoulliProbs, ((0.3,), (0.9,)), lambda p: st.bernoulli(p), 1),
    (
        lambda v: dist.BernoulliLogits(v),
        ((0.3,), (-2.0,)),
        lambda v: st.bernoulli(1 / (1 + np.exp(-v))),
        1,
    ),
    (
        lambda p: dist.Binomial(7, probs=p),
        ((0.3,), (0.8,)),
        lambda p: st.binom(7, p),
        7,
    ),
    (
        lambda v: dist.Binomial(7, logits=v),
        ((0.3,), (-2.0,)),
        lambda v: st.binom(7, 1 / (1 + np.exp(-v))),
        7,
    ),
    (dist.CategoricalProbs, ((P,), (Q,)), truth.table, 2),
    (
        dist.CategoricalLogits,
        ((np.log(P) + 3.0,), (np.log(Q),)),
        lambda v: truth.table(np.exp(v) / np.exp(v).sum()),
        2,
    ),
]


@pytest.mark.parametrize(("family", "pair", "scipy", "most"), COUNTS)
def test_discrete_divergences_are_the_sum(family, pair, scipy, most):
    p, q = (scipy(*values) for values in pair)
    k = np.arange(most + 1)
    expected = (p.pmf(k) * (p.logpmf(k) - q.logpmf(k))).sum()
    result = kl_divergence(*(family(*values) for values in pair))
    np.testing.assert_allclose(result, expected, rtol=2e-5)


def test_probabilities_and_logits_mix():
    logits = dist.CategoricalLogits(np.log(Q) - 1.0)
    expected = (P * np.log(P / Q)).sum()
    result = kl_divergence(dist.CategoricalProbs(P), logits)
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    p, q = dist.Binomial(5, probs=0.2), dist.Binomial(5, logits=0.0)
    expected = 5 * (0.2 * np.log(0.2 / 0.5) + 0.8 * np.log(0.8 / 0.5))
    np.testing.assert_allclose(kl_divergence(p, q), expected, rtol=1e-5)


def test_impossible_outcomes():
    half, never = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    categorical = dist.CategoricalProbs
    assert kl_divergence(categorical(half), categorical(never)) == np.inf
    result = kl_divergence(categorical(never), categorical(half))
    np.testing.assert_allclose(result, np.log(2), rtol=1e-6)
    impossible = dist.CategoricalLogits(np.array([0.0, -np.inf]))
    result = kl_divergence(impossible, dist.CategoricalLogits(np.zeros(2)))
    np.testing.assert_allclose(result, np.log(2), rtol=1e-6)
    bernoulli = dist.BernoulliProbs
    assert kl_divergence(bernoulli(0.5), bernoulli(0.0)) == np.inf
    np.testing.assert_allclose(
        kl_divergence(bernoulli(1.0), bernoulli(0.5)), np.log(2), rtol=1e-6
    )
    assert kl_divergence(dist.Poisson(2.0), dist.Poisson(0.0)) == np.inf
    assert kl_divergence(dist.Poisson(0.0), dist.Poisson(2.0)) == 2.0
    far = kl_divergence(dist.BernoulliLogits(0.0), dist.BernoulliLogits(-200.0))
    np.testing.assert_allclose(far, 100.0 - np.log(2), rtol=1e-6)
    assert kl_divergence(dist.Uniform(0.0, 2.0), dist.Uniform(0.0, 1.0)) == np.inf


def test_numbers_of_trials_must_be_equal():
    few, many = dist.Binomial(3, probs=0.5), dist.Binomial(5, probs=0.5)
    assert kl_divergence(many, few) == np.inf
    with pytest.raises(TypeError, match="of more trials"):
        kl_divergence(few, many)
    traced = jax.jit(kl_divergence)(few, many)
    assert np.isnan(traced)
