"""Newton steps, curvatures and matrix-free draws on bare targets: closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import rosen_hess
from scipy.stats import multivariate_normal

from ppl._errors import EngineError
from ppl._pytree import pytree, static
from ppl.infer.engine.curvature import (
    Curvature,
    balanced_noise,
    matrix_free_draws,
    normal_draws,
)
from ppl.infer.engine.dadvi import FixedBound
from ppl.infer.engine.evaluator import Evaluator
from ppl.infer.engine.newton import climb

pytestmark = pytest.mark.usefixtures("x64")


@pytree
class Target:
    """A density from a function of the data and the position."""

    data: jax.Array
    fn: object = static()

    def value_and_grad(self, position):
        return jax.value_and_grad(self.fn, argnums=1)(self.data, position)


def _normal(data, x):
    mean, precision = data[0], data[1:]
    return -0.5 * (x - mean) @ precision @ (x - mean)


def _rosen(data, x):
    return -(data * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def _hat(_, x):
    """Not concave but near its top."""
    return -jnp.log1p((x**2).sum())


def _walled(data, x):
    """Nothing below zero, and NaN there."""
    return (jnp.log(x) * 3 - data * x).sum()


def _rising(_, x):
    return x.sum()


ROSEN = Target(np.float64(100.0), _rosen)


def correlated(dim, spread=1.0):
    rng = np.random.default_rng(dim)
    scale = np.exp(spread * rng.normal(size=dim))
    covariance = np.where(np.eye(dim), 1.0, 0.8) * scale * scale[:, None]
    mean = rng.normal(size=dim)
    target = Target(np.concatenate([mean[None], np.linalg.inv(covariance)]), _normal)
    return mean, covariance, target


def climbed(target, start, scale=1.0, **options):
    start = np.asarray(start, float)
    evaluate = Evaluator(target, np.dtype(np.float64))
    return climb(evaluate, start, lambda x: np.full(len(x), scale), **options)


@pytest.mark.parametrize("dim", [1, 5, 40])
def test_normal_is_climbed_to_its_mean(dim):
    mean, covariance, target = correlated(dim)
    found = climbed(target, np.zeros(dim))
    assert found.converged
    sds = np.sqrt(np.diag(covariance))
    assert found.position / sds == pytest.approx(mean / sds, abs=1e-4)
    assert found.logp == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("target", "start", "top"),
    [
        (ROSEN, [-1.2, 1.0], 1.0),
        (ROSEN, [0.2, 1.0, 3.0, -2.0, 0.5], 1.0),
        (Target(np.float64(0), _hat), [20.0, -3.0], 0.0),
        (Target(np.array([2.0, 500.0]), _walled), [1e-3, 5.0], [1.5, 0.006]),
    ],
)
def test_crooked_ways_are_climbed(target, start, top):
    found = climbed(target, start)
    assert found.converged
    assert found.gain < 1e-9
    expected = np.broadcast_to(top, len(start))
    assert found.position == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_what_rises_for_ever_does_not_converge():
    found = climbed(Target(np.float64(0), _rising), [0.0, 0.0], max_steps=15)
    assert not found.converged
    assert found.steps == 15
    assert found.logp > 1e3


def test_a_climb_begins_where_the_target_is_finite():
    with pytest.raises(EngineError, match="not finite at the start"):
        climbed(Target(np.float64(1), _walled), [-1.0])


def test_hessian_is_scipys():
    x = np.linspace(-1, 1, 40)
    dense = Curvature(ROSEN, x).dense()
    assert dense == pytest.approx(rosen_hess(x), abs=1e-9)
    vectors = np.random.default_rng(0).normal(size=(3, 40))
    assert Curvature(ROSEN, x)(vectors) == pytest.approx(vectors @ dense)
    assert Curvature(ROSEN, x)(vectors[:1])[0] == pytest.approx(vectors[0] @ dense)


@pytest.mark.parametrize(("count", "dim"), [(50, 3), (50, 25), (25, 25), (4, 9)])
def test_second_moments_of_balanced_noise_are_exact(count, dim):
    noise = balanced_noise(np.random.default_rng(0), count, dim)
    moments = noise.T @ noise / count
    assert np.diag(moments) == pytest.approx(np.ones(dim))
    if count >= dim:
        assert moments == pytest.approx(np.eye(dim), abs=1e-12)


@pytest.mark.parametrize("dim", [1, 4, 30])
def test_draws_without_a_matrix_are_those_of_the_normal(dim):
    mean, covariance, target = correlated(dim, spread=0.5)
    noise = balanced_noise(np.random.default_rng(0), 3 * dim, dim)
    drawn = matrix_free_draws(Curvature(target, mean), noise)
    known = multivariate_normal(mean, covariance)
    assert drawn.position.mean(axis=0) == pytest.approx(mean)
    found = np.cov(drawn.position.T, bias=True).reshape(dim, dim)
    assert found == pytest.approx(covariance, rel=1e-5, abs=1e-6)
    assert drawn.logq == pytest.approx(known.logpdf(drawn.position), abs=1e-4)
    assert drawn.log_det == pytest.approx(np.linalg.slogdet(covariance)[1], abs=1e-4)


def test_draws_without_a_matrix_in_many_dims():
    """1500 coordinates, most of them alike: a few steps of Lanczos are enough."""
    rng = np.random.default_rng(1)
    variances = np.where(np.arange(1500) < 5, 100.0, 1.0)
    precision = Target(1 / variances, lambda data, x: -0.5 * (data * x**2).sum())
    noise = balanced_noise(rng, 40, 1500)
    drawn = matrix_free_draws(Curvature(precision, np.zeros(1500)), noise)
    assert drawn.position[:40] == pytest.approx(noise * np.sqrt(variances), abs=1e-8)
    assert drawn.log_det == pytest.approx(np.log(variances).sum(), rel=0.02)


def test_draws_need_a_positive_definite_hessian():
    saddle = Target(np.array([1.0, -1.0]), lambda data, x: -0.5 * (data * x**2).sum())
    noise = balanced_noise(np.random.default_rng(0), 8, 2)
    with pytest.raises(np.linalg.LinAlgError):
        matrix_free_draws(Curvature(saddle, np.zeros(2)), noise)


@pytest.mark.parametrize("dim", [1, 6])
def test_draws_of_a_matrix_have_its_moments(dim):
    mean, covariance, _ = correlated(dim)
    noise = balanced_noise(np.random.default_rng(0), 3 * dim, dim)
    drawn = normal_draws(mean, covariance, noise)
    known = multivariate_normal(mean, covariance)
    assert np.cov(drawn.position.T, bias=True) == pytest.approx(covariance.squeeze())
    assert drawn.logq == pytest.approx(known.logpdf(drawn.position))
    apart = normal_draws(mean, np.diag(covariance), noise)
    known = multivariate_normal(mean, np.diag(np.diag(covariance)))
    assert apart.logq == pytest.approx(known.logpdf(apart.position))


def test_bound_on_fixed_draws_has_its_own_gradient():
    """Gradient and Hessian are those that JAX finds of the mean over the draws."""
    noise = np.random.default_rng(0).normal(size=(6, 3))
    evaluate = Evaluator(Target(np.float64(2.0), _rosen), np.dtype(float), 4)
    bound = FixedBound(evaluate, noise)
    at = np.random.default_rng(1).normal(size=6)

    def value(x):
        terms = [_rosen(2.0, x[:3] + jnp.exp(x[3:]) * z) for z in noise]
        return sum(terms) / len(terms) + x[3:].sum()

    found = bound(at[None])
    assert found.logp[0] == pytest.approx(float(value(at)))
    assert found.gradient[0] == pytest.approx(jax.jit(jax.grad(value))(at))
    hessian = -np.asarray(jax.jit(jax.hessian(value))(at))
    assert bound.curvature(at).dense() == pytest.approx(hessian)
    vectors = np.random.default_rng(2).normal(size=(2, 6))
    assert bound.curvature(at)(vectors) == pytest.approx(vectors @ hessian)


def test_mean_field_of_a_normal_is_exact():
    """Means as they are, variances the inverses of the precisions."""
    mean, covariance, target = correlated(4, spread=0.3)
    half = balanced_noise(np.random.default_rng(0), 20, 4)
    evaluate = Evaluator(target, np.dtype(float), alone=False)
    bound = FixedBound(evaluate, np.concatenate([half, -half]))
    found = climb(bound, np.zeros(8), lambda x: np.full(len(x), 0.3))
    assert found.converged
    assert found.position[:4] == pytest.approx(mean, abs=1e-5)
    variances = 1 / np.diag(np.linalg.inv(covariance))
    assert np.exp(2 * found.position[4:]) == pytest.approx(variances, rel=1e-4)
    response = np.linalg.inv(bound.curvature(found.position).dense())[:4, :4]
    assert response == pytest.approx(covariance, rel=1e-3)
