"""The Plackett-Luce distribution: its probabilities, its draws, its support."""

from itertools import permutations
from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl.distributions as dist
from ppl._errors import ArgumentError, ArgumentTypeError, ParameterError

LOGITS = np.array([0.3, -1.2, 2.0, 0.0])


def probability(strengths, ranking):
    """Item after item, from those that are left."""
    left, total = list(range(len(strengths))), 1.0
    for item in ranking:
        total *= strengths[item] / sum(strengths[i] for i in left)
        left.remove(item)
    return total


@pytest.mark.parametrize("logits", [LOGITS, np.zeros(3), np.array([-200.0, 0.0, 80.0])])
def test_probabilities_are_those_of_drawing_item_by_item(logits, x64):
    d = dist.PlackettLuce(logits)
    rankings = d.enumerate_support()
    assert len(rankings) == len(list(permutations(range(len(logits)))))
    got = d.log_prob(rankings)
    with np.errstate(divide="ignore"):
        want = [np.log(probability(np.exp(logits), r)) for r in rankings.tolist()]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    assert jnp.exp(got).sum() == pytest.approx(1)
    best = d.mode
    assert d.log_prob(best) == got.max()
    entropy = -(np.exp(got) * np.where(got > -np.inf, got, 0.0)).sum()
    assert d.entropy() == pytest.approx(entropy, rel=1e-12, abs=1e-12)
    batch = dist.PlackettLuce(np.stack([logits, logits + 3.0]))
    np.testing.assert_allclose(batch.entropy(), [entropy] * 2, rtol=1e-10, atol=1e-12)


def test_entropies_of_rankings_over_sets_of_items():
    most = dist.PlackettLuce(np.zeros(12))
    assert most.entropy() == pytest.approx(np.log(float(factorial(12))), rel=1e-6)
    assert dist.PlackettLuce(np.zeros(1)).entropy() == 0
    with pytest.raises(ArgumentTypeError, match="of 13 items has no entropy"):
        dist.PlackettLuce(np.zeros(13)).entropy()


@pytest.mark.parametrize(
    "logits", [LOGITS, np.zeros(4), np.array([3.0, 1.0, -1.0, -3.0])], ids=str
)
def test_draws_have_their_probabilities(logits):
    d = dist.PlackettLuce(logits)
    draws = np.asarray(d.sample(jax.random.key(0), (100_000,)))
    assert draws.dtype == np.int32
    assert d.support(draws).all()
    rankings = np.asarray(d.enumerate_support())
    code = 4 ** np.arange(4)
    found = (draws @ code == (rankings @ code)[:, None]).sum(1)
    expected = np.exp(np.asarray(d.log_prob(rankings), float)) * len(draws)
    assert stats.chisquare(found, expected * len(draws) / expected.sum()).pvalue > 1e-6


def test_slopes_are_those_of_differences():
    ranking = np.array([2, 0, 3, 1])
    for logits in (LOGITS, np.array([-60.0, 0.0, 60.0, 0.0])):
        slope = jax.grad(lambda s: dist.PlackettLuce(s).log_prob(ranking))(
            jnp.asarray(logits)
        )
        assert np.isfinite(slope).all()
        assert slope.sum() == pytest.approx(0, abs=1e-5)  # only differences matter
        strengths = np.exp(logits - logits.max())
        left = np.ones(4, bool)
        want = np.ones(4)
        for item in ranking:
            want -= np.where(left, strengths / strengths[left].sum(), 0)
            left[item] = False
        np.testing.assert_allclose(slope, want, atol=1e-5)


def test_shapes_and_support():
    d = dist.PlackettLuce(np.stack([LOGITS] * 3))
    assert (d.batch_shape, d.event_shape) == ((3,), (4,))
    assert d.sample(jax.random.key(1), (2,)).shape == (2, 3, 4)
    assert d.expand((5, 3)).log_prob(jnp.arange(4)).shape == (5, 3)
    assert d.enumerate_support().shape == (24, 3, 4)
    assert d.enumerate_support(expand=False).shape == (24, 1, 4)
    one = dist.PlackettLuce(LOGITS)
    for wrong in ([0, 1, 2, 2], [1, 2, 3, 4], [0.5, 1, 2, 3]):
        assert not one.support(np.array(wrong))
        assert one.log_prob(np.array(wrong)) == -np.inf
    assert d.is_discrete
    assert one.support(one.support.feasible_like(np.zeros((2, 4)))).all()
    mapped = jax.vmap(lambda s: dist.PlackettLuce(s).log_prob(jnp.arange(4)))
    np.testing.assert_allclose(
        mapped(jnp.stack([LOGITS] * 3)), d.log_prob(np.arange(4)), rtol=1e-6
    )


def test_mistakes_are_told():
    with pytest.raises(ParameterError, match="PlackettLuce.logits"):
        dist.PlackettLuce(np.array([0.0, np.nan]))
    with pytest.raises(ArgumentError, match="too many to list"):
        dist.PlackettLuce(np.zeros(9)).enumerate_support()
    with pytest.raises(ArgumentError, match="num_weights must be an integer"):
        dist.StickBreakingWeights(1.0, 0)
    with pytest.raises(ParameterError, match="StickBreakingWeights.concentration"):
        dist.StickBreakingWeights(-1.0, 3)
