"""What NumPy does with a traced program is what JAX does with it, compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import ppl.distributions as dist
from ppl._by_numpy import run, runs_by_numpy
from tests.laws.cases import CASES

ODD = np.array(
    [0.0, -0.0, 0.5, -0.99, 2.5, -7.0, 88.0, -300.0, np.inf, -np.inf, np.nan]
)
ROWS = np.linspace(-2.0, 3.0, 24, dtype=np.float32).reshape(4, 6)
COUNTS = np.array([3, -7, 0, 2**31 - 1], np.int32)
PLACES = np.array([[3, 0], [1, 1]])


def values(program, *args):
    """What NumPy gives, and what JAX gives."""
    traced = jax.jit(program).trace(*args)
    assert runs_by_numpy(traced.jaxpr)
    return run(traced.jaxpr, args), jax.tree.leaves(jax.jit(program)(*args))


def check_agrees(program, *args, rtol=2e-5):
    for mine, theirs in zip(*values(program, *args), strict=True):
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, np.asarray(theirs), rtol, 1e-6)


ONE = [
    *(jnp.exp, jnp.log, jnp.log1p, jnp.expm1, jnp.sqrt, lax.rsqrt, jnp.sign, jnp.abs),
    *(jnp.floor, jnp.ceil, jnp.round, jnp.tanh, jnp.isfinite, jnp.square, jnp.negative),
    *(jax.nn.sigmoid, jax.nn.softplus, jax.nn.relu, jnp.cumsum, jnp.sort, jnp.isnan),
    *(jax.scipy.special.erf, jax.scipy.special.gammaln, lax.erf_inv, jnp.arctan),
    lambda x: jnp.clip(x, -1, 1),
    lambda x: x**3 + x**-2,
    lambda x: jnp.maximum(x, 0.3) * jnp.minimum(x, 4.0),
    lambda x: (x > 0) & (x <= 2.5) | ~(x != x),
    lambda x: x.astype(bool).astype(jnp.int32),
    lambda x: jnp.where(x > 1, x, -x).sum() + x[2:7].max() + x[:4].prod(),
]
MANY = [
    (lambda x: x @ x.T, ROWS),
    (lambda x: jnp.einsum("bij,bkj->bki", x[None] * 2, x[None]), ROWS),
    (lambda x: jnp.einsum("ij,jk->ki", x, x.T), ROWS),
    (lambda x: lax.pad(x, 9.0, [(1, -2, 0), (-1, 3, 2)]), ROWS),
    (lambda x: lax.pad(x, 9.0, [(-3, 0, 1), (2, -7, 3)]), ROWS),
    (lambda x: lax.pad(x, 9.0, [(-6, 0, 0), (0, 0, 0)])[:0], ROWS.repeat(3, 0)),
    (lambda x: jnp.flip(x, 1).T.reshape(3, 8)[::2, 1:7:3], ROWS),
    (lambda x: jnp.concatenate([x, x[:1]]).sum((0, 1)), ROWS),
    (lambda x: jnp.stack([x, -x], 1), ROWS),
    (lambda x: jnp.split(x, [1, 4], 1), ROWS),
    (lambda x: x[PLACES], ROWS),
    (lambda x: x[:, PLACES], ROWS),
    (lambda x: jax.vmap(lambda row, i: row[i])(x, jnp.arange(4)), ROWS),
    (lambda x: x[jnp.array([2, 99, -1])], ROWS),
    (lambda x: x.at[jnp.array([1, 1])].add(2.0), ROWS),
    (lambda x: jnp.broadcast_to(x[:, None], (4, 3, 6)), ROWS),
    (lambda x: x + jnp.arange(6) * jnp.ones((4, 1), int), ROWS),
    (lambda x: lax.select_n(jnp.array([0, 2, 1, 0]), x[:, 0], x[:, 1], x[:, 2]), ROWS),
    (lambda x: jnp.argmax(x, 1), ROWS),
    (lambda x: x[:0].sum() + x[:0].prod(), ROWS),
    (lambda x: jnp.linalg.cholesky(x @ x.T + jnp.eye(4)), ROWS),
    (jax.scipy.special.logsumexp, ROWS),
    (jax.grad(lambda x: jax.nn.log_softmax(x)[:, 1].sum()), ROWS),
    (
        lambda n: (n * 3, n // 2, n % 4, n & 5, n ^ 1, ~n, lax.div(n, np.int32(2))),
        COUNTS,
    ),
    (lambda n: lax.shift_right_logical(n, jnp.full(4, 3, jnp.int32)), COUNTS),
    (lambda n: (n.sum(), (n > 0).any(), lax.bitcast_convert_type(n, float)), COUNTS),
    (lambda n: lax.reduce(n, np.int32(0), lax.bitwise_or, (0,)), COUNTS),
]


@pytest.mark.parametrize("program", ONE)
def test_functions_of_one_array(program):
    check_agrees(program, ODD.astype(np.float32))
    check_agrees(jax.vmap(program), ROWS)


@pytest.mark.parametrize(("program", "x"), MANY)
def test_functions_of_arrays(program, x):
    check_agrees(program, x)


@pytest.mark.parametrize("program", ONE[::3])
def test_functions_in_float64(program, x64):
    check_agrees(program, ODD, rtol=1e-13)


@pytest.mark.parametrize("case", CASES[::15], ids=lambda case: case.name)
def test_densities_and_gradients(case):
    check_densities(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_densities_and_gradients(case):
    check_densities(case)


def check_densities(case):
    made = case.make(*case.params)
    value = np.asarray(made.sample(jax.random.key(0), (3,)))
    slope = jax.grad(lambda value: made.log_prob(value).sum())
    density = runs_by_numpy(jax.make_jaxpr(made.log_prob)(value))
    smooth = value.dtype == np.float32
    smooth = smooth and runs_by_numpy(jax.make_jaxpr(slope)(value))
    if not density and not smooth:
        pytest.skip("neither its density nor the slope of it is for NumPy")
    if density:
        check_agrees(lambda value: made.log_prob(value), value, rtol=1e-4)
    if smooth:
        check_agrees(slope, value, rtol=1e-3)


def test_the_smallest_numbers_are_zero_as_they_are_for_xla():
    tiny = np.array([1e-30, -1e-30, 1e-40, 3e-38], np.float32)
    check_agrees(lambda x: (x * x, x > 0, jnp.log(x * x), x * 0.5), tiny)


def test_draws_are_those_of_the_family():
    def draws(key):
        one, other = jax.random.split(key)
        return dist.Normal(3.0, 2.0).sample(one, (2,)), dist.Gumbel(1.0).sample(other)

    keys = np.arange(8000, dtype=np.uint32).reshape(4000, 2)
    program = jax.jit(jax.vmap(draws)).trace(keys).jaxpr
    assert runs_by_numpy(program)
    normal, gumbel = run(program, [keys])
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean(0), 3.0, atol=0.15)
    np.testing.assert_allclose(normal.std(0), 2.0, atol=0.1)
    assert abs(np.corrcoef(np.c_[normal, gumbel].T)[np.triu_indices(3, 1)]).max() < 0.06
    np.testing.assert_allclose(gumbel.mean(), 1 + np.euler_gamma, atol=0.1)
    again, _ = run(program, [keys])
    assert np.array_equal(again, normal)
    other, _ = run(program, [keys + 1])
    assert not np.array_equal(other, normal)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: lax.scan(lambda c, y: (c + y, c), 0.0, x)[0],
        lambda x: lax.while_loop(lambda c: c < 3, lambda c: c + 1, x[0]),
        lambda x: lax.cond(x[0] > 0, lambda: 1.0, lambda: 2.0),
        lambda x: jax.random.gamma(jax.random.key(0), x),
        lambda x: sum(jnp.cumsum(x[:i])[-1] for i in range(1, 20)),
        lambda x: jnp.ones((3_000_000, 30)) * x,
        lambda x: (x[:, None] * jnp.ones(1500)).T @ (x[:, None] * jnp.ones(1500)),
    ],
)
def test_loops_branches_and_much_for_jax_are_left_to_it(program):
    assert not runs_by_numpy(jax.make_jaxpr(program)(np.ones(30, np.float32)))
