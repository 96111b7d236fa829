"""Reparameterisations in use: names, surroundings, random programs, mistakes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from tests.infer.test_reparam import AFFINE, VECTOR, around
from tests.language.joint import both, draw, joint, latent, peer_joint, total
from tests.language.programs import given_values, programs, run

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
            p.sample("g", d.Gumbel(mu * jnp.ones(2), s).to_event(1))
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
        "g": r.LocScaleReparam(),
    }
    return p.handlers.reparam(run, config=config)


def test_joint_density_and_names_are_those_of_numpyro():
    pytest.importorskip("numpyro.infer.reparam")
    ours, theirs = both(hierarchy)
    values = latent(draw(ours, seed=3))
    assert list(values) == [
        *("mu", "s", "a_decentered", "b_decentered", "c_base_decentered"),
        *("walk_haar", "level_dct", "way_normal", "e_base", "f_decentered"),
        "g_decentered",
    ]
    assert draw(ours)["g_centered"].value.shape == (2,)
    assert joint(ours, values) == pytest.approx(peer_joint(theirs, values), rel=1e-5)


# --- on random programs ---------------------------------------------------------------

SHIFTED = ("normal", "laplace", "half", "vector")


def log_scales(site):
    """The sum of the logarithms of all scales of a site."""
    base = getattr(site.fn, "base_dist", site.fn)
    return float(jnp.log(jnp.broadcast_to(base.scale, site.fn.shape())).sum())


@given(programs(), st.sampled_from([0.0, 0.3]), st.integers(0, 2**32 - 1))
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_programs_have_the_density_that_they_had(x64, program, centered, seed):
    strategy = reparam.LocScaleReparam(centered)

    def config(site):
        shifted = not site.is_observed and site.name.startswith(SHIFTED)
        return strategy if shifted else None

    model = partial(run, program, ppl, jnp)
    plain = handlers.substitute(model, data=given_values(program, seed))
    trace = draw(handlers.reparam(plain, config), seed=seed)
    values = {
        s.name: trace[s.name].value for s in program.statements if s.name in trace
    }
    before = draw(handlers.substitute(model, data=values))
    taken = [n for n in before if trace[n].type != before[n].type]
    assert {f"{n}_decentered" for n in taken} == set(trace) - set(before)
    change = (1 - centered) * sum(log_scales(before[n]) for n in taken)
    expected = pytest.approx(total(before) + change, rel=1e-8, abs=1e-8)
    assert total(trace) == expected


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


@pytest.mark.parametrize(
    ("centered", "standard"), [(0.0, (0.0, 1.0)), (1.0, (1.0, 2.0))]
)
def test_a_learned_centring_may_reach_an_end(centered, standard):
    """The sites of the model are the same then, whether it is traced or not."""
    learned = around(dist.Normal(1.0, 2.0), reparam.LocScaleReparam())
    z = np.array([-1.0, 0.0, 2.0])
    values = {"x_centered": centered, "x_decentered": z}
    trace = draw(handlers.substitute(learned, data=values))
    site = trace["x_decentered"]
    np.testing.assert_allclose(site.log_prob(), stats.norm.logpdf(z, *standard), 1e-6)
    expected = z if centered else 1.0 + 2.0 * z
    np.testing.assert_allclose(trace["x"].value, expected, rtol=1e-6)


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
