"""Models to be looked at, each written once for two libraries."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.language.joint import both

Y = np.zeros((2, 3))


def regression(p):
    d = p.distributions

    def model(y):
        m = p.sample("m", d.Normal(0.0, 1.0))
        sd = p.sample("sd", d.LogNormal(m, 1.0))
        with p.plate("N", len(y)):
            p.sample("obs", d.Normal(m, sd), obs=y)

    return model, (np.zeros(3),)


def collider(p):
    d = p.distributions

    def model():
        a = p.sample("a", d.Normal(0.0, 1.0))
        b = p.sample("b", d.LogNormal(0.0, 1.0))
        c = p.sample("c", d.Normal(a, b))
        p.sample("d", d.Normal(c, 1.0), obs=0.0)

    return model, ()


def summed(p):
    d = p.distributions

    def model():
        with p.plate("p", 5):
            a = p.sample("a", d.Normal(0.0, 1.0))
        p.sample("b", d.Normal(a.sum(), 1.0), obs=0.0)

    return model, ()


def nested(p):
    d = p.distributions

    def model(y):
        mu = p.sample("mu", d.Normal(0.0, 1.0))
        with p.plate("I", 2, dim=-2):
            a = p.sample("a", d.Normal(mu, 1.0))
            with p.plate("J", 3, dim=-1):
                b = p.sample("b", d.Normal(a, 1.0))
                c = p.deterministic("c", 2.0 * b)
                p.sample("y", d.Normal(c, 1.0), obs=y)

    return model, (Y,)


def crossed(p):
    d = p.distributions

    def model(y):
        x = p.sample("x", d.Normal(0.0, 1.0))
        columns, rows = p.plate("A", 3, dim=-1), p.plate("B", 2, dim=-2)
        with columns:
            q = p.sample("q", d.Normal(x, 1.0))
        with rows:
            r = p.sample("r", d.Normal(x, 1.0))
        with columns, rows:
            p.sample("o", d.Normal(q + r, 1.0), obs=y)
        with p.plate("S", 10, subsample_size=4):
            p.sample("part", d.Normal(q.sum(), 1.0), obs=np.zeros(4))

    return model, (Y,)


def masked(p):
    d = p.distributions

    def model(y):
        a, b = (p.sample(n, d.Normal(0.0, 1.0)) for n in "ab")
        with p.plate("N", 3), p.handlers.mask(mask=np.array([True, False, True])):
            c = p.sample("c", d.Normal(a, 1.0).mask(np.array([True, True, False])))
            with p.handlers.scale(scale=2.0):
                p.sample("y", d.Normal(b + c, 1.0), obs=y)

    return model, (np.zeros(3),)


def with_factor(p):
    d = p.distributions

    def model():
        a, b, c = (p.sample(n, d.Normal(0.0, 1.0)) for n in "abc")
        p.factor("f", a * b)
        p.factor("g", -jnp.square(c))

    return model, ()


def chain_of_derived(p):
    d = p.distributions

    def model(y):
        s = p.param("s", 1.0, constraint=d.constraints.positive)
        a = p.sample("a", d.Normal(0.0, s))
        b = p.deterministic("b", a * s)
        c = p.deterministic("c", b + 1.0)
        e = p.sample("e", d.Gamma(jnp.exp(c), 1.0))
        p.sample("y", d.Normal(c, e), obs=y)

    return model, (0.5,)


def loops(p):
    d = p.distributions

    def model(y):
        a, b, c = (p.sample(n, d.Normal(0.0, 1.0)) for n in "abc")
        walk = jax.lax.scan(lambda s, x: (s + a * x, s), b, jnp.arange(3.0))[1]
        often = jax.lax.while_loop(lambda s: s < 3.0, lambda s: s + 1.0, c)
        p.sample("walk", d.Normal(walk, 1.0).to_event(1), obs=y)
        p.sample("often", d.Normal(jax.jit(jnp.tanh)(often), 1.0), obs=0.0)

    return model, (np.zeros(3),)


def vectors(p):
    d = p.distributions

    def model(x, y):
        w = p.sample("w", d.Dirichlet(jnp.ones(3)))
        chol = p.sample("chol", d.LKJCholesky(3, 1.0))
        b = p.sample("b", d.MultivariateNormal(jnp.zeros(3), scale_tril=chol))
        k = p.sample("k", d.Poisson(2.0), obs=np.array(2))
        p.sample("y", d.Bernoulli(logits=x @ (b * w) + k), obs=y)

    return model, (np.ones((4, 3)), np.array([0, 1, 1, 0]))


def bounded(p):
    d = p.distributions

    def model():
        a = p.sample("a", d.Uniform(0.0, 1.0))
        b = p.sample("b", d.Uniform(a, a + 1.0))
        p.sample("c", d.Normal(b, 1.0), obs=0.1)

    return model, ()


MODELS = [
    regression,
    collider,
    summed,
    nested,
    crossed,
    masked,
    with_factor,
    chain_of_derived,
    loops,
    vectors,
    bounded,
]


def pair(build):
    """One model in both libraries, with its arguments."""
    (ours, args), (theirs, _) = both(build)
    return ours, theirs, args
