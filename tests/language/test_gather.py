"""Gathers from vectors: the same numbers as JAX's own, whatever is mapped over them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl
import ppl.distributions as dist
from ppl._gather import has_group_gathers, with_fast_gathers
from ppl.infer.engine.kernel import batch_value_and_grad
from ppl.target import trace_model

GROUP = np.array([3, 0, 0, 2, -1, 1, 3, 3], np.int32)
TABLE = np.array([[0, 1, 3], [2, 2, 0]], np.int32)


def by_constant(x):
    return jnp.sum(jnp.sin(x)[GROUP] ** 2)


def by_table(x):
    return jnp.prod(x[TABLE] + 2.0)


def in_a_call(x):
    return jnp.sum(jax.jit(lambda t: jnp.exp(t)[GROUP])(x) * jnp.arange(8.0))


def clipped(x):
    return jnp.sum(jnp.take(x, jnp.array([0, 9, 2]), mode="clip") ** 3)


def filled(x):
    return jnp.sum(jnp.nan_to_num(x.at[jnp.array([0, 9])].get(mode="fill")) ** 2)


def of_rows(x):
    return jnp.sum(x.reshape(2, 2)[np.array([1, 1, 0], np.int32)] ** 2)


def with_a_hole(x):
    holed = jnp.where(jnp.arange(4) == 1, -jnp.inf, x)
    return jnp.sum(jnp.exp(holed[GROUP]))


def at_latent_places(x):
    return jnp.sum(x[jnp.argsort(x)[:2]] ** 2)


FUNCTIONS = [
    by_constant,
    by_table,
    in_a_call,
    clipped,
    filled,
    of_rows,
    with_a_hole,
    at_latent_places,
]
every = pytest.mark.parametrize("function", FUNCTIONS)


@every
@pytest.mark.parametrize("chains", [3, 40])
@pytest.mark.parametrize("axis", [0, 1])
def test_values_and_derivatives_are_those_of_jax(x64, function, chains, axis):
    """40 chains take the way of products, 3 do not."""
    x = np.random.default_rng(0).normal(size=(chains, 4))
    x = x if axis == 0 else x.T
    for derive in (jax.value_and_grad, jax.hessian):
        expected, found = (
            jax.jit(jax.vmap(derive(f), in_axes=axis))(x)
            for f in (function, with_fast_gathers(function))
        )
        jax.tree.map(lambda a, b: np.testing.assert_allclose(b, a), expected, found)


@every
def test_gathers_are_seen_where_they_are(function):
    assert has_group_gathers(jax.make_jaxpr(function)(jnp.ones(4))) == (
        function is not of_rows
    )
    assert not has_group_gathers(jax.make_jaxpr(jnp.sin)(jnp.ones(4)))


def hierarchy(group, y):
    mean = ppl.sample("mean", dist.Normal(0.0, 1.0))
    with ppl.plate("groups", 5):
        effect = ppl.sample("effect", dist.Normal(mean, 2.0))
    with ppl.plate("rows", len(y)):
        ppl.sample("y", dist.Normal(effect[group], 0.5), obs=y)


def test_a_hierarchy_has_the_density_written_by_hand(x64):
    rng = np.random.default_rng(1)
    group, y = rng.integers(0, 5, 30), rng.normal(size=30)
    density = trace_model(hierarchy, (group, y), {}).density
    assert density.spec.gathers
    x = rng.normal(size=(6, 64))
    value, gradient = batch_value_and_grad(density, x)
    mean, effect = x[0], x[1:]
    rest = y[:, None] - effect[group]
    log = -0.5 * (mean**2 + ((effect - mean) ** 2).sum(0) / 4 + (rest**2).sum(0) / 0.25)
    log -= 18 * np.log(2 * np.pi) + 5 * np.log(2) + 30 * np.log(0.5)
    np.testing.assert_allclose(value, log)
    one_hot = np.eye(5)[group]
    by_hand = -(effect - mean) / 4 + one_hot.T @ rest / 0.25
    np.testing.assert_allclose(gradient[1:], by_hand)
