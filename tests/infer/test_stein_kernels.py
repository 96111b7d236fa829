"""Kernels of Stein's method: by hand, by quadrature, and what they refuse."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, ArgumentTypeError, UnknownNameError
from ppl.contrib.einstein import (
    GraphicalKernel,
    IMQKernel,
    LinearKernel,
    MixtureKernel,
    ProbabilityProductKernel,
    RadialGaussNewtonKernel,
    RandomFeatureKernel,
    RBFKernel,
)
from ppl.infer.autoguide import AutoDelta, AutoNormal
from ppl.infer.stein.base import bandwidth, direction, push, repulsion

RNG = np.random.default_rng(0)
PARTICLES = RNG.normal(size=(7, 3))
SCORES = RNG.normal(size=(7, 3))
INFO = {"a": (0, 1), "b": (1, 3)}


def model():
    ppl.sample("z", dist.Normal(0.0, 1.0))


def quadratic(key, particle, number):
    return -0.5 * jnp.sum(particle**2)


def computed(kernel, particles=PARTICLES, info=INFO, seed=0):
    key, particles = jax.random.key(seed), jnp.asarray(particles)
    return kernel.compute(key, particles, info, quadratic)


# --- truths by hand: the value of a kernel and its derivatives by the first argument --


def squared_median(x):
    pairs = [np.sum((a - b) ** 2) for i, a in enumerate(x) for b in x[:i]]
    return np.sort(pairs)[(len(pairs) - 1) // 2] / math.log(len(x))


def rbf(x, y, width):
    value = np.exp(-np.sum((x - y) ** 2) / width)
    return value, -2 * (x - y) / width * value


def imq(x, y, const, expon):
    base = const**2 + np.sum((x - y) ** 2)
    return base**expon, 2 * expon * base ** (expon - 1) * (x - y)


def linear(x, y):
    return x @ y + 1, y


def by_number(value_and_slope):
    """Attraction and repulsion of a kernel whose values are numbers."""

    def one(x, y, score):
        value, slope = value_and_slope(x, y)
        return value * score + slope

    return one


def by_part(parts):
    """The same for kernels of a part of the coordinates each: (kernel, first, end)."""

    def one(x, y, score):
        moved = [by_number(k)(x[i:j], y[i:j], score[i:j]) for k, i, j in parts]
        return np.concatenate(moved)

    return one


def rbf_of(x, columns):
    width = squared_median(x[:, columns])
    return lambda a, b: rbf(a, b, width)


WHOLE = rbf_of(PARTICLES, slice(None))
EACH = [(rbf_of(PARTICLES, slice(i, i + 1)), i, i + 1) for i in range(3)]
HEAVY = [(lambda a, b: imq(a, b, 0.7, -0.3), i, i + 1) for i in range(3)]
TRUTHS = {
    "rbf": (RBFKernel(), by_number(WHOLE)),
    "rbf of another width": (
        RBFKernel(bandwidth_factor=lambda n: 3.0 / n),
        by_number(
            lambda x, y: rbf(x, y, squared_median(PARTICLES) * math.log(7) * 3 / 7)
        ),
    ),
    "rbf vector": (RBFKernel("vector"), by_part(EACH)),
    "rbf matrix": (RBFKernel("matrix"), by_number(WHOLE)),
    "rbf matrix of vectors": (RBFKernel("matrix", "vector_diag"), by_part(EACH)),
    "imq": (IMQKernel(), by_number(lambda x, y: imq(x, y, 1.0, -0.5))),
    "imq vector": (IMQKernel("vector", 0.7, -0.3), by_part(HEAVY)),
    "linear": (LinearKernel(), by_number(linear)),
    "mixture": (
        MixtureKernel([2.0, 0.5], [RBFKernel(), LinearKernel()]),
        lambda x, y, s: 2 * by_number(WHOLE)(x, y, s) + by_number(linear)(x, y, s) / 2,
    ),
    "mixture of vectors": (
        MixtureKernel([1.0, 3.0], [RBFKernel("vector")] * 2, mode="vector"),
        lambda x, y, s: 4 * by_part(EACH)(x, y, s),
    ),
    "graphical": (
        GraphicalKernel(local_kernel_fns={"b": LinearKernel()}),
        by_part([(rbf_of(PARTICLES, slice(0, 1)), 0, 1), (linear, 1, 3)]),
    ),
    "graphical of vectors": (
        GraphicalKernel(default_kernel_fn=RBFKernel("vector")),
        by_part(EACH),
    ),
    "graphical of matrices": (
        GraphicalKernel(
            local_kernel_fns={"a": LinearKernel()},
            default_kernel_fn=RBFKernel("matrix", "vector_diag"),
        ),
        by_part([(linear, 0, 1), *EACH[1:]]),
    ),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_directions_are_those_of_a_double_loop(x64, name):
    kernel, truth = TRUTHS[name]

    @jax.jit
    def moves(particles, scores):
        return direction(computed(kernel), kernel.mode, particles, scores)

    told = moves(PARTICLES, SCORES)
    for i, y in enumerate(PARTICLES):
        moves = [truth(x, y, s) for x, s in zip(PARTICLES, SCORES, strict=True)]
        assert np.allclose(told[i], np.mean(moves, 0), rtol=1e-9)


def test_heat_is_a_factor_of_the_repulsion(x64):
    kernel = computed(RBFKernel())
    cold, warm, hot = (
        direction(kernel, "norm", PARTICLES, SCORES, heat) for heat in (0.0, 1.0, 2.0)
    )
    assert np.allclose(hot - warm, warm - cold)
    alone = [[WHOLE(x, y)[0] for x in PARTICLES] for y in PARTICLES]
    assert np.allclose(cold, np.array(alone) @ SCORES / 7)


def test_a_matrix_of_blocks_is_the_kernel_of_its_parts(x64):
    kernel = computed(GraphicalKernel(local_kernel_fns={"b": LinearKernel()}))
    x, y, score = PARTICLES[0], PARTICLES[1], SCORES[0]
    whole = kernel(x, y)
    assert whole.shape == (3, 3)
    assert np.allclose(whole[1, 1], x[1:] @ y[1:] + 1)
    assert np.allclose(whole[0, 1:], 0)
    assert np.allclose(push(kernel, "matrix", x, y, score), whole @ score)
    jacobian = jax.jacfwd(kernel)(x, y)
    told = repulsion(kernel, "matrix", x, y)
    assert np.allclose(told, np.einsum("abb->a", jacobian))


# --- laws of all kernels --------------------------------------------------------------

GUIDE = AutoNormal(model)
KERNELS = {name: kernel for name, (kernel, _) in TRUTHS.items()} | {
    "random features": RandomFeatureKernel(bandwidth_subset=4),
    "radial": RadialGaussNewtonKernel(),
}


@pytest.mark.parametrize("name", KERNELS)
def test_steins_identity(x64, name):
    """E[K(x, y) s(x) + div K(x, y)] is zero where x is of the target, for every y."""
    kernel = KERNELS[name]
    mean, root = np.array([0.3, -0.2]), np.array([[1.0, 0.0], [0.5, 0.8]])
    nodes = np.linspace(-9, 9, 121)  # the trapezoidal rule is exact to rounding here
    grid = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2)
    weights = 0.15**2 * np.exp(-0.5 * np.sum(grid**2, 1)) / (2 * np.pi)
    points = mean + grid @ root.T
    scores = -np.linalg.solve(root @ root.T, (points - mean).T).T

    @jax.jit
    def moved(y):
        k = computed(kernel, PARTICLES[:, :2], {"a": (0, 1), "b": (1, 2)})
        pulled = jax.vmap(lambda x, s: push(k, kernel.mode, x, y, s))(points, scores)
        return pulled + jax.vmap(lambda x: repulsion(k, kernel.mode, x, y))(points)

    for y in (np.zeros(2), np.array([1.0, -0.7])):
        terms = np.asarray(moved(y))
        assert np.abs(weights[:, None] * terms).sum() > 0.1
        assert np.allclose(weights @ terms, 0, atol=1e-9)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_symmetric_and_positive(x64, name):
    kernel = KERNELS[name]

    @jax.jit
    def grammian(particles):
        k = computed(kernel)
        return jax.vmap(lambda x: jax.vmap(lambda y: k(x, y))(particles))(particles)

    gram = np.asarray(grammian(PARTICLES))
    if kernel.mode == "vector":
        gram = gram[..., None] * np.eye(3)
    if kernel.mode == "norm":
        gram = gram[..., None, None]
    size = gram.shape[-1] * len(PARTICLES)
    gram = gram.transpose(0, 2, 1, 3).reshape(size, size)
    assert np.allclose(gram, gram.T)
    assert np.linalg.eigvalsh(gram).min() > -1e-9


@pytest.mark.parametrize("name", KERNELS)
def test_equal_kernels_are_equal(name):
    kernel = KERNELS[name]
    assert kernel == kernel
    assert hash(kernel) == hash(kernel)
    assert kernel != IMQKernel("norm", 0.123)


def test_kernels_made_alike_are_equal():
    assert RBFKernel() == RBFKernel()
    one, other = (
        GraphicalKernel(local_kernel_fns={"b": IMQKernel()}) for _ in range(2)
    )
    assert one == other
    assert hash(one) == hash(other)
    assert MixtureKernel([1.0], [RBFKernel()]) != MixtureKernel([2.0], [RBFKernel()])


# --- one by one -----------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 8, 25])
def test_the_median_is_exact(count):
    x = RNG.normal(size=(count, 4)).astype(np.float32)
    squares = [np.sum((a - b) ** 2) for i, a in enumerate(x) for b in x[:i]]
    truth = np.sort(squares)[(len(squares) - 1) // 2]
    told = jax.jit(lambda x: bandwidth(x, lambda n: 10.0 * n))(x)
    assert np.isclose(told, 10 * count * truth, rtol=1e-6)


def test_bandwidths_of_particles_in_one_place_are_positive():
    same = jnp.ones((5, 2))
    assert bandwidth(same, lambda n: 1.0) == 1.0
    nearly = same.at[0].set(3.0)  # most distances are zero
    assert np.isclose(bandwidth(nearly, lambda n: 1.0), 4 * 8 / 10)
    assert bandwidth(same[:1], lambda n: 1 / math.log(n)) == 1.0


def test_random_features_are_the_gaussian_kernel_on_average(x64):
    x, y = PARTICLES[0], PARTICLES[1]

    @jax.jit
    @jax.vmap
    def features(key):
        kernel = RandomFeatureKernel().compute(
            key, jnp.asarray(PARTICLES), INFO, quadratic
        )
        return kernel(x, y)

    told = np.asarray(features(jax.random.split(jax.random.key(1), 4_000)))
    error = told.std() / np.sqrt(len(told))
    assert abs(told.mean() - WHOLE(x, y)[0]) < 4 * error
    assert error < 0.01


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_product_kernel_is_an_overlap(x64, scale):
    info = {"z_auto_loc": (0, 1), "z_auto_scale": (1, 2)}
    kernel = ProbabilityProductKernel(GUIDE, scale)
    k = computed(kernel, PARTICLES[:, :2], info)
    sd = dist.biject_to(GUIDE.scale_constraint)

    def overlap(x, y):
        laws = [stats.norm(p[0], float(sd(p[1]))) for p in (x, y)]
        product = lambda t: (laws[0].pdf(t) * laws[1].pdf(t)) ** scale  # noqa: E731
        return integrate.quad(product, -30, 30, points=[x[0], y[0]])[0]

    x, y = np.array([0.3, 0.5]), np.array([-0.6, 1.2])
    truth = overlap(x, y) / np.sqrt(overlap(x, x) * overlap(y, y))
    assert np.isclose(k(x, y), truth, rtol=1e-6)
    assert np.isclose(k(x, x), 1.0)


def test_the_radial_kernel_has_the_metric_of_the_gradients(x64):
    slopes = -PARTICLES  # of `quadratic`
    metric = slopes.T @ slopes / 7
    x, y = PARTICLES[0], PARTICLES[1]
    truth = np.exp(-(x - y) @ metric @ (x - y) / 6)
    assert np.isclose(computed(RadialGaussNewtonKernel())(x, y), truth)


def test_a_part_of_the_particles_has_its_own_gradients(x64):
    """What a local kernel climbs depends on its param, the others stay."""
    kernel = GraphicalKernel(local_kernel_fns={"b": RadialGaussNewtonKernel()})
    slopes = -PARTICLES[:, 1:]
    x, y = PARTICLES[0], PARTICLES[1]
    along = slopes @ (x - y)[1:]
    truth = np.exp(-np.mean(along**2) / 4)
    assert np.isclose(computed(kernel)(x, y)[1, 1], truth)


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RBFKernel("scalar"), ArgumentError, "mode of RBFKernel must be"),
        (lambda: RBFKernel("matrix", "diag"), ArgumentError, "'norm_diag'"),
        (lambda: IMQKernel("matrix"), ArgumentError, "'norm', 'vector'"),
        (lambda: IMQKernel(const=0.0), ArgumentError, "const must be > 0"),
        (lambda: IMQKernel(expon=0.5), ArgumentError, "between -1 and 0"),
        (lambda: LinearKernel("vector"), ArgumentError, "mode of LinearKernel"),
        (lambda: RandomFeatureKernel("matrix"), ArgumentError, "mode of Random"),
        (
            lambda: RandomFeatureKernel(bandwidth_subset=1),
            ArgumentError,
            "bandwidth_subset must be >= 2",
        ),
        (lambda: MixtureKernel([1.0], []), ArgumentError, "1 weights in ws and 0"),
        (lambda: MixtureKernel([], []), ArgumentError, "0 weights"),
        (lambda: MixtureKernel([-1.0], [RBFKernel()]), ArgumentError, "must be > 0"),
        (
            lambda: MixtureKernel([1.0], [RBFKernel("vector")]),
            ArgumentError,
            "has mode 'vector', and the mixture 'norm'",
        ),
        (
            lambda: MixtureKernel([1.0], ["rbf"]),
            ArgumentTypeError,
            "each of kernel_fns",
        ),
        (lambda: GraphicalKernel("norm"), ArgumentError, "mode of GraphicalKernel"),
        (
            lambda: GraphicalKernel(default_kernel_fn=RBFKernel),
            ArgumentTypeError,
            "must be a kernel",
        ),
        (
            lambda: computed(GraphicalKernel(local_kernel_fns={"c": RBFKernel()})),
            UnknownNameError,
            "'c'",
        ),
        (
            lambda: ProbabilityProductKernel(AutoDelta(model)),
            ArgumentTypeError,
            "is for AutoNormal",
        ),
        (
            lambda: ProbabilityProductKernel(GUIDE, scale=-1.0),
            ArgumentError,
            "scale must be > 0",
        ),
    ],
)
def test_what_is_wrong_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_names_are_numpyros():
    theirs = pytest.importorskip("numpyro.contrib.einstein")
    import ppl.contrib.einstein as ours

    for name in theirs.__all__:
        names = [
            list(inspect.signature(getattr(where, name).__init__).parameters)
            for where in (theirs, ours)
        ]
        kept = [n for n in names[0] if n not in ("static_kwargs", "self")]
        assert [n for n in names[1] if n not in ("static_kwargs", "self")] == kept
