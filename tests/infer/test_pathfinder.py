"""Chains that start from Pathfinder: where, how reproducibly, with which samplers."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from benchmarks.measure import compilations
from ppl._errors import ArgumentError, StartingPointError
from ppl.infer import (
    HMC,
    LAPS,
    MAMS,
    MCMC,
    NUTS,
    ChEES,
    init_to_feasible,
    init_to_pathfinder,
    init_to_value,
)
from ppl.target import trace_model
from tests.infer.models import SIGMA, Y, eight_schools


def density_of(model, *args):
    return trace_model(model, args, {}).density


def starts(model, *args, seed=0, chains=4, strategy=None):
    strategy = strategy or init_to_pathfinder()
    return strategy.propose(density_of(model, *args), (seed, 0), chains, 0)


def two_modes():
    """A mode at 8, and one at -2 that has 40 nats less."""
    x = ppl.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
    modes = jnp.logaddexp(-0.5 * (x - 8) ** 2, -40 - 0.5 * (x + 2) ** 2)
    ppl.factor("modes", modes)


def test_chains_start_apart_in_the_mode_with_mass():
    found = starts(two_modes, chains=300)
    assert found.shape == (300, 1)
    assert found.dtype == np.float32
    assert len(np.unique(found)) == 300
    assert found.min() > 3


def test_same_seed_same_starts_for_any_number_of_chains():
    def found(**options):
        strategy = init_to_pathfinder(paths=3)
        return starts(eight_schools, Y, SIGMA, strategy=strategy, **options)

    few = found()
    assert np.array_equal(few, found())
    assert np.array_equal(few, found(chains=50)[:4])
    assert not np.array_equal(few, found(seed=1))


def test_starts_are_computed_in_float64_if_asked(x64):
    assert starts(eight_schools, Y, SIGMA).dtype == np.float64


def test_few_programs_are_compiled():
    def fresh(y):
        m = ppl.sample("m", dist.Normal(0, 2))
        s = ppl.sample("s", dist.Exponential(1))
        ppl.sample("y", dist.Normal(m, s).expand([len(y)]).to_event(1), obs=y)

    density = density_of(fresh, Y)
    with compilations() as compiled:
        init_to_pathfinder().propose(density, (0, 0), 4, 0)
    assert compiled.programs <= 2  # one point, a batch of them
    with compilations() as compiled:
        init_to_pathfinder(paths=3).propose(density, (1, 0), 500, 0)
    assert compiled.programs == 0


def sometimes():
    x = ppl.sample("x", dist.Normal(0, 1))
    ppl.factor("f", jnp.where(x > 1.5, 0.0, -jnp.inf))


def test_paths_look_for_a_start_until_they_have_one():
    found = starts(sometimes, chains=20)
    assert found.min() > 1.5


def never():
    x = ppl.sample("x", dist.Normal(0, 1))
    ppl.factor("f", jnp.where(x > 50, 0.0, -jnp.inf))


def test_without_any_start_the_error_is_the_usual_one():
    sampler = NUTS(never, init_strategy=init_to_pathfinder(paths=2))
    with pytest.raises(StartingPointError, match="site 'f'"):
        ppl.fit(sampler, chains=2, warmup=5, draws=5, seed=0, progress=False)


def test_climbs_begin_where_they_are_told():
    at = init_to_value(values={"x": -2.0})
    found = starts(two_modes, strategy=init_to_pathfinder(init_strategy=at))
    assert found.max() < 3
    feasible = init_to_pathfinder(paths=2, init_strategy=init_to_feasible)
    assert np.isfinite(starts(eight_schools, Y, SIGMA, strategy=feasible)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"paths": 0}, r"paths must be an int >= 1, got 0"),
        ({"paths": 2.5}, r"paths must be an int >= 1, got 2\.5"),
        ({"max_iterations": True}, r"max_iterations must be an int >= 1, got True"),
        ({"init_strategy": "uniform"}, r"unknown init_strategy 'uniform'"),
        ({"site": "x"}, r"take no site"),
    ],
)
def test_bad_settings_are_named(options, said):
    with pytest.raises(ArgumentError, match=said):
        init_to_pathfinder(**options)


def regression(x, y):
    b = ppl.sample("b", dist.Normal(jnp.zeros(3), 10.0).to_event(1))
    ppl.sample("y", dist.Normal(x @ b, 1.0).to_event(1), obs=y)


RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 3)).astype(np.float32)
OUT = (X @ np.array([5.0, -3.0, 0.5]) + RNG.normal(size=40)).astype(np.float32)
EXACT = np.linalg.solve(X.T @ X + np.eye(3) / 100, X.T @ OUT)


@pytest.mark.parametrize(
    ("sampler", "chains"),
    [(NUTS, 4), (HMC, 4), (ChEES, 16), (MAMS, 16), (LAPS, 64)],
)
def test_every_sampler_starts_there(sampler, chains):
    made = sampler(regression, init_strategy=init_to_pathfinder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posterior = ppl.fit(
            made, X, OUT, chains=chains, warmup=100, draws=100, seed=0, progress=False
        )
    assert posterior["b"].mean((0, 1)) == pytest.approx(EXACT, abs=0.1)


def test_forward_mode_and_superchains():
    sampler = NUTS(
        regression,
        init_strategy=init_to_pathfinder(paths=2),
        forward_mode_differentiation=True,
    )
    mcmc = MCMC(
        sampler,
        num_warmup=50,
        num_samples=50,
        num_chains=4,
        superchains=2,
        progress_bar=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mcmc.run(0, X, OUT)
    assert mcmc.get_samples()["b"].mean(0) == pytest.approx(EXACT, abs=0.2)
