"""Places in a random permutation: each once, uniform, and without the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ppl import _permutation

permuted = jax.jit(_permutation.permuted, static_argnums=2)


@pytest.mark.parametrize("size", [1, 7, 512, 513, 10_007])
def test_it_is_a_permutation(size):
    for seed in range(3):
        places = permuted(jax.random.key(seed), jnp.arange(size), size)
        assert np.array_equal(np.sort(places), np.arange(size))


def test_a_place_does_not_depend_on_what_else_is_asked():
    key = jax.random.key(4)
    whole = permuted(key, jnp.arange(5000), 5000)
    index = jnp.array([[3, 4999], [0, 17]])
    assert np.array_equal(permuted(key, index, 5000), whole[index])


@pytest.mark.parametrize("size", [600, 1500])
def test_places_are_uniform(size):
    """One place, and pairs of neighbours, over many keys."""
    keys = jax.random.split(jax.random.key(1), 20_000)
    index = jnp.array([0, 1, size // 2])
    places = np.asarray(jax.vmap(lambda k: permuted(k, index, size))(keys))
    for column in places.T:
        counts = np.bincount(column * 30 // size, minlength=30)
        assert stats.chisquare(counts).pvalue > 1e-4
    cells = (places[:, 0] * 6 // size) * 6 + places[:, 1] * 6 // size
    counts = np.bincount(cells, minlength=36)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert not np.any(places[:, 0] == places[:, 1])


def test_few_of_many_cost_little():
    """No array of the size of the whole is made."""
    program = jax.make_jaxpr(lambda key: permuted(key, jnp.arange(10), 10**9))
    equations = program(jax.random.key(0)).jaxpr.eqns
    found = permuted(jax.random.key(0), jnp.arange(10), 10**9)
    assert len(set(found.tolist())) == 10
    assert max(v.aval.size for e in equations for v in e.outvars) < 1000
