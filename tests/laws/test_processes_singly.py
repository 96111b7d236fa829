"""Matrix, process and directional families one by one, and mistakes with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.stats as st
from scipy.special import digamma

import ppl.distributions as dist
from tests.laws.cases_processes import RING, smooth
from tests.laws.facts_multivariate import assert_close

SCALE = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.7]])
TRIL = np.linalg.cholesky(SCALE)


def test_entropies_agree_with_scipy():
    assert_close(
        dist.Wishart(7.5, SCALE).entropy(), st.wishart(7.5, SCALE).entropy(), 1e-5
    )
    # Of its inverse: the change of variables adds (n + 1) E log det X, SciPy's is off.
    inverse = st.wishart(7.5, np.linalg.inv(SCALE)).entropy()
    digammas = digamma(0.5 * (7.5 - np.arange(3))).sum()
    log_det = np.linalg.slogdet(SCALE)[1] - digammas - 3 * np.log(2)
    inverse = inverse + 4 * log_det
    assert_close(dist.InverseWishart(7.5, SCALE).entropy(), inverse, 1e-5)
    student = st.multivariate_t(np.zeros(3), SCALE, df=4.5).entropy()
    ours = dist.MultivariateStudentT(4.5, scale_tril=TRIL).entropy()
    assert_close(ours, student, 1e-5)
    normal = st.matrix_normal(np.zeros((3, 3)), SCALE, 2 * SCALE).entropy()
    ours = dist.MatrixNormal(np.zeros((3, 3)), TRIL, 2**0.5 * TRIL).entropy()
    assert_close(ours, normal, 1e-5)


@pytest.mark.parametrize("family", [dist.Wishart, dist.InverseWishart])
def test_matrices_of_wishart_families_agree(family):
    rate = np.linalg.inv(SCALE)
    for given in ({"rate_matrix": rate}, {"scale_tril": TRIL}, {"scale_matrix": SCALE}):
        d = family(5.0, **given)
        assert_close(d.scale_matrix, SCALE, 1e-5)
        assert_close(d.rate_matrix, rate, 1e-4)
    assert_close(d.mode, (5.0 - 4 if family is dist.Wishart else 1 / 9.0) * SCALE, 1e-5)
    assert d.log_prob(-np.eye(3)) == -np.inf


@pytest.mark.parametrize(
    "d",
    [
        dist.LKJ(3, 0.05),
        dist.LKJCovariance(np.array([1e-3, 1.0, 50.0]), 0.3),
        dist.Wishart(2.02, SCALE),
        dist.InverseWishart(2.5, SCALE),
    ],
    ids=lambda d: type(d).__name__,
)
def test_draws_of_nearly_singular_matrices_stay_inside(d):
    def judged(key):
        values = d.sample(key, (20_000,))
        return d.support(values), d.log_prob(values)

    inside, log_prob = jax.jit(judged)(jax.random.key(0))
    assert np.all(inside)
    assert np.isfinite(log_prob).all()


def test_low_rank_matrices_are_the_dense_ones():
    factor, diagonal = SCALE[:, :2], np.array([0.3, 1.0, 2.0])
    d = dist.LowRankMultivariateNormal(np.zeros(3), factor, diagonal)
    covariance = factor @ factor.T + np.diag(diagonal)
    assert_close(d.covariance_matrix, covariance, 1e-5)
    assert_close(d.precision_matrix, np.linalg.inv(covariance), 1e-5)
    assert_close(d.scale_tril, np.linalg.cholesky(covariance), 1e-5)


def test_circulant_rows_and_spectra_agree():
    row = np.array([2.0, 0.7, 0.3, 0.7])
    d = dist.CirculantNormal(0.0, row)
    assert_close(d.covariance_row, row, 1e-6)
    assert_close(d.covariance_matrix[1], np.roll(row, 1), 1e-6)
    same = dist.CirculantNormal(np.zeros(4), covariance_rfft=np.fft.rfft(row).real)
    assert_close(same.log_prob(row), d.log_prob(row), 1e-6)
    assert_close(
        jax.jit(dist.CirculantNormal)(np.zeros(4), row).variance, [2.0] * 4, 1e-6
    )


@pytest.mark.parametrize("correlation", [0.99999, -0.9999, 0.0])
def test_car_of_graphs_given_in_each_way(correlation):
    y = np.array([1.0, 1.5, 2.0, 1.0, 0.0])
    precision = 0.7 * (2 * np.eye(5) - np.float64(np.float32(correlation)) * RING)
    expected = st.multivariate_normal(cov=np.linalg.inv(precision)).logpdf(y)
    assert_close(dist.CAR(0.0, correlation, 0.7, RING).log_prob(y), expected, 1e-5)
    sparse = scipy.sparse.csr_matrix(RING)
    assert_close(
        dist.CAR(0.0, correlation, 0.7, sparse, is_sparse=True).log_prob(y),
        expected,
        1e-5,
    )
    if abs(correlation) < 0.9:
        traced = jax.jit(lambda w: dist.CAR(0.0, correlation, 0.7, w).log_prob(y))
        assert_close(traced(RING), expected, 1e-5)


def test_processes_are_conditioned_as_normal_vectors_are():
    known, new = np.array([0.0, 1.0, 2.5]), np.array([0.4, 3.0])
    y = np.array([0.5, -0.2, 1.0])
    gp = dist.GaussianProcess(smooth, known, loc=0.1, noise=0.2)
    there = gp.conditional(y, new, loc=0.1, noise=0.3)
    k = np.asarray(smooth(known, known)) + 0.04 * np.eye(3)
    across = np.asarray(smooth(new, known))
    mean = 0.1 + across @ np.linalg.solve(k, y - 0.1)
    covariance = np.asarray(smooth(new, new)) - across @ np.linalg.solve(k, across.T)
    assert_close(there.mean, mean, 1e-5)
    assert_close(there.covariance_matrix, covariance + 0.09 * np.eye(2), 1e-5)
    again = there.conditional(np.zeros(2), known[:1])
    assert again.event_shape == (1,)


def test_a_long_linear_path_stays_finite_in_float32():
    d = dist.GaussianHMM(
        300,
        np.zeros(2),
        100 * np.eye(2),
        np.array([[1.0, 1.0], [0.0, 1.0]]),
        1e-3 * np.eye(2),
        np.array([[1.0, 0.0]]),
        np.eye(1),
    )

    @jax.jit
    @jax.value_and_grad
    def density(d):
        return d.log_prob(jnp.sin(jnp.arange(300.0))[:, None])

    value, slopes = density(d)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_directions_opposite_to_the_mean_have_a_density():
    mean = np.array([20.0, 0.0, 0.0])
    d = dist.ProjectedNormal(mean)
    value, slope = jax.value_and_grad(d.log_prob)(jnp.array([-1.0, 0.0, 0.0]))
    # r^2 exp(-(r + 20)^2 / 2) over r > 0 is about 2 / 20^3 exp(-200).
    expected = np.log(2 / 20**3) - 200 - 1.5 * np.log(2 * np.pi)
    assert_close(value, expected, 1e-4)
    assert np.isfinite(slope).all()
    assert_close(dist.ProjectedNormal(np.zeros(3)).mode, [1.0, 0.0, 0.0], 1e-6)


RINGS = np.where(np.arange(5) == 2, 0.0, RING)
MISTAKES = [
    (lambda: dist.Wishart(1.5, np.eye(3)), r"concentration = 1.5.*must be > 2"),
    (lambda: dist.Wishart(5.0), "exactly one of"),
    (lambda: dist.InverseWishart(5.0, -np.eye(2)), "not positive definite"),
    (lambda: dist.WishartCholesky(5.0, np.ones((2, 3))), "must be square"),
    (lambda: dist.LKJ(1), "dimension must be an integer >= 2"),
    (lambda: dist.MultivariateStudentT(2.0), "needs `scale_tril`"),
    (lambda: dist.MultivariateStudentT(-2.0, 0.0, np.eye(2)), "df = -2.0"),
    (
        lambda: dist.LowRankMultivariateNormal(
            np.zeros(3), np.ones((2, 1)), np.ones(3)
        ),
        "sizes differ: loc has 3, cov_factor has 2",
    ),
    (
        lambda: dist.MatrixNormal(np.zeros((2, 3)), np.eye(3), np.eye(3)),
        "rows: sizes differ",
    ),
    (lambda: dist.CirculantNormal(np.zeros(3), [1.0, 0.2, 0.1]), "both directions"),
    (lambda: dist.CirculantNormal(np.zeros(3), [0.1, 1.0, 1.0]), "must be > 0"),
    (
        lambda: dist.CirculantNormal(np.zeros(3), covariance_rfft=np.ones(3)),
        r"n // 2 \+ 1 = 2",
    ),
    (lambda: dist.ZeroSumNormal(1.0, (1,)), "must be >= 2"),
    (lambda: dist.CAR(0.0, 1.0, 1.0, RING), r"correlation = 1.0.*in \(-1, 1\)"),
    (lambda: dist.CAR(0.0, 0.5, 1.0, RINGS), "must be symmetric"),
    (lambda: dist.CAR(0.0, 0.5, 1.0, np.diag([1.0, 0.0])), "no neighbour"),
    (lambda: dist.GaussianRandomWalk(1.0, 0), "num_steps must be an integer >= 1"),
    (
        lambda: dist.GaussianStateSpace(3, np.eye(2), scale_tril=np.eye(3)),
        "sizes differ",
    ),
    (lambda: dist.EulerMaruyama([0.0, 0.0], smooth, dist.Normal()), "increasing"),
    (lambda: dist.EulerMaruyama([0.0, 1.0], smooth, 1.0), "must be a distribution"),
    (lambda: dist.GaussianCopula(dist.Poisson(np.ones(2)), np.eye(2)), "continuous"),
    (lambda: dist.GaussianCopula(dist.Normal(), np.eye(2)), "at least one batch dim"),
    (lambda: dist.GaussianCopulaBeta(np.ones(2), 1.0, np.eye(3)), "sizes differ"),
    (
        lambda: dist.SineSkewed(
            dist.Uniform(np.full(1, -3.0), 3.0).to_event(1), np.array([1.5])
        ),
        "sum to at most 1",
    ),
    (
        lambda: dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0),
        "exactly one of",
    ),
    (
        lambda: dist.HMM(
            np.ones(2) / 2, np.ones((3, 3)) / 3, dist.Normal(np.ones(2)), 4
        ),
        "for K states",
    ),
    (
        lambda: dist.HMM(np.ones(2), np.eye(2), dist.Normal(np.ones(2)), 4),
        "initial_probs = .*sum to 1",
    ),
    (lambda: dist.GaussianProcess(lambda a, b: a, np.ones(3)), "matrix of covariances"),
]


@pytest.mark.parametrize(("make", "says"), MISTAKES)
def test_mistakes_are_told(make, says):
    with pytest.raises(ValueError, match=says):
        make()
