"""Pathfinder on bare densities: closed forms, a dense recursion, SciPy, trouble."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import genpareto, multivariate_normal

from ppl._errors import EngineError
from ppl._psis import generalized_pareto, pareto_smoothed
from ppl._pytree import pytree
from ppl.infer.engine.evaluator import Evaluator, Points
from ppl.infer.engine.low_rank_normal import LowRankNormal, histories, updated
from ppl.infer.engine.pathfinder import draw, find_path, resample


def rng(seed=0):
    return np.random.default_rng(seed)


def on_host(logp, gradient):
    """What the engine asks of a target, from NumPy functions of (n, dim)."""

    def evaluate(positions):
        with np.errstate(all="ignore"):
            value, slope = logp(positions), gradient(positions)
        finite = np.isfinite(value) & np.isfinite(slope).all(axis=1)
        return Points(positions, np.where(finite, value, -np.inf), slope)

    return evaluate


def correlated(dim):
    """Mean and covariance of a normal with correlations of 0.9 and unequal scales."""
    spread = np.exp(rng(dim).normal(size=dim))
    covariance = np.where(np.eye(dim), 1.0, 0.9) * spread * spread[:, None]
    return 3 * rng(dim + 1).normal(size=dim), covariance


def normal_target(mean, covariance):
    known = multivariate_normal(mean, covariance)
    precision = np.linalg.inv(covariance)
    return on_host(
        lambda x: np.atleast_1d(known.logpdf(x)).reshape(len(x)),
        lambda x: -(x - mean) @ precision,
    )


# --- one path -------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 5, 40])
def test_normal_target_is_found(dim):
    """Mean and covariance in units of the scales. The log evidence is 0."""
    mean, covariance = correlated(dim)
    path = find_path(normal_target(mean, covariance), rng().uniform(-2, 2, dim), rng())
    spread = np.sqrt(np.diag(covariance))
    found = path.normal
    scaled = (found.covariance - covariance) / np.outer(spread, spread)
    assert np.abs((found.location - mean) / spread).max() < 0.02
    assert np.abs(scaled).max() < 0.05
    assert path.elbo == pytest.approx(0.0, abs=0.02)
    assert path.elbo == path.refined.max()


# --- correlated targets, and the peer -------------------------------------------------


@pytree
class Normal:
    """In 20 dimensions; neighbours, or all, have a correlation of 0.95."""

    precision: jax.Array

    @classmethod
    def of(cls, covariance):
        return cls(jnp.asarray(np.linalg.inv(covariance)))

    def __call__(self, position):
        _, log_det = jnp.linalg.slogdet(self.precision / (2 * jnp.pi))
        return 0.5 * (log_det - (position - 1) @ self.precision @ (position - 1))

    def value_and_grad(self, position):
        return jax.value_and_grad(self)(position)


@pytree
class Logistic:
    """A regression on 20 correlated columns."""

    x: jax.Array
    y: jax.Array

    def __call__(self, position):
        return (
            -jnp.logaddexp(0.0, -self.y * (self.x @ position)).sum()
            - position @ position / 8
        )

    def value_and_grad(self, position):
        return jax.value_and_grad(self)(position)


EVEN = np.where(np.eye(20), 1.0, 0.95)
APART = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))


def correlated_target(name):
    if name == "logistic":
        x = rng(1).multivariate_normal(np.zeros(20), EVEN, size=200)
        p = 1 / (1 + np.exp(-x @ rng(2).normal(size=20)))
        return Logistic(jnp.asarray(x), jnp.where(rng(3).random(200) < p, 1.0, -1.0))
    spread = np.exp(rng(4).normal(size=20))
    many = {
        "even": EVEN,
        "scaled": EVEN * np.outer(spread, spread),
        "chain": 0.95**APART,
    }
    return Normal.of(many[name])


MORE = ["even", "scaled", "logistic"]


def judged(target, drawn, logq):
    return float((jax.vmap(target)(jnp.asarray(drawn)) - logq).mean())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["even", "scaled", "chain"])
def test_correlated_normal_targets_are_found_in_either_precision(name, dtype, x64):
    """In float32 the climb ends before its steps have told of all directions."""
    target = correlated_target(name)
    evaluate = Evaluator(target, np.dtype(dtype))
    tolerance = max(float(np.finfo(dtype).eps), 1e-12)
    for start in range(3):
        begin = rng(start).uniform(-2, 2, 20)
        path = find_path(evaluate, begin, rng(9), tolerance=tolerance)
        drawn = path.normal.transform(rng(5).normal(size=(2000, 20)))
        assert judged(target, *drawn) == pytest.approx(0.0, abs=0.1)
        root = np.linalg.cholesky(np.asarray(target.precision))
        white = root.T @ path.normal.covariance @ root
        assert np.linalg.eigvalsh(white) == pytest.approx(np.ones(20), abs=0.6)
        assert root.T @ (path.normal.location - 1) == pytest.approx(
            np.zeros(20), abs=0.1
        )


@pytest.mark.parametrize(
    "name", ["chain"] + [pytest.param(n, marks=pytest.mark.slow) for n in MORE]
)
def test_the_approximation_is_no_worse_than_blackjaxs(name, x64):
    pytest.importorskip("blackjax")
    from blackjax.vi import pathfinder

    target = correlated_target(name)
    evaluate = Evaluator(target, np.dtype(np.float64))
    for start in range(2):
        begin = rng(start).uniform(-2, 2, 20)
        path = find_path(evaluate, begin, rng(9))
        ours = judged(target, *path.normal.transform(rng(5).normal(size=(2000, 20))))
        found, _ = pathfinder.approximate(
            jax.random.key(start), target, jnp.asarray(begin), maxiter=100, ftol=1e-12
        )
        drawn = pathfinder.sample(jax.random.key(5), found, 2000)
        assert ours > judged(target, *drawn) - 0.1


def test_beyond_500_coordinates_the_path_alone_tells():
    covariance = np.eye(501)
    path = find_path(normal_target(np.ones(501), covariance), np.zeros(501), rng())
    assert len(path.refined) == 1
    assert path.elbo == pytest.approx(0.0, abs=0.1)


def test_updates_are_those_of_bfgs():
    mean, covariance = correlated(6)
    precision = np.linalg.inv(covariance)
    values, vectors = np.linalg.eigh(precision)
    whole = updated(np.eye(6), vectors.T, vectors.T * values[:, None])
    assert whole == pytest.approx(covariance)  # conjugate steps tell all
    steps = rng().normal(size=(3, 6))
    dense = np.eye(6)
    for step in steps:
        left = np.eye(6) - np.outer(step, precision @ step) / (step @ precision @ step)
        dense = left @ dense @ left.T + np.outer(step, step) / (step @ precision @ step)
    assert updated(np.eye(6), steps, steps @ precision) == pytest.approx(dense)
    assert (updated(np.eye(6), steps, -steps) == np.eye(6)).all()


def test_little_memory_is_enough_for_a_few_stretched_directions():
    direction = rng(1).normal(size=(40, 2))
    covariance = np.eye(40) + 3 * direction @ direction.T
    target = normal_target(np.ones(40), covariance)
    path = find_path(target, rng().uniform(-2, 2, 40), rng(), elbo_draws=100)
    assert path.elbo > -0.5
    assert path.normal.covariance == pytest.approx(covariance, rel=0.2, abs=1.0)


def walk(dim, length):
    """Points of a path on a quadratic, and the gradients there."""
    mean, covariance = correlated(dim)
    points = np.cumsum(rng(3).normal(size=(length, dim)), axis=0)
    return points, -(points - mean) @ np.linalg.inv(covariance)


@pytest.mark.parametrize(("dim", "length"), [(1, 2), (3, 12), (30, 5), (30, 12)])
def test_inverse_hessian_is_that_of_dense_bfgs(dim, length):
    points, gradients = walk(dim, length)
    *_, last = histories(points, gradients, 6)
    dense = np.diag(last.diagonal)
    steps, changes = np.diff(points, axis=0)[-6:], -np.diff(gradients, axis=0)[-6:]
    for step, change in zip(steps, changes, strict=True):
        rho = 1 / (step @ change)
        left = np.eye(dim) - rho * np.outer(step, change)
        dense = left @ dense @ left.T + rho * np.outer(step, step)
    made = LowRankNormal.newton(points[-1], gradients[-1], last)
    size = np.abs(dense).max()
    assert made.covariance == pytest.approx(dense, rel=1e-6, abs=1e-7 * size)
    move = points[-1] + dense @ gradients[-1]
    assert made.location == pytest.approx(move, rel=1e-6, abs=1e-6)


def test_diagonal_is_that_of_a_scaled_bfgs_update():
    points, gradients = walk(6, 2)
    _, last = histories(points, gradients, 6)
    step, change = points[1] - points[0], gradients[0] - gradients[1]
    hessian = np.eye(6) * (change @ change) / (step @ change)
    pulled = hessian @ step
    hessian += np.outer(change, change) / (step @ change)
    hessian -= np.outer(pulled, pulled) / (step @ pulled)
    assert last.diagonal == pytest.approx(1 / np.diag(hessian))


def test_steps_without_curvature_are_forgotten():
    points = np.array([[0.0], [1.0], [2.0]])
    gradients = np.array([[0.0], [1.0], [0.5]])  # convex at first
    sizes = [len(history.steps) for history in histories(points, gradients, 6)]
    assert sizes == [0, 0, 1]


@pytest.mark.parametrize(("dim", "length"), [(1, 1), (1, 2), (4, 12), (30, 8)])
def test_log_density_of_an_approximation_is_scipys(dim, length):
    points, gradients = walk(dim, length)
    *_, last = histories(points, gradients, 6)
    normal = LowRankNormal.newton(points[-1], gradients[-1], last)
    drawn, logq = normal.transform(rng().normal(size=(7, dim)))
    known = multivariate_normal(normal.location, normal.covariance).logpdf(drawn)
    assert logq == pytest.approx(known, rel=1e-7)
    assert normal.log_prob(drawn) == pytest.approx(known, rel=1e-7)


def test_draws_have_the_covariance_of_their_approximation():
    points, gradients = walk(4, 12)
    *_, last = histories(points, gradients, 6)
    normal = LowRankNormal.newton(points[-1], gradients[-1], last)
    drawn, _ = normal.transform(rng().normal(size=(20_000, 4)))
    sizes = np.sqrt(np.diag(normal.covariance))
    off = (np.cov(drawn.T) - normal.covariance) / np.outer(sizes, sizes)
    assert np.abs(off).max() < 0.05  # five standard errors


# --- targets that make trouble --------------------------------------------------------

TROUBLE = {
    "flat": (lambda x: np.zeros(len(x)), np.zeros_like),
    "unbounded": (lambda x: x.sum(1), np.ones_like),
    "exploding": (lambda x: np.exp(x).sum(1), np.exp),
    "spike": (lambda x: -np.log(np.abs(x)).sum(1), lambda x: -1 / x),
    "wall": (
        lambda x: np.where((x > 0).all(1), np.log(x).sum(1) - 50 * x.sum(1), np.nan),
        lambda x: 1 / x - 50,
    ),
    "alone": (
        lambda x: np.where((x == 0.5).all(1), 0.0, -np.inf),
        lambda x: np.full_like(x, 3.0),
    ),
    "wrong gradient": (lambda x: -(x**2).sum(1), lambda x: 2 * x),
}


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_gives_a_path_all_the_same(name, dim):
    evaluate = on_host(*TROUBLE[name])
    path = find_path(evaluate, np.full(dim, 0.5), rng(), max_iterations=50)
    assert len(path.elbos) == len(path.points.logp) <= 51
    assert np.isfinite(path.points.position).all()
    assert np.isfinite(path.normal.location).all()
    drawn = resample(evaluate, [path], 3, rng())
    assert np.isfinite(evaluate(drawn).logp).all()


def test_a_path_begins_where_the_target_is_finite():
    no_gradient = on_host(lambda x: x.sum(1), lambda x: np.full_like(x, np.nan))
    with pytest.raises(EngineError, match="not finite where the path begins"):
        find_path(no_gradient, np.zeros(2), rng())


def test_a_start_at_the_mode_is_a_path_of_one_point():
    mean, covariance = correlated(3)
    path = find_path(normal_target(mean, covariance), mean, rng())
    assert len(path.elbos) == 1
    assert path.normal.location == pytest.approx(mean)


def test_a_steep_start_sends_no_draws_far_away():
    """There a density may be anything: here it is far above that of the mode."""
    far = on_host(
        lambda x: np.where(np.abs(x) > 1e3, np.abs(x), -1e4 * x**2).sum(1),
        lambda x: np.where(np.abs(x) > 1e3, np.sign(x), -2e4 * x),
    )
    path = find_path(far, np.full(2, 1.5), rng())
    assert path.elbo == pytest.approx(np.log(np.pi / 1e4), abs=0.1)


def test_a_wall_does_not_end_the_climb():
    """The first steps from far away lead out of the support."""
    path = find_path(on_host(*TROUBLE["wall"]), np.full(2, 0.5), rng())
    assert path.points.position[-1] == pytest.approx(np.full(2, 0.02), rel=1e-3)


# --- many paths -----------------------------------------------------------------------


def two_modes(x):
    """A mode at 8, and one at -2 that has 40 nats less."""
    return jnp.logaddexp(-0.5 * (x - 8) ** 2, -40 - 0.5 * (x + 2) ** 2).sum()


@pytest.fixture(scope="module")
def climbs():
    class Modes:
        def value_and_grad(self, position):
            return jax.value_and_grad(two_modes)(position)

    jax.tree_util.register_static(Modes)
    evaluate = Evaluator(Modes(), np.dtype(np.float32))
    begin = np.linspace(-2, 2, 8)[:, None]
    return evaluate, [find_path(evaluate, x, rng(i)) for i, x in enumerate(begin)]


def test_paths_find_either_mode(climbs):
    _, paths = climbs
    ends = [path.normal.location[0] for path in paths]
    assert {end > 3 for end in ends} == {False, True}


@pytest.mark.parametrize("count", [4, 100, 1500])
def test_nothing_comes_from_a_mode_without_mass(climbs, count):
    evaluate, paths = climbs
    drawn = resample(evaluate, paths, count, rng())
    assert len(np.unique(drawn)) == len(drawn) == count
    assert drawn.min() > 3
    assert drawn.mean() == pytest.approx(8, abs=5 / np.sqrt(count))
    if count >= 100:
        assert drawn.std() == pytest.approx(1, abs=0.35)


def test_weights_are_against_the_mixture(climbs):
    evaluate, paths = climbs
    counts = np.arange(1, 9)
    normals = [path.normal for path in paths]
    drawn = draw(evaluate, normals, counts, rng())
    each = np.stack(
        [
            multivariate_normal(n.location, n.covariance).pdf(drawn.position)
            for n in normals
        ]
    )
    assert np.bincount(drawn.path).tolist() == counts.tolist()
    assert np.exp(drawn.logq) == pytest.approx(counts @ each / counts.sum(), rel=1e-4)


def test_importance_weights_are_smoothed():
    log_ratios = 3 * rng().standard_t(3, size=1000)
    log_ratios[7] = -np.inf
    log_weights, shape = pareto_smoothed(log_ratios)
    assert np.exp(log_weights).sum() == pytest.approx(1)
    assert shape > 0.7
    assert log_weights[7] == -np.inf
    order = np.argsort(log_ratios)
    assert (np.diff(log_weights[order][1:]) >= 0).all()
    plain = np.exp(log_ratios - log_ratios.max())
    assert np.exp(log_weights).max() < (plain / plain.sum()).max()


@pytest.mark.parametrize("shape", [-0.3, 0.2, 0.9])
def test_pareto_tail_is_fitted(shape):
    drawn = np.sort(genpareto.rvs(shape, scale=2.0, size=20_000, random_state=0))
    assert generalized_pareto(drawn) == pytest.approx((shape, 2.0), abs=0.08)


def test_shape_of_a_short_tail_is_drawn_towards_a_half():
    """With the weight of ten draws: 40 of an exponential tail give 0.5 · 10 / 50."""
    level = (np.arange(40) + 0.5) / 40
    shape, _ = generalized_pareto(genpareto.ppf(level, 0.0))
    assert 0.1 < shape < 0.2
