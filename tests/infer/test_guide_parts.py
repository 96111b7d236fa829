"""Guides that are put together: lists of parts, annealing of local values."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import ppl
import ppl.distributions as dist
from ppl._errors import ArgumentError, ArgumentTypeError, ModelError
from ppl.handlers import block, seed
from ppl.infer import autoguide
from ppl.infer.elbo import Trace_ELBO
from ppl.infer.svi import SVI
from tests.infer.guides import bound_at, guided, log_weights, moved, started

Y = np.array([1.3, 0.1, 0.4, 2.2])


def pair(y):
    """A number and a vector."""
    a = ppl.sample("a", dist.Normal(0.0, 1.0))
    b = ppl.sample("b", dist.Normal(jnp.zeros(2), 2.0).to_event(1))
    ppl.sample("y", dist.Normal(a + b.sum(), 0.5).expand((4,)).to_event(1), obs=y)


# --- parts ----------------------------------------------------------------------------


def parts(model=pair):
    """Two parts: a point for one site, a normal vector for the other."""
    seeded = seed(model, rng_seed=0)
    guide = autoguide.AutoGuideList(model)
    guide.append(autoguide.AutoNormal(block(seeded, hide=["b"])))
    guide.append(autoguide.AutoMultivariateNormal(block(seeded, hide=["a"])))
    return guide


def test_a_list_of_guides_is_a_guide():
    guide = parts()
    svi = SVI(pair, guide, ppl.optim.Adam(1e-2), Trace_ELBO())
    found = svi.run(0, 100, Y, progress_bar=False)
    assert set(found.params) == {
        "a_auto_loc",
        "a_auto_scale",
        "auto_loc",
        "auto_scale_tril",
    }
    draws = guide.sample_posterior(0, found.params, sample_shape=(3,))
    assert {n: v.shape for n, v in draws.items()} == {"a": (3,), "b": (3, 2)}
    median = guide.median(found.params)
    assert_allclose(median["b"], found.params["auto_loc"], rtol=1e-5)
    assert guide.quantiles(found.params, [0.1, 0.9])["b"].shape == (2, 2)


def test_a_part_may_be_a_function():
    def own(y):
        ppl.sample("a", dist.Normal(ppl.param("m", 0.0), 1.0))

    guide = autoguide.AutoGuideList(pair)
    guide.append(own)
    guide.append(autoguide.AutoDelta(block(seed(pair, rng_seed=0), hide=["a"])))
    params, _ = started(guide, Y)
    assert set(params) == {"m", "b_auto_loc"}
    guide.setup(Y)
    draws = guide.sample_posterior(0, params, sample_shape=(4,))
    assert draws["a"].shape == (4,)
    with pytest.raises(ArgumentError, match="no median"):
        guide.median(params)


def test_parts_that_do_not_fit_are_refused():
    guide = parts()
    with pytest.raises(ArgumentTypeError, match="must be a guide"):
        guide.append(3)
    with pytest.raises(
        ArgumentError, match="AutoDAIS follows the density of the whole"
    ):
        guide.append(autoguide.AutoDAIS(pair))
    with pytest.raises(ArgumentError, match="prefix"):
        guide.append(autoguide.AutoDiagonalNormal(pair))
    svi = SVI(
        pair,
        autoguide.AutoGuideList(pair),
        ppl.optim.Adam(1.0),
        Trace_ELBO(),
    )
    with pytest.raises(ModelError, match="'a'.*the guide has no such site"):
        svi.init(0, Y)


# --- annealing of local values --------------------------------------------------------


def hierarchy(used):
    """Global model, local model and the whole; `used` of four rows are in a step."""

    def top():
        return ppl.sample("theta", dist.Normal(0.0, 1.0))

    def local(theta):
        with ppl.plate("rows", 4, subsample_size=used):
            seen = ppl.subsample(jnp.asarray(Y), event_dim=0)
            x = ppl.sample("x", dist.Normal(theta, 0.8))
            ppl.sample("y", dist.Normal(x, 0.5), obs=seen)

    return top, local, lambda: local(top())


def local_start(theta):
    with ppl.plate("rows", 4):
        loc = ppl.param("shift", 0.2)
        ppl.sample("x", dist.Normal(theta + loc, 0.9))


@pytest.mark.parametrize(
    "options", [{}, {"use_global_dais_params": True}, {"local_guide": local_start}]
)
def test_local_annealing_keeps_the_evidence(options, x64):
    top, local, whole = hierarchy(None)
    evidence = stats.multivariate_normal(np.zeros(4), 1.0 + 0.89 * np.eye(4)).logpdf(Y)
    start = autoguide.AutoNormal(top, init_scale=0.6)
    settings = {"eta_init": 0.08, "init_scale": 0.7, "K": 3}
    guide = autoguide.AutoSemiDAIS(whole, local, start, **settings, **options)
    near = {"theta_auto_loc": 0.9, "auto_z_0_loc": 0.6 * Y[:, None] + 0.3}
    params = {**started(guide)[0], **near}
    weights = np.exp(log_weights(whole, guide, params, count=20_000) - evidence)
    z = (weights.mean() - 1) / (weights.std() / np.sqrt(len(weights)))
    assert abs(z) < 5
    assert weights.std() < 15


def test_members_in_use_stand_for_all(x64):
    """The mean of the bounds of both halves is that of the whole."""
    top, local, whole = hierarchy(None)
    guide = autoguide.AutoSemiDAIS(whole, local, autoguide.AutoNormal(top))
    params = moved(guide, size=0.1)
    sites = guided(guide, params)
    theta = {"theta": sites["theta"].value}
    noise = {n: sites[n].value for n in ("auto_z_0", "auto_momentum")}
    all_members = bound_at(whole, guide, params, **theta, **noise)
    top, local, whole = hierarchy(2)
    guide = autoguide.AutoSemiDAIS(whole, local, autoguide.AutoNormal(top))
    halves = []
    for rows in (np.array([0, 3]), np.array([2, 1])):
        part = {n: v[rows] for n, v in noise.items()}
        part["rows"] = rows
        halves.append(bound_at(whole, guide, params, **theta, **part))
    assert_allclose(np.mean(halves), all_members, rtol=1e-9)


def test_local_annealing_refuses_what_it_cannot_do(x64):
    top, local, whole = hierarchy(2)
    with pytest.raises(ArgumentError, match="global_guide"):
        autoguide.AutoSemiDAIS(whole, local, lambda: None)
    guide = autoguide.AutoSemiDAIS(
        whole, local, autoguide.AutoNormal(top), subsample_plate="row"
    )
    with pytest.raises(ArgumentError, match="'row'.*'rows'"):
        seed(guide, rng_seed=0)()
    guide = autoguide.AutoSemiDAIS(
        whole, lambda theta: (top(), local(theta)), autoguide.AutoNormal(top)
    )
    with pytest.raises(ModelError, match="'theta'.*first dim"):
        seed(guide, rng_seed=0)()
