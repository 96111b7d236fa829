"""Modes and maximum likelihood: closed forms for estimates and standard errors."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, xlogy

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl._errors import ArgumentError, OptimisationError, PPLError, UnknownNameError
from ppl.diagnostics import ApproximationWarning
from ppl.infer import Estimate, maximum_a_posteriori, maximum_likelihood
from tests.infer.models import SIGMA, Y, eight_schools

pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(1)
X = np.column_stack([np.ones(60), RNG.normal(size=(60, 2))])
OUT = X @ np.array([1.0, -2.0, 0.5]) + 1.5 * RNG.normal(size=60)


def regression(x, y):
    b = ppl.sample("b", dist.Normal(jnp.zeros(3), 2.0).to_event(1))
    s = ppl.sample("s", dist.HalfNormal(1))
    ppl.deterministic("variance", s**2)
    with ppl.plate("row", len(x)):
        ppl.sample("y", dist.Normal(x @ b, s), obs=y)


def logistic(x, y):
    b = ppl.sample("b", dist.Normal(jnp.zeros(3), 1.0).to_event(1))
    ppl.sample("y", dist.Bernoulli(logits=x @ b).to_event(1), obs=y)


def shares(y):
    p = ppl.sample("p", dist.Dirichlet(jnp.full(3, 2.0)))
    ppl.sample("y", dist.Multinomial(60, p), obs=y)


COUNTS = np.array([12, 18, 30])


def test_least_squares():
    """Estimates, standard errors of coefficients, scale and variance, AIC."""
    found = maximum_likelihood(regression, X, OUT, seed=0)
    b = np.linalg.lstsq(X, OUT)[0]
    s = np.sqrt(np.mean((OUT - X @ b) ** 2))
    errors = found.standard_errors
    assert found["b"] == pytest.approx(b, abs=1e-4)
    assert found["s"] == pytest.approx(s, rel=1e-4)
    assert errors["b"] == pytest.approx(
        np.sqrt(np.diag(s**2 * np.linalg.inv(X.T @ X))), rel=1e-3
    )
    assert errors["s"] == pytest.approx(s / np.sqrt(120), rel=1e-3)
    assert errors["variance"] == pytest.approx(2 * s * errors["s"], rel=1e-3)
    likelihood = -30 * (np.log(2 * np.pi * s**2) + 1)
    assert found.attrs["log_likelihood"] == pytest.approx(likelihood)
    assert found.attrs["aic"] == pytest.approx(8 - 2 * likelihood)


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_logistic_regression_is_that_of_iterated_weighted_least_squares(prior):
    y = (RNG.random(60) < expit(X @ np.array([0.2, 1.0, -1.0]))).astype(int)
    b = np.zeros(3)
    for _ in range(30):
        chance = expit(X @ b)
        weight = chance * (1 - chance)
        precision = X.T @ (weight[:, None] * X) + prior * np.eye(3)
        b = b + np.linalg.solve(precision, X.T @ (y - chance) - prior * b)
    estimate = maximum_a_posteriori if prior else maximum_likelihood
    found = estimate(logistic, X, y, seed=0)
    assert found["b"] == pytest.approx(b, abs=1e-4)
    errors = np.sqrt(np.diag(np.linalg.inv(precision)))
    assert found.standard_errors["b"] == pytest.approx(errors, rel=1e-3)


def test_a_simplex_is_estimated_by_its_shares():
    """Standard errors of multinomial shares, though they sum to one."""
    found = maximum_likelihood(shares, COUNTS, seed=0)
    p = COUNTS / 60
    assert found["p"] == pytest.approx(p, abs=1e-4)
    assert found.standard_errors["p"] == pytest.approx(
        np.sqrt(p * (1 - p) / 60), rel=1e-3
    )
    known = xlogy(COUNTS, p).sum()
    assert found.log_density - known == pytest.approx(
        float(dist.Multinomial(60, jnp.full(3, 1 / 3)).log_prob(COUNTS))
        + 60 * np.log(3),
        abs=1e-3,
    )


def test_mode_is_that_of_constrained_values():
    """Of a Dirichlet posterior, and of a gamma: there are no Jacobians in it."""
    found = maximum_a_posteriori(shares, COUNTS, seed=0)
    assert found["p"] == pytest.approx((COUNTS + 1) / 63, abs=1e-4)

    def waiting():
        ppl.sample("t", dist.Gamma(3.0, 4.0))

    found = maximum_a_posteriori(waiting, seed=0)
    assert found["t"] == pytest.approx(0.5, rel=1e-3)
    assert found.standard_errors["t"] == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


def classical(y):
    """A model without any prior."""
    mean = ppl.param("mean", 0.0)
    scale = ppl.param("scale", lambda key: 1.0, constraint=dist.constraints.positive)
    share = ppl.param("share", jnp.ones(3) / 3, constraint=dist.constraints.simplex)
    ppl.sample("y", dist.Normal(mean, scale).expand(y.shape).to_event(1), obs=y)
    ppl.sample("counts", dist.Multinomial(60, share), obs=COUNTS)


def test_params_are_estimated():
    found = maximum_likelihood(classical, OUT, seed=0)
    assert found["mean"] == pytest.approx(OUT.mean(), abs=1e-4)
    assert found["scale"] == pytest.approx(OUT.std(), rel=1e-4)
    assert found["share"] == pytest.approx(COUNTS / 60, abs=1e-4)
    assert found.standard_errors["mean"] == pytest.approx(
        OUT.std() / np.sqrt(60), rel=1e-3
    )
    with compilations() as compiled:
        again = maximum_likelihood(classical, OUT + 1, seed=0)
    assert compiled.programs == 0
    assert again["mean"] == pytest.approx(OUT.mean() + 1, abs=1e-4)


def wide(y):
    """More coordinates than Hessians are made for."""
    with ppl.plate("i", len(y)):
        m = ppl.sample("m", dist.Normal(0, 1))
        ppl.sample("y", dist.Normal(m, 0.5), obs=y)


def test_standard_errors_in_many_dims():
    y = RNG.normal(size=1200)
    found = maximum_a_posteriori(wide, y, seed=0, climbs=1)
    assert found["m"] == pytest.approx(0.8 * y, abs=1e-5)
    assert found.standard_errors["m"] == pytest.approx(np.sqrt(0.2), rel=1e-3)


# --- what an estimate is --------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return maximum_a_posteriori(regression, X, OUT, seed=3)


def test_an_estimate_is_a_mapping_with_a_table(fitted):
    assert isinstance(fitted, Estimate)
    assert list(fitted) == ["b", "s", "variance"]
    table = fitted.summary()
    assert table.columns == ("estimate", "se")
    assert table["b[1]"]["estimate"] == fitted["b"][1]
    assert table["s"]["se"] == fitted.standard_errors["s"]
    assert "maximum a posteriori" in repr(fitted)
    assert fitted.attrs["converged"]
    assert fitted.attrs["seed"] == 3
    with pytest.raises(UnknownNameError, match="unknown site 'sigma'"):
        fitted["sigma"]


def test_draws_of_an_estimate(fitted):
    posterior = fitted.posterior(draws=2000)
    assert posterior["b"][0].mean(axis=0) == pytest.approx(fitted["b"], abs=1e-4)
    sds = fitted.standard_errors["b"]
    assert posterior["b"][0].std(axis=0) == pytest.approx(sds, rel=1e-3)
    assert (posterior["s"] > 0).all()
    assert posterior.attrs["pareto_k"] < 0.7
    assert posterior.predict(X[:2], None, seed=0)["y"].shape == (1, 2000, 2)


def test_second_estimate_compiles_nothing(fitted):
    with compilations() as compiled:
        again = maximum_a_posteriori(regression, X, OUT + 1, seed=0)
    assert compiled.programs == 0
    assert again["b"][0] == pytest.approx(fitted["b"][0] + 1, abs=0.1)


# --- mistakes -------------------------------------------------------------------------


def separated(x, y):
    b = ppl.sample("b", dist.Normal(0, 1))
    ppl.sample("y", dist.Bernoulli(logits=b * x).to_event(1), obs=y)


def test_a_likelihood_without_a_maximum_is_told():
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    with pytest.warns(ApproximationWarning, match="no summit along 'b'") as caught:
        endless = maximum_likelihood(separated, x, (x > 0).astype(int), seed=0)
    assert str(endless.findings[0]) == str(caught[0].message)
    assert endless["b"] > 10
    found = maximum_a_posteriori(separated, x, (x > 0).astype(int), seed=0)
    assert 0.5 < found["b"] < 2
    assert found.findings == []


def test_a_mode_at_the_edge_is_told():
    """Eight schools: the groups are alike, and nothing is left of their spread."""
    with pytest.warns(ApproximationWarning, match="no summit along 'tau'"):
        found = maximum_a_posteriori(eight_schools, Y, SIGMA, seed=0)
    assert found["tau"] < 0.1
    assert found["mu"] == pytest.approx(4.6, abs=0.1)


def test_what_the_data_do_not_determine_is_told():
    def redundant(y):
        a = ppl.sample("a", dist.Normal(0, 1))
        b = ppl.sample("b", dist.Normal(0, 1))
        ppl.sample("y", dist.Normal(a + b, 1.0).expand([4]).to_event(1), obs=y)

    with pytest.raises(OptimisationError, match="site '[ab]'.*is flat"):
        maximum_likelihood(redundant, np.arange(4.0), seed=0)


def test_bad_settings_are_named():
    with pytest.raises(ArgumentError, match="climbs must be >= 1"):
        maximum_likelihood(regression, X, OUT, climbs=0)
    with pytest.raises(PPLError, match="seed|key"):
        maximum_a_posteriori(regression, X, OUT, seed="a")
    with pytest.raises(PPLError, match="'y'"):
        maximum_a_posteriori(regression, X, OUT[:-1])
