"""Mistakes in models: none is silent, and each error names what is wrong."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl import deterministic, handlers, param, plate, prng_key, sample
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ControlFlowError,
    DuplicateSiteError,
    LeakedSiteError,
    ModelError,
    NothingToSampleError,
    RandomnessError,
    ShapeError,
)
from tests.mistakes import Mistake, Table, assert_named, check

MISTAKES = Table()
expect = MISTAKES.expect


def normal(name="x", loc=0.0, scale=1.0):
    return sample(name, dist.Normal(loc, scale))


# --- structure ------------------------------------------------------------------------


@expect(1, DuplicateSiteError, "is already defined at test_bad_models.py:", site="x")
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


@expect(6, ModelError, "plate 'N' is used with sizes 5", "and 6", "test_bad_models.py")
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


# --- randomness and control flow ------------------------------------------------------


@expect(24, RandomnessError, "needs randomness", "handlers.seed", site="x", bare=True)
def no_key():
    handlers.trace(lambda: normal()).get_trace()


@expect(26, RandomnessError, "prng_key()", "handlers.seed")
def no_key_for_prng_key():
    check(lambda: normal(loc=jax.random.normal(prng_key())))


@expect(27, LeakedSiteError, "inside jax.jit", "handlers cannot see")
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


# --- arguments ------------------------------------------------------------------------


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
