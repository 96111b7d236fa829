"""Distributions of vectors and matrices, and wrappers, that the laws are checked on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np

import ppl.distributions as dist
from ppl.distributions import transforms as t


class Grid(NamedTuple):
    """Where to integrate, in unconstrained coordinates: half width and step."""

    reach: float
    step: float


@dataclass(frozen=True, eq=False)
class Case:
    """A distribution without batch dims, and its log density in 50 digits.

    Attributes:
        name: Of the test.
        make: Takes `params` as keywords.
        params: The parameters.
        density: Takes a value and `params`.
        grid: Given if the distribution has few dims: then it is integrated.
        closed: The moments that are known in closed form.
        more: Further parameter sets of the same shapes: what changes in `params`.
        unscored: Parameters off whose constraint the density is no density.
    """

    name: str
    make: Callable[..., Any]
    params: dict[str, Any]
    density: Callable[..., Any]
    grid: Grid | None = None
    closed: tuple[str, ...] = ("mean", "variance", "entropy")
    more: tuple[dict[str, Any], ...] = ()
    unscored: tuple[str, ...] = ()

    @property
    def sets(self) -> list[dict[str, Any]]:
        """All parameter sets."""
        return [self.params, *({**self.params, **change} for change in self.more)]

    def rounded(self, dtype: Any, at: int = 0) -> dict[str, Any]:
        """A set of parameters in a float type, booleans as they are."""
        params = {k: np.asarray(v) for k, v in self.sets[at].items()}
        return {k: v if v.dtype == bool else v.astype(dtype) for k, v in params.items()}

    def build(self, dtype: Any = np.float32, at: int = 0) -> Any:
        return self.make(**self.rounded(dtype, at))


def exact(array):
    return mp.matrix(np.asarray(array, np.float64).tolist())


# --- densities in mpmath --------------------------------------------------------------


def normal(x, loc, scale):
    z = (mp.mpf(x) - loc) / scale
    return -z * z / 2 - mp.log(2 * mp.pi) / 2 - mp.log(scale)


def dirichlet(x, concentration):
    a = [mp.mpf(v) for v in concentration.tolist()]
    x = [mp.mpf(v) for v in x.tolist()]
    size = mp.fsum(x)  # a value counts by its direction: its sum is one up to rounding
    log_prob = mp.loggamma(mp.fsum(a)) - mp.fsum(mp.loggamma(v) for v in a)
    terms = ((v - 1) * mp.log(u / size) for u, v in zip(x, a, strict=True) if v != 1)
    return log_prob + mp.fsum(terms)


def multivariate_normal(x, loc, precision=None, covariance=None, tril=None):
    if tril is not None:
        covariance = exact(tril) * exact(tril).T
    precision = exact(precision) if covariance is None else covariance**-1
    away = exact(np.float64(x)) - exact(np.broadcast_to(np.float64(loc), x.shape))
    square = (away.T * precision * away)[0]
    return (mp.log(mp.det(precision)) - len(x) * mp.log(2 * mp.pi) - square) / 2


def lkj_matrix(log_det, n, eta):
    """Lewandowski et al. 2009, equations 15 and 16, by the determinant alone."""
    beta = [mp.mpf(eta) + mp.mpf(n - k - 1) / 2 for k in range(1, n)]
    power = mp.fsum((2 * eta - 2 + n - k) * (n - k) for k in range(1, n))
    log_beta = (
        (n - k) * (2 * mp.loggamma(b) - mp.loggamma(2 * b))
        for k, b in zip(range(1, n), beta, strict=True)
    )
    return (eta - 1) * log_det - power * mp.log(2) - mp.fsum(log_beta)


def lkj_cholesky(x, concentration):
    n, eta = len(x), mp.mpf(float(concentration))
    log_diagonal = [mp.log(mp.mpf(float(x[i, i]))) for i in range(n)]
    jacobian = mp.fsum((n - 1 - i) * log_diagonal[i] for i in range(n))
    return lkj_matrix(2 * mp.fsum(log_diagonal), n, eta) + jacobian


def lkj_correlation(x, concentration):
    return lkj_matrix(mp.log(mp.det(exact(x))), len(x), mp.mpf(float(concentration)))


def shifted_log_normal(x, loc, scale):
    away = (3 - mp.mpf(float(x))) / 2  # y = 3 - 2 exp(z)
    return normal(mp.log(away), float(loc), float(scale)) - mp.log(away) - mp.log(2)


def logistic_normal(x, loc, scale):
    x = [mp.mpf(v) for v in x.tolist()]
    log_prob = -mp.fsum(mp.log(u) for u in x)
    for k in range(len(x) - 1):
        rest = mp.fsum(x[k + 1 :])
        z = mp.log(x[k] / rest) + mp.log(len(x) - 1 - k)
        log_prob += normal(z, float(loc[k]), float(scale[k]))
    return log_prob


def normals(x, loc, scale, mask=None):
    mask = np.ones(np.shape(x), bool) if mask is None else mask
    terms = [
        normal(float(v), float(m), float(s)) if used else mp.mpf(0)
        for v, m, s, used in zip(x, loc, scale, mask, strict=True)
    ]
    return mp.fsum(terms)


def predictors(x, intercept, coefficients):
    """Exactly, of each row."""
    product = exact(x) * exact(coefficients)
    return [p + mp.mpf(float(intercept)) for p in product]


def bernoulli_glm(y, x, intercept, coefficients):
    rows = zip(y, predictors(x, intercept, coefficients), strict=True)
    return -mp.fsum(mp.log1p(mp.exp(-p if v == 1 else p)) for v, p in rows)


def poisson_glm(y, x, intercept, coefficients):
    rows = zip(map(int, y), predictors(x, intercept, coefficients), strict=True)
    return mp.fsum(v * p - mp.exp(p) - mp.loggamma(v + 1) for v, p in rows)


def normal_glm(y, x, intercept, coefficients, scale):
    rows = zip(y, predictors(x, intercept, coefficients), strict=True)
    return mp.fsum(normal(float(v), p, float(scale)) for v, p in rows)


def multinomial(x, probs):
    total = mp.fsum(mp.mpf(v) for v in probs.tolist())
    log_prob = mp.loggamma(mp.fsum(x.tolist()) + 1)
    for k, p in zip(x.tolist(), probs.tolist(), strict=True):
        share = k * mp.log(mp.mpf(p) / total) if k else 0
        log_prob += share - mp.loggamma(mp.mpf(k) + 1)
    return log_prob


def multinomial_by_logits(x, logits):
    log_total = mp.log(mp.fsum(mp.exp(v) for v in logits.tolist()))
    log_prob = mp.loggamma(mp.fsum(x.tolist()) + 1)
    for k, logit in zip(x.tolist(), logits.tolist(), strict=True):
        log_prob += k * (logit - log_total) - mp.loggamma(mp.mpf(k) + 1)
    return log_prob


def dirichlet_multinomial(x, concentration):
    a, n = [mp.mpf(v) for v in concentration.tolist()], mp.fsum(x.tolist())
    log_prob = mp.loggamma(n + 1) + mp.loggamma(mp.fsum(a))
    log_prob -= mp.loggamma(mp.fsum(a) + n)
    for k, v in zip(x.tolist(), a, strict=True):
        log_prob += mp.loggamma(k + v) - mp.loggamma(v) - mp.loggamma(mp.mpf(k) + 1)
    return log_prob


# --- the cases ------------------------------------------------------------------------

_SPREAD = np.random.default_rng(0).normal(size=(4, 4))
COVARIANCE = _SPREAD @ _SPREAD.T + np.eye(4)
TRIL_2 = np.array([[1.5, 0.0], [-0.6, 0.8]])
TRIL_WILD = np.array([[1e-3, 0.0, 0.0], [0.2, 1.0, 0.0], [300.0, -70.0, 1e3]])


def transformed(*parts):
    return lambda loc, scale: dist.TransformedDistribution(
        dist.Normal(loc, scale), parts
    )


def dirichlet_case(name, concentration, grid=None, closed=Case.closed):
    params = {"concentration": np.array(concentration)}
    return Case(f"Dirichlet {name}", dist.Dirichlet, params, dirichlet, grid, closed)


def stick_breaking(x, concentration, size):
    a, x = mp.mpf(float(concentration)), [mp.mpf(float(v)) for v in x]
    rest = [mp.fsum(x[k:]) for k in range(size)]
    log_prob = (size - 1) * mp.log(a) + (a - 1) * mp.log(x[-1])
    return log_prob - mp.fsum(mp.log(r) for r in rest[1:-1])


def stick_case(size, concentration, grid=None):
    return Case(
        f"StickBreakingWeights({size}, {concentration})",
        partial(dist.StickBreakingWeights, num_weights=size),
        {"concentration": np.array(concentration)},
        partial(stick_breaking, size=size),
        grid,
    )


def lkj_case(n, eta, grid=None):
    make = partial(dist.LKJCholesky, n)
    params = {"concentration": np.array(eta)}
    return Case(f"LKJCholesky({n}, {eta})", make, params, lkj_cholesky, grid)


def normal_case(name, params, grid=None):
    names = {
        "covariance_matrix": "covariance",
        "precision_matrix": "precision",
        "scale_tril": "tril",
        "loc": "loc",
    }

    def density(x, **given):
        given = {names[k]: v for k, v in given.items()}
        if "covariance" in given:
            given["covariance"] = exact(given["covariance"])
        return multivariate_normal(x, **given)

    return Case(
        f"MultivariateNormal {name}", dist.MultivariateNormal, params, density, grid
    )


X_WIDE = np.array([[0.5, -1.0, 30.0], [2.0, 0.3, -0.1], [0.0, 1.0, 0.4]])


def glm_case(name, make, density, grid=None, **params):
    params = {k: np.array(v) for k, v in params.items()}
    return Case(name, make, params, density, grid, ("mean", "variance"))


def counts_case(family, density, total, **params):
    params = {k: np.array(v) for k, v in params.items()}
    name = f"{family.__name__} of {total}, {next(iter(params.values())).tolist()}"
    make = partial(family, total_count=total)
    return Case(name, make, params, density)


def masked(loc, scale, mask):
    return dist.Normal(loc, scale).mask(mask).to_event(1)


CASES = [
    dirichlet_case("of 3", [0.8, 2.0, 3.5], Grid(40.0, 0.25)),
    dirichlet_case("of 2, sharp corners", [0.2, 0.3], Grid(140.0, 0.25)),
    dirichlet_case("flat", np.ones(5)),
    # Of this one most components underflow, so its surprise is not that of its draws.
    dirichlet_case("of 3, tiny", [1e-3, 2e-3, 1e-3], closed=("mean", "variance")),
    dirichlet_case("of counts", [1e4, 2.5e4, 10.0, 1.0]),
    normal_case(
        "by covariance", {"loc": np.arange(4.0), "covariance_matrix": COVARIANCE}
    ),
    normal_case("by precision", {"loc": np.zeros(4), "precision_matrix": COVARIANCE}),
    normal_case(
        "by factor",
        {"loc": np.array([1.0, -0.5]), "scale_tril": TRIL_2},
        Grid(14.0, 0.25),
    ),
    normal_case("wild", {"loc": np.array([1e3, 0.0, -1e6]), "scale_tril": TRIL_WILD}),
    stick_case(3, 1.5, Grid(40.0, 0.25)),
    stick_case(20, 4.0),
    lkj_case(2, 0.4, Grid(40.0, 0.25)),
    lkj_case(3, 1.0, Grid(12.0, 0.375)),
    lkj_case(3, 7.5, Grid(5.0, 0.2)),
    lkj_case(10, 250.0),
    Case(
        "shifted log normal",
        transformed(t.ExpTransform(), t.AffineTransform(3.0, -2.0)),
        {"loc": np.array(0.3), "scale": np.array(0.5)},
        shifted_log_normal,
        Grid(8.0, 0.125),
        (),
    ),
    Case(
        "logistic normal",
        transformed(t.StickBreakingTransform()),
        {"loc": np.array([0.5, -1.0]), "scale": np.array([0.7, 1.2])},
        logistic_normal,
        Grid(12.0, 0.2),
        (),
    ),
    Case(
        "affine normal",
        lambda loc, scale: dist.TransformedDistribution(
            dist.Normal(0.0, 1.0), t.AffineTransform(loc, scale)
        ).to_event(1),
        {"loc": np.array([0.5, -1.0]), "scale": np.array([0.7, 1.2])},
        normals,
        Grid(12.0, 0.2),
        ("mean", "variance"),
    ),
    Case(
        "LKJ of matrices",
        lambda concentration: dist.TransformedDistribution(
            dist.LKJCholesky(3, concentration), t.CorrMatrixCholeskyTransform().inv
        ),
        {"concentration": np.array(2.0)},
        lkj_correlation,
        Grid(7.5, 0.3),
        (),
    ),
    glm_case(
        "BernoulliLogitsGLM",
        dist.BernoulliLogitsGLM,
        bernoulli_glm,
        x=X_WIDE,
        intercept=-0.4,
        coefficients=[1.0, 0.5, 0.1],
    ),
    glm_case(
        "PoissonLogGLM",
        dist.PoissonLogGLM,
        poisson_glm,
        x=X_WIDE,
        intercept=0.7,
        coefficients=[0.3, -0.5, 0.1],
    ),
    glm_case(
        "NormalGLM",
        dist.NormalGLM,
        normal_glm,
        Grid(30.0, 0.25),
        x=X_WIDE[:2],
        intercept=0.3,
        coefficients=[-1.0, 0.5, 0.1],
        scale=1.5,
    ),
    Case(
        "Independent",
        lambda loc, scale: dist.Normal(loc, scale).to_event(1),
        {"loc": np.array([2.0, -1.0]), "scale": np.array([0.7, 3.0])},
        normals,
        Grid(30.0, 0.25),
    ),
    Case(
        "Masked",
        masked,
        {
            "loc": np.array([2.0, -1.0]),
            "scale": np.array([0.7, 3.0]),
            "mask": np.array([True, False]),
        },
        normals,
        None,
        (),
    ),
    counts_case(dist.MultinomialProbs, multinomial, 12, probs=[0.2, 0.5, 0.3]),
    counts_case(
        dist.MultinomialProbs, multinomial, 10**6, probs=[1e-6, 0.5, 0.499899, 1e-4]
    ),
    counts_case(
        dist.MultinomialLogits,
        multinomial_by_logits,
        30,
        logits=[0.3, 40.0, 38.0, -60.0],
    ),
    counts_case(
        dist.DirichletMultinomial,
        dirichlet_multinomial,
        20,
        concentration=[0.3, 2.0, 1e-3],
    ),
    counts_case(
        dist.DirichletMultinomial,
        dirichlet_multinomial,
        100_000,
        concentration=[1e6, 3e6, 50.0],
    ),
]
