"""What holds for every guide: densities, evidence, shapes, supports, mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, ModelError, ShapeError
from ppl.handlers import seed
from ppl.infer import autoguide, init_to_pathfinder, init_to_value
from ppl.primitives import Sample
from tests.infer.guides import (
    ALL,
    ANNEALED,
    FLOWS,
    NORMALS,
    POINTS,
    bound_at,
    guided,
    log_density,
    log_weights,
    made,
    moved,
    some,
    started,
)

WHOLE = [*NORMALS[1:4], *FLOWS]
Y = np.array([0.4, -0.3, 1.1])


def supports():
    """Sites on many supports, one of them computed."""
    rate = ppl.sample("rate", dist.Gamma(2.0, 1.0))
    low = ppl.sample("low", dist.Uniform(rate, rate + 1.0))
    shares = ppl.sample("shares", dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])))
    ppl.sample("corr", dist.LKJCholesky(3, 2.0))
    ppl.sample("y", dist.Normal(low, shares.sum()), obs=0.3)


COORDINATES = {  # by which the density of a value is one
    "rate": jnp.ravel,
    "low": jnp.ravel,
    "shares": lambda x: x[..., :-1],
    "corr": lambda x: x[..., np.tri(3, k=-1, dtype=bool)],
}


def conjugate(y):
    """Three means and what is seen of them."""
    with ppl.plate("i", 3):
        a = ppl.sample("a", dist.Normal(0.5, 1.0))
        b = ppl.sample("b", dist.Normal(0.0, 0.7))
        ppl.sample("y", dist.Normal(a + b, 0.5), obs=y)


EVIDENCE = stats.norm(0.5, np.sqrt(1.0 + 0.49 + 0.25)).logpdf(Y).sum()


# --- densities ------------------------------------------------------------------------


def coordinates(values):
    """Those by which the densities of values are ones, in one vector."""
    return jnp.concatenate([jnp.ravel(COORDINATES[n](values[n])) for n in COORDINATES])


@some("AutoMultivariateNormal", FLOWS[0], later=FLOWS[1:])
def test_the_density_of_a_draw_is_that_of_the_noise_with_its_jacobians(name, x64):
    tight = {"rtol": 1e-10, "atol": 1e-10} if name == "AutoContinuousFlow" else {}
    guide = made(name, supports, **tight)
    params = moved(guide)
    guide.setup()
    transform = guide.get_transform(params)

    def constrained(flat):
        values = guide.constrain(flat[None])
        return coordinates({n: v[0] for n, v in values.items()})

    @jax.jit
    def run(key):
        sites = guided(guide, params, key=key)
        values = {n: s.value for n, s in sites.items() if isinstance(s, Sample)}
        flat = values["_auto_latent"]
        noise = transform.inv(flat)
        stretches = jax.jacrev(transform)(noise), jax.jacrev(constrained)(flat)
        again = transform(noise), constrained(flat)
        total = log_density(sites)
        return total, noise, stretches, (flat, coordinates(values)), again

    total, noise, stretches, drawn, again = run(jax.random.key(5))
    assert_allclose(again[0], drawn[0], rtol=1e-6)
    assert_allclose(again[1], drawn[1], rtol=1e-10)
    logs = [np.linalg.slogdet(stretch)[1] for stretch in stretches]
    assert_allclose(total, stats.norm.logpdf(noise).sum() - sum(logs), rtol=1e-6)


@some(*NORMALS, FLOWS[0], FLOWS[2], *ANNEALED, later=FLOWS[3:])
def test_importance_weights_average_to_the_evidence(name, x64):
    scale = {"init_scale": 1.2}  # wider than the posterior: the weights have a variance
    guide = made(name, conjugate, Y, init_loc_fn=init_to_value(values=POINT), **scale)
    logs = log_weights(conjugate, guide, moved(guide, Y, size=0.05), Y, count=4000)
    weights = np.exp(logs - EVIDENCE)
    assert 0.01 < weights.std() < 20
    z = (weights.mean() - 1) / (weights.std() / np.sqrt(len(weights)))
    assert abs(z) < 5


POINT = {"a": np.full(3, 0.5), "b": np.zeros(3)}


def test_more_annealing_steps_come_nearer_to_the_evidence(x64):
    def bound(steps):
        settings = {"eta_init": 0.15, "eta_max": 0.3, "init_scale": 1.0}
        where = init_to_value(values=POINT)
        guide = autoguide.AutoDAIS(conjugate, K=steps, init_loc_fn=where, **settings)
        params, _ = started(guide, Y)
        return log_weights(conjugate, guide, params, Y, count=500).mean()

    plain, some, many = bound(1), bound(5), bound(25)
    assert plain < some - 0.5 < many - 1.0 < EVIDENCE


# --- the peer -------------------------------------------------------------------------


def in_ppl_and_numpyro(name):
    """The same model in both languages; the names are not in alphabetical order.

    With several sites the batches of NumPyro's vector are not those of the sites.
    """
    numpyro = pytest.importorskip("numpyro")

    def written_in(language):
        families = language.distributions

        def model():
            with language.plate("i", 3):
                s = language.sample("s", families.Gamma(2.0, 1.0))
                a = language.sample("a", families.Normal(0.0, s))
                language.sample("y", families.Normal(a, 1.0), obs=jnp.asarray(Y))

        def single():
            with language.plate("i", 3):
                law = families.Gamma(jnp.ones(2), 1.0).to_event(1)
                s = language.sample("s", law).sum(-1)
                language.sample("y", families.Normal(s, 1.0), obs=jnp.asarray(Y))

        return single if "Batched" in name else model

    return written_in(ppl), written_in(numpyro), numpyro


@some(
    *(*NORMALS[:1], *NORMALS[2:5], ANNEALED[0]),
    later=[NORMALS[1], NORMALS[5], *POINTS, ANNEALED[1]],
)
def test_the_bound_is_numpyros_at_the_same_params(name, x64):
    """Of masses it takes the squares for variances, so these are one here."""
    ours, theirs, numpyro = in_ppl_and_numpyro(name)
    guide = made(name, ours)
    params = moved(guide)
    if name in ANNEALED:
        params["auto_mass_matrix"] = jnp.ones(6)
    surrogate = [theirs] if name == "AutoSurrogateLikelihoodDAIS" else []
    other = getattr(numpyro.infer.autoguide, name)(theirs, *surrogate)
    objective, optimizer = numpyro.infer.Trace_ELBO(), numpyro.optim.SGD(0.1)
    svi = numpyro.infer.SVI(theirs, other, optimizer, objective)
    known = svi.get_params(svi.init(jax.random.PRNGKey(0)))
    shapes = {n: jnp.shape(v) for n, v in params.items()}
    assert shapes == {n: jnp.shape(v) for n, v in known.items()}
    samples = {n: s for n, s in guided(guide, params).items() if isinstance(s, Sample)}
    given = {n: s.value for n, s in samples.items() if not s.is_observed}
    latent = {n: given[n] for n in ("s", "a") if n in given}
    noise = {n: v for n, v in given.items() if n not in latent}
    own = bound_at(ours, guide, params, **given)
    handlers = numpyro.handlers

    def density(model, data):
        fixed = handlers.substitute(handlers.seed(model, 0), data=data)
        return numpyro.infer.util.log_density(fixed, (), {}, {})

    by_site = name in ("AutoNormal", "AutoDelta")
    minus, run = density(other, {**params, **(latent if by_site else noise)})
    plus, _ = density(theirs, {n: run[n]["value"] for n in latent})
    assert_allclose(own, plus - minus, rtol=1e-9)


# --- draws, medians, quantiles --------------------------------------------------------


AT_ONCE = ["AutoNormal", "AutoMultivariateNormal"]
LATER = [n for n in ALL if n not in AT_ONCE and "Batched" not in n]


@some(*AT_ONCE, later=LATER)
def test_draws_have_shapes_and_lie_in_the_supports(name):
    options = {}
    if name == "AutoLaplaceApproximation":  # any point will do
        options = {"hessian_fn": lambda f, x: 4.0 * jnp.eye(len(x))}
    guide = made(name, supports, **options)
    params, _ = started(guide)
    guide.setup()
    draws = guide.sample_posterior(1, params, sample_shape=(2, 5))
    one = guide.sample_posterior(1, params)
    assert {n: v.shape for n, v in draws.items()} == {
        n: (2, 5, *v.shape) for n, v in one.items()
    }
    again = guide.sample_posterior(1, params, sample_shape=(2, 5))
    assert all((draws[n] == again[n]).all() for n in draws)
    assert (draws["rate"] > 0).all()
    assert (draws["low"] >= draws["rate"]).all()
    assert (draws["low"] <= draws["rate"] + 1).all()
    assert_allclose(draws["shares"].sum(-1), 1.0, rtol=1e-5)
    assert_allclose((draws["corr"] ** 2).sum(-1), 1.0, rtol=1e-4)


@some(NORMALS[0], NORMALS[4], POINTS[1], later=NORMALS[1:4])
def test_medians_and_quantiles_are_those_of_draws(name):
    guide = made(name, conjugate)
    params = moved(guide, Y)
    guide.setup(Y)
    draws = guide.sample_posterior(2, params, sample_shape=(4000,))
    median = guide.median(params)
    ends = guide.quantiles(params, [0.1, 0.9])
    for site in ("a", "b"):
        spread = (ends[site][1] - ends[site][0]) / 2.56
        wide = 5 * np.asarray(spread).max() * 1.8 / np.sqrt(4000)
        assert_allclose(median[site], np.median(draws[site], 0), atol=wide)
        assert_allclose(ends[site], np.quantile(draws[site], [0.1, 0.9], 0), atol=wide)
        assert_allclose(guide.quantiles(params, 0.5)[site], median[site], rtol=1e-5)


@pytest.mark.parametrize("name", [*FLOWS, *ANNEALED])
def test_guides_without_quantiles_tell_what_to_do(name):
    guide = made(name, conjugate, Y)
    for asked in (guide.median, lambda p: guide.quantiles(p, 0.5)):
        with pytest.raises(ArgumentError, match="sample_posterior"):
            asked({})


def test_computed_supports_follow_the_values_and_the_fitted_params():
    def model():
        end = ppl.param("end", 1.0, constraint=dist.constraints.positive)
        a = ppl.sample("a", dist.Uniform(0.0, end))
        ppl.sample("b", dist.Uniform(a, a + 1.0))

    for name in ("AutoNormal", "AutoDiagonalNormal", "AutoDAIS"):
        guide = made(name, model)
        params = {**started(guide)[0], "end": 100.0}
        guide.setup()
        draws = guide.sample_posterior(0, params, sample_shape=(50,))
        assert draws["a"].max() > 2
        if name != "AutoDAIS":
            median = guide.median(params)
            assert 2 < median["a"] < median["b"] < median["a"] + 1


# --- mistakes -------------------------------------------------------------------------


def hidden_plate():
    with ppl.plate("rows", 10, subsample_size=3):
        ppl.sample("x", dist.Normal())


@pytest.mark.parametrize("name", [*WHOLE, "AutoLaplaceApproximation", *ANNEALED])
def test_a_subsampled_plate_is_refused_with_another_guide(name):
    guide = made(name, hidden_plate)
    with pytest.raises(ModelError, match="'x'.*'rows'.*AutoNormal") as error:
        seed(guide, rng_seed=0)()
    assert error.value.value == (10, 3)


def two():
    ppl.sample("a", dist.Normal())
    ppl.sample("b", dist.Normal().expand([2]).to_event(1))


def one():
    ppl.sample("a", dist.Normal())


def discrete():
    ppl.sample("k", dist.Bernoulli(0.5))


def likelihood():
    a = ppl.sample("a", dist.Normal())
    with ppl.plate("rows", 10, subsample_size=2):
        ppl.sample("y", dist.Normal(a, 1.0), obs=jnp.zeros(2))


BAD_RUNS = {
    "one element": (lambda: autoguide.AutoIAFNormal(one), ModelError, "AutoDiagonal"),
    "a discrete site": (
        lambda: autoguide.AutoDiagonalNormal(discrete),
        ModelError,
        "'k'",
    ),
    "batches of two shapes": (
        lambda: autoguide.AutoBatchedMultivariateNormal(two),
        ShapeError,
        "'a': has unconstrained shape.*same 1 first dims.*batch_ndim",
    ),
    "hidden too short": (
        lambda: autoguide.AutoIAFNormal(two, hidden_dims=[1]),
        ArgumentError,
        "hidden",
    ),
    "another surrogate": (
        lambda: autoguide.AutoSurrogateLikelihoodDAIS(two, one),
        ShapeError,
        "prior",
    ),
    "all data": (lambda: autoguide.AutoDAIS(likelihood), ModelError, "rows.*Surrogate"),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_guides_refuse_models_that_they_cannot_guide(case):
    make, kind, words = BAD_RUNS[case]
    with pytest.raises(kind, match=words):
        seed(make(), rng_seed=0)()


BAD_OPTIONS = {
    "AutoDiagonalNormal": [{"init_scale": 0.0}, {"prefix": ""}],
    "AutoMultivariateNormal": [{"init_scale": -1.0}],
    "AutoLowRankMultivariateNormal": [{"rank": 0}],
    "AutoBatchedMultivariateNormal": [{"batch_ndim": 0}],
    "AutoIAFNormal": [{"num_flows": 0}, {"hidden_dims": [0]}],
    "AutoBNAFNormal": [{"hidden_factors": [0]}],
    "AutoSplineCouplingNormal": [{"count_bins": 0}, {"bound": 0.0}],
    "AutoContinuousFlow": [{"divergence": "x"}, {"num_steps": 0}, {"rtol": -1.0}],
    "AutoDAIS": [{"K": 0}, {"eta_init": 0.2}, {"gamma_init": 1.0}, {"base_dist": "x"}],
    "AutoNormal": [{"init_loc_fn": init_to_pathfinder()}, {"init_scale": np.inf}],
}


@pytest.mark.parametrize(
    ("name", "options"), [(n, o) for n, several in BAD_OPTIONS.items() for o in several]
)
def test_options_out_of_range_are_named(name, options):
    (option,) = options
    with pytest.raises(ArgumentError, match=option):
        made(name, two, **options)


def test_what_is_asked_too_early_or_out_of_range():
    guide = autoguide.AutoDiagonalNormal(two)
    with pytest.raises(ArgumentError, match="does not know its model"):
        guide.median({})
    params, _ = started(guide)
    guide.setup()
    with pytest.raises(ArgumentError, match=r"\(0, 1\)"):
        guide.quantiles(params, [0.5, 1.0])


def test_laplace_refuses_what_is_no_mode():
    guide = autoguide.AutoLaplaceApproximation(supports)

    def saddle():
        x = ppl.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
        ppl.sample("z", dist.Normal())
        ppl.factor("f", 0.5 * x**2)

    guide = autoguide.AutoLaplaceApproximation(saddle)
    params, _ = started(guide)
    guide.setup()
    with pytest.raises(ModelError, match="'x'.*-1 in a direction") as error:
        guide.get_posterior(params)
    assert "hessian_fn" in str(error.value)
    sampled = autoguide.AutoLaplaceApproximation(likelihood)
    params, _ = started(sampled)
    sampled.setup()
    with pytest.raises(ModelError, match="'rows' has 2 of its 10"):
        sampled.sample_posterior(0, params)
