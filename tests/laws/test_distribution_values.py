"""Laws of distributions as values: shapes, transforms, pickling, bad parameters."""

import os
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl._errors import ArgumentError, ArgumentTypeError, ParameterError
from ppl.distributions.distribution import checks_deferred
from tests.laws.cases import CASES, rising
from tests.laws.evaluate import facts, rounded

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def stacked(case, shape):
    """As many parameter sets as fit `shape`, as one distribution."""
    size = int(np.prod(shape))
    params = [np.resize(p, (size, *p.shape[1:])) for p in rounded(case, False)]
    return case.make(*(jnp.asarray(p.reshape(*shape, *p.shape[1:])) for p in params))


@every_case
def test_vmap_is_a_loop(case):
    """Over parameters, over data, over both, and nested."""
    d = stacked(case, (2, 3))
    x = d.mean if case.name == "Uniform" or "mode" in case.lacks else d.mode
    x = jnp.round(x).astype(int) if case.discrete else x
    x = jnp.broadcast_to(jnp.where(jnp.isfinite(x), x, 1), (2, 3))

    def one(d, x):
        assert d.batch_shape == ()
        return d.log_prob(x)

    @jax.jit
    def ask(d, x):
        by_row = jax.vmap(lambda d, x: d.log_prob(x))(d, x)
        data = jax.vmap(d.log_prob)(jnp.stack([x, x]))
        return d.log_prob(x), by_row, jax.vmap(jax.vmap(one))(d, x), data

    plain, by_row, nested, data = map(np.asarray, ask(d, x))
    for got in (by_row, nested, *data):
        np.testing.assert_allclose(got, plain, rtol=2e-6, atol=2e-6)


@every_case
def test_crosses_jit_and_scan(case):
    d = stacked(case, (3,))
    x = case.frozen()[0].ppf(0.4).astype(d.support.feasible_like(0.0).dtype)

    def step(count, one):
        assert type(one) is type(d)
        return count + 1, one.log_prob(x)

    count, terms = jax.jit(lambda d: jax.lax.scan(step, 0, d))(d)
    np.testing.assert_allclose(terms, d.log_prob(x), rtol=2e-6, atol=2e-6)
    assert count == 3


@every_case
def test_shapes(case):
    d = case.make(*case.sets[0])
    key, size = jax.random.key(0), d.shape()
    assert d.batch_shape == d.event_shape == size == ()
    wide = d.expand((4, 2))
    assert wide.batch_shape == (4, 2)
    assert d.expand_by((3,)).batch_shape == (3,)
    event = wide.to_event(1)
    assert (event.batch_shape, event.event_shape) == ((4,), (2,))
    draw = jax.eval_shape(lambda: event.sample(key, (5, 3)))
    assert draw.shape == (5, 3, 4, 2)
    x = jnp.zeros((5, 3, 4, 2), draw.dtype)
    assert jax.eval_shape(lambda: wide.log_prob(x)).shape == (5, 3, 4, 2)
    assert jax.eval_shape(lambda: event.log_prob(x)).shape == (5, 3, 4)
    assert event.support.event_dim == 1
    for name in ("mean", "variance"):
        assert jax.eval_shape(lambda n=name: getattr(wide, n)).shape == (4, 2)
    masked = wide.mask(jnp.asarray([True, False]))
    value = case.frozen()[0].ppf(0.4)
    terms = masked.log_prob(jnp.full((4, 2), value))
    assert (terms[:, 1] == 0).all()
    np.testing.assert_allclose(terms[:, 0], d.log_prob(value), rtol=2e-6, atol=2e-6)


@every_case
def test_finite_supports_are_listed(case):
    d = case.make(*case.sets[0])
    if not d.has_enumerate_support:
        with pytest.raises(TypeError, match="no enumerable support"):
            d.enumerate_support()
        return
    values = d.enumerate_support()
    assert values.dtype == jnp.result_type(int)
    assert d.support(values).all()
    assert jnp.exp(d.log_prob(values)).sum() == pytest.approx(1, abs=1e-5)
    wide = d.expand((2, 3))
    assert wide.enumerate_support().shape == (len(values), 2, 3)
    assert wide.enumerate_support(expand=False).shape == (len(values), 1, 1)


@every_case
def test_pickles(case):
    d = case.make(*case.sets[0])
    copy = pickle.loads(pickle.dumps(d))
    assert type(copy) is type(d)
    assert jax.tree.structure(copy) == jax.tree.structure(d)
    for a, b in zip(jax.tree.leaves(copy), jax.tree.leaves(d), strict=True):
        np.testing.assert_array_equal(a, b)


@every_case
def test_samples_have_derivatives_where_promised(case):
    d = stacked(case, (2,))
    if not d.has_rsample:
        with pytest.raises(TypeError, match="no reparameterised sampler"):
            d.rsample(jax.random.key(0))
        return
    grad = jax.jit(jax.grad(lambda d: jnp.sum(d.rsample(jax.random.key(1)))))(d)
    for leaf in jax.tree.leaves(grad):
        assert np.isfinite(leaf).all()
        assert (leaf != 0).any()


def test_leaves_have_one_order_in_every_process():
    program = """
import jax
from tests.laws.cases import CASES
for case in CASES:
    d = case.make(*case.sets[0])
    print([jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(d)])
"""
    outputs = set()
    for seed in ("1", "2"):
        env = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
    assert outputs.pop().count("[") >= len(CASES)


# --- bad parameters -------------------------------------------------------------------

BAD = (
    (lambda: dist.Normal(0, -1), r"Normal.scale = -1.0: must be > 0. Give it"),
    (
        lambda: dist.Normal(0, np.array([1.0, -1, -2])),
        r"Normal.scale\[1\] = -1.0 \(2 of 3 wrong\): must be > 0.",
    ),
    (lambda: dist.Normal(np.nan), r"Normal.loc = nan: must be finite. It is NaN"),
    (lambda: dist.HalfNormal(0.0), r"HalfNormal.scale = 0.0: must be > 0"),
    (lambda: dist.LogNormal(0, jnp.array([[1.0, 0.0]])), r"scale\[0, 1\] = 0.0"),
    (lambda: dist.StudentT(-1.0), r"StudentT.df = -1.0"),
    (lambda: dist.Cauchy(0, -1), r"Cauchy.scale"),
    (lambda: dist.HalfCauchy(-1), r"HalfCauchy.scale"),
    (lambda: dist.Laplace(np.inf), r"Laplace.loc = inf: must be finite"),
    (lambda: dist.Uniform(2, 1), r"Uniform.low = 2.0: low must be < high"),
    (lambda: dist.Uniform(0, [1.0, -1.0]), r"Uniform.low\[1\] = 0.0 \(1 of 2 wrong\)"),
    (lambda: dist.Exponential(0), r"Exponential.rate"),
    (lambda: dist.Gamma(0), r"Gamma.concentration"),
    (lambda: dist.InverseGamma(1, -1), r"InverseGamma.rate"),
    (lambda: dist.Beta(1, 0), r"Beta.concentration0"),
    (lambda: dist.Bernoulli(1.2), r"probs = 1.2: must be in \[0, 1\]"),
    (lambda: dist.Bernoulli(logits=np.inf), r"logits = inf: must be finite"),
    (lambda: dist.Binomial(2.5, 0.5), r"total_count = 2.5: must be an integer >= 0"),
    (lambda: dist.Binomial(-1, 0.5), r"total_count = -1: must be an integer >= 0"),
    (lambda: dist.Categorical([0.5, 0.6]), r"must sum to 1 but sums to 1.1\. Divide"),
    (
        lambda: dist.Categorical([[0.5, 0.5], [0.5, 0.2]]),
        r"probs\[1\] = \[0.5, 0.2\] \(1 of 2 wrong\): .* sums to 0.7",
    ),
    (lambda: dist.Categorical([1.5, -0.5]), r"must be nonnegative"),
    (lambda: dist.Categorical(logits=[0.0, np.nan]), r"must not be NaN or infinite"),
    (lambda: dist.Categorical(logits=[-np.inf] * 2), r"must have one above -inf"),
    (lambda: dist.Poisson(-1), r"Poisson.rate = -1.0: must be >= 0"),
    (
        lambda: dist.Normal(np.ones(3), np.ones(2)),
        r"do not broadcast: .*\(3,\).*\(2,\)",
    ),
)


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
    if "broadcast" in message:
        return
    with checks_deferred():
        d = make()
    with pytest.raises(ParameterError, match="site 'x': "):
        d.check_parameters(site="x")


def test_wrappers_name_the_family_they_wrap():
    with checks_deferred():
        d = dist.Normal(0, np.array([1.0, -1.0])).to_event(1).mask(False)
    with pytest.raises(ParameterError, match=r"site 'x': Normal.scale\[1\] = -1.0"):
        d.check_parameters(site="x")


@pytest.mark.parametrize("family", [dist.Bernoulli, dist.Binomial, dist.Categorical])
def test_one_parametrisation_is_given(family):
    with pytest.raises(ArgumentError, match="exactly one of `probs` and `logits`"):
        family()
    with pytest.raises(ArgumentError, match="got probs and logits"):
        family(probs=np.full(2, 0.5), logits=np.zeros(2))


@pytest.mark.parametrize("value", ["a", None, 1j, np.array(["a"]), {}])
def test_parameters_are_numbers(value):
    with pytest.raises(ArgumentTypeError, match="Normal.loc must be a number"):
        dist.Normal(value)


def test_concrete_parameters_are_checked_while_tracing():
    scale = jnp.asarray(-1.0)
    with pytest.raises(ParameterError, match="Normal.scale = -1.0"):
        jax.jit(lambda x: dist.Normal(0.0, scale).log_prob(x))(0.0)
    jax.jit(lambda s: dist.Normal(0.0, s).log_prob(0.0))(-1.0)  # nothing is known


def test_validate_args_turns_checks_off():
    assert dist.Normal(0.0, -1.0, validate_args=False).scale == -1.0
    assert dist.Bernoulli(2.0, validate_args=False).probs == 2.0


def test_large_expansions_are_no_constants():
    """A NumPy array of the size of a plate would be compiled into the program."""
    closed = jax.make_jaxpr(lambda x: dist.Normal(0, 1).expand((9999,)).log_prob(x))(
        0.0
    )
    assert sum(np.size(c) for c in closed.consts) < 10


# --- single facts ---------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("make", [dist.BernoulliProbs, dist.BinomialProbs])
def test_certain_probabilities_have_their_limits(make, p):
    """Density 0 and the one-sided slope for what is certain, -inf for the rest."""
    value, slope = jax.value_and_grad(lambda p: make(p).log_prob(int(p)))(p)
    assert value == pytest.approx(0.0, abs=1e-6)
    assert slope == (1.0 if p else -1.0)
    assert make(p).log_prob(1 - int(p)) == -jnp.inf


def test_gradients_do_not_underflow_far_below_a_large_mean():
    """In float32 the ratio of the two is zero there, but its logarithm is a number."""
    slope = jax.grad(lambda a: dist.Gamma(a).log_prob(1e-30))(5e8)
    assert slope == pytest.approx(np.log(1e-30) - np.log(5e8), rel=1e-5)


def test_extreme_logits_have_finite_gradients():
    for logit in (-1e3, 1e3):
        for x in (0, 1):
            d = jax.grad(lambda t, x=x: dist.BernoulliLogits(t).log_prob(x))(logit)
            assert d == x - (logit > 0)
            d = jax.grad(lambda t, x=x: dist.BinomialLogits(t, 7).log_prob(x))(logit)
            assert d == x - 7 * (logit > 0)


def test_binomials_of_different_sizes_cannot_be_listed():
    with pytest.raises(ArgumentError, match="they go from 2 to 3"):
        dist.Binomial(np.array([2, 3]), 0.5).enumerate_support()
    with pytest.raises(ArgumentError, match="known"):
        jax.jit(lambda n: dist.Binomial(n, 0.5).enumerate_support())(3)


def test_many_categories_are_gathered_like_few():
    rows = np.stack([rising(40), rising(40)[::-1], np.full(40, 1 / 40)])
    value = np.array([[0, 39, 7], [3, 3, -1]])
    got = dist.Categorical(rows).log_prob(value)
    safe = np.log(rows[np.arange(3), np.maximum(value, 0)])
    want = np.where(value >= 0, safe, -np.inf)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    flat = dist.Categorical(logits=np.log(rows[0])).log_prob(value[:, :2])
    np.testing.assert_allclose(flat, np.log(rows[0][value[:, :2]]), rtol=1e-5)


def test_poisson_draws_that_fit_no_integer_are_refused():
    key = jax.random.key(0)
    with pytest.raises(ArgumentError, match="do not fit an integer"):
        dist.Poisson(5e9).sample(key)
    traced = jax.jit(lambda r: dist.Poisson(r).sample(key))
    assert traced(5e9) == np.iinfo(np.int32).max
    assert abs(traced(1.5e9) - 1.5e9) < 6 * 1.5e9**0.5
    with jax.enable_x64(True):
        draws = dist.Poisson(5e9).sample(key, (100,))
        assert draws.dtype == jnp.int64
        assert abs(draws.mean() - 5e9) < 6 * (5e9 / 100) ** 0.5


def test_quantiles_have_derivatives():
    """By the implicit function theorem, where the search itself has none."""
    for d in (dist.Gamma(2.0, 3.0), dist.Beta(2.0, 3.0), dist.StudentT(4.0, 1.0, 2.0)):
        with jax.enable_x64(True):
            q = 0.3
            x, slope = jax.value_and_grad(d.icdf)(q)
            assert slope == pytest.approx(1 / float(jnp.exp(d.log_prob(x))), rel=1e-9)
            got = jax.tree.leaves(jax.grad(lambda d: d.icdf(0.3))(d))
            leaves, tree = jax.tree.flatten(d)
            for i, leaf in enumerate(leaves):
                h = 1e-5
                up, down = ([*leaves[:i], leaf + s, *leaves[i + 1 :]] for s in (h, -h))
                both = [jax.tree.unflatten(tree, v).icdf(q) for v in (up, down)]
                assert got[i] == pytest.approx(
                    float((both[0] - both[1]) / (2 * h)), rel=1e-6
                )


def test_facts_are_computed_in_the_type_asked_for():
    assert facts(CASES[0], False).log_prob.dtype == np.float32
    assert facts(CASES[0], True).log_prob.dtype == np.float64


def test_a_map_keeps_parameters_of_unequal_rank_together():
    """What comes out of `vmap` is the distribution that was inside, for each member."""
    locs, scales = jnp.arange(6.0).reshape(2, 3), jnp.array([1.0, 20.0])
    fixed = np.array([1.0, 2.0, 3.0])
    for make in (
        lambda m, s: dist.Normal(m, s),
        lambda m, s: dist.StudentT(s, m, fixed),
        lambda m, s: dist.Normal(jnp.stack([m, m]), fixed * s),
    ):
        mapped = jax.vmap(make)(locs, scales)
        for i in range(2):
            one = make(locs[i], scales[i])
            x = jnp.full(one.batch_shape, 0.3)
            got = mapped.log_prob(jnp.stack([x, x]))[i]
            np.testing.assert_allclose(got, one.log_prob(x), rtol=1e-6)
