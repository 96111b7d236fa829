"""Randomness by name: what a draw depends on, and what it does not."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentTypeError, RandomnessError
from ppl.handlers.seed import as_key, fold_in_name
from tests.language.joint import draw, latent, same

STANDARD = dist.Normal(0.0, 1.0)


def draws(names, seed=0):
    def model():
        return {name: float(ppl.sample(name, STANDARD)) for name in names}

    return handlers.seed(model, rng_seed=seed)()


ALL = draws("abcdefgh")


@given(st.permutations("abcdefgh"), st.integers(0, 8))
def test_a_draw_depends_on_its_own_name_only(names, count):
    kept = names[:count]
    assert draws(kept) == {name: ALL[name] for name in kept}


def test_other_statements_leave_draws_alone():
    def model():
        ppl.prng_key()
        with ppl.plate("N", 4, subsample_size=2):
            ppl.sample("z", STANDARD)
        ppl.param("w", lambda key: jax.random.normal(key))
        ppl.deterministic("d", 1.0)
        ppl.sample("y", STANDARD, obs=1.0)
        return ppl.sample("a", STANDARD)

    assert float(handlers.seed(model, rng_seed=0)()) == ALL["a"]


def test_names_and_seeds_give_different_draws():
    values = [v for seed in range(20) for v in draws("abcdefgh", seed).values()]
    assert len(set(values)) == len(values)
    assert abs(np.mean(values)) < 4 / np.sqrt(len(values))
    pairs = np.array(values).reshape(20, 8)
    correlations = np.corrcoef(pairs.T)[np.triu_indices(8, 1)]
    assert np.abs(correlations).max() < 0.8  # 4 standard deviations are 0.89


def test_an_int_is_its_key():
    key = jax.random.PRNGKey(7)
    expected = draws("ab", key)
    for seed in (7, np.int64(7), np.uint8(7), jnp.int32(7), np.array(7)):
        assert draws("ab", seed) == expected
    assert draws("ab", np.asarray(key)) == expected
    assert draws("ab", jax.random.wrap_key_data(key)) == expected
    assert handlers.seed(7).rng_key is not None  # NumPyro's `with seed(rng_seed)`


def test_many_seeds_are_different():
    seeds = [-1, 0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32, 2**40, 2**63, 2**64 + 1]
    keys = {np.asarray(as_key(s)).tobytes() for s in [*seeds, -(2**31) - 1]}
    assert len(keys) == len(seeds) + 1


@pytest.mark.parametrize(
    "seed",
    [None, True, 1.5, "7", np.ones(2), jax.random.split(jax.random.key(0), 3)],
    ids=str,
)
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ArgumentTypeError, match="rng_seed must be"):
        handlers.seed(lambda: None, rng_seed=seed)
    with pytest.raises(ArgumentTypeError, match="rng_seed must be"):
        handlers.seed(lambda: None, rng_seed=jax.random.split(jax.random.PRNGKey(0)))


def test_prng_key_is_fresh_at_each_call_and_the_same_in_each_run():
    def model():
        return [np.asarray(ppl.prng_key()).tolist() for _ in range(4)]

    seeded = handlers.seed(model, rng_seed=0)
    keys = seeded()
    assert keys == seeded() == handlers.seed(model, rng_seed=0)()
    others = handlers.seed(model, rng_seed=1)()
    assert len({str(k) for k in keys + others}) == 8
    with handlers.seed(rng_seed=0):
        first = model()
        second = model()
    assert first == keys
    assert not any(k in keys for k in second)
    assert ppl.prng_key() is None


def test_prng_key_takes_nothing_from_an_inner_run_of_the_same_seed():
    seeded = handlers.seed(rng_seed=0)
    with seeded:
        first = ppl.prng_key()
        with seeded:
            assert same(ppl.prng_key(), first)  # an entry begins anew
        assert not same(ppl.prng_key(), first)


def test_under_vmap_each_key_has_its_draw():
    keys = jax.random.split(jax.random.PRNGKey(0), 5)

    def run(key):
        return handlers.seed(lambda: ppl.sample("a", STANDARD), rng_seed=key)()

    np.testing.assert_allclose(jax.vmap(run)(keys), [run(k) for k in keys], rtol=1e-6)
    by_int = jax.vmap(run)(jnp.arange(5))
    np.testing.assert_allclose(by_int, [run(i) for i in range(5)], rtol=1e-6)


def test_hidden_types_get_no_key():
    def model():
        ppl.sample("a", STANDARD, rng_key=jax.random.PRNGKey(1))
        return ppl.prng_key()

    assert handlers.seed(model, rng_seed=0, hide_types=["prng_key"])() is None
    hidden = handlers.seed(draws, rng_seed=0, hide_types=["sample"])
    with hidden, pytest.raises(RandomnessError, match="site 'b'.*seed"):
        ppl.sample("b", STANDARD)


def test_a_key_of_ones_own_is_kept():
    def model():
        return ppl.sample("a", STANDARD, rng_key=jax.random.PRNGKey(1))

    assert model() == handlers.seed(model, rng_seed=0)()


def test_without_a_key_the_error_names_the_site():
    with pytest.raises(RandomnessError, match=r"site 'a'.*test_seed.py:\d+.*seed\("):
        ppl.sample("a", STANDARD)
    with pytest.raises(RandomnessError, match="plate 'N' subsamples"):
        ppl.plate("N", 4, subsample_size=2).__enter__()
    with pytest.raises(RandomnessError, match="site 'w'"):
        ppl.param("w", lambda key: key)


def test_digests_use_both_halves():
    key = jax.random.PRNGKey(0)
    names = ["".join(n) for n in itertools.product("ab", repeat=6)]
    folded = {np.asarray(fold_in_name(key, n)).tobytes() for n in names}
    assert len(folded) == len(names)


def test_order_of_sites_is_the_order_of_the_program():
    def model():
        for name in "zmak":
            ppl.sample(name, STANDARD)

    assert "".join(latent(draw(model))) == "zmak"


def test_draws_are_those_of_the_distribution():
    def model():
        ppl.sample("a", dist.Gamma(jnp.array([0.3, 2.0]), 1.5))
        with ppl.plate("N", 3):
            ppl.sample("b", dist.LogNormal(0.5, 0.25))
        ppl.sample("c", dist.Normal(jnp.zeros(2), 3).to_event(1))
        ppl.sample("d", dist.MultivariateNormal(jnp.ones(2), jnp.eye(2)))

    key = jax.random.key(3)
    for name, site in handlers.trace(handlers.seed(model, key)).get_trace().items():
        if isinstance(site, ppl.primitives.Sample):
            own = site.fn.sample(fold_in_name(key, name))
            np.testing.assert_allclose(site.value, own, rtol=1e-6)
            assert site.value.dtype == own.dtype
