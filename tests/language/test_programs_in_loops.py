"""Random programs in loops and branches: the density of the steps, one by one in SciPy.

A program is the body; what its last statement comes to is where the next step starts.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ppl
from ppl import handlers
from ppl.control import cond, remat, scan, vmap
from ppl.target import trace_model
from tests.language.joint import draw, sites, terms
from tests.language.programs import Reference, programs, run, values_of
from tests.language.test_programs import NESTED, SEEDS, SHARED, close

STARTS = np.array([0.2, -0.4, 0.7])


def body(program):
    return partial(run, program, ppl, jnp)


def reference(program, values, start):
    """The terms of one step by hand, and where the next starts."""
    library = Reference(values)
    end = run(program, library, np, start)
    return library.terms, end


def in_a_loop(program):
    return scan(lambda c, _: (body(program)(c), None), 0.2, length=3)


def in_two_loops(program):
    def outer(c, _):
        return scan(lambda c, _: (remat(body(program))(c), None), -c, length=2)[0], None

    return scan(outer, 0.2, length=2)


def in_a_branch(program):
    def step(c, _):
        up = lambda: body(program)(c)  # noqa: E731
        return cond(c > 0, up, lambda: body(program)(-c)), None

    return scan(step, -0.3, length=2)


def mapped(program):
    return vmap(body(program))(jnp.asarray(STARTS))


def by_hand(way, program, values):
    """The starts of the steps in order, each seen when the one before it has ended."""
    found, c = {}, {"loop": 0.2, "loops": 0.2, "branch": -0.3, "map": None}[way]
    for t, own in enumerate(values):
        match way:
            case "loops" if t % 2 == 0:
                c = -c
            case "branch":
                c = abs(c)
            case "map":
                c = STARTS[t]
        step, c = reference(program, own, c)
        found = {name: found.get(name, 0.0) + term for name, term in step.items()}
    return found


WAYS = {
    "loop": (in_a_loop, (3,)),
    "loops": (in_two_loops, (2, 2)),
    "branch": (in_a_branch, (2,)),
    "map": (mapped, (3,)),
}


def check(way, program, seed):
    build, shape = WAYS[way]
    model = partial(build, program)
    values = [values_of(program, seed % 1000 + t) for t in range(np.prod(shape))]
    stacked = {
        name: np.stack([v[name] for v in values]).reshape(*shape, *value.shape)
        for name, value in values[0].items()
    }
    expected = by_hand(way, program, values)
    given = handlers.substitute(model, data=stacked)
    trace = draw(given)
    assert close(terms(trace), expected)

    # One density under handlers around: conditioned, replayed, hidden; thrice; renamed.
    assert close(terms(sites(handlers.condition(model, data=stacked))), expected)
    assert close(terms(sites(handlers.replay(model, trace=trace))), expected)
    thrice = terms(sites(handlers.scale(given, scale=3.0)))
    assert close(thrice, {name: 3 * term for name, term in expected.items()})
    renamed = handlers.scope(given, prefix="s")
    assert close(terms(sites(renamed)), {f"s/{n}": t for n, t in expected.items()})

    # The target has a gradient, and the terms at what its position stands for.
    density = trace_model(model, (), {}).density
    position = 0.1 * jnp.ones(density.layout.size)
    value, gradient = jax.value_and_grad(density)(position)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    latent = {n: s.value for n, s in density.visit(position)[1].items() if n in stacked}
    at = handlers.substitute(model, data=latent)
    assert set(latent) == set(stacked)
    names = [s.name for s in program.statements if s.name not in stacked]
    again, own = terms(sites(at)), density.visit(position)[2]
    assert close({n: again[n] for n in names}, {n: float(own[n]) for n in names})


@given(programs(largest=4), st.sampled_from(sorted(WAYS)), SEEDS)
@example(NESTED, "loop", 0)
@example(NESTED, "loops", 0)
@example(NESTED, "branch", 0)
@example(NESTED, "map", 0)
@settings(max_examples=6, suppress_health_check=SHARED)
def test_programs_in_loops(x64, program, way, seed):
    check(way, program, seed)


@pytest.mark.slow
@given(programs(largest=6), st.sampled_from(sorted(WAYS)), SEEDS)
@settings(
    max_examples=2000, suppress_health_check=[*SHARED, HealthCheck.data_too_large]
)
def test_many_programs_in_loops(x64, program, way, seed):
    check(way, program, seed)
