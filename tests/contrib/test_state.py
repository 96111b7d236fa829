"""What networks change while they run: statistics, holders, shared variables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentError, ModelError
from ppl.contrib import module as modules
from ppl.primitives import mutable
from tests.contrib.networks import X, linen_net, nnx_net, shapes, traced


def test_statistics_of_nnx_are_carried():
    net = nnx_net(batch_norm=True)

    def model():
        ppl.deterministic("y", ppl.module("net", net)(X))

    trace = traced(model)
    state = trace["net$state"]["value"]
    before = np.asarray(net.norm.mean.get_value())
    assert not before.any()  # the module itself is left alone
    hidden = jnp.tanh(net.layers[0](X))
    moved = 0.01 * hidden.mean(0)
    assert np.allclose(state["state"]["norm"]["mean"], moved, atol=1e-6)
    second = traced(model, **{"net$state": state})["net$state"]["value"]
    expected = 0.99 * moved + moved
    assert np.allclose(second["state"]["norm"]["mean"], expected, atol=1e-6)
    assert np.allclose(state["state"]["norm"]["mean"], moved, atol=1e-6)
    assert jnp.array_equal(trace["y"]["value"], nnx_net(batch_norm=True)(X))


def test_statistics_of_linen_are_carried_and_dropout_has_keys():
    net = linen_net(batch_norm=True)

    def model(train=True):
        f = modules.flax_module(
            "net", net, X, apply_rng=["dropout"], mutable=["batch_stats"]
        )
        rngs = {"dropout": ppl.prng_key()} if train else None
        ppl.deterministic("y", f(X, train, rngs=rngs))

    trace = traced(model)
    params = trace["net$params"]["value"]
    stats_after = trace["net$state"]["value"]["batch_stats"]["BatchNorm_0"]
    dense = params["Dense_0"]
    hidden = jnp.tanh(X @ dense["kernel"] + dense["bias"])
    assert np.allclose(stats_after["mean"], 0.01 * hidden.mean(0), atol=1e-6)
    kept = {name: trace[name]["value"] for name in ("net$params", "net$state")}
    fixed = traced(lambda: model(train=False), **kept)
    assert shapes(fixed["net$state"]["value"]) == shapes(trace["net$state"]["value"])
    expected = net.apply({"params": params, **kept["net$state"]}, X, train=False)
    assert np.allclose(fixed["y"]["value"], expected)
    with pytest.raises(ArgumentError, match="batch_stats"):
        traced(
            lambda: modules.flax_module("n", net, X, apply_rng=["dropout"], mutable=[])
        )


def test_state_of_equinox_is_kept_in_a_holder():
    equinox = pytest.importorskip("equinox")
    make = equinox.nn.make_with_state(equinox.nn.BatchNorm)
    norm, start = make(3, "batch", mode="batch")

    def model():
        net = modules.eqx_module("net", norm)
        holder = mutable("net$state", {"state": start})
        batched = jax.vmap(net, (0, None), (0, None), axis_name="batch")
        out, holder["state"] = batched(X, holder["state"])
        ppl.deterministic("y", out)

    trace = traced(model)
    batched = jax.vmap(norm, (0, None), (0, None), axis_name="batch")
    expected, state = batched(X, start)
    left = trace["net$state"]["value"]["state"]
    assert np.allclose(trace["y"]["value"], expected)
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(state), strict=True):
        assert np.allclose(one, other)


def test_shared_variables_are_one_parameter():
    nnx = pytest.importorskip("flax.nnx")

    class Tied(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(3, 3, rngs=rngs)
            self.second = self.first

        def __call__(self, x):
            return self.second(self.first(x))

    net = Tied(nnx.Rngs(0))

    def model():
        ppl.deterministic("y", ppl.random_module("net", net, dist.Normal())(X))

    trace = traced(model)
    assert list(trace) == ["net/first.bias", "net/first.kernel", "y"]
    b, w = (trace[f"net/first.{part}"]["value"] for part in ("bias", "kernel"))
    assert np.allclose(trace["y"]["value"], (X @ w + b) @ w + b, atol=1e-5)


def test_dropout_of_nnx_is_sampled_over_and_counts_its_keys():
    """Its key is one of the new kind, which the model closes over."""
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(3, 1, rngs=rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return self.dropout(self.linear(x))

    net = Net(nnx.Rngs(0))

    def model(y):
        f = ppl.random_module("net", net, dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(f(X)[:, 0], 1.0), obs=y)

    posterior = ppl.fit(model, np.zeros(5), chains=2, draws=10, warmup=10, seed=0)
    assert set(posterior.keys()) == {"net/linear.bias", "net/linear.kernel"}
    state = traced(lambda: model(np.zeros(5)))["net$state"]["value"]["state"]
    assert state["dropout"]["rngs"]["count"] == 1


def test_statistics_go_through_compiled_training():
    net = nnx_net(batch_norm=True)
    y = X[:, :1]

    def model():
        ppl.sample("y", dist.Normal(ppl.module("net", net)(X), 1.0), obs=y)

    @jax.jit
    def step(params, state):
        def loss(params):
            trace = traced(model, **{"net$params": params, "net$state": state})
            return -trace["y"].log_prob().mean(), trace["net$state"]["value"]

        (value, state), slope = jax.value_and_grad(loss, has_aux=True)(params)
        return value, jax.tree.map(lambda p, g: p - 0.1 * g, params, slope), state

    trace = traced(model)
    params, state = (trace[f"net${part}"]["value"] for part in ("params", "state"))
    values = []
    for _ in range(40):
        value, params, state = step(params, state)
        values.append(float(value))
    assert values[-1] < values[0]
    layer = params["layers"][0]
    hidden = jnp.tanh(X @ layer["kernel"] + layer["bias"]).mean(0)
    fraction = 1 - 0.99**41
    left = state["state"]["norm"]["mean"]
    assert np.all(np.abs(left) <= 1.0)
    assert np.abs(left - fraction * hidden).max() < 0.5 * fraction


# --- mutable --------------------------------------------------------------------------


def counting(start=None):
    holder = mutable("count", {"n": 0} if start is None else start)
    holder["n"] += 1
    mutable("count")["n"] += 1  # under `trace` the same holder


def test_a_holder_is_the_models_own():
    start = {"n": 5}
    with handlers.trace() as trace:
        counting(start)
    assert trace["count"]["type"] == "mutable"
    assert trace["count"]["value"] == {"n": 7}
    assert start == {"n": 5}


def test_substitute_gives_holders_and_leaves_its_data_alone():
    data = {"count": {"n": 10}}
    for _ in range(2):
        with handlers.trace() as trace, handlers.substitute(data=data):
            counting()
        assert trace["count"]["value"] == {"n": 12}
    assert data == {"count": {"n": 10}}


def test_scope_and_block_know_holders():
    with handlers.trace() as trace, handlers.scope(prefix="a"):
        counting()
    assert list(trace) == ["a/count"]
    with handlers.trace() as trace, handlers.block():
        mutable("count", {"n": 0})
    assert not trace


def test_models_with_holders_are_sampled():
    def model():
        counting()
        ppl.sample("x", dist.Normal(0.0, 1.0))

    posterior = ppl.fit(model, chains=2, draws=20, warmup=20, seed=0)
    assert set(posterior.keys()) == {"x"}


def test_a_holder_needs_a_first_value():
    with pytest.raises(ModelError, match="mutable"):
        mutable("count")
