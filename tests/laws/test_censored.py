"""Censored values, hurdles and inflated counts against SciPy, and their mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl.distributions as dist
from ppl._errors import PPLError

X = np.array([-1.5, 0.3, 2.0])
NORMAL = st.norm(0.5, 2.0)


def assert_close(got, want):
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


def test_one_sided_censoring():
    base, mask = dist.Normal(0.5, 2.0), np.array([False, True, False])
    left = dist.LeftCensoredDistribution(base, censored=mask).log_prob(X)
    assert_close(left, np.where(mask, NORMAL.logcdf(X), NORMAL.logpdf(X)))
    right = dist.RightCensoredDistribution(base, censored=mask).log_prob(X)
    assert_close(right, np.where(mask, NORMAL.logsf(X), NORMAL.logpdf(X)))


def test_far_bounds_have_finite_densities_and_gradients():
    def far(loc):
        d = dist.RightCensoredDistribution(dist.Normal(loc, 1.0), censored=True)
        return d.log_prob(40.0)

    value, slope = jax.value_and_grad(far)(0.0)
    assert_close(value / st.norm.logsf(40.0), 1.0)
    assert_close(slope, np.exp(st.norm.logpdf(40.0) - st.norm.logsf(40.0)))


def test_censored_values_may_lie_outside_of_the_support():
    """A time of which only a bound is known may be negative or zero."""
    d = dist.RightCensoredDistribution(dist.Exponential(2.0), censored=[True, False])
    assert_close(d.log_prob(np.array([-1.0, 0.5])), [0.0, np.log(2.0) - 1.0])
    slope = jax.grad(
        lambda r: (
            dist.RightCensoredDistribution(
                dist.Exponential(r), censored=np.array([True, True])
            )
            .log_prob(np.array([-1.0, 0.5]))
            .sum()
        )
    )(2.0)
    assert_close(slope, -0.5)


def test_intervals():
    pairs = np.array([[-1.0, 0.5], [-9.0, 0.5], [0.2, 9.0], [0.3, 0.3], [-1.0, 2.0]])
    left = np.array([0, 1, 0, 0, 1])
    right = np.array([0, 0, 1, 0, 1])
    d = dist.IntervalCensoredDistribution(dist.Normal(0.5, 2.0), left, right)
    low, high = pairs.T
    want = [
        np.log(NORMAL.cdf(high[0]) - NORMAL.cdf(low[0])),
        NORMAL.logcdf(high[1]),
        NORMAL.logsf(low[2]),
        NORMAL.logpdf(0.3),
        np.log(NORMAL.cdf(low[4]) + NORMAL.sf(high[4])),
    ]
    assert_close(d.log_prob(pairs), want)
    with pytest.raises(PPLError, match=r"a pair \(lower, upper\)"):
        d.log_prob(np.zeros(5))


@pytest.mark.parametrize(
    ("hurdle", "base"),
    [
        (dist.HurdleGamma(0.3, 2.0, 1.5), st.gamma(2.0, scale=1 / 1.5)),
        (dist.HurdleLogNormal(0.3, 0.2, 0.7), st.lognorm(0.7, scale=np.exp(0.2))),
    ],
)
def test_hurdles_of_positive_variables(hurdle, base):
    x = np.array([0.4, 1.0, 5.0])
    assert_close(hurdle.log_prob(x), np.log(0.7) + base.logpdf(x))
    assert_close(hurdle.log_prob(0.0), np.log(0.3))
    assert_close(hurdle.mean, 0.7 * base.mean())
    assert_close(
        hurdle.variance, 0.7 * (base.var() + base.mean() ** 2) - hurdle.mean**2
    )
    assert_close(hurdle.cdf(x), 0.3 + 0.7 * base.cdf(x))
    draws = np.asarray(hurdle.sample(jax.random.key(0), (20_000,)))
    assert abs((draws == 0).mean() - 0.3) < 5 * (0.21 / 20_000) ** 0.5
    assert st.kstest(draws[draws > 0], base.cdf).pvalue > 1e-5


def test_negative_binomial_counts_with_other_zeros():
    k, base = np.arange(6), st.nbinom(1.7, 1.7 / (1.7 + 3.5))
    inflated = dist.ZeroInflatedNegativeBinomial2(3.5, 1.7, gate=0.2)
    want = 0.8 * base.pmf(k) + 0.2 * (k == 0)
    assert_close(jnp.exp(inflated.log_prob(k)), want)
    logits = dist.ZeroInflatedNegativeBinomial2(3.5, 1.7, gate_logits=np.log(0.25))
    assert_close(jnp.exp(logits.log_prob(k)), want)
    hurdle = dist.HurdleNegativeBinomial2(0.2, 3.5, 1.7)
    want = np.where(k == 0, 0.2, 0.8 * base.pmf(k) / base.sf(0))
    assert_close(jnp.exp(hurdle.log_prob(k)), want)


def test_mixtures_of_vectors():
    locs = np.array([[0.0, 0.0], [3.0, -1.0]])
    parts = dist.Normal(locs, 1.0).to_event(1)
    d = dist.MixtureSameFamily(dist.Categorical(probs=np.array([0.3, 0.7])), parts)
    x = np.array([1.0, 0.5])
    each = [st.norm(m, 1.0).pdf(x).prod() for m in locs]
    assert_close(d.log_prob(x), np.log(np.dot([0.3, 0.7], each)))
    assert_close(d.mean, 0.7 * locs[1])
    assert d.sample(jax.random.key(0), (5,)).shape == (5, 2)


def test_expanding_gives_the_family():
    d = dist.ExpandedDistribution(dist.Normal(0.0, 1.0), (3,))
    assert isinstance(d, dist.Normal)
    assert d.batch_shape == (3,)
