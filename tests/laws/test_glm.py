"""Generalised linear models are the elementwise families, summed over rows."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gammaln

import ppl
import ppl.distributions as dist
from ppl._errors import PPLError
from ppl.distributions import _row_blocks
from tests.laws.facts_multivariate import assert_close

# Each takes (x, intercept, coefficients); the second of a pair is the definition.
FAMILIES = {
    "bernoulli": (
        dist.BernoulliLogitsGLM,
        lambda x, a, b: dist.BernoulliLogits(b @ x.T + a),
    ),
    "poisson": (
        dist.PoissonLogGLM,
        lambda x, a, b: dist.Poisson(jnp.exp(b @ x.T + a)),
    ),
    "normal": (
        lambda x, a, b: dist.NormalGLM(x, a, b, 0.8),
        lambda x, a, b: dist.Normal(b @ x.T + a, 0.8),
    ),
}
ALL = pytest.mark.parametrize("family", FAMILIES)
LAYOUTS = {"first": (0, (0, 0)), "last": (1, (0, 1))}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Blocks of 128 rows or so, so that a few hundred make several."""
    monkeypatch.setattr(_row_blocks, "_LEAST_ROWS", 128)
    monkeypatch.setattr(_row_blocks, "_BLOCK_BYTES", {"cpu": 1, "gpu": 1})


def some(family, rows, columns=4, dtype=np.float32, seed=0):
    """A matrix, an intercept, coefficients and outcomes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).astype(dtype)
    coefficients = (0.5 * rng.normal(size=columns)).astype(dtype)
    predictor = x @ coefficients + 0.3
    y = {
        "bernoulli": lambda: rng.uniform(size=rows) < 1 / (1 + np.exp(-predictor)),
        "poisson": lambda: rng.poisson(np.exp(predictor)),
        "normal": lambda: rng.normal(predictor),
    }[family]()
    return x, dtype(0.3), coefficients, y.astype(dtype if family == "normal" else int)


def both(family, x, y):
    """The two log densities as functions of intercept and coefficients, in a vector."""
    ours, elementwise = FAMILIES[family]
    return (
        lambda p: ours(x, p[0], p[1:]).log_prob(y),
        lambda p: elementwise(x, p[0], p[1:]).log_prob(y).sum(),
    )


# --- value and gradient ---------------------------------------------------------------


@ALL
@pytest.mark.parametrize("rows", [1, 129, 700])
def test_value_and_gradient_are_those_of_the_rows(family, rows):
    x, intercept, coefficients, y = some(family, rows)
    at = np.append(intercept, coefficients)
    for point in (at, 0 * at, 30 * at if family == "bernoulli" else -at):
        ours, truth = (jax.value_and_grad(f) for f in both(family, x, y))
        value, gradient = jax.jit(ours)(point)
        eager = both(family, x, y)[0](point)
        with jax.enable_x64(True):
            x_double = x.astype(float)
            truth = jax.value_and_grad(both(family, x_double, y)[1])
            expected = truth(point.astype(float))
        assert_close(value, expected[0], 3e-6)
        assert_close(eager, expected[0], 3e-6)
        size = np.abs(expected[1]).max() + rows**0.5
        np.testing.assert_allclose(gradient, expected[1], rtol=0, atol=2e-6 * size)


@ALL
@pytest.mark.parametrize("layout", LAYOUTS)
def test_chains_in_float64(family, layout, x64):
    x, intercept, coefficients, y = some(family, 300, dtype=np.float64)
    in_axes, out_axes = LAYOUTS[layout]
    scales = np.linspace(-1, 2, 7)[:, None]
    points = np.moveaxis(scales * np.append(intercept, coefficients), 0, in_axes)
    ours, expected = (
        jax.jit(jax.vmap(jax.value_and_grad(f), in_axes, out_axes))(points)
        for f in both(family, x, y)
    )
    assert ours[0].dtype == np.float64
    np.testing.assert_allclose(ours[0], expected[0], rtol=1e-13)
    np.testing.assert_allclose(ours[1], expected[1], rtol=1e-11, atol=1e-11)


@ALL
def test_second_derivatives_and_forward_mode(family, x64):
    x, intercept, coefficients, y = some(family, 200, dtype=np.float64)
    ours, truth = both(family, x, y)
    for point in (np.append(intercept, coefficients), np.zeros(5)):
        expected = jax.hessian(truth)(point)
        for of in (jax.hessian, lambda f: jax.jacrev(jax.jacrev(f))):
            np.testing.assert_allclose(of(ours)(point), expected, atol=1e-9)
        slope = jax.jacfwd(truth)(point)
        np.testing.assert_allclose(jax.jacfwd(ours)(point), slope, atol=1e-10)


@ALL
def test_gradients_by_matrix_and_outcomes(family, x64):
    x, intercept, coefficients, y = some(family, 200, dtype=np.float64)
    ours, elementwise = FAMILIES[family]

    def density(make, x, y, coefficients):
        return make(x, intercept, coefficients).log_prob(y).sum()

    by = (1, 3) if family == "bernoulli" else (1, 2, 3)
    at = x, y + 1.0 if family == "poisson" else y.astype(float), coefficients
    found = jax.grad(density, by)(ours, *at)
    for a, b in zip(found, jax.grad(density, by)(elementwise, *at), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_scale_and_intercept_have_gradients_of_their_own():
    x, intercept, coefficients, y = some("normal", 300)

    def density(intercept, scale):
        return dist.NormalGLM(x, intercept, coefficients, scale).log_prob(y)

    def truth(intercept, scale):
        return dist.Normal(x @ coefficients + intercept, scale).log_prob(y).sum()

    for of in (0, 1, (0, 1)):
        found = jax.grad(density, of)(intercept, np.float32(1.7))
        assert_close(found, jax.grad(truth, of)(intercept, np.float32(1.7)), 1e-5)


@pytest.mark.parametrize("columns", [0, 1])
def test_few_columns(columns):
    x, intercept, coefficients, y = some("bernoulli", 200, columns)
    found = dist.BernoulliLogitsGLM(x, intercept, coefficients).log_prob(y)
    expected = dist.BernoulliLogits(x @ coefficients + intercept).log_prob(y).sum()
    assert_close(found, expected, 1e-6)


# --- batches --------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["bernoulli", "normal"])
def test_batches_of_every_kind(family):
    x, _, coefficients, y = some(family, 150)
    make, elementwise = FAMILIES[family]
    intercepts = np.array([[0.1], [-0.4]], np.float32)
    each = np.stack([coefficients, 2 * coefficients, 0 * coefficients])
    d = make(x, intercepts, each)
    rows = elementwise(x, intercepts[..., None], each)
    assert (d.batch_shape, d.event_shape, d.event_dim) == ((2, 3), (150,), 1)
    assert_close(d.mean, rows.mean, 1e-5)
    assert_close(d.variance, rows.variance, 1e-5)
    expected = rows.log_prob(y).sum(-1)
    assert_close(d.log_prob(y), expected, 3e-6)
    assert_close(d.expand((4, 2, 3)).log_prob(y), np.stack([expected] * 4), 3e-6)
    assert np.shape(d.expand((4, 2, 3)).x) == (1, 1, 1, 150, 4)
    own = d.sample(jax.random.key(0))
    assert own.shape == d.shape()
    assert_close(d.log_prob(own), rows.log_prob(own).sum(-1), 3e-6)
    many = d.sample(jax.random.key(1), (5,))
    assert_close(d.log_prob(many), rows.log_prob(many).sum(-1), 3e-6)
    two = np.stack([x, -x])[:, None]
    found = make(two, intercepts, each).log_prob(y)
    for k in range(2):
        assert_close(found[k], make(two[k, 0], intercepts[k], each).log_prob(y), 3e-6)


def test_values_outside_of_the_support():
    x = np.ones((3, 1), np.float32)
    for value in ([0, 1, 2], [0, 1, 0.5], [0, np.nan, 1]):
        value = np.array(value)
        assert dist.BernoulliLogitsGLM(x, 0.0, [1.0]).log_prob(value) == -np.inf
        if value[2] != 2:
            assert dist.PoissonLogGLM(x, 0.0, [1.0]).log_prob(value) == -np.inf
    assert dist.PoissonLogGLM(x, 0.0, [1.0]).log_prob(np.array([0, 1, -1])) == -np.inf


# --- digits ---------------------------------------------------------------------------


def exactly(family, x, y, coefficients):
    """The sum over rows in NumPy's float64, with its own pairwise summation."""
    p = x.astype(float) @ coefficients.astype(float) + 0.3
    rows = {
        "bernoulli": lambda: -np.logaddexp(0, np.where(y == 1, -p, p)),
        "poisson": lambda: y * p - np.exp(p) - gammaln(y + 1.0),
        "normal": lambda: (
            -0.5 * ((y - p) / 0.8) ** 2 - np.log(0.8 * (2 * np.pi) ** 0.5)
        ),
    }[family]()
    return rows.sum()


@ALL
def test_a_million_rows_in_float32(family, monkeypatch):
    monkeypatch.setattr(_row_blocks, "_LEAST_ROWS", 4096)
    x, _, coefficients, y = some(family, 10**6 + 17, 3)
    make, _ = FAMILIES[family]
    intercept = np.float32(0.3)
    found = jax.jit(lambda b: make(x, intercept, b).log_prob(y))(coefficients)
    expected = exactly(family, x, np.asarray(y, float), coefficients)
    assert abs(found - expected) < 2e-7 * abs(expected)


def test_differences_of_energies_in_float32(monkeypatch):
    """Kept in two floats, they are right where one float has steps of 0.03."""
    monkeypatch.setattr(_row_blocks, "_LEAST_ROWS", 4096)
    x, intercept, coefficients, y = some("bernoulli", 10**6, 3)
    near = coefficients + np.float32(2**-12)

    @jax.jit
    def in_two(x, y, b):
        b = jnp.append(b, intercept)[None]
        return _row_blocks.log_likelihood(_row_blocks.bernoulli_logits, x, y, b)

    @jax.jit
    def plainly(x, y, b):
        return dist.BernoulliLogits(x @ b + intercept).log_prob(y).sum()

    pairs = [
        np.asarray(in_two(x, y.astype(np.float32), b)) for b in (coefficients, near)
    ]
    found = np.diff(np.array(pairs, float).sum((1, 2)))[0]
    plain = np.diff([float(plainly(x, y, b)) for b in (coefficients, near)])[0]
    expected = np.diff([exactly("bernoulli", x, y, b) for b in (coefficients, near)])[0]
    assert abs(found - expected) < 1e-3
    assert abs(plain - expected) > 1e-2


def test_rare_events_keep_their_digits():
    x = np.ones((5000, 1), np.float32)
    d = dist.BernoulliLogitsGLM(x, 0.0, np.array([-18.0], np.float32))
    expected = -5000 * np.log1p(np.exp(-18.0))
    np.testing.assert_allclose(d.log_prob(np.zeros(5000)), expected, rtol=1e-6)
    sure = dist.BernoulliLogitsGLM(x, 0.0, np.array([1e4], np.float32))
    assert sure.log_prob(np.ones(5000)) == 0
    np.testing.assert_allclose(sure.log_prob(np.zeros(5000)), -5e7, rtol=1e-6)


# --- cost -----------------------------------------------------------------------------


def shapes_in(jaxpr):
    """The shapes of all that a program computes, inside of loops as well."""
    found = {v.aval.shape for e in jaxpr.eqns for v in e.outvars}
    for equation in jaxpr.eqns:
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                found |= shapes_in(inner)
    return found


@ALL
@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_has_rows_times_chains(family, layout):
    rows, chains, columns = 1000, 37, 4
    x, _, _, y = some(family, rows, columns)
    in_axes, out_axes = LAYOUTS[layout]

    def gradients(x, y, points):
        f = jax.value_and_grad(both(family, x, y)[0])
        return jax.vmap(f, in_axes, out_axes)(points)

    points = np.zeros((chains, 5) if in_axes == 0 else (5, chains), np.float32)
    shapes = shapes_in(jax.make_jaxpr(gradients)(x, y, points).jaxpr)
    sizes = sorted(np.prod(shape) for shape in shapes)
    assert (chains, 1, 128) in shapes  # the predictor of a block: a matrix product
    assert sizes[-1] == chains * 128
    assert not any(chains in s and columns in s and 128 in s for s in shapes)


# --- mistakes -------------------------------------------------------------------------

X = np.ones((6, 2), np.float32)
MISTAKES = [
    (
        lambda: dist.PoissonLogGLM(X[:, 0], 0.0, [1.0]),
        r"x must be a matrix.*x\[:, None",
    ),
    (
        lambda: dist.BernoulliLogitsGLM(X, 0.0, np.ones(3)),
        r"x of shape \(6, 2\) has 2 columns, but coefficients of shape \(3,\) has 3",
    ),
    (
        lambda: dist.BernoulliLogitsGLM(X, 0.0, 1.0),
        r"shape \(\).*one coefficient a col",
    ),
    (
        lambda: dist.NormalGLM(X, 0.0, np.ones(2), 1.0).log_prob(np.ones(5)),
        r"x of shape \(6, 2\) has 6 rows, but outcomes of shape \(5,\)",
    ),
    (
        lambda: dist.NormalGLM(X, 0.0, np.ones(2), 1.0).mask(np.ones(6, bool)),
        "all rows of NormalGLM are one event.*elementwise",
    ),
    (
        lambda: dist.NormalGLM(np.where(X > 0, np.nan, X), 0.0, np.ones(2), 1.0),
        r"NormalGLM.x\[0, 0\] = nan \(12 of 12 wrong\)",
    ),
    (
        lambda: dist.NormalGLM(X, 0.0, np.ones(2), np.array([1.0, -2.0])),
        r"NormalGLM.scale\[1\] = -2.0",
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistakes_are_explained(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()


def test_mistakes_in_a_model_name_the_site():
    def model(x, y):
        b = ppl.sample("b", dist.Normal(0, 1).expand([2]).to_event(1))
        ppl.sample("y", dist.BernoulliLogitsGLM(x, 0.0, b), obs=y)

    run = partial(ppl.fit, model, seed=0, chains=2, warmup=20, draws=20)
    bad = X.copy()
    bad[4, 1] = np.nan
    with pytest.raises(PPLError, match=r"site 'y'.*x\[4, 1\] = nan"):
        run(bad, np.ones(6))
    with pytest.raises(PPLError, match=r"site 'y'.*y\[2\] = 2"):
        run(X, np.array([0, 1, 2, 0, 1, 1]))
    with pytest.raises(PPLError, match=r"site 'y'.*\(5,\)"):
        run(X, np.ones(5))


@ALL
def test_moments_are_those_of_the_rows(family):
    x, intercept, coefficients, _ = some(family, 30)
    ours, rows = (make(x, intercept, coefficients) for make in FAMILIES[family])
    rows = rows.to_event(1)
    for name in ("mean", "variance", "mode"):
        assert_close(getattr(ours, name), getattr(rows, name), 1e-5)
    assert_close(ours.entropy(), rows.entropy(), 1e-5)


# --- in a model -----------------------------------------------------------------------


def test_a_mask_switches_a_member_off():
    x, intercept, coefficients, y = some("bernoulli", 150)
    d = dist.BernoulliLogitsGLM(x, np.array([0.0, intercept]), coefficients)
    found = d.mask(np.array([False, True])).log_prob(y)
    assert found[0] == 0
    assert found[1] == d.log_prob(y)[1]
    assert d.mask(mask=False).log_prob(y).tolist() == [0, 0]


@pytest.mark.parametrize("family", ["bernoulli", "normal"])
def test_a_fit_is_that_of_the_rows(family):
    x, _, _, y = some(family, 400, 3)

    def model(x, y, make):
        intercept = ppl.sample("intercept", dist.Normal(0, 2))
        b = ppl.sample("b", dist.Normal(0, 1).expand([3]).to_event(1))
        ppl.sample("y", make(x, intercept, b), obs=y)

    ours, elementwise = FAMILIES[family]
    rows = lambda *args: elementwise(*args).to_event(1)  # noqa: E731
    fits = [
        ppl.fit(partial(model, make=make), x, y, seed=k, chains=8, progress=False)
        for k, make in enumerate((ours, rows))
    ]
    for name in ("intercept", "b"):
        a, b = (np.asarray(f[name], float).reshape(8000, -1) for f in fits)
        assert_close(a.mean(0), b.mean(0), 0.1 * b.std(0).max())
        assert_close(a.std(0) / b.std(0), np.ones(a.shape[1]), 0.05)
