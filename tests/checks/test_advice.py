"""Advice of the complete check: each kind where it is true, and only there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl import handlers, plate, sample
from tests.checks.telling import advice, changepoint, finding, normal

RNG = np.random.default_rng(0)
Y = RNG.normal(size=20)


# --- latents and data -----------------------------------------------------------------


def test_latents_without_data():
    def model(y):
        normal("spare")
        loc = normal("loc")
        child = normal("child", loc)
        normal("grandchild", child)
        normal("y", loc, obs=y)

    spare = {("unused latent", name) for name in ("spare", "child", "grandchild")}
    assert advice(model, Y) == spare


def test_dependence_is_followed_into_programs():
    """Both go through one inner function, but only one reaches the data."""

    @jax.jit
    def both(a, b):
        return 2 * a, 2 * b

    def model(y):
        used, spare = both(normal("used"), normal("spare"))
        ppl.deterministic("d", spare)

        def body(carry, row):
            return carry + used, carry * row

        _, places = jax.lax.scan(body, 0.0, jnp.ones(20))
        normal("y", places, obs=y)

    assert advice(model, Y) == {("unused latent", "spare")}


def test_branches_and_loops_are_followed():
    def model(y):
        a, b, c = normal("a"), normal("b"), normal("c")
        loc = jax.lax.cond(y[0] > 0, lambda: a, lambda: b)
        loc += jax.lax.fori_loop(0, 3, lambda _, v: v + c, 0.0)
        normal("y", loc, obs=y)

    assert advice(model, Y) == set()


def test_zero_gradients():
    def model(y):
        rate, held = normal("rate"), normal("held")
        loc = jnp.round(rate) + jax.lax.stop_gradient(held)
        normal("y", loc, obs=y)

    found = advice(model, Y)
    assert ("zero gradient", "rate") in found
    assert ("zero gradient", "held") in found
    assert ("discontinuity", "rate") in found
    assert len(found) == 3


def test_rounding_with_a_gradient_of_its_own_is_not_zero():
    def model(y):
        rate = normal("rate")
        straight = rate + jax.lax.stop_gradient(jnp.round(rate) - rate)
        normal("y", straight, obs=y)

    assert ("zero gradient", "rate") not in advice(model, Y)


def test_flat_coordinates_and_directions():
    real = dist.ImproperUniform(dist.constraints.real, (), ())

    def unused(y):
        a = sample("a", real)
        normal("y", 0 * a + normal("b"), obs=y)

    def together(y):
        a, b = sample("a", real), sample("b", real)
        normal("y", a + b, obs=y)

    def apart(y):
        a, b = sample("a", real), normal("b")
        normal("y", a + b, obs=y)

    assert advice(unused, Y) == {("flat density", "a")}
    assert advice(together, Y) == {("flat direction", "a")}
    assert finding("flat direction", together, Y).value == ["a", "b"]
    assert advice(apart, Y) == set()


def test_columns_that_are_nearly_alike_are_told_apart():
    """Heights in inches beside an intercept: a weak direction, but not a flat one."""
    height = RNG.normal(66.0, 4.0, size=200)

    def model(columns, y):
        fn = dist.ImproperUniform(dist.constraints.real_vector, (), (2,))
        beta = sample("beta", fn)
        normal("y", columns @ beta, 1e4, obs=y)

    earnings = 1e3 * height + RNG.normal(0.0, 1e4, size=200)
    columns = np.stack([np.ones(200), height], 1)
    assert advice(model, columns, earnings) == set()
    alike = finding("flat direction", model, np.stack([height, height], 1), earnings)
    assert alike.value == ["beta"]
    assert "elements of 'beta' move together" in alike.rule


def test_improper_priors_without_data_are_told_once():
    def model(y):
        sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
        normal("y", normal("b"), obs=y)

    assert advice(model, Y) == {("improper posterior", "a")}


# --- steps ----------------------------------------------------------------------------


def by_sign(y):
    normal("y", jnp.sign(normal("x")), obs=y)


def by_floor(y):
    x = normal("x", scale=2.0)
    normal("y", x + jnp.floor(x), obs=y)


def by_largest(y):
    x = sample("x", dist.Normal(jnp.zeros(3), 1.0).to_event(1))
    normal("y", jnp.array([0.0, 1.0, 5.0])[jnp.argmax(x)] + x[0], obs=y)


def by_integer(y):
    x = sample("x", dist.Uniform(0.0, 3.0))
    normal("y", jnp.arange(3.0)[x.astype(int)] + x, obs=y)


def in_a_loop_of_statements(y):
    def step(at, seen):
        at = normal("x", at)
        normal("y", jnp.where(at > 0.3, 1.0, -1.0) + at, obs=seen)
        return at, None

    ppl.control.scan(step, 0.0, y)


def in_a_branch(y):
    x, z = normal("x"), normal("z")
    shift = jax.lax.cond(x > 0, lambda z: jnp.floor(z), lambda z: 0.0 * z, 2 * z)
    normal("y", jnp.maximum(x, 0.0) * shift + z, obs=y)


def in_a_branch_of_a_loop_in_a_loop(y):
    x = normal("x")

    def turn(total, i):
        extra = jax.lax.cond(i == 1, lambda x: jnp.sign(x - 0.2), lambda x: x, x)
        return total + extra, None

    def outer(total, i):
        return jax.lax.scan(turn, total, jnp.arange(3))[0], None

    normal("y", jax.lax.scan(outer, 0.0, jnp.arange(2))[0], obs=y)


STEPS = [
    (in_a_loop_of_statements, "x", "comparison"),
    (in_a_branch, "z", "floor"),
    (in_a_branch_of_a_loop_in_a_loop, "x", "sign"),
    (changepoint, "at", "comparison"),
    (by_sign, "x", "sign"),
    (by_floor, "x", "floor"),
    (by_largest, "x", "argmax"),
    (by_integer, "x", "conversion to integers"),
]


@pytest.mark.parametrize(
    ("model", "site", "step"), STEPS, ids=lambda s: getattr(s, "__name__", s)
)
def test_jumps_are_found(model, site, step):
    found = finding("discontinuity", model, Y)
    assert found.site == site
    assert f"the {step} at " in found.rule
    assert found.value > 0.01


def kinks(y):
    x = normal("x")
    ramp = jnp.where(x > 0, x, 0.0) + jnp.maximum(x, 1.0) + jnp.abs(x)
    ramp += jnp.clip(x, -1, 1) + jax.nn.relu(x - 1)
    normal("y", ramp + jax.scipy.special.logsumexp(jnp.stack([x, 0.0])), obs=y)


def kinks_in_a_loop(y):
    x = normal("x")

    def step(total, c):
        low = jax.lax.cond(x > c, lambda: 2.0 * x, lambda: x + c)
        return total + low + jnp.where(x > c, x - c, 0.0), None

    normal("y", jax.lax.scan(step, 0.0, jnp.array([-0.5, 0.4]))[0], obs=y)


@pytest.mark.parametrize("model", [kinks, kinks_in_a_loop])
def test_kinks_are_no_jumps(model):
    assert advice(model, Y) == set()


# --- scales, hierarchies, priors ------------------------------------------------------


def test_unlike_scales():
    def model(y):
        normal("y", normal("a", scale=1e5) + normal("b", scale=1e-3), obs=1e4 * y)

    found = finding("unlike scales", model, Y)
    assert found.site == "a"
    assert found.value == pytest.approx(1e8, rel=0.5)
    assert "'b'" in found.rule


def hierarchy(groups, noise, *, centred=True):
    def model(y):
        mu, tau = normal("mu"), sample("tau", dist.HalfNormal(1.0))
        loc, scale = (mu, tau) if centred else (0.0, 1.0)
        with plate("group", groups):
            theta = normal("theta", loc, scale)
            if not centred:
                theta = mu + tau * theta
        normal("y", theta[:, None], noise, obs=y)

    return model


FEW, MANY = RNG.normal(size=(6, 1)), RNG.normal(size=(6, 50))


@pytest.mark.parametrize(
    ("model", "data", "told"),
    [
        (hierarchy(6, 2.0), FEW, True),
        (hierarchy(6, 0.1), FEW, False),  # one exact value is enough
        (hierarchy(6, 1.0), MANY, False),
        (hierarchy(6, 2.0, centred=False), FEW, False),
    ],
    ids=["few", "exact", "many", "non-centred"],
)
def test_funnels_are_told_where_data_are_few(model, data, told):
    expected = {("funnel", "theta")} if told else set()
    assert advice(model, data) == expected


def test_the_funnel_tells_how_much_the_data_say():
    """One value of noise 2 against a half-normal scale: the median is 0.67² / 4."""
    found = finding("funnel", hierarchy(6, 2.0), FEW)
    assert found.value == pytest.approx(0.114, rel=0.6)


def test_a_random_scale_that_hardly_varies_makes_no_funnel():
    def model(y):
        tau = sample("tau", dist.Gamma(1000.0, 1000.0))
        normal("y", normal("theta", scale=tau), 9.0, obs=y)

    assert advice(model, Y) == set()


def test_data_far_from_the_prior():
    def model(y):
        normal("y", normal("mu"), obs=y)

    found = finding("prior far from data", model, 1000 + Y)
    assert found.site == "y"
    assert found.value == pytest.approx(1000, abs=5)
    assert "mean of the data" in found.rule
    assert advice(model, 2 + Y) == set()


def test_units_that_differ_by_a_factor():
    def model(y):
        normal("y", 0.0, sample("s", dist.LogNormal(0.0, 0.2)), obs=y)

    assert ("prior far from data", "y") in advice(model, 1000 * Y)
    assert ("prior far from data", "y") in advice(model, Y / 1000)
    assert advice(model, Y) == set()


def test_masked_data_are_not_compared():
    def model(y):
        mu = normal("mu")
        with handlers.mask(mask=jnp.abs(y) < 100):
            normal("y", mu, obs=y)

    assert advice(model, np.array([0.0, 1.0, 1e6, np.nan])) == set()


def test_without_a_prior_to_draw_from_the_rest_is_checked():
    def model(y):
        a = sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
        normal("spare")
        normal("y", a, obs=y)

    report = ppl.check(model, Y)
    assert {(f.kind, f.site) for f in report.advice} == {("unused latent", "spare")}
    assert "ImproperUniform cannot be sampled" in report.skipped[0]
