"""Distributions made from functions: as good as built ones, with good errors."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from ppl.handlers import condition, seed, trace
from ppl.target import trace_model


def sech(x, loc, scale):
    """The log density of the hyperbolic secant distribution, of one number."""
    assert jnp.shape(x) == jnp.shape(loc) == jnp.shape(scale) == ()
    z = 0.5 * jnp.pi * (x - loc) / scale
    return -jnp.logaddexp(z, -z) - jnp.log(scale)


def draw_sech(key, loc, scale):
    u = jax.random.uniform(key, minval=1e-6, maxval=1.0 - 1e-6)
    return loc + scale * 2 / jnp.pi * jnp.log(jnp.tan(0.5 * jnp.pi * u))


def secant(loc, scale, **more):
    return dist.CustomDist(
        sech,
        {"loc": loc, "scale": scale},
        sampler=draw_sech,
        arg_constraints={"scale": c.positive},
        **more,
    )


def test_density_shapes_and_draws():
    loc, scale = np.array([[0.0], [1.0]]), np.array([1.0, 2.0, 3.0])
    d = secant(loc, scale)
    assert d.batch_shape == (2, 3)
    assert d.event_shape == ()
    x = np.linspace(-3.0, 3.0, 5)[:, None, None]
    expected = st.hypsecant.logpdf(x, loc, 2 / np.pi * scale)
    np.testing.assert_allclose(d.log_prob(x), expected, rtol=1e-5)
    draws = d.sample(jax.random.key(0), (4000,))
    assert draws.shape == (4000, 2, 3)
    assert len(np.unique(draws)) > 23_900
    for i, j in np.ndindex(2, 3):
        frozen = st.hypsecant(loc[i, 0], 2 / np.pi * scale[j])
        assert st.kstest(np.asarray(draws[:, i, j]), frozen.cdf).pvalue > 1e-4


def test_it_is_a_pytree_under_jit_vmap_and_scan():
    scale = np.array([1.0, 2.0, 3.0], np.float32)
    d = secant(0.5, scale)
    expected = d.log_prob(0.3)
    np.testing.assert_allclose(jax.jit(lambda d: d.log_prob(0.3))(d), expected, 1e-6)
    mapped = jax.vmap(lambda s: secant(0.5, s))(scale)
    assert mapped.batch_shape == (3,)
    np.testing.assert_allclose(mapped.log_prob(0.3), expected, rtol=1e-6)
    _, rows = jax.lax.scan(
        lambda _, s: (None, secant(0.5, s).log_prob(0.3)), None, scale
    )
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    slope = jax.grad(lambda s: secant(0.5, s).log_prob(0.3).sum())(scale)
    assert np.isfinite(slope).all()
    again = pickle.loads(pickle.dumps(d))
    np.testing.assert_array_equal(again.log_prob(0.3), expected)
    wide = d.expand((4, 3))
    assert wide.log_prob(np.zeros((4, 3))).shape == (4, 3)
    assert wide.to_event(1).log_prob(np.zeros((4, 3))).shape == (4,)


def test_vectors_with_support_and_vector_parameters():
    def log_density(x, weights):
        assert x.shape == weights.shape == (3,)
        return (weights * jnp.log(x)).sum()

    weights = np.stack([np.ones(3), np.arange(3.0)])
    d = dist.CustomDist(
        log_density,
        {"weights": weights},
        support=c.positive,
        event_shape=3,
        arg_constraints={"weights": c.real_vector},
    )
    assert (d.batch_shape, d.event_shape) == ((2,), (3,))
    assert d.support == c.independent(c.positive, 1)
    x = np.array([1.0, 2.0, 3.0])
    expected = (weights * np.log(x)).sum(-1)
    np.testing.assert_allclose(d.log_prob(x), expected, rtol=1e-6)
    outside = np.array([1.0, -2.0, 3.0])
    assert (d.log_prob(outside) == -np.inf).all()
    slopes = jax.grad(lambda x: jnp.exp(d.log_prob(x)).sum())(outside)
    np.testing.assert_array_equal(slopes, np.zeros(3))


def test_support_may_depend_on_parameters():
    d = dist.CustomDist(
        lambda x, low, high: -jnp.log(high - low),
        {"low": 1.0, "high": np.array([2.0, 5.0])},
        support=lambda low, high: c.interval(low, high),
    )
    np.testing.assert_allclose(d.log_prob(3.0), [-np.inf, -np.log(4.0)], rtol=1e-6)
    assert isinstance(t.biject_to(d.support), t.IntervalTransform)
    counts = dist.CustomDist(
        lambda k, p: k * jnp.log(p), {"p": 0.3}, support=c.nonnegative_integer
    )
    assert counts.is_discrete
    assert counts.log_prob(-1) == -np.inf
    np.testing.assert_allclose(counts.log_prob(2), 2 * np.log(0.3), rtol=1e-6)


def model(y):
    loc = ppl.sample("loc", secant(0.0, 1.0))
    scale = ppl.sample(
        "scale",
        dist.CustomDist(lambda x: -x, support=c.positive),
    )
    with ppl.plate("i", 4):
        ppl.sample("z", dist.CustomDist(lambda x: -0.5 * x * x))
        ppl.sample("y", secant(loc, scale), obs=y)


def test_in_models():
    y = np.array([0.1, 0.2, -1.0, 3.0])
    density = trace_model(model, (y,), {}).density
    shapes = {entry.name: entry.shape for entry in density.layout.entries}
    assert shapes == {"loc": (), "scale": (), "z": (4,)}
    values = {"loc": 0.5, "scale": 2.0, "z": np.zeros(4)}
    sites = trace(seed(condition(model, values), 0)).get_trace(y)
    total = sum(sites[name].log_prob().sum() for name in ("loc", "scale", "z", "y"))
    expected = st.hypsecant.logpdf(0.5, scale=2 / np.pi) - 2.0
    expected += st.hypsecant.logpdf(y, 0.5, 4 / np.pi).sum()
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    value, gradient = density.value_and_grad(jnp.zeros(density.layout.size))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="scale.* must be > 0"):
        secant(0.0, -1.0)
    secant(0.0, -1.0, validate_args=False)
    with pytest.raises(TypeError, match=r"log_density.*cannot be called .*'size'"):
        dist.CustomDist(sech, {"loc": 0.0, "size": 1.0})
    with pytest.raises(TypeError, match="log_density must be a function"):
        dist.CustomDist(3.0)
    with pytest.raises(KeyError, match="scal.*Did you mean 'scale'"):
        dist.CustomDist(
            sech, {"loc": 0.0, "scale": 1.0}, arg_constraints={"scal": c.positive}
        )
    with pytest.raises(TypeError, match="parameter 'loc' must be a number"):
        secant("zero", 1.0)
    with pytest.raises(TypeError, match="parameter 'loc' must be a number"):
        secant({"a": 1.0}, 1.0)
    with pytest.raises(ValueError, match="do not broadcast"):
        secant(np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match="too few dims"):
        dist.CustomDist(lambda x: 0.0, support=c.simplex)
    with pytest.raises(ValueError, match="log_density returned shape .*one number"):
        dist.CustomDist(lambda x: -x, event_shape=(3,)).log_prob(np.zeros(3))
    with pytest.raises(ValueError, match="does not end in the event shape"):
        dist.CustomDist(lambda x: 0.0, event_shape=(3,)).log_prob(np.zeros(2))
    with pytest.raises(ValueError, match="sampler returned shape"):
        dist.CustomDist(lambda x: 0.0, sampler=lambda key: jnp.zeros(2)).sample(
            jax.random.key(0)
        )
    with pytest.raises(TypeError, match="no sampler"):
        dist.CustomDist(lambda x: 0.0).sample(jax.random.key(0))
    with pytest.raises(ValueError, match="needs at least 1 dims"):
        dist.CustomDist(
            lambda x, w: 0.0, {"w": 1.0}, arg_constraints={"w": c.real_vector}
        )
