"""Laplace, Pathfinder, deterministic ADVI: closed forms, long NUTS, what is told."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta, multivariate_normal, multivariate_t, norm
from sklearn.datasets import load_breast_cancer

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl.diagnostics import ApproximationWarning
from ppl.infer import dadvi, laplace, pathfinder
from tests.infer.models import SIGMA, Y, eight_schools

METHODS = [laplace, pathfinder, dadvi]
pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 4)) @ np.linalg.cholesky(0.9 + 0.1 * np.eye(4)).T
OUT = X @ np.array([1.0, -2.0, 0.5, 3.0]) + RNG.normal(size=50)


def linear(x, y):
    """Conjugate: the posterior is normal, the evidence known."""
    b = ppl.sample("b", dist.Normal(jnp.zeros(4), 2.0).to_event(1))
    ppl.deterministic("total", b.sum())
    with ppl.plate("row", len(x)):
        ppl.sample("y", dist.Normal(x @ b, 1.0), obs=y)


COVARIANCE = np.linalg.inv(X.T @ X + np.eye(4) / 4)
MEAN = COVARIANCE @ X.T @ OUT
EVIDENCE = multivariate_normal(np.zeros(50), np.eye(50) + 4 * X @ X.T).logpdf(OUT)


def logistic(x, y):
    b = ppl.sample("b", dist.Normal(jnp.zeros(x.shape[1]), 2.5).to_event(1))
    a = ppl.sample("a", dist.Normal(0, 5))
    with ppl.plate("row", len(y)):
        ppl.sample("y", dist.Bernoulli(logits=a + x @ b), obs=y)


def banana():
    x = ppl.sample("x", dist.Normal(0, 3))
    ppl.sample("y", dist.Normal(x**2, 0.3))


def funnel():
    v = ppl.sample("v", dist.Normal(0, 3))
    with ppl.plate("i", 9):
        ppl.sample("x", dist.Normal(0, jnp.exp(v / 2)))


# --- what is exact --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (laplace, {}),
        (laplace, {"hessian": "matrix_free"}),
        (dadvi, {}),
        (dadvi, {"fixed_draws": 4}),
        (laplace, {"draws": 333}),
    ],
)
def test_normal_posterior_is_found_exactly(method, options):
    """Draws are balanced, so that their moments have no noise."""
    posterior = method(linear, X, OUT, seed=0, **options)
    draws = posterior["b"][0].astype(float)
    odd = len(draws) % 2
    sds = np.sqrt(np.diag(COVARIANCE))
    off = (draws.mean(axis=0) - MEAN) / sds
    assert np.abs(off).max() < (0.02 if odd else 1e-3)
    scaled = (np.cov(draws.T, bias=True) - COVARIANCE) / np.outer(sds, sds)
    assert np.abs(scaled).max() < (0.02 if odd else 1e-3)
    assert posterior.attrs["log_evidence"] == pytest.approx(EVIDENCE, abs=1e-3)
    assert posterior.attrs["elbo"] == pytest.approx(EVIDENCE, abs=1e-3)
    if method is laplace:
        known = posterior.attrs["log_evidence_laplace"]
        assert known == pytest.approx(EVIDENCE, abs=1e-3)


def test_mean_field_has_the_variances_of_theory():
    """The inverses of the precisions, and the bound that belongs to them."""
    with pytest.warns(ApproximationWarning, match="DADVI is not near"):
        posterior = dadvi(linear, X, OUT, seed=0, covariance="mean_field")
    draws = posterior["b"][0].astype(float)
    variances = 1 / np.diag(np.linalg.inv(COVARIANCE))
    assert draws.mean(axis=0) == pytest.approx(MEAN, abs=1e-3)
    assert draws.var(axis=0) == pytest.approx(variances, rel=1e-3)
    divergence = 0.5 * (np.linalg.slogdet(COVARIANCE)[1] - np.log(variances).sum())
    bound = posterior.attrs["elbo_mean_field"]
    assert bound == pytest.approx(EVIDENCE - divergence, abs=1e-3)


def test_pathfinder_finds_a_normal_posterior_up_to_noise():
    posterior = pathfinder(linear, X, OUT, seed=0, draws=4000, history=10)
    draws = posterior["b"][0]
    sds = np.sqrt(np.diag(COVARIANCE))
    assert np.abs((draws.mean(axis=0) - MEAN) / sds).max() < 0.08
    assert draws.std(axis=0) == pytest.approx(sds, rel=0.06)
    assert posterior.attrs["log_evidence"] == pytest.approx(EVIDENCE, abs=0.05)
    assert posterior.attrs["pareto_k"] < 0.5


def test_resampling_puts_right_what_laplace_misses():
    """An exponential variable: its mean is 1, which its mode does not know."""

    def waiting():
        ppl.sample("t", dist.Gamma(3.0, 3.0))

    plain = laplace(waiting, seed=0, draws=4000)
    posterior = laplace(waiting, seed=0, draws=4000, resample=True)
    assert posterior["t"].mean() == pytest.approx(1.0, abs=0.03)
    assert posterior["t"].var() == pytest.approx(1 / 3, rel=0.1)
    assert posterior.attrs["log_evidence"] == pytest.approx(0, abs=0.02)
    weights = np.exp(plain.sample_stats["log_weight"])
    assert weights.sum() == pytest.approx(1)
    assert (weights * plain["t"]).sum() == pytest.approx(1.0, abs=0.03)
    assert "log_weight" not in posterior.sample_stats


# --- what is near ---------------------------------------------------------------------


RAW = RNG.normal(size=(200, 3)) @ np.linalg.cholesky(0.5 + 0.5 * np.eye(3)).T
ROWS = RAW.astype(np.float32)
CHANCE = expit(0.3 + RAW @ np.array([1.0, -0.5, 0.2]))
LABELS = (RNG.random(200) < CHANCE).astype(np.int32)


@pytest.fixture(scope="module")
def moments():
    """Means and sds of the logistic regression, by importance sampling in NumPy."""

    def logp(z):
        slopes, intercept = z[..., :3], z[..., 3]
        logits = intercept[..., None] + slopes @ ROWS.T.astype(float)
        likelihood = (LABELS * logits - np.logaddexp(0, logits)).sum(-1)
        return (
            likelihood
            + norm(0, 2.5).logpdf(slopes).sum(-1)
            + norm(0, 5).logpdf(intercept)
        )

    found = minimize(lambda z: -logp(z), np.zeros(4))
    around = multivariate_t(found.x, found.hess_inv, df=7, seed=0)
    draws = around.rvs(100_000)
    ratios = logp(draws) - around.logpdf(draws)
    weights = np.exp(ratios - np.logaddexp.reduce(ratios))
    mean = weights @ draws
    evidence = np.logaddexp.reduce(ratios) - np.log(len(draws))
    return mean, np.sqrt(weights @ (draws - mean) ** 2), evidence


@pytest.mark.parametrize(
    ("method", "options", "within"),
    [
        (laplace, {}, 0.3),  # the mode is not the mean
        (laplace, {"resample": True}, 0.07),
        (pathfinder, {}, 0.07),
        (dadvi, {}, 0.1),
    ],
)
def test_logistic_regression_is_near(moments, method, options, within):
    mean, sd, evidence = moments
    posterior = method(logistic, ROWS, LABELS, seed=1, draws=4000, **options)
    draws = np.column_stack([posterior["b"][0], posterior["a"][0]])
    assert np.abs((draws.mean(axis=0) - mean) / sd).max() < within
    assert draws.std(axis=0) == pytest.approx(sd, rel=0.07)
    assert posterior.attrs["log_evidence"] == pytest.approx(evidence, abs=0.02)


def test_results_start_a_sampler(moments):
    mean, sd, _ = moments
    warm = dadvi(logistic, ROWS, LABELS, seed=0)
    again = ppl.fit(
        logistic, ROWS, LABELS, seed=2, draws=500, warm_start=warm, progress=False
    )
    assert again.attrs["tuning_steps"] == 50
    assert again["a"].mean() == pytest.approx(mean[3], abs=0.15 * sd[3])


def test_deterministic_advi_is_good_where_laplace_is_not():
    """Of eight schools the mode has no group effects at all."""
    posterior = dadvi(eight_schools, Y, SIGMA, seed=0)
    assert posterior["mu"].mean() == pytest.approx(4.4, abs=0.5)
    assert posterior["mu"].std() == pytest.approx(3.3, abs=0.4)
    with pytest.warns(ApproximationWarning, match="Laplace is not near"):
        laplace(eight_schools, Y, SIGMA, seed=0)


# --- what is told ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "model"),
    [(laplace, banana), (pathfinder, banana), (dadvi, banana), (laplace, funnel)],
)
def test_what_is_not_normal_is_told(method, model):
    with pytest.warns(ApproximationWarning, match=r"Pareto k .* ppl\.fit") as caught:
        posterior = method(model, seed=0, draws=4000)
    assert posterior.attrs["pareto_k"] > 0.7
    (finding,) = posterior.findings
    assert str(finding) == str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_climb_cut_short_is_told():
    with pytest.warns(ApproximationWarning) as caught:
        posterior = dadvi(eight_schools, Y, SIGMA, seed=0, max_steps=1)
    assert not posterior.attrs["converged"]
    assert "DADVI ended before it had found its optimum" in str(caught[0].message)


@pytest.mark.parametrize("method", METHODS)
def test_result_is_a_posterior_like_any_other(method):
    posterior = method(linear, X, OUT, seed=7, draws=100)
    assert list(posterior.samples) == ["b", "total"]
    assert posterior["b"].shape == (1, 100, 4)
    assert posterior["b"].dtype == np.float32
    assert posterior["total"] == pytest.approx(posterior["b"].sum(-1), abs=1e-4)
    assert posterior.attrs["seed"] == 7
    assert posterior.predict(X[:3], None, seed=0)["y"].shape == (1, 100, 3)
    tree = posterior.to_datatree()
    assert set(tree.children) >= {"posterior", "sample_stats", "observed_data"}
    assert tree["observed_data"]["y"].dims == ("row",)
    assert "b[3]" in posterior.summary()
    assert posterior.findings == []


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_draws_and_nothing_compiled(method):
    first = method(linear, X, OUT, seed=3, draws=50)
    with compilations() as compiled:
        same = method(linear, X, OUT, seed=3, draws=50)
        other = method(linear, X + 1, OUT[::-1].copy(), seed=4, draws=50)
    assert compiled.programs == 0
    assert np.array_equal(first["b"], same["b"])
    assert not np.array_equal(first["b"], other["b"])


# --- models of all kinds --------------------------------------------------------------


def narrow(y):
    """Its carry is of float32 in any session."""

    def step(carry, value):
        return carry + value, None

    m = ppl.sample("m", dist.Normal(0, 1))
    total, _ = ppl.control.scan(step, jnp.zeros((), jnp.float32), m * jnp.ones(3))
    ppl.sample("y", dist.Normal(total, 1).expand(y.shape).to_event(1), obs=y)


def test_a_model_that_insists_on_float32():
    """3 m is observed four times."""
    posterior = laplace(narrow, np.full(4, 3.0, np.float32), seed=0)
    assert posterior["m"].mean() == pytest.approx(36 / 37, abs=1e-3)
    assert posterior["m"].var() == pytest.approx(1 / 37, rel=1e-3)


def closed():
    b = ppl.sample("b", dist.Normal(jnp.zeros(4), 2.0).to_event(1))
    ppl.sample("y", dist.Normal(X @ b, 1.0).to_event(1), obs=OUT)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_closes_over_its_data(method):
    posterior = method(closed, seed=0)
    sds = np.sqrt(np.diag(COVARIANCE))
    assert np.abs((posterior["b"][0].mean(axis=0) - MEAN) / sds).max() < 0.15
    assert posterior["b"][0].std(axis=0) == pytest.approx(sds, rel=0.1)


def grouped(group, y):
    mu = ppl.sample("mu", dist.Normal(0, 2))
    with ppl.plate("g", 5):
        effect = ppl.sample("effect", dist.Normal(mu, 0.5))
    with ppl.plate("row", len(y)):
        ppl.sample("y", dist.Normal(effect[group], 1), obs=y)


def test_groups_of_rows():
    """A mixed model, solved as one normal vector."""
    group = np.arange(50) % 5
    posterior = dadvi(grouped, group, OUT, seed=0)
    member = np.eye(5)[group]
    precision = np.zeros((6, 6))
    precision[0, 0] = 1 / 4 + 5 / 0.25
    precision[0, 1:] = precision[1:, 0] = -1 / 0.25
    precision[1:, 1:] = np.eye(5) / 0.25 + member.T @ member
    covariance = np.linalg.inv(precision)
    mean = covariance @ np.concatenate([[0], member.T @ OUT])
    draws = np.column_stack([posterior["mu"][0], posterior["effect"][0]])
    assert draws.mean(axis=0) == pytest.approx(mean, abs=1e-3)
    assert np.cov(draws.T, bias=True) == pytest.approx(covariance, abs=1e-3)


def glm(x, y):
    b = ppl.sample("b", dist.Normal(jnp.zeros(3), 2.5).to_event(1))
    a = ppl.sample("a", dist.Normal(0, 5))
    ppl.sample("y", dist.BernoulliLogitsGLM(x, a, b), obs=y)


def test_a_likelihood_with_a_gradient_of_its_own(moments):
    posterior = laplace(glm, ROWS, LABELS, seed=1)
    plain = laplace(logistic, ROWS, LABELS, seed=1)
    assert posterior["b"] == pytest.approx(plain["b"], abs=1e-3)
    known = posterior.attrs["log_evidence"]
    assert known == pytest.approx(moments[2], abs=0.02)


def simplex(y):
    p = ppl.sample("p", dist.Dirichlet(jnp.full(3, 5.0)))
    ppl.sample("y", dist.Multinomial(40, p), obs=y)


def test_a_simplex():
    posterior = laplace(simplex, np.array([10, 20, 10]), seed=0, resample=True)
    known = beta([15, 25, 15], [40, 30, 40])
    draws = posterior["p"][0]
    assert draws.sum(axis=1) == pytest.approx(np.ones(1000), abs=1e-5)
    assert draws.mean(axis=0) == pytest.approx(known.mean(), abs=0.01)
    assert draws.std(axis=0) == pytest.approx(known.std(), rel=0.1)


@pytest.mark.slow
def test_breast_cancer_is_that_of_nuts():
    """31 correlated coordinates: the weights put right what a normal misses."""
    x, y = load_breast_cancer(return_X_y=True)
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    known = ppl.fit(regularised, x, y, seed=0, draws=5000, progress=False)
    mean, sd = known["b"].mean(axis=(0, 1)), known["b"].std(axis=(0, 1))
    for method, off in ((laplace, 0.5), (dadvi, 0.3)):
        plain = method(regularised, x, y, seed=0, draws=4000)
        assert np.abs((plain["b"][0].mean(axis=0) - mean) / sd).max() < off
        assert plain["b"][0].std(axis=0) == pytest.approx(sd, rel=0.1)
    right = dadvi(regularised, x, y, seed=0, draws=4000, resample=True)
    assert right.attrs["pareto_k"] < 0.7
    assert np.abs((right["b"][0].mean(axis=0) - mean) / sd).max() < 0.1
    assert right["b"][0].std(axis=0) == pytest.approx(sd, rel=0.1)


def regularised(x, y):
    b = ppl.sample("b", dist.Normal(0, 1).expand([30]).to_event(1))
    a = ppl.sample("a", dist.Normal(0, 2))
    with ppl.plate("row", len(y)):
        ppl.sample("y", dist.Bernoulli(logits=a + x @ b), obs=y)
