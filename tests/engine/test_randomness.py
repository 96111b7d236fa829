"""Random numbers are Threefry's, depend on what they should alone, and look random."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from scipy.stats import kstest, norm

from ppl.infer.engine.randomness import (
    Randomness,
    chain_keys,
    normal,
    threefry,
    uniform,
)
from tests.engine.running import refill

FALSE_ALARM = 1e-6


def words(*values: int) -> tuple[Any, ...]:
    return tuple(jnp.uint32(value) for value in values)


def bank_of(
    seed: int, chains: Any, size: int = 8, dim: int = 5, draw: Any = 0
) -> Randomness:
    base = jnp.broadcast_to(jnp.asarray(draw, jnp.int32), np.shape(chains))
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
    keys, bank = chain_keys(words, chains), jnp.zeros((size, dim, len(chains)))
    return refill(Randomness(words, keys, base, bank), base)


# --- the generator ------------------------------------------------------------------

KNOWN = [  # Random123's known answers: key, counter, words
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN)
def test_threefry_gives_the_known_answers(key, counter, expected):
    assert tuple(map(int, threefry(*words(*key), *words(*counter)))) == expected


@pytest.mark.parametrize("seed", range(5))
def test_threefry_is_that_of_jax(seed):
    rng = np.random.default_rng(seed)
    key = rng.integers(2**32, size=2, dtype=np.uint32)
    counters = jnp.asarray(rng.integers(2**32, size=(2, 1000), dtype=np.uint32))
    found = threefry(key[0], key[1], *counters)
    expected = threefry_2x32(jnp.asarray(key), counters.ravel())
    np.testing.assert_array_equal(jnp.concatenate(found), expected)


def test_uniform_is_never_0_or_1():
    extremes = uniform(
        jnp.array([0, 2**9 - 1, 2**9, 2**32 - 2**9, 2**32 - 1], jnp.uint32)
    )
    assert (extremes > 0).all()
    assert (extremes < 1).all()
    assert extremes[0] == extremes[1] < extremes[2]
    assert np.isfinite(normal(jnp.array([0, 2**32 - 1], jnp.uint32))).all()


def test_uniform_and_normal_are_symmetric():
    word = jnp.asarray(
        np.random.default_rng(0).integers(2**32, size=1000, dtype=np.uint32)
    )
    np.testing.assert_array_equal(uniform(~word), 1 - uniform(word))
    np.testing.assert_array_equal(normal(~word), -normal(word))


# --- what numbers depend on -----------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("draw", [0, 1, 6, 1_000_000, 2**31 - 20])
def test_bank_is_the_same_from_whichever_draw_it_is_filled(size, draw):
    """Also where each chain is at another draw."""
    chains = np.arange(4)
    begin = draw + np.array([0, 2, 1, 0])
    small = bank_of(7, chains, size, draw=begin)
    large = bank_of(7, chains, 8, draw=draw)
    for later in range(size):
        at = jnp.asarray(begin + later, jnp.int32)
        inside = np.asarray(at - draw < 8)
        assert small.ready(at).all()
        np.testing.assert_array_equal(
            small.normals(at)[:, inside], large.normals(at)[:, inside]
        )
    assert not small.ready(jnp.asarray(begin + size, jnp.int32)).any()


@pytest.mark.parametrize("count", [1, 4, 64])
def test_chain_is_the_same_among_however_many(count):
    alone, among = bank_of(3, [41]), bank_of(3, 41 - count // 2 + np.arange(count))
    own = count // 2
    np.testing.assert_array_equal(among.bank[:, :, own], alone.bank[:, :, 0])
    draw, index = jnp.full(count, 5, jnp.int32), jnp.arange(count, dtype=jnp.int32)
    for a, b in zip(
        among.words(draw, index), alone.words(draw[:1], index[own:][:1]), strict=True
    ):
        assert a[own] == b[0]


def test_numbers_differ_by_seed_chain_draw_and_index():
    """No word turns up twice where any of them is another, nor in the other stream."""
    draw = jnp.arange(8, dtype=jnp.int32)[:, None, None]
    index = jnp.arange(6, dtype=jnp.int32)[:, None]
    made = [bank_of(seed, np.arange(16), 8, 6) for seed in (0, 1, 2**32, 2**32 + 1)]
    decisions = np.stack([randomness.words(draw, index) for randomness in made])
    # birthdays among 2^32: 6,144 words meet 0.004 times on average
    assert len(np.unique(decisions)) >= decisions.size - 1
    momenta = np.stack([randomness.bank for randomness in made])
    # and among 2^23: 3,072 numbers meet 0.6 times each other and 2 times 6,144 others
    assert len(np.unique(momenta)) > momenta.size - 10
    assert np.isin(momenta, normal(jnp.asarray(decisions))).sum() < 15


# --- whether they look random ---------------------------------------------------------


def numbers() -> tuple[np.ndarray, np.ndarray]:
    """Standard normals (draws, dim, chains), uniforms (2, draws, index, chains)."""
    randomness = bank_of(2024, np.arange(64), size=50, dim=7)
    draw = jnp.arange(50, dtype=jnp.int32)[:, None, None]
    index = jnp.arange(7, dtype=jnp.int32)[:, None]
    u = np.asarray(uniform(jnp.stack(randomness.words(draw, index))))
    return np.asarray(randomness.bank, float), u.astype(float)


def test_numbers_have_their_laws():
    normals, uniforms = numbers()
    assert kstest(normals.ravel(), "norm").pvalue > FALSE_ALARM
    for word in uniforms:
        assert kstest(word.ravel(), "uniform").pvalue > FALSE_ALARM


def test_lowest_bits_are_fair_coins():
    """They decide the direction, whatever the uniform from the same word decides."""
    randomness = bank_of(5, np.arange(1000))
    _, word = randomness.words(
        jnp.arange(100, dtype=jnp.int32)[:, None], jnp.zeros((1, 1000), jnp.int32)
    )
    coin, u = (
        np.asarray(word & 1, float).ravel() - 0.5,
        np.asarray(uniform(word)).ravel(),
    )
    z = np.array([coin.mean() / 0.5, (coin * (u - 0.5)).mean() * 2 * np.sqrt(12)])
    z *= np.sqrt(len(coin))
    assert (2 * norm.sf(abs(z)) > FALSE_ALARM).all()


@pytest.mark.parametrize("axis", ["draw", "index", "chain"])
def test_neighbours_are_uncorrelated(axis):
    """One draw and the next, one dim, one chain; and their squares."""
    normals, uniforms = numbers()
    along = ["draw", "index", "chain"].index(axis)
    for values in [normals, *norm.ppf(uniforms)]:
        for power in (1, 2):
            x = values**power
            x = (x - x.mean()) / x.std()
            for lag in (1, 2):
                n = x.shape[along]
                if n <= lag:
                    continue
                a = np.take(x, range(lag, n), along)
                b = np.take(x, range(n - lag), along)
                z = (a * b).mean() * np.sqrt(a.size)
                assert 2 * norm.sf(abs(z)) > FALSE_ALARM


def test_streams_are_uncorrelated():
    """Momenta, and both words of the decisions beside them."""
    normals, uniforms = numbers()
    columns = [normals.ravel(), *norm.ppf(uniforms).reshape(2, -1)]
    correlations = np.corrcoef(columns)[np.triu_indices(3, 1)]
    assert (2 * norm.sf(abs(correlations) * np.sqrt(normals.size)) > FALSE_ALARM).all()
