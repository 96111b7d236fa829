"""Laws of reparameterisations: the model that is left is the model that was."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl.distributions import transforms
from ppl.infer import reparam
from ppl.infer.reparam.loc_scale import POSITIVE, REAL, THROUGH
from tests.language.joint import draw, joint, latent, terms

WALK = dist.GaussianRandomWalk(0.7, num_steps=5)
AFFINE = transforms.AffineTransform(1.0, 2.0)
VECTOR = dist.MultivariateNormal(
    np.array([1.0, -2.0]), scale_tril=np.array([[2.0, 0.0], [0.5, 0.3]])
)
# Strategy, distribution (of the batch shape (3,) or what expands to it), name of what
# is sampled instead. One dimension less than these have the directions, further down.
CASES = {
    "wholly": (reparam.LocScaleReparam(0), dist.Normal(1.0, 2.0), "decentered"),
    "partly": (reparam.LocScaleReparam(0.3), dist.Normal(1.0, 2.0), "decentered"),
    "each": (
        reparam.LocScaleReparam(np.array([0.0, 0.5, 1.0])),
        dist.Normal(np.arange(3.0), np.array([0.5, 1.0, 2.0])),
        "decentered",
    ),
    "learned": (
        reparam.LocScaleReparam(),
        dist.Laplace(np.ones(4), np.full(4, 2.0)).to_event(1),
        "decentered",
    ),
    "half": (reparam.LocScaleReparam(0.5), dist.HalfCauchy(3.0), "decentered"),
    "log normal": (
        reparam.LocScaleReparam(0.5),
        dist.LogNormal(1.0, 0.5).expand([3, 2]).to_event(1),
        "decentered",
    ),
    "vector": (reparam.LocScaleReparam(0), VECTOR, "decentered"),
    "transformed": (
        reparam.TransformReparam(),
        dist.TransformedDistribution(dist.Normal(0.0, 1.0), [AFFINE]),
        "base",
    ),
    "transformed vector": (
        reparam.TransformReparam(),
        dist.TransformedDistribution(
            dist.StudentT(5.0).expand([4]).to_event(1),
            transforms.OrderedTransform(),
        ),
        "base",
    ),
    "named": (reparam.TransformReparam(), dist.LogNormal(1.0, 0.5), "base"),
    "inverse gamma": (reparam.TransformReparam(), dist.InverseGamma(3.0, 2.0), "base"),
    "log uniform": (reparam.TransformReparam(), dist.LogUniform(0.1, 5.0), "base"),
    "logit normal": (reparam.TransformReparam(), dist.LogitNormal(0.3, 2.0), "base"),
    "pareto": (reparam.TransformReparam(), dist.Pareto(2.0, 3.0), "base"),
    "explicit": (
        reparam.ExplicitReparam(transforms.SoftplusTransform().inv),
        dist.Gamma(4.0, 4.0),
        "base",
    ),
    "unit": (
        reparam.UnitJacobianReparam(transforms.HaarTransform(), suffix="turned"),
        dist.Gamma(np.arange(1.0, 6.0), 2.0).to_event(1),
        "turned",
    ),
    "haar": (reparam.HaarReparam(flip=True), WALK, "haar"),
    "haar along": (
        reparam.HaarReparam(dim=-2),
        dist.Normal(np.ones((4, 2)), 2.0).to_event(2),
        "haar",
    ),
    "cosine": (reparam.DiscreteCosineReparam(smooth=1.0), WALK, "dct"),
    "cosine of positive": (
        reparam.DiscreteCosineReparam(),
        dist.LogNormal(np.arange(4.0), 0.5).to_event(1),
        "dct",
    ),
}
every = pytest.mark.parametrize("case", CASES)


def around(fn, strategy=None):
    def model():
        with ppl.plate("N", 3):
            return ppl.sample("x", fn)

    return model if strategy is None else handlers.reparam(model, {"x": strategy})


def value_at(model, name, value):
    """The value of the site `x` where another has a value."""
    given = handlers.substitute(model, data={name: value})
    return draw(given)["x"]["value"]


def log_det(function, x):
    """Of the map from the free coordinates of an array to those of its image."""
    jacobian = jax.jacobian(function)(x)
    return np.linalg.slogdet(np.asarray(jacobian).reshape(x.size, x.size))[1]


@every
@pytest.mark.usefixtures("x64")
def test_joint_density_is_that_of_the_site_and_of_the_change(case):
    strategy, fn, suffix = CASES[case]
    other = f"x_{suffix}"
    changed, plain = around(fn, strategy), around(fn)
    trace = draw(changed, seed=5)
    assert [n for n, s in trace.items() if s["type"] == "sample"] == [other]
    assert trace["x"]["type"] == "deterministic"
    u = jnp.asarray(trace[other]["value"], float)
    x = value_at(changed, other, u)
    change = log_det(lambda u: value_at(changed, other, u), u)
    assert joint(changed, {other: u}) == pytest.approx(
        joint(plain, {"x": x}) + change, abs=1e-9
    )


@every
def test_gradients_are_finite(case):
    strategy, fn, suffix = CASES[case]
    changed = around(fn, strategy)
    u = draw(changed)[f"x_{suffix}"]["value"]

    def log_joint(u):
        given = handlers.substitute(changed, data={f"x_{suffix}": u})
        trace = draw(given)
        return trace[f"x_{suffix}"].log_prob().sum() + jnp.sum(trace["x"].value)

    assert np.isfinite(jax.grad(log_joint)(u)).all()


def draws(fn, strategy=None, count=4000):
    """Values of the site in independent runs, (count, 3, …): a plate of runs."""

    def model():
        with ppl.plate("runs", count, dim=-2):
            return around(fn)()

    config = {} if strategy is None else {"x": strategy}
    seeded = handlers.seed(handlers.reparam(model, config), rng_seed=len(config))
    return np.asarray(seeded())


@every
def test_the_site_has_the_distribution_that_it_had(case):
    strategy, fn, _ = CASES[case]
    changed, plain = draws(fn, strategy), draws(fn)
    assert changed.shape == plain.shape
    left, right = (side.reshape(len(side), -1) for side in (changed, plain))
    for one, other in zip(left.T, right.T, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-4
    if left.shape[1] > 3:  # and what hangs together along an axis does so still
        rank = [stats.rankdata(side[:, :5], axis=0) for side in (left, right)]
        one, other = (np.corrcoef(side.T) for side in rank)
        np.testing.assert_allclose(one, other, atol=0.08)


@pytest.mark.parametrize("centered", [0, 0.25, 1.0, np.array([0.0, 0.9, 0.4])], ids=str)
def test_any_centring_leaves_the_marginal(centered):
    fn = dist.StudentT(4.0, jnp.array([0.0, 1.0, -9.0]), 2.0)
    x = draws(fn, reparam.LocScaleReparam(centered))
    for i, column in enumerate(x.T):
        exact = stats.t(4.0, [0.0, 1.0, -9.0][i], 2.0).cdf
        assert stats.kstest(column, exact).pvalue > 1e-3


def test_a_centring_of_one_changes_nothing():
    trace = draw(around(dist.Normal(1.0, 2.0), reparam.LocScaleReparam(1.0)))
    assert list(latent(trace)) == ["x"]
    assert terms(trace) == terms(draw(around(dist.Normal(1.0, 2.0))))


SHAPES = {"df": 4.0, "alpha": 1.5, "power": 1.2, "asymmetry": 0.7, "quantile": 0.3}
SHAPES |= {"concentration": 1.7}


@pytest.mark.parametrize(
    "family", sorted(REAL | POSITIVE | set(THROUGH), key=lambda f: f.__name__)
)
@pytest.mark.usefixtures("x64")
def test_families_are_closed_under_shift_and_scale(family):
    own = family.parameter_constraints()
    shape = {name: SHAPES[name] for name in own if name in SHAPES}
    place = {"loc": 0.8, "scale": 2.5} if "loc" in own else {"scale": 2.5}
    standard = {"loc": 0.0, "scale": 1.0} if "loc" in own else {"scale": 1.0}
    assert set(own) == {*shape, *place}
    z = family(**shape, **standard).sample(jax.random.PRNGKey(0), (50,))
    through = THROUGH.get(family, transforms.IdentityTransform())

    def moved(z):
        return through(place.get("loc", 0.0) + 2.5 * through.inv(z))

    change = jnp.log(jax.vmap(jax.grad(moved))(z))
    np.testing.assert_allclose(
        family(**shape, **place).log_prob(moved(z)) + change,
        family(**shape, **standard).log_prob(z),
        rtol=1e-9,
    )
    case = around(family(**shape, **place), reparam.LocScaleReparam(0.4))
    assert list(latent(draw(case))) == ["x_decentered"]


# --- angles and directions ------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_turns_of_an_unwrapped_angle_add_up_to_the_angle():
    fn = dist.VonMises(3.0, 2.0)  # most of it is near the edge

    def model():
        return ppl.sample("x", fn)

    changed = handlers.reparam(model, {"x": reparam.CircularReparam()})
    angle = jnp.linspace(-3.1, 3.1, 7)
    turns = angle[:, None] + 2 * jnp.pi * jnp.arange(-80, 81)
    log_density = jnp.vectorize(lambda u: log_joint_at(changed, u))
    np.testing.assert_allclose(
        jnp.exp(log_density(turns)).sum(1), jnp.exp(fn.log_prob(angle)), rtol=1e-9
    )
    wrapped = value_at(changed, "x_unwrapped", turns)
    np.testing.assert_allclose(wrapped - angle[:, None], 0.0, atol=1e-9)
    x = draws(fn, reparam.CircularReparam(), 1000)[:, 0]
    assert stats.kstest(x, lambda q: np.asarray(fn.cdf(q))).pvalue > 1e-3
    assert np.isfinite(jax.grad(log_joint_at, 1)(changed, 3.0))


def log_joint_at(model, u):
    trace = draw(handlers.substitute(model, data={"x_unwrapped": u}))
    return trace["x_unwrapped"].log_prob()


def test_projected_normal():
    fn = dist.ProjectedNormal(jnp.array([[1.0, 0.5, 0.0]] * 3))
    changed = around(fn, reparam.ProjectedNormalReparam())
    trace = draw(changed)
    assert list(latent(trace)) == ["x_normal"]
    left, right = draws(fn, reparam.ProjectedNormalReparam()), draws(fn)
    np.testing.assert_allclose(np.linalg.norm(left, axis=-1), 1.0, rtol=1e-5)
    for i in range(3):
        assert stats.ks_2samp(left[:, 0, i], right[:, 0, i]).pvalue > 1e-3
    zero = value_at(changed, "x_normal", -fn.concentration)
    np.testing.assert_allclose(np.linalg.norm(zero, axis=-1), 1.0)
