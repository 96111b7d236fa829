"""Names given to handlers that the model does not have."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl.control import cond, scan, vmap
from ppl.handlers._names import UnmetNameWarning
from ppl.infer.reparam import LocScaleReparam, auto
from tests.language.joint import draw, latent, terms

Y = np.array([0.5, -1.0, 2.0], np.float32)


def model(y=Y):
    mean = ppl.sample("mean", dist.Normal(0.0, 2.0))
    scale = ppl.param("scale", 1.5, constraint=dist.constraints.positive)
    twice = ppl.deterministic("twice", 2 * mean)
    with ppl.plate("N", 3):
        return ppl.sample("y", dist.Normal(twice, scale), obs=y)


def looped():
    def step(x, _):
        x = ppl.sample("x", dist.Normal(x, 1.0))
        return x, cond(x > 0, branch, branch)

    def branch():
        return ppl.sample("b", dist.Normal(0.0, 1.0))

    def member(v):
        return ppl.sample("v", dist.Normal(v, 1.0))

    return scan(step, 0.0, length=3), vmap(member)(jnp.zeros(2))


def said(handled, runs=2):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(runs):
            draw(handled)
    assert all(one.category is UnmetNameWarning for one in caught)
    return [str(one.message) for one in caught]


TOLD = {
    "condition": (
        handlers.condition(model, {"meen": 1.0, "y": Y}),
        ["condition was given 'meen'", "no site of the run", "Did you mean 'mean'?"],
    ),
    "condition on what is derived": (
        handlers.condition(model, {"twice": 1.0}),
        ["condition was given 'twice'", "deterministic site", "acts on sample sites"],
    ),
    "do": (
        handlers.do(model, {"quite": 1.0}),
        ["do was given 'quite'", "no site of the run"],
    ),
    "lift": (
        handlers.lift(model, {"scales": dist.Gamma(2.0, 1.0)}),
        ["lift was given 'scales'", "Did you mean 'scale'?"],
    ),
    "lift of a sample site": (
        handlers.lift(model, {"mean": dist.Gamma(2.0, 1.0)}),
        ["'mean', which is a sample site", "acts on param sites"],
    ),
    "substitute": (
        handlers.substitute(model, {"meen": 1.0}),
        ["substitute was given 'meen'", "Did you mean 'mean'?"],
    ),
    "substitute for a param": (
        handlers.substitute(model, {"scales": 1.0}),
        ["substitute was given 'scales'", "Did you mean 'scale'?"],
    ),
    "block": (
        handlers.block(handlers.seed(model, 0), hide=["meen"]),
        ["block was given 'meen'", "Did you mean 'mean'?"],
    ),
    "in a scope": (
        handlers.condition(handlers.scope(model, prefix="a"), {"mean": 1.0}),
        ["Did you mean 'a/mean'?"],
    ),
    "around loops": (
        handlers.condition(looped, {"x": jnp.zeros(3), "w": 1.0}),
        ["condition was given 'w'"],
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_a_name_that_nothing_has_is_told_once(case):
    handled, parts = TOLD[case]
    (message,) = said(handled)
    for part in parts:
        assert part in message


SILENT = {
    "all of a trace": handlers.substitute(model, {"mean": 1.0, "N": None, "extra": 2}),
    "params of a guide": handlers.substitute(model, {"mean_loc": 1.0, "mean_sd": 1.0}),
    "another number": handlers.substitute(looped, {"x2": jnp.zeros(3)}),
    "functions": handlers.condition(model, condition_fn=lambda site: None),
    "one prior for all": handlers.lift(model, dist.Gamma(2.0, 1.0)),
    "lists": handlers.block(handlers.seed(model, 0), hide=["obs", "mean"]),
    "what is derived": handlers.do(model, {"twice": 1.0}),
    "loops": handlers.condition(
        looped, {"x": jnp.zeros(3), "b": jnp.ones(3), "v": jnp.ones(2)}
    ),
}


@pytest.mark.parametrize("case", SILENT)
def test_no_false_alarms(case):
    assert said(SILENT[case]) == []


def test_a_run_that_fails_tells_of_its_error_only():
    def fails():
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        handlers.condition(fails, {"x": 1.0})()


def test_a_fit_tells_once():
    conditioned = handlers.condition(model, {"meen": 1.0})
    lifted = handlers.lift(conditioned, {"scale": dist.HalfNormal(2.0)})
    with pytest.warns(UnmetNameWarning) as caught:
        ppl.fit(lifted, seed=0, chains=2, warmup=50, draws=50, progress=False)
    assert sum(w.category is UnmetNameWarning for w in caught) == 1


def test_an_intervention_on_what_is_derived():
    trace = draw(handlers.do(model, {"twice": 7.0}), seed=1)
    plain = draw(model, seed=1)
    assert trace["twice"].value == plain["twice"].value
    np.testing.assert_allclose(trace["y"].fn.mean, 7.0)


# --- conditioned outside of reparam ---------------------------------------------------


def scoped(run, values):
    prefixed = {f"s/{name}": value for name, value in values.items()}
    return handlers.condition(handlers.scope(run, prefix="s"), prefixed)


def hidden(run, values):
    return handlers.block(handlers.condition(handlers.seed(run, 0), values), hide=["q"])


@pytest.mark.parametrize("config", [{"mean": LocScaleReparam(0)}, auto()])
@pytest.mark.parametrize(
    "around", [handlers.condition, scoped, hidden], ids=lambda f: f.__name__
)
def test_a_site_observed_outside_is_not_reparameterised(config, around):
    trace = draw(around(handlers.reparam(model, config), {"mean": 0.7}))
    plain = draw(around(model, {"mean": 0.7}))
    assert list(trace) == list(plain)
    name = next(name for name in trace if name.endswith("mean"))
    assert trace[name].is_observed
    assert trace[name].value == 0.7
    assert terms(trace) == pytest.approx(terms(plain))


def test_a_block_between_hides_the_site_from_the_observation():
    blocked = handlers.block(
        handlers.reparam(handlers.seed(model, 0), {"mean": LocScaleReparam(0)}),
        hide=["mean", "mean_decentered"],
    )
    with pytest.warns(UnmetNameWarning, match="'mean'"):
        trace = handlers.trace(handlers.condition(blocked, {"mean": 0.7})).get_trace()
    assert "mean" not in trace


def test_in_a_loop_and_by_a_function():
    def walk():
        def step(x, _):
            x = ppl.sample("x", dist.Normal(x, 2.0))
            return x, None

        return scan(step, 0.0, length=3)[0]

    given = jnp.array([1.0, 2.0, 3.0])
    reparamed = handlers.reparam(walk, {"x": LocScaleReparam(0)})
    trace = draw(handlers.condition(reparamed, {"x": given}))
    assert trace["x"].is_observed
    np.testing.assert_array_equal(trace["x"].value, given)
    by_function = handlers.condition(
        handlers.reparam(model, {"mean": LocScaleReparam(0)}),
        condition_fn=lambda site: 0.7 if site.name == "mean" else None,
    )
    assert draw(by_function)["mean"].is_observed
    assert list(latent(draw(by_function))) == []
