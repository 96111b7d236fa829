"""Single facts of the families that NumPyro lacks: far tails, limits, mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl._errors import ParameterError

# In float32, where the probabilities themselves are zero or one; truth from mpmath.
LOG_CDF = (
    (dist.SkewNormal(0.0, 1.0, 4.0), -10.0, -859.971219687),
    (dist.ExGaussian(0.0, 1.0, 0.01), -30.0, -462.330156122),
    (dist.Rice(1000.0), 900.0, -5005.57689438),
    (dist.Rice(1.0), 1e-10, -47.2448490404),
    (dist.Moyal(), -8.0, -1494.70512006),
    (dist.GeneralizedExtremeValue(0.0, 1.0, 0.25), -3.5, -4096.0),
    (dist.GeneralizedPareto(0.0, 1.0, 0.25), 1e-20, -46.0517018599),
    (dist.GeneralizedNormal(0.0, 1.0, 4.0), -10.0, -10008.889),
    (dist.InverseGaussian(1.0, 1.0), 1e-4, -5003.8311115),
    (dist.Nakagami(2.0), 1e-20, -183.513660259),
    (dist.LogitNormal(), 1e-30, -2391.00852753),
    (dist.HalfStudentT(3.0), 1e-20, -46.3594435289),
)
LOG_SF = (
    (dist.SkewNormal(0.0, 1.0, 4.0), 50.0, -1254.13821396),
    (dist.ExGaussian(0.0, 1.0, 2.0), 5e3, -9998.0),
    (dist.Rice(1.0), 60.0, -1743.44734922),
    (dist.Moyal(), 500.0, -250.225791353),
    (dist.GeneralizedExtremeValue(0.0, 1.0, 0.25), 1e20, -178.661629995),
    (dist.GeneralizedPareto(0.0, 1.0, 0.25), 1e20, -178.661629995),
    (dist.GeneralizedNormal(0.0, 1.0, 4.0), 10.0, -10008.889),
    (dist.InverseGaussian(1.0, 1.0), 1e3, -509.590912846),
    (dist.Nakagami(2.0), 20.0, -793.314139053),
    (dist.HalfStudentT(3.0), 1e10, -68.2866821702),
)


def name_of(value):
    return type(value).__name__ if isinstance(value, dist.Distribution) else None


@pytest.mark.parametrize(("d", "x", "want"), LOG_CDF, ids=name_of)
def test_lower_tails_do_not_underflow(d, x, want):
    got, slope = jax.value_and_grad(d.log_cdf)(float(x))
    assert got == pytest.approx(want, rel=2e-5)
    # What a log cdf rises by is the density over the cdf.
    assert slope == pytest.approx(float(jnp.exp(d.log_prob(x) - want)), rel=2e-2)


@pytest.mark.parametrize(("d", "x", "want"), LOG_SF, ids=name_of)
def test_upper_tails_do_not_underflow(d, x, want):
    got, slope = jax.value_and_grad(d.log_sf)(float(x))
    assert got == pytest.approx(want, rel=2e-5)
    assert slope == pytest.approx(-float(jnp.exp(d.log_prob(x) - want)), rel=2e-2)


def test_special_cases_are_the_families_that_they_are():
    x = np.linspace(0.1, 3.0, 7)
    half = dist.HalfNormal(2.0)
    pairs = (
        (dist.SkewNormal(1.0, 2.0, 0.0), dist.Normal(1.0, 2.0)),
        (dist.GeneralizedNormal(1.0, 2.0, 1.0), dist.Laplace(1.0, 2.0)),
        (dist.GeneralizedPareto(0.0, 2.0, 0.0), dist.Exponential(0.5)),
        (dist.Nakagami(0.5, 4.0), half),
        (dist.HalfStudentT(1.0, 2.0), dist.HalfCauchy(2.0)),
        (dist.PERT(0.0, 1.0, 4.0, 4.0), dist.Beta(2.0, 4.0)),
    )
    for new, known in pairs:
        stretch = 4.0 if isinstance(new, dist.PERT) else 1.0
        want = known.log_prob(x / stretch) - np.log(stretch)
        np.testing.assert_allclose(new.log_prob(x), want, rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(new.cdf(x), known.cdf(x / stretch), rtol=2e-5)
    assert dist.Wald is dist.InverseGaussian


def test_shapes_at_which_the_density_of_extremes_does_not_vanish():
    """A shape of -1 or less is dense at the upper end, which belongs to the support."""
    for family in (dist.GeneralizedExtremeValue, dist.GeneralizedPareto):
        assert family(0.0, 2.0, -1.0).log_prob(2.0) == pytest.approx(-np.log(2.0))
        assert family(0.0, 2.0, -2.0).log_prob(1.0) == np.inf
        assert family(0.0, 2.0, -0.5).log_prob(4.0) == -np.inf
        assert family(0.0, 2.0, -2.0).mode == 1.0


def test_supports_follow_the_shape():
    extreme = dist.GeneralizedExtremeValue
    inside = extreme(0.0, 1.0, np.array([0.5, -0.5, 0.0])).support
    assert inside(np.array([-1.9, 1.9, -1e6])).all()
    assert not inside(np.array([-2.1, 2.1, np.inf])).any()
    assert extreme().support(-1e6)
    inside = dist.GeneralizedPareto(0.0, 1.0, np.array([0.5, -0.5])).support
    assert inside(np.array([1e6, 1.9])).all()
    assert not inside(np.array([-0.1, 2.1])).any()


@pytest.mark.parametrize(
    "family", [dist.GeneralizedExtremeValue, dist.GeneralizedPareto]
)
def test_the_line_is_mapped_onto_the_support(family, x64):
    """Free of the shape, the density is that of the Gumbel or exponential variable."""
    shape = np.array([-1.5, -0.3, -1e-8, 0.0, 1e-8, 0.4, 2.0])
    d = family(1.0, 2.0, shape)
    onto = dist.biject_to(d.support)
    free = np.linspace(-2.0, 1.5, 8)[:, None] + np.zeros(7)
    value, log_det = onto.forward_and_log_det(free)
    assert d.support(value).all()
    back, minus = onto.inverse_and_log_det(value)
    np.testing.assert_allclose(back, free, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(minus, -log_det, rtol=1e-9, atol=1e-9)
    up, down = onto(free + 1e-6), onto(free - 1e-6)
    np.testing.assert_allclose((up - down) / 2e-6, jnp.exp(log_det), rtol=1e-7)
    total = d.log_prob(value) + log_det
    np.testing.assert_allclose(total, total[:, 3:4] + np.zeros(7), rtol=1e-8, atol=1e-8)


BAD = (
    (lambda: dist.Triangular(1.0, 0.0, 0.5), r"Triangular.low = 1.0: low must be <"),
    (lambda: dist.Triangular(0.0, 1.0, 2.0), r"Triangular.peak = 2.0: peak must be"),
    (lambda: dist.PERT(0.0, -1.0, 1.0), r"PERT.peak = -1.0: peak must be from low"),
    (lambda: dist.PERT(0.0, 0.5, 1.0, 0.0), r"PERT.temperature = 0.0: must be > 0"),
    (lambda: dist.Rice(-1.0), r"Rice.nu = -1.0: must be >= 0"),
    (lambda: dist.InverseGaussian(0.0, 1.0), r"InverseGaussian.loc = 0.0"),
    (lambda: dist.HalfStudentT(-1.0), r"HalfStudentT.df = -1.0"),
    (lambda: dist.GeneralizedPareto(0.0, 1.0, np.nan), r"concentration = nan"),
)


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
