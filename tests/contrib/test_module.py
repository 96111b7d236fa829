"""Networks as values in a model: names as NumPyro's, densities by hand, training."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl
from ppl import distributions as dist
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ShapeError,
    UnknownNameError,
)
from ppl.contrib import module as modules
from tests.contrib.networks import (
    Affine,
    X,
    affine,
    eqx_net,
    linen_net,
    nnx_net,
    shapes,
    stax_net,
    traced,
)

# name: the network, further arguments, and whether it takes one row at a time
NETS = {
    "nnx": (nnx_net, {}, False),
    "linen": (linen_net, {"input_shape": (5, 3)}, False),
    "eqx": (eqx_net, {}, True),
    "stax": (stax_net, {"input_shape": (5, 3)}, False),
    "functions": (
        lambda: (lambda key: jax.random.normal(key, (3, 1)), lambda w, x: x @ w),
        {},
        False,
    ),
    "plain": (affine, {}, False),
    "partial": (
        lambda: jax.tree_util.Partial(lambda w, x: x @ w, jnp.ones((3, 1))),
        {},
        False,
    ),
}
BY_LIBRARY = {
    "nnx": (modules.nnx_module, modules.random_nnx_module),
    "linen": (modules.flax_module, modules.random_flax_module),
    "eqx": (modules.eqx_module, modules.random_eqx_module),
}


def called(net, rows):
    return jax.vmap(net)(X) if rows else net(X)


@pytest.mark.parametrize("kind", NETS)
def test_parameters_are_one_site(kind):
    make, options, rows = NETS[kind]
    net = make()

    def model():
        y = called(ppl.module("net", net, **options), rows)
        ppl.deterministic("y", y)

    trace = traced(model)
    assert list(trace) == ["net$params", "y"]
    params = trace["net$params"]["value"]
    zeros = jax.tree.map(jnp.zeros_like, params)
    assert not jnp.any(traced(model, **{"net$params": zeros})["y"]["value"])
    again = traced(model, seed=1, **{"net$params": params})["y"]["value"]
    assert jnp.array_equal(again, trace["y"]["value"])


@pytest.mark.parametrize("kind", ["nnx", "eqx", "plain"])
def test_a_network_that_has_its_values_starts_from_them(kind):
    make, _, rows = NETS[kind]
    net = make()
    assert jnp.array_equal(called(ppl.module("net", net), rows), called(net, rows))


@pytest.mark.parametrize("kind", BY_LIBRARY)
def test_names_and_shapes_are_numpyros(kind):
    theirs = pytest.importorskip("numpyro.contrib.module")
    numpyro = pytest.importorskip("numpyro")
    make, options, _ = NETS[kind]
    net, (learnt, random) = make(), BY_LIBRARY[kind]
    prior = dist.Normal(0.0, 1.0)
    asked: dict[str, list] = {"ours": [], "theirs": []}

    def asking(who, fn):
        return lambda name, shape: asked[who].append((name, tuple(shape))) or fn

    mine = traced(lambda: learnt("n", net, **options))
    random_mine = traced(lambda: random("n", net, asking("ours", prior), **options))

    def peer(make, *more):
        seeded = numpyro.handlers.seed(lambda: make("n", net, *more, **options), 0)
        return numpyro.handlers.trace(seeded).get_trace()

    normal = numpyro.distributions.Normal(0.0, 1.0)
    other = peer(getattr(theirs, learnt.__name__))
    random_other = peer(getattr(theirs, random.__name__), asking("theirs", normal))
    assert list(mine) == list(other) == ["n$params"]
    value = other["n$params"]["value"]
    paths = [jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path(value)]
    own = jax.tree.leaves_with_path(mine["n$params"]["value"])
    assert [jax.tree_util.keystr(path) for path, _ in own] == paths
    assert shapes(mine["n$params"]["value"]) == shapes(value)
    assert asked["ours"] == asked["theirs"]
    names = [n for n, s in random_other.items() if s["type"] == "sample"]
    assert list(random_mine) == names
    for name in names:
        assert random_mine[name]["fn"].event_shape == random_other[name]["value"].shape


@pytest.mark.parametrize("kind", BY_LIBRARY)
def test_signatures_are_numpyros(kind):
    theirs = pytest.importorskip("numpyro.contrib.module")
    for function in BY_LIBRARY[kind]:
        other = inspect.signature(getattr(theirs, function.__name__)).parameters
        own = inspect.signature(function).parameters
        assert [(p.name, p.kind) for p in own.values()] == [
            (p.name, p.kind) for p in other.values()
        ]


@pytest.mark.parametrize("kind", NETS)
def test_training_by_hand_finds_a_line(kind):
    make, options, rows = NETS[kind]
    net = make()
    x = jax.random.normal(jax.random.key(1), (40, 3))
    y = x @ jnp.array([[1.0], [-2.0], [0.5]])

    def model():
        f = ppl.module("net", net, **options)
        out = jax.vmap(f)(x) if rows else f(x)
        ppl.sample("y", dist.Normal(out, 1.0), obs=y)

    def loss(params):
        return -jnp.mean(traced(model, **{"net$params": params})["y"].log_prob())

    params = traced(model)["net$params"]["value"]
    step = jax.jit(jax.value_and_grad(loss))
    values = []
    for _ in range(150):
        value, slope = step(params)
        values.append(value)
        params = jax.tree.map(lambda p, g: p - 0.2 * g, params, slope)
    perfect = 0.5 * np.log(2 * np.pi)
    assert values[-1] - perfect < 0.1 * (values[0] - perfect)


# --- priors ---------------------------------------------------------------------------


def test_the_density_is_that_of_the_priors():
    y = np.array([0.3, -0.2, 0.1, 0.9, 0.0])
    prior = {"weight": dist.Normal(0.0, 2.0), "bias": dist.Cauchy(0.0, 1.0)}

    def model():
        net = ppl.random_module("net", affine(), prior)
        ppl.sample("y", dist.Normal(net(X)[:, 0], 0.5), obs=y)

    w, b = np.array([[0.5], [-1.0], [2.0]]), np.array([0.25])
    trace = traced(model, **{"net/weight": w, "net/bias": b})
    total = sum(float(site.log_prob().sum()) for site in trace.values())
    by_hand = stats.norm.logpdf(w, 0, 2).sum() + stats.cauchy.logpdf(b).sum()
    by_hand += stats.norm.logpdf(y, (X @ w + b)[:, 0], 0.5).sum()
    assert total == pytest.approx(by_hand, rel=1e-5)


def test_what_a_dict_leaves_out_stays_learnt():
    def model():
        net = ppl.random_module("net", affine(), {"bias": dist.Normal(0.0, 1.0)})
        ppl.deterministic("y", net(X))

    trace = traced(model)
    assert [(s["name"], s["type"]) for s in trace.values()] == [
        ("net$params", "param"),
        ("net/bias", "sample"),
        ("y", "deterministic"),
    ]
    assert shapes(trace["net$params"]["value"]) == [(3, 1)]
    bias = trace["net/bias"]["value"]
    assert np.allclose(trace["y"]["value"], X @ affine().weight + bias)


def test_priors_may_have_events_and_dividers():
    def prior(name, shape):
        if name == "bias":
            return dist.Normal(0.0, 1.0)
        return dist.MultivariateNormal(jnp.zeros(shape[1]), jnp.eye(shape[1]))

    def model():
        modules.random_eqx_module("n", affine(), prior, scope_divider=".")

    trace = traced(model)
    assert trace["n.weight"]["fn"].event_shape == (3, 1)
    assert trace["n.weight"]["value"].shape == (3, 1)


@pytest.mark.parametrize(
    ("prior", "error", "text"),
    [
        ({"w": dist.Normal()}, UnknownNameError, "known: weight, bias"),
        (1.0, ArgumentTypeError, "must be a distribution"),
        (lambda *_: None, ArgumentTypeError, "got None"),
        (dist.Normal(jnp.zeros(2), 1.0), ShapeError, "net/weight"),
        (dist.Dirichlet(jnp.ones(2)), ShapeError, r"event shape \(2,\)"),
    ],
    ids=["name", "number", "nothing", "batch", "event"],
)
def test_wrong_priors_are_named(prior, error, text):
    with pytest.raises(error, match=text):
        traced(lambda: ppl.random_module("net", affine(), prior))


@pytest.mark.parametrize("net", [3.0, "net", len, Affine, object()])
def test_what_is_no_network_is_refused(net):
    with pytest.raises(ArgumentTypeError, match="module 'net'"):
        traced(lambda: ppl.module("net", net))


def test_networks_that_make_their_parameters_need_to_know_their_input():
    with pytest.raises(ArgumentError, match="input_shape"):
        traced(lambda: ppl.module("net", stax_net()))
    with pytest.raises(ArgumentError, match="input_shape"):
        traced(lambda: modules.flax_module("net", linen_net()))
    with pytest.raises(ArgumentTypeError, match="no init and apply"):
        traced(lambda: modules.flax_module("net", affine(), X))


@pytest.mark.parametrize("kind", ["nnx", "linen", "eqx", "plain"])
def test_networks_are_sampled(kind):
    make, options, rows = NETS[kind]
    net = make()
    y = np.tanh(X[:, 0])

    def model(y):
        f = ppl.random_module("net", net, dist.Normal(0.0, 1.0), **options)
        ppl.sample("y", dist.Normal(called(f, rows)[:, 0], 0.5), obs=y)

    mcmc = ppl.infer.MCMC(
        ppl.infer.NUTS(model), num_warmup=30, num_samples=20, progress_bar=False
    )
    mcmc.run(jax.random.key(0), y)
    draws = mcmc.get_samples()
    assert all(name.startswith("net/") for name in draws)
    assert all(np.isfinite(v).all() and np.ptp(v) > 0 for v in draws.values())
