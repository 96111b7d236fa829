"""Laplace, Pathfinder, deterministic ADVI: what is refused, and in which words."""

import jax.numpy as jnp
import pytest

import ppl
import ppl.distributions as dist
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    OptimisationError,
    PPLError,
    StartingPointError,
)
from ppl.infer import dadvi, init_to_value, laplace, pathfinder
from tests.infer.models import SIGMA, Y, eight_schools_centred, gaussian

METHODS = [laplace, pathfinder, dadvi]
pytestmark = pytest.mark.filterwarnings("error")


def discrete(y):
    z = ppl.sample("z", dist.Bernoulli(0.5))
    ppl.sample("y", dist.Normal(z, 1), obs=y)


def flat():
    x = ppl.sample("x", dist.Normal(0, 1))
    u = ppl.sample("u", dist.ImproperUniform(dist.constraints.real, (), ()))
    ppl.factor("f", -((x - 1) ** 2) + 0 * u)


def never():
    x = ppl.sample("x", dist.Normal(0, 1))
    ppl.factor("f", jnp.where(x > 50, 0.0, -jnp.inf))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"draws": 0}, ArgumentError, r"draws must be >= 1, got 0"),
        ({"draws": 2.5}, ArgumentTypeError, r"draws must be an int"),
        ({"seed": "x"}, ArgumentTypeError, r"int or a JAX random key"),
        ({"init_strategy": 3}, ArgumentError, r"unknown init_strategy 3"),
    ],
)
def test_bad_settings_are_named(method, options, error, said):
    with pytest.raises(error, match=said):
        method(gaussian, Y, **options)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        (laplace, {"hessian": "exakt"}, r"hessian must be one of 'auto'.*'exakt'"),
        (laplace, {"climbs": 0}, r"climbs must be >= 1"),
        (pathfinder, {"paths": -1}, r"paths must be >= 1"),
        (pathfinder, {"elbo_draws": 0}, r"elbo_draws must be >= 1"),
        (dadvi, {"covariance": "full"}, r"covariance must be one of"),
        (dadvi, {"fixed_draws": 7}, r"fixed_draws must be even, got 7"),
        (dadvi, {"fixed_draws": 0}, r"fixed_draws must be >= 2"),
    ],
)
def test_bad_settings_of_one_method_are_named(method, options, said):
    with pytest.raises(ArgumentError, match=said):
        method(gaussian, Y, **options)


@pytest.mark.parametrize("method", METHODS)
def test_models_are_checked_first(method):
    with pytest.raises(PPLError, match="site 'z'"):
        method(discrete, 1.0)


def test_a_point_to_begin_at_is_needed():
    with pytest.raises(StartingPointError, match="site 'f'"):
        laplace(never, seed=0)


def test_a_density_without_a_mode_is_told_by_site():
    with pytest.raises(OptimisationError, match="site 'tau'.*non-centred"):
        laplace(eight_schools_centred, Y, SIGMA, seed=0, climbs=1)


@pytest.mark.filterwarnings("ignore::ppl.checks.ImproperPosteriorWarning")
def test_a_flat_direction_is_told_by_site():
    with pytest.raises(OptimisationError, match="site 'u'"):
        laplace(flat, seed=0)
    with pytest.raises(OptimisationError, match="no highest point"):
        laplace(flat, seed=0, hessian="matrix_free")


def test_climbs_begin_where_they_are_told():
    """Of two modes that are as high, the one that is nearer."""

    def modes():
        x = ppl.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
        ppl.factor("f", jnp.logaddexp(norm_at(x, 5.0), norm_at(x, -5.0)))

    def norm_at(x, mean):
        return -0.5 * ((x - mean) / 0.1) ** 2

    for side in (5.0, -5.0):
        begin = init_to_value(values={"x": side + 0.3})
        posterior = laplace(modes, seed=0, init_strategy=begin)
        assert posterior["x"].mean() == pytest.approx(side, abs=1e-3)
