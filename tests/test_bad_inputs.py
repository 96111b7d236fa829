"""Mistakes in models and data: none is silent, and each error names what is wrong."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import ppl.distributions as dist
from ppl import deterministic, factor, handlers, param, plate, prng_key, sample
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ControlFlowError,
    DuplicateSiteError,
    LeakedSiteError,
    ModelError,
    NothingToSampleError,
    ParameterError,
    RandomnessError,
    ShapeError,
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


# --- structure ------------------------------------------------------------------------


@expect(1, DuplicateSiteError, "is already defined at test_bad_inputs.py:", site="x")
def duplicate_name():
    check(lambda: (normal(), normal()))


@expect(2, DuplicateSiteError, "already defined", site="x")
def deterministic_takes_a_name():
    check(lambda: deterministic("x", normal() + 1))


@expect(3, ShapeError, "batch shape (4,)", "plate 'N' (size 5, dim -1)", site="x")
def parameters_do_not_fit_plate():
    def model():
        with plate("N", 5):
            normal(loc=jnp.zeros(4))

    check(model)


@expect(4, ShapeError, "shape (4,), expected (5,)", "plate 'N' (size 5", site="y")
def data_do_not_fit_plate():
    def model(y):
        x = normal()
        with plate("N", 5):
            sample("y", dist.Normal(x, 1.0), obs=y)

    check(model, np.zeros(4))


@expect(5, ShapeError, "broadcast to (4, 4)", "value.squeeze(-1)", site="y")
def data_with_a_dim_too_many():
    def model(y):
        x = sample("x", dist.Normal(jnp.zeros(4), 1.0).to_event(1))
        sample("y", dist.Normal(x, 1.0), obs=y)

    check(model, np.zeros((4, 1)))


@expect(6, ModelError, "plate 'N' is used with sizes 5", "and 6", "test_bad_inputs.py")
def plate_with_two_sizes():
    def model():
        with plate("N", 5):
            normal("a")
        with plate("N", 6):
            normal("b")

    check(model)


@expect(7, ModelError, "plates 'A' and 'B' both use dim -1")
def two_plates_on_one_dim():
    def model():
        with plate("A", 3, dim=-1), plate("B", 3, dim=-1):
            normal()

    check(model)


@expect(8, ShapeError, "(3,)", "plate 'N' (size 4", "to_event", site="y")
def event_dim_taken_for_a_plate():
    def model(y):
        x = sample("x", dist.Normal(jnp.zeros(3), 1.0).to_event(1))
        with plate("N", 4):
            sample("y", dist.Normal(x, 1.0), obs=y)

    check(model, np.zeros((4, 3)))


@expect(31, ModelError, "is a param", "samples only sample sites", site="p")
def param_in_mcmc():
    check(lambda: normal(loc=param("p", 0.5)))


@expect(32, ModelError, "Poisson is discrete", "Sum it out", site="k")
def poisson_latent():
    check(lambda: sample("k", dist.Poisson(3.0)))


@expect(33, ModelError, "Bernoulli", "is discrete", "Sum it out", site="z")
def bernoulli_latent():
    check(lambda: (normal(), sample("z", dist.Bernoulli(0.3))))


@expect(59, NothingToSampleError, "no latent site", "'y'")
def nothing_to_sample():
    check(lambda y: sample("y", dist.Normal(0.0, 1.0), obs=y), np.zeros(3))


@expect(59, NothingToSampleError, "all latent sites are empty", site="x")
def only_empty_sites():
    def model():
        with plate("N", 0):
            normal()

    check(model)


@expect(36, ArgumentError, "subsample_size 10 > size 5")
def subsample_larger_than_plate():
    plate("N", 5, subsample_size=10)


@expect(36, ModelError, "plate 'N' uses 2 of its 5 members", "MCMC needs all")
def subsample_in_mcmc():
    def model(y):
        x = normal()
        with plate("N", 5, subsample_size=2) as index:
            sample("y", dist.Normal(x, 1.0), obs=y[index])

    check(model, np.zeros(5))


@expect(36, ModelError, "plate 'N' uses 2 of its 5 members", "MCMC needs all")
def seeded_subsample_in_mcmc():
    def model(y):
        x = normal()
        with plate("N", 5, subsample_size=2) as index:
            sample("y", dist.Normal(x, 1.0), obs=y[index])

    check(handlers.seed(model, 0), np.zeros(5))


@expect(38, ArgumentError, "plate 'N': size must be > 0, got -3")
def negative_plate_size():
    plate("N", -3)


@expect(39, ArgumentTypeError, "plate 'N': size must be an int, got 5.0")
def plate_size_as_float():
    plate("N", 5.0)


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


# --- randomness and control flow ------------------------------------------------------


@expect(24, RandomnessError, "needs randomness", "handlers.seed", site="x", bare=True)
def no_key():
    handlers.trace(lambda: normal()).get_trace()


@expect(26, RandomnessError, "prng_key()", "handlers.seed")
def no_key_for_prng_key():
    check(lambda: normal(loc=jax.random.normal(prng_key())))


@expect(27, LeakedSiteError, "inside jax.jit", "handlers cannot see", site="x")
def statement_under_jit():
    @jax.jit
    def model():
        return normal()

    check(model)


@expect(28, LeakedSiteError, "inside jax.jit, vmap", "ppl.plate", site="x")
def statement_under_vmap():
    check(lambda y: jax.vmap(lambda a: normal(loc=a))(y), np.zeros(3))


@expect(29, LeakedSiteError, "scan", site="x")
def statement_under_scan():
    check(lambda y: jax.lax.scan(lambda c, a: (c, normal(loc=a)), 0.0, y), np.zeros(3))


@expect(30, ControlFlowError, "looks at a random value", "jnp.where", site="x")
def if_on_a_latent():
    def model():
        x = normal()
        normal("z", loc=1.0 if x > 0 else -1.0)

    check(model)


@expect(30, ControlFlowError, "looks at a random value", site="x")
def numpy_on_a_latent():
    check(lambda: normal("z", loc=np.exp(np.asarray(normal()))))


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


@expect(60, ArgumentTypeError, "without its argument 'y'", "Pass it as y=")
def missing_argument():
    def model(x, y):
        sample("y", dist.Normal(normal(), 1.0), obs=y)

    check(model, 1.0)


@expect(60, ArgumentTypeError, "without its argument 'y'", "Pass it as y=")
def missing_argument_under_a_handler():
    def model(y):
        sample("y", dist.Normal(normal(), 1.0), obs=y)

    check(handlers.scale(model, scale=2.0))


@expect(60, ArgumentTypeError, "unknown argument", "'yy'", "Did you mean 'y'?")
def mistyped_argument():
    def model(y=None):
        sample("y", dist.Normal(normal(), 1.0), obs=y)

    check(model, yy=1.0)


# --- models that change ---------------------------------------------------------------


@expect(68, ModelError, "changes from call to call", "np.random", site="x")
def numpy_random_in_the_model():
    check(lambda: normal(loc=np.random.normal()))


@expect(68, ModelError, "changes from call to call", "(1,), then", "(2,)", site="x")
def shape_that_changes():
    counter = itertools.count(1)
    check(lambda: normal(loc=jnp.zeros(next(counter))))


@expect(68, ModelError, "changes from call to call", "site 'x0' is there", site="x0")
def names_that_change():
    counter = itertools.count()
    check(lambda: normal(f"x{next(counter)}"))


@expect(68, ArgumentTypeError, "a site's name must be a string, got 3")
def number_as_a_name():
    check(lambda: normal(3))


@expect(68, ArgumentTypeError, "needs a distribution, got float", site="x")
def no_distribution():
    check(lambda: sample("x", 3.0))


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_mistake_is_named(mistake: Mistake):
    assert_named(mistake)
