"""The algebra of handlers on random programs, and their densities against SciPy.

Most laws say that two ways to write a model are one density. On many programs that is
seen without computing: both are traced to the same expression. On some programs the
numbers are compared with those of a second implementation.
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
from ppl.distributions.transforms import biject_to
from ppl.primitives import Sample
from ppl.target import trace_model
from tests.language.joint import draw, latent, sites, terms, total
from tests.language.programs import (
    DIMS,
    Program,
    Reference,
    Statement,
    given_values,
    programs,
    run,
    values_of,
)

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
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
CHOICE = st.sampled_from(
    [lambda name: True, lambda name: False, lambda name: name[-1] in "024"]
)
KEY = jax.random.PRNGKey(0)
SEEDS = st.integers(0, 2**32 - 1)


# --- by expression --------------------------------------------------------------------


def expression(build, values):
    """The joint density as a function of `values`, traced but not computed."""

    def density(values):
        trace = handlers.trace(build(values)).get_trace()
        return {
            name.rpartition("/")[2]: (site.log_prob(), site.value)
            for name, site in trace.items()
            if site.type == "sample"
        }

    return str(jax.make_jaxpr(density)(values))


@given(programs(), CHOICE)
@example(NESTED, lambda name: name == "gamma0")
@settings(max_examples=100, suppress_health_check=SHARED)
def test_handlers_that_change_no_density(program, chosen):
    model = partial(run, program, ppl, jnp)
    values = values_of(program, 0)

    def part(values, *, taken, prefix=""):
        return {prefix + n: v for n, v in values.items() if chosen(n) == taken}

    def as_trace(values):
        return {name: Sample(name, value=value) for name, value in values.items()}

    def apart(values):
        fixed = handlers.condition(model, data=part(values, taken=True))
        free = part(values, taken=False, prefix="s/")
        return handlers.substitute(handlers.scope(fixed, prefix="s"), data=free)

    trace = draw(handlers.substitute(model, data=values))
    observed = {n: s.value for n, s in trace.items() if s.get("is_observed")}
    told = {n: value for n, value in observed.items() if value.size}  # no factor

    def told_again(values):
        forgotten = handlers.condition(handlers.uncondition(model), data=told)
        return handlers.substitute(forgotten, data=values)

    def unchanged(values):
        hinted = handlers.infer_config(model, lambda site: {"hint": site.name})
        lifted = handlers.lift(hinted, prior={})
        kept = handlers.reparam(lifted, lambda site: None)
        return handlers.substitute(kept, data=values)

    same = {
        "told again": told_again,
        "unchanged": unchanged,
        "replayed": lambda v: handlers.replay(model, trace=as_trace(v)),
        "conditioned": lambda v: handlers.condition(model, data=v),
        "part of each": apart,
        "seeded": lambda v: handlers.seed(handlers.substitute(model, data=v), KEY),
        "within others": lambda v: handlers.mask(
            handlers.block(
                handlers.do(handlers.substitute(model, data=v), data={}), hide=[]
            ),
            mask=True,
        ),
    }
    expected = expression(lambda v: handlers.substitute(model, data=v), values)
    for name, build in same.items():
        assert expression(build, values) == expected, name


# --- by number ------------------------------------------------------------------------


def close(left, right):
    return left == pytest.approx(right, rel=1e-8, abs=1e-8)


def check(program, seed):
    """Terms, values and densities of one program, all against the reference."""
    model = partial(run, program, ppl, jnp)
    costly = handlers.substitute(model, data=given_values(program, seed))
    trace = draw(costly, seed=seed)
    values = latent(trace)
    reference = Reference(values)
    run(program, reference, np)
    assert close(terms(trace), reference.terms)
    for name, seen in reference.seen.items():
        np.testing.assert_allclose(trace[name].value, seen, rtol=1e-12)

    # A scale multiplies; what is masked has no density left.
    again = handlers.replay(model, trace=trace)
    scaled = sites(handlers.scale(handlers.scale(again, scale=6.0), scale=0.5))
    assert close(terms(scaled), {n: 3 * v for n, v in reference.terms.items()})
    assert total(sites(handlers.mask(again, mask=False))) == 0.0

    # The target is the joint density with the log-determinants of the free sites.
    target = trace_model(model, (), {}).density
    assert [e.name for e in target.layout.entries] == list(values)
    free = {
        name: biject_to(trace[name].fn.support).inverse_and_log_det(value)[0]
        for name, value in values.items()
    }
    density = float(target(jnp.asarray(target.layout.join(free))))
    log_dets = sum(reference.log_dets.values())
    assert close(density, sum(reference.terms.values()) + log_dets)


@given(programs(), SEEDS)
@example(NESTED, 0)
@settings(max_examples=15, suppress_health_check=SHARED)
def test_densities_are_those_of_scipy(x64, program, seed):
    check(program, seed)


@pytest.mark.slow
@given(programs(largest=8), SEEDS)
@settings(max_examples=2000, suppress_health_check=SHARED)
def test_densities_of_many_programs(x64, program, seed):
    check(program, seed)
