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

DRAWS = 20_000
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
# Family-wise 1e-4 over some 120 tests.
LEVEL = 1e-6


def drawn(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws of shape (draws, sets), whether they are in the support, their density."""

    @jax.jit
    def draw(key, *params):
        d = case.make(*params)
        x = d.sample(key, (DRAWS,))
        return x, d.support(x), d.log_prob(x)

    key = jax.random.key(sum(case.name.encode()))
    return tuple(np.asarray(a) for a in draw(key, *rounded(case, False)))


def p_value_of_line(x: np.ndarray, frozen) -> float:
    """Kolmogorov-Smirnov, with draws that a float32 rounds."""
    points, counts = np.unique(x, return_counts=True)
    upper = np.nextafter(points, np.float32(np.inf)).astype(float)
    # A draw stands for all that is rounded to it; the last may stand for an overflow.
    truth = frozen.cdf((points.astype(float) + upper) / 2)[:-1]
    gap = abs(counts.cumsum()[:-1] / len(x) - truth).max(initial=0.0)
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


@every_case
def test_draws_have_the_distribution(case):
    x, inside, log_prob = drawn(case)
    whole = jnp.result_type(int) if case.discrete else jnp.result_type(float)
    assert x.dtype == whole
    assert inside.all(), f"{case.name}: {(~inside).sum(0)} draws outside the support"
    assert np.isfinite(log_prob).all()
    test = p_value_of_counts if case.discrete else p_value_of_line
    for j, values in enumerate(zip(*rounded(case, False), strict=True)):
        p = test(x[:, j], case.scipy(*(np.asarray(v, float) for v in values)))
        assert p > LEVEL, (case.name, values, p)


@every_case
def test_draws_have_the_moments(case):
    x = drawn(case)[0].astype(float)
    for j, frozen in enumerate(case.frozen()):
        center, spread = frozen.mean(), frozen.std()
        cut = frozen.ppf([1e-4, 1 - 1e-4])
        if not np.isfinite(spread) or spread > np.ptp(cut):
            continue  # the tails are so heavy that the mean says nothing
        slack = 6 * spread / np.sqrt(len(x)) + 1e-6 * abs(center)
        assert abs(x[:, j].mean() - center) <= slack, (case.name, frozen.args)


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
