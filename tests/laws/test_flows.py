"""Flows and their networks: who sees whom, bijections, and weights that are leaves."""

import sys
from functools import partial

import diffrax
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl import nn
from ppl._errors import MissingPackageError
from ppl.distributions import flows
from ppl.distributions import transforms as t

KEY = jax.random.key(3)
SIZE = 4


def autoregressive(**more):
    net = nn.AutoregressiveNN(SIZE, [6, 5], key=KEY, nonlinearity=jnp.tanh, **more)
    return flows.InverseAutoregressiveTransform(net)


def block(residual=None):
    net = nn.BlockNeuralAutoregressiveNN(SIZE, [5], residual, key=KEY)
    return flows.BlockNeuralAutoregressiveTransform(net)


def coupling():
    net = nn.MLP(2, [8], 2 * 14, jnp.tanh, key=KEY)
    # weights that are not near zero, or the splines would be straight lines
    net = jax.tree.map(lambda w: w + jax.random.normal(KEY, w.shape), net)
    return flows.SplineCouplingTransform(net, 2, count_bins=5, bound=2.0)


def continuous(probe=None, **options):
    net = nn.MLP(SIZE + 1, [6], SIZE, jnp.tanh, key=KEY)
    net = jax.tree.map(lambda w: w + jax.random.normal(KEY, w.shape), net)
    return flows.ContinuousFlowTransform(net, probe, **options)


FLOWS = [
    pytest.param(autoregressive, id="inverse autoregressive"),
    pytest.param(
        partial(autoregressive, permutation=[2, 0, 3, 1], skip_connections=True),
        id="permuted, with skip connections",
    ),
    pytest.param(block, id="block neural"),
    pytest.param(partial(block, "normal"), id="block neural, residual"),
    pytest.param(partial(block, "gated"), id="block neural, gated"),
    pytest.param(coupling, id="spline coupling"),
    pytest.param(partial(continuous, rtol=1e-10, atol=1e-10), id="continuous"),
]


@pytest.mark.parametrize("make", FLOWS)
def test_a_flow_is_a_bijection_with_its_determinant(make, x64):
    flow = make()
    x = np.random.default_rng(0).normal(size=(20, SIZE))

    @jax.jit
    def computed(flow, x):
        y, log_det = flow.forward_and_log_det(x)
        jacobian = jax.vmap(jax.jacrev(flow))(x)
        return y, log_det, jacobian, *flow.inverse_and_log_det(y)

    y, log_det, jacobian, back, log_det_back = computed(flow, x)
    assert y.shape == x.shape
    assert log_det.shape == (20,)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian)[1], atol=1e-9)
    np.testing.assert_allclose(back, x, atol=1e-7)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-6)
    assert not np.allclose(y, x, atol=0.1)


@pytest.mark.parametrize(
    "make",
    [autoregressive, block, coupling, pytest.param(continuous, marks=pytest.mark.slow)],
)
def test_in_float32_with_gradients_in_the_weights(make):
    flow = make()
    base = dist.Normal(jnp.zeros(SIZE)).to_event(1)

    @jax.jit
    def density(flow, x):
        return dist.TransformedDistribution(base, flow).log_prob(x).sum()

    y = flow(np.random.default_rng(0).normal(size=(3, SIZE)).astype(np.float32))
    value, slopes = jax.value_and_grad(density)(flow, y)
    assert np.isfinite(value)
    assert jax.tree.structure(slopes) == jax.tree.structure(flow)
    for slope in jax.tree.leaves(slopes):
        assert np.isfinite(slope).all()
    assert any((slope != 0).any() for slope in jax.tree.leaves(slopes))
    np.testing.assert_allclose(flow.inv.inv(y), flow(y), rtol=1e-5)
    x = dist.TransformedDistribution(base, flow).sample(KEY, (5,))
    assert x.shape == (5, SIZE)


def test_gradient_of_the_inverse_reaches_the_weights(x64):
    """By the implicit function, as finite differences say."""
    flow, y = block(), np.array([0.3, -1.0, 0.5, 2.0])
    flat, restore = jax.flatten_util.ravel_pytree(flow)

    @jax.jit
    def term(flat):
        x, log_det = restore(flat).inverse_and_log_det(y)
        return (x * x).sum() + log_det

    slope = jax.jit(jax.grad(term))(flat)
    way = np.random.default_rng(0).normal(size=flat.shape)
    step = 1e-5
    expected = (term(flat + step * way) - term(flat - step * way)) / (2 * step)
    np.testing.assert_allclose(slope @ way, expected, rtol=1e-5)


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
def test_a_component_sees_those_before_it(order):
    net = nn.AutoregressiveNN(
        SIZE, [7], (1, 3), order, True, jnp.tanh, key=jax.random.key(1)
    )
    one, three = net(np.ones((2, SIZE)))
    assert (one.shape, three.shape) == ((1, 2, SIZE), (3, 2, SIZE))
    order = np.arange(SIZE) if order is None else np.asarray(order)
    place = np.argsort(order)
    for part in (0, 1):
        seen = jax.jacfwd(lambda x, part=part: net(x)[part].sum(0))(np.ones(SIZE)) != 0
        assert (seen == (place[None, :] < place[:, None])).all()
    assert nn.AutoregressiveNN(1, [3], (1,), key=KEY)(np.ones((5, 1))).shape == (5, 1)


def test_log_scales_stay_within_their_bounds():
    flow = flows.InverseAutoregressiveTransform(
        lambda x: (jnp.zeros_like(x), 100.0 * jnp.ones_like(x)), -1.0, 2.0
    )
    y, log_det = flow.forward_and_log_det(np.ones(3))
    np.testing.assert_allclose(y, np.exp(2.0) * np.ones(3), rtol=1e-6)
    assert log_det == 6.0


def test_functions_serve_as_networks():
    def apply(params, x):
        return params["a"] * jnp.ones_like(x), params["b"] * jnp.ones_like(x)

    params = {"a": jnp.float32(2.0), "b": jnp.float32(0.5)}
    flow = flows.InverseAutoregressiveTransform(partial(apply, params))
    assert len(jax.tree.leaves(flow)) == 2
    np.testing.assert_allclose(jax.jit(lambda f, x: f(x))(flow, np.zeros(2)), [2, 2])
    with pytest.raises(TypeError, match="a network that can be called"):
        flows.InverseAutoregressiveTransform(3.0)


def test_splines_are_the_identity_outside_and_for_zeros():
    flow = coupling()
    far = np.array([0.3, -0.2, 5.0, -2.5], np.float32)
    np.testing.assert_allclose(flow(far), far)
    assert flow.forward_and_log_det(far)[1] == 0.0
    zeros = jax.tree.map(jnp.zeros_like, flow)
    x = np.linspace(-2.5, 2.5, 4 * 50, dtype=np.float32).reshape(50, 4)
    np.testing.assert_allclose(zeros(x), x, atol=1e-6)


def test_splines_rise(x64):
    line = np.tile(np.array([0.3, -0.2, 0.0, 0.0]), (999, 1))
    line[:, 2] = line[:, 3] = np.linspace(-2.2, 2.2, 999)
    rising = np.diff(np.asarray(coupling()(line))[:, 2:], axis=0)
    assert (rising > 0).all()


def test_flows_compose():
    parts = [coupling(), t.PermuteTransform(np.array([2, 3, 0, 1])), coupling()]
    base = dist.Normal(jnp.zeros(SIZE)).to_event(1)
    d = dist.TransformedDistribution(base, parts)
    x = d.sample(KEY, (6,))
    assert d.log_prob(x).shape == (6,)
    assert np.isfinite(d.log_prob(x)).all()


def test_probes_give_the_divergence_in_the_mean(x64):
    """Of all vectors of signs the mean of e e^T is the identity, so it is exact."""
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * SIZE)).reshape(SIZE, -1).T
    x = np.random.default_rng(0).normal(size=SIZE)
    exact, probed = continuous(num_steps=3), continuous(signs, num_steps=3)

    @jax.jit
    def both_ways(flow, x):
        return flow.forward_and_log_det(x), flow.inverse_and_log_det(x)

    many = both_ways(probed, np.tile(x, (len(signs), 1)))
    for (value, log_det), (values, estimates) in zip(
        both_ways(exact, x), many, strict=True
    ):
        np.testing.assert_allclose(values, np.tile(value, (len(signs), 1)))
        np.testing.assert_allclose(estimates.mean(), log_det, rtol=1e-10)
        assert estimates.std() > 0.1


def test_more_steps_come_nearer_and_a_solve_that_gives_up_is_not_a_number(x64):
    x = np.random.default_rng(0).normal(size=SIZE)
    truth = np.append(*continuous(rtol=1e-10, atol=1e-10).forward_and_log_det(x))
    off = [
        abs(np.append(*continuous(num_steps=n).forward_and_log_det(x)) - truth).max()
        for n in (2, 4)
    ]
    assert off[0] > 10 * off[1]  # of fifth order
    stiff = flows.ContinuousFlowTransform(lambda x: -1e6 * x[:-1])
    value, log_det = stiff.forward_and_log_det(x)
    assert np.isnan(value).all()
    assert np.isnan(log_det)


@pytest.mark.slow
def test_adjoints_agree(x64):
    x = np.random.default_rng(0).normal(size=SIZE)
    tight = {"rtol": 1e-9, "atol": 1e-9}

    @jax.jit
    @jax.grad
    def slopes(flow):
        y, log_det = flow.forward_and_log_det(x)
        return jnp.sum(y**2) + log_det

    by_default = slopes(continuous(**tight))
    backwards = slopes(continuous(**tight, adjoint=diffrax.BacksolveAdjoint()))
    for ours, theirs in zip(
        *map(jax.tree.leaves, (by_default, backwards)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_without_diffrax_the_error_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(MissingPackageError, match="pip install diffrax") as error:
        continuous()
    assert error.value.value == "diffrax"


@pytest.mark.parametrize(
    "options",
    [{"num_steps": 0}, {"rtol": 0.0}, {"atol": "small"}, {"solver": "tsit5"}]
    + [{"adjoint": diffrax.Tsit5()}],
)
def test_solvers_out_of_range_are_named(options):
    (option,) = options
    with pytest.raises((ValueError, TypeError), match=option):
        continuous(**options)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="3 hidden units cannot tell 4"):
        nn.AutoregressiveNN(4, [3], key=KEY)
    with pytest.raises(ValueError, match="is no order of 3"):
        nn.AutoregressiveNN(3, [3], permutation=[0, 0, 1], key=KEY)
    with pytest.raises(ValueError, match="'normal' or 'gated'"):
        nn.BlockNeuralAutoregressiveNN(3, [3], "gate", key=KEY)
    with pytest.raises(ValueError, match="must be a matrix"):
        nn.MaskedDense(np.ones(3), key=KEY)
    with pytest.raises(ValueError, match="positive bound"):
        flows.SplineCouplingTransform(nn.MLP(1, [], 4, key=KEY), 1, 8, -1.0)
    short = flows.SplineCouplingTransform(nn.MLP(1, [], 4, key=KEY), 1)
    with pytest.raises(ValueError, match="need 23 numbers, and .* gives 4"):
        short(np.ones(2))
    flat = flows.ContinuousFlowTransform(nn.MLP(3, [], 3, key=KEY))
    with pytest.raises(ValueError, match="2 components .* gives shape \\(3,\\)"):
        flat(np.ones(2))
