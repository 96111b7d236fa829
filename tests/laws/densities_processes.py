"""Log densities of matrices, processes, copulas and directions, in 50 digits."""

from itertools import pairwise, product

import mpmath as mp
import numpy as np

from tests.laws.cases_multivariate import (
    TRIL_2,
    exact,
    lkj_matrix,
    multivariate_normal,
    normal,
)


def vector(x):
    return [mp.mpf(float(v)) for v in np.ravel(x)]


def low_rank(x, loc, cov_factor, cov_diag):
    factor = exact(cov_factor)
    return multivariate_normal(
        x, loc, covariance=factor * factor.T + mp.diag(vector(cov_diag))
    )


def student(x, df, loc, scale_tril):
    df, n, tril = mp.mpf(float(df)), len(x), exact(scale_tril)
    away = exact(np.float64(x)) - exact(np.broadcast_to(np.float64(loc), x.shape))
    square = (away.T * (tril * tril.T) ** -1 * away)[0]
    top = mp.loggamma((df + n) / 2) - mp.loggamma(df / 2) - n * mp.log(df * mp.pi) / 2
    return top - mp.log(mp.det(tril)) - (df + n) / 2 * mp.log1p(square / df)


def matrix_normal(x, loc, scale_tril_row, scale_tril_column):
    row, column = exact(scale_tril_row), exact(scale_tril_column)
    z = row**-1 * (exact(x) - exact(loc)) * (column**-1).T
    n, p = x.shape
    log_det = p * mp.log(mp.det(row)) + n * mp.log(mp.det(column))
    square = mp.fsum(v * v for v in z)
    return -square / 2 - n * p * mp.log(2 * mp.pi) / 2 - log_det


def log_multigamma(a, p):
    parts = mp.fsum(mp.loggamma(a - mp.mpf(j) / 2) for j in range(p))
    return parts + p * (p - 1) * mp.log(mp.pi) / 4


def trace(matrix):
    return mp.fsum(matrix[i, i] for i in range(matrix.rows))


def wishart_matrix(x, nu, scale):
    p = x.rows
    log_prob = (nu - p - 1) / 2 * mp.log(mp.det(x)) - trace(scale**-1 * x) / 2
    log_prob -= nu / 2 * mp.log(mp.det(scale)) + nu * p / 2 * mp.log(2)
    return log_prob - log_multigamma(nu / 2, p)


def inverse_wishart_matrix(x, nu, scale):
    return wishart_matrix(x**-1, nu, scale**-1) - (x.rows + 1) * mp.log(mp.det(x))


def of_matrix(density, x, concentration, scale_matrix):
    return density(exact(x), mp.mpf(float(concentration)), exact(scale_matrix))


def of_tril(density, x, concentration, scale_tril):
    tril = exact(scale_tril)
    return density(exact(x), mp.mpf(float(concentration)), tril * tril.T)


def of_factor(density, x, concentration, scale_tril):
    factor, tril = exact(x), exact(scale_tril)
    p = factor.rows
    log_det = p * mp.log(2)
    log_det += mp.fsum((p - i) * mp.log(factor[i, i]) for i in range(p))
    nu = mp.mpf(float(concentration))
    return density(factor * factor.T, nu, tril * tril.T) + log_det


def lkj_covariance(scale, x, concentration):
    scale, n = vector(scale), len(x)
    log_det = mp.log(mp.det(exact(x))) - 2 * mp.fsum(map(mp.log, scale))
    log_prob = lkj_matrix(log_det, n, mp.mpf(float(concentration)))
    return log_prob - (n - 1) * mp.fsum(map(mp.log, scale))


def normal_score(p):
    return mp.sqrt(2) * mp.erfinv(2 * p - 1)


def copula(marginals, correlation):
    """From the log densities and the cdfs of the marginals, at a value."""
    scores = mp.matrix([normal_score(cdf) for _, cdf in marginals])
    correlation = exact(correlation)
    square = (scores.T * (correlation**-1) * scores)[0] - mp.fsum(v * v for v in scores)
    log_probs = mp.fsum(log_prob for log_prob, _ in marginals)
    return log_probs - square / 2 - mp.log(mp.det(correlation)) / 2


def copula_of_gammas(x, concentration, correlation):
    marginals = []
    for v, a in zip(vector(x), vector(concentration), strict=True):
        log_prob = (a - 1) * mp.log(v) - v - mp.loggamma(a)
        marginals.append((log_prob, mp.gammainc(a, 0, v, regularized=True)))
    return copula(marginals, correlation)


def copula_of_betas(x, concentration1, concentration0, correlation_matrix):
    marginals = []
    rows = zip(*map(vector, (x, concentration1, concentration0)), strict=True)
    for v, a, b in rows:
        log_prob = (a - 1) * mp.log(v) + (b - 1) * mp.log(1 - v)
        log_prob -= mp.log(mp.beta(a, b))
        marginals.append((log_prob, mp.betainc(a, b, 0, v, regularized=True)))
    return copula(marginals, correlation_matrix)


def circulant(x, loc, covariance_row):
    row, n = vector(covariance_row), len(x)
    matrix = mp.matrix(n, n)
    for i in range(n):
        for j in range(n):
            matrix[i, j] = row[(j - i) % n]
    return multivariate_normal(x, loc, covariance=matrix)


def zero_sum(x, scale):
    free = np.prod(np.array(x.shape) - 1)
    scale = mp.mpf(float(scale))
    square = mp.fsum((v / scale) ** 2 for v in vector(x))
    return -square / 2 - int(free) * mp.log(2 * mp.pi * scale**2) / 2


RING = np.roll(np.eye(5), 1, 0) + np.roll(np.eye(5), -1, 0)
PAIR = np.array([[0.0, 2.0], [2.0, 0.0]])


def car(graph, x, loc, correlation, conditional_precision):
    precision = mp.diag(vector(graph.sum(-1)))
    precision -= mp.mpf(float(correlation)) * exact(graph)
    precision *= mp.mpf(float(conditional_precision))
    return multivariate_normal(x, loc, covariance=precision**-1)


def random_walk(x, scale):
    n = len(x)
    steps = [[min(i, j) for j in range(1, n + 1)] for i in range(1, n + 1)]
    covariance = mp.matrix(steps) * mp.mpf(float(scale)) ** 2
    return multivariate_normal(x, np.zeros(n), covariance=covariance)


def joint_path(steps, start, first, transition, noise):
    """Means and covariance of a linear path; `first` is the covariance of its start."""
    n = transition.rows
    means, covariance = [], mp.matrix(steps * n, steps * n)
    mean, own = start, first
    for s in range(steps):
        block = own
        for t in range(s, steps):
            for i in range(n):
                for j in range(n):
                    covariance[t * n + i, s * n + j] = block[i, j]
                    covariance[s * n + j, t * n + i] = block[i, j]
            block = transition * block
        means += list(mean)
        mean, own = transition * mean, transition * own * transition.T + noise
    return mp.matrix(means), covariance


def dense_normal(away, covariance):
    square = (away.T * covariance**-1 * away)[0]
    return -(square + mp.log(mp.det(covariance)) + len(away) * mp.log(2 * mp.pi)) / 2


def state_space(x, transition_matrix, scale_tril, initial_value):
    transition, tril = exact(transition_matrix), exact(scale_tril)
    noise = tril * tril.T
    start = transition * mp.matrix(vector(initial_value))
    mean, covariance = joint_path(len(x), start, noise, transition, noise)
    return dense_normal(mp.matrix(vector(x)) - mean, covariance)


def euler(x, t, loc):
    x, t, loc = x.tolist(), vector(t), vector(loc)
    log_prob = mp.fsum(normal(v, m, 1) for v, m in zip(x[0], loc, strict=True))
    for k in range(1, len(t)):
        dt = t[k] - t[k - 1]
        for after, before in zip(map(mp.mpf, x[k]), map(mp.mpf, x[k - 1]), strict=True):
            scale = (mp.mpf(3) / 10 + before**2 / 10) * mp.sqrt(dt)
            log_prob += normal(after, before + (mp.mpf(1) / 2 - before) * dt, scale)
    return log_prob


def projected(x, concentration):
    x, mean = mp.matrix(vector(x)), mp.matrix(vector(concentration))
    x, n = x / mp.norm(x), len(x)
    along = (x.T * mean)[0]
    across = (mean.T * mean)[0] - along**2
    ends = [0, max(along, 0) + 1, max(along, 0) + 4, max(along, 0) + 14]
    moment = mp.quad(lambda r: r ** (n - 1) * mp.exp(-((r - along) ** 2) / 2), ends)
    return mp.log(moment) - across / 2 - n * mp.log(2 * mp.pi) / 2


def sine_model(x, phi_concentration, psi_concentration, correlation):
    """About the centre (1, -2), by the series of Bessel functions."""
    one, two, r = vector([phi_concentration, psi_concentration, correlation])
    a, b = mp.mpf(float(x[0])) - 1, mp.mpf(float(x[1])) + 2
    terms = (
        mp.binomial(2 * i, i)
        * (r**2 / (4 * one * two)) ** i
        * mp.besseli(i, one)
        * mp.besseli(i, two)
        for i in range(60)
    )
    log_c = 2 * mp.log(2 * mp.pi) + mp.log(mp.fsum(terms))
    return one * mp.cos(a) + two * mp.cos(b) + r * mp.sin(a) * mp.sin(b) - log_c


def skewed_sine(x, phi_concentration, skewness):
    tilt = mp.fsum(
        s * mp.sin(mp.mpf(v) - m)
        for s, v, m in zip(vector(skewness), x.tolist(), (1, -2), strict=True)
    )
    return sine_model(x, phi_concentration, 1.5, -0.5) + mp.log1p(tilt)


def hidden_gaussians(x, transition_matrix, observation_matrix, noise):
    transition, seen = exact(transition_matrix), exact(observation_matrix)
    start, first = mp.matrix([1, -1]), exact(TRIL_2) * exact(TRIL_2).T
    inner = mp.diag([mp.mpf(1) / 4, mp.mpf(1) / 4])
    mean, covariance = joint_path(len(x), start, first, transition, inner)
    n, m = 2, x.shape[1]
    all_seen = mp.matrix(len(x) * m, len(x) * n)
    for t in range(len(x)):
        all_seen[t * m : (t + 1) * m, t * n : (t + 1) * n] = seen
    covariance = all_seen * covariance * all_seen.T
    covariance += mp.mpf(float(noise)) ** 2 * mp.eye(len(covariance))
    return dense_normal(mp.matrix(vector(x)) - all_seen * mean, covariance)


def hidden_states(x, initial_probs, transition_probs, loc):
    """The sum over all paths of states."""
    initial, loc = vector(initial_probs), vector(loc)
    transition, x = exact(transition_probs), vector(x)

    def of_path(path):
        p = initial[path[0]]
        for before, after in pairwise(path):
            p *= transition[before, after]
        return p * mp.exp(
            mp.fsum(normal(v, loc[k], 1) for v, k in zip(x, path, strict=True))
        )

    return mp.log(mp.fsum(map(of_path, product(range(len(loc)), repeat=len(x)))))


INPUTS = np.array([0.0, 0.25, 1.5])


def smooth_values(x, scale, noise):
    covariance = mp.matrix(len(x), len(x))
    for i, a in enumerate(vector(INPUTS)):
        for j, b in enumerate(vector(INPUTS)):
            covariance[i, j] = mp.mpf(float(scale)) ** 2 * mp.exp(-((a - b) ** 2) / 2)
        covariance[i, i] += mp.mpf(float(noise)) ** 2
    return dense_normal(mp.matrix(vector(x)), covariance)
