"""Statements in loops and branches: densities by hand, under every handler."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

import ppl
import ppl.distributions as dist
from ppl import handlers
from ppl.control import cond, fori_loop, remat, scan, switch
from ppl.infer.util import log_density

Y = np.array([0.3, 1.0, -0.2, 0.5, 2.0, -1.0])
T = len(Y)
X = np.linspace(-1.0, 1.5, T)
PHI, S = 0.4, 0.7


def states(y=Y, length=None):
    """A noisy random walk with a pull to zero."""
    phi = ppl.sample("phi", dist.Uniform(-1.0, 1.0))
    s = ppl.sample("s", dist.HalfNormal(1.0))

    def step(x, y_t):
        x = ppl.sample("x", dist.Normal(phi * x, s))
        new = ppl.sample("y", dist.Normal(x, 0.5), obs=y_t)
        ppl.deterministic("twice", 2 * x)
        return x, new

    return scan(step, 0.0, y, length=length)


def draw(i, x):
    return ppl.sample("x", dist.Normal(x, 1.0))


GIVEN = {"phi": PHI, "s": S, "x": X}
BEFORE = np.concatenate([[0.0], X[:-1]])
PRIOR = st.uniform(-1, 2).logpdf(PHI) + st.halfnorm(0, 1).logpdf(S)
OF_X = st.norm(PHI * BEFORE, S).logpdf(X)
OF_Y = st.norm(X, 0.5).logpdf(Y)


def density(model, given=GIVEN, *args):
    with jax.enable_x64(True):
        return float(log_density(model, args, {}, given)[0])


def draws(model, *args, seed=0):
    return handlers.trace(handlers.seed(model, rng_seed=seed)).get_trace(*args)


# --- one loop under every handler -----------------------------------------------------

UNDER = {
    "nothing": (states, GIVEN, OF_X.sum() + OF_Y.sum()),
    "scale": (
        handlers.scale(states, scale=2.0),
        GIVEN,
        PRIOR + 2 * (OF_X.sum() + OF_Y.sum()),
    ),
    "mask": (handlers.mask(states, mask=False), GIVEN, -PRIOR),
    "condition": (
        handlers.condition(lambda: states(None, T), {"y": Y}),
        GIVEN,
        OF_X.sum() + OF_Y.sum(),
    ),
    "block": (
        handlers.block(handlers.substitute(states, data=GIVEN), hide=["y", "x"]),
        GIVEN,
        0.0,
    ),
    "scope": (
        handlers.scope(states, prefix="a"),
        {f"a/{k}": v for k, v in GIVEN.items()},
        OF_X.sum() + OF_Y.sum(),
    ),
    "do": (
        handlers.do(states, data={"x": np.zeros(T)}),
        GIVEN,
        st.norm(0, S).logpdf(X).sum() + st.norm(0, 0.5).logpdf(Y).sum(),
    ),
    "infer_config": (
        handlers.infer_config(states, config_fn=lambda site: {"a": 1}),
        GIVEN,
        OF_X.sum() + OF_Y.sum(),
    ),
    "remat": (remat(states), GIVEN, OF_X.sum() + OF_Y.sum()),
}


@pytest.mark.parametrize("name", UNDER)
def test_density_of_a_loop_under(name):
    model, given, expected = UNDER[name]
    assert density(model, given) == pytest.approx(PRIOR + expected, rel=1e-9)


def test_gradient_of_a_loop_is_that_of_the_density_by_hand():
    def by_hand(given):
        before = jnp.concatenate([jnp.zeros(1), given["x"][:-1]])
        normal = jax.scipy.stats.norm.logpdf
        x = normal(given["x"], given["phi"] * before, given["s"]).sum()
        return x + normal(Y, given["x"], 0.5).sum() - given["s"] ** 2 / 2

    with jax.enable_x64(True):
        given = {k: jnp.asarray(v) for k, v in GIVEN.items()}
        found = jax.grad(lambda g: log_density(states, (), {}, g)[0])(given)
        expected = jax.grad(by_hand)(given)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9)


def test_a_site_of_a_loop_has_a_leading_dim():
    found = draws(states)
    for name in ("x", "y", "twice"):
        assert found[name].value.shape == (T,)
    assert found["x"].fn.batch_shape == (T,)
    assert found["y"].is_observed
    assert not found["x"].is_observed
    assert len(np.unique(found["x"].value)) == T  # each step has a key of its own
    np.testing.assert_allclose(found["twice"].value, 2 * found["x"].value)


def test_replay_and_substitute_reproduce_a_trace():
    first = draws(lambda: states(None, T))
    given = {name: site.value for name, site in first.items() if site.type == "sample"}
    ways = (
        handlers.replay(lambda: states(None, T), trace=first),
        handlers.substitute(lambda: states(None, T), data=given),
    )
    for way in ways:
        again = draws(way, seed=1)
        for name, site in first.items():
            np.testing.assert_array_equal(again[name].value, site.value)


def test_a_substitute_function_is_asked_in_each_step():
    model = handlers.substitute(
        states, substitute_fn=lambda s: 0.5 if s.name == "x" else None
    )
    np.testing.assert_array_equal(draws(model)["x"].value, np.full(T, 0.5))


def test_draws_of_a_loop_are_distributed_as_its_density_says():
    def walk():
        def step(x, _):
            return ppl.sample("x", dist.Normal(0.8 * x, 1.0)), None

        scan(step, 0.0, length=4)

    keys = jax.random.split(jax.random.PRNGKey(0), 20_000)
    x = jax.vmap(
        lambda k: handlers.trace(handlers.seed(walk, k)).get_trace()["x"].value
    )
    x = np.asarray(jax.jit(x)(keys), float)
    variances = np.cumsum(0.64 ** np.arange(4))
    assert st.kstest(x[:, 3] / np.sqrt(variances[3]), "norm").pvalue > 1e-3
    assert np.corrcoef(x[:, 2], x[:, 3])[0, 1] == pytest.approx(
        0.8 * np.sqrt(variances[2] / variances[3]), abs=0.02
    )


# --- loops in loops, plates, observed parts -------------------------------------------


def nested(y):
    """Groups in time: a scan over years, in it one over months, a plate of places."""
    drift = ppl.sample("drift", dist.Normal(0.0, 1.0))

    def month(level, y_month):
        with ppl.plate("places", 2):
            level = ppl.sample("level", dist.Normal(level + drift, 0.3))
            ppl.sample("y", dist.Normal(level, 1.0), obs=y_month)
        return level, None

    def year(level, y_year):
        shock = ppl.sample("shock", dist.Normal(0.0, 2.0))
        level, _ = scan(month, level + shock, y_year)
        return level, level

    return scan(year, jnp.zeros(2), y)


def test_nested_loops_with_a_plate():
    rng = np.random.default_rng(0)
    y, level = rng.normal(size=(2, 3, 4, 2))
    shock, drift = rng.normal(size=3), 0.2
    expected = st.norm(0, 1).logpdf(drift) + st.norm(0, 2).logpdf(shock).sum()
    last = np.zeros(2)
    for i in range(3):
        last = last + shock[i]
        for j in range(4):
            expected += st.norm(last + drift, 0.3).logpdf(level[i, j]).sum()
            last = level[i, j]
    expected += st.norm(level, 1).logpdf(y).sum()
    given = {"drift": drift, "shock": shock, "level": level}
    assert density(nested, given, y) == pytest.approx(expected, rel=1e-9)
    found = draws(nested, y)
    assert found["level"].value.shape == (3, 4, 2)
    assert found["level"].plates[-1].name == "places"
    assert len(np.unique(found["level"].value)) == 24


def test_a_plate_around_a_loop_keeps_its_dim():
    def model():
        with ppl.plate("n", 3):
            fori_loop(0, 2, draw, jnp.zeros(3))

    found = draws(model)["x"]
    assert found.fn.batch_shape == (2, 3)
    value = np.arange(6.0).reshape(2, 3)
    expected = st.norm(np.vstack([np.zeros(3), value[:1]]), 1).logpdf(value).sum()
    assert density(model, {"x": value}) == pytest.approx(expected)


def test_an_autoregression_of_second_order():
    y = np.random.default_rng(1).normal(size=20)

    def model(y):
        a, b = ppl.sample("a", dist.Normal(0, 1)), ppl.sample("b", dist.Normal(0, 1))

        def step(carry, y_t):
            before, last = carry
            ppl.sample("y", dist.Normal(a * last + b * before, 0.9), obs=y_t)
            return (last, y_t), None

        scan(step, (y[0], y[1]), y[2:])

    expected = st.norm(0.3 * y[1:-1] - 0.2 * y[:-2], 0.9).logpdf(y[2:]).sum()
    expected += st.norm(0, 1).logpdf([0.3, -0.2]).sum()
    assert density(model, {"a": 0.3, "b": -0.2}, y) == pytest.approx(expected)


def test_a_hidden_markov_model_with_given_states():
    chance = np.array([[0.9, 0.1], [0.3, 0.7]])
    z = np.array([0, 0, 1, 1, 0, 1])

    def model():
        def step(z, y):
            z = ppl.sample("z", dist.Categorical(probs=jnp.asarray(chance)[z]))
            ppl.sample("y", dist.Normal(1.0 * z, 1.0), obs=y)
            return z, None

        scan(step, 0, Y)

    before = np.concatenate([[0], z[:-1]])
    expected = np.log(chance[before, z]).sum() + st.norm(z, 1).logpdf(Y).sum()
    assert density(model, {"z": z}) == pytest.approx(expected)


def test_backwards():
    def model():
        def step(x, y):
            return ppl.sample("x", dist.Normal(x + y, 1.0)), None

        scan(step, 0.0, Y, reverse=True)

    after = np.concatenate([X[1:], [0.0]])
    expected = st.norm(after + Y, 1).logpdf(X).sum()
    assert density(model, {"x": X}) == pytest.approx(expected)


def test_a_parameter_in_a_loop_is_one():
    def model():
        def step(x, _):
            w = ppl.param("w", lambda key: jax.random.normal(key))
            return ppl.sample("x", dist.Normal(w * x, 1.0)), w

        return scan(step, 1.0, length=3)[1]

    with handlers.trace() as found, handlers.seed(rng_seed=0):
        every = model()
    assert found["w"].value.shape == ()
    np.testing.assert_array_equal(every, np.full(3, found["w"].value))
    fixed = handlers.substitute(model, data={"w": jnp.array(2.0), "x": jnp.ones(3)})
    np.testing.assert_array_equal(fixed(), np.full(3, 2.0))


def test_keys_asked_for_in_a_loop_differ():
    def model():
        outside = jax.random.uniform(ppl.prng_key())

        def step(c, _):
            return c, jax.random.uniform(ppl.prng_key())

        return outside, scan(step, 0.0, length=3)[1], jax.random.uniform(ppl.prng_key())

    first, inside, last = handlers.seed(model, rng_seed=0)()
    assert len({float(v) for v in (first, *inside, last)}) == 5


def test_values_for_the_first_steps_forecast_the_others():
    def model(steps):
        with handlers.condition(data={"y": Y}):
            return states(None, steps)

    found = draws(lambda: model(T + 4))
    np.testing.assert_allclose(found["y"].value[:T], Y, rtol=1e-6)
    assert len(np.unique(found["y"].value)) == T + 4
    with pytest.raises(ppl.PPLError, match=r"'y'.*6 values.*more"):
        log_density(lambda: model(T + 4), (), {}, {**GIVEN, "x": np.zeros(T + 4)})


# --- branches -------------------------------------------------------------------------


def branching(up, y=0.7):
    scale = ppl.sample("scale", dist.HalfNormal(1.0))
    x = cond(
        up,
        lambda m: ppl.sample("x", dist.Normal(m + 1.0, scale)),
        lambda m: ppl.sample("x", dist.Normal(m - 1.0, 2.0)),
        0.5,
    )
    ppl.sample("y", dist.Normal(x, 1.0), obs=y)


@pytest.mark.parametrize("up", [True, False])
def test_the_density_of_a_branch(up):
    expected = st.halfnorm(0, 1).logpdf(0.4) + st.norm(0.2, 1).logpdf(0.7)
    of_x = st.norm(1.5, 0.4) if up else st.norm(-0.5, 2)
    given = {"scale": 0.4, "x": 0.2}
    assert density(branching, given, up) == pytest.approx(expected + of_x.logpdf(0.2))


def test_a_branch_chosen_by_a_random_value_in_a_loop():
    def model():
        def step(x, _):
            x = cond(
                x > 0,
                lambda: ppl.sample("x", dist.Normal(-1.0, 1.0)),
                lambda: ppl.sample("x", dist.Normal(2.0, 0.5)),
            )
            return x, None

        scan(step, 0.0, length=T)

    up = BEFORE > 0
    expected = st.norm(np.where(up, -1, 2), np.where(up, 1, 0.5)).logpdf(X).sum()
    assert density(model, {"x": X}) == pytest.approx(expected)


def test_branches_with_scales_of_their_own():
    def model(p):
        def one(scale):
            def draw():
                return ppl.sample("a", dist.Normal())

            return handlers.scale(draw, scale=scale)

        cond(p, one(2.0), one(3.0))

    for p, scale in ((True, 2), (False, 3)):
        expected = scale * st.norm(0, 1).logpdf(0.4)
        assert density(model, {"a": 0.4}, p) == pytest.approx(expected)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_one_of_several_branches(i):
    def model(i):
        branches = [
            lambda m=m: ppl.sample("x", dist.Normal(m, 1.0)) for m in (0.0, 3.0, -2.0)
        ]
        return switch(i, branches)

    expected = st.norm((0, 3, -2)[i], 1).logpdf(0.3)
    assert density(model, {"x": 0.3}, i) == pytest.approx(expected)


def test_branches_that_differ_are_refused():
    def other_names(p):
        cond(p, lambda: ppl.sample("a", dist.Normal()), lambda: 0.0)

    def other_family(p):
        cond(p, lambda: ppl.sample("a", dist.Normal()),
             lambda: ppl.sample("a", dist.Cauchy()))  # fmt: skip

    def other_family_inside(p):
        vectors = [f(jnp.zeros(2)).to_event(1) for f in (dist.Normal, dist.Cauchy)]
        cond(p, *[lambda fn=fn: ppl.sample("a", fn) for fn in vectors])

    def other_scale(p):
        scaled = handlers.scale(lambda: ppl.sample("a", dist.Normal()), scale=2.0)
        cond(p, scaled, lambda: ppl.sample("a", dist.Normal()))

    def other_results(p):
        cond(p, lambda: jnp.zeros(2), lambda: jnp.zeros(3))

    for model, text in (
        (other_names, r"'a'.*not there.*branch of False"),
        (other_family, r"'a'.*Normal.*Cauchy"),
        (other_family_inside, r"'a'.*of Normal.*of Cauchy"),
        (other_scale, r"'a'.*a scale.*branch of False"),
        (other_results, "must return the same"),
    ):
        with pytest.raises(ppl.PPLError, match=f"(?s){text}"):
            draws(model, True)
