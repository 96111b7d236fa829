"""What a model draws has the density that inference sees, for each family of handlers.

By Stein's identity: under the density p of unconstrained u the mean of the score is 0,
and that of u times the score is -1, coordinate by coordinate. The draws are those of
`seed`; the score is the gradient of the target.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl import handlers
from ppl.control import cond, scan, vmap
from ppl.distributions.transforms import biject_to
from ppl.infer.reparam import LocScaleReparam
from ppl.target import trace_model

DRAWS = 20_000


def hierarchy():
    scale = ppl.sample("scale", dist.HalfNormal(1.0))
    with ppl.plate("groups", 2, dim=-2):
        level = ppl.sample("level", dist.Normal(1.0, 0.5 + scale))
        with ppl.plate("members", 3, dim=-1):
            ppl.sample("share", dist.Beta(2.0 + jnp.tanh(level), 3.0))


def series():
    def step(x, _):
        x = ppl.sample("x", dist.Normal(0.7 * x, 0.5))
        ppl.sample("w", dist.Gamma(3.0, 1.0 + x**2))
        return x, None

    scan(step, 1.0, length=3)


def jumps():
    def step(x, _):
        x = cond(
            x > 0,
            lambda: ppl.sample("x", dist.Normal(-1.0, 1.0)),
            lambda: ppl.sample("x", dist.Normal(0.5, 0.3)),
        )
        return x, None

    scan(step, 1.0, length=3)


def weights():
    loc = ppl.param("loc", 0.3)
    ppl.sample("w", dist.Dirichlet(jnp.exp(loc) * jnp.array([2.0, 3.0, 4.0])))


def mapped():
    common = ppl.sample("common", dist.Uniform(-1.0, 2.0))

    def member(width):
        return ppl.sample("own", dist.Uniform(common, common + width))

    vmap(member)(jnp.array([0.5, 1.0, 4.0]))


def told():
    x = ppl.sample("x", dist.Normal(0.0, 1.0))
    ppl.sample("y", dist.Normal(x, 0.5), obs=3.0)


MODELS = {
    "plates": hierarchy,
    "scope and block": handlers.scope(
        handlers.block(hierarchy, hide_fn=lambda site: False), prefix="a"
    ),
    "scan": series,
    "scan of cond": jumps,
    "vmap": mapped,
    "lift": handlers.lift(weights, prior={"loc": dist.Normal(0.0, 0.5)}),
    "reparam": handlers.reparam(hierarchy, config={"level": LocScaleReparam(0.3)}),
    "reparam in a loop": handlers.reparam(series, config={"x": LocScaleReparam(0.0)}),
    "uncondition": handlers.uncondition(told),
    "do": handlers.do(series, data={"w": jnp.ones(3)}),
}


@pytest.mark.parametrize("name", MODELS)
def test_draws_have_the_density(name):
    model = MODELS[name]
    density = trace_model(model, (), {}).density

    @jax.jit
    def score(key):
        trace = handlers.trace(handlers.seed(model, key)).get_trace()
        free = {
            entry.name: biject_to(trace[entry.name].fn.support).inverse_and_log_det(
                trace[entry.name].value
            )[0]
            for entry in density.layout.entries
        }
        parts = [free[e.name].reshape(-1) for e in density.layout.entries]
        u = jnp.concatenate(parts)
        return u, jax.grad(density)(u)

    keys = jax.random.split(jax.random.PRNGKey(3), DRAWS)
    u, slope = (np.asarray(a, float) for a in jax.vmap(score)(keys))
    for products, mean in ((slope, 0.0), (u * slope, -1.0)):
        error = products.std(0) / DRAWS**0.5
        assert (abs(products.mean(0) - mean) < 4.5 * error).all(), name
