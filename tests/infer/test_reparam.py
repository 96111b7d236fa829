"""Laws of reparameterisations: the model that is left is the model that was."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import (
    ArgumentError,
    ArgumentTypeError,
    ModelError,
    PPLError,
    ShapeError,
    UnknownNameError,
)
from ppl.distributions import transforms
from ppl.distributions.transforms import biject_to
from ppl.infer import reparam
from ppl.infer.reparam.loc_scale import POSITIVE, REAL, THROUGH
from tests.language.joint import both, draw, joint, latent, peer_joint, terms, total

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


# --- against NumPyro ------------------------------------------------------------------


def hierarchy(p):
    """One text in both languages, with every strategy at once."""
    d, r = p.distributions, p.infer.reparam
    t = d.transforms

    def run():
        mu = p.sample("mu", d.Normal(0.0, 3.0))
        s = p.sample("s", d.Gamma(2.0, 3.0))
        with p.plate("N", 3):
            a = p.sample("a", d.Normal(mu, s))
            b = p.sample("b", d.StudentT(5.0, mu, s))
            c = p.sample("c", d.LogNormal(mu, s))
            walk = p.sample("walk", d.Normal(mu * jnp.ones(5), s).to_event(1))
            level = p.sample("level", d.Normal(jnp.zeros(5), s).to_event(1))
            p.sample("way", d.ProjectedNormal(jnp.ones(3) * s))
            with p.handlers.scale(scale=2.0):
                e = p.sample("e", d.Gamma(4.0, s))
            f = p.sample("f", d.Cauchy(mu, s))
        every = a.sum() + (b + c + e + walk[..., 0] + f).sum()
        p.sample("y", d.Normal(every, 2.0), obs=1.0)
        return level

    config = {
        "a": r.LocScaleReparam(0.3),
        "b": r.LocScaleReparam(0.0, shape_params=["df"]),
        "c": r.TransformReparam(),
        "c_base": r.LocScaleReparam(0.0),
        "walk": r.HaarReparam(flip=True),
        "level": r.DiscreteCosineReparam(smooth=1.0),
        "way": r.ProjectedNormalReparam(),
        "e": r.ExplicitReparam(t.SoftplusTransform().inv),
        "f": r.LocScaleReparam(0.5),
    }
    return p.handlers.reparam(run, config=config)


def test_joint_density_and_names_are_those_of_numpyro():
    pytest.importorskip("numpyro.infer.reparam")
    ours, theirs = both(hierarchy)
    values = latent(draw(ours, seed=3))
    assert list(values) == [
        *("mu", "s", "a_decentered", "b_decentered", "c_base_decentered"),
        *("walk_haar", "level_dct", "way_normal", "e_base", "f_decentered"),
    ]
    assert joint(ours, values) == pytest.approx(peer_joint(theirs, values), rel=1e-5)


# --- surroundings ---------------------------------------------------------------------

WHOLLY = reparam.LocScaleReparam(0.0)


def nested():
    with (
        ppl.plate("I", 2, dim=-2),
        handlers.scale(scale=2.0),
        ppl.plate("J", 3, dim=-1),
        handlers.mask(mask=np.array([True, False, 1 > 0])),
    ):
        return ppl.sample("x", dist.Normal(1.0, 2.0))


def test_what_is_sampled_instead_stands_where_the_site_stood():
    trace = draw(handlers.reparam(nested, {"x": WHOLLY}))
    plain, site = draw(nested)["x"], trace["x_decentered"]
    assert site.plates == plain.plates == trace["x"].plates
    assert site.scale == plain.scale
    np.testing.assert_array_equal(site.mask, plain.mask)
    assert site.fn.batch_shape == plain.fn.batch_shape
    assert "test_reparam" in site.line


def test_wrappers_stay_around():
    mask = np.array([True, False])
    fn = dist.Normal(jnp.ones(2), 2.0).mask(mask).to_event(1)
    site = draw(around(fn, WHOLLY))["x_decentered"]
    assert (site.fn.batch_shape, site.fn.event_shape) == ((3,), (2,))
    zeros = site.fn.log_prob(jnp.zeros((3, 2)))
    np.testing.assert_allclose(zeros, stats.norm.logpdf(0.0), rtol=1e-6)  # one of two
    expanded = dist.ExpandedDistribution(dist.Normal(0.0, 1.0), (3,))
    assert list(latent(draw(around(expanded, WHOLLY)))) == ["x_decentered"]


def test_scopes_inside_and_outside():
    inside = handlers.reparam(handlers.scope(nested, prefix="s"), {"s/x": WHOLLY})
    assert "s/x_decentered" in latent(draw(inside))
    outside = handlers.scope(handlers.reparam(nested, {"x": WHOLLY}), prefix="s")
    trace = draw(outside)
    assert "s/x_decentered" in latent(trace)
    assert [f.name for f in trace["s/x_decentered"].plates] == ["s/I", "s/J"]
    assert trace["s/x"].type == "deterministic"


def test_a_seed_inside_and_a_value_inside():
    seeded = handlers.reparam(handlers.seed(nested, rng_seed=1), {"x": WHOLLY})
    assert np.std(np.asarray(seeded())) > 0.1
    given = handlers.substitute(nested, data={"x": jnp.zeros((2, 3))})
    trace = draw(handlers.reparam(given, {"x": WHOLLY}))
    assert trace["x"].type == "sample"
    assert total(trace) == pytest.approx(total(draw(given)))


def test_a_learned_centring_can_be_lifted():
    learned = around(dist.Normal(1.0, 2.0), reparam.LocScaleReparam())
    trace = draw(learned)
    assert trace["x_centered"]["type"] == "param"
    assert trace["x_centered"]["value"] == 0.5
    lifted = draw(handlers.lift(learned, prior=dist.Uniform(0.0, 1.0)))
    assert lifted["x_centered"]["type"] == "sample"


def test_under_vmap_of_the_density():
    def log_joint(loc, u):
        model = around(dist.Normal(loc, 2.0), reparam.LocScaleReparam(0.3))
        return draw(handlers.substitute(model, data={"x_decentered": u}))[
            "x_decentered"
        ].log_prob()

    locs, u = jnp.arange(4.0), jnp.ones((4, 3))
    together = jax.jit(jax.vmap(log_joint))(locs, u)
    alone = [log_joint(loc, each) for loc, each in zip(locs, u, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


# --- mistakes -------------------------------------------------------------------------

GAMMA, NORMAL = dist.Gamma(2.0, 3.0), dist.Normal(0.0, 1.0)
SOFT = reparam.ExplicitReparam(transforms.SoftplusTransform().inv)


@pytest.mark.parametrize(
    ("strategy", "fn", "error", "says"),
    [
        (WHOLLY, GAMMA, ModelError, "'x'.*location and a scale.*Gamma"),
        (WHOLLY, dist.ExGaussian(0.0, 1.0, 1.0), ModelError, "ExGaussian"),
        (
            reparam.LocScaleReparam(0.0, ["dff"]),
            dist.StudentT(3.0),
            UnknownNameError,
            "Did you mean 'df'",
        ),
        (reparam.LocScaleReparam(np.zeros(2)), NORMAL, ShapeError, r"\(2,\).*\(3,\)"),
        (reparam.LocScaleReparam(0.5), VECTOR, ModelError, "centered=0 or 1"),
        (reparam.TransformReparam(), NORMAL, ModelError, "'x'.*transformed.*Normal"),
        (SOFT, NORMAL, ModelError, "'x'.*does not fit the support"),
        (reparam.HaarReparam(), NORMAL, ShapeError, r"'x'.*to_event\(1\)"),
        (reparam.CircularReparam(), NORMAL, ModelError, "'x'.*angles.*Normal"),
        (reparam.ProjectedNormalReparam(), NORMAL, ModelError, "'x'.*ProjectedNormal"),
        (lambda name, fn, obs: (None, None), NORMAL, ModelError, "'x'.*neither"),
        ("no strategy", NORMAL, ArgumentTypeError, "'x'.*must be a Reparam"),
    ],
)
def test_a_strategy_that_does_not_fit_says_so(strategy, fn, error, says):
    with pytest.raises(error, match=says):
        draw(around(fn, strategy))


@pytest.mark.parametrize(
    "strategy",
    [
        *(WHOLLY, SOFT, reparam.TransformReparam(), reparam.HaarReparam()),
        *(reparam.CircularReparam(), reparam.ProjectedNormalReparam()),
        *(reparam.DiscreteCosineReparam(), reparam.UnitJacobianReparam(AFFINE)),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
def test_an_observed_site_is_refused(strategy):
    def model():
        ppl.sample("x", dist.Normal(0.0, 1.0), obs=0.5)

    with pytest.raises(ModelError, match="'x': is observed.*config"):
        draw(handlers.reparam(model, {"x": strategy}))


@pytest.mark.parametrize("centered", [-0.1, 1.5, np.array([0.5, 2.0]), "half", np.nan])
def test_a_centring_lies_between_nothing_and_all(centered):
    with pytest.raises(ArgumentError, match=r"\[0, 1\]"):
        reparam.LocScaleReparam(centered)


def test_what_is_no_transform_is_refused():
    for kind in (reparam.ExplicitReparam, reparam.UnitJacobianReparam):
        with pytest.raises(ArgumentTypeError, match="needs a transform"):
            kind(jnp.exp)
    with pytest.raises(PPLError):
        reparam.HaarReparam(dim=0)


def test_unknown_names_are_told_after_the_run():
    config = {"xx": WHOLLY}
    with pytest.raises(UnknownNameError, match="unknown.*'xx'; known: x.*mean 'x'"):
        draw(handlers.reparam(around(NORMAL), config))
    seeded, within = handlers.seed(rng_seed=0), handlers.reparam(config=config)
    with pytest.raises(UnknownNameError), seeded, within:
        around(NORMAL)()
    with pytest.raises(ZeroDivisionError), handlers.reparam(config=config):
        1 / 0  # noqa: B018  (the first mistake is the one to tell)


def test_a_strategy_of_ones_own():
    class Negated(reparam.Reparam):
        def __call__(self, name, fn, obs):
            return None, -ppl.sample(f"{name}_negative", dist.Normal(-fn.loc, 1.0))

    trace = draw(around(dist.Normal(2.0, 1.0), Negated()))
    assert trace["x_negative"].fn.batch_shape == (3,)
    np.testing.assert_array_equal(trace["x"].value, -trace["x_negative"].value)
    free = biject_to(trace["x_negative"].fn.support)
    assert isinstance(free, transforms.IdentityTransform)
    assert "Negated()" in repr(Negated())
