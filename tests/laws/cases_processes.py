"""Matrices, processes, copulas and directions that the laws are checked on."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import ppl.distributions as dist
from tests.laws import densities_processes as exactly
from tests.laws.cases_multivariate import (
    COVARIANCE,
    TRIL_2,
    TRIL_WILD,
    Case,
    Grid,
    lkj_correlation,
)
from tests.laws.densities_processes import INPUTS, PAIR, RING


def reverting(x, t):
    del t
    return 0.5 - x, 0.3 + 0.1 * x**2


def normal_hmm(steps, initial_probs, transition_probs, loc):
    emission = dist.Normal(loc, np.ones(loc.shape[-1]))
    return dist.HMM(initial_probs, transition_probs, emission, steps)


def smooth(first, second, scale=1.0):
    away = first[:, None] - second
    return jnp.asarray(scale)[..., None, None] ** 2 * jnp.exp(-0.5 * away**2)


# --- the cases ------------------------------------------------------------------------

CORRELATION = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, -0.3], [0.1, -0.3, 1.0]])
TURN = np.array([[0.9, -0.3], [0.2, 0.7]])
ALL_MOMENTS, TWO_MOMENTS = Case.closed, ("mean", "variance")


def wishart_cases(family, density, nu, size, grid):
    make = getattr(dist, family)
    scale = size * np.array([[1.0, 0.3], [0.3, 0.8]])
    tril = np.linalg.cholesky(COVARIANCE[:3, :3])
    return [
        Case(
            f"{family} of 2",
            make,
            {"concentration": np.array(nu), "scale_matrix": scale},
            partial(exactly.of_matrix, density),
            grid,
        ),
        Case(
            f"{family} of 3, many degrees",
            lambda concentration, scale_tril: make(
                concentration, None, None, scale_tril
            ),
            {"concentration": np.array(3000.0), "scale_tril": tril},
            partial(exactly.of_tril, density),
        ),
        Case(
            f"{family}Cholesky",
            lambda concentration, scale_tril: getattr(dist, family + "Cholesky")(
                concentration, scale_tril=scale_tril
            ),
            {"concentration": np.array(9.5), "scale_tril": tril},
            partial(exactly.of_factor, density),
        ),
    ]


def normal_process(name, make, params, density, grid=None, closed=ALL_MOMENTS):
    params = {k: np.array(v) for k, v in params.items()}
    return Case(name, make, params, density, grid, closed)


CASES = [
    normal_process(
        "LowRankMultivariateNormal",
        dist.LowRankMultivariateNormal,
        {"loc": [1.0, -2.0], "cov_factor": [[1.0], [-0.5]], "cov_diag": [0.3, 2.0]},
        exactly.low_rank,
        Grid(16.0, 0.2),
    ),
    normal_process(
        "LowRankMultivariateNormal, steep",
        dist.LowRankMultivariateNormal,
        {
            "loc": np.zeros(4),
            "cov_factor": 300 * COVARIANCE[:, :2],
            "cov_diag": [1.0, 0.1, 30.0, 1.0],
        },
        exactly.low_rank,
    ),
    normal_process(
        "MultivariateStudentT",
        dist.MultivariateStudentT,
        {"df": 40.0, "loc": [1.0, -0.5], "scale_tril": TRIL_2},
        exactly.student,
        Grid(40.0, 0.25),
    ),
    normal_process(
        "MultivariateStudentT, heavy",
        dist.MultivariateStudentT,
        {"df": 0.3, "loc": np.zeros(2), "scale_tril": TRIL_2},
        exactly.student,
        None,
        (),
    ),
    normal_process(
        "MultivariateStudentT, nearly normal",
        dist.MultivariateStudentT,
        {"df": 1e6, "loc": np.zeros(3), "scale_tril": TRIL_WILD},
        exactly.student,
    ),
    normal_process(
        "MatrixNormal",
        dist.MatrixNormal,
        {
            "loc": [[1.0, 2.0], [0.0, -3.0], [0.5, 0.0]],
            "scale_tril_row": np.linalg.cholesky(COVARIANCE[:3, :3]),
            "scale_tril_column": TRIL_2,
        },
        exactly.matrix_normal,
    ),
    *wishart_cases("Wishart", exactly.wishart_matrix, 8.0, 1.0, Grid(7.0, 0.16)),
    *wishart_cases(
        "InverseWishart", exactly.inverse_wishart_matrix, 20.0, 20.0, Grid(5.0, 0.1)
    ),
    normal_process(
        "LKJCovariance",
        partial(dist.LKJCovariance, np.array([0.5, 3.0])),  # its draws keep to it
        {"concentration": 1.5},
        partial(exactly.lkj_covariance, np.array([0.5, 3.0])),
        Grid(14.0, 0.2),
    ),
    normal_process(
        "LKJ of 3",
        partial(dist.LKJ, 3),
        {"concentration": 2.0},
        lkj_correlation,
        Grid(7.5, 0.3),
    ),
    normal_process(
        "LKJ of 2", partial(dist.LKJ, 2), {"concentration": 0.7}, lkj_correlation
    ),
    normal_process(
        "GaussianCopula of gammas",
        lambda concentration, correlation: dist.GaussianCopula(
            dist.Gamma(concentration, np.ones(3)), correlation_matrix=correlation
        ),
        {"concentration": [2.0, 9.0, 0.8], "correlation": CORRELATION},
        exactly.copula_of_gammas,
        None,
        TWO_MOMENTS,
    ),
    normal_process(
        "GaussianCopulaBeta",
        dist.GaussianCopulaBeta,
        {
            "concentration1": [2.0, 4.0],
            "concentration0": [3.0, 1.5],
            "correlation_matrix": CORRELATION[:2, :2],
        },
        exactly.copula_of_betas,
        Grid(24.0, 0.25),
    ),
    normal_process(
        "CirculantNormal",
        dist.CirculantNormal,
        {"loc": [1.0, 0.0, -2.0, 0.5], "covariance_row": [2.0, 0.7, 0.3, 0.7]},
        exactly.circulant,
    ),
    normal_process(
        "CirculantNormal of 3",
        dist.CirculantNormal,
        {"loc": [1.0, 0.0, -2.0], "covariance_row": [0.5, 0.2, 0.2]},
        exactly.circulant,
    ),
    normal_process(
        "ZeroSumNormal",
        partial(dist.ZeroSumNormal, event_shape=(4,)),
        {"scale": 1.7},
        exactly.zero_sum,
    ),
    normal_process(
        "ZeroSumNormal of tables",
        partial(dist.ZeroSumNormal, event_shape=(3, 4)),
        {"scale": 0.02},
        exactly.zero_sum,
    ),
    normal_process(
        "CAR on a ring",
        partial(dist.CAR, adj_matrix=RING),
        {"loc": np.arange(5.0), "correlation": 0.33, "conditional_precision": 0.7},
        partial(exactly.car, RING),
    ),
    normal_process(
        "CAR on a pair",
        partial(dist.CAR, adj_matrix=PAIR),
        {"loc": [1.0, 0.0], "correlation": -0.3, "conditional_precision": 2.0},
        partial(exactly.car, PAIR),
        Grid(12.0, 0.1),
    ),
    normal_process(
        "GaussianRandomWalk",
        partial(dist.GaussianRandomWalk, num_steps=2),
        {"scale": 1.3},
        exactly.random_walk,
        Grid(16.0, 0.2),
    ),
    normal_process(
        "GaussianStateSpace",
        lambda transition_matrix, scale_tril, initial_value: dist.GaussianStateSpace(
            4, transition_matrix, scale_tril=scale_tril, initial_value=initial_value
        ),
        {"transition_matrix": TURN, "scale_tril": TRIL_2, "initial_value": [3.0, -1.0]},
        exactly.state_space,
    ),
    normal_process(
        "EulerMaruyama",
        lambda t, loc: dist.EulerMaruyama(
            t, reverting, dist.Normal(loc, np.ones(2)).to_event(1)
        ),
        {"t": [0.0, 0.1, 0.5, 0.6], "loc": [0.2, -0.5]},
        exactly.euler,
        None,
        (),
    ),
    *[
        normal_process(
            f"ProjectedNormal {name}",
            dist.ProjectedNormal,
            {"concentration": mean},
            exactly.projected,
            None,
            (),
        )
        for name, mean in {
            "of 2": [1.0, -0.4],
            "of 3": [0.3, 0.2, -2.0],
            "of 6": [0.3, 0.2, -2.0, 1.0, 0.0, 0.0],
            "narrow": [30.0, 0.0, -40.0],
        }.items()
    ],
    *[
        normal_process(
            f"SineBivariateVonMises {name}",
            partial(dist.SineBivariateVonMises, 1.0, -2.0),
            params,
            exactly.sine_model,
            grid,
            (),
        )
        for name, params, grid in (
            (
                "of one mode",
                {
                    "phi_concentration": 3.0,
                    "psi_concentration": 2.0,
                    "correlation": 1.5,
                },
                Grid(24.0, 0.125),
            ),
            (
                "of two modes",
                {
                    "phi_concentration": 2.0,
                    "psi_concentration": 0.7,
                    "correlation": -4.0,
                },
                Grid(24.0, 0.125),
            ),
            (
                "narrow",
                {
                    "phi_concentration": 600.0,
                    "psi_concentration": 80.0,
                    "correlation": 70.0,
                },
                None,
            ),
        )
    ],
    normal_process(
        "SineSkewed",
        lambda phi_concentration, skewness: dist.SineSkewed(
            dist.SineBivariateVonMises(1.0, -2.0, phi_concentration, 1.5, -0.5),
            skewness,
        ),
        {"phi_concentration": 2.0, "skewness": [0.2, -0.1]},
        exactly.skewed_sine,
        Grid(24.0, 0.125),
        (),
    ),
    normal_process(
        "GaussianHMM",
        lambda transition_matrix, observation_matrix, noise: dist.GaussianHMM(
            3,
            np.array([1.0, -1.0]),
            TRIL_2,
            transition_matrix,
            0.5 * np.eye(2),
            observation_matrix,
            noise[..., None, None] * np.eye(1),
        ),
        {
            "transition_matrix": TURN,
            "observation_matrix": [[1.0, 0.5]],
            "noise": 0.3,
        },
        exactly.hidden_gaussians,
        None,
        TWO_MOMENTS,
    ),
    *[
        normal_process(
            f"HMM of {steps} steps",
            partial(normal_hmm, steps),
            {"initial_probs": start, "transition_probs": rows, "loc": loc},
            exactly.hidden_states,
            grid,
            TWO_MOMENTS,
        )
        for steps, start, rows, loc, grid in (
            (2, [0.3, 0.7], [[0.9, 0.1], [0.25, 0.75]], [-1.0, 2.0], Grid(12.0, 0.2)),
            (
                5,
                [1.0, 0.0, 0.0],
                np.triu(np.ones((3, 3))) / [[3], [2], [1]],
                [0.0, 3.0, 9.0],
                None,
            ),
        )
    ],
    normal_process(
        "GaussianProcess",
        lambda scale, noise: dist.GaussianProcess(
            Partial(smooth, scale=scale), INPUTS, noise=noise[..., None]
        ),
        {"scale": 1.5, "noise": 0.1},
        exactly.smooth_values,
    ),
]
