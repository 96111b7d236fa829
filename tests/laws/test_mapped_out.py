"""A distribution that comes out of `jax.vmap` is the batch of those made inside.

One parameter is mapped over, and has a batch dim of its own; the others are what a user
writes beside it: plain numbers, or arrays of lower rank. Shapes tell: all dims differ.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ppl.distributions as dist
from ppl.distributions import kl_divergence
from ppl.distributions import transforms as t
from tests.laws import cases_multivariate, cases_processes
from tests.laws.cases import CASES

MAPPED, OUTER, OWN = 11, 13, 5
ARRAYS_ONLY = {"GaussianHMM", "GaussianProcess"}  # as their cases are written
VECTORS = [*cases_multivariate.CASES, *cases_processes.CASES]


def assert_mapped_out(make, value, event_shape, x):
    """Once, twice and from another axis: `make` takes what is mapped over."""
    value = np.asarray(value)
    once = np.broadcast_to(value, (MAPPED, OWN, *value.shape))
    twice = np.broadcast_to(value, (OUTER, MAPPED, OWN, *value.shape))
    ways = {
        (MAPPED, OWN): lambda: jax.vmap(make)(once),
        (OUTER, MAPPED, OWN): lambda: jax.vmap(jax.vmap(make))(twice),
        (MAPPED, OUTER, OWN): lambda: jax.vmap(jax.vmap(make), 1)(twice),
    }
    for batch, way in ways.items():

        def seen(way=way, batch=batch):
            d = way()
            assert d.batch_shape == batch
            assert d.event_shape == event_shape
            return d.log_prob(x)

        assert jax.eval_shape(seen).shape == batch


def inside_of(d):
    kind = int if d.is_discrete else float
    return np.asarray(d.support.feasible_like(np.zeros(d.shape(), kind)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numbers_beside_a_mapped_parameter(case):
    params = case.sets[0]
    one = case.make(*params)
    for i, own in enumerate(params):

        def make(value, i=i):
            return case.make(*params[:i], value, *params[i + 1 :])

        assert_mapped_out(make, own, one.event_shape, inside_of(one))


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case.name)
def test_arrays_beside_a_mapped_parameter(case):
    params = case.rounded(np.float32)
    number = case.name not in ARRAYS_ONLY
    plain = {k: v.item() if number and v.ndim == 0 else v for k, v in params.items()}
    one = case.make(**plain)
    for name, own in params.items():

        def make(value, name=name):
            return case.make(**{**plain, name: value})

        assert_mapped_out(make, own, one.event_shape, inside_of(one))


def normal(m):
    return dist.Normal(m, 1.0)


# Each takes a number to a distribution; beside it stand numbers and vectors of three.
WRAPPED = {
    "numbers": lambda m: dist.Normal(np.zeros(3), m),
    "expanded": lambda m: normal(m).expand([3]),
    "independent": lambda m: normal(m + jnp.zeros(3)).to_event(1),
    "of expanded": lambda m: normal(m).expand([3]).to_event(1),
    "masked": lambda m: normal(m).mask(np.arange(3) > 1),
    "masked vector": lambda m: normal(m + jnp.zeros(3)).mask(False),
    "mixture": lambda m: dist.MixtureSameFamily(
        dist.Categorical(np.ones(3) / 3), normal(m + jnp.arange(3.0))),
    "weights": lambda m: dist.MixtureSameFamily(
        dist.Categorical(logits=m + jnp.zeros(3)), dist.Normal(np.zeros(3), 1.0)),
    "mixture of families": lambda m: dist.MixtureGeneral(
        dist.Categorical(logits=m + jnp.zeros(2)), [normal(0.0), normal(m)]),
    "truncated": lambda m: dist.TruncatedNormal(0.0, np.ones(3), low=m, high=9.0),
    "zero-inflated": lambda m: dist.ZeroInflatedPoisson(0.3, jnp.exp(m) + jnp.zeros(3)),
    "censored": lambda m: dist.RightCensoredDistribution(normal(m), np.arange(3) > 1),
    "transformed": lambda m: dist.TransformedDistribution(
        normal(np.zeros(3)).to_event(1), [t.AffineTransform(m, 2.0), t.ExpTransform()]),
    "power": lambda m: dist.TransformedDistribution(
        dist.Gamma(np.ones(3)), t.PowerTransform(jnp.exp(m))),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_wrappers_come_out_with_the_values_of_the_loop(name):
    make, places = WRAPPED[name], np.array([-0.5, 0.1, 0.7, 1.2], np.float32)
    one = make(jnp.float32(0.1))
    x = inside_of(one) + (0 if one.is_discrete else 0.25)

    @jax.jit
    def both(places):
        mapped = jax.vmap(make)(places)
        assert mapped.batch_shape == (4, *one.batch_shape)
        inner = jax.vmap(lambda d: d.log_prob(x))(mapped)  # in again
        loop = jnp.stack([make(m).log_prob(x) for m in places])
        return mapped.log_prob(x), inner, loop

    outer, inner, loop = both(places)
    np.testing.assert_allclose(outer, loop, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inner, loop, rtol=1e-5, atol=1e-6)


def test_plain_numbers_keep_the_type_of_what_they_stand_beside(x64):
    half = dist.Normal(jnp.zeros(3, jnp.float32), 1.0)
    assert half.log_prob(jnp.zeros(3, jnp.float32)).dtype == jnp.float32
    whole = dist.Binomial(7, np.full(3, 0.5))
    assert whole.total_count.dtype.kind == "i"
    assert dist.Normal(0.0, 1.0).scale == 1.0


def test_one_transform_on_both_sides_whatever_its_rank():
    def divergence(shift, other):
        p, q = (
            dist.TransformedDistribution(
                dist.Normal(m, 1.0), t.AffineTransform(by, 2.0)
            )
            for m, by in ((jnp.zeros(3), shift), (1.0, other))
        )
        return kl_divergence(p, q)

    np.testing.assert_allclose(divergence(0.5, 0.5), np.full(3, 0.5))
    np.testing.assert_allclose(jax.jit(divergence)(0.5, 0.5), np.full(3, 0.5))
    apart = np.full(3, (2 + 0.7 - 0.5) ** 2 / (2 * 2**2))  # of Normals of scale two
    np.testing.assert_allclose(divergence(0.5, 0.7), apart, 1e-6)
    np.testing.assert_allclose(jax.jit(divergence)(0.5, 0.7), apart, 1e-6)
