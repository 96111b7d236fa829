"""The real packages behind the adapters, wherever they are installed.

None of them is a dependency: TensorFlow Probability on JAX, FlowJAX and Distrax.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from ppl.handlers import seed, trace
from ppl.infer import MCMC, NUTS
from ppl.target import trace_model

pytestmark = pytest.mark.filterwarnings("ignore")  # what they warn of is theirs


@pytest.fixture
def tfd():
    pytest.importorskip("tensorflow_probability", exc_type=ImportError)
    substrate = pytest.importorskip("tensorflow_probability.substrates.jax")
    return substrate.distributions


PAIRS = {
    "Normal": (
        lambda tfd: tfd.Normal(jnp.array([0.0, 1.0]), 2.0),
        lambda: dist.Normal(np.array([0.0, 1.0]), 2.0),
    ),
    "Gamma": (lambda tfd: tfd.Gamma(2.0, 3.0), lambda: dist.Gamma(2.0, 3.0)),
    "Beta": (lambda tfd: tfd.Beta(2.0, 3.0), lambda: dist.Beta(2.0, 3.0)),
    "Dirichlet": (
        lambda tfd: tfd.Dirichlet(jnp.array([[2.0, 3.0, 4.0], [1.0, 5.0, 2.0]])),
        lambda: dist.Dirichlet(np.array([[2.0, 3.0, 4.0], [1.0, 5.0, 2.0]])),
    ),
    "MultivariateNormal": (
        lambda tfd: tfd.MultivariateNormalTriL(
            jnp.zeros(2), jnp.array([[1.0, 0.0], [0.5, 2.0]])
        ),
        lambda: dist.MultivariateNormal(
            np.zeros(2), scale_tril=np.array([[1.0, 0.0], [0.5, 2.0]])
        ),
    ),
    "LKJCholesky": (
        lambda tfd: tfd.CholeskyLKJ(3, 2.0),
        lambda: dist.LKJCholesky(3, 2.0),
    ),
    "TruncatedNormal": (
        lambda tfd: tfd.TruncatedNormal(0.0, 1.0, -1.0, 2.0),
        lambda: dist.TruncatedNormal(0.0, 1.0, low=-1.0, high=2.0),
    ),
    "Independent": (
        lambda tfd: tfd.Independent(tfd.Normal(jnp.zeros((4, 3)), 1.0), 1),
        lambda: dist.Normal(np.zeros((4, 3)), 1.0).to_event(1),
    ),
    "Poisson": (lambda tfd: tfd.Poisson(3.0), lambda: dist.Poisson(3.0)),
    "LogNormal": (
        lambda tfd: tfd.LogNormal(0.5, 2.0),
        lambda: dist.LogNormal(0.5, 2.0),
    ),
    "Categorical": (
        lambda tfd: tfd.Categorical(logits=jnp.array([0.0, 1.0, -1.0])),
        lambda: dist.Categorical(logits=np.array([0.0, 1.0, -1.0])),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_tfp_agrees_with_ours(tfd, name):
    theirs, ours = PAIRS[name][0](tfd), PAIRS[name][1]()
    d = dist.as_distribution(theirs)
    assert isinstance(d, dist.TFPDistribution)
    assert (d.batch_shape, d.event_shape) == (ours.batch_shape, ours.event_shape)
    x = ours.sample(jax.random.key(0), (7,))
    expected = np.asarray(ours.log_prob(x))
    for log_prob in (d.log_prob, jax.jit(d.log_prob), jax.vmap(d.log_prob)):
        np.testing.assert_allclose(log_prob(x), expected, rtol=2e-4, atol=2e-5)
    wide = d.expand((5, *d.batch_shape))
    draws = jax.jit(lambda d, key: d.sample(key, (3,)))(wide, jax.random.key(1))
    assert draws.shape == (3, 5, *ours.batch_shape, *ours.event_shape)
    assert np.isfinite(ours.log_prob(draws)).all()
    crossed = jax.jit(lambda d: d.log_prob(x))(d)  # as an argument
    np.testing.assert_allclose(crossed, expected, rtol=2e-4, atol=2e-5)


CONTINUOUS = [name for name in PAIRS if name not in ("Poisson", "Categorical")]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_bijectors_of_tfp_go_there_and_back(tfd, name):
    d = dist.as_distribution(PAIRS[name][0](tfd))
    onto = t.biject_to(d.support)
    free = onto.inverse_shape(d.shape())
    x = 0.5 * np.random.default_rng(0).normal(size=(3, *free)).astype(np.float32)
    y, log_det = onto.forward_and_log_det(x)
    assert y.shape == (3, *d.shape())
    assert log_det.shape == (3, *d.batch_shape)
    assert np.asarray(d.support(y)).all()
    np.testing.assert_allclose(onto.inv(y), x, rtol=1e-3, atol=1e-3)


def test_tfp_fits(tfd):
    def model(y):
        scale = ppl.sample("scale", tfd.HalfNormal(2.0))
        weights = ppl.sample("weights", tfd.Dirichlet(jnp.ones(3)))
        with ppl.plate("i", 40):
            ppl.sample("y", tfd.Normal(0.0, scale), obs=y)
        return weights

    y = np.random.default_rng(0).normal(size=40).astype(np.float32) * 1.5
    mcmc = MCMC(NUTS(model), num_warmup=200, num_samples=300, progress_bar=False)
    mcmc.run(jax.random.key(0), y)
    draws = mcmc.get_samples()
    assert 1.1 < draws["scale"].mean() < 2.0
    np.testing.assert_allclose(draws["weights"].sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(draws["weights"].mean(0), 1 / 3, atol=0.07)


def test_tfp_joint_distributions_are_refused_in_words(tfd):
    joint = tfd.JointDistributionSequential(
        [tfd.Normal(0.0, 1.0), tfd.Normal(0.0, 1.0)]
    )
    with pytest.raises(TypeError, match="joint distribution of several arrays"):
        dist.as_distribution(joint)


# --- FlowJAX --------------------------------------------------------------------------


@pytest.fixture
def flows():
    pytest.importorskip("flowjax")
    import flowjax.distributions

    return flowjax.distributions


def test_flowjax_agrees_with_ours(flows):
    for theirs, ours in (
        (flows.Normal(jnp.arange(3.0), 2.0), dist.Normal(np.arange(3.0), 2.0)),
        (flows.StudentT(jnp.full(2, 4.0)), dist.StudentT(np.full(2, 4.0))),
        (flows.Normal(0.5), dist.Normal(0.5)),
    ):
        d, ours = dist.as_distribution(theirs), ours.to_event()
        assert isinstance(d, dist.FlowJAXDistribution)
        assert (d.batch_shape, d.event_shape) == ((), ours.event_shape)
        x = d.expand((4,)).sample(jax.random.key(0), (6,))
        assert x.shape == (6, 4, *ours.event_shape)
        expected = ours.log_prob(x)
        np.testing.assert_allclose(jax.jit(d.log_prob)(x), expected, rtol=1e-4)
        np.testing.assert_allclose(
            jax.jit(lambda d, x: d.log_prob(x))(d, x), expected, rtol=1e-4
        )


def test_a_flow_serves_in_a_model_and_has_gradients(flows):
    from flowjax.flows import masked_autoregressive_flow

    flow = masked_autoregressive_flow(
        jax.random.key(0), base_dist=flows.Normal(jnp.zeros(2)), flow_layers=2
    )
    d = dist.as_distribution(flow)
    x = d.sample(jax.random.key(1), (5,))
    np.testing.assert_allclose(d.log_prob(x), flow.log_prob(x), rtol=1e-5)

    def model():
        z = ppl.sample("z", flow)
        ppl.sample("y", dist.Normal(z.sum(), 1.0), obs=0.3)

    density = trace_model(model, (), {}).density
    value, gradient = density.value_and_grad(jnp.array([0.2, -0.1]))
    z = jnp.array([0.2, -0.1])
    expected = flow.log_prob(z) + dist.Normal(0.1, 1.0).log_prob(0.3)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    assert np.isfinite(gradient).all()
    assert trace(seed(model, 0)).get_trace()["z"].value.shape == (2,)


def test_a_conditional_flow_is_refused(flows):
    from flowjax.flows import masked_autoregressive_flow

    flow = masked_autoregressive_flow(
        jax.random.key(0), base_dist=flows.Normal(jnp.zeros(2)), cond_dim=1
    )
    with pytest.raises(TypeError, match="needs a condition of shape"):
        dist.as_distribution(flow)


# --- Distrax --------------------------------------------------------------------------


@pytest.fixture
def distrax():
    return pytest.importorskip("distrax")


def test_distrax_agrees_with_ours(distrax):
    for theirs, ours in (
        (distrax.Normal(jnp.zeros(3), 2.0), dist.Normal(np.zeros(3), 2.0)),
        (distrax.Gamma(2.0, 3.0), dist.Gamma(2.0, 3.0)),
    ):
        d = dist.as_distribution(theirs)
        assert (d.batch_shape, d.event_shape) == (ours.batch_shape, ())
        x = ours.sample(jax.random.key(0), (5,))
        np.testing.assert_allclose(jax.jit(d.log_prob)(x), ours.log_prob(x), rtol=1e-4)
        assert d.sample(jax.random.key(1), (4,)).shape == (4, *ours.batch_shape)
        if not d.batch_shape:
            with pytest.raises(TypeError, match="say the support"):
                trace_model(lambda d=theirs: ppl.sample("x", d), (), {})
            told = dist.as_distribution(theirs, c.positive)
            density = trace_model(lambda d=told: ppl.sample("x", d), (), {}).density
            value, _ = density.value_and_grad(jnp.zeros(1))
            np.testing.assert_allclose(value, ours.log_prob(1.0), rtol=1e-5)
