"""Divergences of two families, and of joint distributions, against expectations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

import ppl.distributions as dist
from ppl.distributions import kl_divergence
from ppl.distributions import transforms as t


def expected(p, q):
    """The mean of log p - log q over the quantiles of `p`, in float64."""
    step = 0.02
    t = np.arange(-34.0, 34.0, step)
    x = p.icdf(jnp.asarray(expit(t)))
    terms = jnp.where(jnp.isfinite(x), p.log_prob(x) - q.log_prob(x), 0.0)
    return step * (terms * expit(t) * expit(-t)).sum()


# As functions, so that the same pair exists in both float types.
CONTINUOUS = {
    "Chi2-Chi2": lambda: (dist.Chi2(3.0), dist.Chi2(5.0)),
    "Chi2-Gamma": lambda: (dist.Chi2(3.0), dist.Gamma(2.0, 1.5)),
    "Gamma-Chi2": lambda: (dist.Gamma(2.0, 1.5), dist.Chi2(3.0)),
    "Chi2-Exponential": lambda: (dist.Chi2(3.0), dist.Exponential(0.4)),
    "Exponential-Chi2": lambda: (dist.Exponential(0.4), dist.Chi2(3.0)),
    "Beta-BetaProportion": lambda: (
        dist.Beta(2.0, 3.0), dist.BetaProportion(0.3, 4.0)),
    "Nakagami": lambda: (dist.Nakagami(0.8, 2.0), dist.Nakagami(1.5, 1.0)),
    "LogitNormal": lambda: (dist.LogitNormal(0.5, 1.0), dist.LogitNormal(0.0, 2.0)),
    "Weibull": lambda: (dist.Weibull(1.5, 0.8), dist.Weibull(0.7, 1.4)),
    "Weibull-Gamma": lambda: (dist.Weibull(1.5, 1.8), dist.Gamma(2.0, 1.5)),
    "Weibull-Exponential": lambda: (dist.Weibull(1.5, 1.8), dist.Exponential(1.5)),
    "Gamma-Weibull": lambda: (dist.Gamma(2.0, 1.5), dist.Weibull(1.5, 1.8)),
    "Exponential-Weibull": lambda: (dist.Exponential(1.5), dist.Weibull(1.5, 0.8)),
    "Gumbel": lambda: (dist.Gumbel(1.0, 2.0), dist.Gumbel(0.5, 2.5)),
    "Pareto": lambda: (dist.Pareto(2.0, 3.0), dist.Pareto(1.0, 2.0)),
    "InverseGaussian": lambda: (
        dist.InverseGaussian(1.0, 2.0), dist.InverseGaussian(1.5, 0.7)),
    "VonMises": lambda: (dist.VonMises(0.5, 2.0), dist.VonMises(3.0, 0.7)),
    "Kumaraswamy-Beta": lambda: (dist.Kumaraswamy(2.0, 3.0), dist.Beta(1.5, 2.5)),
    "Kumaraswamy-Beta, far": lambda: (
        dist.Kumaraswamy(0.1, 8.0), dist.Beta(0.3, 2.5)),
    "Uniform-Beta": lambda: (dist.Uniform(0.0, 1.0), dist.Beta(1.5, 2.5)),
    "Uniform-Beta, thin": lambda: (dist.Uniform(0.3, 0.31), dist.Beta(1.5, 2.5)),
    "Uniform-Gamma": lambda: (dist.Uniform(0.0, 3.0), dist.Gamma(1.5, 2.5)),
    "HalfNormal-Normal": lambda: (dist.HalfNormal(1.5), dist.Normal(0.5, 1.0)),
    "Uniform-Normal": lambda: (dist.Uniform(-1.0, 2.0), dist.Normal(0.3, 1.5)),
    "StudentT-Normal": lambda: (dist.StudentT(5.0), dist.Normal(0.3, 1.5)),
    "Gumbel-Normal": lambda: (dist.Gumbel(0.5), dist.Normal(0.3, 1.5)),
    "SkewNormal-Normal": lambda: (
        dist.SkewNormal(0.5, 1.0, 4.0), dist.Normal(0.3, 1.5)),
    "LogNormal-Exponential": lambda: (dist.LogNormal(0.5, 0.4), dist.Exponential(1.5)),
    "Uniform-Exponential": lambda: (dist.Uniform(0.5, 2.0), dist.Exponential(1.5)),
    "Beta-Uniform": lambda: (dist.Beta(2.0, 3.0), dist.Uniform(-1.0, 1.5)),
    "Kumaraswamy-Uniform": lambda: (dist.Kumaraswamy(2.0, 3.0), dist.Uniform()),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_divergences_are_the_expectation_over_quantiles(name):
    with jax.enable_x64(True):
        pair = CONTINUOUS[name]()
        want, got = float(expected(*pair)), float(kl_divergence(*pair))
    assert got == pytest.approx(want, rel=1e-6, abs=1e-9)
    single = kl_divergence(*CONTINUOUS[name]())
    assert single.dtype == jnp.float32
    assert single == pytest.approx(want, rel=2e-5, abs=2e-5)


COUNTS = {
    "Poisson-Geometric": lambda: (dist.Poisson(2.0), dist.Geometric(0.3)),
    "NegativeBinomial-Geometric": lambda: (
        dist.NegativeBinomial2(2.0, 3.0), dist.Geometric(logits=0.3)),
    "Binomial-Geometric": lambda: (dist.Binomial(5, 0.3), dist.Geometric(0.4)),
    "Binomial-DiscreteUniform": lambda: (
        dist.Binomial(5, 0.3), dist.DiscreteUniform(-1, 6)),
    "DiscreteUniform": lambda: (
        dist.DiscreteUniform(1, 3), dist.DiscreteUniform(0, 6)),
    "Bernoulli-Poisson": lambda: (dist.Bernoulli(0.3), dist.Poisson(0.7)),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_divergences_of_counts_are_the_sum(name):
    p, q = COUNTS[name]()
    k = np.arange(0, 120)
    log_p, log_q = (np.asarray(d.log_prob(k), float) for d in (p, q))
    some = log_p > -np.inf
    want = (np.exp(log_p[some]) * (log_p[some] - log_q[some])).sum()
    assert kl_divergence(p, q) == pytest.approx(want, rel=2e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (dist.Normal(), dist.Uniform(-9.0, 9.0)),
        (dist.Normal(), dist.Exponential()),
        (dist.Cauchy(), dist.Normal()),
        (dist.StudentT(1.5), dist.Normal()),
        (dist.Uniform(-1.0, 2.0), dist.Beta(2.0, 2.0)),
        (dist.Uniform(-1.0, 2.0), dist.Gamma(2.0, 2.0)),
        (dist.Pareto(1.0, 2.0), dist.Pareto(2.0, 2.0)),
        (dist.Poisson(3.0), dist.DiscreteUniform(0, 9)),
        (dist.DiscreteUniform(-1, 3), dist.Geometric(0.3)),
        (dist.Poisson(3.0), dist.Geometric(1.0)),
        (dist.Multinomial(3, np.ones(2) / 2), dist.Multinomial(4, np.ones(2) / 2)),
    ],
)
def test_mass_outside_of_the_other_support_is_infinitely_far(p, q):
    assert kl_divergence(p, q) == np.inf


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (dist.VonMises(0.0, 1.0), dist.Normal()),
        (dist.Poisson(3.0), dist.Normal()),
        (dist.Normal().mask(np.array([True])), dist.Normal()),
        (dist.HurdleGamma(0.3, 1.0), dist.Exponential()),
        (dist.LeftCensoredDistribution(dist.Normal()), dist.Normal()),
        (
            dist.MixtureSameFamily(
                dist.Categorical(np.ones(2) / 2), dist.Normal(np.zeros(2), 1.0)
            ),
            dist.Normal(),
        ),
    ],
)
def test_rules_for_all_families_know_their_limits(p, q):
    with pytest.raises(TypeError, match="no closed form is known for"):
        kl_divergence(p, q)


# --- joint distributions --------------------------------------------------------------

TRIL = np.array([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.2, 0.7]], np.float32)
OTHER = np.array([[2.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.4, -0.6, 1.5]], np.float32)
LOC, ROW = np.arange(3.0, dtype=np.float32), np.array([1.0, 0.3, 0.3], np.float32)


def vectors():
    """One normal vector of each family."""
    factor = np.array([[1.0], [0.5], [-1.0]], np.float32)
    return {
        "joint": dist.MultivariateNormal(LOC, scale_tril=TRIL),
        "low rank": dist.LowRankMultivariateNormal(LOC, factor, ROW),
        "ring": dist.CirculantNormal(LOC - 0.5, ROW),
        "independent": dist.Normal(2 * LOC, np.array([1.0, 0.5, 2.0])).to_event(1),
    }


def covariance(d):
    known = getattr(d, "covariance_matrix", None)
    return np.diag(d.variance) if known is None else np.asarray(known)


@pytest.mark.parametrize("first", vectors())
@pytest.mark.parametrize("second", vectors())
def test_normal_vectors_of_any_two_families(first, second):
    p, q = vectors()[first], vectors()[second]
    a, b, gap = covariance(p), covariance(q), np.asarray(q.mean - p.mean)
    logs = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    square = np.trace(np.linalg.solve(b, a)) + gap @ np.linalg.solve(b, gap)
    want = 0.5 * (square - 3 + logs)
    assert kl_divergence(p, q) == pytest.approx(want, rel=2e-5, abs=2e-6)


def test_a_long_ring_needs_no_matrix():
    n = 501
    row = 0.9 ** np.minimum(np.arange(n), n - np.arange(n))
    q = dist.CirculantNormal(np.zeros(n), row)
    p = dist.Normal(np.linspace(-1, 1, n), np.linspace(0.5, 1, n)).to_event(1)
    joint = dist.MultivariateNormal(0.0, covariance_matrix=q.covariance_matrix)
    want = kl_divergence(p, joint)
    assert kl_divergence(p, q) == pytest.approx(float(want), rel=1e-4)


MATRICES = {
    "MatrixNormal": (
        dist.MatrixNormal(np.ones((2, 3)), TRIL[:2, :2], OTHER),
        dist.MatrixNormal(np.zeros((2, 3)), OTHER[:2, :2], TRIL),
    ),
    "Wishart": (
        dist.Wishart(7.5, scale_tril=TRIL), dist.Wishart(5.0, scale_tril=OTHER)),
    "WishartCholesky": (
        dist.WishartCholesky(7.5, scale_tril=TRIL),
        dist.WishartCholesky(5.0, scale_tril=OTHER),
    ),
    "InverseWishart": (
        dist.InverseWishart(7.5, scale_tril=TRIL),
        dist.InverseWishart(9.0, scale_tril=OTHER),
    ),
    "InverseWishartCholesky": (
        dist.InverseWishartCholesky(7.5, scale_tril=TRIL),
        dist.InverseWishartCholesky(9.0, scale_tril=OTHER),
    ),
    "LKJ": (dist.LKJ(3, 2.0), dist.LKJ(3, 0.7)),
    "LKJCholesky": (dist.LKJCholesky(4, 2.0), dist.LKJCholesky(4, 3.0)),
    "Multinomial": (
        dist.Multinomial(6, np.array([0.2, 0.3, 0.5])),
        dist.Multinomial(6, logits=np.array([0.1, 0.3, 0.0])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_estimates_of_joint_divergences_agree(name):
    p, q = MATRICES[name]
    x = p.sample(jax.random.key(3), (20_000,))
    terms = np.asarray(p.log_prob(x) - q.log_prob(x), np.float64)
    error = terms.std() / np.sqrt(len(terms))
    assert abs(terms.mean() - kl_divergence(p, q)) < 4 * error


def test_a_matrix_is_no_factor():
    with pytest.raises(TypeError, match="Wishart against WishartCholesky"):
        kl_divergence(MATRICES["Wishart"][0], MATRICES["WishartCholesky"][0])


def test_values_are_those_of_numpyro_where_the_families_differ():
    numpyro = pytest.importorskip("numpyro.distributions")
    p, q = dist.Normal(LOC, ROW).to_event(1), dist.CirculantNormal(LOC, ROW)
    theirs = numpyro.Normal(LOC, ROW).to_event(1), numpyro.CirculantNormal(LOC, ROW)
    want = numpyro.kl_divergence(*theirs)
    assert kl_divergence(p, q) == pytest.approx(float(want), rel=1e-4)


def exponential_of(loc, scale, base=None):
    base = dist.Normal(0.5, 2.0) if base is None else base
    parts = [t.AffineTransform(loc, scale), t.ExpTransform()]
    return dist.TransformedDistribution(base, parts)


@pytest.mark.parametrize("traced", [False, True])
def test_shifts_and_scales_that_differ_belong_to_the_base(traced):
    divergence = jax.jit(kl_divergence) if traced else kl_divergence
    loc = np.array([0.3, -1.0])
    p, q = exponential_of(loc, -1.5), exponential_of(np.zeros(2), 0.7)
    same = kl_divergence(
        dist.LogNormal(loc - 0.75, 3.0), dist.LogNormal(np.full(2, 0.35), 1.4)
    )
    np.testing.assert_allclose(divergence(p, q), same, rtol=1e-5)
    np.testing.assert_allclose(divergence(p, p), 0.0, atol=1e-6)
    shorter = dist.TransformedDistribution(dist.Normal(0.35, 1.4), t.ExpTransform())
    np.testing.assert_allclose(divergence(p, shorter), same, rtol=1e-5)
    vectors = [
        exponential_of(d.transforms[0].loc, d.transforms[0].scale, base)
        for d, base in ((p, dist.Normal(np.full(2, 0.5), 2.0).to_event(1)),
                        (q, dist.Normal(np.full(2, 0.5), 2.0).to_event(1)))
    ]  # fmt: skip
    np.testing.assert_allclose(divergence(*vectors), same.sum(), rtol=1e-5)


def test_transforms_that_differ_elsewhere_are_told_or_nan():
    def powers(exponent):
        part = t.PowerTransform(exponent)
        return dist.TransformedDistribution(dist.Gamma(2.0, 1.0), part)

    with pytest.raises(TypeError, match="whose transforms differ"):
        kl_divergence(powers(2.0), powers(3.0))
    traced = jax.jit(lambda a, b: kl_divergence(powers(a), powers(b)))
    assert traced(2.0, 2.0) == 0.0
    assert np.isnan(traced(2.0, 3.0))
    # Bases of two families, under one transform that is traced.
    wide, mixed = dist.Uniform(-1.0, 2.0), jax.jit(
        lambda m: kl_divergence(
            exponential_of(m, 1.0, dist.Uniform(-1.0, 2.0)),
            exponential_of(m, 1.0, dist.Normal()),
        )
    )  # fmt: skip
    np.testing.assert_allclose(mixed(0.3), kl_divergence(wide, dist.Normal()))
