"""Log densities equal NumPyro's on the same models."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl import distributions as dist
from ppl.target import trace_model
from tests.language.joint import both

STANDARD = dist.Normal(0.0, 1.0)


def density(model, *args, **kwargs):
    return trace_model(model, args, kwargs).density


def schools(p):
    d = p.distributions

    def model(y, sigma):
        mu = p.sample("mu", d.Normal(0.0, 5.0))
        tau = p.sample("tau", d.HalfCauchy(5.0))
        with p.plate("J", len(y)):
            theta = p.sample("theta", d.Normal(mu, tau))
            p.sample("y", d.Normal(theta, sigma), obs=y)

    return model, (np.array([28.0, 8.0, -3.0]), np.array([15.0, 10.0, 16.0]))


def logistic(p):
    d = p.distributions

    def model(x, y):
        b = p.sample("b", d.Normal(jnp.zeros(2), 1.0).to_event(1))
        p.sample("y", d.Bernoulli(logits=x @ b), obs=y)

    return model, (np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]]), np.array([1, 0, 1]))


def shares(p):
    d = p.distributions

    def model(counts, n):
        low = p.sample("low", d.Uniform(0.0, 0.3))
        q = p.sample("q", d.Uniform(low, 0.9))
        with p.plate("N", 3):
            p.sample("r", d.Beta(1.0 + low, 2.0))
            with p.handlers.scale(scale=0.5):  # of a free site, NumPyro scales the
                p.sample("k", d.Binomial(n, q), obs=counts)  # log-determinant too

    return model, (np.array([3, 4, 9]), 10)


def regression(p):
    d = p.distributions

    def model(x, y):
        nu = p.sample("nu", d.Gamma(2.0, 0.1))
        s = p.sample("s", d.LogNormal(0.0, 1.0))
        a, b = (p.sample(n, d.Laplace(0.0, 1.0)) for n in "ab")
        p.factor("smooth", -jnp.abs(a - b))
        with p.handlers.mask(mask=np.array([True, False, True])):
            p.sample("y", d.StudentT(nu, a + b * x, s), obs=y)

    return model, (np.array([0.0, 1.0, 2.0]), np.array([0.1, np.nan, 2.0]))


def counts(p):
    d = p.distributions

    def model(y):
        with p.plate("I", 2, dim=-2):
            rate = p.sample("rate", d.Exponential(2.0))
            with p.plate("J", 3, dim=-1):
                z = p.sample("z", d.InverseGamma(3.0, 2.0))
                p.sample("y", d.Poisson(rate * z), obs=y)

    return model, (np.array([[1, 2, 0], [3, 1, 1]]),)


@pytest.mark.parametrize(
    "build", [schools, logistic, shares, regression, counts], ids=lambda b: b.__name__
)
def test_log_density_is_numpyros_negative_potential(build, x64):
    util = pytest.importorskip("numpyro.infer.util")
    (ours, args), (theirs, _) = both(build)
    target = density(ours, *args)

    @jax.jit
    def run(x):
        potential = partial(util.potential_energy, theirs, args, {})
        expected, gradient = jax.value_and_grad(potential)(target.layout.split(x))
        return target.value_and_grad(x), (-expected, gradient)

    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=target.layout.size)
        (value, gradient), (expected, by_site) = run(x)
        assert float(value) == pytest.approx(float(expected), rel=1e-10)
        theirs_gradient = -target.layout.join(by_site)
        np.testing.assert_allclose(gradient, theirs_gradient, rtol=1e-8, atol=1e-9)
