"""Mapped functions, other loops, inference and misuse: statements in control flow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl import handlers
from ppl.control import cond, fori_loop, scan, switch, vmap, while_loop
from tests.language.test_control_flow import (
    T,
    X,
    Y,
    density,
    draw,
    draws,
    states,
)

# --- mapped functions, other loops ----------------------------------------------------


def test_a_mapped_function():
    x = np.linspace(0, 1, 4)

    def member(x, y):
        slope = ppl.sample("slope", dist.Normal(0.0, 1.0))
        ppl.sample("y", dist.Normal(slope * x, 0.1), obs=y)
        return slope

    def model():
        return vmap(member)(x, 2 * x)

    slope = np.array([1.0, 2.0, 0.5, 1.5])
    expected = st.norm(0, 1).logpdf(slope).sum()
    expected += st.norm(slope * x, 0.1).logpdf(2 * x).sum()
    assert density(model, {"slope": slope}) == pytest.approx(expected)
    assert len(np.unique(draws(model)["slope"].value)) == 4
    with handlers.seed(rng_seed=0):
        assert vmap(member, in_axes=(None, 0))(1.0, x).shape == (4,)
        assert vmap(lambda: ppl.sample("z", dist.Normal()), axis_size=3)().shape == (3,)


def test_a_loop_over_numbers_is_a_scan():
    def model(n):
        return fori_loop(
            1, n, lambda i, x: ppl.sample("x", dist.Normal(x + i, 1.0)), 0.0
        )

    value = np.array([0.5, 2.0, 6.0])
    expected = st.norm([1.0, 2.5, 5.0], 1).logpdf(value).sum()
    assert density(model, {"x": value}, 4) == pytest.approx(expected)
    drawn = jax.jit(handlers.seed(model, rng_seed=0))(4)  # the bound is traced
    assert np.isfinite(drawn)


def steps_to_the_top():
    def body(at):
        n, x = at
        return n + 1, x + ppl.sample("move", dist.Exponential(1.0))

    return while_loop(lambda at: at[1] < 5.0, body, (0, 0.0))


def test_a_loop_of_unknown_length_draws():
    keys = jax.random.split(jax.random.PRNGKey(1), 4000)
    n, x = jax.vmap(lambda k: handlers.seed(steps_to_the_top, k)())(keys)
    assert (x >= 5).all()
    assert np.mean(n) == pytest.approx(6.0, abs=0.2)  # a Poisson process
    assert "move" not in draws(steps_to_the_top)


def test_a_loop_of_unknown_length_has_no_density():
    wrong = [
        lambda: ppl.infer.util.log_density(steps_to_the_top, (), {}, {"move": 1.0}),
        lambda: ppl.fit(steps_to_the_top),
        lambda: draws(handlers.condition(steps_to_the_top, data={"move": 1.0})),
    ]
    for run in wrong:
        with pytest.raises(ppl.PPLError, match=r"'move'.*while_loop"):
            run()


# --- in use ---------------------------------------------------------------------------


def test_nuts_finds_the_states_of_a_linear_model():
    """Against the Kalman smoother, here by the joint normal distribution."""

    def model(y):
        def step(x, y_t):
            x = ppl.sample("x", dist.Normal(0.9 * x, 0.5))
            ppl.sample("y", dist.Normal(x, 1.0), obs=y_t)
            return x, None

        scan(step, 0.0, y)

    lag = np.eye(T) - 0.9 * np.eye(T, k=-1)
    precision = lag.T @ lag / 0.25 + np.eye(T)
    covariance = np.linalg.inv(precision)
    mean, sd = covariance @ Y, np.sqrt(np.diag(covariance))
    found = ppl.fit(model, Y.astype(np.float32), seed=0, progress=False)
    x = found.stack("x")
    np.testing.assert_allclose((x.mean(0) - mean) / sd, 0, atol=0.08)
    np.testing.assert_allclose(x.std(0) / sd, 1, atol=0.06)


def test_predictive_draws_go_through_loops():
    given = {"phi": np.full(50, 0.5), "s": np.full(50, 0.1), "x": np.zeros((50, T))}
    found = ppl.infer.Predictive(lambda: states(None, T), given)(0)
    assert found["y"].shape == (50, T)
    assert np.std(found["y"]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("kind", ["value", "median", "uniform"])
def test_starts_of_sites_in_loops(kind):
    init = {
        "value": ppl.infer.init_to_value(values={"x": X}),
        "median": ppl.infer.init_to_median(),
        "uniform": ppl.infer.init_to_uniform(),
    }[kind]
    mcmc = ppl.infer.MCMC(
        ppl.infer.NUTS(states, init_strategy=init),
        num_warmup=20, num_samples=5, num_chains=1, progress_bar=False,
    )  # fmt: skip
    mcmc.run(0)
    assert mcmc.get_samples()["x"].shape == (5, T)


# --- misuse ---------------------------------------------------------------------------


MASKED = np.array([True, True, False, True, False, True])


def keep(x, _):
    return x, None


MISUSED = {
    "no length": (lambda: scan(keep, 0.0), "length"),
    "two lengths": (lambda: scan(keep, 0.0, np.zeros(3), length=4), "differ"),
    "float length": (lambda: scan(keep, 0.0, length=3.0), "int"),
    "scalar": (lambda: scan(keep, 0.0, 1.0), "scalar"),
    "no pair": (lambda: scan(lambda x, _: x, 0.0, length=2), "carry and an output"),
    "grows": (
        lambda: scan(lambda x, _: (jnp.append(x, 1.0), None), jnp.zeros(1), length=2),
        r"shape \(1,\).*\(2,\)",
    ),
    "structure": (
        lambda: scan(lambda x, _: ((x, x), None), 0.0, length=2),
        "structure",
    ),
    "wide pred": (
        lambda: cond(np.array([True]), lambda: 0.0, lambda: 1.0),
        r"pred.*shape \(1,\)",
    ),
    "float index": (lambda: switch(0.5, [lambda: 0.0]), "integer"),
    "two sizes": (
        lambda: vmap(lambda x, y: x + y)(np.ones(2), np.ones(3)),
        "in_axes",
    ),
    "nothing mapped": (lambda: vmap(lambda: 0.0)(), "axis_size"),
    "no branches": (lambda: switch(0, []), "no branches"),
    "wrong number of values": (
        handlers.substitute(states, data={"x": np.zeros(T + 1)}),
        r"'x'.*\(7,\).*6 steps",
    ),
    "a mask of all steps": (
        handlers.mask(lambda: fori_loop(0, T, draw, 0.0), mask=MASKED),
        r"mask of shape \(6,\)",
    ),
    "lifted": (
        handlers.lift(
            lambda: fori_loop(0, 2, lambda i, x: x + ppl.param("w", 1.0), 0.0),
            prior=dist.Normal(0.0, 1.0),
        ),
        "'w'.*inside of a loop",
    ),
    "state": (
        lambda: scan(
            lambda x, _: (ppl.primitives.mutable("m", {"a": x})["a"], None),
            0.0,
            length=2,
        ),
        "'m'.*mutable",
    ),
}


@pytest.mark.parametrize("name", MISUSED)
def test_misuse_is_told(name):
    model, text = MISUSED[name]
    with pytest.raises(ppl.PPLError, match=f"(?s){text}"):
        handlers.trace(handlers.seed(model, rng_seed=0)).get_trace()


def test_twice_the_same_loop_is_refused():
    def model():
        states()
        scan(lambda x, _: (ppl.sample("x", dist.Normal()), None), 0.0, length=2)

    with pytest.raises(ppl.PPLError, match=r"'x'.*already defined"):
        draws(model)
