"""Laws of drawing: the right distribution, inside the support, in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import kolmogorov

import ppl.distributions as dist
from tests.laws.cases import CASES, Case
from tests.laws.evaluate import rounded

DRAWS, COPIES = 20_000, 5
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
# One wrong verdict in 10,000 runs of all tests together.
LEVEL = 1e-4 / (3 + sum(len(case.sets) for case in CASES))
MOST_POINTS = 2_000  # at which the distribution functions are compared


def drawn(case: Case, copies: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Of each set, `copies` times so many draws, if in the support, and log density."""
    which = np.repeat(np.arange(len(case.sets)), copies)

    @jax.jit
    def draw(key, *params):
        d = case.make(*params)
        x = d.sample(key, (DRAWS,))
        return x, d.support(x), d.log_prob(x)

    key = jax.random.key(sum(case.name.encode()))
    params = (p[which] for p in rounded(case, False))
    answers = [np.asarray(a) for a in draw(key, *params)]
    return [
        tuple(a[:, which == j].ravel() for a in answers) for j in range(len(copies))
    ]


def p_value_of_line(x: np.ndarray, frozen) -> float:
    """Kolmogorov-Smirnov, with draws that a float32 rounds."""
    points, counts = np.unique(x, return_counts=True)
    upper = np.nextafter(points, np.float32(np.inf)).astype(float)
    # A draw stands for all that is rounded to it; the last may stand for an overflow.
    if len(points) == 1:
        ends = points[0] * np.array([1 - 1e-6, 1 + 1e-6])
        return float(np.ptp(frozen.cdf(ends)) > 0.5)
    share = counts.cumsum()[:-1] / len(x)
    some = np.unique(np.searchsorted(share, np.arange(1, MOST_POINTS) / MOST_POINTS))
    some = some[some < len(share)]
    truth = frozen.cdf((points[some].astype(float) + upper[some]) / 2)
    gap = abs(share[some] - truth).max(initial=0.0)
    return float(kolmogorov(np.sqrt(len(x)) * gap))


def p_value_of_counts(x: np.ndarray, frozen) -> float:
    """Chi squared over cells of about equal probability."""
    edges = np.unique(frozen.ppf(np.linspace(0.01, 0.99, 40)))
    below = np.concatenate([[0.0], frozen.cdf(edges), [1.0]])
    expected = len(x) * np.diff(below)
    found = np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)
    likely = expected > 5
    if (~likely).any():  # one cell for all that is rare
        expected = np.append(expected[likely], expected[~likely].sum())
        found = np.append(found[likely], found[~likely].sum())
    if expected[-1] < 1e-3:
        return float(found[-1] == 0) if len(expected) == 2 else 1.0
    return float(
        stats.chi2.sf(((found - expected) ** 2 / expected).sum(), len(found) - 1)
    )


def assert_moments(x: np.ndarray, frozen) -> None:
    center, spread = frozen.mean(), frozen.std()
    cut = frozen.ppf([1e-4, 1 - 1e-4])
    if not np.isfinite(spread) or spread > np.ptp(cut):
        return  # the tails are so heavy that the mean says nothing
    slack = 6 * spread / np.sqrt(len(x)) + 1e-6 * abs(center)
    assert abs(x.mean() - center) <= slack, (frozen.args, x.mean(), center)


def assert_right_draws(case: Case, copies: np.ndarray) -> None:
    whole = jnp.result_type(int) if case.discrete else jnp.result_type(float)
    test = p_value_of_counts if case.discrete else p_value_of_line
    sets = zip(*rounded(case, False), strict=True)
    for values, answers in zip(sets, drawn(case, copies), strict=True):
        x, inside, log_prob = answers
        assert x.dtype == whole
        assert inside.all(), (case.name, values, f"{(~inside).sum()} outside")
        assert np.isfinite(log_prob).all(), (case.name, values)
        frozen = case.scipy(*(np.asarray(v, float)[()] for v in values))
        p = test(x, frozen)
        assert p > LEVEL, (case.name, values, p)
        assert_moments(x.astype(float), frozen)


@every_case
def test_draws_have_the_distribution(case):
    """100,000 draws of the first parameter set, and a fifth of that of the others."""
    assert_right_draws(case, np.where(np.arange(len(case.sets)) == 0, COPIES, 1))


@pytest.mark.slow
@every_case
def test_many_draws_of_each_set_have_the_distribution(case):
    assert_right_draws(case, np.full(len(case.sets), COPIES))


@pytest.mark.parametrize(
    ("d", "frozen"),
    [
        (dist.Poisson(1e6), stats.poisson(1e6)),
        (dist.Poisson(1e8), stats.poisson(1e8)),
        (dist.BinomialProbs(0.3, 10**6), stats.binom(10**6, float(np.float32(0.3)))),
    ],
)
def test_large_counts_are_drawn_exactly(d, frozen):
    """Acceptance by a difference of log gamma functions in float32 fails this."""
    x = np.asarray(d.sample(jax.random.key(3), (500_000,)))
    assert p_value_of_counts(x, frozen) > LEVEL
