"""Objectives for draws without derivatives, against enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

import ppl
import ppl.distributions as dist
from ppl._errors import ModelError
from ppl.distributions import constraints
from ppl.infer import (
    SVI,
    RenyiELBO,
    Trace_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from tests.infer.objectives import assert_unbiased, estimates, exact

pytestmark = pytest.mark.usefixtures("x64")

Y = np.array([0.5, 1.5, -0.3])


def mixture(y):
    b = ppl.sample("b", dist.Bernoulli(0.3))
    with ppl.plate("i", len(y)):
        z = ppl.sample("z", dist.Bernoulli(0.2 + 0.5 * b))
        ppl.sample("y", dist.Normal(2.0 * z, 1.0), obs=y)


def mixture_guide(y):
    p = ppl.param("p", 0.4, constraint=constraints.unit_interval)
    q = ppl.param("q", jnp.full((2, 3), 0.4), constraint=constraints.unit_interval)
    b = ppl.sample("b", dist.Bernoulli(p))
    with ppl.plate("i", len(y)):
        ppl.sample("z", dist.Bernoulli(q[b]))


def bernoulli(p, value):
    return jnp.log(jnp.where(value, p, 1 - p))


def minus_mixture_elbo(params):
    """By enumeration."""
    total = jnp.zeros(())
    for b, *z in itertools.product((0, 1), repeat=4):
        z = np.array(z)
        log_q = bernoulli(params["p"], b) + bernoulli(params["q"][b], z).sum()
        log_p = bernoulli(0.3, b) + bernoulli(0.2 + 0.5 * b, z).sum()
        log_p += norm.logpdf(Y, 2.0 * z).sum()
        total += jnp.exp(log_q) * (log_p - log_q)
    return -total


@pytest.mark.parametrize("particles", [1, 2])
def test_score_functions_are_unbiased(particles):
    params = {"p": 0.4, "q": np.array([[0.3, 0.4, 0.5], [0.6, 0.5, 0.2]])}
    objective = TraceGraph_ELBO(particles)
    found = estimates(objective, mixture, mixture_guide, params, (Y,), 20_000)
    assert_unbiased(found, jax.value_and_grad(minus_mixture_elbo)(exact(params)))


def test_members_of_a_plate_meet_through_what_is_outside():
    """`s` is drawn outside of the plate from all its members, `w` inside from `s`."""

    def model():
        with ppl.plate("i", 2):
            ppl.sample("z", dist.Bernoulli(0.3))
        ppl.sample("s", dist.Bernoulli(0.5))
        with ppl.plate("i", 2):
            ppl.sample("w", dist.Bernoulli(jnp.array([0.2, 0.9])))

    def guide():
        with ppl.plate("i", 2):
            z = ppl.sample("z", dist.Bernoulli(ppl.param("q", jnp.array([0.4, 0.6]))))
        s = ppl.sample("s", dist.Bernoulli(0.1 + 0.4 * z.sum()))
        with ppl.plate("i", 2):
            ppl.sample("w", dist.Bernoulli(0.2 + 0.5 * s * ppl.param("r", jnp.ones(2))))

    def truth(params):
        total = jnp.zeros(())
        for za, zb, s, wa, wb in itertools.product((0, 1), repeat=5):
            z, w = np.array([za, zb]), np.array([wa, wb])
            log_q = bernoulli(params["q"], z).sum() + bernoulli(0.1 + 0.4 * z.sum(), s)
            log_q += bernoulli(0.2 + 0.5 * s * params["r"], w).sum()
            log_p = bernoulli(0.3, z).sum() + bernoulli(0.5, s)
            log_p += bernoulli(np.array([0.2, 0.9]), w).sum()
            total += jnp.exp(log_q) * (log_p - log_q)
        return -total

    params = {"q": np.array([0.4, 0.6]), "r": np.array([0.9, 0.8])}
    found = estimates(TraceGraph_ELBO(2), model, guide, params, count=20_000)
    assert_unbiased(found, jax.value_and_grad(truth)(exact(params)))


def test_differentiable_draws_after_others():
    def model():
        b = ppl.sample("b", dist.Bernoulli(0.5))
        ppl.sample("m", dist.Normal(2.0 * b, 1.0))

    def guide():
        p = ppl.param("p", 0.4, constraint=constraints.unit_interval)
        b = ppl.sample("b", dist.Bernoulli(p))
        ppl.sample("m", dist.Normal(ppl.param("loc", jnp.zeros(2))[b], 0.5))

    def truth(params):
        total = jnp.zeros(())
        for b in (0, 1):
            kl = dist.kl_divergence(
                dist.Normal(params["loc"][b], 0.5), dist.Normal(2.0 * b, 1.0)
            )
            gap = bernoulli(params["p"], b) - np.log(0.5)
            total += jnp.exp(bernoulli(params["p"], b)) * (gap + kl)
        return total

    params = {"p": 0.3, "loc": np.array([0.5, 1.0])}
    found = estimates(TraceGraph_ELBO(), model, guide, params, count=20_000)
    assert_unbiased(found, jax.value_and_grad(truth)(exact(params)))


def test_baselines_run_along_and_are_right():
    svi = SVI(mixture, mixture_guide, ppl.optim.Adam(0.02), TraceGraph_ELBO())
    result = svi.run(0, 3000, Y, progress_bar=False, average=0.3)
    steps = {name: state[1] for name, state in result.state.mutable_state.items()}
    assert steps == {"b$baseline": 3000, "z$baseline": 3000}
    evidence = -np.inf  # the best that the guide can do is the evidence itself
    for b, *z in itertools.product((0, 1), repeat=4):
        z = np.array(z)
        log_p = bernoulli(0.3, b) + bernoulli(0.2 + 0.5 * b, z).sum()
        evidence = np.logaddexp(evidence, log_p + norm.logpdf(Y, 2.0 * z).sum())
    assert abs(minus_mixture_elbo(result.params) + evidence) < 0.01


@pytest.mark.parametrize(
    "objective",
    [Trace_ELBO(), TraceMeanField_ELBO(), RenyiELBO(), Trace_ELBO(estimator="stl")],
    ids=repr,
)
def test_draws_without_derivatives_are_refused(objective):
    params = {"p": 0.4, "q": jnp.full((2, 3), 0.5)}
    with pytest.raises(ModelError, match="TraceGraph_ELBO") as error:
        objective.loss(jax.random.key(0), params, mixture, mixture_guide, Y)
    assert error.value.site == "b"


def test_draws_in_loops():
    """A Markov chain of bits, whose guide is one too."""

    def chain(first, table, name="z"):
        def step(last, t):
            z = ppl.sample(name, dist.Bernoulli(table[t, last]))
            return z, z

        return ppl.control.scan(step, first, jnp.arange(3))[1]

    def model(y):
        z = chain(0, jnp.full((3, 2), 0.3).at[:, 1].set(0.8))
        ppl.sample("y", dist.Normal(z, 1.0).to_event(1), obs=y)

    def guide(y):
        del y
        q = ppl.param("q", jnp.full((3, 2), 0.5))
        chain(0, q)

    def truth(params):
        total = jnp.zeros(())
        for z in itertools.product((0, 1), repeat=3):
            last = (0, *z[:2])
            log_q = sum(bernoulli(params["q"][t, last[t]], z[t]) for t in range(3))
            log_p = sum(bernoulli(0.8 if last[t] else 0.3, z[t]) for t in range(3))
            log_p += norm.logpdf(Y, np.array(z)).sum()
            total += jnp.exp(log_q) * (log_p - log_q)
        return -total

    params = {"q": np.array([[0.4, 0.5], [0.6, 0.3], [0.2, 0.7]])}
    objective = TraceGraph_ELBO(2)
    found = estimates(objective, model, guide, exact(params), (Y,), 10_000)
    assert_unbiased(found, jax.value_and_grad(truth)(exact(params)))
