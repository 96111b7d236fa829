"""Parts of the gamma function that densities are made of, to the last digits."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from ppl.distributions import _special as special

HALF = mp.mpf(1) / 2
X = np.concatenate(
    [
        10.0 ** np.arange(-30, 7, 0.25),
        np.arange(0.02, 3, 0.02),  # both sides of one, where the fits meet
        np.nextafter(np.float32(1), [0, 2]),
        np.arange(1, 40),
    ]
)


def rest(x):
    return mp.loggamma(x + 1) - x * mp.log(x) + x


def slope(x):
    return mp.digamma(x + 1) - mp.log(x)


def half_step(h):
    return mp.loggamma(h + HALF) - mp.loggamma(h) - mp.log(h) / 2


def half_step_slope(h):
    return mp.digamma(h + HALF) - mp.digamma(h) - 1 / (2 * h)


def worst(fn, truth, x):
    got = np.asarray(jax.jit(fn)(x), float)
    with mp.workdps(50):
        want = np.array([float(truth(mp.mpf(float(v)))) for v in x])
    return np.max(abs(got - want) / (1 + abs(want)))


@pytest.mark.parametrize(
    ("fn", "truth", "roundings"),
    [
        (special.stirling_rest, rest, 3),
        (special.stirling_slope, slope, 3),
        (jax.vmap(jax.grad(special.stirling_rest)), slope, 3),
        (special.half_step, half_step, 3),
        # the derivative of a polynomial through points
        (special.half_step_slope, half_step_slope, 10),
    ],
    ids=["rest", "slope", "derivative", "half step", "its derivative"],
)
def test_they_are_as_good_as_their_float_type(fn, truth, roundings):
    x = X.astype(np.float32)
    assert worst(fn, truth, x) < roundings * np.finfo(np.float32).eps
    with jax.enable_x64(True):
        assert worst(fn, truth, X) < 3e-13


def test_the_rest_of_counts_is_the_rest():
    counts = np.arange(1, 500).astype(np.float32)
    fn = special.stirling_rest_of_counts
    assert worst(fn, rest, counts) < 3 * np.finfo(np.float32).eps
    assert fn(jnp.array(0.0)) == special.stirling_rest(jnp.array(0.0)) == 0.0
    with jax.enable_x64(True):
        assert worst(fn, rest, np.arange(1.0, 500)) < 3e-13


def test_a_log_ratio_keeps_its_digits_near_one():
    mean = np.geomspace(1e-3, 1e3, 50).astype(np.float32)[:, None]
    x = (mean * (1 + np.array([-0.4, -0.1, 1e-6, 1e-3, 0.3, 5.0]))).astype(np.float32)
    want = np.log1p((x.astype(float) - mean) / mean)
    np.testing.assert_allclose(special.log_ratio(x, mean), want, rtol=3e-7)
