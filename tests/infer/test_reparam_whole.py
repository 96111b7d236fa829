"""Reparameterisations that look at a whole model: chosen ones, and learned noise."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ppl
from ppl import distributions as dist
from ppl import handlers
from ppl._errors import ArgumentError, ArgumentTypeError, ModelError, ShapeError
from ppl.distributions import transforms
from ppl.infer import reparam
from ppl.target import constrain, trace_model
from tests.language.joint import draw, joint, latent, sites

EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def schools(effect, error):
    mu = ppl.sample("mu", dist.Normal(0.0, 5.0))
    tau = ppl.sample("tau", dist.HalfCauchy(5.0))
    with ppl.plate("school", 8):
        theta = ppl.sample("theta", dist.Normal(mu, tau))
        ppl.sample("effect", dist.Normal(theta, error), obs=effect)


def chosen(model, *args, **options):
    """Names of the sites with the kinds of their strategies."""
    made = reparam.auto(**options).choose(model, *args)
    return {name: type(strategy).__name__ for name, strategy in made.items()}


# --- what is chosen -------------------------------------------------------------------


def groups(rows, observed=True):
    """Three levels: a mean, groups, and rows of data by group."""

    def model(group, y):
        mu = ppl.sample("mu", dist.Normal(0.0, 1.0))
        tau = ppl.sample("tau", dist.Gamma(2.0, 2.0))
        with ppl.plate("groups", 4):
            theta = ppl.sample("theta", dist.StudentT(5.0, mu, jnp.exp(tau)))
        with ppl.plate("rows", rows):
            ppl.sample("y", dist.Normal(theta[group], 1.0), obs=y)

    y = np.zeros(rows, np.float32) if observed else None
    return model, np.arange(rows) % 4, y


def test_location_and_scale_from_other_sites_are_taken_out():
    assert chosen(schools, EFFECT, ERROR) == {"theta": "LocScaleReparam"}


def test_unless_there_are_many_data_for_each_element():
    assert chosen(*groups(40)) == {"theta": "LocScaleReparam"}
    assert chosen(*groups(200)) == {}
    assert chosen(*groups(200), strong=51) == {"theta": "LocScaleReparam"}
    assert chosen(*groups(40), strong=10) == {}
    assert list(chosen(*groups(200, observed=False))) == ["theta", "y"]


def test_functions_that_sites_share_mix_nothing_up():
    """Only one of the locations that come out of one function is computed from `a`."""
    both = jax.jit(lambda a, b: (2 * a, 2 * b))

    def model(x):
        first, second = both(ppl.sample("a", dist.Normal(0.0, 1.0)), x)
        ppl.sample("of_a", dist.Normal(first, 1.0))
        ppl.sample("of_data", dist.Normal(second, 1.0))

    assert chosen(model, np.ones(3)) == {"of_a": "LocScaleReparam"}


def test_every_kind_of_site():
    def model(x):
        a = ppl.sample("a", dist.Normal(0.0, 1.0))
        s = ppl.sample("s", dist.LogNormal(0.0, 1.0))
        ppl.sample("shape_only", dist.StudentT(s, 0.0, 1.0))
        ppl.sample("rate", dist.Gamma(2.0, s))
        ppl.sample("scale_only", dist.HalfCauchy(s))
        ppl.sample("log_normal", dist.LogNormal(a, 1.0))
        ppl.sample("wrapped", dist.Normal(a * x, 1.0).to_event(1))
        ppl.sample("vector", dist.MultivariateNormal(a * x, jnp.eye(3)))
        affine = transforms.AffineTransform(a, s)
        base = dist.Normal(0.0, 1.0)
        ppl.sample("affine", dist.TransformedDistribution(base, affine))
        ppl.sample(
            "plain", dist.TransformedDistribution(base, [transforms.ExpTransform()])
        )
        ppl.sample("way", dist.ProjectedNormal(x))
        ppl.sample("simplex", dist.Dirichlet(jnp.ones(3) * s))
        ppl.sample("count", dist.Poisson(s), obs=3)
        ppl.sample("unused", dist.Normal(0.0 + x[0], 1.0))

    assert chosen(model, np.ones(3)) == {
        "scale_only": "LocScaleReparam",
        "log_normal": "LocScaleReparam",
        "wrapped": "LocScaleReparam",
        "vector": "LocScaleReparam",
        "affine": "TransformReparam",
        "way": "ProjectedNormalReparam",
    }
    density = trace_model(handlers.reparam(model, reparam.auto()), (np.ones(3),), {})
    assert {e.name for e in density.density.layout.entries} >= {"vector_decentered"}


def test_a_partial_or_learned_centring_can_be_asked_for():
    partly = handlers.reparam(schools, reparam.auto(centered=0.5))
    site = draw(partly, EFFECT, ERROR)
    np.testing.assert_allclose(
        site["theta_decentered"].fn.scale, jnp.sqrt(site["tau"].value), rtol=1e-6
    )
    learned = handlers.reparam(schools, reparam.auto(centered=None))
    assert draw(learned, EFFECT, ERROR)["theta_centered"].type == "param"


def test_looking_leaves_no_trace():
    """No handler around sees the look, and draws are those without it."""
    by_hand = {"theta": reparam.LocScaleReparam(0.0)}
    left = draw(handlers.reparam(schools, reparam.auto()), EFFECT, ERROR)
    right = draw(handlers.reparam(schools, by_hand), EFFECT, ERROR)
    assert list(left) == list(right)
    for name, site in left.items():
        np.testing.assert_array_equal(site.value, right[name].value)

    def with_key():
        a = ppl.sample("a", dist.Normal(0.0, 1.0))
        ppl.sample("b", dist.Normal(a, 1.0))
        return jax.random.normal(ppl.prng_key())

    seeded = handlers.seed(handlers.reparam(with_key, reparam.auto()), rng_seed=0)
    assert seeded() == handlers.seed(with_key, rng_seed=0)()


def test_data_that_the_model_looks_at():
    def model(group):
        count = int(group.max()) + 1
        mu = ppl.sample("mu", dist.Normal(0.0, 1.0))
        with ppl.plate("groups", count):
            ppl.sample("theta", dist.Normal(mu, 1.0))

    changed = handlers.reparam(model, reparam.auto())
    assert "theta_decentered" in latent(draw(changed, np.array([0, 2, 1])))
    with pytest.warns(UserWarning, match="constant"):
        traced = trace_model(changed, (np.array([0, 2, 1]),), {})
    assert traced.density.layout.size == 4


def test_mistakes():
    with (
        pytest.raises(ModelError, match="whole model.*Wrap"),
        handlers.seed(rng_seed=0),
        handlers.reparam(config=reparam.auto()),
    ):
        schools(EFFECT, ERROR)
    for strong in (0, -1, float("nan")):
        with pytest.raises(ArgumentError, match="strong must be > 0"):
            reparam.auto(strong=strong)
    with pytest.raises(ArgumentError, match="centered"):
        reparam.auto(centered=2.0)


def test_threads_do_not_meet():
    changed = handlers.reparam(schools, reparam.auto())

    def work(i):
        return float(draw(changed, EFFECT, ERROR, seed=i)["theta"].value.sum())

    alone = [work(i) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == alone


def test_eight_schools_without_divergences():
    model = handlers.reparam(schools, config=reparam.auto())
    sampler = ppl.infer.NUTS(model, target_accept_prob=0.9)
    posterior = ppl.fit(sampler, EFFECT, ERROR, chains=4, draws=1000, seed=0)
    assert posterior.divergences.count == 0
    assert not posterior.findings
    mu, tau = np.asarray(posterior["mu"]), np.asarray(posterior["tau"])
    assert mu.mean() == pytest.approx(4.4, abs=0.3)  # the long run of posteriordb
    assert tau.mean() == pytest.approx(3.6, abs=0.3)
    assert posterior["theta"].shape[-1] == 8


# --- NeuTra ---------------------------------------------------------------------------


class AffineGuide:
    """A fitted normal guide, as small as can be: `loc + scale_tril @ noise`."""

    prefix = "auto"

    def __init__(self, model, *args):
        self.density = trace_model(model, args, {}).density
        self.latent_dim = self.density.layout.size

    def get_base_dist(self):
        return dist.Normal(jnp.zeros(self.latent_dim), 1.0).to_event(1)

    def get_transform(self, params):
        return transforms.LowerCholeskyAffine(params["loc"], params["scale_tril"])

    def unpack_latent(self, flat):
        return self.density.layout.split(flat)

    def constrain(self, flat):
        return constrain(self.density, flat)[0]


def line(x, y):
    slope = ppl.sample("slope", dist.Normal(0.0, 10.0))
    sigma = ppl.sample("sigma", dist.HalfNormal(2.0))
    with ppl.plate("N", 2):
        offset = ppl.sample("offset", dist.Normal(0.0, sigma))
    with ppl.plate("rows", 6):
        ppl.sample("y", dist.Normal(slope * x + offset[0], sigma), obs=y)


X = np.arange(6.0)
Y = np.array([0.1, 0.8, 2.3, 2.9, 4.2, 4.8])
PARAMS = {
    "loc": jnp.array([1.0, -1.0, 0.1, 0.0]),
    "scale_tril": jnp.array(np.tril(0.1 * np.ones((4, 4))) + 0.2 * np.eye(4)),
}


def neutra():
    return reparam.NeuTraReparam(AffineGuide(line, X, Y), PARAMS)


def test_the_density_of_the_noise_is_that_of_the_model():
    strategy = neutra()
    changed = strategy.reparam(line)
    trace = draw(changed, X, Y)
    assert list(latent(trace)) == ["auto_shared_latent"]
    assert {n for n, s in trace.items() if s.type == "deterministic"} == {
        *("slope", "sigma", "offset")
    }
    density = strategy.guide.density
    for z in np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32):
        flat, log_det = strategy.transform.forward_and_log_det(z)
        expected = float(density(flat) + log_det)
        found = joint(changed, {"auto_shared_latent": z}, X, Y)
        assert found == pytest.approx(expected, rel=1e-5)


def test_neutra_samples_the_posterior():
    def conjugate(x, y, counts):
        slope = ppl.sample("slope", dist.Normal(0.0, 2.0))
        level = ppl.sample("level", dist.Gamma(3.0, 2.0))
        with ppl.plate("rows", 6):
            ppl.sample("y", dist.Normal(slope * x, 1.0), obs=y)
            ppl.sample("counts", dist.Poisson(level), obs=counts)

    counts = np.array([2, 0, 1, 3, 1, 2])
    params = {"loc": jnp.array([0.9, 0.4]), "scale_tril": 0.3 * jnp.eye(2)}
    guide = AffineGuide(conjugate, X, Y, counts)
    strategy = reparam.NeuTraReparam(guide, params)
    sampler = ppl.infer.NUTS(strategy.reparam(conjugate))
    posterior = ppl.fit(sampler, X, Y, counts, warmup=300, draws=500, seed=1)
    values = strategy.transform_sample(posterior["auto_shared_latent"])
    for name in ("slope", "level"):
        np.testing.assert_allclose(values[name], posterior[name], rtol=1e-4)
    precision = 0.25 + X @ X
    exact = stats.norm(X @ Y / precision, precision**-0.5)
    assert stats.kstest(np.ravel(values["slope"])[::8], exact.cdf).pvalue > 1e-3
    exact = stats.gamma(3 + counts.sum(), scale=1 / (2 + 6))
    assert stats.kstest(np.ravel(values["level"])[::8], exact.cdf).pvalue > 1e-3


def test_mistakes_with_neutra():
    with pytest.raises(ArgumentTypeError, match="get_transform"):
        reparam.NeuTraReparam(object(), {})
    strategy = neutra()
    alone = handlers.reparam(line, {"slope": strategy})
    with pytest.raises(ModelError, match="'slope'.*all sites together"):
        draw(alone, X, Y)

    def wider(x, y):
        with ppl.plate("three", 3):
            ppl.sample("offset", dist.Normal(0.0, 1.0))

    with pytest.raises(ShapeError, match=r"'offset'.*\(2,\).*\(3,\)"):
        draw(strategy.reparam(wider), X, Y)


def test_a_guide_that_lacks_a_site_leaves_it():
    def more(x, y):
        line(x, y)
        ppl.sample("other", dist.Normal(0.0, 1.0))

    trace = sites(handlers.seed(neutra().reparam(more), rng_seed=0), X, Y)
    assert list(latent(trace)) == ["auto_shared_latent", "other"]
    inside = sites(neutra().reparam(handlers.seed(more, rng_seed=0)), X, Y)
    assert np.std(inside["auto_shared_latent"].value) > 0.1
