"""Mistakes in what a run is asked for, and models that no chain can start in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl import factor, plate, sample
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ShapeError,
    StartingPointError,
    SupportError,
    UnknownNameError,
)
from ppl.checks import (
    EmptyDataWarning,
    ImproperPosteriorWarning,
    ResolutionWarning,
    check_values,
    checked,
    diagnose_start,
)
from ppl.infer import MCMC, NUTS, Predictive, init_to_value
from tests.mistakes import Mistake, Table, assert_named, check

MISTAKES = Table()
expect = MISTAKES.expect


def model(y=None):
    x = sample("x", dist.Normal(jnp.zeros(3), 1.0).to_event(1))
    scale = sample("scale", dist.Exponential(1.0))
    sample("y", dist.Normal(x, scale), obs=y)


Y = np.array([0.5, 1.0, -1.0])


def run(of=model, *args, key=0, init=None, num_samples=4, **sampler):
    nuts = NUTS(of, **sampler)
    kwargs = {"num_warmup": 4, "num_chains": 2, "progress_bar": False}
    mcmc = MCMC(nuts, num_samples=num_samples, **kwargs)
    mcmc.run(key, *(args or (Y,)), init_params=init)
    return mcmc


def start_at(**values):
    return init_to_value(values=values)


# --- what a run is asked for ----------------------------------------------------------


@expect(25, ArgumentTypeError, "rng_key must be an int or a JAX random key")
def text_as_a_key():
    run(key="0")


@expect(25, ArgumentTypeError, "rng_key must be an int or a JAX random key")
def float_as_a_seed():
    ppl.fit(model, Y, seed=1.5, progress=False)


@expect(61, ArgumentError, "num_samples", "must be >= 1, got 0")
def no_samples():
    run(num_samples=0)


@expect(61, ArgumentError, "num_samples", "must be >= 1, got -5")
def negative_samples():
    run(num_samples=-5)


@expect(61, ArgumentTypeError, "num_samples", "must be an int, got 10.0")
def samples_as_float():
    run(num_samples=10.0)


@expect(61, ArgumentError, "must be >= 1, got 0")
def no_chains():
    ppl.fit(model, Y, chains=0, progress=False)


@expect(62, ArgumentError, "target_accept_prob must be in (0, 1), got 1.5")
def acceptance_above_one():
    NUTS(model, target_accept_prob=1.5)


@expect(62, ArgumentError, "target_accept_prob must be in (0, 1), got nan")
def acceptance_nan():
    NUTS(model, target_accept_prob=float("nan"))


@expect(63, ArgumentError, "step_size must be > 0, got -0.1")
def negative_step_size():
    NUTS(model, step_size=-0.1)


@expect(63, ArgumentError, "max_tree_depth must be an int from 1", "got 0")
def no_tree_depth():
    NUTS(model, max_tree_depth=0)


@expect(64, UnknownNameError, "'enrgy'", "Did you mean 'energy'?")
def mistyped_field():
    settings = {"num_warmup": 4, "num_samples": 4, "progress_bar": False}
    MCMC(NUTS(model), **settings).run(0, Y, extra_fields=("enrgy",))


@expect(51, UnknownNameError, "'scal'", "Did you mean 'scale'?")
def mistyped_init_params():
    run(init={"x": np.zeros(3), "scal": 0.0})


@expect(52, UnknownNameError, "'scal'", "Did you mean 'scale'?")
def mistyped_init_to_value():
    run(init_strategy=start_at(scal=1.0))


@expect(53, ShapeError, "shape (2,), expected (3,)", site="x")
def init_params_of_wrong_shape():
    run(init={"x": np.zeros(2), "scale": 0.0})


@expect(53, ShapeError, "has no value in init_params", site="scale", bare=True)
def init_params_without_a_site():
    run(init={"x": np.zeros(3)})


@expect(53, ShapeError, "shape (2,), expected (3,)", site="x")
def init_to_value_of_wrong_shape():
    run(init_strategy=start_at(x=np.zeros(2)))


@expect(54, SupportError, "outside of its support", site="scale")
def init_outside_the_support():
    run(init_strategy=start_at(scale=-1.0))


@expect(55, SupportError, "not finite", site="scale")
def init_nan():
    run(init_strategy=start_at(scale=float("nan")))


@expect(55, SupportError, "not finite", site="x")
def init_params_nan():
    run(init={"x": np.array([0, np.nan, 0]), "scale": 0.0})


# --- what predictions are made of -----------------------------------------------------


def predict(**draws):
    scale = np.ones(10)
    Predictive(model, {"x": np.zeros((10, 3)), "scale": scale} | draws)(0)


@expect(66, UnknownNameError, "posterior_samples 'xx'", "known: x, scale, y")
def mistyped_site_among_the_draws():
    predict(xx=np.zeros((10, 3)))


@expect(66, UnknownNameError, "return_sites 'yy'")
def mistyped_site_to_return():
    Predictive(model, num_samples=2, return_sites=["yy"])(0)


@expect(67, ShapeError, "shape (10, 4)", "the site has (3,)", site="x")
def draws_of_another_event_shape():
    predict(x=np.zeros((10, 4)))


@expect(67, ShapeError, "shape (10,)", "the site has (3,)", site="x")
def draws_of_a_number_for_a_vector():
    predict(x=np.zeros(10))


@expect(67, ShapeError, "has (9,) draws, and site", "(10,)", site="scale")
def sites_with_differing_numbers_of_draws():
    predict(scale=np.ones(9))


# --- no starting point ----------------------------------------------------------------


@expect(
    56, StartingPointError, "2 of 2 values outside the support of Uniform", site="y"
)
def data_far_from_all_starting_points():
    def bounded(y):
        sample("y", dist.Uniform(0.0, sample("top", dist.LogNormal())), obs=y)

    run(bounded, np.array([200.0, 300.0]))


def kinked():
    x = sample("x", dist.Normal(0.0, 1.0))
    factor("f", jnp.where(x > 100, jnp.sqrt(x - 100), 0.0))


@expect(57, StartingPointError, "gradient is NaN", "term of 'f'", "where", site="x")
def gradient_trap():
    ppl.fit(kinked, chains=2, warmup=4, draws=4, seed=0, progress=False)


def at(of, position, *args, tries=100, chains=3):
    """The diagnosis of a model at a position, raised as by a run without a start."""
    density = checked(of, args, {}, probe=False).density
    raise diagnose_start(density, np.asarray(position), tries, chains)


@expect(56, StartingPointError, "log factor is NaN", "100 starting points", site="f")
def nan_at_the_last_try():
    def rooted():
        x = sample("x", dist.Normal(0.0, 1.0))
        factor("f", jnp.sqrt(x))

    at(rooted, [-1.0])


@expect(56, StartingPointError, "Normal.scale = nan", "3 chains", site="z")
def nan_parameter_at_the_last_try():
    def rooted():
        x = sample("x", dist.Normal(0.0, 1.0))
        sample("z", dist.Normal(0.0, jnp.sqrt(x)))

    at(rooted, [-1.0, 0.0])


@expect(58, StartingPointError, "log factor is +inf", "1 chain cannot", site="f")
def infinite_at_the_only_try():
    def spiked():
        x = sample("x", dist.Normal(0.0, 1.0))
        factor("f", jnp.exp(x))

    at(spiked, [1000.0], tries=1, chains=1)


@expect(56, StartingPointError, "log density is -inf", site="x")
def minus_infinite_at_the_last_try():
    def tails():
        sample("x", dist.Normal(0.0, 1.0))

    at(tails, [1e30])


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_mistake_is_named(mistake: Mistake):
    assert_named(mistake)


def test_diagnosis_shows_all_sites():
    density = checked(kinked, (), {}).density
    message = str(diagnose_start(density, np.zeros(1), 100, 4))
    lines = [line.split() for line in message.splitlines()]
    assert ["site", "value", "log", "density", "|gradient|"] in lines
    assert ["x", "0", "-0.91894", "nan"] in lines
    assert ["f", "0"] in lines
    assert "init_to_value" in message


# --- what is fine ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ppl.diagnostics.DivergenceWarning")
def test_ints_and_keys_are_seeds():
    draws = [
        run(key=key, num_samples=np.int64(4)).get_samples()["scale"]
        for key in (3, np.int32(3), jax.random.PRNGKey(3), jax.random.key(3))
    ]
    assert draws[0].shape == (8,)
    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[2], draws[3])


def test_init_to_value_is_accepted():
    density = check(model, Y).density
    start = start_at(scale=2.0).propose(density, (0, 0), 3, 0)
    assert start[:, 3] == pytest.approx(np.log(2.0))


# --- warnings -------------------------------------------------------------------------


def test_empty_data_warn():
    def empty(y):
        mu = sample("mu", dist.Normal(0.0, 1.0))
        with plate("N", len(y)):
            sample("y", dist.Normal(mu, 1.0), obs=y)

    with pytest.warns(EmptyDataWarning, match="'y': 0 observations; the posterior eq"):
        check(empty, np.zeros(0))


def test_one_empty_site_of_two_warns():
    def half_empty(y, z):
        mu = sample("mu", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(mu, 1.0), obs=y)
        sample("z", dist.Normal(mu, 1.0), obs=z)

    with pytest.warns(EmptyDataWarning, match="'z': 0 observations.$"):
        check(half_empty, np.zeros(2), np.zeros(0))


def flat(y, *, used):
    a = sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
    b = sample("b", dist.Normal(0.0, 1.0))
    sample("y", dist.Normal(a + b if used else b, 1.0), obs=y)


def test_flat_site_without_data_warns():
    with pytest.warns(ImproperPosteriorWarning, match="'a'.*test_bad_runs.py:"):
        check(flat, np.zeros(2), used=False)
    check(flat, np.zeros(2), used=True)


def located(y):
    sample("y", dist.Normal(sample("mu", dist.Normal(1e9, 10.0)), 1.0), obs=y)


FAR = 1e9 + np.array([0.0, 1.0, -1.0, 2.0])


@pytest.mark.parametrize("data", [FAR, np.stack([FAR, FAR / 1e9], 1)], ids=["1d", "2d"])
def test_data_beyond_float32_warn(data):
    with pytest.warns(ResolutionWarning, match=r"argument 'y'.*1e\+09 to steps of 64"):
        check(located, data)


def test_closed_over_data_beyond_float32_warn():
    with pytest.warns(ResolutionWarning, match="observed values of site 'y'"):
        check(lambda: located(FAR))


def test_warning_points_to_the_user():
    with pytest.warns(ResolutionWarning) as caught:
        check(located, FAR)
    assert caught[0].filename.endswith("mistakes.py")


def test_data_beyond_float32_are_fine_in_float64(x64):
    check(located, FAR.copy())  # JAX mistakes an array for its float32 copy


NEAR = np.array([0.3, 0.1 + 0.2, 0.3])  # equal but for rounding


@pytest.mark.parametrize(
    "data",
    [np.full(3, 1e9), 1e9 * np.arange(1.0, 4.0), NEAR, np.full(99, 0.1), NEAR[:1]],
)
def test_data_that_float32_resolves_are_fine(data):
    check(located, data)


def test_values_are_checked_again_when_only_the_data_change():
    def counted(y):
        sample("y", dist.Poisson(sample("r", dist.Gamma(2.0, 1.0))), obs=y)

    traced = check(counted, np.array([1.0, 2.0]))
    check_values(traced)
    with pytest.raises(SupportError, match=r"y\[0\] = 0.5"):
        check(counted, np.array([0.5, 2.0]))
    check(counted, np.array([3.0, 2.0]))
