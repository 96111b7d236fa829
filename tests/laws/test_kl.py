"""Divergences against integrals, other formulas, draws, and each other."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import kl_divergence, register_kl
from ppl.distributions import transforms as t
from ppl.distributions.distribution import distribution
from tests.laws import case as truth

INF = mp.inf


def normal(x, m, s):
    return truth.normal((x - m) / s) - mp.log(s)


def laplace(x, m, s):
    return -abs(x - m) / s - mp.log(2 * s)


def cauchy(x, m, s):
    return -mp.log(mp.pi * s) - mp.log1p(((x - m) / s) ** 2)


def poisson(k, rate):
    return truth.xlogy(k, rate) - rate - mp.loggamma(k + 1)


# Family, log density, where it is integrated or summed, pairs of parameter sets.
INTEGRALS = [
    (
        dist.Normal,
        normal,
        lambda m, s: [m - 40 * s, m, m + 40 * s],
        [((0.0, 1.0), (0.5, 2.0)), ((3.0, 0.01), (3.001, 0.011))],
    ),
    (
        dist.HalfNormal,
        lambda x, s: normal(x, 0, s) + mp.log(2),
        lambda s: [0, s, 40 * s],
        [((1.0,), (3.0,)), ((2.0,), (2.001,))],
    ),
    (
        dist.LogNormal,
        lambda x, m, s: normal(mp.log(x), m, s) - mp.log(x),
        lambda m, s: [mp.exp(m + k * s) for k in (-30, -3, 0, 3, 30)],
        [((0.0, 0.5), (0.5, 0.7))],
    ),
    (
        dist.Laplace,
        laplace,
        lambda m, s: [m - 80 * s, 0, m, m + 80 * s],
        [((1.0, 1.0), (0.0, 2.0)), ((-0.01, 1.0), (0.0, 1.0))],
    ),
    (
        dist.Cauchy,
        cauchy,
        lambda m, s: [-INF, m - s, m, m + s, INF],
        [((1.0, 1.0), (0.0, 2.0)), ((0.0, 1.0), (0.0, 1.1))],
    ),
    (
        dist.HalfCauchy,
        lambda x, s: cauchy(x, 0, s) + mp.log(2),
        lambda s: [0, s, INF],
        [((1.0,), (3.0,))],
    ),
    (
        dist.Exponential,
        lambda x, r: mp.log(r) - r * x,
        lambda r: [0, 1 / r, 200 / r],
        [((1.0,), (3.0,)), ((2.0,), (2.001,))],
    ),
    (
        dist.Gamma,
        truth.gamma,
        lambda a, r: [0, 1e-9, a / r, 2 * a / r, 40 * (a + 9) / r],
        [
            ((2.0, 1.0), (3.0, 0.5)),
            ((0.5, 3.0), (1.5, 3.0)),
            ((4000.0, 2.0), (4010.0, 2.0)),
        ],
    ),
    (
        dist.InverseGamma,
        truth.inverse_gamma,
        lambda a, r: [r / 1e3, r / a, 9 * r / a, 1e3 * r / a, INF],
        [((2.0, 1.0), (3.0, 0.5))],
    ),
    (
        dist.Beta,
        truth.beta,
        lambda a, b: [0, a / (a + b), 1],
        [((2.0, 1.0), (3.0, 4.0)), ((600.0, 400.0), (610.0, 390.0))],
    ),
    (
        dist.Uniform,
        lambda x, a, b: -mp.log(b - a),
        lambda a, b: [a, b],
        [((0.0, 1.0), (-1.0, 4.0))],
    ),
]
PAIRS = [
    pytest.param(family, density, ends, *pair, id=f"{family.__name__}{pair}")
    for family, density, ends, pairs in INTEGRALS
    for pair in pairs
]


def in_float32(values):
    return tuple(mp.mpf(float(np.float32(v))) for v in values)


@pytest.mark.parametrize(("family", "density", "ends", "p", "q"), PAIRS)
def test_continuous_divergences_are_the_integral(family, density, ends, p, q):
    result = kl_divergence(family(*p), family(*q))
    assert result.dtype == jnp.float32
    p, q = in_float32(p), in_float32(q)

    def integrand(x):
        log_p = density(x, *p)
        return mp.exp(log_p) * (log_p - density(x, *q))

    with mp.workdps(20):
        expected = float(mp.quad(integrand, sorted(set(ends(*p)))))
    assert abs(result - expected) < 2e-5 * (1 + expected)


def test_normal_scales_far_apart():
    for ratio in (1e-30, 1e-3, 1e15):
        expected = 0.5 * (ratio**2 - 1) - np.log(ratio)
        for family in (dist.HalfNormal, lambda s: dist.Normal(0.0, s)):
            result = kl_divergence(family(ratio), family(1.0))
            np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_gamma_and_exponential_agree():
    one, other = dist.Exponential(2.0), dist.Exponential(0.7)
    as_gamma = dist.Gamma(1.0, 2.0), dist.Gamma(1.0, 0.7)
    expected = kl_divergence(one, other)
    for p, q in (as_gamma, (one, as_gamma[1]), (as_gamma[0], other)):
        np.testing.assert_allclose(kl_divergence(p, q), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("k", "scale", "a", "rate"), [(1.0, 0.5, 1.0, 3.0), (2.5, 1.3, 0.7, 0.4)]
)
def test_weibull_against_gamma(k, scale, a, rate):
    result = kl_divergence(dist.Weibull(scale, k), dist.Gamma(a, rate))

    def integrand(x):
        z = (x / scale) ** k
        log_p = mp.log(k * z / x) - z
        return mp.exp(log_p) * (log_p - truth.gamma(x, a, rate))

    with mp.workdps(20):
        expected = float(mp.quad(integrand, [0, scale, 5 * scale, 60 * scale]))
    assert abs(result - expected) < 2e-5 * (1 + expected)


def test_small_divergences_keep_their_digits(x64):
    """Of nearly equal members it is half the Fisher information times the square."""
    step = 1e-5
    for family, value, information in (
        (dist.Poisson, 1e6, 1e-6),
        (dist.Exponential, 50.0, 1 / 2500.0),
        (lambda v: dist.Gamma(3.0, v), 2.0, 3.0 / 4),
        (lambda v: dist.Normal(v, 0.5), 1.0, 4.0),
        (dist.BernoulliProbs, 0.3, 1 / 0.21),
    ):
        result = kl_divergence(family(value), family(value * (1 + step)))
        expected = 0.5 * information * (value * step) ** 2
        assert abs(result / expected - 1) < 1e-4


# --- vectors --------------------------------------------------------------------------

TRIL = np.array([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.2, 0.7]])
OTHER = np.array([[2.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.4, -0.6, 1.5]])


def normal_divergence(m, a, n, b):
    """Of covariances `a`, `b`, from determinants and inverses."""
    gap, inverse = n - m, np.linalg.inv(b)
    logs = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
    return 0.5 * (np.trace(inverse @ a) + gap @ inverse @ gap - len(m) + logs)


def test_multivariate_normal():
    m, n = np.arange(3.0), np.array([1.0, 0.0, 0.5])
    p = dist.MultivariateNormal(m, scale_tril=np.stack([TRIL, OTHER]))
    q = dist.MultivariateNormal(n, scale_tril=OTHER)
    expected = [
        normal_divergence(m, a @ a.T, n, OTHER @ OTHER.T) for a in (TRIL, OTHER)
    ]
    np.testing.assert_allclose(kl_divergence(p, q), expected, rtol=2e-5)
    flipped = [normal_divergence(n, OTHER @ OTHER.T, m, a @ a.T) for a in (TRIL, OTHER)]
    np.testing.assert_allclose(kl_divergence(q, p), flipped, rtol=2e-5)


def test_independent_normals_are_a_vector():
    scale = np.array([1.0, 0.5, 2.0])
    parts = dist.Normal(np.ones(3), scale).to_event(1)
    joint = dist.MultivariateNormal(np.zeros(3), scale_tril=TRIL)
    cov, own = TRIL @ TRIL.T, np.diag(scale**2)
    expected = normal_divergence(np.ones(3), own, np.zeros(3), cov)
    np.testing.assert_allclose(kl_divergence(parts, joint), expected, rtol=2e-5)
    expected = normal_divergence(np.zeros(3), cov, np.ones(3), own)
    np.testing.assert_allclose(kl_divergence(joint, parts), expected, rtol=2e-5)
    other = dist.Laplace(np.ones(3)).to_event(1)
    with pytest.raises(TypeError, match=r"Independent\(Laplace\) against Multi"):
        kl_divergence(other, joint)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_dirichlet_is_the_formula_in_many_digits(scale):
    a = scale * np.array([0.5, 2.0, 7.0])
    b = scale * np.array([0.6, 1.5, 7.5])
    mpa, mpb = in_float32(a), in_float32(b)
    expected = mp.loggamma(sum(mpa)) - mp.loggamma(sum(mpb))
    for x, y in zip(mpa, mpb, strict=True):
        slope = mp.digamma(x) - mp.digamma(sum(mpa))
        expected += mp.loggamma(y) - mp.loggamma(x) + (x - y) * slope
    result = kl_divergence(dist.Dirichlet(a), dist.Dirichlet(b))
    assert abs(result - float(expected)) < 2e-5 * (1 + float(expected))


def test_estimates_from_draws_agree():
    pairs = [
        (dist.Dirichlet(np.array([2.0, 3.0, 4.0])), dist.Dirichlet(np.ones(3) * 2)),
        (dist.Gamma(2.0, 3.0), dist.Gamma(3.0, 2.0)),
        (dist.Cauchy(0.0, 1.0), dist.Cauchy(1.0, 2.0)),
        (
            dist.MultivariateNormal(np.zeros(3), scale_tril=TRIL),
            dist.MultivariateNormal(np.ones(3), scale_tril=OTHER),
        ),
    ]
    for p, q in pairs:
        x = p.sample(jax.random.key(1), (20_000,))
        terms = np.asarray(p.log_prob(x) - q.log_prob(x), np.float64)
        error = terms.std() / np.sqrt(len(terms))
        assert abs(terms.mean() - kl_divergence(p, q)) < 4 * error


# --- wrappers -------------------------------------------------------------------------


def test_points_and_wrappers():
    normal = dist.Normal(1.0, 2.0)
    point = dist.Delta(3.0, log_density=0.5)
    np.testing.assert_allclose(kl_divergence(point, normal), 0.5 - normal.log_prob(3.0))

    loc = np.arange(6.0).reshape(2, 3)
    p, q = dist.Normal(loc, 1.0), dist.Normal(0.0, 2.0).expand([2, 3])
    each = np.asarray(kl_divergence(p, q))
    assert each.shape == (2, 3)
    for n in (1, 2):
        inner = kl_divergence(p.to_event(n), q.to_event(n))
        np.testing.assert_allclose(inner, each.sum(tuple(range(-n, 0))), rtol=1e-6)
    nested = kl_divergence(p.to_event(1).to_event(1), q.to_event(2))
    np.testing.assert_allclose(nested, each.sum(), rtol=1e-6)

    mask = np.array([True, False, True])
    masked = kl_divergence(p.mask(mask), q.mask(mask[::-1] & mask))
    np.testing.assert_allclose(masked, each * mask)


def test_one_bijection_on_both_sides_changes_nothing():
    shift = t.AffineTransform(1.0, 3.0)

    def made(loc, transform):
        base = dist.Normal(loc, 1.0)
        return dist.TransformedDistribution(base, [t.ExpTransform(), transform])

    p, q = made(np.zeros(2), shift), made(1.0, t.AffineTransform(1.0, 3.0))
    np.testing.assert_allclose(kl_divergence(p, q), [0.5, 0.5])
    with pytest.raises(TypeError, match="whose transforms differ"):
        kl_divergence(p, made(1.0, t.AffineTransform(1.0, 4.0)))
    folded = [
        dist.TransformedDistribution(dist.Normal(m, 1.0), t.AbsTransform())
        for m in (0.0, 1.0)
    ]
    with pytest.raises(TypeError, match="no bijection"):
        kl_divergence(*folded)


# --- all ------------------------------------------------------------------------------

MEMBERS = [
    (dist.Normal, (0.3, 1.2)),
    (dist.LogNormal, (0.3, 1.2)),
    (dist.HalfNormal, (1.2,)),
    (dist.Laplace, (0.3, 1.2)),
    (dist.Cauchy, (0.3, 1.2)),
    (dist.HalfCauchy, (1.2,)),
    (dist.Exponential, (1.2,)),
    (dist.Gamma, (0.3, 1.2)),
    (dist.InverseGamma, (0.3, 1.2)),
    (dist.Beta, (0.3, 1.2)),
    (dist.Poisson, (1.2,)),
    (dist.BernoulliProbs, (0.3,)),
    (dist.BernoulliLogits, (0.3,)),
    (dist.Dirichlet, (np.array([0.3, 1.2]),)),
    (dist.Chi2, (1.2,)),
    (dist.BetaProportion, (0.3, 1.2)),
    (dist.Nakagami, (0.8, 1.2)),
    (dist.LogitNormal, (0.3, 1.2)),
    (dist.Weibull, (0.3, 1.2)),
    (dist.Gumbel, (0.3, 1.2)),
    (dist.InverseGaussian, (0.3, 1.2)),
    (dist.VonMises, (0.3, 1.2)),
    (lambda v: dist.LKJCholesky(3, v), (1.2,)),
    (lambda v: dist.LKJ(3, v), (1.2,)),
    (lambda n, v: dist.Wishart(n, scale_tril=v), (3.5, np.diag([1.0, 2.0]))),
    (lambda n, v: dist.InverseWishart(n, scale_tril=v), (3.5, np.diag([1.0, 2.0]))),
    (dist.CategoricalLogits, (np.array([0.3, 1.2]),)),
]


@pytest.mark.parametrize(("family", "params"), MEMBERS)
def test_equal_members_are_at_a_minimum(family, params):
    params = tuple(np.asarray(value, np.float32) for value in params)

    @jax.jit
    def value_and_slope(p, q):
        return jax.value_and_grad(
            lambda p, q: kl_divergence(family(*p), family(*q)), argnums=(0, 1)
        )(p, q)

    value, slopes = value_and_slope(params, params)
    assert abs(value) < 2e-6
    for slope in jax.tree.leaves(slopes):
        np.testing.assert_allclose(slope, 0.0, atol=2e-5)
    many = tuple(np.stack([value, 1.5 * value]) for value in params)
    batch = kl_divergence(family(*many), family(*params))
    assert batch.shape == (2,)
    assert batch[1] > 0
    mapped = jax.vmap(lambda p: kl_divergence(family(*p), family(*params)))(many)
    np.testing.assert_allclose(mapped, batch, rtol=1e-5, atol=1e-7)


KNOWN = {dist.Normal, dist.Gamma, dist.Beta, dist.Dirichlet}  # to NumPyro


@pytest.mark.parametrize(
    ("family", "params"), [member for member in MEMBERS if member[0] in KNOWN]
)
def test_values_are_those_of_numpyro(family, params):
    numpyro = pytest.importorskip("numpyro.distributions")
    theirs = getattr(numpyro, family.__name__)
    other = tuple(1.5 * value for value in params)
    expected = numpyro.kl_divergence(theirs(*params), theirs(*other))
    result = kl_divergence(family(*params), family(*other))
    np.testing.assert_allclose(result, expected, rtol=2e-4)


def test_mistakes_are_named():
    with pytest.raises(TypeError, match=r"StudentT against Gumbel.*p\.log_prob\(x\)"):
        kl_divergence(dist.StudentT(3.0), dist.Gumbel())
    with pytest.raises(TypeError, match="q must be a distribution, got float"):
        kl_divergence(dist.Normal(), 1.0)
    vector = dist.Normal(np.zeros(3)).to_event(1)
    with pytest.raises(ValueError, match="event shape"):
        kl_divergence(vector, dist.Normal(np.zeros(2)).to_event(1))
    with pytest.raises(ValueError, match="do not broadcast"):
        kl_divergence(dist.Normal(np.zeros(3)), dist.Normal(np.zeros(2)))
    two, three = (dist.CategoricalProbs(np.ones(n) / n) for n in (2, 3))
    with pytest.raises(ValueError, match="2 categories against 3"):
        kl_divergence(two, three)


def test_formulas_can_be_added_and_hold_for_subclasses():
    @distribution
    class Base(dist.Distribution):
        support = c.real

    @distribution
    class Narrow(Base):
        pass

    @register_kl(Base, Base)
    def _base(p, q):
        return jnp.float32(7.0)

    assert kl_divergence(Narrow(), Base()) == 7.0
