"""The laws that every univariate distribution obeys, over all of `cases.py`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import entr, expit

import ppl.distributions as dist
from tests.laws.case import is_extreme
from tests.laws.cases import CASES, Case
from tests.laws.evaluate import facts, slope, truth

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
widths = pytest.mark.parametrize("x64", [True, False], ids=["float64", "float32"])
HUGE = float(np.finfo(np.float32).max)


def report(case: Case, x64: bool, wrong: np.ndarray, *columns: np.ndarray) -> str:
    """The first few points at which a law is broken."""
    lines = [f"{case.name}: {wrong.sum()} wrong"]
    known = facts(case, x64)
    for i, j in np.argwhere(wrong)[:8]:
        got = [float(c[i, j]) for c in columns]
        lines.append(f"  x={known.x[i, j]!r} parameters={known.values(j)}: {got}")
    return "\n".join(lines)


def close(got, want, tolerance):
    """Equal, infinities included, up to `tolerance`."""
    with np.errstate(invalid="ignore"):
        return (got == want) | (abs(got - want) <= tolerance)


# --- what is judged -------------------------------------------------------------------


@every_case
def test_there_are_enough_parameter_sets(case):
    if case.has_parameters:
        assert len({repr(values) for values in case.sets}) >= 6
        assert sum(map(is_extreme, case.sets)) >= 2


# --- density --------------------------------------------------------------------------


@every_case
@widths
def test_density_is_right(case, x64):
    known, want = facts(case, x64), truth(case, x64)
    with np.errstate(invalid="ignore", over="ignore"):
        tolerance = (1e-12 if x64 else 2e-5) * (1 + abs(want))
        inputs = [*known.params, known.x]
        moved = sum(abs(inputs[i] * g) for i, g in known.grads.items() if g.ndim == 2)
        # One rounding of an input may move the result by this much.
        tolerance += 4 * np.finfo(known.x.dtype).eps * np.nan_to_num(moved, posinf=0.0)
        if not x64:
            want = np.where(abs(want) > HUGE, np.sign(want) * np.inf, want)
    wrong = ~close(known.log_prob, want, tolerance) & ~np.isnan(want) & ~known.edge
    assert not wrong.any(), report(case, x64, wrong, known.log_prob, want)


@every_case
@widths
def test_density_is_a_number_to_the_very_ends(case, x64):
    known = facts(case, x64)
    assert not np.isnan(known.log_prob).any()
    for by, grads in known.grads.items():
        wrong = np.isnan(grads.reshape(*known.x.shape, -1)).any(-1)
        assert not wrong.any(), f"by input {by}: {report(case, x64, wrong)}"


@every_case
@widths
def test_gradient_is_right(case, x64):
    known, lp = facts(case, x64), truth(case, x64)
    eps = np.finfo(known.x.dtype).eps
    tolerance, limit = (1e-10, 1e300) if x64 else (2e-5, HUGE)
    for by, grads in known.grads.items():
        want, slack = np.full_like(lp, np.nan), np.full_like(lp, np.nan)
        for i, j in np.argwhere(np.isfinite(lp) & ~known.edge & (grads.ndim == 2)):
            want[i, j], slack[i, j] = slope(case, known.values(j), known.x[i, j], by)
        judged = ~np.isnan(want) & (abs(want) < limit)
        allowed = tolerance * (1 + abs(want)) + 8 * eps * slack
        wrong = judged & ~close(grads, want, allowed) if judged.any() else judged
        assert not wrong.any(), (
            f"by input {by}: {report(case, x64, wrong, grads, want)}"
        )


def test_gradient_by_the_logits_of_a_table_is_one_hot_less_softmax(x64):
    logits = jnp.asarray([0.5, -1.0, 2.0, -jnp.inf])
    got = jax.grad(lambda t: dist.CategoricalLogits(t).log_prob(2))(logits)
    want = np.eye(4)[2] - jax.nn.softmax(logits)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@every_case
def test_density_integrates_to_one(case, x64):
    """Run eagerly: this is the law by which compiled and plain calls agree, too."""
    frozen = case.frozen()[:2]
    params = [p[:2] for p in case.params]
    if case.discrete:
        first = int(min(0, *(f.ppf(1e-13) for f in frozen)))
        last = int(max(f.isf(1e-13) for f in frozen))
        x, weights = np.arange(first, last + 1)[:, None], 1.0
    else:
        ends = np.stack([f.ppf(expit(np.linspace(-20, 20, 81))) for f in frozen], 1)
        node, weight = np.polynomial.legendre.leggauss(20)
        half = np.diff(ends, axis=0)[:, None] / 2
        x = (ends[:-1, None] + half * (1 + node[:, None])).reshape(-1, 2)
        weights = (half * weight[:, None]).reshape(-1, 2)
    total = (np.exp(case.make(*params).log_prob(x)) * weights).sum(0)
    np.testing.assert_allclose(total, 1, atol=2e-8)


# --- distribution function ------------------------------------------------------------


@every_case
def test_cdf_is_scipys(case):
    known = facts(case, True)
    for name in ("cdf", "log_cdf", "log_sf"):
        got = getattr(known, name)
        with np.errstate(divide="ignore", over="ignore"):
            columns = [
                getattr(f, name.replace("_", ""))(known.x[:, j])
                for j, f in enumerate(case.frozen())
            ]
        want = np.stack(columns, 1)
        low = -690 if name != "cdf" else 1e-300
        # SciPy's own digits: 1e-5 for a Poisson of rate 1e6.
        ok = close(got, want, 1e-5 * abs(want) + 1e-13) | (want < low)
        assert ok.all(), f"{name}: {report(case, True, ~ok, got, want)}"


@every_case
@widths
def test_icdf_inverts_cdf(case, x64):
    known = facts(case, x64)
    eps = np.finfo(known.x.dtype).eps
    if case.discrete:
        mass = np.exp(known.log_prob)
        judged = (mass > 1e-6) & (known.cdf < 1 - 1e-6)
        wrong = judged & (known.icdf_of_cdf != known.x)
        assert not wrong.any(), report(case, x64, wrong, known.icdf_of_cdf, known.x)
        return
    for j, frozen in enumerate(case.frozen()):
        x = known.icdf[:, j].astype(np.float64)
        limits = np.finfo(known.x.dtype)  # near them, no float has the probability
        inside = (
            (abs(x) < min(float(limits.max) / 8, 1e150))
            & (abs(x) > 8 * float(limits.tiny))
            & (x < 1 - eps)
        )
        one_up = frozen.cdf(x + 8 * eps * abs(x)) - frozen.cdf(x - 8 * eps * abs(x))
        off = abs(frozen.cdf(x) - known.q[:, j]) - one_up
        # SciPy's own digits are the limit in float64.
        assert (off[inside] < max(64 * eps, 1e-11)).all(), (case.name, frozen.args, off)


# In float32, where the probabilities themselves are zero or one; truth from mpmath.
LOG_CDF = (
    (dist.Normal(), -1e4, -50000010.12928),
    (dist.LogNormal(), 1e-30, -2391.0087),
    (dist.Cauchy(), -1e30, -70.222283),
    (dist.StudentT(100.0), -50.0, -166.10963),
    (dist.StudentT(3.0), -1e15, -103.51861),
    (dist.StudentT(1e6), -20.0, -203.87696),
    (dist.Laplace(), -1e5, -100000.69315),
    (dist.Exponential(), 1e-30, -69.077553),
    (dist.Gamma(2.0), 1e-30, -138.84825),
    (dist.Gamma(50.0), 1e-2, -378.74608),
    (dist.Gamma(1000.0), 400.0, -320.15391),
    (dist.InverseGamma(2.0), 0.002, -493.78339),
    (dist.Beta(50.0, 60.0), 0.01, -158.22903),
)
LOG_SF = (
    (dist.Normal(), 1e4, -50000010.12928),
    (dist.HalfNormal(), 1e4, -50000009.43613),
    (dist.HalfCauchy(), 1e30, -69.529136),
    (dist.StudentT(1e6), 20.0, -203.87696),
    (dist.Laplace(), 1e5, -100000.69315),
    (dist.Exponential(), 1e5, -1e5),
    (dist.Gamma(2.0), 500.0, -493.78339),
    (dist.Gamma(1000.0), 2000.0, -311.22771),
    (dist.Poisson(100.0), 300, -134.05538),
)


@pytest.mark.parametrize(("d", "x", "want"), LOG_CDF)
def test_lower_tails_do_not_underflow(d, x, want):
    got, slope = jax.value_and_grad(d.log_cdf)(float(x))
    assert got == pytest.approx(want, rel=2e-5)
    assert np.isfinite(slope)


@pytest.mark.parametrize(("d", "x", "want"), LOG_SF)
def test_upper_tails_do_not_underflow(d, x, want):
    assert d.log_sf(x) == pytest.approx(want, rel=2e-5)


# --- moments --------------------------------------------------------------------------


def summed_entropy(frozen):
    """Of counts, by adding up where they are; SciPy stops after some terms."""
    reach = 40 * max(frozen.std(), frozen.var() / max(frozen.mean(), 1e-3)) + 60
    low, high = frozen.support()
    if not (reach < 5e5 and hasattr(frozen, "pmf")):
        return frozen.entropy()
    first, last = np.floor(frozen.mean() - reach), np.ceil(frozen.mean() + reach)
    return entr(frozen.pmf(np.arange(max(first, low), min(last, high) + 1))).sum()


@every_case
def test_moments_are_scipys(case):
    known = facts(case, True)
    for name, method in (("mean", "mean"), ("variance", "var"), ("entropy", "entropy")):
        if name not in known.moments:
            assert name in case.lacks
            continue
        got = known.moments[name]
        ask = summed_entropy if case.discrete and name == "entropy" else None
        ask = ask or (lambda frozen, method=method: getattr(frozen, method)())
        want = np.asarray([ask(f) for f in case.frozen()], float)
        assert got.shape == want.shape
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want), case.name)
        fine = np.isfinite(want)
        np.testing.assert_allclose(
            got[fine], want[fine], 1e-8, 1e-11, err_msg=case.name
        )


@every_case
def test_entropy_in_float32(case):
    want = facts(case, True).moments.get("entropy")
    if want is not None:
        got = facts(case, False).moments["entropy"]
        assert close(got, want, 2e-5 * (1 + abs(want))).all(), (case.name, got, want)


SUMMED = (
    "SkewNormal", "ExGaussian", "Rice", "GammaPoisson", "NegativeBinomial2",
    "BetaBinomial", "BetaNegativeBinomial", "DiscreteWeibull", "ConwayMaxwellPoisson",
    "ZeroInflatedPoisson", "HurdlePoisson",
)  # fmt: skip


@pytest.mark.parametrize("name", SUMMED)
def test_gradient_of_an_entropy_by_a_sum_is_its_slope(name, x64):
    case = next(case for case in CASES if case.name == name)
    params = [jnp.asarray(p) for p in case.params]
    by = [i for i, p in enumerate(params) if jnp.issubdtype(p.dtype, jnp.floating)]

    @jax.jit
    def entropy(*params):
        return case.make(*params).entropy()

    slopes = jax.grad(lambda *p: entropy(*p).sum(), by)(*params)
    for i, got in zip(by, slopes, strict=True):
        p = params[i]
        step = 1e-4 * jnp.where((p > 0) & (p < 1), jnp.minimum(p, 1 - p), abs(p))
        ends = [
            entropy(*params[:i], p + sign * step, *params[i + 1 :]) for sign in (1, -1)
        ]
        want = (ends[0] - ends[1]) / jnp.where(step == 0, 1.0, 2 * step)
        size = 1e-6 * (1 + abs(want)) + 1e-10 / jnp.where(step == 0, 1.0, step)
        fine = close(got, want, size) | (step == 0)
        assert np.isfinite(got).all()
        assert fine.all(), (i, got, want)


@every_case
def test_nothing_is_denser_than_the_mode(case):
    known = facts(case, True)
    if "mode" not in known.moments:
        assert case.name == "Uniform" or "mode" in case.lacks
        return
    mode = known.moments["mode"]
    with jax.enable_x64(True):
        top = np.asarray(case.make(*case.params).log_prob(mode))
    rest = np.where(known.edge, -np.inf, known.log_prob)
    sets = map(known.values, range(len(mode)))
    inside = [case.make(*s).support(m) for s, m in zip(sets, mode, strict=True)]
    ok = top >= rest.max(0) - 1e-9
    assert (ok | ~np.asarray(inside)).all(), (case.name, mode)
