"""Models with nothing wrong get through the model check without error or warning."""

import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl import deterministic, factor, handlers, plate, sample
from tests.mistakes import check

Y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SIGMA = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
COUNTS = np.array([0, 3, 2, 9])
HEALTHY = []


def healthy(*args, **kwargs):
    def add(model):
        HEALTHY.append(pytest.param(model, args, kwargs, id=model.__name__))
        return model

    return add


@healthy(SIGMA, y=Y)
def eight_schools(sigma, y=None):
    mu = sample("mu", dist.Normal(0.0, 5.0))
    tau = sample("tau", dist.HalfCauchy(5.0))
    with plate("school", 8):
        theta = sample("theta", dist.Normal(mu, tau))
        sample("y", dist.Normal(theta, sigma), obs=y)


@healthy(np.linspace(0, 1, 12), np.sin(np.linspace(0, 6, 12)))
def gaussian_process(x, y):
    length = sample("length", dist.LogNormal(0.0, 1.0))
    noise = sample("noise", dist.HalfNormal(1.0))
    squared = jnp.square((x[:, None] - x[None, :]) / length)
    kernel = jnp.exp(-0.5 * squared) + (1e-4 + noise**2) * jnp.eye(12)
    sample("y", dist.MultivariateNormal(jnp.zeros(12), kernel), obs=y)


@healthy(np.linspace(0, 1, 40))
def covariance_that_is_singular_far_out(x):
    """In float32 the kernel cannot be factored at long length scales."""
    length = sample("length", dist.LogNormal(0.0, 1.0))
    squared = jnp.square((x[:, None] - x[None, :]) / length)
    kernel = jnp.exp(-0.5 * squared) + 1e-5 * length**-4 * jnp.eye(40)
    sample("f", dist.MultivariateNormal(jnp.zeros(40), kernel))


@healthy(np.linspace(0.1, 6.2, 9), np.array([0.5, 0.5, 0.9, 2.0]))
def angles_up_to_two_pi_and_values_on_the_bound_of_a_truncation(phi, waits):
    centre = sample("centre", dist.VonMises(0.0, 1.0))
    sample("phi", dist.VonMises(centre, 2.0), obs=phi)
    loc = sample("loc", dist.Normal())
    sample("waits", dist.TruncatedNormal(loc, 1.0, low=0.5), obs=waits)


@healthy(np.random.default_rng(0).normal(size=(20, 3)))
def correlated(y):
    chol = sample("chol", dist.LKJCholesky(3, 2.0))
    with plate("dim", 3):
        scale = sample("scale", dist.Exponential(1.0))
    tril = scale[:, None] * chol
    with plate("N", 20):
        sample("y", dist.MultivariateNormal(jnp.zeros(3), scale_tril=tril), obs=y)


@healthy(np.array([0, 1, 2, 1, 1]))
def shares(y):
    p = sample("p", dist.Dirichlet(jnp.ones(3)))
    sample("y", dist.Categorical(probs=p), obs=y)


@healthy(np.array([-2.0, -1.9, 3.0]))
def mixture_by_hand(y):
    w = sample("w", dist.Beta(2.0, 2.0))
    means = sample("means", dist.Normal(jnp.array([-1.0, 1.0]), 1.0).to_event(1))
    parts = dist.Normal(means, 1.0).log_prob(y[:, None])
    logs = parts + jnp.log(jnp.stack([w, 1 - w]))
    factor("mix", jax.scipy.special.logsumexp(logs, axis=-1))


@healthy(COUNTS)
def counts(y):
    rate = sample("rate", dist.Gamma(2.0, 1.0))
    sample("y", dist.Poisson(rate), obs=y)


@healthy(np.array([3, 7, 5]), np.array([1, 7, 0]))
def binomial(n, y):
    p = sample("p", dist.Uniform(0.0, 1.0))
    sample("y", dist.Binomial(n, p), obs=y)


@healthy(np.array([0.3, 4.9, 2.0]))
def bounds_that_move(y):
    """The data lie outside of the support wherever `top` is small."""
    top = sample("top", dist.LogNormal(1.0, 1.0))
    sample("y", dist.Uniform(0.0, top), obs=y)


@healthy(np.array([200.0, 300.0]))
def bounds_below_the_data_at_all_trial_points(y):
    top = sample("top", dist.LogNormal(6.0, 1.0))
    sample("y", dist.Uniform(0.0, top), obs=y)


@healthy(np.array([[1000.0], [3000.0], [-2000.0]]), np.array([0, 5, 1]))
def rates_that_overflow(X, y):
    """Without standardising, rates are infinite or zero at most trial points."""
    beta = sample("beta", dist.Normal(jnp.zeros(1), 1e-3).to_event(1))
    sample("y", dist.Poisson(jnp.exp(X @ beta)), obs=y)


@healthy(np.zeros((0,)), np.array([1.0, 2.0]))
def empty_plate(x, y):
    mu = sample("mu", dist.Normal(0.0, 1.0))
    with plate("M", 0):
        z = sample("z", dist.Normal(mu, 1.0))
    sample("y", dist.Normal(mu + z.sum() + x.sum(), 1.0), obs=y)


@healthy(np.array([1.0, np.nan, 2.0]))
def masked_missing_data(y):
    mu = sample("mu", dist.Normal(0.0, 1.0))
    with plate("N", 3), handlers.mask(mask=jnp.isfinite(y)):
        sample("y", dist.Normal(mu, 1.0), obs=y)


@healthy(np.array([[1.0, np.nan], [2.0, 0.5]]))
def masked_within_events(y):
    mu = sample("mu", dist.Normal(0.0, 1.0))
    fn = dist.Normal(jnp.full((2, 2), mu), 1.0).mask(jnp.isfinite(y)).to_event(1)
    sample("y", fn, obs=y)


@healthy(np.array([1.0, 2.0]), np.array([1.0, -1.0]))
def masked_parameters(y, sd):
    mu = sample("mu", dist.Normal(0.0, 1.0))
    with handlers.mask(mask=sd > 0):
        sample("y", dist.Normal(mu, sd), obs=y)


@healthy(np.array([0.0, 1.0]))
def probabilities_at_rounding(y):
    """Sums of shares exceed one by a rounding error at some points."""
    p = sample("p", dist.Dirichlet(jnp.ones(7)))
    sample("y", dist.Bernoulli(p[0] + p[1] + p[2] + p[3:].sum()), obs=y)


@healthy(Y)
def horseshoe(y):
    tau = sample("tau", dist.HalfCauchy(1.0))
    local = sample("local", dist.HalfCauchy(jnp.ones(8)).to_event(1))
    beta = sample("beta", dist.Normal(jnp.zeros(8), tau * local).to_event(1))
    deterministic("shrunk", beta / 2)
    sample("y", dist.StudentT(4.0, beta, 10.0), obs=y)


@healthy()
def prior_only():
    v = sample("v", dist.Normal(0.0, 3.0))
    sample("x", dist.Normal(0.0, jnp.exp(v / 2)))


@healthy()
def flat_and_positive():
    s = sample("s", dist.ImproperUniform(dist.constraints.positive, (), ()))
    sample("y", dist.Normal(0.0, s), obs=np.array([1.0, -1.0]))


@healthy([0.5, 1.5], 2)
def lists_scalars_and_flags(y, k, flag=True):
    mu = sample("mu", dist.Normal(0.0, float(k)))
    sample("y", dist.Normal(mu if flag else 0.0, 1.0), obs=y)


def _unconditioned():
    mu = sample("mu", dist.Normal(0.0, 1.0))
    s = sample("s", dist.Exponential(1.0))
    with plate("N", 3):
        sample("y", dist.Normal(mu, s), obs=None)


@healthy()
def conditioned():
    data = {"y": np.array([1.0, 2.0, 3.0]), "s": 1.0}
    handlers.condition(_unconditioned, data)()


@healthy()
def substituted():
    handlers.substitute(_unconditioned, {"s": 2.0})()


@healthy()
def wrapped_in_many_handlers():
    model = handlers.scale(handlers.scope(_unconditioned, "a"), scale=2.0)
    handlers.seed(handlers.mask(model, mask=True), 0)()


@pytest.mark.parametrize(("model", "args", "kwargs"), HEALTHY)
def test_healthy_model_passes_in_silence(model, args, kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = check(model, *args, **kwargs)
        again = check(model, *args, **kwargs)
    assert first.density.layout.size == again.density.layout.size > 0
    assert first.density.spec == again.density.spec


def test_repeated_check_is_cheap():
    """A generous limit: tracing and the probe take some milliseconds."""
    for _ in range(2):
        check(eight_schools, SIGMA, y=Y)
    best = np.inf
    for shift in range(10):
        began = time.perf_counter()
        check(eight_schools, SIGMA, y=Y + shift)
        best = min(best, time.perf_counter() - began)
    assert best < 0.1
