"""Laws of constraints: members, non-members, NaN, rules, and the same from JAX."""

import pickle
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl.distributions import constraints as c

INF, NAN = np.inf, np.nan


class ConstraintCase(NamedTuple):
    """A set, some of its members, some values outside it, and its rule in words."""

    constraint: c.Constraint
    members: list
    others: list
    rule: str


CASES = [
    ConstraintCase(c.real, [0.0, -1e30, 5], [INF, -INF], "must be finite"),
    ConstraintCase(c.positive, [1e-30, 3], [0.0, -1.0, INF], "must be > 0"),
    ConstraintCase(c.nonnegative, [0.0, 3], [-1e-30, INF], "must be >= 0"),
    ConstraintCase(c.greater_than(2.5), [2.6], [2.5, -3.0, INF], "must be > 2.5"),
    ConstraintCase(c.greater_than_eq(1e9), [1e9], [0.9e9], "must be >= 1e+09"),
    ConstraintCase(c.less_than(-1), [-1.5], [-1.0, 0.0, -INF], "must be < -1"),
    ConstraintCase(c.less_than_eq(4.0), [4.0, -1.0], [4.1, -INF], "must be <= 4"),
    ConstraintCase(
        c.HalfLine(4.0, -1.0), [4.0, -1.0], [4.1, -INF], "must be on the side -1 of 4"
    ),
    ConstraintCase(c.unit_interval, [0.0, 0.5, 1], [-0.1, 1.1], "must be in [0, 1]"),
    ConstraintCase(c.interval(-INF, 2.0), [2.0], [2.5, -INF], "must be in [-inf, 2]"),
    ConstraintCase(c.circular, [3.0], [3.2], "must be in [-3.14159, 3.14159]"),
    ConstraintCase(
        c.open_interval(0.0, 2.0), [1.0], [0.0, 2.0, 3.0], "must be in (0, 2)"
    ),
    ConstraintCase(c.boolean, [0, 1, True, 1.0], [2, -1, 0.5], "must be 0 or 1"),
    ConstraintCase(
        c.integer_interval(0, 2),
        [0, 1.0, 2],
        [-1, 3, 1.5, INF],
        "must be an integer in [0, 2]",
    ),
    ConstraintCase(
        c.nonnegative_integer,
        [0, 7.0, 2**30],
        [-1, 0.5, INF],
        "must be an integer >= 0",
    ),
    ConstraintCase(c.positive_integer, [1], [0, 1.5], "must be an integer >= 1"),
    ConstraintCase(
        c.integer_greater_than(3), [3, 4], [2, 3.5], "must be an integer >= 3"
    ),
    ConstraintCase(
        c.interval(np.array([0.0, 5.0]), 6.0),
        [[1.0, 5.5]],
        [],
        "must be in [[0.0, 5.0], 6]",
    ),
    ConstraintCase(c.real_vector, [[1.0, -2.0]], [[1.0, INF]], "must be finite"),
    ConstraintCase(
        c.real_matrix, [[[1.0, 2.0]]], [[[1.0, 2.0], [3.0, INF]]], "must be finite"
    ),
    ConstraintCase(
        c.independent(c.positive, 2),
        [[[1.0], [2.0]]],
        [[[1.0], [0.0]]],
        "must be > 0",
    ),
    ConstraintCase(
        c.simplex,
        [[0.25, 0.75], [1.0, 0.0], [1 / 3] * 3, [1]],
        [[0.3, 0.6], [1.5, -0.5], [0.33, 0.33, 0.33], [INF, -INF]],
        "must be nonnegative and sum to 1",
    ),
    ConstraintCase(
        c.ordered_vector,
        [[-1.0, 0.0, 5.0], [3.0]],
        [[1.0, 1.0], [1.0, 0.0], [0.0, INF]],
        "must be strictly increasing",
    ),
    ConstraintCase(
        c.positive_ordered_vector,
        [[0.5, 2.0]],
        [[0.0, 1.0], [-1.0, 1.0], [2.0, 1.0]],
        "must be positive and strictly increasing",
    ),
    ConstraintCase(
        c.lower_cholesky,
        [[[2.0, 0.0], [-5.0, 0.1]]],
        [[[2.0, 0.1], [0.0, 1.0]], [[2.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [INF, 1.0]]],
        "must be a lower Cholesky factor with positive diagonal",
    ),
    ConstraintCase(
        c.corr_cholesky,
        [[[1.0, 0.0], [-0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0]]],
        [
            [[1.0, 0.0], [0.6, 0.7]],
            [[2.0, 0.0], [0.6, 0.8]],
            [[1.0, 0.0], [1e300, 1.0]],
        ],
        "must be a lower Cholesky factor with positive diagonal and rows of norm 1",
    ),
    ConstraintCase(
        c.positive_definite,
        [[[2.0, 1.0], [1.0, 2.0]], [[1e-8, 0.0], [0.0, 1e8]]],
        [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.1], [0.0, 1.0]], [[1.0, INF], [INF, 1.0]]],
        "must be symmetric and positive definite",
    ),
    ConstraintCase(
        c.positive_semidefinite,
        [[[1.0, 1.0], [1.0, 1.0]], [[0.0]], [[2.0, 1.0], [1.0, 2.0]]],
        [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.1], [0.0, 1.0]]],
        "must be symmetric and positive semidefinite",
    ),
    ConstraintCase(
        c.corr_matrix,
        [[[1.0, 0.9], [0.9, 1.0]]],
        [[[1.0, 1.1], [1.1, 1.0]], [[2.0, 0.1], [0.1, 2.0]]],
        "must be symmetric and positive definite with ones on the diagonal",
    ),
    ConstraintCase(
        c.sphere, [[0.6, -0.8], [1]], [[0.6, 0.7], [INF]], "must have Euclidean norm 1"
    ),
    ConstraintCase(c.softplus_positive, [1e-30, 3], [0.0, -1.0, INF], "must be > 0"),
    ConstraintCase(c.complex, [0.0, -3.0], [INF, -INF], "must be finite"),
    ConstraintCase(
        c.l1_ball,
        [[0.25, -0.75], [0.0, 0.0], [-0.5]],
        [[0.5, -0.6], [INF]],
        "must have absolute values that sum to at most 1",
    ),
    ConstraintCase(
        c.zero_sum(),
        [[1.0, -3.0, 2.0], [0.0]],
        [[1.0, -1.1], [INF, -INF]],
        "must sum to 0 along the last dim",
    ),
    ConstraintCase(
        c.zero_sum(2),
        [[[1.0, -1.0], [-1.0, 1.0]]],
        [[[1.0, -1.0], [1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]]],
        "must sum to 0 along the last 2 dims",
    ),
    ConstraintCase(
        c.multinomial(3),
        [[1, 2, 0], [3.0, 0.0]],
        [[1, 1], [4, -1], [1.5, 1.5], [INF, 0]],
        "must be nonnegative integers that sum to 3",
    ),
    ConstraintCase(
        c.positive_definite_circulant_vector,
        [[2.0, 0.5, 0.5], [1.0, 0.2, 0.1, 0.2], [1.0]],
        [[1.0, 2.0, 2.0], [2.0, 0.5, 0.1], [-1.0, 0.0], [1.0, INF, INF]],
        "must be the first row of a positive definite circulant matrix",
    ),
    ConstraintCase(
        c.softplus_lower_cholesky,
        [[[2.0, 0.0], [-5.0, 0.1]]],
        [[[2.0, 0.1], [0.0, 1.0]], [[2.0, 0.0], [1.0, 0.0]]],
        "must be a lower Cholesky factor with positive diagonal",
    ),
    ConstraintCase(
        c.scaled_unit_lower_cholesky,
        [[[2.0, 0.0], [-5.0, 0.1]]],
        [[[2.0, 0.1], [0.0, 1.0]], [[2.0, 0.0], [1.0, 0.0]]],
        "must be a lower Cholesky factor with positive diagonal",
    ),
    ConstraintCase(
        c.cat([c.positive, c.unit_interval], -1, [1, 2]),
        [[3.0, 0.5, 1.0]],
        [[0.0, 0.5, 0.5], [3.0, 1.5, 0.5]],
        "along dim -1 must have 1 of which each must be > 0, then 2 of which each must "
        "be in [0, 1]",
    ),
    ConstraintCase(
        c.cat([c.real_vector, c.simplex], -1, [1, 2]),
        [[-7.0, 0.25, 0.75]],
        [[INF, 0.25, 0.75], [1.0, 1.0, 1.0]],
        "along dim -1 must have 1 of which each must be finite, then 2 of which each "
        "must be nonnegative and sum to 1",
    ),
]
IDS = [str(case.constraint) for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("given", ["list", "float64", "float32", "JAX", "traced"])
def test_members_and_others(case, given):
    judge = {
        "list": case.constraint,
        "float64": lambda value: case.constraint(np.asarray(value, np.float64)),
        "float32": lambda value: case.constraint(np.asarray(value, np.float32)),
        "JAX": lambda value: case.constraint(jnp.asarray(value)),
        "traced": lambda value: jax.jit(case.constraint)(np.asarray(value)),
    }[given]
    with np.errstate(over="ignore"):
        for values, verdict in ((case.members, True), (case.others, False)):
            for value in values:
                result = judge(value)
                assert np.all(result) == verdict, value
                assert result.dtype == np.bool_
                # Concrete values are judged by NumPy: nothing is compiled.
                assert isinstance(result, jax.Array) == (given in ("JAX", "traced"))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_nan_is_no_member(case):
    for value in case.members:
        array = np.array(value, np.float64)
        for index in np.ndindex(array.shape):
            broken = array.copy()
            broken[index] = NAN
            assert not np.all(case.constraint(broken))
            assert not np.all(jax.jit(case.constraint)(broken))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_verdicts_have_the_batch_shape(case):
    value = np.asarray(case.members[0], np.float64)
    batch = value.shape[: value.ndim - case.constraint.event_dim]
    many = np.broadcast_to(value, (2, 3, *value.shape))
    assert np.shape(case.constraint(many)) == (2, 3, *batch)
    assert case.constraint(jnp.asarray(many)).shape == (2, 3, *batch)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_feasible_values_are_members(case):
    for value in case.members[:1]:
        for dtype in (np.float32, np.int32):
            prototype = np.broadcast_to(np.asarray(value, dtype), (2, *np.shape(value)))
            if case.constraint == c.interval(-INF, 2.0):
                continue  # a half line in disguise has no middle
            made = case.constraint.feasible_like(prototype)
            assert made.shape == prototype.shape
            assert np.all(case.constraint(made))
            assert np.all(case.constraint(np.asarray(made)))
            if case.constraint.is_discrete or dtype == np.float32:
                assert made.dtype == dtype


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_rules_read_well(case):
    assert case.constraint.rule == case.rule


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_constraint_is_a_value(case):
    constraint = case.constraint
    leaves, structure = jax.tree.flatten(constraint)
    copies = [
        jax.tree.unflatten(structure, leaves),
        jax.tree.map(np.asarray, constraint),
        pickle.loads(pickle.dumps(constraint)),
    ]
    for copy in copies:
        assert copy == constraint
        assert hash(copy) == hash(constraint)
    same = [other.constraint for other in CASES if other.constraint == constraint]
    assert len(same) == 1
    assert constraint.check(case.members[0]) is not None


def test_bounds_may_be_traced():
    @jax.jit
    def judge(low, value):
        assert c.greater_than(low) == c.greater_than(low)
        assert c.greater_than(low) != c.greater_than(value)
        assert c.greater_than(low).rule == "must be > a traced value"
        return c.interval(low, low + 1)(value), c.greater_than(low).feasible_like(value)

    verdict, member = judge(np.float32(2.0), np.array([2.5, 3.5]))
    np.testing.assert_array_equal(verdict, [True, False])
    assert (member > 2.0).all()


def test_values_of_too_few_dims_are_named():
    for constraint, value in ((c.real_vector, 1.0), (c.simplex, 1.0)):
        with pytest.raises(ValueError, match="needs at least 1 dim"):
            constraint(value)
    for constraint in (c.lower_cholesky, c.positive_definite, c.corr_matrix):
        with pytest.raises(ValueError, match="must be square"):
            constraint(np.ones((2, 3)))


def test_complex_numbers_are_judged():
    for value, verdict in ((1 + 2j, True), (complex(1.0, NAN), False)):
        assert c.complex(np.asarray(value)) == verdict
        assert c.complex(jnp.asarray(value)) == verdict
    assert c.complex.feasible_like(np.ones(2, np.complex64)).dtype == np.complex64


def test_parts_must_fit():
    pair = c.cat([c.positive, c.real], 0, [2, 1])
    assert np.asarray(pair([1.0, 2.0, -3.0])).tolist() == [True, True, True]
    with pytest.raises(ValueError, match="need 3 along dim 0"):
        pair(np.ones(4))
    with pytest.raises(ValueError, match="there is no dim 0"):
        pair(1.0)
    with pytest.raises(ValueError, match="one length for each"):
        c.cat([c.positive], 0, [2, 1])
    with pytest.raises(ValueError, match="whole numbers"):
        c.cat([c.positive], 0, [-1])


def test_what_is_not_known_says_so():
    assert c.is_dependent(c.independent(c.dependent, 2))
    assert not c.is_dependent(c.real_vector)
    with pytest.raises(TypeError, match="cannot be checked"):
        c.dependent(1.0)
    with pytest.raises(TypeError, match="no place to start from"):
        c.dependent.feasible_like(1.0)
