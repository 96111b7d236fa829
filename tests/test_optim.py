"""Optimisers: NumPyro's of the same names step by step, and Optax's own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ppl import optim
from ppl._errors import ArgumentTypeError

SETTINGS = [
    ("Adam", (0.1,), {}),
    ("Adam", (0.1, 0.8, 0.9), {"eps": 1e-3}),
    ("ClippedAdam", (0.1,), {"clip_norm": 0.5}),
    ("ClippedAdam", (0.1,), {}),
    ("Adagrad", (0.1,), {}),
    ("Adagrad", (0.1, 0.5), {}),
    ("Momentum", (0.01, 0.7), {}),
    ("RMSProp", (0.05,), {}),
    ("RMSProp", (0.05, 0.8), {"eps": 1e-4}),
    ("RMSPropMomentum", (0.05,), {}),
    ("RMSPropMomentum", (0.05,), {"momentum": 0.5}),
    ("SGD", (0.05,), {}),
    ("SM3", (0.05,), {}),
    ("SM3", (0.05, 0.5), {}),
]
START = {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array([0.3, 0.1])}


def loss(params):
    value = jnp.sum((params["w"] - 1) ** 2 * jnp.array([1.0, 4.0]))
    return value + jnp.sum(jnp.cosh(params["b"])), {"told": value}


def walk(optimizer, steps=12, compiled=jax.jit):
    """The parameters after each step, and the values before it."""
    state = optimizer.init(START)
    step = compiled(lambda state: optimizer.eval_and_update(loss, state))
    found = []
    for _ in range(steps):
        (value, told), state = step(state)
        found.append((optimizer.get_params(state), value, told))
    return found


@pytest.mark.parametrize(("name", "args", "kwargs"), SETTINGS)
def test_steps_are_those_of_numpyro(name, args, kwargs):
    peer = pytest.importorskip("numpyro").optim
    ours = walk(getattr(optim, name)(*args, **kwargs))
    eagerly = {"compiled": lambda step: step} if name == "SM3" else {}  # it must be
    theirs = walk(getattr(peer, name)(*args, **kwargs), **eagerly)
    for mine, other in zip(ours, theirs, strict=True):
        same = jax.tree.map(lambda a, b: np.allclose(a, b, 2e-4, 2e-5), mine, other)
        assert jax.tree.all(same), (mine, other)


def test_an_update_takes_a_gradient():
    adam = optim.Adam(0.1)
    state = adam.init(START)
    slope = jax.grad(lambda p: loss(p)[0])(START)
    state = adam.update(slope, state)
    assert int(state.step) == 1
    expected = walk(adam, 1)[0][0]
    found = adam.get_params(state)
    assert jax.tree.all(jax.tree.map(np.allclose, found, expected))


def test_differentiating_forward_gives_the_same():
    sgd = optim.SGD(0.1)
    back, ahead = (
        sgd.eval_and_update(loss, sgd.init(START), forward) for forward in (False, True)
    )
    assert jax.tree.all(jax.tree.map(np.allclose, back, ahead))


def test_a_stable_update_stays_where_the_next_step_is_lost():
    sgd = optim.SGD(0.1)
    params = {"x": jnp.array(0.0)}
    (value, _), state = sgd.eval_and_stable_update(
        lambda p: (jnp.sqrt(p["x"]), None), sgd.init(params)
    )
    assert value == 0
    assert int(state.step) == 0
    assert sgd.get_params(state) == params
    _, state = sgd.eval_and_stable_update(lambda p: (p["x"], None), state)
    assert np.isclose(sgd.get_params(state)["x"], -0.1)


def test_step_sizes_may_follow_a_schedule():
    rate = optax.exponential_decay(0.1, 1, 0.5)
    found = [params["b"][0] for params, *_ in walk(optim.SGD(rate), 3)]
    b, expected = 0.3, []
    for i in range(3):
        b -= 0.1 * 0.5**i * np.sinh(b)
        expected.append(b)
    assert np.allclose(found, expected)


def test_minimize_finds_the_minimum():
    params, value, told = walk(optim.Minimize(), 1)[0]
    assert np.allclose(params["w"], 1, atol=1e-3)
    assert np.allclose(params["b"], 0, atol=1e-2)
    assert np.isclose(value, 2, atol=1e-4)
    assert np.isclose(told["told"], 0, atol=1e-4)
    peer = pytest.importorskip("numpyro").optim.Minimize()
    (theirs, _), _ = peer.eval_and_update(
        lambda p: (loss(p)[0], None), peer.init(START)
    )
    assert value < theirs + 1e-4


def test_optax_is_taken_as_it_is():
    given = optax.chain(optax.clip(0.5), optax.adam(0.1))
    ours = optim.optax_to_ppl(given)
    assert optim.optax_to_ppl(ours) is ours
    found = walk(ours)
    expected = walk(optim.ClippedAdam(0.1, clip_norm=0.5))
    assert jax.tree.all(jax.tree.map(np.allclose, found, expected))
    assert optim.optax_to_ppl(given) == ours  # so that they share programs
    search = walk(optim.optax_to_ppl(optax.lbfgs()))  # wants value and function
    assert search[-1][1] < 2.001


@pytest.mark.parametrize("wrong", [None, 0.1, "adam", optax.adam, optim.Adam, object()])
def test_what_is_no_optimiser(wrong):
    with pytest.raises(ArgumentTypeError, match="optim must be an optimiser"):
        optim.optax_to_ppl(wrong)


def test_optimisers_are_values():
    assert optim.Adam(0.1) == optim.Adam(0.1)
    assert hash(optim.Adam(0.1)) == hash(optim.Adam(0.1))
    assert optim.Adam(0.1) != optim.Adam(0.2)
    assert optim.Adam(0.1) != optim.RMSProp(0.1)
