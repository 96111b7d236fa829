"""Distributions of other packages: stand-ins for them, and SciPy's own."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from ppl.handlers import seed, trace
from ppl.target import trace_model

# --- stand-ins ------------------------------------------------------------------------


class Exp:
    """As TFP's `Exp` bijector."""

    def forward(self, x):
        return jnp.exp(x)

    def inverse(self, y):
        return jnp.log(y)

    def forward_log_det_jacobian(self, x, event_ndims):
        return x.sum(tuple(range(-event_ndims, 0)))

    def inverse_log_det_jacobian(self, y, event_ndims):
        return -jnp.log(y).sum(tuple(range(-event_ndims, 0)))

    def inverse_event_shape(self, shape):
        return shape


@partial(jax.tree_util.register_dataclass, data_fields=["rate"], meta_fields=["dims"])
@dataclass
class TFPExponential:
    """As an exponential distribution of TFP, independent over its last `dims`."""

    rate: jax.Array
    dims: int = 0

    @property
    def batch_shape(self):
        return jnp.shape(self.rate)[: jnp.ndim(self.rate) - self.dims]

    @property
    def event_shape(self):
        return jnp.shape(self.rate)[jnp.ndim(self.rate) - self.dims :]

    def sample(self, sample_shape=(), seed=None):
        shape = (*sample_shape, *jnp.shape(self.rate))
        return jax.random.exponential(seed, shape) / self.rate

    def log_prob(self, value):
        terms = jnp.where(value < 0, -jnp.inf, jnp.log(self.rate) - self.rate * value)
        return terms.sum(tuple(range(-self.dims, 0)))

    def experimental_default_event_space_bijector(self):
        return Exp()


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["loc", "activation"],
    meta_fields=["cond_shape"],
)
@dataclass
class FlowJAXNormal:
    """As a distribution of FlowJAX, with a function among its leaves."""

    loc: jax.Array
    activation: object = jnp.tanh
    cond_shape: tuple | None = None

    @property
    def shape(self):
        return jnp.shape(self.loc)

    def sample(self, key, sample_shape=(), condition=None):
        del condition
        return self.loc + jax.random.normal(key, (*sample_shape, *self.shape))

    def log_prob(self, x, condition=None):
        del condition
        gap = self.activation(x - self.loc)
        return -0.5 * (gap * gap).sum(-1)


# --- TFP and FlowJAX ------------------------------------------------------------------


def test_tfp_has_our_shapes_support_and_gradient():
    rate = jnp.array([[1.0], [4.0]])
    d = dist.as_distribution(TFPExponential(rate)).expand((3, 2, 5))
    assert isinstance(d, dist.TFPDistribution)
    assert (d.batch_shape, d.event_shape) == ((3, 2, 5), ())
    x = d.sample(jax.random.key(0), (2000,))
    assert x.shape == (2000, 3, 2, 5)
    assert len(np.unique(x)) > 59_000
    np.testing.assert_allclose(x.mean((0, 1, 3)), [1.0, 0.25], rtol=0.05)
    expected = dist.Exponential(rate).log_prob(2.0)
    np.testing.assert_allclose(d.log_prob(2.0)[0, :, :1], expected, rtol=1e-6)
    assert np.asarray(d.support(np.array([-1.0]))).sum() == 0
    assert d.support(d.support.feasible_like(np.ones((3, 2, 5)))).all()

    slope = jax.jit(jax.grad(lambda d: d.log_prob(2.0).sum(), allow_int=True))(d)
    np.testing.assert_allclose(slope.opaque.arrays[0], 15 * (1 / rate - 2.0))


def test_tfp_bijector_is_a_transform():
    d = dist.as_distribution(TFPExponential(jnp.ones(3), dims=1))
    onto = t.biject_to(d.support)
    assert d.event_shape == (3,)
    assert onto.domain == c.real_vector
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    y, log_det = onto.forward_and_log_det(x)
    np.testing.assert_allclose(log_det, x.sum(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(onto.inv(y), x, rtol=1e-5, atol=1e-6)
    assert onto.forward_shape(x.shape) == onto.inverse_shape(y.shape) == (4, 3)
    given = dist.as_distribution(TFPExponential(jnp.ones(3), dims=1), c.positive)
    assert given.support == c.independent(c.positive, 1)


def test_flowjax_has_our_shapes():
    d = dist.as_distribution(FlowJAXNormal(jnp.arange(3.0)))
    assert isinstance(d, dist.FlowJAXDistribution)
    assert (d.batch_shape, d.event_shape) == ((), (3,))
    assert d.support == c.real_vector
    wide = d.expand((4,))
    x = jax.jit(lambda d, key: d.sample(key, (2,)))(wide, jax.random.key(0))
    assert x.shape == (2, 4, 3)
    assert wide.log_prob(x).shape == (2, 4)
    positive = dist.as_distribution(FlowJAXNormal(jnp.zeros(3)), c.positive)
    assert positive.support == c.independent(c.positive, 1)
    with pytest.raises(TypeError, match="conditional"):
        dist.as_distribution(FlowJAXNormal(jnp.zeros(3), cond_shape=(2,)))


def test_they_serve_in_models():
    def model(y):
        rate = ppl.sample("rate", TFPExponential(jnp.float32(2.0)))
        place = ppl.sample("place", FlowJAXNormal(jnp.zeros(2)))
        with ppl.plate("i", 3):
            ppl.sample("y", TFPExponential(rate), obs=y)
        ppl.deterministic("sum", place.sum())

    y = np.array([0.5, 1.0, 1.5])
    sites = trace(seed(model, 0)).get_trace(y)
    np.testing.assert_allclose(
        sites["y"].log_prob(), dist.Exponential(sites["rate"].value).log_prob(y), 1e-5
    )
    density = trace_model(model, (y,), {}).density
    value, gradient = density.value_and_grad(jnp.zeros(3))
    # rate = exp(0) = 1: the prior, the three terms, and no log-determinant
    expected = np.log(2.0) - 2.0 - y.sum()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient[:1], [-2.0 + 3.0 - y.sum() + 1.0], rtol=1e-5)


# --- SciPy ----------------------------------------------------------------------------

FROZEN = [
    (st.norm(1.0, 2.0), c.real, 0.5),
    (st.expon(scale=2.0), c.greater_than_eq(0.0), 0.5),
    (st.beta(2.0, 3.0), c.interval(0.0, 1.0), 0.5),
    (st.weibull_max(2.0), c.less_than_eq(0.0), -0.5),
    (st.poisson(3.0), c.integer_greater_than(0.0), 2),
    (st.binom(5, 0.5), c.integer_interval(0.0, 5.0), 2),
]


@pytest.mark.parametrize(("frozen", "support", "value"), FROZEN)
def test_scipy_densities(frozen, support, value):
    d = dist.as_distribution(frozen)
    assert isinstance(d, dist.SciPyDistribution)
    assert d.support == support
    log = frozen.logpmf if d.is_discrete else frozen.logpdf
    for result in (d.log_prob(value), jax.jit(d.log_prob)(value)):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, log(value), rtol=1e-6)
    many = np.full((2, 3), value)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(d.log_prob))(many), log(many), rtol=1e-6
    )


def test_scipy_batches_and_vectors():
    d = dist.as_distribution(st.norm(np.zeros((2, 1)), np.ones(3)))
    assert d.batch_shape == (2, 3)
    assert jax.jit(jax.vmap(d.log_prob))(np.zeros((4, 2, 3))).shape == (4, 2, 3)
    joint = dist.as_distribution(st.multivariate_normal(np.zeros(2), np.eye(2)))
    assert (joint.batch_shape, joint.event_shape) == ((), (2,))
    x = np.random.default_rng(0).normal(size=(4, 1, 2))
    np.testing.assert_allclose(
        jax.jit(jax.vmap(joint.log_prob))(x),
        st.multivariate_normal(np.zeros(2), np.eye(2)).logpdf(x)[:, None],
        rtol=1e-6,
    )
    with pytest.raises(ValueError, match="does not end in the event shape"):
        joint.log_prob(np.zeros(3))


def test_scipy_has_no_gradient_and_no_draws():
    d = dist.as_distribution(st.norm(1.0, 2.0))
    with pytest.raises(TypeError, match="norm has no gradient.*CustomDist"):
        jax.grad(d.log_prob)(0.5)
    with pytest.raises(TypeError, match="log density only"):
        d.sample(jax.random.key(0))


def test_scipy_in_models():
    def model():
        x = ppl.sample("x", dist.Normal())
        ppl.sample("y", st.norm(1.0, 2.0), obs=np.array([0.3]))
        return x

    density = trace_model(model, (), {}).density
    value, gradient = density.value_and_grad(jnp.ones(1))
    expected = st.norm.logpdf(1.0) + st.norm.logpdf(0.3, 1.0, 2.0)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, [-1.0])

    def latent():
        ppl.sample("x", st.norm(1.0, 2.0))

    density = trace_model(latent, (), {}).density
    with pytest.raises(TypeError, match="has no gradient"):
        density.value_and_grad(jnp.ones(1))


def test_tfp_without_one_shape_is_refused():
    @dataclass
    class Joint(TFPExponential):
        @property
        def event_shape(self):
            return [(), (2,)]

    with pytest.raises(TypeError, match="joint distribution of several arrays"):
        dist.as_distribution(Joint(jnp.ones(3)))


# --- all ------------------------------------------------------------------------------


def test_what_is_no_distribution_is_refused():
    def model():
        ppl.sample("x", 3.0)

    with pytest.raises(TypeError, match=r"'x': needs a distribution, got float \("):
        seed(model, 0)()
    with pytest.raises(TypeError, match="needs a distribution, got type"):
        dist.as_distribution(dist.Normal)
    assert dist.as_distribution(fn := dist.Normal()) is fn
