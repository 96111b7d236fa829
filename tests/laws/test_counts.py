"""Single facts about counts: limits, what is refused, sums, tails in float32."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl.distributions as dist
from ppl._errors import ArgumentError, ParameterError
from ppl.distributions import constraints as c
from ppl.distributions._sums import bell_entropy, log_sum

# --- limits ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "value", "want", "slope"),
    [
        (lambda p: dist.Geometric(p), 0, 0.0, 1.0),
        (lambda p: dist.Geometric(p), 3, -np.inf, -np.inf),
        (lambda p: dist.NegativeBinomial(2.0, 1 - p), 0, 0.0, 2.0),
        (lambda p: dist.NegativeBinomial(2.0, 1 - p), 1, -np.inf, None),
        (lambda p: dist.NegativeBinomial2(1 - p, 4.0), 0, 0.0, 1.0),
        (lambda p: dist.NegativeBinomial2(1 - p, 4.0), 1, -np.inf, None),
    ],
)
def test_certain_counts_have_their_limits(d, value, want, slope):
    got, derivative = jax.value_and_grad(lambda p: d(p).log_prob(value))(1.0)
    assert got == pytest.approx(want, abs=1e-6)
    assert slope is None or derivative == pytest.approx(slope)


def test_negative_binomials_agree():
    k = np.arange(12)
    want = st.nbinom(3.0, 0.4).logpmf(k)
    for d in (
        dist.NegativeBinomial(3.0, 0.6),
        dist.NegativeBinomial(3.0, logits=np.log(1.5)),
        dist.GammaPoisson(3.0, 2 / 3),
        dist.NegativeBinomial2(4.5, 3.0),
    ):
        np.testing.assert_allclose(d.log_prob(k), want, rtol=2e-6)
        assert d.mean == pytest.approx(4.5, rel=1e-6)


def test_the_mean_of_a_negative_binomial_has_the_batch_shape():
    d = dist.NegativeBinomial2(3.0, np.array([1.0, 2.0]))
    assert d.mean.shape == d.variance.shape == (2,)
    assert jax.vmap(lambda m: dist.NegativeBinomial2(m, 2.0).mean)(jnp.ones(3)).shape


def test_a_conway_maxwell_poisson_with_power_one_is_poisson():
    k = np.arange(30)
    got = dist.ConwayMaxwellPoisson(7.0, 1.0).log_prob(k)
    np.testing.assert_allclose(got, dist.Poisson(7.0).log_prob(k), rtol=1e-5)


def test_uniform_integers_reach_the_ends_of_the_type():
    least, most = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    key = jax.random.key(0)
    for low, high in ((least, most), (most - 1, most), (least, least + 1)):
        d = dist.DiscreteUniform(low, high)
        draws = np.asarray(d.sample(key, (4000,)))
        assert draws.min() >= low
        assert draws.max() <= high
        assert abs((draws > low / 2 + high / 2).mean() - 0.5) < 0.05
        assert d.icdf(1.0) == high
        assert d.log_prob(low) == pytest.approx(
            -np.log(float(high) - low + 1), rel=1e-6
        )
    assert dist.DiscreteUniform(3, 3).log_prob(3) == 0.0


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "d",
    [
        dist.Geometric(1e-9),
        dist.NegativeBinomial2(1e10, 3.0),
        dist.GammaPoisson(3.0, 1e-12),
        dist.ConwayMaxwellPoisson(1e10, 0.5),
        dist.Skellam(5e9, 1.0),
    ],
    ids=lambda d: type(d).__name__,
)
def test_draws_that_fit_no_integer_are_refused(d):
    with pytest.raises(ArgumentError, match="not fit an integer"):
        d.sample(jax.random.key(0))
    with pytest.raises(ArgumentError, match="not fit an integer"):
        jax.jit(lambda: d.sample(jax.random.key(0)))()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dist.DiscreteUniform(3, 2), "low must be <= high"),
        (lambda: dist.DiscreteUniform(0.5, 2), "must be an integer"),
        (lambda: dist.Hypergeometric(10, 11, 2), "successes must be <= population"),
        (lambda: dist.Hypergeometric(10, 2, 11), "draws must be <= population"),
        (lambda: dist.OrderedLogistic(0.0, [1.0, 1.0]), "cutpoints.*increasing"),
        (lambda: dist.Zipf(1.0), "power = 1.0: must be > 1"),
        (lambda: dist.Multinomial(3, [0.5, 0.6]), "must sum to 1"),
        (lambda: dist.Multinomial(2.5, [0.5, 0.5]), "total_count"),
        (lambda: dist.DirichletMultinomial([1.0, 0.0], 3), "concentration"),
        (lambda: dist.NegativeBinomial2(-1.0, 2.0), "mean = -1.0: must be >= 0"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize("family", [dist.Geometric, dist.Multinomial])
def test_one_parametrisation_is_given(family):
    with pytest.raises(ArgumentError, match="exactly one of `probs` and `logits`"):
        family()


def test_unlike_supports_cannot_be_listed():
    with pytest.raises(ArgumentError, match="all of low"):
        dist.DiscreteUniform(np.array([0, 1]), 3).enumerate_support()
    with pytest.raises(ArgumentError, match="total_count"):
        dist.BetaBinomial(1.0, 1.0, np.array([2, 3])).enumerate_support()
    assert dist.Hypergeometric(10, 8, 4).enumerate_support().tolist() == [2, 3, 4]


# --- vectors of counts ----------------------------------------------------------------


def test_vectors_of_counts_are_judged():
    support = dist.Multinomial(4, [0.5, 0.5]).support
    values = np.array([[2, 2], [1, 2], [-1, 5], [4, 0]])
    assert support(values).tolist() == [True, False, False, True]
    assert not support(np.array([1.5, 2.5]))
    assert support(support.feasible_like(np.zeros((3, 2)))).all()
    assert support.event_dim == 1
    assert "sum to 4" in support.rule
    log_prob = dist.Multinomial(4, [0.5, 0.5]).log_prob(values)
    assert np.isfinite(log_prob).tolist() == [True, False, False, True]


def test_impossible_categories_do_no_harm():
    for d in (
        dist.Multinomial(5, np.array([0.0, 0.4, 0.6])),
        dist.Multinomial(5, logits=np.array([-np.inf, 0.0, 1.0])),
    ):
        draws = d.sample(jax.random.key(1), (50,))
        assert (draws[:, 0] == 0).all()
        ask = jax.grad(lambda d: d.log_prob(np.array([0, 2, 3])), allow_int=True)
        assert not np.isnan(jax.tree.leaves(ask(d))[0]).any()
        assert d.log_prob(np.array([1, 2, 2])) == -np.inf


def test_integers_are_judged():
    value = np.array([1.0, -2.0, 0.5, np.inf, np.nan])
    assert c.integer(value).tolist() == [True, True, False, False, False]


# --- sums -----------------------------------------------------------------------------


@pytest.mark.parametrize("last", [-1, 0, 5, 79, 80, 81, 500, 10**6])
def test_sums_of_many_terms(x64, last):
    del x64

    def term(k):
        return -0.5 * jnp.log1p(k) - k / 1e5

    k = np.arange(last + 1.0)
    with np.errstate(divide="ignore"):
        want = np.log(np.exp(-0.5 * np.log1p(k) - k / 1e5).sum())
    got = log_sum(term, jnp.asarray(0.0), jnp.asarray(float(last)))
    assert got == pytest.approx(want, rel=1e-11)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 3.0, 60.0, 300.0, 1e5])
def test_entropy_of_a_bell(x64, rate):
    del x64
    d = dist.Poisson(rate)
    reach = 20 * rate**0.5 + 60
    k = np.arange(max(0.0, np.floor(rate - reach)), rate + reach)
    p = np.exp(np.asarray(d.log_prob(k)))
    want = -(p[p > 0] * np.log(p[p > 0])).sum()
    got = bell_entropy(d.log_prob, jnp.asarray(rate), jnp.asarray(rate))
    assert got == pytest.approx(want, rel=1e-10, abs=1e-12)


# --- tails in float32; truth from mpmath ----------------------------------------------

LOG_SF = (
    (dist.Geometric(0.3), 500, -178.69415),
    (dist.Categorical([1 - 2e-30, 1e-30, 1e-30]), 0, -68.384406),
    (dist.DiscreteWeibull(0.5, 2.0), 20, -305.67791),
)


@pytest.mark.parametrize(("d", "x", "want"), LOG_SF)
def test_upper_tails_do_not_underflow(d, x, want):
    assert d.log_sf(x) == pytest.approx(want, rel=2e-5)


@pytest.mark.parametrize(
    ("d", "frozen", "x"),
    [
        (dist.NegativeBinomial2(50.0, 20.0), st.nbinom(20.0, 20 / 70), 400),
        (dist.BetaBinomial(20.0, 30.0, 1000), st.betabinom(1000, 20.0, 30.0), 900),
        (dist.Hypergeometric(2000, 500, 300), st.hypergeom(2000, 500, 300), 180),
        (dist.Skellam(100.0, 30.0), st.skellam(100.0, 30.0), 250),
    ],
    ids=lambda d: type(d).__name__,
)
def test_tails_sum_the_probabilities_beyond(d, frozen, x):
    """Here the tail is far below what `1 - cdf` could tell from zero."""
    high = min(frozen.support()[1], x + 400)
    terms = frozen.logpmf(np.arange(x + 1, high + 1))
    want = np.log(np.exp(terms - terms.max()).sum()) + terms.max()
    got, slope = jax.value_and_grad(lambda d: d.log_sf(x), allow_int=True)(d)
    assert want < -20
    assert got == pytest.approx(want, rel=2e-5)
    for leaf in jax.tree.leaves(slope):
        assert leaf.dtype == jax.dtypes.float0 or np.isfinite(leaf).all()


# --- entropies ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "r", "want"),
    [
        (2.0, 0.5, 3.0, 5.569386259131835),
        (50.0, 1.2, 20.0, 8.664568737215095),
        (5.0, 2.5, 0.01, 0.0866259104761641),
    ],
)
def test_the_entropy_of_a_power_tail_goes_to_its_very_end(a, b, r, want, x64):
    """Truth from mpmath: a sum of 3000 terms, and an integral of the others."""
    d = dist.BetaNegativeBinomial(a, b, r)
    assert d.entropy() == pytest.approx(want, rel=1e-12)


def test_the_entropy_of_a_narrow_bell_among_many_counts(x64):
    """Close to that of a normal distribution: the bell has far fewer counts."""
    d = dist.BetaBinomial(1e5, 3e5, 10**8)
    normal = 0.5 * np.log(2 * np.pi * np.e * d.variance)
    assert d.entropy() == pytest.approx(normal, abs=1e-5)


@pytest.mark.parametrize("n", [0, 1, 7, 40])
@pytest.mark.parametrize("p", [[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [1e-6, 0.5, 0.499999]])
def test_entropy_of_multinomial_counts(n, p, x64):
    want = st.multinomial(n, p).entropy() if n > 0 else 0.0
    got = dist.MultinomialProbs(jnp.asarray(p), n).entropy()
    assert got == pytest.approx(want, rel=1e-9, abs=1e-12)
    by_logits = dist.MultinomialLogits(jnp.log(jnp.asarray(p)), n).entropy()
    assert by_logits == pytest.approx(want, rel=1e-9, abs=1e-12)


def test_entropy_of_many_multinomial_counts_is_nearly_normal():
    p = jnp.asarray([0.1, 0.6, 0.3])
    got = dist.MultinomialProbs(p, 10**6).entropy()
    cov = 10**6 * (jnp.diag(p) - jnp.outer(p, p))[:2, :2]
    want = jnp.log(2 * jnp.pi * jnp.e) + 0.5 * jnp.linalg.slogdet(cov)[1]
    assert got == pytest.approx(float(want), abs=1e-4)


def test_a_hurdle_before_positive_numbers_has_the_entropy_of_its_parts():
    d = dist.HurdleGamma(0.25, 2.0, 3.0)
    x = d.sample(jax.random.key(0), (200_000,))
    assert d.entropy() == pytest.approx(-float(d.log_prob(x).mean()), abs=0.01)


def all_counts(total, size):
    """Every way to share a total."""
    rows = product(range(total + 1), repeat=size)
    return np.array([row for row in rows if sum(row) == total])


WEIGHTS = [[0.3, 2.0, 1e-3], [50.0, 1.0, 200.0], [0.5, 0.7, 0.2], [3.0, 2.5, 0.5]]


@pytest.mark.parametrize("total", [7, 0])
def test_modes_and_entropies_of_shared_counts_are_those_of_the_list(total, x64):
    counts = all_counts(total, 3)

    @jax.jit
    def surprise(d):
        log_prob = d.log_prob(counts[:, None])
        return -(jnp.exp(log_prob) * log_prob).sum(0), log_prob.max(0)

    def both(a):
        return dist.DirichletMultinomial(a, total)

    a = np.array(WEIGHTS)
    for d in (both(a), dist.Multinomial(total, a / a.sum(-1, keepdims=True))):
        entropy, top = surprise(d)
        np.testing.assert_allclose(d.log_prob(d.mode), top, rtol=1e-12, atol=1e-12)
        assert d.mode.dtype == jnp.result_type(int)
        assert (d.mode.sum(-1) == total).all()
        np.testing.assert_allclose(d.entropy(), entropy, rtol=1e-9, atol=1e-12)
    got = jax.jit(jax.grad(lambda a: both(a).entropy().sum()))(a)
    want = jax.grad(lambda a: surprise(both(a))[0].sum())(a)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
    assert dist.DirichletMultinomial(np.ones(1), 3).entropy() == 0


def test_modes_of_very_many_trials_share_them_all():
    mode = dist.Multinomial(10**9, np.ones(7) / 7).mode
    assert mode.sum() == 10**9
    assert np.ptp(mode) < 200  # of the digits of float32
    several = dist.DirichletMultinomial(np.full((2, 3), 2.0), np.array([3, 9])).mode
    np.testing.assert_array_equal(several, [[1, 1, 1], [3, 3, 3]])
