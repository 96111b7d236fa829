"""Mistakes in data and parameters: none is silent, each error names what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import ppl.distributions as dist
from ppl import factor, handlers, sample
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    ParameterError,
    SupportError,
)
from tests.mistakes import Mistake, Table, assert_named, check

MISTAKES = Table()
expect = MISTAKES.expect


def normal(name="x", loc=0.0, scale=1.0):
    return sample(name, dist.Normal(loc, scale))


def observe(fn, value):
    """A model with a latent `x` and data `y`, given as an argument."""

    def model(y):
        normal()
        sample("y", fn, obs=y)

    check(model, value)


# --- values outside the support -------------------------------------------------------


@expect(9, SupportError, "1 of 4 values", "Gamma", "y[1] = -1, must be > 0", site="y")
def negative_gamma():
    observe(dist.Gamma(2.0, 1.0), np.array([1.0, -1.0, 2.0, 3.0]))


@expect(9, SupportError, "values outside the support", "y = -1, must be > 0", site="y")
def negative_gamma_scalar():
    observe(dist.Gamma(2.0, 1.0), -1.0)


@expect(9, SupportError, "y[1, 0] = -1, must be > 0", site="y")
def negative_in_an_event():
    observe(dist.Gamma(jnp.ones(2), 1.0).to_event(1), np.array([[1.0, 2.0], [-1, 1]]))


@expect(10, SupportError, "y[0] = -1, must be an integer >= 0", site="y")
def negative_count():
    observe(dist.Poisson(3.0), np.array([-1, 2]))


@expect(11, SupportError, "y[1] = 1.5, must be an integer", site="y")
def fractional_count():
    observe(dist.Poisson(3.0), np.array([1.0, 1.5]))


@expect(12, SupportError, "y[1] = 5, must be an integer in [0, 2]", site="y")
def category_too_high():
    observe(dist.Categorical(probs=jnp.ones(3) / 3), np.array([1, 5]))


@expect(13, SupportError, "y[1] = 2, must be 0 or 1", site="y")
def bernoulli_two():
    observe(dist.Bernoulli(0.5), np.array([1, 2]))


@expect(14, SupportError, "y[1] = 4, must be an integer in [0, 3]", site="y")
def more_successes_than_trials():
    def model(n, y):
        sample("y", dist.Binomial(n, logits=normal()), obs=y)

    check(model, np.array([9, 3, 5]), np.array([4, 4, 4]))


@expect(9, SupportError, "1 of 2 values", "y[1] =", "sum to 1", site="y")
def shares_that_do_not_sum_to_one():
    y = np.array([[0.5, 0.5], [0.5, 0.6]])
    observe(dist.Dirichlet(jnp.ones(2)), y)


@expect(9, SupportError, "y = -1, must be > 0", site="y")
def conditioned_outside():
    def model():
        normal()
        sample("y", dist.Exponential(1.0))

    check(handlers.condition(model, {"y": -1.0}))


@expect(9, SupportError, "s = -1, must be > 0", site="s")
def substituted_outside():
    def model():
        normal(loc=sample("s", dist.Exponential(1.0)))

    check(handlers.substitute(model, {"s": -1.0}))


# --- parameters -----------------------------------------------------------------------


@expect(15, ParameterError, "Normal.scale = -1", "must be > 0", site="x")
def negative_scale():
    check(lambda: normal(scale=-1.0))


@expect(15, ParameterError, "Normal.scale[1] = -2", "1 of 2 wrong", site="y")
def negative_scale_in_the_data():
    def model(y, sd):
        sample("y", dist.Normal(normal(), sd), obs=y)

    check(model, np.zeros(2), np.array([1.0, -2.0]))


@expect(16, ParameterError, "Normal.scale[0] = -", "broken at 3 of 8", site="y")
def negative_scale_from_a_latent():
    check(lambda y: sample("y", dist.Normal(0.0, normal()), obs=y), np.zeros(3))


@expect(17, ParameterError, "Normal.scale = 0", "must be > 0", site="x")
def zero_scale():
    check(lambda: normal(scale=0.0))


@expect(17, ParameterError, "Normal.scale[2] = 0", site="y")
def zero_scale_in_the_data():
    def model(y, sd):
        sample("y", dist.Normal(normal(), sd), obs=y)

    check(model, np.zeros(3), np.array([1.0, 1.0, 0.0]))


@expect(18, ParameterError, "Uniform.low = 2", "low must be < high", site="x")
def uniform_upside_down():
    check(lambda: sample("x", dist.Uniform(2.0, 1.0)))


@expect(18, ParameterError, "low must be < high", "of 8 trial points", site="u")
def uniform_upside_down_at_times():
    check(lambda: sample("u", dist.Uniform(0.0, normal())))


@expect(19, ParameterError, "low", "must be < high", site="x")
def truncation_upside_down():
    def model():
        sample("x", dist.TruncatedNormal(normal("m"), 1.0, low=2.0, high=1.0))

    check(model)


@expect(34, ArgumentTypeError, "ImproperUniform cannot be sampled", "proper prior")
def draws_of_an_improper_prior():
    flat = dist.ImproperUniform(dist.constraints.real, (), ())
    handlers.seed(lambda: sample("x", flat), 0)()


@expect(50, ArgumentError, "draws of Poisson(rate=5e+09)", "do not fit", "x64")
def counts_beyond_integers():
    dist.Poisson(5e9).sample(jax.random.key(0))


COVARIANCE = np.array([[1.0, 2.0], [2.0, 1.0]])
LOPSIDED = np.array([[1.0, 0.5], [0.0, 1.0]])


@expect(20, ParameterError, "not positive definite", "smallest eigenvalue -1")
def indefinite_covariance():
    check(lambda: sample("x", dist.MultivariateNormal(jnp.zeros(2), COVARIANCE)))


@expect(20, ParameterError, "not positive definite", site="y")
def indefinite_covariance_in_the_data():
    def model(y, cov):
        x = normal()
        sample("y", dist.MultivariateNormal(jnp.full(2, x), cov), obs=y)

    check(model, np.zeros(2), COVARIANCE)


@expect(21, ParameterError, "largest asymmetry 0.5", "[0, 1]")
def lopsided_covariance():
    check(lambda: sample("x", dist.MultivariateNormal(jnp.zeros(2), LOPSIDED)))


@expect(22, ParameterError, "Dirichlet.concentration", "must be > 0", site="x")
def negative_concentration():
    check(lambda: sample("x", dist.Dirichlet(np.array([1.0, -1.0]))))


@expect(23, ParameterError, "CategoricalProbs.probs", "sum to 1", site="y")
def probabilities_that_sum_to_too_much():
    def model(y, p):
        normal()
        sample("y", dist.Categorical(probs=p), obs=y)

    check(model, np.array([0, 1]), np.array([0.5, 0.6]))


@expect(15, ParameterError, "Normal.loc[1] = nan", "argument 'X' has 1 NaN", site="y")
def nan_in_a_covariate():
    def model(X, y=None):
        sample("y", dist.Normal(X * normal(), 1.0), obs=y)

    check(model, np.array([1.0, np.nan]), y=np.zeros(2))


# --- data -----------------------------------------------------------------------------


@expect(40, SupportError, "1 of 2 values NaN", "y[1]", "For missing data", site="y")
def nan_in_data():
    observe(dist.Normal(0.0, 1.0), np.array([1.0, np.nan]))


@expect(40, SupportError, "1 of 2 values NaN", "y[1]", site="y")
def nan_in_closed_over_data():
    y = np.array([1.0, np.nan])
    check(lambda: sample("y", dist.Normal(normal(), 1.0), obs=y))


@expect(40, SupportError, "1 of 2 values NaN", "y[1]", site="y")
def nan_in_data_of_moving_support():
    def model(y):
        sample("y", dist.Uniform(0.0, jnp.exp(normal()) + 9.0), obs=y)

    check(model, np.array([1.0, np.nan]))


@expect(41, SupportError, "1 of 3 values infinite", "y[0] = inf", site="y")
def infinite_data():
    observe(dist.Normal(0.0, 1.0), np.array([np.inf, 0.0, 1.0]))


@expect(43, ArgumentTypeError, "dtype <U1 is not numeric", "Encode labels")
def text_as_an_argument():
    observe(dist.Normal(0.0, 1.0), np.array(["a", "b"]))


@expect(43, ModelError, "dtype <U1 is not numeric", site="y")
def text_closed_over():
    check(lambda: (normal(), sample("y", dist.Normal(0.0, 1.0), obs=["a", "b"])))


@expect(46, SupportError, "1 of 3 values NaN", "y[1]", "For missing data", site="y")
def nullable_integers():
    observe(dist.Poisson(3.0), pd.Series([1, None, 3], dtype="Int64"))


@expect(46, SupportError, "1 of 3 values NaN", "y[1]", site="y")
def masked_array():
    data = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
    check(lambda: (normal(), sample("y", dist.Normal(0.0, 1.0), obs=data)))


@expect(47, ModelError, "complex64", site="y")
def complex_data():
    observe(dist.Normal(0.0, 1.0), np.array([1 + 2j], np.complex64))


@expect(48, ModelError, "y: value 3000000000 does not fit int32", "x64")
def large_integers():
    def model(y):
        sample("y", dist.Poisson(jnp.exp(normal())), obs=y)

    check(model, y=np.array([1, 3_000_000_000]))


@expect(48, ModelError, "3000000000 does not fit int32", "x64", site="y")
def large_integers_closed_over():
    y = np.array([1, 3_000_000_000])
    check(lambda: sample("y", dist.Poisson(jnp.exp(normal())), obs=y))


# --- log densities --------------------------------------------------------------------


@expect(56, ModelError, "log factor is NaN at all 8 trial points", site="f")
def nan_factor():
    check(lambda: factor("f", jnp.sqrt(-1.0 - normal() ** 2)))


@expect(58, ModelError, "log factor is +inf at 8 of 8", site="f")
def infinite_factor():
    check(lambda: factor("f", jnp.exp(100.0 + 0 * normal())))


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_mistake_is_named(mistake: Mistake):
    assert_named(mistake)
