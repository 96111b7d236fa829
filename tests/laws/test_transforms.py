"""Laws of transforms: one transform and its inverse, its determinant, its bounds."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ppl.distributions import constraints as c
from ppl.distributions import transforms as t
from tests.laws.transform_cases import TRANSFORMS

POINTS = 1000
LOW, HIGH = np.array([-1.0, 2.0]), np.array([0.0, 7.0])

# Every continuous constraint, with the shape of one free argument.
CONTINUOUS = [
    (c.real, ()),
    (c.positive, ()),
    (c.nonnegative, ()),
    (c.greater_than(-3.0), ()),
    (c.greater_than_eq(np.array([1.0, 2.0])), (2,)),
    (c.less_than(4.0), ()),
    (c.less_than_eq(-50.0), ()),
    (c.HalfLine(np.array([3.0, 2.0]), np.array([1.0, -1.0])), (2,)),
    (c.interval(-1.0, 1e6), ()),
    (c.interval(LOW, HIGH), (2,)),
    (c.interval(-np.inf, 1.0), ()),
    (c.interval(1.0, np.inf), ()),
    (c.interval(-np.inf, np.inf), ()),
    (c.open_interval(0.25, 0.5), ()),
    (c.unit_interval, ()),
    (c.circular, ()),
    (c.real_vector, (3,)),
    (c.real_matrix, (3, 2)),
    (c.independent(c.positive, 2), (2, 2)),
    (c.independent(c.simplex, 1), (2, 3)),
    (c.softplus_positive, ()),
    (c.complex, (2,)),
    (c.independent(c.complex, 1), (2, 2)),
    (c.cat([c.positive, c.real], -1, [1, 2]), (3,)),
    (c.cat([c.real, c.real], -1), (2,)),
    (c.cat([c.real_vector, c.simplex], -1, [1, 3]), (3,)),
    (c.l1_ball, (2,)),
    (c.zero_sum(1), (3,)),
    (c.zero_sum(2), (3, 2)),
    (c.softplus_lower_cholesky, (3,)),
    (c.scaled_unit_lower_cholesky, (3,)),
    (c.simplex, (3,)),
    (c.ordered_vector, (3,)),
    (c.positive_ordered_vector, (3,)),
    (c.lower_cholesky, (3,)),
    (c.corr_cholesky, (3,)),
    (c.positive_definite, (3,)),
    (c.positive_semidefinite, (3,)),
    (c.corr_matrix, (3,)),
    (c.covariance_of_scale(np.array([0.5, 1.0, 20.0], np.float32)), (3,)),
]
NO_BIJECTION = [
    *(c.boolean, c.integer_interval(0, 3), c.nonnegative_integer, c.positive_integer),
    *(c.independent(c.boolean, 1), c.dependent, c.sphere, c.multinomial(3)),
    *(c.positive_definite_circulant_vector, c.integer),
]

IMAGES = [
    (t.ExpTransform(), c.real, c.positive),
    (t.ExpTransform(), c.greater_than(0.0), c.greater_than(1.0)),
    (t.ExpTransform(), c.less_than_eq(0.0), c.open_interval(0.0, 1.0)),
    (t.ExpTransform(), c.ordered_vector, c.positive_ordered_vector),
    (t.ExpTransform(), c.independent(c.real, 2), c.independent(c.positive, 2)),
    (t.ExpTransform(), c.simplex, c.independent(c.dependent, 1)),
    (t.AffineTransform(1.0, -2.0), c.positive, c.less_than(1.0)),
    (t.AffineTransform(1.0, 2.0), c.unit_interval, c.interval(1.0, 3.0)),
    (t.AffineTransform(1.0, -2.0), c.interval(0.0, 1.0), c.interval(-1.0, 1.0)),
    (
        t.AffineTransform(3.0, np.array([2.0, -2.0])),
        c.positive,
        c.HalfLine(np.array([3.0, 3.0]), np.array([1.0, -1.0])),
    ),
    (t.PowerTransform(-1.0), c.positive, c.positive),
    (t.PowerTransform(-1.0), c.greater_than(2.0), c.open_interval(0.0, 0.5)),
    (t.SigmoidTransform(), c.real_vector, c.independent(c.unit_interval, 1)),
    (t.IdentityTransform(), c.simplex, c.simplex),
    (t.PermuteTransform(np.array([1, 0])), c.simplex, c.simplex),
    (
        t.PermuteTransform(np.array([1, 0])),
        c.ordered_vector,
        c.independent(c.dependent, 1),
    ),
    (
        t.ReshapeTransform((2, 2), (4,)),
        c.independent(c.positive, 1),
        c.independent(c.positive, 2),
    ),
    (
        t.StickBreakingTransform(),
        c.independent(c.positive, 1),
        c.independent(c.dependent, 1),
    ),
    (t.StickBreakingTransform(), c.real_matrix, c.independent(c.simplex, 1)),
]


def named(cases):
    return [pytest.param(case, id=case.name) for case in cases]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Compute in one width of floats, then in the other."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param == "float64")
    yield np.dtype(request.param)
    jax.config.update("jax_enable_x64", before)


def free_part(constraint, value):
    """The coordinates of `value` that may be chosen freely, as a vector."""
    while isinstance(constraint, c.IndependentConstraint):
        constraint = constraint.base
    if isinstance(constraint, c.Simplex):
        return value[..., :-1].ravel()
    triangles = c.LowerCholesky, c.SoftplusLowerCholesky, c.ScaledUnitLowerCholesky
    if isinstance(constraint, (*triangles, c.PositiveDefinite)):
        return value[..., *np.tril_indices(value.shape[-1])].ravel()
    if isinstance(constraint, c.CorrCholesky | c.CorrMatrix):
        return value[..., *np.tril_indices(value.shape[-1], -1)].ravel()
    return value.ravel()


def arguments(case, dtype, points=POINTS):
    """Free numbers, and the function from them to arguments of the transform."""
    onto = t.biject_to(case.transform.domain)
    shape = onto.inverse_shape(case.shape)
    free = np.random.default_rng(1).normal(size=(points, *shape)) * case.spread
    return free.astype(dtype), onto


def as_real(a):
    a = np.asarray(a)
    return np.stack([a.real, a.imag], -1) if np.iscomplexobj(a) else a


def assert_close(a, b, tolerance):
    a, b = as_real(a).astype(np.float64), as_real(b).astype(np.float64)
    assert a.shape == b.shape
    np.testing.assert_array_less(abs(a - b), tolerance * (1 + abs(b)))


@pytest.mark.parametrize("case", named(TRANSFORMS))
def test_inverse_undoes_forward(case, dtype):
    transform = case.transform
    free, onto = arguments(case, dtype)

    @jax.jit
    def there_and_back(free):
        x = onto(free)
        y, log_det = transform.forward_and_log_det(x)
        # Without the barrier the compiler could see that the two cancel.
        return (
            x,
            y,
            log_det,
            *transform.inverse_and_log_det(jax.lax.optimization_barrier(y)),
        )

    x, y, log_det, back, log_det_back = there_and_back(free)
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    assert_close(back, x, tolerance)
    assert_close(log_det_back, -log_det, tolerance)
    assert y.real.dtype == x.dtype == log_det.dtype == dtype
    assert log_det.shape == x.shape[: x.ndim - transform.domain.event_dim]
    assert transform.forward_shape(x.shape) == y.shape
    assert transform.inverse_shape(y.shape) == x.shape
    assert transform.image(transform.domain) == transform.codomain
    assert np.all(transform.codomain(np.asarray(y)))


@pytest.mark.parametrize("case", named(TRANSFORMS))
def test_log_det_is_that_of_the_jacobian(case, x64):
    transform = case.transform
    free, onto = arguments(case, np.float64, points=100)
    domain, codomain = transform.domain, transform.codomain

    def of(function, constraint, pick=free_part):
        jacobian = jax.jacfwd(lambda u: pick(constraint, function(u)))

        def log_det(u):
            matrix = jacobian(u)
            return jnp.linalg.slogdet(matrix.reshape(matrix.shape[0], -1))[1]

        return log_det

    @jax.jit
    @jax.vmap
    def both(u):
        x = onto(u)
        pick = None if case.free is None else lambda _, value: case.free(value)
        whole = of(lambda u: transform(onto(u)), codomain, pick or free_part)(u)
        return transform.forward_and_log_det(x)[1], whole - of(onto, domain)(u)

    log_det, expected = both(free)
    assert_close(log_det.reshape(len(free), -1).sum(-1), expected, 1e-8)


@pytest.mark.parametrize("case", named(TRANSFORMS))
def test_compiled_or_mapped_is_the_same(case):
    transform = case.transform
    free, onto = arguments(case, np.float32, points=6)

    @jax.jit
    def in_each_way(transform, free):
        x = onto(free)
        return both_ways(x, transform(x), transform)

    def both_ways(x, y, transform):
        results = []
        for method, points in (
            (transform.forward_and_log_det, x),
            (transform.inverse_and_log_det, y),
        ):
            grid = points.reshape(2, 3, *points.shape[1:])
            ways = [jax.lax.map(method, points), method(grid)]
            results.append((points, [*ways, jax.vmap(jax.vmap(method))(grid)]))
        return results

    forward, inverse = in_each_way(transform, free)
    eager = transform.forward_and_log_det(np.asarray(forward[0]))
    for expected, *others in ([*forward[1], eager], inverse[1]):
        for other in others:
            for got, want in zip(other, expected, strict=True):
                assert_close(np.reshape(got, want.shape), want, 2e-5)


FAR = [
    case
    for case in TRANSFORMS
    if case.far and isinstance(t.biject_to(case.transform.domain), t.IdentityTransform)
]


@pytest.mark.parametrize("case", named(FAR))
def test_far_arguments_stay_finite(case):
    transform = case.transform
    signs = np.random.default_rng(2).choice([-1.0, 1.0], size=(POINTS, *case.shape))
    size = np.geomspace(1.0, 1e3, POINTS).reshape(-1, *[1] * len(case.shape))
    x = (signs * size).astype(np.float32)
    x[0], x[1], x[2] = 1e3, -1e3, 0.0

    def total(x):
        y, log_det = transform.forward_and_log_det(x)
        return y.sum() * 1e-3 + log_det.sum()

    @jax.jit
    def computed(x):
        return *transform.forward_and_log_det(x), jax.vmap(jax.grad(total))(x)

    y, log_det, gradient = computed(x)
    assert np.isfinite(y).all()
    assert np.isfinite(log_det).all()
    assert not np.isnan(gradient).any()
    if case.far == "inside":
        assert np.isfinite(gradient).all()
        inside = transform.codomain
        while isinstance(inside, c.IndependentConstraint):
            inside = inside.base
        if isinstance(inside, c.Interval):
            inside = c.open_interval(inside.lower_bound, inside.upper_bound)
        assert np.all(inside(np.asarray(y)))


@pytest.mark.parametrize(("constraint", "shape"), CONTINUOUS, ids=lambda x: str(x))
def test_biject_to_reaches_every_continuous_constraint(constraint, shape):
    transform = t.biject_to(constraint)
    assert isinstance(t.biject_to(transform.domain), t.IdentityTransform)
    assert transform.domain.event_dim == len(shape) or constraint.event_dim == 0
    x = np.random.default_rng(3).normal(size=(50, *shape)).astype(np.float32)

    @jax.jit
    def there_and_back(x):
        y, log_det = transform.forward_and_log_det(x)
        return y, log_det, transform.inv(jax.lax.optimization_barrier(y))

    y, log_det, back = there_and_back(x)
    verdict = constraint(np.asarray(y))
    assert np.all(verdict)
    assert log_det.shape == verdict.shape
    assert_close(back, x, 1e-3)


def test_no_constraint_is_forgotten():
    kinds = {type(constraint) for constraint, _ in CONTINUOUS}
    kinds |= {type(constraint) for constraint in NO_BIJECTION}
    public = {getattr(c, name) for name in c.__all__ if name[0].isupper()}
    public = {kind for kind in public if issubclass(kind, c.Constraint)}
    assert public - kinds - {c.Constraint} == set()


@pytest.mark.parametrize("constraint", NO_BIJECTION, ids=str)
def test_biject_to_says_what_it_cannot_do(constraint):
    base = (
        constraint.base
        if isinstance(constraint, c.IndependentConstraint)
        else constraint
    )
    says = "gradient-based" if constraint.is_discrete else "no registered bijection"
    with pytest.raises(ValueError, match=says) as caught:
        t.biject_to(constraint)
    assert type(base).__name__ in str(caught.value)


def test_biject_to_can_be_taught():
    class Even(c.Constraint):
        pass

    registry = t.BijectionRegistry()

    @registry.register(Even)
    def to_even(constraint):
        return t.AffineTransform(0.0, 2.0)

    assert registry(Even()) == t.AffineTransform(0.0, 2.0)
    registry.register(Even(), lambda constraint: t.IdentityTransform())
    assert registry(Even()) == t.IdentityTransform()


@pytest.mark.parametrize(("transform", "support", "image"), IMAGES)
def test_image_of_a_set(transform, support, image):
    assert transform.image(support) == image


MONOTONE = [
    x for x in TRANSFORMS if isinstance(x.transform, t.AbstractMonotoneTransform)
]


@pytest.mark.parametrize("case", named(MONOTONE))
def test_sign_is_the_direction(case):
    x = np.sort(
        np.asarray(t.biject_to(case.transform.domain)(np.linspace(-2.0, 2.0, 5)))
    )
    x = x.reshape(-1, *[1] * len(case.shape))
    sign = np.broadcast_to(
        case.transform.sign, case.transform.forward_shape(case.shape)
    )
    y = np.asarray(case.transform(x))
    assert (np.sign(np.diff(y, axis=0)) == sign).all()


@pytest.mark.parametrize("case", named(TRANSFORMS))
def test_a_transform_is_a_value(case):
    transform = case.transform
    leaves, structure = jax.tree.flatten(transform)
    again = jax.tree.unflatten(structure, leaves)
    loaded = pickle.loads(pickle.dumps(transform))
    for other in (again, loaded, transform.inv.inv):
        assert other == transform
        assert hash(other) == hash(transform)
    assert transform != t.ExpTransform(c.interval(-3.0, 9.0))


@pytest.mark.parametrize(
    ("constraint", "shape", "most"),
    [
        (c.real, (), 0),
        (c.real_vector, (3,), 0),
        (c.positive, (), 2),
        (c.greater_than(2.0), (), 4),
        (c.unit_interval, (), 8),
        (c.interval(-1.0, 3.0), (), 11),
        (c.simplex, (3,), 16),
    ],
)
def test_default_transforms_trace_to_few_operations(constraint, shape, most):
    transform = t.biject_to(constraint)
    traced = jax.make_jaxpr(transform.forward_and_log_det)(np.ones(shape, np.float32))
    assert len(traced.eqns) <= most


def test_log_abs_det_jacobian_takes_what_was_computed():
    y, kept = t.ExpTransform().call_with_intermediates(2.0)
    assert t.ExpTransform().log_abs_det_jacobian(2.0, y, kept) is kept
    assert t.ExpTransform().log_abs_det_jacobian(2.0, y) == 2.0


def test_bad_shapes_are_named():
    with pytest.raises(ValueError, match="no lower triangle"):
        t.CorrCholeskyTransform()(np.ones(4))
    with pytest.raises(ValueError, match="does not end in"):
        t.ReshapeTransform((2, 2), (4,))(np.ones(5))
    with pytest.raises(ValueError, match="different numbers of elements"):
        t.ReshapeTransform((2, 3), (4,))
