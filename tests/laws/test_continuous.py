"""Single facts of continuous families: far tails in float32, NumPyro's meanings."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl._errors import ArgumentError, ParameterError
from tests.laws.cases_continuous import CASES

# In float32, where the probabilities themselves are zero or one.
LOG_CDF = (
    (dist.SoftLaplace(0.0, 1.0), -1e5, -1e5 + np.log(2 / np.pi)),
    (dist.AsymmetricLaplace(0.0, 1.0, 0.5), -1e5, -2e5 + np.log(0.2)),
    (dist.Logistic(), -1e5, -1e5),
    (dist.Gumbel(), -10.0, -np.exp(10.0)),
    (dist.Levy(0.0, 1.0), 1e-6, -500007.13354),
    (dist.Kumaraswamy(5.0, 2.0), 1e-30, 5 * np.log(1e-30) + np.log(2.0)),
    (dist.Weibull(1.0, 3.0), 1e-30, 3 * np.log(1e-30)),
    (dist.Gompertz(2.0, 3.0), 1e-30, np.log(6e-30)),
    (dist.Dagum(2.0, 3.0, 1.0), 1e-30, 6 * np.log(1e-30)),
    (dist.RelaxedBernoulliLogits(3.0, 1.0), 1e-30, 3 * np.log(1e-30) - 1),
    (dist.Chi2(3.0), 1e-30, 1.5 * np.log(5e-31) - np.log(1.3293403881791370)),
    (dist.TruncatedPolyaGamma(), 1e-4, -1253.4450612),
)
LOG_SF = (
    (dist.SoftLaplace(0.0, 1.0), 1e5, -1e5 + np.log(2 / np.pi)),
    (dist.Logistic(), 1e5, -1e5),
    (dist.Gumbel(), 1e5, -1e5),
    (dist.Levy(0.0, 1.0), 1e30, 0.5 * np.log(2e-30 / np.pi)),
    (dist.Weibull(1.0, 3.0), 100.0, -1e6),
    (dist.Dagum(2.0, 3.0, 1.0), 1e30, np.log(2.0) - 3 * np.log(1e30)),
    (dist.Pareto(1.0, 3.0), 1e30, -3 * np.log(1e30)),
    (dist.VonMises(0.0, 100.0), 3.0, -200.1915969),
)


@pytest.mark.parametrize(("d", "x", "want"), LOG_CDF)
def test_lower_tails_do_not_underflow(d, x, want):
    got, slope = jax.value_and_grad(d.log_cdf)(float(x))
    assert got == pytest.approx(want, rel=2e-5)
    assert np.isfinite(slope)


@pytest.mark.parametrize(("d", "x", "want"), LOG_SF)
def test_upper_tails_do_not_underflow(d, x, want):
    got, slope = jax.value_and_grad(d.log_sf)(float(x))
    assert got == pytest.approx(want, rel=2e-5)
    assert np.isfinite(slope)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parameters_mean_what_numpyro_means(case):
    theirs = getattr(pytest.importorskip("numpyro.distributions"), case.name)
    ours = getattr(dist, case.name)

    def arguments(family):
        parameters = inspect.signature(family).parameters.values()
        found = [(p.name, p.default) for p in parameters]
        return [pair for pair in found if pair[0] != "validate_args"]

    assert arguments(ours) == arguments(theirs)
    values = () if case.name == "TruncatedPolyaGamma" else case.sets[0]
    with jax.enable_x64(True):
        x = np.asarray([case.scipy(*case.sets[0]).ppf(q) for q in (0.05, 0.3, 0.8)])
        got, want = ours(*values).log_prob(x), theirs(*values).log_prob(x)
        np.testing.assert_allclose(got, want, atol=1e-5)  # theirs of Pólya-gamma


def test_a_relaxed_bernoulli_is_made_by_either_parameter():
    one = dist.RelaxedBernoulli(2.0, probs=0.3)
    other = dist.RelaxedBernoulli(2.0, logits=np.log(3 / 7))
    assert one.log_prob(0.2) == pytest.approx(float(other.log_prob(0.2)), rel=1e-6)
    assert one.probs == pytest.approx(0.3)
    with pytest.raises(ArgumentError, match="exactly one of `probs` and `logits`"):
        dist.RelaxedBernoulli(2.0)


def test_the_mean_of_a_beta_proportion_has_the_shape_of_its_batch():
    d = dist.BetaProportion(0.3, np.ones(3))
    assert d.mean.shape == d.batch_shape == (3,)
    mapped = jax.vmap(dist.BetaProportion)(jnp.full(2, 0.3), jnp.ones(2))
    assert mapped.mean.shape == (2,)


def test_members_of_a_truncated_polya_gamma_are_counted_by_shape():
    d = dist.TruncatedPolyaGamma((2, 3))
    assert d.sample(jax.random.key(0), (4,)).shape == (4, 2, 3)
    inner = jax.vmap(lambda d: jnp.zeros(d.batch_shape))(d)
    assert inner.shape == (2, 3)


def test_ends_of_power_laws_are_in_order():
    with pytest.raises(ParameterError, match="low must be < high"):
        dist.DoublyTruncatedPowerLaw(1.0, 2.0, 1.0)
    with pytest.raises(ParameterError, match="low must be > 0 where alpha <= -1"):
        dist.DoublyTruncatedPowerLaw(-1.0, 0.0, 1.0)
    with pytest.raises(ParameterError, match="low must be < high"):
        dist.LogUniform(2.0, 1.0)


def test_angles_far_from_the_mean_direction_are_wrapped():
    """A von Mises distribution near pi has half of its draws near -pi."""
    draws = dist.VonMises(3.1, 50.0).sample(jax.random.key(1), (1000,))
    assert 300 < (draws < 0).sum() < 700
    turned = dist.VonMises(3.1 - 2 * np.pi, 50.0)
    x = jnp.asarray([-3.1, 3.1, 0.0])
    np.testing.assert_allclose(
        dist.VonMises(3.1, 50.0).log_prob(x), turned.log_prob(x), rtol=1e-4
    )


CIRCULAR = {
    "VonMises": dist.VonMises(2.0, 3.0),
    "SineBivariateVonMises": dist.SineBivariateVonMises(1.0, -2.0, 2.0, 1.5, -0.5),
    "SineSkewed": dist.SineSkewed(
        dist.SineBivariateVonMises(1.0, -2.0, 2.0, 1.5, -0.5), np.array([0.3, -0.4])
    ),
    "SineSkewed of VonMises": dist.SineSkewed(
        dist.VonMises(np.array([1.0, 3.0]), 2.0).to_event(1), np.array([0.3, -0.4])
    ),
}


@pytest.mark.parametrize("name", CIRCULAR)
def test_full_turns_leave_a_density_as_it_is(name):
    d = CIRCULAR[name]
    x = d.sample(jax.random.key(2), (50,))
    want = d.log_prob(x)
    for turns in (-1, 1, 2):
        got = d.log_prob(x + np.float32(2 * np.pi * turns))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    positive = np.mod(np.asarray(x), 2 * np.pi)
    slopes = jax.grad(lambda x: d.log_prob(x).sum())(positive)
    assert np.isfinite(slopes).all()
    assert not np.all(d.support(positive))  # it says where draws are
    assert d.log_prob(np.full(d.event_shape, np.inf)) == -np.inf


def test_circular_densities_are_those_of_numpyro_beyond_a_turn():
    numpyro = pytest.importorskip("numpyro.distributions")
    x = np.linspace(-4.0, 7.0, 23, dtype=np.float32)
    want = numpyro.VonMises(2.0, 3.0, validate_args=False).log_prob(x)
    np.testing.assert_allclose(dist.VonMises(2.0, 3.0).log_prob(x), want, atol=2e-5)


@pytest.mark.parametrize(
    ("d", "bound"),
    [
        (dist.TruncatedNormal(0.0, 1.0, low=0.5), 0.5),
        (dist.TruncatedCauchy(0.0, 1.0, high=0.5), 0.5),
        (dist.TruncatedNormal(0.0, 1.0, low=0.5, high=2.0), 0.5),
        (dist.TruncatedNormal(0.0, 1.0, low=0.5, high=2.0), 2.0),
        (dist.LeftTruncatedDistribution(dist.Gamma(2.0, 1.0), 1.0), 1.0),
        (dist.LeftTruncatedDistribution(dist.HalfNormal(1.0), 0.0), 0.0),
        (dist.LeftTruncatedDistribution(dist.Pareto(1.0, 2.0), 0.5), 1.0),
    ],
)
def test_a_bound_of_a_truncation_belongs_to_it(d, bound):
    assert d.support(bound)
    assert np.isfinite(d.log_prob(bound))
    assert not d.support(bound - 1.0) or not d.support(bound + 2.0)
    x = d.sample(jax.random.key(0), (1000,))
    assert np.all(d.support(x))
    assert np.isfinite(d.log_prob(x)).all()
