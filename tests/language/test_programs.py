"""The algebra of handlers on random programs, against NumPy and SciPy."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ppl
from ppl import handlers
from ppl.distributions.transforms import biject_to
from ppl.target import trace_model
from tests.language.joint import draw, latent, same, sites, terms, total
from tests.language.programs import (
    DIMS,
    Program,
    Reference,
    Statement,
    given_values,
    programs,
    run,
)

pytestmark = pytest.mark.usefixtures("x64")
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def close(left, right):
    return left == pytest.approx(right, rel=1e-8, abs=1e-8)


def check(program, seed, chosen):
    """Every law on one program, with as few runs of it as they need."""
    model = partial(run, program, ppl, jnp)
    costly = handlers.substitute(model, data=given_values(program, seed))
    trace = draw(costly, seed=seed)
    values = latent(trace)
    reference = Reference(values)
    run(program, reference, np)

    # The terms are those of SciPy, and derived values those of NumPy.
    assert close(terms(trace), reference.terms)
    for name, seen in reference.seen.items():
        np.testing.assert_allclose(trace[name].value, seen, rtol=1e-12)
    joint = sum(reference.terms.values())

    # Giving a model its own values, hiding nothing, renaming: all change nothing; a
    # scale multiplies.
    again = handlers.replay(handlers.block(model, hide=[]), trace=trace)
    renamed = handlers.scope(handlers.scale(again, scale=3.0), prefix="s")
    there = sites(renamed)
    assert [name.removeprefix("s/") for name in there] == list(trace)
    assert {name.removeprefix("s/") for name in latent(there)} == set(values)
    assert close(total(there), 3 * joint)
    assert same_values(there, trace)

    # Observing some latent sites, by any name that they have where it is done.
    some = {name: v for name, v in values.items() if chosen(name)}
    rest = {f"s/{name}": v for name, v in values.items() if name not in some}
    fixed = handlers.scope(handlers.condition(model, data=some), prefix="s")
    there = sites(handlers.substitute(handlers.mask(fixed, mask=True), data=rest))
    assert {name for name, site in there.items() if name in rest} == set(latent(there))
    assert close(total(there), joint)

    # What is masked or hidden has no density left.
    with handlers.trace() as off, handlers.mask(mask=False):
        handlers.replay(model, trace=trace)()
    assert total(off) == 0.0
    assert len(off) == len(trace)

    # The target is the same joint density and the log-determinants.
    target = trace_model(model, (), {}).density
    assert [e.name for e in target.layout.entries] == list(values)
    free = {
        name: biject_to(trace[name].fn.support).inverse_and_log_det(value)[0]
        for name, value in values.items()
    }
    density = float(target(jnp.asarray(target.layout.join(free))))
    assert close(density, joint + sum(reference.log_dets.values()))


def same_values(left, right):
    pairs = zip(left.values(), right.values(), strict=True)
    return all(same(a.value, b.value) for a, b in pairs)


CHOICE = st.sampled_from(
    [lambda name: True, lambda name: False, lambda name: name[-1] in "024"]
)
SEEDS = st.integers(0, 2**32 - 1)
NESTED = Program(
    statements=(
        Statement("gamma0", "gamma", -1, (), observed=False),
        Statement("dirichlet1", "dirichlet", 0, ("A", "B"), observed=False),
        Statement("uniform2", "uniform", 1, ("A", "B"), observed=False),
        Statement("factor3", "factor", 2, ("B",), observed=False),
        Statement("poisson4", "poisson", 1, ("A", "B"), observed=True),
    ),
    dims=DIMS[1],
)


@given(programs(), SEEDS, CHOICE)
@example(NESTED, 0, lambda name: name == "gamma0")
@settings(max_examples=40, suppress_health_check=SHARED)
def test_handlers_keep_the_joint_density(program, seed, chosen):
    check(program, seed, chosen)


@pytest.mark.slow
@given(programs(largest=8), SEEDS, CHOICE)
@settings(max_examples=400, suppress_health_check=SHARED)
def test_handlers_keep_the_joint_density_of_many_programs(program, seed, chosen):
    check(program, seed, chosen)
