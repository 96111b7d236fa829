"""All multivariate cases, with the further parameter sets of each, extreme ones too."""

from dataclasses import replace
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np

import ppl.distributions as dist
from tests.laws import cases_multivariate, cases_processes
from tests.laws import densities_processes as exactly
from tests.laws.cases_multivariate import (
    Case,
    counts_case,
    dirichlet_case,
    multinomial,
    normal_case,
)

Sets = tuple[dict[str, Any], ...]


def plackett_luce(ranking, logits):
    """Item after item, from those that are left."""
    left = dict(enumerate(mp.exp(float(s)) for s in logits))
    log_prob = mp.mpf(0)
    for item in ranking.tolist():
        log_prob += mp.log(left[item] / mp.fsum(left.values()))
        del left[item]
    return log_prob


def each(name: str, *values: Any) -> Sets:
    """Sets in which one parameter changes."""
    return tuple({name: value} for value in values)


def sets_of(names: str, *rows: tuple[Any, ...]) -> Sets:
    return tuple(dict(zip(names.split(), row, strict=True)) for row in rows)


def equal_correlation(n: int, r: float) -> np.ndarray:
    return (1 - r) * np.eye(n) + r


NEARLY_SINGULAR = np.array([[1.0, 0.0], [0.9999, 0.01]])
STEEP = np.array([[1e-4, 0.0], [0.0, 1e4]])
FINE = np.diag([1e-3, 1.0, 1e3])
TILTED = np.array([[1.0, 0.0, 0.0], [0.99, 0.1, 0.0], [-0.5, 2.0, 0.05]])
STAYS = np.array([[0.999, 0.001], [0.002, 0.998]])
FLIPS = np.array([[0.02, 0.98], [0.98, 0.02]])

MORE: dict[str, Sets] = {
    "MultivariateNormal by factor": each("scale_tril", NEARLY_SINGULAR, STEEP),
    "StickBreakingWeights(3, 1.5)": each("concentration", 0.3, 1.0, 40.0, 300.0),
    "LKJCholesky(3, 1.0)": each("concentration", 0.05, 1e4),
    "shifted log normal": sets_of("loc scale", (-2.0, 1.5), (0.0, 0.02), (3.0, 0.1)),
    "logistic normal": sets_of("loc scale", ([3.0, -3.0], [0.1, 2.0])),
    "affine normal": sets_of(
        "loc scale", ([0.0, 100.0], [1.0, 0.01]), ([-1e4, 0.0], [3.0, 1e3])
    ),
    "Independent": sets_of(
        "loc scale", ([0.0, 0.0], [1e-6, 1e6]), ([1e3, -1e3], [0.1, 20.0])
    ),
    "LKJ of matrices": each("concentration", 1.5, 30.0),
    "BernoulliLogitsGLM": sets_of(
        "intercept coefficients",
        (0.0, [0.0, 0.0, 0.0]),
        (0.5, [3.0, -2.0, 1.0]),
        (-4.0, [1.0, 0.5, 0.1]),
        (25.0, [1.0, 0.5, 0.1]),
        (-100.0, [1.0, 2.0, -3.0]),
    ),
    "PoissonLogGLM": sets_of(
        "intercept coefficients",
        (0.0, [0.0, 0.0, 0.0]),
        (-3.0, [0.3, -0.5, 0.1]),
        (9.0, [0.3, -0.5, 0.1]),
        (12.0, [-0.3, 0.5, 0.05]),
        (-2.0, [2.0, 1.0, 0.2]),
    ),
    "NormalGLM": sets_of(
        "intercept coefficients scale",
        (0.0, [0.0, 0.0, 0.0], 1.0),
        (0.3, [-1.0, 0.5, 0.1], 0.05),
        (-4.0, [2.0, 3.0, -0.2], 1e3),
        (1e3, [2.0, 3.0, -0.2], 7.0),
        (0.0, [0.0, 0.0, 1.0], 1e-3),
    ),
    "Masked": sets_of(
        "loc scale mask",
        ([2.0, -1.0], [0.7, 3.0], [True, True]),
        ([2.0, -1.0], [0.7, 3.0], [False, False]),
        ([0.0, 1e3], [1e-4, 1e3], [False, True]),
        ([-50.0, 0.0], [0.01, 1.0], [True, False]),
        ([0.0, 0.0], [1.0, 1e6], [True, True]),
    ),
    "MultinomialProbs of 12, [0.2, 0.5, 0.3]": each(
        "probs",
        [0.9, 0.05, 0.05],
        [1e-3, 0.499, 0.5],
        [0.98, 0.01, 0.01],
        np.full(3, 1 / 3),
    ),
    "MultinomialLogits of 30, [0.3, 40.0, 38.0, -60.0]": each(
        "logits",
        [0.0, 0.0, 0.0, 0.0],
        [5.0, 1.0, -1.0, 0.0],
        [200.0, 201.0, 199.0, 198.0],
        [-3.0, 0.5, 0.0, 0.2],
        [1e-3, 12.0, -9.0, 0.0],
    ),
    "DirichletMultinomial of 20, [0.3, 2.0, 0.001]": each(
        "concentration",
        [1.0, 1.0, 1.0],
        [50.0, 1.0, 200.0],
        [1e4, 2e4, 3e4],
        [0.05, 0.04, 0.03],
    ),
    "LowRankMultivariateNormal": sets_of(
        "loc cov_factor cov_diag",
        ([0.0, 0.0], [[3.0], [-1.5]], [0.01, 0.02]),
        ([0.0, 5.0], [[0.0], [0.0]], [1.0, 1.0]),
        ([1e3, -1e3], [[1.0], [2.0]], [3.0, 0.5]),
        ([0.0, 0.0], [[1e-3], [1e-2]], [1e4, 1e-4]),
    ),
    "MultivariateStudentT": sets_of(
        "df scale_tril", (12.0, NEARLY_SINGULAR), (200.0, STEEP)
    ),
    "MultivariateStudentT, heavy": each("df", 1.0, 2.5, 0.1),
    "MatrixNormal": sets_of(
        "scale_tril_row scale_tril_column",
        (np.eye(3), np.eye(2)),
        (FINE, np.eye(2)),
        (TILTED, np.eye(2)),
        (np.eye(3), NEARLY_SINGULAR),
        (1e2 * TILTED, np.diag([0.01, 1e4])),
    ),
    **{
        family + " of 2": sets_of(
            "concentration scale_matrix",
            *((nu, size * np.array(matrix)) for nu, matrix in shapes),
        )
        for family, size, shapes in (
            (
                "Wishart",
                1.0,
                (
                    (6.0, [[1.0, 0.95], [0.95, 1.0]]),
                    (40.0, [[1e-3, 0.0], [0.0, 1e-3]]),
                    (200.0, [[1.0, -0.5], [-0.5, 2.0]]),
                    (12.0, [[1e3, 3.0], [3.0, 1.0]]),
                ),
            ),
            (
                "InverseWishart",
                20.0,
                (
                    (16.0, [[1.0, 0.95], [0.95, 1.0]]),
                    (40.0, [[1e-3, 0.0], [0.0, 1e-3]]),
                    (200.0, [[1.0, -0.5], [-0.5, 2.0]]),
                    (25.0, [[1e3, 3.0], [3.0, 1.0]]),
                ),
            ),
        )
    },
    **{
        family + "Cholesky": sets_of(
            "concentration scale_tril",
            (5.5 + least, np.eye(3)),
            (8.0 + least, TILTED),
            (30.0, FINE),
            (1e3, np.eye(3)),
            (60.0, 1e-2 * TILTED),
        )
        for family, least in (("Wishart", -3.0), ("InverseWishart", 5.0))
    },
    "LKJCovariance": each("concentration", 0.6, 1.0, 5.0, 20.0, 300.0),
    "LKJ of 3": each("concentration", 0.8, 1.0, 30.0, 300.0),
    "GaussianCopula of gammas": sets_of(
        "concentration correlation",
        ([1.0, 1.0, 1.0], np.eye(3)),
        ([50.0, 0.3, 1.0], equal_correlation(3, 0.9)),
        ([2.0, 3.0, 4.0], equal_correlation(3, -0.45)),
        ([0.5, 300.0, 2.0], cases_processes.CORRELATION),
        ([5.0, 0.7, 20.0], equal_correlation(3, 0.98)),
    ),
    "GaussianCopulaBeta": sets_of(
        "concentration1 concentration0 correlation_matrix",
        ([1.0, 1.0], [1.0, 1.0], np.eye(2)),
        ([2.0, 0.6], [5.0, 0.7], equal_correlation(2, 0.97)),
        ([40.0, 3.0], [60.0, 2.0], equal_correlation(2, -0.9)),
        ([1.0, 200.0], [2.0, 100.0], equal_correlation(2, 0.2)),
        ([0.5, 0.5], [0.5, 0.5], equal_correlation(2, 0.5)),
    ),
    "CirculantNormal": sets_of(
        "loc covariance_row",
        (np.zeros(4), [1.0, 0.97, 0.96, 0.97]),
        (np.full(4, 1e3), [100.0, 0.0, 0.0, 0.0]),
        (np.zeros(4), [1e-6, 5e-7, 2e-7, 5e-7]),
    ),
    "CirculantNormal of 3": each("covariance_row", [1.0, 0.9, 0.9]),
    "ZeroSumNormal": each("scale", 1.0, 1e-6, 1e4),
    "ZeroSumNormal of tables": each("scale", 1.0, 50.0),
    "CAR on a ring": sets_of(
        "correlation conditional_precision",
        (0.0, 1.0),
        (0.98, 1.0),
        (-0.9, 1e3),
        (0.5, 1e-3),
    ),
    "GaussianRandomWalk": each("scale", 1.0, 1e-3, 50.0, 1e6),
    "GaussianStateSpace": sets_of(
        "transition_matrix scale_tril initial_value",
        (np.zeros((2, 2)), np.eye(2), [0.0, 0.0]),
        ([[0.99, 0.0], [0.0, 1.0]], np.eye(2), [1.0, 1.0]),
        ([[0.5, 0.1], [0.0, -0.5]], NEARLY_SINGULAR, [0.0, 0.0]),
        ([[0.9, 0.3], [-0.3, 0.9]], [[0.1, 0.0], [0.0, 30.0]], [50.0, 3.0]),
        ([[1.5, 0.0], [1.0, 0.5]], [[1.0, 0.0], [0.3, 2.0]], [-1.0, 2.0]),
    ),
    "EulerMaruyama": sets_of(
        "t loc",
        ([0.0, 1.0, 2.0, 3.0], [0.0, 0.0]),
        ([0.0, 1e-3, 2e-3, 3e-3], [0.5, 0.5]),
        ([1.0, 1.5, 1.6, 4.0], [-3.0, 3.0]),
        ([0.0, 0.01, 1.0, 1.01], [30.0, -20.0]),
        ([-2.0, -1.9, -1.8, -1.0], [0.1, 0.2]),
    ),
    "ProjectedNormal of 2": each("concentration", [0.0, 0.0], [60.0, 1.0]),
    "ProjectedNormal of 3": each("concentration", [1e-3, 0.0, 0.0], [3.0, 4.0, 0.5]),
    "SineBivariateVonMises of one mode": sets_of(
        "phi_concentration psi_concentration correlation",
        (1.0, 1.0, 0.0),
        (0.02, 0.01, 0.001),
        (20.0, 30.0, -15.0),
    ),
    "SineSkewed": sets_of(
        "phi_concentration skewness",
        (1.0, [0.0, 0.0]),
        (3.0, [0.6, -0.39]),
        (50.0, [-0.9, 0.05]),
        (0.02, [0.3, 0.3]),
        (7.0, [0.0, -0.99]),
    ),
    "GaussianHMM": sets_of(
        "transition_matrix observation_matrix noise",
        (np.zeros((2, 2)), [[1.0, 0.0]], 1.0),
        (0.99 * np.eye(2), [[1.0, 1.0]], 0.01),
        ([[0.9, 0.3], [-0.3, 0.9]], [[2.0, -1.0]], 30.0),
        ([[0.5, 0.0], [1.0, 0.5]], [[0.0, 1.0]], 2.0),
        ([[1.2, 0.1], [0.0, 0.4]], [[10.0, 30.0]], 0.5),
    ),
    "HMM of 2 steps": sets_of(
        "initial_probs transition_probs loc",
        ([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]], [0.0, 0.0]),
        ([0.99, 0.01], STAYS, [-3.0, 3.0]),
        ([0.3, 0.7], FLIPS, [-30.0, 40.0]),
    ),
    "HMM of 5 steps": sets_of(
        "initial_probs transition_probs loc",
        ([0.2, 0.3, 0.5], np.full((3, 3), 1 / 3), [0.0, 0.5, -0.5]),
    ),
    "GaussianProcess": sets_of(
        "scale noise", (1.0, 1.0), (1.5, 0.01), (100.0, 3.0), (0.01, 0.02), (0.3, 5.0)
    ),
    "PlackettLuce": each(
        "logits",
        [0.0, 0.0, 0.0, 0.0],
        [3.0, 1.0, -1.0, -3.0],
        [-20.0, 0.0, 8.0, 8.5],
        [100.0, 100.5, 99.0, 101.0],
        [1e-3, 0.0, -40.0, 0.0],
    ),
}

# Off their constraints these are no distributions: the mean of the derivative is not 0.
UNSCORED = {
    "Dirichlet of 3, tiny": ("concentration",),  # most components underflow
    "MultivariateStudentT, nearly normal": ("df",),  # a slope of 1e-12
    "GaussianCopula of gammas": ("correlation",),
    "GaussianCopulaBeta": ("correlation_matrix",),
    "HMM of 2 steps": ("initial_probs", "transition_probs"),
    "HMM of 5 steps": ("initial_probs", "transition_probs"),
}

_DIM = 12
_FACTOR = np.tril(np.random.default_rng(3).normal(size=(_DIM, _DIM)), -1) / _DIM**0.5

LARGE_AND_SMALL = [
    dirichlet_case("of 100", np.geomspace(0.5, 500.0, 100)),
    normal_case("of 1", {"loc": np.array([3.0]), "scale_tril": np.array([[0.01]])}),
    normal_case(
        "of 12", {"loc": np.arange(12.0), "scale_tril": _FACTOR + 0.7 * np.eye(_DIM)}
    ),
    counts_case(dist.MultinomialProbs, multinomial, 7, probs=[1.0]),
    Case(
        "GaussianRandomWalk of 1",
        partial(dist.GaussianRandomWalk, num_steps=1),
        {"scale": np.array(0.7)},
        exactly.random_walk,
    ),
    Case(
        "PlackettLuce",
        dist.PlackettLuce,
        {"logits": np.array([0.3, -1.2, 2.0, 0.0])},
        plackett_luce,
        closed=(),
    ),
]

CASES = [
    replace(case, more=MORE.pop(case.name, ()), unscored=UNSCORED.get(case.name, ()))
    for case in (
        *cases_multivariate.CASES,
        *cases_processes.CASES,
        *LARGE_AND_SMALL,
    )
]
if MORE:
    raise ValueError(f"there are no cases of the names {list(MORE)}")
