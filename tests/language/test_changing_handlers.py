"""What handlers mean that change the kind of a site: uncondition, lift and others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    DuplicateSiteError,
    ShapeError,
    SupportError,
)
from ppl.distributions import constraints
from ppl.target import trace_model
from tests.language.joint import both, draw, joint, latent, peer_joint, same, terms

Y = np.array([0.5, -1.0, 2.0], np.float32)


def base(p):
    d = p.distributions

    def run():
        a = p.sample("a", d.Normal(0.0, 2.0))
        w = p.param("w", jnp.ones(3), constraint=d.constraints.positive)
        v = p.param("v", 0.5)
        with p.plate("N", 3):
            b = p.sample("b", d.Normal(a * w, 1.0), infer={"first": 1})
            p.sample("y", d.Normal(b + v, 1.0), obs=Y)
        p.factor("f", 0.3 * a)
        return a

    return run


def unconditioned(p):
    return p.handlers.uncondition(base(p))


def lifted(p):
    d = p.distributions
    prior = {"w": d.Gamma(jnp.full(3, 2.0), 1.0), "v": d.Exponential(0.3)}
    return p.handlers.lift(base(p), prior=prior)


def lifted_by_one(p):
    def run():
        return p.param("v", 0.5) + p.sample("a", p.distributions.Normal(0.0, 1.0))

    return p.handlers.lift(run, prior=p.distributions.Normal(1.0, 2.0))


@pytest.mark.parametrize(
    "build",
    [unconditioned, lifted, lifted_by_one],
    ids=lambda build: build.__name__,
)
def test_joint_density_is_that_of_numpyro(build):
    ours, theirs = both(build)
    values = latent(draw(ours, seed=3))
    assert joint(ours, values) == pytest.approx(peer_joint(theirs, values), rel=1e-5)


# --- uncondition ----------------------------------------------------------------------

RUN = base(ppl)


@pytest.mark.parametrize("seed_inside", [True, False])
def test_uncondition_draws_what_was_observed(seed_inside):
    if seed_inside:
        run = handlers.uncondition(handlers.seed(RUN, rng_seed=1))
    else:
        run = handlers.seed(handlers.uncondition(RUN), rng_seed=1)
    before, trace = draw(RUN, seed=1), handlers.trace(run).get_trace()
    y = trace["y"]
    assert not y.is_observed
    assert y.value.shape == (3,)
    assert not same(y.value, Y)
    assert y.infer["was_observed"] is True
    assert same(y.infer["obs"], Y)
    assert trace["f"].is_observed  # a factor stays
    for name in ("a", "b"):
        assert same(trace[name].value, before[name].value)
    assert "was_observed" not in trace["b"].infer


def test_uncondition_forgets_what_a_condition_inside_gave():
    given = handlers.condition(RUN, data={"a": 3.0})
    assert draw(given)["a"].value == 3.0
    assert draw(handlers.uncondition(given))["a"].value != 3.0
    assert draw(handlers.condition(handlers.uncondition(RUN), data={"y": -Y}))[
        "y"
    ].is_observed


def test_unconditioned_draws_follow_the_model():
    def model():
        ppl.sample("y", dist.Normal(3.0, 0.1).expand([1000]), obs=jnp.zeros(1000))

    y = draw(handlers.uncondition(model))["y"].value
    assert y.mean() == pytest.approx(3.0, abs=0.02)
    assert y.std() == pytest.approx(0.1, rel=0.1)


# --- infer_config ---------------------------------------------------------------------


def test_infer_config_adds_hints():
    def hints(site):
        return {"first": 2, "of": site["name"]} if site["name"] == "b" else {}

    trace = draw(handlers.infer_config(RUN, config_fn=hints))
    assert trace["b"].infer == {"first": 2, "of": "b"}
    assert trace["a"].infer == {}
    assert terms(trace) == terms(draw(RUN))
    twice = handlers.infer_config(
        handlers.infer_config(RUN, lambda site: {"x": 1, "y": 1}), lambda site: {"x": 2}
    )
    assert draw(twice)["b"].infer == {"first": 1, "x": 2, "y": 1}


def test_infer_config_leaves_the_dict_of_the_statement_alone():
    given = {"first": 1}

    def model():
        ppl.sample("x", dist.Normal(0.0, 1.0), infer=given)

    draw(handlers.infer_config(model, lambda site: {"second": 2}))
    assert given == {"first": 1}


def test_mistakes_in_infer_config():
    with pytest.raises(ArgumentError, match="config_fn="):
        handlers.infer_config(RUN)
    with pytest.raises(ArgumentTypeError, match="function of the site"):
        handlers.infer_config(RUN, config_fn={"a": {}})
    with pytest.raises(ArgumentTypeError, match="'a'.*must return a dict.*None"):
        draw(handlers.infer_config(RUN, config_fn=lambda site: None))


# --- lift -----------------------------------------------------------------------------


def test_a_lifted_param_has_the_shape_of_the_param():
    def model():
        one = ppl.param("one", 1.0)
        many = ppl.param("many", jnp.ones((2, 3)))
        made = ppl.param("made", lambda key: jax.random.normal(key, (4,)))
        return one, many, made

    trace = draw(handlers.lift(model, prior=dist.Normal(0.0, 1.0)))
    assert {n: s.value.shape for n, s in trace.items()} == {
        "one": (),
        "many": (2, 3),
        "made": (4,),
    }
    assert all(site.type == "sample" for site in trace.values())
    assert len(np.unique(np.round(trace["many"].value, 6))) == 6  # each is drawn
    vectors = dist.Dirichlet(jnp.ones(3)).expand([2])
    assert draw(
        handlers.lift(lambda: ppl.param("s", jnp.full((2, 3), 1 / 3)), vectors)
    )["s"].fn.event_shape == (3,)


def test_what_has_no_prior_stays_a_param():
    trace = draw(handlers.lift(RUN, prior={"v": dist.Normal(0.0, 1.0)}))
    assert trace["w"].type == "param"
    assert trace["v"].type == "sample"
    given = handlers.substitute(handlers.lift(RUN, {"v": dist.Normal()}), {"v": 2.0})
    assert draw(given)["v"].value == 2.0


def test_lifted_params_in_plates():
    def subsampled():
        with ppl.plate("rows", 6, subsample_size=2, dim=-1), ppl.plate("N", 3, dim=-2):
            return ppl.param("each", jnp.ones((3, 6)), event_dim=0)

    prior = dist.Normal(0.0, 1.0)
    trace = draw(handlers.lift(subsampled, prior))
    assert trace["each"].value.shape == (3, 6)  # a value for all members, and a draw
    assert [f.name for f in trace["each"].plates] == ["N"]
    assert handlers.seed(handlers.lift(subsampled, prior), 0)().shape == (3, 2)

    def plain():
        with ppl.plate("N", 3):
            return ppl.param("w", jnp.ones(3)), ppl.param("shared", 1.0)

    trace = draw(handlers.lift(plain, prior))
    assert [f.name for f in trace["w"].plates] == ["N"]
    assert not trace["shared"].plates


def test_a_lifted_model_can_be_sampled():
    prior = {"w": dist.Gamma(2.0, 1.0), "v": dist.Normal(0.0, 1.0)}
    traced = trace_model(handlers.lift(RUN, prior=prior), (), {})
    assert not traced.params
    assert {e.name: e.shape for e in traced.density.layout.entries} == {
        "a": (),
        "w": (3,),
        "v": (),
        "b": (3,),
    }


AGREEING = [
    (constraints.real, dist.Gamma(1.0, 1.0)),
    (constraints.real, dist.Uniform(0.0, 1.0)),
    (constraints.real_vector, dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2))),
    (constraints.positive, dist.HalfNormal(1.0)),
    (constraints.softplus_positive, dist.LogNormal(0.0, 1.0)),
    (constraints.unit_interval, dist.Uniform(0.0, 1.0)),
    (constraints.unit_interval, dist.Beta(1.0, 2.0)),
    (constraints.interval(-1.0, 3.0), dist.Uniform(0.0, 3.0)),
    (constraints.greater_than(-2.0), dist.Gamma(1.0, 1.0)),
    (constraints.simplex, dist.Dirichlet(jnp.ones(2))),
    (constraints.positive, dist.Gamma(1.0, 1.0).expand([2]).to_event(1)),
]
CLASHING = [
    (constraints.positive, dist.Normal(0.0, 1.0)),
    (constraints.positive, dist.Uniform(-1.0, 1.0)),
    (constraints.unit_interval, dist.Gamma(1.0, 1.0)),
    (constraints.less_than(0.0), dist.Gamma(1.0, 1.0)),
    (constraints.simplex, dist.Normal(jnp.zeros(2), 1.0).to_event(1)),
    (constraints.real, dist.Poisson(1.0)),
    (constraints.greater_than(1.0), dist.Gamma(1.0, 1.0)),
]


@pytest.mark.parametrize(("constraint", "prior"), AGREEING, ids=str)
def test_a_prior_inside_of_the_constraint(constraint, prior):
    site = draw(
        handlers.lift(lambda: ppl.param("w", None, constraint=constraint), prior)
    )["w"]
    assert np.all(constraint(site.value))


@pytest.mark.parametrize(("constraint", "prior"), CLASHING, ids=str)
def test_a_prior_that_breaks_the_constraint(constraint, prior):
    init = jnp.full(prior.shape(), 0.5)
    with pytest.raises(SupportError, match="'w'.*support of its prior.*must"):
        draw(handlers.lift(lambda: ppl.param("w", init, constraint=constraint), prior))


def test_bounds_that_only_the_run_will_tell():
    def model():
        low = ppl.sample("low", dist.Normal(0.0, 1.0))
        bounded = constraints.greater_than(low)
        return ppl.param("w", 1.0, constraint=bounded)

    changed = handlers.lift(model, prior=dist.HalfNormal(1.0))
    assert trace_model(changed, (), {}).density.layout.size == 2


def test_mistakes_in_lift():
    with pytest.raises(ArgumentError, match="prior="):
        handlers.lift(RUN)
    for prior in (0.5, {"w": 1.0}):
        with pytest.raises(ArgumentTypeError, match="must be a distribution"):
            handlers.lift(RUN, prior=prior)
    with pytest.raises(ShapeError, match=r"'w'.*\(3,\).*\(2,\)"):
        draw(handlers.lift(RUN, {"w": dist.HalfNormal(jnp.ones(2))}))
    with pytest.raises(ArgumentTypeError, match="'tree'.*no array"):
        draw(handlers.lift(lambda: ppl.param("tree", {"a": 1.0}), dist.Normal()))

    def twice():
        return ppl.param("w", 1.0), ppl.param("w", 1.0)

    with pytest.raises(DuplicateSiteError, match="'w'"):
        draw(handlers.lift(twice, dist.Normal()))
